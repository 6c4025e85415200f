"""The last steps of a child before it becomes the job: limits, Landlock, no privileges, a filter of system calls.

Runs between fork and exec in the keeper: see there what it may import. Linux only; every step raises OSError where the
system refuses it, so that nothing runs less confined than was asked.

Sources: landlock(7), seccomp(2), capabilities(7); numbers from the kernel's uapi headers.
"""

from __future__ import annotations

import contextlib
import os
import platform
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    class Rules(TypedDict):
        """Landlock: paths that may be read (and run), paths that may be changed, devices, and the network."""

        read: list[str]
        write: list[str]
        device: list[str]
        network: bool


SECCOMP_FD = 9
_NO_NEW_PRIVS, _SECCOMP, _CAP_DROP, _AMBIENT = 38, 22, 24, 47
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture

_EXECUTE, _WRITE, _READ, _READ_DIR = 1, 2, 4, 8
_FS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_FS_LATEST = (1 << 16) - 1
_IOCTL = 1 << 15
_ON_FILES = _EXECUTE | _WRITE | _READ | 1 << 14 | _IOCTL

# Calls that no training needs and that reach beyond the sandbox: kernel keys, other processes' memory, namespaces,
# modules, the clock, io_uring (which would carry sockets past the filter).
_DENIED = {
    "x86_64": (
        *(101, 155, 161, 163, 164, 165, 166, 167, 168, 169, 172, 173, 175, 176, 179, 180, 212, 227, 246, 248, 249),
        *(
            250,
            272,
            298,
            303,
            304,
            308,
            310,
            311,
            312,
            313,
            320,
            321,
            323,
            425,
            426,
            427,
            428,
            429,
            430,
            431,
            432,
            433,
            438,
            442,
        ),
    ),
    "aarch64": (
        *(39, 40, 41, 51, 60, 89, 97, 104, 105, 106, 112, 117, 142, 161, 162, 170, 217, 218, 219, 224, 225, 241),
        *(264, 265, 266, 268, 270, 271, 272, 273, 280, 282, 294, 425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442),
    ),
}
_ARCHITECTURE = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16


def filter_of(*, network: bool, unix: bool, private: bool) -> bytes:
    """A seccomp program that refuses what no training needs; empty on machines other than x86-64 and ARM64.

    Sockets are of families that namespaces or Landlock confine: ``unix`` lets unix sockets be made, ``network`` or
    ``private`` (a network namespace of its own) those of the internet.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURE:
        return b""
    architecture, socket = _ARCHITECTURE[machine]
    families = ((_UNIX,) if unix else ()) + ((_INET, _INET6, _NETLINK) if network or private else ())
    refuse, allow = (0x06, 0, 0, 0x00050000 | 1), (0x06, 0, 0, 0x7FFF0000)
    program = [(0x20, 0, 0, 4), (0x15, 1, 0, architecture), (0x06, 0, 0, 0x80000000)]  # another architecture: kill
    program.append((0x20, 0, 0, 0))
    if machine == "x86_64":
        program += [(0x35, 0, 1, 0x40000000), refuse]  # the x32 interface has numbers of its own
    for number in _DENIED[machine]:
        program += [(0x15, 0, 1, number), refuse]
    program += [(0x15, 0, 2 + len(families), socket), (0x20, 0, 0, 16)]
    program += [(0x15, len(families) - i, 0, family) for i, family in enumerate(families)]
    program += [refuse, allow]
    return b"".join(struct.pack("=HBBI", *line) for line in program)


def abi() -> int:
    """The version of Landlock in this kernel; 0 where there is none."""
    with contextlib.suppress(Exception):
        return max(0, int(_libc().syscall(_CREATE, None, 0, 1)))
    return 0


def enter(program: bytes, rules: Rules | None, processes: int = 0, file_size: int = 0) -> None:
    """Take limits upon this process, and Landlock where there are ``rules``; else leave the filter for bubblewrap."""
    limit(processes, file_size)
    if rules is not None:
        landlock(rules, program)
    elif program:
        offer_filter(program)


def offer_filter(program: bytes) -> None:
    """Leave ``program`` at the descriptor SECCOMP_FD, where bubblewrap reads it."""
    made = os.memfd_create("filter")
    os.write(made, program)
    os.lseek(made, 0, os.SEEK_SET)
    os.dup2(made, SECCOMP_FD, inheritable=True)


def limit(processes: int, file_size: int) -> None:
    """Bound the size of a file, and processes above those that the user has already (0: no bound)."""
    import resource

    if file_size:
        _lower(resource.RLIMIT_FSIZE, file_size)
    if processes and os.getuid() != 0:  # the kernel does not apply it to root: the keeper counts as well
        mine = 0
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if name.isdecimal() and os.stat(f"/proc/{name}").st_uid == os.getuid():
                    mine += len(os.listdir(f"/proc/{name}/task"))
        _lower(resource.RLIMIT_NPROC, mine + processes)


def _lower(kind: int, value: int) -> None:
    import resource

    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def landlock(rules: Rules, program: bytes) -> None:
    """Confine this process for good: files, the network, signals, privileges, system calls; raises OSError."""
    import ctypes

    libc, version = _libc(), abi()
    if version < 1:
        raise OSError("this kernel has no Landlock")
    files = _FS_BY_ABI.get(version, _FS_LATEST)
    network = 3 if version >= 4 and not rules["network"] else 0
    scopes = 3 if version >= 6 else 0
    attributes = struct.pack("=QQQ", files, network, scopes)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _checked(libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0))
    read = _EXECUTE | _READ | _READ_DIR
    for paths, rights in ((rules["read"], read), (rules["write"], files), (rules["device"], _READ | _WRITE | _IOCTL)):
        for path in paths:
            _allow(libc, ruleset, path, rights & files)
    _checked(libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0))
    drop_privileges()
    _checked(libc.syscall(_RESTRICT, ruleset, 0))
    os.close(ruleset)
    if program:
        buffer = ctypes.create_string_buffer(program, len(program))

        class Program(ctypes.Structure):
            _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

        _checked(libc.prctl(_SECCOMP, 2, ctypes.byref(Program(len(program) // 8, ctypes.addressof(buffer))), 0, 0))


def drop_privileges() -> None:
    """Give up every capability, for good; of effect where root runs the study."""
    import ctypes

    libc = _libc()
    for capability in range(64):
        libc.prctl(_CAP_DROP, capability, 0, 0, 0)
    libc.prctl(_AMBIENT, 4, 0, 0, 0)
    header = struct.pack("=Ii", 0x20080522, 0)
    _checked(libc.capset(header, ctypes.create_string_buffer(24)))


def _allow(libc: Any, ruleset: int, path: str, rights: int) -> None:
    """Add a rule; a path that is not there needs none."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _ON_FILES
        _checked(libc.syscall(_ADD, ruleset, 1, struct.pack("=Qi", rights, fd), 0))
    finally:
        os.close(fd)


def _checked(result: Any) -> int:
    import ctypes

    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the sandbox cannot be set up: {os.strerror(number)}")
    return int(result)


def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
