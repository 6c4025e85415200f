"""Trials in a sandbox: what hostile ones get done, what honest ones need, and what is said where there is none."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.faults.attacks import ATTACKS
from benchmarks.faults.sandbox import attack
from click.testing import CliRunner

from conformance.executor import ExecutorConformance, MakeJob, gather
from knowhy import guarding
from knowhy.errors import SandboxError, SettingsError, SubjectError, UsageError
from knowhy.execution import confine, sandbox
from knowhy.execution.local import LocalExecutor
from knowhy.execution.sandbox import Bubblewrap, Landlock, Sandbox
from knowhy.faces.cli import cli
from knowhy.model.job import Confinement, Job
from knowhy.model.observation import Failure, Observation
from knowhy.model.trust import Trust
from knowhy.settings.options import load
from test_execution import BEHAVIOURS

WORKS = {one.name: not sandbox.check(one).problem for one in (Bubblewrap(), Landlock())}
BOXES = [
    pytest.param(one, marks=pytest.mark.skipif(not WORKS[one.name], reason=f"{one.name} does not work here"))
    for one in (Bubblewrap(), Landlock())
]
QUIET = [one for one in ATTACKS if not one.limit]
GREEDY = [one for one in ATTACKS if one.limit]
LEFT_OPEN = {"bubblewrap": set(), "landlock": {"eats memory in /dev/shm"}}


def job(folder: Path, code: str, trial: int = 1, **options: object) -> Job:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "script.py").write_text(code)
    made = Job(trial, (sys.executable, "script.py"), str(folder), str(folder / "r"), str(folder / "l"), ("loss",))
    return replace(made, **{"confinement": Confinement(), **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("box", BOXES)
class TestAttacks:
    def test_nothing_that_a_hostile_trial_tries_succeeds(self, box: Sandbox, tmp_path: Path) -> None:
        results, broken = attack(box, tmp_path, [QUIET])
        assert broken == []
        assert len(results) > 35
        assert {r.attack.name for r in results if r.won} <= LEFT_OPEN[box.name]
        assert sum(bool(r.said) for r in results) > 25  # refused, and not skipped

    def test_one_that_takes_too_much_is_ended(self, box: Sandbox, tmp_path: Path) -> None:
        results, broken = attack(box, tmp_path, [[one] for one in GREEDY])
        assert broken == []
        assert [r.attack.name for r in results if r.won] == []
        kinds = {r.attack.name: r.outcome.kind for r in results if isinstance(r.outcome, Failure)}
        # Thousands of processes also take memory: whichever is seen first ends them.
        assert all(kinds[a.name] in (a.limit, "out_of_memory") for a in GREEDY if a.name in kinds)
        assert len(kinds) >= len(results) - 1  # a file that would be too large is refused to the script itself


def test_the_attacks_would_succeed_without_a_sandbox(tmp_path: Path) -> None:
    harmless = {"reads a key", "reads .env beside the script", "reads the journal", "writes into /tmp", "sends UDP"}
    results, broken = attack(None, tmp_path, [[one for one in ATTACKS if one.name in harmless]])
    assert {r.attack.name for r in results if r.won} == harmless
    assert len(broken) == 1


@pytest.mark.parametrize("box", BOXES)
class TestHonest:
    def test_a_training_finds_what_it_needs(self, box: Sandbox, tmp_path: Path) -> None:
        code = """
            import json, multiprocessing, os, tempfile
            import numpy
            from sklearn.linear_model import LogisticRegression
            from sklearn.datasets import load_digits
            x, y = load_digits(return_X_y=True)
            LogisticRegression(max_iter=3).fit(x[:200], y[:200])
            with multiprocessing.Pool(2) as pool:
                assert pool.map(abs, [-1, 2]) == [1, 2]
            with tempfile.NamedTemporaryFile() as file:
                file.write(b'x')
            os.makedirs(os.path.expanduser('~/.cache/thing'))
            assert open('data/numbers.txt').read() == '3'
            with open(os.environ['KNOWHY_RESULT'], 'a') as file:
                file.write(json.dumps({'loss': 0.25}) + '\\n')
            print('gap: 2')
        """
        project = tmp_path / "project"
        (project / "data").mkdir(parents=True)
        (project / "data" / "numbers.txt").write_text("3")
        folder = project / ".knowhy" / "study" / "trials" / "00001"
        made = job(
            folder,
            "\n".join(line[12:] for line in code.splitlines()),
            confinement=Confinement((str(project),), (str(project / ".knowhy"),)),
            timeout=60.0,
        )
        (folder / "data").symlink_to(project / "data")
        with LocalExecutor(1, sandbox=box) as executor:
            executor.submit(made)
            outcome = gather(executor, 1)[1]
        assert isinstance(outcome, Observation), (outcome, (folder / "l").read_text())
        assert (outcome.metrics["loss"], outcome.metrics["gap"]) == (0.25, 2.0)

    def test_it_may_tidy_up_at_the_time_out(self, box: Sandbox, tmp_path: Path) -> None:
        code = (
            "import signal, sys, time\n"
            "def stop(number, frame):\n    print('tidied: 1', flush=True)\n    sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, stop)\ntime.sleep(30)\n"
        )
        with LocalExecutor(1, sandbox=box) as executor:
            executor.submit(job(tmp_path, code, timeout=1.0))
            outcome = gather(executor, 1)[1]
        assert isinstance(outcome, Failure)
        assert outcome.kind == "timeout"
        assert outcome.metrics == {"tidied": 1.0}

    def test_a_crash_names_its_signal(self, box: Sandbox, tmp_path: Path) -> None:
        with LocalExecutor(1, sandbox=box) as executor:
            executor.submit(job(tmp_path, "import os; os.abort()"))
            outcome = gather(executor, 1)[1]
        assert isinstance(outcome, Failure)
        assert outcome.kind == "exit"
        assert "SIGABRT" in outcome.message

    def test_the_network_is_there_where_it_is_allowed(self, box: Sandbox, tmp_path: Path) -> None:
        import socket

        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()[:2]
            code = f"import socket\nsocket.create_connection({address!r}, 5)\nprint('loss: 1')"
            with LocalExecutor(1, sandbox=box) as executor:
                executor.submit(job(tmp_path, code, confinement=Confinement(network=True)))
                assert isinstance(gather(executor, 1)[1], Observation)

    def test_only_the_folders_that_are_named_can_be_changed(self, box: Sandbox, tmp_path: Path) -> None:
        code = (
            "import os\ntry:\n    open('mine', 'w').close()\nexcept OSError:\n    print('refused: 1')\n"
            "open(os.environ['SCRATCH'] + '/x', 'w').close()\nprint('loss: 1')"
        )
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        confinement = Confinement(writable=(str(scratch),))
        with LocalExecutor(1, sandbox=box) as executor:
            executor.submit(job(tmp_path / "1", code, confinement=confinement, env={"SCRATCH": str(scratch)}))
            outcome = gather(executor, 1)[1]
        assert isinstance(outcome, Observation), outcome
        assert outcome.metrics["refused"] == 1
        assert not (tmp_path / "1" / "mine").exists()


@pytest.mark.skipif(not WORKS["bubblewrap"], reason="bubblewrap does not work here")
class TestConformance(ExecutorConformance):
    @pytest.fixture
    def executor(self) -> object:  # type: ignore[override]
        with LocalExecutor(2, sandbox=Bubblewrap(), grace=0.3) as executor:
            yield executor

    @pytest.fixture
    def make_job(self, tmp_path: Path) -> MakeJob:
        return lambda trial, behaviour: job(tmp_path / str(trial), f"TRIAL = {trial}\n{BEHAVIOURS[behaviour]}", trial)


class TestNone:
    @pytest.fixture
    def without(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sandbox, "_TRIED", {"bubblewrap": "not installed", "landlock": "no such kernel"})

    def test_edited_code_does_not_run_without(self, without: None) -> None:
        with pytest.raises(SandboxError, match="not installed") as caught:
            guarding.sandbox(Trust(), edited=True)
        assert "--allow-unsandboxed" in caught.value.hint
        with pytest.raises(SandboxError):
            guarding.sandbox(Trust(sandbox="off"), edited=True)

    def test_unless_a_person_allows_it_and_is_warned(self, without: None) -> None:
        chosen, warning = guarding.sandbox(Trust(allow_unsandboxed=True), edited=True)
        assert chosen is None
        assert warning.startswith("WARNING")

    def test_ones_own_script_runs_with_a_warning_where_auto_finds_none(self, without: None) -> None:
        assert guarding.sandbox(Trust(), edited=False) == (None, "")
        chosen, warning = guarding.sandbox(Trust(sandbox="auto"), edited=False)
        assert chosen is None
        assert "without a sandbox" in warning

    def test_one_that_was_named_must_be_there(self, without: None) -> None:
        with pytest.raises(SandboxError, match="no such kernel"):
            guarding.sandbox(Trust(sandbox="landlock"), edited=False)

    def test_a_job_that_requires_one_fails_without(self, tmp_path: Path) -> None:
        with LocalExecutor(1) as executor:
            executor.submit(job(tmp_path, "print('loss: 1')", confinement=Confinement(required=True)))
            outcome = gather(executor, 1)[1]
        assert isinstance(outcome, Failure)
        assert outcome.kind == "setup"
        assert not (tmp_path / "l").exists()

    def test_the_doctor_says_so(self, without: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        said = CliRunner().invoke(cli, ["doctor"])
        assert "NO SANDBOX" in said.output
        assert "not installed" in said.output


@pytest.mark.skipif(not WORKS["bubblewrap"], reason="bubblewrap does not work here")
def test_the_doctor_tells_what_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = json.loads(CliRunner().invoke(cli, ["doctor", "--json"]).stdout)["sandboxes"]
    assert (found[0]["name"], found[0]["problem"]) == ("bubblewrap", "")
    assert all(one["open"] for one in found)
    assert any("/dev/shm" in point for point in found[1]["open"])
    assert "leaves open" in CliRunner().invoke(cli, ["doctor"]).output


def test_the_filter_names_calls_of_this_machine() -> None:
    program = confine.filter_of(network=False, unix=True, private=True)
    assert len(program) % 8 == 0
    assert confine.filter_of(network=False, unix=False, private=False) != program


class TestSettings:
    def test_options_file_and_variables(self, tmp_path: Path) -> None:
        file = tmp_path / "knowhy.toml"
        file.write_text('[trust]\nsandbox = "landlock"\nhide = ["labels.npy"]\nnetwork = true\ndisk = "2GB"\n')
        settings = load({"sandbox": "auto", "env": ("WANDB_MODE",)}, {}, file)
        assert settings.trust == Trust("auto", network=True, hide=("labels.npy",), env=("WANDB_MODE",), disk=2 * 10**9)

    @pytest.mark.parametrize("line", ['sandbox = "docker"', "network = 1", "hide = [3]", 'disk = "much"', "colour = 1"])
    def test_what_cannot_be_is_refused(self, line: str, tmp_path: Path) -> None:
        file = tmp_path / "knowhy.toml"
        file.write_text(f"[trust]\n{line}\n")
        with pytest.raises(SettingsError, match="line 2"):
            load({}, {}, file)

    def test_an_evaluator_and_locks_must_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="names no file"):
            guarding.evaluator("python evaluate.py", tmp_path)
        with pytest.raises(SubjectError, match="nothing to lock"):
            guarding.locked(["data"], (), tmp_path)

    def test_what_the_evaluator_imports_is_locked_too(self, tmp_path: Path) -> None:
        (tmp_path / "evaluate.py").write_text("import numpy\nfrom prepare import load\n")
        (tmp_path / "prepare.py").write_text("import paths\n")
        (tmp_path / "paths.py").write_text("")
        (tmp_path / "other.py").write_text("")
        words = guarding.evaluator("python evaluate.py --fast", tmp_path)
        assert words == (sys.executable, str(tmp_path / "evaluate.py"), "--fast")
        assert {Path(p).name for p in guarding.locked((), words, tmp_path)} == {"evaluate.py", "prepare.py", "paths.py"}


@pytest.mark.skipif(not WORKS["bubblewrap"], reason="bubblewrap does not work here")
def test_a_study_in_a_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person does: a script that would read a key of theirs is studied, and does not get it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("KEY=knowhy-canary")
    (tmp_path / "train.py").write_text(
        "import os\nLR = 0.1\nDROPOUT = 0.2\n"
        "for path in ('.env', os.environ.get('OLDHOME', '') or '.env', '../../../journal.db', '../../../../.env'):\n"
        "    try:\n        print(open(path, errors='replace').read())\n    except OSError:\n        pass\n"
        "print('val_loss:', (LR - 0.3) ** 2 + DROPOUT)\n"
    )
    words = ["run", "train.py", "--metric", "val_loss", "--minimize", "--trials", "2", "--sandbox", "bubblewrap"]
    ran = CliRunner().invoke(cli, words)
    assert ran.exit_code == 0, ran.output
    trials = tmp_path / ".knowhy" / "train" / "trials"
    logs = [p.read_text() for p in trials.glob("*/knowhy-log.txt")]
    assert len(logs) == 2
    assert all("canary" not in log and "val_loss" in log and "SQLite" not in log for log in logs)
    assert not list(trials.glob("*/.env"))
    assert os.path.exists(tmp_path / ".env")
