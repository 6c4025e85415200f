"""What a sandboxed job can reach: the system, the Python that runs it, and what was named; never the home folder."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from knowhy.model.job import Confinement, Job

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
_SETTINGS = (
    "alternatives ca-certificates ca-certificates.conf crypto-policies fonts group hosts ld.so.cache ld.so.conf "
    "ld.so.conf.d locale.alias localtime mime.types nsswitch.conf nvidia OpenCL passwd pki protocols services ssl "
    "timezone"
)
_ONLINE = ("/etc/resolv.conf", "/run/systemd/resolve")
COMPUTE = ("/opt/rocm", "/opt/intel", "/opt/nvidia", "/opt/cuda", "/opt/amdgpu")
_GPU = ("/dev/dri", "/dev/kfd", "/dev/dxg")


def writable(job: Job, confinement: Confinement) -> tuple[str, ...]:
    """The folders that ``job`` may change: those named, or its own and that of its result."""
    chosen = confinement.writable
    if chosen is None:
        chosen = (job.folder, os.path.dirname(job.result_path) if job.result_path else job.folder)
    return tuple(dict.fromkeys(os.path.abspath(path) for path in chosen))


def reach(job: Job, confinement: Confinement) -> tuple[list[str], list[str]]:
    """What may be read beside the system, and what is hidden; never the home folder as a whole."""
    own = [] if os.path.abspath(job.folder) in writable(job, confinement) else [job.folder]
    program = job.argv[0] if job.argv and os.path.isabs(job.argv[0]) else sys.executable
    theirs = [os.path.dirname(os.path.dirname(path)) for path in (program, os.path.realpath(program))]
    wanted = [*python_folders(), *theirs, *job.env.get("PYTHONPATH", "").split(os.pathsep), *confinement.readable, *own]
    home = os.path.realpath(os.path.expanduser("~"))
    found: dict[str, None] = {}
    for path in filter(None, wanted):
        for form in (os.path.abspath(path), os.path.realpath(path)):
            real = os.path.realpath(form)
            covers_home = home == real or home.startswith(real.rstrip("/") + "/")
            if os.path.lexists(form) and not covers_home and not within(form, SYSTEM):
                found[form] = None
    hidden = [form for path in confinement.hidden for form in (os.path.abspath(path), os.path.realpath(path))]
    return list(found), list(dict.fromkeys(hidden))


def python_folders() -> tuple[str, ...]:
    """Where this Python, its packages and what it imports from live."""
    paths = sysconfig.get_paths()
    own = [sys.prefix, sys.base_prefix, sys.exec_prefix, *(paths[k] for k in ("purelib", "platlib", "stdlib"))]
    own += [str(Path(sys.executable).resolve().parent.parent), str(Path(__file__).parents[2])]
    own += [entry for entry in sys.path if entry and "site-packages" in entry]
    return tuple(dict.fromkeys(p for p in own if os.path.isdir(p)))


def without(path: str, hidden: Sequence[str], skipped: Sequence[str]) -> list[str]:
    """``path`` as parts that leave out ``hidden`` (Landlock only adds rights); a folder that was cut is not listed."""
    cut = [*hidden, *skipped]
    if within(path, hidden):
        return []
    if not any(within(h, (path,)) for h in cut):
        return [path]
    try:
        members = sorted(os.scandir(path), key=lambda e: e.name)
    except OSError:
        return []
    return [part for m in members for part in without(m.path, hidden, skipped)]


def within(path: str, folders: Iterable[str]) -> bool:
    """Whether ``path`` is one of ``folders`` or lies below one, by name."""
    return any(path == f or path.startswith(f.rstrip("/") + "/") for f in folders)


def settings_files(network: bool) -> list[str]:
    """Files of /etc that programs need, and those that a network needs."""
    return [f"/etc/{name}" for name in _SETTINGS.split()] + (list(_ONLINE) if network else [])


@cache
def graphics() -> tuple[str, ...]:
    """Devices of graphics processors, and nothing where there are none."""
    try:
        names = sorted(name for name in os.listdir("/dev") if name.startswith("nvidia"))
    except OSError:
        return ()
    return (*(f"/dev/{name}" for name in names), *(path for path in _GPU if os.path.exists(path)))
