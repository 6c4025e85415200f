"""The hash chain that ties a journal's records together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from knowhy.errors import JournalDamagedError, JournalFormatError
from knowhy.journal.codec import decode
from knowhy.model.events import Record

ORIGIN = "0" * 64
"""What stands for the hash before the first record."""


class Row(NamedTuple):
    """A record as it is stored: five columns, not yet believed."""

    seq: int
    time: float
    format: int
    body: str
    hash: str


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain: the hash up to and including record ``seq`` (0 before the first)."""

    seq: int = 0
    hash: str = ORIGIN


class BrokenChainError(JournalDamagedError):
    """Run ``knowhy doctor``; the records before ``seq`` are good, nothing from ``seq`` on is."""

    def __init__(self, seq: int, why: str, place: str = "the journal") -> None:
        """Keep the first bad ``seq`` and ``why`` it is bad."""
        super().__init__(
            f"{place} is damaged at record {seq}: {why}",
            "nothing is appended to it; run `knowhy doctor`, which can copy the records before it to a new journal",
        )
        self.seq = seq
        self.why = why


def seal(before: str, seq: int, time: float, format: int, body: str) -> str:
    """The hash of a record: SHA-256 over the hash ``before`` it and its columns as written (64 hex digits)."""
    text = f"{before}\n{seq}\n{time!r}\n{format}\n{body}"
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def extend(link: Link, time: float, format: int, bodies: Iterable[str]) -> Iterator[Row]:
    """Rows for ``bodies``, chained on to ``link``."""
    for body in bodies:
        link = Link(link.seq + 1, seal(link.hash, link.seq + 1, time, format, body))
        yield Row(link.seq, time, format, body, link.hash)


def follow(link: Link, row: tuple[Any, ...], place: str = "the journal") -> tuple[Link, Row]:
    """The place after ``row``, if it is what follows ``link``; raises BrokenChainError if not."""
    expected = link.seq + 1
    seq, time, format, body, hash = row
    if seq != expected:
        raise BrokenChainError(expected, "it is missing", place)
    if not (isinstance(time, float) and isinstance(format, int) and isinstance(body, str) and isinstance(hash, str)):
        raise BrokenChainError(expected, "a column has the wrong type", place)
    try:
        actual = seal(link.hash, seq, time, format, body)
    except UnicodeError:
        raise BrokenChainError(expected, "its text is not valid", place) from None
    if actual != hash:
        raise BrokenChainError(expected, "its hash does not match what it holds", place)
    return Link(seq, hash), Row(seq, time, format, body, hash)


def to_record(row: Row, place: str = "the journal") -> Record:
    """The record in a verified ``row``; raises BrokenChainError, or JournalFormatError for a newer one."""
    try:
        return Record(row.seq, row.time, decode(row.body, row.format), row.hash)
    except JournalDamagedError as error:
        raise BrokenChainError(row.seq, error.message, place) from error
    except JournalFormatError as error:
        raise JournalFormatError(f"{place}, record {row.seq}: {error.message}", error.hint) from error
