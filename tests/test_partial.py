"""Curves of jobs that still run: read as they grow, a bounded part at a time, whatever the file holds."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from knowhy.execution.boundedlog import HEAD_BYTES, BoundedLog
from knowhy.execution.collect import collect
from knowhy.execution.local import LocalExecutor
from knowhy.execution.partial import LOOK_BYTES, PartialCurves
from knowhy.model.job import Job
from knowhy.model.observation import Observation, Progress


def job(folder: Path, *argv: str) -> Job:
    return Job(3, argv, str(folder), str(folder / "result.jsonl"), str(folder / "out.log"), ("val_loss",))


def all_of(partial: PartialCurves) -> dict[str, tuple[float, ...]]:
    """The curves after more looks than there is anything to be found."""
    for _ in range(20):
        partial.read()
    return {name: c.values for name, c in partial.read().items()}


def test_printed_lines_count_once_they_are_whole(tmp_path: Path) -> None:
    log, partial = tmp_path / "out.log", PartialCurves(job(tmp_path))
    assert partial.read() == {}
    log.write_text("epoch 1 val_loss: 0.9\nepoch 2 val_loss: 0.8\nepoch 3 val_loss: 0.")
    assert partial.read()["val_loss"].values == (0.9, 0.8)
    with log.open("a") as file:
        file.write("7\nepoch 4 val_loss: 0.6\n")
    found = partial.read()["val_loss"]
    assert (found.steps, found.values) == ((1.0, 2.0, 3.0, 4.0), (0.9, 0.8, 0.7, 0.6))


def test_reported_lines_win_and_what_is_no_number_leaves_a_gap(tmp_path: Path) -> None:
    lines = [{"step": i, "val_loss": 1.0 / i} for i in range(1, 6)]
    text = "\n".join(json.dumps(line) for line in lines) + '\n{"step": 6, "val_loss": NaN}\nnonsense\n[1]\n{"step": 7,'
    (tmp_path / "result.jsonl").write_text(text)
    (tmp_path / "out.log").write_text("step 1 val_loss: 9.0\nstep 2 val_loss: 8.0\n")
    found = PartialCurves(job(tmp_path)).read()["val_loss"]
    assert found.steps == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert found.values[0] == 1.0


def test_another_spelling_of_the_objective_is_known_again(tmp_path: Path) -> None:
    (tmp_path / "out.log").write_text("epoch 1 Val Loss: 0.9\nepoch 2 Val Loss: 0.8\n")
    assert PartialCurves(job(tmp_path)).read()["val_loss"].values == (0.9, 0.8)


def test_a_look_reads_a_bounded_part(tmp_path: Path) -> None:
    count = 20_000
    text = "".join(f'{{"step": {i}, "val_loss": {i / 7:.6f}}}\n' for i in range(count))
    (tmp_path / "result.jsonl").write_text(text)
    partial = PartialCurves(job(tmp_path))
    first = partial.read()["val_loss"]
    assert first.steps[-1] <= LOOK_BYTES / 20 < count
    last = all_of(partial)["val_loss"]
    assert len(last) <= 300
    assert last[-1] == pytest.approx((count - 1) / 7, abs=1e-6)


def test_a_line_longer_than_a_look_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "out.log").write_text("x" * (3 * LOOK_BYTES) + "\nepoch 1 val_loss: 0.9\nepoch 2 val_loss: 0.8\n")
    assert all_of(PartialCurves(job(tmp_path)))["val_loss"] == (0.9, 0.8)


def test_links_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("epoch 1 val_loss: 0.9\nepoch 2 val_loss: 0.8\n")
    os.symlink(secret, tmp_path / "out.log")
    os.mkfifo(tmp_path / "result.jsonl")
    assert PartialCurves(job(tmp_path)).read() == {}


def test_a_log_that_is_cut_in_the_middle_goes_on_from_its_last_step(tmp_path: Path) -> None:
    log, partial = BoundedLog(str(tmp_path / "out.log")), PartialCurves(job(tmp_path))
    noise = b"." * 200 + b"\n"
    epochs = 60
    for epoch in range(1, epochs + 1):
        log.write(f"epoch {epoch} val_loss: {1 / epoch:.4f}\n".encode() + noise * 80)
        log._sync()
        all_of(partial)
    log.close()
    assert os.path.getsize(tmp_path / "out.log") > HEAD_BYTES
    found = partial.read()["val_loss"]
    assert found.steps[-1] == epochs
    assert list(found.steps) == sorted(set(found.steps))
    whole = collect(job(tmp_path), 0, 1.0)
    assert isinstance(whole, Observation)
    told = dict(zip(whole.curves["val_loss"].steps, whole.curves["val_loss"].values, strict=True))
    assert all(told[step] == value for step, value in zip(found.steps, found.values, strict=True))


SCRIPT = """
import sys, time
for epoch in range(1, 7):
    print(f"epoch {epoch} val_loss: {1 / epoch}")
    if epoch == 4:
        open("there", "w").close()
        while True:
            time.sleep(0.01)
"""


def test_an_executor_shows_what_runs_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    with LocalExecutor(1) as executor:
        assert executor.progress(3) is None
        executor.submit(job(tmp_path, sys.executable, "train.py"))
        deadline, found = time.monotonic() + 60, None
        while time.monotonic() < deadline:
            found = executor.progress(3)
            if isinstance(found, Progress) and found.curves and found.curves["val_loss"].steps[-1] == 4:
                break
            executor.wait(0.05)
        assert found is not None
        assert found.curves["val_loss"].values == (1.0, 0.5, 1 / 3, 0.25)
        assert 0 < found.seconds < 60
        executor.cancel(3)
        assert executor.progress(3) is None
        assert executor.wait(0.0) == []
