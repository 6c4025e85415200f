"""Looking at a journal that may be damaged, and saving what is good in it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, count
from os import PathLike
from pathlib import Path

from knowhy.errors import (
    JournalDamagedError,
    JournalError,
    JournalFormatError,
    JournalWriteError,
    StudyLockedError,
)
from knowhy.journal.chain import BrokenChainError, Link, Row, to_record
from knowhy.journal.database import sync_folder
from knowhy.journal.sqlite import SqliteJournal
from knowhy.model.events import NoteAdded

_LONGEST_GAP = 1 << 32  # bytes


@dataclass(frozen=True, slots=True)
class Report:
    """What ``check`` found.

    ``records`` good ones stand before ``first_bad`` (None where the damage is in no record, or there is none);
    ``reason`` says what is wrong, empty where all is well. ``mode`` is SQLite's journal mode, ``sqlite`` the
    library's version, ``last_hash`` the hash of the last good record. Where it is ``newer`` nothing is damaged:
    ``first_bad`` is the first record that this version cannot read.
    """

    path: str
    records: int
    ok: bool
    first_bad: int | None = None
    reason: str = ""
    mode: str = ""
    sqlite: str = sqlite3.sqlite_version
    last_hash: str = Link().hash
    newer: bool = False


def check(path: str | PathLike[str]) -> Report:
    """Verify every record, the end of the chain and SQLite's own structure; raises nothing for damage.

    Raises StudyMissingError where there is no journal, and JournalError where the file cannot be read at all.
    """
    link, mode, newer = Link(), "", ""
    try:
        with SqliteJournal(path, create=False) as journal:
            mode = journal.mode
            for row in journal.rows():
                try:
                    if not newer:
                        to_record(row)
                        link = Link(row.seq, row.hash)
                except JournalFormatError as error:  # the chain may still be checked to its end
                    newer = f"{error.message}: {error.hint}"
            trouble = journal.structure()
    except BrokenChainError as error:
        return Report(str(path), link.seq, False, error.seq, error.why, mode, last_hash=link.hash)
    except JournalFormatError as error:
        newer, trouble = f"{error.message}: {error.hint}", ""
    except JournalDamagedError as error:
        return Report(str(path), link.seq, False, None, error.message, mode, last_hash=link.hash)
    if newer and not trouble:
        return Report(str(path), link.seq, False, link.seq + 1, newer, mode, last_hash=link.hash, newer=True)
    return Report(str(path), link.seq, not trouble, None, trouble, mode, last_hash=link.hash)


def recover(path: str | PathLike[str], to: str | PathLike[str]) -> Report:
    """Copy the good records before the first bad one, as they are, to the new journal ``to``; the report is on ``to``.

    The damaged file is left as it is. Raises JournalWriteError where ``to`` exists or cannot be written, and
    JournalDamagedError where there is not one good record.
    """
    target = Path(to)
    if target.exists():
        raise JournalWriteError(f"{target} exists already", "name a file that does not exist yet")
    with _source(Path(path), target) as journal:
        rows = _good(journal)
        first = next(rows, None)
        if first is None:
            raise JournalDamagedError(f"{path} has no record that could be recovered", "go back to a copy of the file")
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            with SqliteJournal(part, wal=False) as copy:
                copy.adopt(chain([first], rows))
            os.replace(part, target)
            sync_folder(target.parent)
        except OSError as error:
            raise JournalWriteError(f"{target} cannot be written: {error}", "check the folder and its space") from error
        finally:
            with suppress(OSError):
                part.unlink()
    return check(target)


def restore(path: str | PathLike[str]) -> tuple[Report, Path]:
    """Put a new journal with the good records in the place of the damaged one, which is kept beside it.

    Returns the report on the new journal, in which a note tells what was left behind, and where the damaged one is.
    Raises what ``recover`` raises, JournalFormatError for a journal of a newer knowhy, and StudyLockedError while
    somebody holds the study.
    """
    home = Path(path)
    found = check(home)
    if found.newer:
        raise JournalFormatError(f"{home} is not damaged: {found.reason}", "upgrade knowhy (pip install -U knowhy)")
    with SqliteJournal(home, create=False) as journal, suppress(JournalDamagedError):
        holder = journal.holder()
        if holder is not None and holder.holds:
            raise StudyLockedError(
                f"the study is run by process {holder.pid} on {holder.host}", "stop it, then recover the journal"
            )
    numbers = (home.with_name(f"{home.stem}.damaged-{n}{home.suffix}") for n in count(1))
    kept = next(name for name in numbers if not os.path.lexists(name))
    made = home.with_name(f"{home.stem}.recovered-{os.getpid()}{home.suffix}")
    recover(home, made)
    try:
        with SqliteJournal(made, create=False) as copy:
            text = (
                f"what came after this record was damaged ({found.reason}); the damaged journal is kept as {kept.name}"
            )
            copy.append([NoteAdded(text, "doctor")])
        shutil.copy2(home, kept)
        with kept.open("rb") as file:
            os.fsync(file.fileno())
        # SQLite would apply a log of the old file to the new one.
        for suffix in ("-journal", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.rename(f"{home}{suffix}", f"{kept}{suffix}")
        os.replace(made, home)
        sync_folder(home.parent)
    except OSError as error:
        made.unlink(missing_ok=True)
        raise JournalWriteError(f"{home} cannot be replaced: {error}", "check the folder and its space") from error
    return check(home), kept


@contextmanager
def _source(path: Path, target: Path) -> Iterator[SqliteJournal]:
    """The journal to read from: where the file is cut off, a copy that is filled up with zeros.

    SQLite refuses a file that is shorter than its first page says; with the missing pages empty it reads up to them.
    """
    with path.open("rb") if path.exists() else nullcontext(BytesIO()) as file:
        head = file.read(100)
    size = path.stat().st_size if head else 0
    page = int.from_bytes(head[16:18], "big")
    whole = int.from_bytes(head[28:32], "big") * (65536 if page == 1 else page)
    if not head.startswith(b"SQLite format 3\0") or not size < whole <= _LONGEST_GAP + size:
        with SqliteJournal(path, create=False) as journal:
            yield journal
        return
    filled = target.with_name(f"{target.name}.{os.getpid()}.filled")
    try:
        shutil.copyfile(path, filled)
        os.truncate(filled, whole)
        with SqliteJournal(filled, create=False, wal=False) as journal:
            yield journal
    except OSError as error:
        raise JournalWriteError(f"{filled} cannot be written: {error}", "check the folder and its space") from error
    finally:
        filled.unlink(missing_ok=True)


def _good(journal: SqliteJournal) -> Iterator[Row]:
    """Rows up to the first that is damaged; one that a newer knowhy wrote is good."""
    try:
        for row in journal.rows():
            with suppress(JournalFormatError):
                to_record(row)
            yield row
    except JournalError:  # damage, or a place that the disk cannot read any more
        return
