"""A SQLite file opened for safety first: its modes, waiting for locks, and what its errors mean.

Write-ahead logging is used only where the SQLite library is free of the bug by which two connections could corrupt the
file (fixed in 3.51.3; back-ported to 3.50.7 and 3.44.6), with ``synchronous=FULL``. Everywhere else the journal mode is
DELETE with ``synchronous=EXTRA``. In both, a transaction that was committed survives a loss of power.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from knowhy.errors import (
    JournalDamagedError,
    JournalError,
    JournalFormatError,
    JournalWriteError,
    KnowhyError,
    StudyLockedError,
    StudyMissingError,
)
from knowhy.journal.holder import locker, suspended

APPLICATION = 0x6B6E7779
LAYOUT = 1
TABLES = """
CREATE TABLE records (seq INTEGER PRIMARY KEY, time REAL NOT NULL, format INTEGER NOT NULL, body TEXT NOT NULL,
                      hash TEXT NOT NULL);
CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL);
CREATE TABLE lease (id INTEGER PRIMARY KEY CHECK (id = 1), fence INTEGER NOT NULL, held INTEGER NOT NULL,
                    host TEXT NOT NULL, pid INTEGER NOT NULL, birth TEXT NOT NULL, token TEXT NOT NULL,
                    since REAL NOT NULL, heartbeat REAL NOT NULL)
"""

DRIVER_ERRORS = (sqlite3.DatabaseError, UnicodeError)
"""What the driver raises; UnicodeError where SQLite's message quotes the bytes of a damaged file."""

# Short, because a busy writer leaves gaps of a millisecond between its commits: who looks seldom never meets one.
_LONGEST_PAUSE = 0.01

T = TypeVar("T")

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_STORAGE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_PROTOCOL,
}
_HINTS = {
    sqlite3.SQLITE_FULL: "free some space on the disk and run again; everything acknowledged is kept",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable, then run again",
    sqlite3.SQLITE_CANTOPEN: "check that the folder exists and that you may write there, then run again",
    sqlite3.SQLITE_TOOBIG: "keep single events below a gigabyte",
}


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite version has the fix that write-ahead logging needs."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)


class Database:
    """One connection to a journal's file; to be used by one thread at a time.

    ``create`` makes the file and its folder where they are missing. ``wal`` None chooses the mode by the
    library's version. ``patience`` is how many seconds to wait for a lock before StudyLockedError.
    """

    def __init__(self, path: Path, *, create: bool, wal: bool | None = None, patience: float = 5.0) -> None:
        self.path = path
        self.patience = patience
        if create:
            try:
                make_folder(path.parent)
            except OSError as error:
                raise JournalWriteError(
                    f"the folder of {path} cannot be made: {error.strerror}", _HINTS[sqlite3.SQLITE_CANTOPEN]
                ) from error
        elif not path.exists():
            raise StudyMissingError(f"there is no journal {path}", "start a study with `knowhy run SCRIPT`")
        with self.mapped("open"):
            self.connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
                uri=True,
                timeout=0.0,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            with self.mapped("open"):
                self._prepare(create, wal_is_safe(sqlite3.sqlite_version_info) if wal is None else wal)
            self._file = _identity(path)
        except BaseException:
            self.connection.close()
            raise

    def _prepare(self, create: bool, wal: bool) -> None:
        # Bytes that are no UTF-8 must reach the hash check instead of failing in the driver.
        self.connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        self.run("PRAGMA trusted_schema=OFF")
        self.run("PRAGMA cell_size_check=ON")
        with self.transaction(write=False):  # keeps others from filling the file between the two looks
            empty = self.value("SELECT count(*) FROM sqlite_master") == 0
            if empty and self.value("PRAGMA page_count") == 0 and self.path.stat().st_size > 0:
                raise JournalDamagedError(f"{self.path} is too short to be a journal", "go back to a copy of the file")
        if empty and not create:
            raise StudyMissingError(f"{self.path} is empty", "start a study with `knowhy run SCRIPT`")
        if not empty and self.value("PRAGMA application_id") != APPLICATION:
            raise JournalDamagedError(
                f"{self.path} is a SQLite file, but not a journal of knowhy (or its first page is damaged)",
                "name another file, or run `knowhy doctor`",
            )
        if not empty and self.value("PRAGMA user_version") > LAYOUT:
            raise JournalFormatError(
                f"{self.path} was written by a newer knowhy", "upgrade knowhy (pip install -U knowhy) and try again"
            )
        if (self.value("PRAGMA journal_mode") == "wal") != wal:
            with suppress(sqlite3.Error):  # a file that may only be read stays as it is
                self.run(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
        self.mode = str(self.value("PRAGMA journal_mode"))
        self.run(f"PRAGMA synchronous={'FULL' if self.mode == 'wal' else 'EXTRA'}")
        if empty:
            self._create()

    def _create(self) -> None:
        with self.transaction():
            if self.value("SELECT count(*) FROM sqlite_master") == 0:
                for statement in TABLES.split(";"):
                    self.run(statement)
                self.run(f"PRAGMA application_id={APPLICATION}")
                self.run(f"PRAGMA user_version={LAYOUT}")

    def run(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Execute one statement, waiting for locks."""
        return self._patiently(lambda: self.connection.execute(sql, values))

    def value(self, sql: str, values: tuple[Any, ...] = ()) -> Any:
        """The first column of the first row, None where there is no row."""
        row = self.run(sql, values).fetchone()
        return None if row is None else row[0]

    def _patiently(self, action: Callable[[], T]) -> T:
        """``action``, again after growing pauses while another connection holds the lock."""
        end = time.monotonic() + self.patience
        pause = 0.002
        while True:
            try:
                return action()
            except sqlite3.OperationalError as error:
                if _code(error) not in _BUSY or time.monotonic() + pause > end:
                    raise
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 1.6, _LONGEST_PAUSE)

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[None]:
        """All or nothing; a reading one sees a single state of the file."""
        try:
            self.run("BEGIN IMMEDIATE" if write else "BEGIN")
            yield
            if write:
                self.run("COMMIT")
        finally:
            # Also the end of a reading one: what it read is good even where SQLite, having met damage, cannot commit.
            if self.connection.in_transaction:
                with suppress(*DRIVER_ERRORS):
                    self.connection.execute("ROLLBACK")

    @contextmanager
    def mapped(self, doing: str) -> Iterator[None]:
        """SQLite's errors as knowhy's; ``doing`` is "open", "read" or "write"."""
        try:
            yield
        except sqlite3.ProgrammingError:  # a closed connection and the like: a defect of the caller
            raise
        except DRIVER_ERRORS as error:
            raise meaning(error, self.path, doing) from error

    def check_place(self) -> None:
        """Raise JournalWriteError where the open file is no longer the one at ``path``: nobody would find its news."""
        try:
            there = _identity(self.path)
        except OSError:
            there = None
        if there != self._file:
            raise JournalWriteError(
                f"{self.path} was moved, deleted or replaced while it was in use",
                "put it back, or stop and run again; nothing more is written to the old file",
            )

    def close(self) -> None:
        """Close the connection; it cannot be used any more."""
        self.connection.close()


def make_folder(folder: Path) -> None:
    """Make ``folder`` and what is missing above it, so that they outlast a loss of power; raises OSError."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for part in missing:
        sync_folder(part.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in ``folder`` on disk; where the system cannot do that for folders, nothing happens."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def meaning(error: Exception, path: Path, doing: str) -> KnowhyError:
    """The error of knowhy that says what the caller of SQLite should do about ``error``."""
    code = _code(error)
    if code in _BUSY:
        pid = locker(path)
        if pid is None:
            return StudyLockedError(f"another process keeps {path} locked", "wait until it is done, or end it")
        hint = f"wait until it is done, or end it (`kill {pid}`)"
        if suspended(pid):
            hint = f"it is suspended: let it go on (`kill -CONT {pid}`), or end it (`kill -KILL {pid}`)"
        return StudyLockedError(f"process {pid} keeps {path} locked", hint)
    if code in _STORAGE:
        hint = _HINTS.get(code, "check the disk, its free space and its permissions, then run again")
        if doing == "read":
            return JournalError(f"{path} cannot be read: {error}", hint)
        return JournalWriteError(f"{path} cannot be {'opened' if doing == 'open' else 'written'}: {error}", hint)
    return JournalDamagedError(
        f"{path} is damaged: {error}",
        "nothing is appended to it; run `knowhy doctor`, which can copy what is good to a new journal",
    )
