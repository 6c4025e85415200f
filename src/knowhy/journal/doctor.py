"""Looking at a journal that may be damaged, and saving what is good in it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from os import PathLike
from pathlib import Path

from knowhy.errors import JournalDamagedError, JournalError, JournalFormatError, JournalWriteError
from knowhy.journal.chain import BrokenChainError, Link, Row, to_record
from knowhy.journal.sqlite import SqliteJournal


@dataclass(frozen=True, slots=True)
class Report:
    """What ``check`` found.

    ``records`` good ones stand before ``first_bad`` (None where the damage is in no record, or there is none);
    ``reason`` says what is wrong, empty where all is well. ``mode`` is SQLite's journal mode, ``sqlite`` the
    library's version, ``last_hash`` the hash of the last good record.
    """

    path: str
    records: int
    ok: bool
    first_bad: int | None = None
    reason: str = ""
    mode: str = ""
    sqlite: str = sqlite3.sqlite_version
    last_hash: str = Link().hash


def check(path: str | PathLike[str]) -> Report:
    """Verify every record, the end of the chain and SQLite's own structure; raises nothing for damage.

    Raises StudyMissingError where there is no journal, and JournalError where the file cannot be read at all.
    """
    link, mode = Link(), ""
    try:
        with SqliteJournal(path, create=False) as journal:
            mode = journal.mode
            for row in journal.rows():
                to_record(row)
                link = Link(row.seq, row.hash)
            trouble = journal.structure()
    except BrokenChainError as error:
        return Report(str(path), link.seq, False, error.seq, error.why, mode, last_hash=link.hash)
    except JournalFormatError as error:
        return Report(
            str(path), link.seq, False, link.seq + 1, f"{error.message}: {error.hint}", mode, last_hash=link.hash
        )
    except JournalDamagedError as error:
        return Report(str(path), link.seq, False, None, error.message, mode, last_hash=link.hash)
    return Report(str(path), link.seq, not trouble, None, trouble, mode, last_hash=link.hash)


def recover(path: str | PathLike[str], to: str | PathLike[str]) -> Report:
    """Copy the good records before the first bad one, as they are, to the new journal ``to``; the report is on ``to``.

    The damaged file is left as it is. Raises JournalWriteError where ``to`` exists or cannot be written, and
    JournalDamagedError where there is not one good record.
    """
    target = Path(to)
    if target.exists():
        raise JournalWriteError(f"{target} exists already", "name a file that does not exist yet")
    with SqliteJournal(path, create=False) as journal:
        rows = _good(journal)
        first = next(rows, None)
        if first is None:
            raise JournalDamagedError(f"{path} has no record that could be recovered", "go back to a copy of the file")
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            with SqliteJournal(part, wal=False) as copy:
                copy.adopt(chain([first], rows))
            os.replace(part, target)
        except OSError as error:
            raise JournalWriteError(f"{target} cannot be written: {error}", "check the folder and its space") from error
        finally:
            with suppress(OSError):
                part.unlink()
    return check(target)


def _good(journal: SqliteJournal) -> Iterator[Row]:
    """Rows up to the first that is damaged; one that a newer knowhy wrote is good."""
    try:
        for row in journal.rows():
            with suppress(JournalFormatError):
                to_record(row)
            yield row
    except JournalError:  # damage, or a place that the disk cannot read any more
        return
