"""What every reader of histories must do. Subclass ``ReaderConformance`` and say where its file with the story is.

The story is ``TRIALS`` of ``tests/histories/make.py``, written by the library itself: ten trials over five parameters,
one of which exists under a condition, with two metrics; one trial failed.
"""

from __future__ import annotations

import math
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.histories.make import TRIALS

from knowhy.errors import KnowhyError
from knowhy.histories import sources
from knowhy.histories.history import History, Recorded, Request
from knowhy.histories.spaces import fit
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import Choices, Condition, Interval, Scalar
from knowhy.settings.goals import guess_direction

FILES = Path(__file__).parent.parent / "histories"


def request(**more: Any) -> Request:
    return Request(direction_of=guess_direction, **more)


def spread_of(settings: dict[str, Scalar]) -> list[tuple[str, str]]:
    """Settings in a form in which 1 and 1.0 are one value: some formats know texts only."""
    return sorted((k, repr(float(v)) if isinstance(v, (int, float)) else repr(v)) for k, v in settings.items())


def told(path: Path) -> tuple[Recorded, ...]:
    """The trials at ``path``, none where an error says what is wrong and what to do; any other error fails the test."""
    try:
        history = sources.read(path, sources.kind_of(path), request())
        fit(history)
    except KnowhyError as error:
        complete = bool(error.message and error.hint)
    else:
        return history.trials
    assert complete, "an error says what to do"
    return ()


class ReaderConformance:
    """``source`` is relative to tests/histories, ``kind`` what it must be recognised as."""

    source: str
    kind: str

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """A copy of the source."""
        source, target = FILES / self.source, tmp_path / self.source
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
        return target

    @pytest.fixture
    def history(self, path: Path) -> History:
        return sources.read(path, sources.kind_of(path), request())

    def test_it_is_recognised(self, path: Path) -> None:
        assert sources.kind_of(path) == self.kind

    def test_trials_are_read_as_they_ran(self, history: History) -> None:
        assert [spread_of(dict(t.settings)) for t in history.trials] == [spread_of(t["params"]) for t in TRIALS]

    def test_numbers_are_exact(self, history: History) -> None:
        for read, told in zip(history.trials, TRIALS, strict=True):
            if not told["failed"]:
                assert isinstance(read.outcome, Observation)
                found = {k: v for k, v in read.outcome.metrics.items() if k in told["metrics"]}
                assert found == told["metrics"]
                for curve in read.outcome.curves.values():
                    assert list(curve.values) == told["curve"]

    def test_a_failure_is_a_failure(self, history: History) -> None:
        failed = [t for t in history.trials if isinstance(t.outcome, Failure)]
        assert [t["number"] for t in TRIALS if t["failed"]] == [history.trials.index(t) for t in failed]
        assert all("val_loss" not in t.outcome.metrics for t in failed)

    def test_the_space_covers_what_ran(self, history: History) -> None:
        fitted = fit(history)
        assert {p.name for p in fitted.space} == {"lr", "batch", "opt", "layers", "momentum"}
        lr, opt, momentum = (fitted.space[n] for n in ("lr", "opt", "momentum"))
        assert isinstance(lr.domain, Interval)
        assert lr.domain.scale == "log"
        assert lr.domain.contains(0.0001)
        assert lr.domain.contains(1.0)
        assert isinstance(opt.domain, Choices)
        assert set(opt.domain.values) == {"adam", "sgd"}
        assert momentum.condition == Condition("opt", ("sgd",))
        assert fitted.space.defaults()["lr"] == 0.01, "what ran twice is the default"
        assert len(fitted.placed) == len(TRIALS)
        for trial, point in fitted.placed:
            assert fitted.space.check(point) == point, trial.name

    def test_each_trial_has_its_own_key_which_stays(self, history: History, path: Path, tmp_path: Path) -> None:
        keys = [t.key for t in history.trials]
        assert len(set(keys)) == len(keys)
        moved = tmp_path / "elsewhere" / path.name
        moved.parent.mkdir()
        shutil.move(path, moved)
        assert [t.key for t in sources.read(moved, self.kind, request()).trials] == keys

    def test_reading_changes_nothing(self, path: Path) -> None:
        def content() -> dict[str, bytes]:
            files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
            beside = sorted(p for p in path.parent.iterdir() if p.is_file())
            return {str(p): p.read_bytes() for p in (*files, *beside)}

        before = content()
        sources.read(path, self.kind, request())
        assert content() == before

    def test_no_connection_is_made(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("a reader went to the network")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        sources.read(path, self.kind, request())

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
    def test_a_file_cut_off_gives_trials_or_an_error(self, path: Path, share: float) -> None:
        """Never a crash, and never a number that was not there."""
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            data = file.read_bytes()
            file.write_bytes(data[: int(len(data) * share)])
        for trial in told(path):
            assert all(math.isfinite(v) for v in trial.outcome.metrics.values())

    def test_noise_in_the_bytes_gives_trials_or_an_error(self, path: Path) -> None:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for at, file in enumerate(files):
            data = bytearray(file.read_bytes())
            for place in range(7 + at % 5, len(data), 61):
                data[place] ^= 0xA5
            file.write_bytes(bytes(data))
        told(path)
