"""Hostile trials in each sandbox: what they get done, and what a sandbox costs."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.attacks import ATTACKS, Attack, source
from knowhy.execution.local import LocalExecutor
from knowhy.execution.reach import python_folders
from knowhy.execution.sandbox import Bubblewrap, Landlock, Sandbox, check
from knowhy.model.job import Confinement, Job
from knowhy.model.observation import Failure, Observation, Outcome

CANARY = "knowhy-canary-5d1f0c"
MEMORY, DISK, PROCESSES, TIMEOUT = 400 << 20, 200 << 20, 150, 15.0


@dataclass(frozen=True)
class Result:
    """One attack: whether it got done, how the trial ended, and its last words."""

    attack: Attack
    won: bool
    outcome: Outcome
    said: str
    seconds: float


class World:
    """What the attacks are aimed at, below ``base``."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.project = base / "project"
        self.study = self.project / ".knowhy" / "study"
        self.other = self.study / "trials" / "00002"
        self.home = base / "home"
        (self.home / ".ssh").mkdir(parents=True)
        (self.home / ".ssh" / "id_rsa").write_text(f"-----BEGIN KEY----- {CANARY}")
        self.other.mkdir(parents=True)
        (self.project / "train.py").write_text("print('loss: 1')\n")
        (self.project / ".env").write_text(f"KEY={CANARY}")
        (self.study / "journal.db").write_bytes(b"SQLite format 3\0" + bytes(100))
        (base / "shared").mkdir()

    @contextmanager
    def told(self) -> Iterator[dict[str, object]]:
        """Start what can be attacked; what the trials are told about it."""
        victim = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"], env={"CANARY": CANARY, "PATH": os.environ["PATH"]}
        )
        tcp, tcp6 = socket.create_server(("127.0.0.1", 0)), None
        try:
            tcp6 = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError:
            tcp6 = tcp
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        threading.Thread(target=_echo, args=(udp,), daemon=True).start()
        unix, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        path = tempfile.mktemp(prefix="kw", dir="/var/tmp" if os.access("/var/tmp", os.W_OK) else "/tmp")
        unix.bind(path)
        name = f"knowhy-{os.getpid()}"
        abstract.bind("\0" + name)
        for listening in (unix, abstract):
            listening.listen()
        try:
            yield {
                "canary": CANARY,
                "home": os.path.expanduser("~"),
                "shown": _below_home([*python_folders(), os.path.realpath(sys.executable), str(self.base)]),
                "project": str(self.project),
                "study": str(self.study),
                "other": str(self.other),
                "journal": str(self.study / "journal.db"),
                "shared": str(self.base / "shared"),
                "tcp": tcp.getsockname()[1],
                "tcp6": tcp6.getsockname()[1],
                "udp": udp.getsockname()[1],
                "unix": path,
                "abstract": name,
                "pid": victim.pid,
                "keeper": victim.pid,
                "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            }
        finally:
            victim.kill()
            victim.wait()
            for made in {tcp, tcp6, udp, unix, abstract}:
                made.close()
            os.unlink(path)

    def whole(self) -> list[str]:
        """What the attacks broke although no trial said so."""
        broken = []
        if (self.study / "journal.db").read_bytes() != b"SQLite format 3\0" + bytes(100):
            broken.append("the journal was changed")
        if (self.project / "train.py").read_text() != "print('loss: 1')\n":
            broken.append("the script was changed")
        broken += [f"{p} appeared" for p in (self.home / "new", self.base / "shared" / "new") if p.exists()]
        return broken


def _below_home(paths: Sequence[str]) -> list[str]:
    """The names in the home folder below which ``paths`` lie: what is bound there shows."""
    home = Path.home()
    return [Path(p).relative_to(home).parts[0] for p in paths if Path(p).is_relative_to(home)]


def _echo(udp: socket.socket) -> None:
    try:
        while True:
            data, sender = udp.recvfrom(100)
            udp.sendto(data, sender)
    except OSError:
        return


def attack(sandbox: Sandbox | None, base: Path, groups: Iterable[Sequence[Attack]]) -> tuple[list[Result], list[str]]:
    """Run each group of attacks as one trial in ``sandbox`` against a world made in ``base``; also what broke there."""
    world = World(base)
    results = []
    with world.told() as told, LocalExecutor(1, sandbox=sandbox) as executor:
        for number, group in enumerate(groups, start=101):
            folder = world.study / "trials" / f"{number:05d}"
            folder.mkdir()
            told["keeper"] = os.getpid() if sandbox is not None else told["pid"]
            (folder / "attack.py").write_text(source(group, str(base), told))
            started = time.monotonic()
            executor.submit(_job(world, folder, number, required=sandbox is not None))
            outcome = _outcome(executor)
            seconds = time.monotonic() - started
            won = (folder / "won").read_text().splitlines() if (folder / "won").exists() else []
            if (folder / "beat").exists():
                before = (folder / "beat").read_text()
                time.sleep(0.5)
                won += ["outlives its trial"] if (folder / "beat").read_text() != before else []
            said = dict(line.split(" | ", 1) for line in (folder / "log.txt").read_text().splitlines() if " | " in line)
            results += [Result(one, one.name in won, outcome, said.get(one.name, ""), seconds) for one in group]
            for made in (*folder.glob("f*"), *folder.glob("big")):
                made.unlink()
    return results, world.whole()


def _job(world: World, folder: Path, number: int, *, required: bool) -> Job:
    return Job(
        number,
        (sys.executable, "attack.py"),
        str(folder),
        str(folder / "result.jsonl"),
        str(folder / "log.txt"),
        ("loss",),
        timeout=TIMEOUT,
        memory=MEMORY,
        confinement=Confinement(
            (str(world.project),),
            (str(world.project / ".knowhy"), str(world.project / ".env"), str(world.home)),
            disk=DISK,
            processes=PROCESSES,
            required=required,
        ),
    )


def _outcome(executor: LocalExecutor) -> Outcome:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for _, outcome in executor.wait(5):
            return outcome
    raise AssertionError("a trial did not end")


def cost(sandbox: Sandbox | None, base: Path, repeats: int = 20) -> float:
    """Median seconds from submit to outcome of a trial that does nothing."""
    times = []
    with LocalExecutor(1, sandbox=sandbox) as executor:
        for number in range(repeats):
            folder = base / f"cost-{sandbox.name if sandbox else 'none'}-{number}"
            folder.mkdir()
            argv = (sys.executable, "-I", "-S", "-c", "print('loss: 1')")
            job = Job(
                number,
                argv,
                str(folder),
                str(folder / "r"),
                str(folder / "l"),
                ("loss",),
                confinement=Confinement((str(base),)) if sandbox else None,
            )
            started = time.perf_counter()
            executor.submit(job)
            outcome = _outcome(executor)
            times.append(time.perf_counter() - started)
            assert isinstance(outcome, Observation), outcome
    return statistics.median(times)


def main() -> int:
    """Run everything; the exit code is 1 where an attack succeeded under bubblewrap."""
    wins = 0
    with tempfile.TemporaryDirectory(prefix=".knowhy-attacks-", dir=Path.home()) as made:
        base = Path(made)
        (base / "cost").mkdir()
        plain = cost(None, base / "cost")
        print(f"a trial that does nothing, without a sandbox: {1000 * plain:.0f} ms")
        for sandbox in (Bubblewrap(), Landlock()):
            problem = check(sandbox).problem
            if problem:
                print(f"{sandbox.name}: does not work here ({problem})")
                continue
            more = cost(sandbox, base / "cost") - plain
            (base / sandbox.name).mkdir()
            results, broken = attack(sandbox, base / sandbox.name, [[one] for one in ATTACKS])
            won = [r for r in results if r.won]
            print(*broken, sep="\n")
            print(
                f"\n{sandbox.name}: {len(won)} of {len(results)} attacks succeed; {1000 * more:.0f} ms more for a trial"
            )
            for r in results:
                how = r.outcome.kind if isinstance(r.outcome, Failure) else "completed"
                state = "SUCCEEDS" if r.won else "fails"
                print(f"  {state:<9}{r.attack.name:<40}{how:<14}{r.seconds:5.1f} s  {r.said[:80]}")
            wins += len(won) + len(broken) if sandbox.name == "bubblewrap" else 0
    return 1 if wins else 0
