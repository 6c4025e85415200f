"""Sandboxes: which one works here, and what a job looks like inside it.

Bubblewrap gives a job namespaces of its own: a file system with nothing in it but what was bound, no network, no other
processes. Landlock takes rights away from an ordinary process, and leaves more open (``Landlock.open`` says what).
Either is taken only after a job has really run in it on this machine.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol

from knowhy.errors import SandboxError
from knowhy.execution import confine
from knowhy.execution.environment import available_cores
from knowhy.execution.reach import COMPUTE, SYSTEM, graphics, reach, settings_files, without, writable
from knowhy.model.job import Confinement, Job

if TYPE_CHECKING:
    from knowhy.model.trust import SandboxKind

# A first job: it must run Python and write to its own folder, and not write to the one beside it.
_PROBE = """
import sys
open("made", "w").close()
try:
    open(sys.argv[1] + "/made", "w").close()
except OSError:
    sys.exit(0)
sys.exit("a job can write outside of its folder")
"""
_TRIED: dict[str, str] = {}


@dataclass(frozen=True)
class Plan:
    """A job as the keeper is to run it: a command, variables over the job's own, and what the child does first.

    ``monitored``: the command is a monitor that outlives signals to the job; ``rules`` are Landlock's.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    program: bytes = b""
    rules: confine.Rules | None = None
    monitored: bool = False
    processes: int = 0
    disk: int | None = None
    watched: tuple[str, ...] = ()
    memory: int | None = None


@dataclass(frozen=True)
class Check:
    """Whether a sandbox works here: ``problem`` is empty where it does, ``open`` what it does not protect from."""

    name: str
    problem: str
    open: tuple[str, ...]


class Sandbox(Protocol):
    """A way to shut a job in; ``open`` says what it does not protect from."""

    @property
    def name(self) -> str:
        """The word by which it is asked for."""
        ...

    @property
    def open(self) -> tuple[str, ...]:
        """What it does not protect from."""
        ...

    def plan(self, job: Job, confinement: Confinement) -> Plan:
        """How ``job`` runs within ``confinement``."""
        ...


class Bubblewrap:
    """Namespaces by the program bwrap: a root of its own, no network, no other processes, unix sockets out of reach."""

    name = "bubblewrap"
    open: tuple[str, ...] = (
        "defects of the kernel, which it shares with everything else on the machine",
        "what the files that it may read contain, and what can be learnt from how long things take",
        "graphics processors, where there are any: their memory is shared with other processes",
    )

    def plan(self, job: Job, confinement: Confinement) -> Plan:
        """``job`` under bwrap."""
        can = _bwrap_options()
        folders = writable(job, confinement)
        readable, hidden = reach(job, confinement)
        argv = [_bwrap(), "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]
        argv += ["--cap-drop", "ALL"]
        argv += ["--disable-userns"] if "--disable-userns" in can else []
        argv += ["--share-net"] if confinement.network else ["--hostname", "sandbox"]
        for path in SYSTEM:
            if os.path.islink(path):
                argv += ["--symlink", os.readlink(path), path]
            elif os.path.isdir(path):
                argv += ["--ro-bind", path, path]
        for path in settings_files(confinement.network):
            argv += ["--ro-bind-try", path, path]
        argv += ["--proc", "/proc", "--dev", "/dev"]
        argv += ["--ro-bind-try", "/sys", "/sys"] if graphics() else []
        argv += [] if graphics() else ["--ro-bind-try", "/sys/devices/system", "/sys/devices/system"]
        for path in graphics():
            argv += ["--dev-bind-try", path, path]
        for path in ("/dev/shm", "/tmp"):
            argv += ["--size", str(_shared_memory()), "--tmpfs", path] if "--size" in can else ["--tmpfs", path]
        argv += ["--dir", "/tmp/home"]
        layers: list[tuple[str, list[str]]] = [(p, ["--ro-bind-try", p, p]) for p in readable]
        masks = [p for p in hidden if os.path.lexists(p) and not os.path.islink(p)]
        layers += [(p, ["--tmpfs", p] if os.path.isdir(p) else ["--ro-bind", "/dev/null", p]) for p in masks]
        layers += [(p, ["--bind", p, p]) for p in folders]
        for _, words in sorted(layers, key=lambda layer: (layer[0].count("/"), layer[0])):  # the outer first
            argv += words
        for path in (*(p for p in masks if os.path.isdir(p)), "/dev", "/"):
            argv += ["--remount-ro", path]
        program = confine.filter_of(network=confinement.network, unix=True, private=True)
        argv += ["--seccomp", str(confine.SECCOMP_FD)] if program else []
        argv += ["--chdir", os.path.abspath(job.folder), "--", *job.argv]
        return _plan(job, confinement, tuple(argv), {"HOME": "/tmp/home", "TMPDIR": "/tmp"}, program)


class Landlock:
    """Rights that an ordinary process gives up for good (Linux 5.13 and later), beside limits and a filter of calls."""

    name = "landlock"

    @property
    def open(self) -> tuple[str, ...]:
        """What this kernel's Landlock leaves open."""
        version = confine.abi()
        left = [
            "names, sizes and times of files anywhere can be asked for, and permissions and times of the user's own "
            "files changed; their contents can be neither read nor written",
            "other processes can be listed with their command lines",
            "shared memory (/dev/shm) is that of the machine",
            "a script that forks faster than it can be ended is ended late",
            "unix sockets cannot be made at all: PyTorch's DataLoader needs its sharing strategy file_system",
        ]
        if version < 6:
            left.append("other processes of the same user can be sent signals")
        if not confine.filter_of(network=False, unix=False, private=False):
            left.append("system calls are not filtered on this kind of machine: UDP and unix sockets are open")
            if version < 4:
                left.append("so is TCP")
        if version < 3:
            left.append("files that may be read can be truncated")
        return (*left, *Bubblewrap.open)

    def plan(self, job: Job, confinement: Confinement) -> Plan:
        """``job`` under rules that the child takes upon itself."""
        folders = writable(job, confinement)
        readable, hidden = reach(job, confinement)
        home = os.path.join(folders[0], ".knowhy-home")
        os.makedirs(home, exist_ok=True)
        rules: confine.Rules = {
            "read": [
                *(p for p in (*SYSTEM, *COMPUTE, "/proc", "/sys/devices/system") if os.path.isdir(p)),
                *settings_files(confinement.network),
                *(part for path in readable for part in without(path, hidden, folders)),
                *([] if os.path.abspath(job.folder) in folders else [os.path.abspath(job.folder)]),
            ],
            "write": [*folders, "/dev/shm"],
            "device": ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", *graphics()],
            "network": confinement.network,
        }
        if graphics():
            rules["read"].append("/sys")
        program = confine.filter_of(network=confinement.network, unix=False, private=False)
        plan = _plan(job, confinement, job.argv, {"HOME": home, "TMPDIR": home}, program)
        return replace(plan, rules=rules, monitored=False)


def choose(kind: SandboxKind) -> Sandbox | None:
    """The sandbox that ``kind`` asks for, None for "off"; raises SandboxError where it does not work here."""
    if kind == "off":
        return None
    found = [(s, check(s)) for s in (Bubblewrap(), Landlock()) if kind in ("auto", s.name)]
    for sandbox, result in found:
        if not result.problem:
            return sandbox
    raise SandboxError(
        "no sandbox works here: " + "; ".join(f"{result.name}: {result.problem}" for _, result in found),
        "install bubblewrap and allow user namespaces (knowhy doctor tells more)",
    )


def checks() -> tuple[Check, ...]:
    """Every sandbox, the best first, and whether it works here."""
    return tuple(check(sandbox) for sandbox in (Bubblewrap(), Landlock()))


def check(sandbox: Sandbox) -> Check:
    """Run a small job in ``sandbox``, once for this process."""
    if sandbox.name not in _TRIED:
        _TRIED[sandbox.name] = _problem(sandbox)
    return Check(sandbox.name, _TRIED[sandbox.name], sandbox.open)


def _problem(sandbox: Sandbox) -> str:
    """Why ``sandbox`` does not work here, or an empty string."""
    if sys.platform != "linux":
        return f"it is for Linux, this is {platform.system()}"
    if sandbox.name == "bubblewrap" and not _bwrap():
        return "the program bwrap is not installed"
    with tempfile.TemporaryDirectory(prefix="knowhy-sandbox-") as base:
        folder, other = os.path.join(base, "folder"), os.path.join(base, "other")
        os.mkdir(folder)
        os.mkdir(other)
        job = Job(0, (sys.executable, "-I", "-S", "-c", _PROBE, other), folder, "", "", ())
        try:
            plan = sandbox.plan(job, Confinement())
            ran = subprocess.run(
                plan.argv,
                cwd=folder,
                env={"PATH": os.environ.get("PATH", os.defpath), **plan.env},
                capture_output=True,
                timeout=20,
                check=False,
                close_fds=False,
                preexec_fn=lambda: confine.enter(plan.program, plan.rules),
            )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
        if ran.returncode == 0 and os.path.exists(os.path.join(folder, "made")):
            return ""
        said = ran.stderr.decode(errors="replace").strip().splitlines()
        return said[-1][:300] if said else f"a first job in it ended with exit code {ran.returncode}"


def _plan(job: Job, confinement: Confinement, argv: tuple[str, ...], env: dict[str, str], program: bytes) -> Plan:
    folders = writable(job, confinement)
    disk = confinement.disk or job.disk
    if disk is None:
        disk = shutil.disk_usage(folders[0] if folders else job.folder).free // 2
    env |= dict.fromkeys(("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"), "")
    return Plan(
        argv,
        env,
        program,
        None,
        True,
        confinement.processes or 256 + 16 * available_cores(),
        disk,
        folders,
        job.memory or _memory() * 3 // 4,
    )


@cache
def _bwrap() -> str:
    return shutil.which("bwrap") or ""


@cache
def _bwrap_options() -> str:
    try:
        return subprocess.run([_bwrap(), "--help"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _shared_memory() -> int:
    """Bytes that each of /tmp and /dev/shm may hold, which lie in memory."""
    return max(64 << 20, _memory() // 8)
