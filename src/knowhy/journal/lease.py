"""The lease of a journal in a SQLite file: who controls the study, and since when. See ``sqlite``.

The functions work within a transaction of their caller, except ``look``, which needs none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex

from knowhy.errors import JournalDamagedError, StudyLockedError
from knowhy.journal.clock import tick
from knowhy.journal.database import Database
from knowhy.journal.holder import Holder, lives, same_machine, suspended, this_process
from knowhy.model.controller import Controller

_COLUMNS = "fence, held, host, pid, birth, token, since, heartbeat"
_TYPES = (int, int, str, int, str, str, float, float)
_tokens_here: set[str] = set()


@dataclass(frozen=True, slots=True)
class Lease:
    """What stands in the file: the last fencing number, whether it was given back (not ``held``), and by whom."""

    fence: int
    held: bool
    holder: Holder
    controller: Controller


@contextmanager
def token() -> Iterator[str]:
    """A token that tells this instance's lease from others of the same process, for as long as it is in use."""
    made = token_hex(8)
    _tokens_here.add(made)
    try:
        yield made
    finally:
        _tokens_here.discard(made)


def look(database: Database, now: float, stale_after: float) -> Lease | None:
    """The lease as it stands; None where there never was one. Raises JournalDamagedError."""
    ticks = _has_ticks(database)
    row = database.run(f"SELECT {_COLUMNS}, {'tick' if ticks else '0.0'} FROM lease").fetchone()
    if row is None:
        return None
    if tuple(map(type, row)) != (*_TYPES, float):
        raise JournalDamagedError(f"{database.path} is damaged: its lease makes no sense", "run `knowhy doctor`")
    fence, held, host, pid, birth, other, since, heartbeat, last = row
    holder = Holder(host, pid, birth)
    alive = lives(holder)
    if holder == this_process() and other not in _tokens_here:
        alive = False
    # Ticks count alike in all processes since this machine started; a lease of before it has none.
    silent = tick() - last if last and same_machine(holder) else abs(now - heartbeat)
    held = bool(held)
    holds = held and alive is not False and not silent > stale_after
    return Lease(fence, held, holder, Controller(host, pid, since, max(silent, 0.0), alive, holds))


def take(database: Database, token: str, now: float, stale_after: float) -> int:
    """Write this process into the lease, if it is free; the fencing number. Raises StudyLockedError."""
    found = look(database, now, stale_after)
    if found is not None and found.controller.holds:
        raise _locked(found, stale_after)
    if not _has_ticks(database):  # a journal of before
        database.run("ALTER TABLE lease ADD COLUMN tick REAL NOT NULL DEFAULT 0")
    me = this_process()
    fence = 1 if found is None else found.fence + 1
    database.run(
        f"INSERT OR REPLACE INTO lease (id, {_COLUMNS}, tick) VALUES (1, ?, 1, ?, ?, ?, ?, ?, ?, ?)",
        (fence, me.host, me.pid, me.birth, token, now, now, tick()),
    )
    return fence


def beat(database: Database, now: float) -> None:
    """A sign of life of the holder."""
    database.run("UPDATE lease SET heartbeat = ?, tick = ?", (now, tick()))


def give_back(database: Database, fence: int | None) -> None:
    """Let others have it, unless they took it."""
    database.run("UPDATE lease SET held = 0 WHERE fence = ?", (fence,))


def check(database: Database, fence: int) -> None:
    """Raise StudyLockedError where another has taken over from the holder with this fencing number."""
    row = database.run("SELECT fence, host, pid, since FROM lease").fetchone()
    if row is None or row[0] != fence:
        who = "" if row is None else f" by process {row[2]} on {row[1]} at {_moment(row[3])}"
        raise StudyLockedError(
            f"the study was taken over{who}; nothing more is written from here",
            "end this run; the other one goes on from what is in the journal",
        )


def _has_ticks(database: Database) -> bool:
    return any(row[1] == "tick" for row in database.run("PRAGMA table_info(lease)").fetchall())


def _locked(found: Lease, stale_after: float) -> StudyLockedError:
    who = found.controller
    hint = f"wait until it ends, or stop it (Ctrl-C there, or `kill {who.pid}`)"
    if who.alive and suspended(who.pid):
        hint = f"it is suspended: let it go on (`kill -CONT {who.pid}`), or end it (`kill -KILL {who.pid}`)"
    hint += f"; its lease ends when it has been silent for {stale_after:.0f} s"
    return StudyLockedError(
        f"the study is run by process {who.pid} on {who.host} since {_moment(who.since)}"
        f" (last sign of life {who.silent:.0f} s ago)",
        hint,
    )


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
