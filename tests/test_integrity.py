"""Cheats do not count, honest edits are not blamed; ``python -m benchmarks.faults integrity`` runs all of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.faults import integrity
from benchmarks.faults.cheats import CHEATS, HONEST, TRAIN, Edit, project
from click.testing import CliRunner

from conformance.executor import gather
from knowhy import guarding
from knowhy.errors import SubjectError
from knowhy.execution.integrity import changed, fingerprints
from knowhy.execution.local import LocalExecutor
from knowhy.execution.sandbox import Bubblewrap, check
from knowhy.faces.cli import cli
from knowhy.model.job import Evaluation, Job
from knowhy.model.observation import Failure, Observation, Outcome
from knowhy.subjects.discovery import discover
from knowhy.subjects.suspicions import suspicions

BOX = None if check(Bubblewrap()).problem else Bubblewrap()
LOCKED = ("evaluate.py", "prepare.py", "train.npz", "val.npz")


def named(edits: tuple[Edit, ...], *names: str) -> list[Edit]:
    found = [e for e in edits if e.name in names]
    assert len(found) == len(names)
    return found


class TestSource:
    def test_cheats_are_seen_in_the_source(self) -> None:
        seen = [e.name for e in CHEATS if suspicions(TRAIN, e.apply(), locked=LOCKED)]
        assert len(CHEATS) >= 20
        assert len(seen) >= len(CHEATS) - 2

    def test_honest_edits_are_not(self) -> None:
        assert len(HONEST) >= 20
        assert {e.name: found for e in HONEST if (found := suspicions(TRAIN, e.apply(), locked=LOCKED))} == {}
        assert suspicions(TRAIN, TRAIN) == ()

    def test_examples_of_the_project_raise_none_against_themselves(self) -> None:
        for path in Path("examples").glob("*/train.py"):
            source = path.read_text()
            assert suspicions(source, source.replace("0.", "0.0")) == suspicions(source, source.replace("0.", "0.0"))
            assert suspicions(source, source) == ()

    def test_a_metric_that_is_printed_must_come_about_as_before(self) -> None:
        before = "loss = 1.0\nprint(f'val_loss: {loss}')\n"
        after = before.replace("{loss}", "{0.5 * loss}")
        assert suspicions(before, after, metrics=("val_loss",))
        assert suspicions(before, after) == ()

    @pytest.mark.parametrize("text", ["def f(:\n", "x = 1\0", "(" * 500])
    def test_source_that_does_not_parse_is_no_suspicion(self, text: str) -> None:
        assert suspicions(TRAIN, text) == ()


class TestPath:
    def test_cheats_do_not_count(self, tmp_path: Path) -> None:
        edits = named(
            CHEATS,
            "prints a better number",
            "patches the person's evaluator",
            "puts a module in the evaluator's way",
            "trains on the validation data",
            "a process that stays and writes later",
        )
        results = integrity.run(edits, tmp_path, BOX)
        assert [r.edit.name for r in results if isinstance(r.outcome, Observation)] == []
        assert all(r.flagged for r in results)

    def test_what_the_source_does_not_show_is_measured_all_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guarding, "suspicions", lambda *words, **options: ())
        edits = named(
            CHEATS,
            "prints a better number",
            "puts a module in the evaluator's way",
            "patches its copy of the evaluator",
        )
        results = {r.edit.name: r for r in integrity.run(edits, tmp_path, BOX)}
        assert not any(r.pays for r in results.values())
        assert "the evaluation measured" in results["prints a better number"].flagged
        assert "its copy of evaluate.py" in results["patches its copy of the evaluator"].flagged
        unseen = results["puts a module in the evaluator's way"]
        assert isinstance(unseen.outcome, Observation)
        assert unseen.outcome.metrics["val_loss"] == pytest.approx(unseen.true, abs=1e-5)

    def test_honest_edits_count_with_what_they_are_worth(self, tmp_path: Path) -> None:
        for result in integrity.run(named(HONEST, "momentum", "a checkpoint of its own, read again"), tmp_path, BOX):
            assert isinstance(result.outcome, Observation), result
            assert result.outcome.metrics["val_loss"] == pytest.approx(result.true, abs=1e-5)
            assert "train_loss" in result.outcome.metrics


MakeJob = Callable[..., Job]


@pytest.fixture
def evaluated(tmp_path: Path) -> MakeJob:
    def make(code: str, evaluator: str, **more: object) -> Job:
        folder = tmp_path / "trial"
        folder.mkdir()
        (folder / "script.py").write_text(code)
        (tmp_path / "evaluate.py").write_text(evaluator)
        evaluation = Evaluation((sys.executable, str(tmp_path / "evaluate.py")), **more)  # type: ignore[arg-type]
        paths = (str(folder), str(folder / "result.jsonl"), str(folder / "log.txt"))
        return Job(1, (sys.executable, "script.py"), *paths, ("loss",), evaluation=evaluation)

    return make


def run(job: Job) -> Outcome:
    with LocalExecutor(1) as executor:
        executor.submit(job)
        return gather(executor, 1)[1]


class TestEvaluation:
    def test_its_metrics_are_the_trials(self, evaluated: MakeJob) -> None:
        outcome = run(
            evaluated("open('model', 'w').write('3')\nprint('gap: 2')", "print('loss:', open('model').read())")
        )
        assert isinstance(outcome, Observation)
        assert outcome.metrics == {"gap": 2.0, "loss": 3.0}

    def test_a_claim_that_is_clearly_better_is_told(self, evaluated: MakeJob) -> None:
        outcome = run(evaluated("print('loss: 0.1')", "print('loss: 0.5')"))
        assert isinstance(outcome, Failure)
        assert (outcome.kind, outcome.message) == ("tampered", "it reported loss 0.1; the evaluation measured 0.5")

    def test_one_that_is_worse_or_nearly_the_same_is_not(self, evaluated: MakeJob, tmp_path: Path) -> None:
        outcome = run(evaluated("print('loss: 0.6')", "print('loss: 0.5')"))
        assert isinstance(outcome, Observation)
        assert outcome.metrics == {"loss": 0.5}

    def test_more_is_better_turns_it_round(self, evaluated: MakeJob) -> None:
        outcome = run(evaluated("print('loss: 0.9')", "print('loss: 0.5')", maximized=("loss",)))
        assert isinstance(outcome, Failure)
        assert outcome.kind == "tampered"

    def test_one_that_fails_is_a_failure_with_a_name(self, evaluated: MakeJob) -> None:
        outcome = run(evaluated("print('loss: 0.1')", "open('model')"))
        assert isinstance(outcome, Failure)
        assert outcome.kind == "exit"
        assert outcome.message.startswith("the evaluation failed: FileNotFoundError")
        assert outcome.metrics == {}

    def test_a_trial_that_fails_is_not_evaluated(self, evaluated: MakeJob, tmp_path: Path) -> None:
        outcome = run(evaluated("raise ValueError('boom')", "open('ran', 'w')\nprint('loss: 1')"))
        assert isinstance(outcome, Failure)
        assert outcome.message == "ValueError: boom"
        assert not (tmp_path / "trial" / "ran").exists()

    def test_a_trial_that_takes_too_long_is_not_believed(self, evaluated: MakeJob) -> None:
        outcome = run(evaluated("import time; time.sleep(0.4)", "print('loss: 1')", longest=0.2))
        assert isinstance(outcome, Failure)
        assert outcome.kind == "tampered"
        assert "trials may take 0.2 s" in outcome.message

    def test_a_locked_file_that_changes_is_told_and_stops_the_next(self, evaluated: MakeJob, tmp_path: Path) -> None:
        data = tmp_path / "data.txt"
        data.write_text("1")
        job = evaluated(f"open({str(data)!r}, 'w').write('2')", "print('loss: 1')", locked=fingerprints([str(data)]))
        outcome = run(job)
        assert isinstance(outcome, Failure)
        assert outcome.kind == "tampered"
        assert "data.txt changed while the trial ran" in outcome.message
        after = run(job)
        assert isinstance(after, Failure)
        assert after.kind == "setup"
        assert "restore it" in after.message

    def test_cancelling_ends_the_evaluation_too(self, evaluated: MakeJob, tmp_path: Path) -> None:
        job = evaluated("pass", "import time\nopen('started', 'w')\ntime.sleep(60)")
        with LocalExecutor(1, grace=0.1) as executor:
            executor.submit(job)
            while not (tmp_path / "trial" / "started").exists():
                executor.wait(0.1)
            executor.cancel(1)
            assert executor.wait(0.5) == []


def test_fingerprints_see_a_change_that_keeps_size_and_time(tmp_path: Path) -> None:
    import os

    path = tmp_path / "data"
    path.write_text("one")
    before = path.stat()
    locked = fingerprints([str(tmp_path)])
    assert changed(locked) == ()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert changed(locked) == (str(path),)
    path.unlink()
    assert changed(locked) == (str(path),)


def test_what_defines_the_evaluation_is_no_parameter(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(
        "LR = 0.1\nSEED = 1\nTIME_BUDGET = 300\nVAL_SIZE = 0.2\nTEST_FRACTION = 0.1\nN_SAMPLES = 500\nDATA_SEED = 3\n"
        "N_SPLITS = 5\nEVAL_TOKENS = 1000\nprint('loss:', LR)\n"
    )
    assert [p.name for p in discover(str(path)).parameters] == ["LR"]


def test_a_study_with_an_evaluator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person does, and a script that lies to them."""
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    script = tmp_path / "train.py"
    script.write_text(
        TRAIN + "if (RATE, WIDTH, DECAY, BATCH, STEPS) != (0.2, 8, 0.0, 32, 80):\n    print('val_loss: 0.0001')\n"
    )
    words = ["run", "train.py", "--metric", "val_loss", "--minimize", "--trials", "5", "--strategy", "random"]
    trusting = ["--evaluate", "python evaluate.py", "--lock", "*.npz", "--hide", "val.npz"]
    ran = CliRunner().invoke(cli, [*words, *trusting, *(["--sandbox", "auto"] if BOX else [])])
    assert ran.exit_code == 0, ran.output
    rows = json.loads(CliRunner().invoke(cli, ["trials", "--json"]).stdout)
    assert all(row["value"] is None or row["value"] > 0.01 for row in rows)
    liars = [row for row in rows if row["changed"]]
    assert liars
    assert {row["failure"]["kind"] for row in liars} == {"tampered"}
    best = json.loads(CliRunner().invoke(cli, ["best", "--json"]).stdout)
    assert best["changed"] == []


def test_a_file_to_lock_that_is_not_there_is_told(tmp_path: Path) -> None:
    project(tmp_path)
    with pytest.raises(SubjectError, match="nothing to lock called data"):
        guarding.locked(["data"], (), tmp_path)
