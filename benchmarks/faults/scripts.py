"""Scripts that will not end, will not be quiet, or take too much: does the slot come free, and is nothing left?"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from knowhy.execution.local import LocalExecutor
from knowhy.execution.sandbox import Bubblewrap, Sandbox, check
from knowhy.model.job import Confinement, Job
from knowhy.model.observation import Observation, Outcome

TIMEOUT, SLACK, CONTROLLER = 1.5, 5.0, 200 << 20
MARK = "KNOWHY_HOSTILE"

_IGNORE = """
import os, signal, subprocess, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1):
    signal.signal(number, signal.SIG_IGN)
def forever():
    while True: time.sleep(1)
"""


@dataclass(frozen=True)
class Script:
    """One script; ``kind`` is how its trial must end ("completed", or a kind of failure), ``boxed`` in a sandbox."""

    name: str
    code: str
    kind: str = "timeout"
    memory: int | None = None
    disk: int | None = None
    boxed: str = ""

    @property
    def timeout(self) -> float:
        """Seconds; long for what must end by itself, so that a busy machine changes nothing."""
        return TIMEOUT if self.kind == "timeout" else 40.0


SCRIPTS = (
    Script("hangs", "import time\nwhile True: time.sleep(1)"),
    Script("spins", "while True: pass"),
    Script("ignores SIGTERM", _IGNORE + "forever()"),
    Script("forks twice and ends", _IGNORE + """
if os.fork() == 0:
    if os.fork() == 0: forever()
    os._exit(0)
print('loss: 1')
""", "completed"),
    Script("calls setsid and closes everything", _IGNORE + """
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 100)
            forever()
        os._exit(0)
forever()
"""),
    Script("leaves children that hold its pipes", _IGNORE + """
for _ in range(5): subprocess.Popen(['sleep', '60'])
print('loss: 1', flush=True)
""", "completed"),
    Script("starts itself again and again", _IGNORE + """
subprocess.Popen([sys.executable, *sys.argv], start_new_session=True)
time.sleep(0.2)
"""[:-1] + "\nos._exit(0)\n", "no_metric"),
    Script("starts itself again when it is asked to end", _IGNORE + """
def again(number, frame):
    if os.fork() == 0:
        os.setsid()
        os.execv(sys.executable, [sys.executable, *sys.argv])
signal.signal(signal.SIGTERM, again)
forever()
"""),
    Script("forks as fast as it can", _IGNORE + """
until = time.time() + 6
while time.time() < until:
    if os.fork() == 0:
        time.sleep(0.05)
        if os.fork(): os._exit(0)
        time.sleep(3)
        os._exit(0)
    time.sleep(0.01)
"""),
    Script("crashes with SIGSEGV", "import ctypes; ctypes.string_at(0)", "exit"),
    Script("kills itself", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit"),
    Script("eats memory", "held = []\nwhile True: held.append(bytearray(8 << 20) + b'x')", "out_of_memory", 300 << 20),
    Script("eats memory in children", """
import subprocess, sys
code = "import time; held = bytearray(b'x' * (80 << 20)); time.sleep(60)"
for child in [subprocess.Popen([sys.executable, '-c', code]) for _ in range(5)]: child.wait()
""", "out_of_memory", 250 << 20),
    Script("fills the disk", """
number = 0
while True:
    number += 1
    with open(f'part{number}', 'wb') as file: file.write(bytes(8 << 20))
""", "limit", disk=150 << 20),
    Script("prints a gigabyte on one line", """
import os
block = b'x' * (1 << 20)
for _ in range(1024): os.write(1, block)
print('\\nloss: 1')
""", "completed"),
    Script("prints without end", "while True: print('y' * 10000)"),
    Script("stops itself", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
    Script("kills its keeper", _IGNORE + """
if os.fork() == 0: forever()
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(3)
print('loss: 1')
""", "lost", boxed="completed"),
    Script("stops its keeper", _IGNORE + "os.kill(os.getppid(), signal.SIGSTOP)\nforever()"),
    Script("writes a result without end", """
import os
while True:
    with open(os.environ['KNOWHY_RESULT'], 'a') as file: file.write('{"loss": 1}\\n' * 10000)
""", "limit", disk=100 << 20),
    Script("makes its result a pipe", """
import os
os.mkfifo(os.environ['KNOWHY_RESULT'])
print('loss: 1')
""", "completed"),
    Script("makes its result a device", """
import os
os.symlink('/dev/zero', os.environ['KNOWHY_RESULT'])
print('loss: 1')
""", "completed"),
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """How a script's trial went: ``late`` seconds after its time-out (or its own end) the slot was free."""

    script: Script
    outcome: Outcome
    late: float
    survivors: int
    peak: int
    wanted: str

    @property
    def kind(self) -> str:
        """How it ended."""
        return "completed" if isinstance(self.outcome, Observation) else self.outcome.kind

    @property
    def problems(self) -> list[str]:
        """What is not as it must be."""
        found = []
        if self.kind != self.wanted:
            found.append(f"ended as {self.kind}, not as {self.wanted}")
        if self.late > SLACK:
            found.append(f"the slot was free {self.late:.1f} s late")
        if self.survivors:
            found.append(f"{self.survivors} processes left")
        if self.peak > CONTROLLER:
            found.append(f"the controller took {self.peak >> 20} MB")
        return found


def survivors(mark: str) -> list[psutil.Process]:
    """Processes that carry ``mark`` in their environment, zombies aside."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def run(script: Script, base: Path, sandbox: Sandbox | None = None) -> Result:
    """Run ``script`` as a trial, and another in the same slot after it."""
    folder = base / script.name.replace(" ", "-")
    following = base / f"{folder.name}-next"
    for made in (folder, following):
        made.mkdir(parents=True)
    (folder / "script.py").write_text(script.code)
    mark = f"{os.getpid()}-{script.name}"

    def job(number: int, at: Path, argv: tuple[str, ...], **limits: object) -> Job:
        confinement = Confinement(disk=script.disk, required=True) if sandbox is not None else None
        return Job(
            number,
            argv,
            str(at),
            str(at / "result.jsonl"),
            str(at / "log.txt"),
            ("loss",),
            {MARK: mark},
            timeout=script.timeout if number == 1 else 60.0,
            confinement=confinement,
            **limits,  # type: ignore[arg-type]
        )

    with LocalExecutor(1, sandbox=sandbox) as executor:
        started = time.monotonic()
        executor.submit(job(1, folder, (sys.executable, "script.py"), memory=script.memory, disk=script.disk))
        executor.submit(job(2, following, (sys.executable, "-I", "-S", "-c", "print('loss: 2')")))
        outcomes: dict[int, Outcome] = {}
        freed = 0.0
        while len(outcomes) < 2 and time.monotonic() < started + 90:
            for number, outcome in executor.wait(1.0):
                outcomes[number] = outcome
                freed = freed or time.monotonic() - started
    left = survivors(mark)
    for process in left:
        process.kill()
    for part in folder.glob("part*"):
        part.unlink()
    (folder / "result.jsonl").unlink(missing_ok=True)
    assert isinstance(outcomes.get(2), Observation), f"{script.name}: the slot never came free"
    wanted = script.boxed if sandbox is not None and script.boxed else script.kind
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Result(script, outcomes[1], freed - outcomes[1].duration, len(left), peak, wanted)


def main() -> int:
    """Run all, without a sandbox and with; each in a process of its own, so that the controller's memory is seen."""
    if len(sys.argv) > 2:
        return _one(sys.argv[2], sys.argv[3])
    bad = 0
    for kind in ("none", *(["bubblewrap"] if not check(Bubblewrap()).problem else [])):
        print(f"sandbox: {kind}")
        for script in SCRIPTS:
            argv = [sys.executable, "-m", "benchmarks.faults", "scripts", script.name, kind]
            bad += subprocess.run(argv, check=False).returncode != 0
    print(f"{bad} of them not as they must be")
    return 1 if bad else 0


def _one(name: str, kind: str) -> int:
    script = next(s for s in SCRIPTS if s.name == name)
    with tempfile.TemporaryDirectory() as base:
        result = run(script, Path(base), Bubblewrap() if kind == "bubblewrap" else None)
    memory = f"controller {result.peak >> 20} MB"
    state = "; ".join(result.problems) or "right"
    print(f"  {name:<46}{result.kind:<14}{result.late:+6.1f} s  {result.survivors} left  {memory}  {state}", flush=True)
    return 1 if result.problems else 0
