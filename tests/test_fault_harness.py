"""The fault harness in its short form: each promise with a few rounds; ``benchmarks/faults`` has the full numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, /proc and the tap on SQLite's files")

if sys.platform == "linux":
    from benchmarks.faults import clocks, controllers, damage, full_disk, kills, nulls, paths, power
    from benchmarks.faults.__main__ import PROMISES
    from benchmarks.faults.promises import Promise, Round, row, table, total


def kept(promise: Promise, *numbers: int) -> dict[str, float]:
    """The counts of some rounds, after checking that the promise is kept in them."""
    results = [promise.perform(Round(promise.name.replace(" ", "-"), number)) for number in numbers]
    made = row(promise, results, 0)
    assert made["kept"], made
    assert made["notes"] == [] or promise is nulls.PROMISE
    return total(results)


def test_kills_at_random_times() -> None:
    assert kept(kills.PROMISES[0], 1)["kills"] == kills.KILLS


@pytest.mark.parametrize("point", ["before collect", "before sync of file"])
def test_kills_at_failpoints(point: str) -> None:
    assert kept(kills.PROMISES[1], kills.FAILPOINTS.index(point))["kills"] == 2


@pytest.mark.slow
def test_exact_resume() -> None:
    kept(kills.PROMISES[2], 0)


def test_power_loss_and_that_it_would_be_seen() -> None:
    """Delete and write-ahead modes; with a SQLite that syncs nothing the same round does lose events."""
    assert kept(power.PROMISE, 0, 1)["commits"] == 2 * power.COMMITS
    assert power.perform(Round("unsafe", 0), unsafe=True)["lost"] != 0


def test_a_damaged_journal() -> None:
    counts = kept(damage.PROMISE, 0)
    assert counts["truncated"] == 25
    assert counts["recovered"] > 25, "what stands before the cut is saved in most cases"


def test_two_controllers() -> None:
    kept(controllers.PROMISE, 0)


def test_disk_errors_in_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_disk, "STEP", 97)
    for number in range(3):
        assert kept(full_disk.JOURNAL, number)["met"] >= 3


def test_disk_errors_in_folders() -> None:
    assert kept(full_disk.FOLDERS, 0)["pauses"] > 0


def test_clock_jumps() -> None:
    assert kept(clocks.PROMISE, 0)["jumps"] == clocks.JUMPS


@pytest.mark.slow
def test_progress_is_not_noise() -> None:
    kept(nulls.PROMISE, *range(4))


def test_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = paths.names(0)
    monkeypatch.setattr(paths, "names", lambda seed: whole[:3])
    assert kept(paths.PROMISE, 0)["uses"] == 27


def test_numbers_that_the_full_form_has() -> None:
    """What was promised: kills, power losses, damage, rounds, jumps, null changes and names."""
    full = {name: promise.full for name, promise in PROMISES.items()}
    assert full["kills-at-random-times"] * kills.KILLS == 200
    assert full["kills-at-named-failpoints"] * 2 == 50
    assert full["power-loss"] * power.COMMITS == 100
    assert full["a-damaged-journal"] * 25 == 500
    assert full["a-damaged-journal"] * 10 == 200
    assert full["two-controllers"] == 100
    assert full["clock-jumps"] * clocks.JUMPS == 30
    assert nulls.SINGLE + len(nulls.EDITS) * (full["progress-is-not-noise"] - nulls.SINGLE) == 200
    assert len({name for seed in range(full["paths"]) for name in paths.names(seed)}) >= 190


def test_the_table_tells_what_was_not_kept() -> None:
    promise = Promise("p", "0 lost", lambda task: {}, 2, 1, lambda counts: counts["lost"] == 0)
    rows = [row(promise, [{"lost": 0, "notes": []}, {"lost": 1, "most_seconds": 2.0, "notes": ["one | is gone"]}], 0)]
    assert rows[0]["kept"] is False
    assert "| p | 0 lost | 2 of 2 | lost 1, most seconds 2 | **no** |" in table(rows)
    assert "one | is gone" in table(rows)
    assert row(promise, [], 1)["kept"] is False
    assert Path(__file__).parent.parent.joinpath("benchmarks", "faults", "__main__.py").exists()
