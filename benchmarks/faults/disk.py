"""A tap on what SQLite does to its files: every write, sync, truncation, creation and deletion, in order.

A VFS whose ``xOpen`` hands files to the default one and then puts its own write, truncate and sync into a copy of the
file's table of methods. It becomes the default VFS of the SQLite library that this process uses, so that the code under
test runs as it is. Needs a Python whose ``_sqlite3`` is linked to a shared SQLite library.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

FULL, READONLY, IOERR_WRITE, IOERR_FSYNC, IOERR_TRUNCATE, IOERR_DELETE, CANTOPEN = 13, 8, 778, 1034, 1546, 2570, 14
_CREATE, _JOURNALS = 0x4, 0x800 | 0x4000 | 0x80000  # main, super and write-ahead journals


@dataclass(frozen=True)
class Op:
    """One change of a file. ``place`` is an offset, a size, or whether a deletion syncs the folder."""

    kind: Literal["create", "write", "truncate", "sync", "delete"]
    file: str
    place: int = 0
    data: bytes = b""
    journal: bool = False


Tap = Callable[[Op], int]
"""What to do about an operation: 0 lets it through, another number is returned to SQLite as its error."""

_P, _I, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
# Names as addresses: SQLite keeps the pointer for as long as the file is open.
_OPEN = ctypes.CFUNCTYPE(_I, _P, _P, _P, _I, ctypes.POINTER(_I))
_DELETE = ctypes.CFUNCTYPE(_I, _P, ctypes.c_char_p, _I)
_WRITE = ctypes.CFUNCTYPE(_I, _P, _P, _I, _L)
_TRUNCATE = ctypes.CFUNCTYPE(_I, _P, _L)
_SYNC = ctypes.CFUNCTYPE(_I, _P, _I)


class _Vfs(ctypes.Structure):
    _fields_ = [
        ("version", _I), ("size", _I), ("longest", _I), ("next", _P), ("name", ctypes.c_char_p), ("data", _P),
        ("open", _P), ("delete", _P),
        *[(f"m{n}", _P) for n in range(14)],
    ]  # fmt: skip


class _Methods(ctypes.Structure):
    _fields_ = [
        ("version", _I), ("close", _P), ("read", _P), ("write", _P), ("truncate", _P), ("sync", _P),
        *[(f"m{n}", _P) for n in range(13)],
    ]  # fmt: skip


def _library() -> Any:
    """The SQLite library that the module ``sqlite3`` of this process uses."""
    import _sqlite3

    for path in (getattr(_sqlite3, "__file__", None), ctypes.util.find_library("sqlite3")):
        if path:
            library = ctypes.CDLL(path)
            if hasattr(library, "sqlite3_vfs_find"):
                library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
                return library
    raise RuntimeError("this Python's sqlite3 has no library of its own that could be tapped")


@contextmanager
def tapped(tap: Tap) -> Iterator[None]:
    """Let ``tap`` see every operation of connections that are opened within."""
    library = _library()
    default = library.sqlite3_vfs_find(None)
    base: _Vfs = default.contents
    mine = _Vfs.from_buffer_copy(base)
    mine.name = b"knowhy-tap-%d" % id(mine)
    names: dict[int, tuple[str, bool]] = {}
    tables: dict[int, _Methods] = {}
    keep: list[Any] = []
    base_open, base_delete = _OPEN(base.open), _DELETE(base.delete)

    def guarded(op: Op) -> int:
        try:
            return tap(op)
        except BaseException:
            traceback.print_exc()
            return IOERR_WRITE

    def table(address: int) -> _Methods:
        """The methods of the table at ``address`` with ours in the place of three."""
        if address not in tables:
            methods = _Methods.from_buffer_copy(_Methods.from_address(address))
            write, truncate, sync = _WRITE(methods.write), _TRUNCATE(methods.truncate), _SYNC(methods.sync)

            def on_write(file: int, data: int, amount: int, offset: int) -> int:
                name, journal = names.get(file, ("", False))
                return guarded(Op("write", name, offset, ctypes.string_at(data, amount), journal)) or write(
                    file, data, amount, offset
                )

            def on_truncate(file: int, size: int) -> int:
                name, journal = names.get(file, ("", False))
                return guarded(Op("truncate", name, size, journal=journal)) or truncate(file, size)

            def on_sync(file: int, flags: int) -> int:
                name, journal = names.get(file, ("", False))
                return guarded(Op("sync", name, flags, journal=journal)) or sync(file, flags)

            for field, form, function in (
                ("write", _WRITE, on_write), ("truncate", _TRUNCATE, on_truncate), ("sync", _SYNC, on_sync),
            ):  # fmt: skip
                callback = form(function)
                keep.append((callback, write, truncate, sync))
                setattr(methods, field, ctypes.cast(callback, _P).value)
            tables[address] = methods
        return tables[address]

    def on_open(vfs: int, name: int | None, file: int, flags: int, out: Any) -> int:
        path = os.fsdecode(ctypes.string_at(name)) if name else ""
        if path and flags & _CREATE and not os.path.exists(path):
            refused = guarded(Op("create", path, journal=bool(flags & _JOURNALS)))
            if refused:
                _P.from_address(file).value = None
                return refused
        code = int(base_open(ctypes.addressof(base), name, file, flags, out))
        pointer = _P.from_address(file)
        if code == 0 and path and pointer.value:
            names[file] = path, bool(flags & _JOURNALS)
            pointer.value = ctypes.addressof(table(pointer.value))
        return code

    def on_delete(vfs: int, name: bytes, sync: int) -> int:
        return guarded(Op("delete", os.fsdecode(name), sync)) or int(base_delete(ctypes.addressof(base), name, sync))

    opened, deleted = _OPEN(on_open), _DELETE(on_delete)
    keep += [opened, deleted]
    mine.open, mine.delete = ctypes.cast(opened, _P).value, ctypes.cast(deleted, _P).value
    library.sqlite3_vfs_register(ctypes.byref(mine), 1)
    try:
        yield
    finally:
        library.sqlite3_vfs_unregister(ctypes.byref(mine))
        library.sqlite3_vfs_register(default, 1)
        _forever.append((mine, tables, keep))  # connections that are still open go on through them


_forever: list[Any] = []
