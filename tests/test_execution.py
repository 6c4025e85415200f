from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cloudpickle
import numpy as np
import psutil
import pytest

from conformance.executor import ExecutorConformance, MakeJob, gather
from knowhy.errors import SettingsError, UsageError
from knowhy.execution import emit, keeper, worker
from knowhy.execution.boundedlog import HEAD_BYTES, TAIL_BYTES
from knowhy.execution.environment import available_cores, child_environment
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.execution.local import LocalExecutor
from knowhy.model.job import Job
from knowhy.model.observation import Curve, Failure, Observation, Outcome
from knowhy.model.trial import Proposal

Script = Callable[..., Job]

BEHAVIOURS = {
    "good": "print('loss:', TRIAL / 2)",
    "nan": "print('loss: nan')",
    "inf": "print('loss: inf')",
    "absent": "print('other: 1')",
    "raises": "raise ValueError('boom')",
}
ORPHAN = """
import os, signal, sys, time
def orphan(name):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            with open(name + '.part', 'w') as file:
                file.write(str(os.getpid()))
            os.rename(name + '.part', name)
            time.sleep(60)
        os._exit(0)
    os.wait()
    while not os.path.exists(name):
        time.sleep(0.005)
"""


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Makes a job that runs source code in a folder of its own."""

    def make(trial: int, code: str, *, required: tuple[str, ...] = ("loss",), **options: object) -> Job:
        folder = tmp_path / str(trial)
        folder.mkdir(exist_ok=True)
        (folder / "script.py").write_text(f"TRIAL = {trial}\n{textwrap.dedent(code)}")
        argv = (sys.executable, "script.py")
        paths = {"result_path": str(folder / "result.jsonl"), "log_path": str(folder / "log.txt")}
        return Job(trial, argv, str(folder), **paths, required=required, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def local() -> Iterator[LocalExecutor]:
    with LocalExecutor(2, grace=0.3) as executor:
        yield executor
    zombies = [p for p in psutil.Process().children() if p.status() == psutil.STATUS_ZOMBIE]
    assert zombies == []


def run(executor: LocalExecutor, job: Job) -> Outcome:
    executor.submit(job)
    return gather(executor, 1)[job.trial]


def pid_in(path: Path, seconds: float = 10.0) -> int:
    deadline = time.monotonic() + seconds
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return int(path.read_text())


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether the process ends within ``seconds`` (a zombie has ended)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


class TestLocalConformance(ExecutorConformance):
    @pytest.fixture
    def executor(self, local: LocalExecutor) -> LocalExecutor:  # type: ignore[override]
        return local

    @pytest.fixture
    def make_job(self, script: Script) -> MakeJob:
        return lambda trial, behaviour: script(trial, BEHAVIOURS[behaviour])


class TestInlineConformance(ExecutorConformance):
    @pytest.fixture
    def executor(self) -> InlineExecutor:  # type: ignore[override]
        def function(params: dict[str, object], seed: int) -> dict[str, float]:
            match params["behaviour"]:
                case "good":
                    return {"loss": seed / 2}
                case "absent":
                    return {"other": 1.0}
                case "raises":
                    raise ValueError("boom")
                case value:
                    return {"loss": float(str(value))}

        return InlineExecutor(function)  # type: ignore[arg-type]

    @pytest.fixture
    def make_job(self) -> MakeJob:
        def make(trial: int, behaviour: str) -> Job:
            proposal = Proposal(trial, {"behaviour": behaviour}, trial, "learn", "a test")
            return InlineSubject().prepare(proposal, ("loss",), "")

        return make


class TestEndings:
    def test_a_script_that_ignores_sigterm_frees_its_slot_soon_after_the_time_out(self, script: Script) -> None:
        code = """
            import signal, time
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            print('loss: 0.25')
            while True:
                time.sleep(1)
        """
        with LocalExecutor(1) as executor:
            started = time.monotonic()
            executor.submit(script(1, code, timeout=0.7))
            executor.submit(script(2, "print('loss: 2')"))
            outcomes = gather(executor, 2)
            assert time.monotonic() - started < 0.7 + 5.0
        failure = outcomes[1]
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.exit_code) == ("timeout", -signal.SIGKILL)
        assert "0.7 s" in failure.message
        assert failure.metrics == {"loss": 0.25}
        assert 0.7 <= failure.duration < 2.0
        assert isinstance(outcomes[2], Observation)

    def test_sigterm_comes_first_so_that_a_script_can_tidy_up(self, local: LocalExecutor, script: Script) -> None:
        code = """
            import signal, sys, time
            def stop(number, frame):
                print('tidied: 1', flush=True)
                sys.exit(0)
            signal.signal(signal.SIGTERM, stop)
            time.sleep(30)
        """
        outcome = run(local, script(1, code, timeout=0.7))
        assert isinstance(outcome, Failure)
        assert (outcome.kind, outcome.exit_code) == ("timeout", 0)
        assert outcome.metrics == {"tidied": 1.0}

    def test_a_stopped_script_is_ended_too(self, local: LocalExecutor, script: Script) -> None:
        outcome = run(local, script(1, "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", timeout=0.5))
        assert isinstance(outcome, Failure)
        assert outcome.kind == "timeout"

    def test_orphans_of_a_finished_script_end_with_it(
        self, local: LocalExecutor, script: Script, tmp_path: Path
    ) -> None:
        outcome = run(local, script(1, f"{ORPHAN}\norphan('pid')\nprint('loss: 1')"))
        assert isinstance(outcome, Observation)
        assert gone(pid_in(tmp_path / "1" / "pid"), 0.5)

    def test_orphans_are_found_without_a_subreaper(
        self, local: LocalExecutor, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # As on macOS, where prctl is missing.
        without = "import knowhy.execution.tree as tree; tree.prctl = lambda option, value: False; from"
        monkeypatch.setattr(keeper, "BOOT", keeper.BOOT.replace("from", without, 1))
        outcome = run(local, script(1, f"{ORPHAN}\norphan('pid')\nprint('loss: 1')"))
        assert isinstance(outcome, Observation)
        assert gone(pid_in(tmp_path / "1" / "pid"), 0.5)

    def test_orphans_end_at_the_time_out(self, local: LocalExecutor, script: Script, tmp_path: Path) -> None:
        outcome = run(local, script(1, f"{ORPHAN}\norphan('pid')\ntime.sleep(60)", timeout=1.5))
        assert isinstance(outcome, Failure)
        assert outcome.kind == "timeout"
        assert gone(pid_in(tmp_path / "1" / "pid"), 0.5)

    def test_a_background_child_that_holds_the_output_does_not_hold_the_trial(
        self, local: LocalExecutor, script: Script
    ) -> None:
        code = "import subprocess; subprocess.Popen(['sleep', '60']); print('loss: 1')"
        started = time.monotonic()
        assert isinstance(run(local, script(1, code)), Observation)
        assert time.monotonic() - started < 5.0

    def test_cancel_ends_the_whole_tree(self, local: LocalExecutor, script: Script, tmp_path: Path) -> None:
        local.submit(script(1, f"{ORPHAN}\norphan('pid')\nopen('me', 'w').write(str(os.getpid()))\ntime.sleep(60)"))
        orphan, direct = pid_in(tmp_path / "1" / "pid"), pid_in(tmp_path / "1" / "me")
        local.cancel(1)
        assert gone(direct)
        assert gone(orphan)
        assert local.wait(0.1) == []

    def test_close_ends_everything(self, script: Script, tmp_path: Path) -> None:
        executor = LocalExecutor(2, grace=0.3)
        for trial in (1, 2):
            executor.submit(script(trial, f"{ORPHAN}\norphan('pid')\ntime.sleep(60)"))
        pids = [pid_in(tmp_path / str(trial) / "pid") for trial in (1, 2)]
        started = time.monotonic()
        executor.close()
        assert time.monotonic() - started < 5.0
        assert all(gone(pid, 0.2) for pid in pids)
        with pytest.raises(UsageError):
            executor.submit(script(3, ""))

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_the_tree_ends_when_the_controller_dies(self, script: Script, tmp_path: Path, number: int) -> None:
        job = script(1, f"{ORPHAN}\norphan('pid')\nopen('me', 'w').write(str(os.getpid()))\ntime.sleep(60)")
        controller = (
            # Where the tests themselves run in the background of a shell, interrupts are ignored and that is inherited.
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from knowhy.execution.local import LocalExecutor; from knowhy.model.job import Job\n"
            f"e = LocalExecutor(1, grace=0.3); e.submit({job!r}); e.wait(60)"
        )
        process = subprocess.Popen([sys.executable, "-c", controller], stderr=subprocess.DEVNULL)
        orphan, direct = pid_in(tmp_path / "1" / "pid"), pid_in(tmp_path / "1" / "me")
        process.send_signal(number)
        process.wait(10)
        assert gone(direct)
        assert gone(orphan)

    def test_a_process_forked_by_the_controller_does_not_keep_the_tree_alive(
        self, script: Script, tmp_path: Path
    ) -> None:
        # The forked process holds a copy of the control pipe, so that its end is never seen.
        job = script(1, "import os, time; open('me', 'w').write(str(os.getpid())); time.sleep(60)")
        controller = (
            "import os, time; from knowhy.execution.local import LocalExecutor; from knowhy.model.job import Job\n"
            f"e = LocalExecutor(1); e.submit({job!r}); pid = os.fork()\n"
            "if pid == 0: time.sleep(15); os._exit(0)\n"
            "open('forked', 'w').write(str(pid)); e.wait(60)"
        )
        process = subprocess.Popen([sys.executable, "-c", controller], cwd=tmp_path)
        direct = pid_in(tmp_path / "1" / "me")
        forked = pid_in(tmp_path / "forked")
        process.kill()
        process.wait(10)
        assert gone(direct)
        os.kill(forked, signal.SIGKILL)

    def test_a_script_that_kills_its_keeper_is_a_failure_and_leaves_nothing(
        self, local: LocalExecutor, script: Script, tmp_path: Path
    ) -> None:
        code = f"{ORPHAN}\norphan('pid')\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(60)"
        outcome = run(local, script(1, code))
        assert isinstance(outcome, Failure)
        assert outcome.kind == "lost"
        assert gone(pid_in(tmp_path / "1" / "pid"))

    def test_a_script_that_stops_its_keeper_still_ends_at_the_time_out(
        self, local: LocalExecutor, script: Script, tmp_path: Path
    ) -> None:
        code = f"{ORPHAN}\norphan('pid')\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(60)"
        started = time.monotonic()
        outcome = run(local, script(1, code, timeout=0.7))
        assert isinstance(outcome, Failure)
        assert outcome.kind == "timeout"
        assert time.monotonic() - started < 0.7 + 5.0
        assert gone(pid_in(tmp_path / "1" / "pid"))

    @pytest.mark.parametrize(
        ("code", "name"),
        [("import os; os.abort()", "SIGABRT"), ("import ctypes; ctypes.string_at(0)", "SIGSEGV")],
    )
    def test_a_crash_names_its_signal(self, local: LocalExecutor, script: Script, code: str, name: str) -> None:
        outcome = run(local, script(1, code))
        assert isinstance(outcome, Failure)
        assert outcome.kind == "exit"
        assert name in outcome.message
        assert outcome.exit_code == -getattr(signal, name)

    def test_memory_of_the_whole_tree_counts(self, local: LocalExecutor, script: Script) -> None:
        code = """
            import subprocess, sys
            eater = 'import time; x = bytearray(90 << 20); time.sleep(30)'
            children = [subprocess.Popen([sys.executable, '-c', eater]) for _ in range(3)]
            for child in children:
                child.wait()
        """
        started = time.monotonic()
        outcome = run(local, script(1, code, memory=200 << 20))
        assert isinstance(outcome, Failure)
        assert outcome.kind == "out_of_memory"
        assert "200 MiB" in outcome.message
        assert time.monotonic() - started < 10

    def test_pages_that_forked_children_share_count_once(self, local: LocalExecutor, script: Script) -> None:
        code = """
            import os, time
            block = bytearray(os.urandom(1 << 20)) * 60
            children = []
            for _ in range(4):
                pid = os.fork()
                if pid == 0:
                    time.sleep(0.5)
                    os._exit(0)
                children.append(pid)
            for pid in children:
                os.waitpid(pid, 0)
            print('loss: 1')
        """
        assert isinstance(run(local, script(1, code, memory=200 << 20)), Observation)

    def test_a_command_that_does_not_exist_is_a_setup_failure(self, local: LocalExecutor, tmp_path: Path) -> None:
        log, result = str(tmp_path / "log"), str(tmp_path / "result")
        for trial, (argv, folder) in enumerate([("no-such-command", str(tmp_path)), (sys.executable, "/no/folder")]):
            outcome = run(local, Job(trial, (argv,), folder, result, log, ("loss",)))
            assert isinstance(outcome, Failure)
            assert outcome.kind == "setup"
            assert argv in outcome.message
            assert "No such file" in outcome.message


class TestOutput:
    def test_a_flood_on_one_line_fills_neither_disk_nor_memory(
        self, local: LocalExecutor, script: Script, tmp_path: Path
    ) -> None:
        code = """
            import os
            block = b'x' * (1 << 20)
            for _ in range(300):
                os.write(1, block)
            print('\\nloss: 0.125')
        """
        before = psutil.Process().memory_info().rss
        outcome = run(local, script(1, code))
        assert isinstance(outcome, Observation)
        assert outcome.metrics == {"loss": 0.125}
        assert psutil.Process().memory_info().rss - before < 100 << 20
        assert (tmp_path / "1" / "log.txt").stat().st_size < 5 << 20

    def test_head_and_tail_of_a_long_log_are_kept(self, local: LocalExecutor, script: Script, tmp_path: Path) -> None:
        outcome = run(
            local, script(1, "print('\\n'.join(f'step {i} loss: {i}.5 {\"#\" * 60}' for i in range(35_000)))")
        )
        assert isinstance(outcome, Observation)
        assert outcome.metrics["loss"] == 34_999.5
        curve = outcome.curves["loss"]
        assert (curve.steps[0], curve.steps[-1]) == (0, 34_999)
        assert all(value == step + 0.5 for step, value in zip(curve.steps, curve.values, strict=True))
        log = (tmp_path / "1" / "log.txt").read_bytes()
        assert b"bytes left out" in log
        assert HEAD_BYTES + TAIL_BYTES * 0.9 < len(log) <= HEAD_BYTES + 2 * TAIL_BYTES

    def test_garbage_is_survived(self, local: LocalExecutor, script: Script) -> None:
        code = """
            import os
            os.write(1, bytes(range(256)) * 200 + b'\\xff\\xfe\\n')
            os.write(2, '\\u202eloss: 9\\u0000 \\U0001f600\\x1b]0;title\\x07\\n'.encode())
            print('\\x1b[1;32mloss\\x1b[0m: \\x1b[33m0.5\\x1b[0m')
        """
        outcome = run(local, script(1, code))
        assert isinstance(outcome, Observation)
        assert outcome.metrics["loss"] == 0.5

    def test_the_log_can_be_followed_while_the_script_runs(
        self, local: LocalExecutor, script: Script, tmp_path: Path
    ) -> None:
        local.submit(script(1, "import time; print('loss: 1'); time.sleep(60)"))
        log = tmp_path / "1" / "log.txt"
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not (log.exists() and "loss: 1" in log.read_text()):
            time.sleep(0.01)
        assert "loss: 1" in log.read_text()
        local.cancel(1)

    def test_results_of_an_earlier_attempt_do_not_count(
        self, local: LocalExecutor, script: Script, tmp_path: Path
    ) -> None:
        job = script(1, "print('nothing')")
        Path(job.result_path).write_text('{"loss": 1.0}\n')
        outcome = run(local, job)
        assert isinstance(outcome, Failure)
        assert outcome.kind == "no_metric"

    def test_a_log_that_cannot_be_written_is_a_setup_failure(self, local: LocalExecutor, tmp_path: Path) -> None:
        outcome = run(local, Job(1, ("true",), str(tmp_path), "", str(tmp_path / "no" / "log"), ()))
        assert isinstance(outcome, Failure)
        assert outcome.kind == "setup"

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
    def test_a_full_disk_is_not_blamed_on_the_configuration(self, local: LocalExecutor, script: Script) -> None:
        printed = replace(script(1, "print('loss: 1')"), log_path="/dev/full")
        outcome = run(local, printed)
        assert isinstance(outcome, Failure)
        assert outcome.kind == "setup"
        assert "No space left" in outcome.message
        code = "import os; open(os.environ['KNOWHY_RESULT'], 'w').write('{\"loss\": 1}'); print('x')"
        assert isinstance(run(local, replace(script(2, code), log_path="/dev/full")), Observation)

    def test_stdin_is_empty(self, local: LocalExecutor, script: Script) -> None:
        outcome = run(local, script(1, "import sys; print('loss:', len(sys.stdin.read()))"))
        assert isinstance(outcome, Observation)
        assert outcome.metrics == {"loss": 0.0}


class TestEnvironment:
    def test_secrets_stay_behind(
        self, local: LocalExecutor, script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        canary = "canary-3f9a"
        for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "MY_SETTING", "CUDA_TOKEN"):
            monkeypatch.setenv(name, canary)
        monkeypatch.setenv("https_proxy", f"http://user:{canary}@proxy:1")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
        code = """
            import os
            mine = dict(os.environ)
            parent = open(f'/proc/{os.getppid()}/environ').read() if os.path.exists('/proc/self') else ''
            print(mine, parent)
            print('given:', int(mine['GIVEN_TOKEN'] == 'wanted'))
            print('loss:', mine['CUDA_VISIBLE_DEVICES'])
        """
        outcome = run(local, script(1, code, env={"GIVEN_TOKEN": "wanted"}))
        assert isinstance(outcome, Observation)
        assert outcome.metrics["loss"] == 3
        log = (tmp_path / "1" / "log.txt").read_text()
        assert canary not in log
        assert outcome.metrics["given"] == 1
        assert "wanted" not in log  # what stands under a secret's name is blacked out
        assert str(tmp_path / "1" / "result.jsonl") in log

    def test_cores_are_shared_among_workers_unless_the_person_says_otherwise(self) -> None:
        share = str(max(1, available_cores() // 2))
        assert child_environment({}, {}, workers=2)["OMP_NUM_THREADS"] == share
        assert "OMP_NUM_THREADS" not in child_environment({}, {}, workers=1)
        chosen = child_environment({"OMP_NUM_THREADS": "7"}, {}, workers=2)
        assert chosen["OMP_NUM_THREADS"] == "7"
        assert "MKL_NUM_THREADS" not in chosen
        assert child_environment({}, {"OMP_NUM_THREADS": "5"}, workers=2)["OMP_NUM_THREADS"] == "5"

    def test_named_variables_pass_and_the_job_wins(self) -> None:
        parent = {"PATH": "/bin", "WANDB_API_KEY": "k", "OTHER": "o", "LC_ALL": "C"}
        env = child_environment(parent, {"PATH": "/mine", "KNOWHY_SEED": "12"}, passed=["WANDB_API_KEY"])
        assert env["PATH"] == "/mine"
        assert env["WANDB_API_KEY"] == "k"
        assert env["LC_ALL"] == "C"
        assert env["PYTHONHASHSEED"] == "12"
        assert "OTHER" not in env


class TestSlots:
    def test_no_more_jobs_run_than_there_are_workers(
        self, local: LocalExecutor, script: Script, tmp_path: Path
    ) -> None:
        running = tmp_path / "running"
        running.mkdir()
        code = f"""
            import os, time
            mark = {str(running)!r} + f'/{{TRIAL}}'
            open(mark, 'w').close()
            time.sleep(0.1)
            print('loss:', len(os.listdir({str(running)!r})))
            os.unlink(mark)
        """
        for trial in range(6):
            local.submit(script(trial, code))
        outcomes = gather(local, 6)
        most = max(outcome.metrics["loss"] for outcome in outcomes.values())
        assert 1 <= most <= 2

    def test_a_trial_cannot_run_twice_at_once(self, local: LocalExecutor, script: Script) -> None:
        local.submit(script(1, "import time; time.sleep(60)"))
        with pytest.raises(UsageError):
            local.submit(script(1, "pass"))
        local.cancel(1)

    def test_a_cancelled_trial_starts_again_only_after_its_tree_has_ended(
        self, local: LocalExecutor, script: Script, tmp_path: Path
    ) -> None:
        code = """
            import os, signal, time
            def linger(number, frame):
                time.sleep(0.2)
                open(os.environ['KNOWHY_RESULT'], 'a').write('{"loss": 99}')
                os._exit(0)
            signal.signal(signal.SIGTERM, linger)
            open('ready', 'w').write('1')
            time.sleep(60)
        """
        local.submit(script(1, code))
        pid_in(tmp_path / "1" / "ready")
        local.cancel(1)
        outcome = run(local, script(1, "import time; time.sleep(0.5); print('loss: 1')"))
        assert outcome.metrics == {"loss": 1.0}

    def test_wait_is_not_confused_by_a_long_time_out(self, local: LocalExecutor, script: Script) -> None:
        local.submit(script(1, "print('loss: 1')"))
        assert [trial for trial, _ in local.wait(float("inf"))] == [1]

    def test_wait_sees_a_job_submitted_from_another_thread(self, local: LocalExecutor, script: Script) -> None:
        timer = threading.Timer(0.1, lambda: local.submit(script(1, "print('loss: 1')")))
        timer.start()
        started = time.monotonic()
        assert [trial for trial, _ in local.wait(20)] == [1]
        assert time.monotonic() - started < 10

    def test_waiting_costs_no_time_of_the_processor(self, local: LocalExecutor, script: Script) -> None:
        local.submit(script(1, "import time; time.sleep(60)"))
        before = time.process_time()
        assert local.wait(1.0) == []
        assert time.process_time() - before < 0.2
        local.cancel(1)

    def test_impossible_settings_are_refused(self) -> None:
        with pytest.raises(SettingsError):
            LocalExecutor(0)
        with pytest.raises(SettingsError):
            LocalExecutor(1, grace=60)

    def test_no_descriptor_leaks(self, local: LocalExecutor, script: Script) -> None:
        run(local, script(0, "print('loss: 1')"))
        before = psutil.Process().num_fds()
        for trial in range(1, 4):
            run(local, script(trial, "print('loss: 1')"))
        assert psutil.Process().num_fds() == before


FUNCTIONS = """
import random
CALLS = []
def returns_mapping(params):
    return {"loss": params["x"] * 2, "note": "text"}
def returns_number(params):
    return params["x"]
def reports(params, report):
    for step in range(3):
        report(step, loss=params["x"] - step)
def wants_report_by_name(params, verbose=False, *, report=None):
    report(loss=1 if verbose else 0)
def has_an_option(params, verbose=False):
    return {"loss": float(verbose)}
def fails(params):
    raise KeyError("missing")
def returns_text(params):
    return "text"
def random_numbers(params):
    import numpy
    return {"loss": random.random(), "other": numpy.random.rand()}
class Holder:
    @staticmethod
    def method(params):
        return {"loss": params["x"]}
if __name__ == "__main__":
    raise SystemExit("the main guard ran")
"""


class TestWorker:
    @pytest.fixture
    def job(self, tmp_path: Path) -> Callable[..., Job]:
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "train.py").write_text(FUNCTIONS)

        def make(function: object, *, params: object = None, seed: int = 3, trial: int = 1) -> Job:
            folder = tmp_path / str(trial)
            folder.mkdir()
            if isinstance(function, str):
                function = {"file": str(tmp_path / "code" / "train.py"), "module": "__main__", "qualname": function}
            content = {"function": function, "params": params or {"x": 4.0}, "seed": seed}
            (folder / "job.json").write_text(json.dumps(content))
            argv = (sys.executable, "-m", "knowhy.execution.worker", "job.json")
            return Job(trial, argv, str(folder), str(folder / "r.jsonl"), str(folder / "log"), ("loss",))

        return make

    @pytest.mark.parametrize(
        ("name", "loss"),
        [
            ("returns_mapping", 8.0),
            ("returns_number", 4.0),
            ("reports", 2.0),
            ("wants_report_by_name", 0.0),
            ("has_an_option", 0.0),
            ("Holder.method", 4.0),
        ],
    )
    def test_results_come_back(self, local: LocalExecutor, job: Callable[..., Job], name: str, loss: float) -> None:
        outcome = run(local, job(name))
        assert isinstance(outcome, Observation), outcome
        assert outcome.metrics == {"loss": loss}
        if name == "reports":
            assert outcome.curves == {"loss": Curve((0.0, 1.0, 2.0), (4.0, 3.0, 2.0))}

    def test_an_exception_is_a_failure_that_shows_only_the_persons_frames(
        self, local: LocalExecutor, job: Callable[..., Job]
    ) -> None:
        outcome = run(local, job("fails"))
        assert isinstance(outcome, Failure)
        assert (outcome.kind, outcome.message, outcome.exit_code) == ("exit", "KeyError: 'missing'", 1)
        assert "train.py" in outcome.log_tail
        assert "worker.py" not in outcome.log_tail

    def test_a_result_that_is_no_number_is_explained(self, local: LocalExecutor, job: Callable[..., Job]) -> None:
        outcome = run(local, job("returns_text"))
        assert isinstance(outcome, Failure)
        assert "must be one number, not str" in outcome.message

    def test_seeds_make_runs_repeatable(self, local: LocalExecutor, job: Callable[..., Job]) -> None:
        same = [run(local, job("random_numbers", seed=3, trial=t)).metrics for t in (1, 2)]
        other = run(local, job("random_numbers", seed=4, trial=3)).metrics
        assert same[0] == same[1]
        assert {"loss", "other"} == set(other)
        assert all(same[0][name] != other[name] for name in other)

    def test_a_pickled_function_runs(self, local: LocalExecutor, job: Callable[..., Job], tmp_path: Path) -> None:
        scale = 10.0
        made = job({"pickle": "function.pkl"})

        def times_ten(params: dict[str, float]) -> dict[str, float]:
            return {"loss": params["x"] * scale}

        times_ten.__module__ = "__main__"
        (tmp_path / "1" / "function.pkl").write_bytes(cloudpickle.dumps(times_ten))
        assert run(local, made).metrics == {"loss": 40.0}

    def test_a_module_of_a_package_keeps_its_relative_imports(
        self, local: LocalExecutor, job: Callable[..., Job], tmp_path: Path
    ) -> None:
        package = tmp_path / "code" / "pack"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "base.py").write_text("LOSS = 0.75")
        (package / "train.py").write_text("from .base import LOSS\ndef train(params):\n    return LOSS")
        function = {"file": str(package / "train.py"), "module": "pack.train", "qualname": "train"}
        assert run(local, job(function)).metrics == {"loss": 0.75}

    def test_it_starts_without_heavy_imports(self) -> None:
        code = (
            "import sys, knowhy.execution.worker; print([m for m in ('numpy', 'torch', 'sklearn') if m in sys.modules])"
        )
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert ended.stdout.strip() == "[]"

    def test_main_returns_1_for_a_function_that_is_not_there(
        self, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
        made = job("no_such_function")
        assert worker.main([os.path.join(made.folder, "job.json")]) == 1
        assert "no_such_function" in capsys.readouterr().err


class TestReport:
    def test_it_does_nothing_outside_of_a_trial(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("KNOWHY_RESULT", raising=False)
        emit.report(step=1, loss=0.5)

    def test_it_appends_lines_and_takes_scalars_of_libraries(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        path = tmp_path / "result.jsonl"
        monkeypatch.setenv("KNOWHY_RESULT", str(path))
        emit.report(step=1, loss=np.float32(0.5), accuracy=np.array([0.25]))
        emit.report(loss=1)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert lines == [{"step": 1.0, "loss": 0.5, "accuracy": 0.25}, {"loss": 1.0}]

    def test_it_refuses_what_is_not_one_number(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("KNOWHY_RESULT", str(tmp_path / "result.jsonl"))
        with pytest.raises(TypeError, match="loss must be one number"):
            emit.report(loss=np.zeros(3))  # type: ignore[arg-type]


class TestInline:
    def test_outcomes_pass_as_they_stand_and_memory_errors_are_told_apart(self) -> None:
        given = Failure("timeout", "pretended", 3.0)

        def function(params: object, seed: int) -> Outcome:
            if seed == 2:
                raise MemoryError
            return given

        executor = InlineExecutor(function)
        for trial in (1, 2):
            executor.submit(InlineSubject().prepare(Proposal(trial, {}, trial, "learn", ""), ("loss",), ""))
        outcomes = gather(executor, 2)
        assert outcomes[1] is given
        assert isinstance(outcomes[2], Failure)
        assert outcomes[2].kind == "out_of_memory"

    def test_points_arrive_with_their_types(self) -> None:
        point = {"a": 1, "b": 0.1, "c": True, "d": "x", "e": None}
        seen = []

        def function(params: object, seed: int) -> dict[str, float]:
            seen.append((params, seed))
            return {"loss": 1.0}

        executor = InlineExecutor(function)
        executor.submit(InlineSubject().prepare(Proposal(1, point, 5, "learn", ""), ("loss",), ""))
        assert seen == [(point, 5)]
        assert [type(value) for value in seen[0][0].values()] == [int, float, bool, str, type(None)]
