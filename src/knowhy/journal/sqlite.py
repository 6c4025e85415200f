"""The journal in a SQLite file: the default.

**Records.** One row each: ``seq`` (1, 2, 3, ...), ``time``, ``format``, ``body`` and ``hash``, where the hash covers
the hash before it and the four columns (see ``chain``). A second table, ``head``, repeats the last ``seq`` and
``hash``, so that rows missing at the end are noticed as well. Every row is checked before it is believed, and before
anything is appended after it: an instance remembers the last place that it verified, and ``append`` verifies what
others added since, within its own transaction. A chain that does not hold raises JournalDamagedError, again and again.

**Who may append.** Everybody, one transaction at a time: ``append`` takes the write lock, continues from the tail as
it then stands, and what it wrote is on disk when it returns. So a note from a second terminal lands between two
records of a running study, and the controller's next record is chained after it.

**The lease** says who controls the study. Each holder gets a fencing number larger than all before it, and each of its
appends compares that number within the transaction. A controller that was suspended while another took over is
refused (StudyLockedError) before it writes anything, however late it wakes up; fencing goes by that number, never by
the tail. The lease of a process that has ended on this machine is taken over at once; that of a process that cannot be
seen from here (another machine or container) once it has given no sign of life for ``stale_after`` seconds. Appending
is a sign of life; a controller with nothing to append calls ``refresh``. There is no thread that could die unnoticed.
Appends without the lease are not fenced.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from secrets import token_hex
from threading import RLock

from knowhy.errors import JournalDamagedError, KnowhyError, StudyLockedError
from knowhy.journal.chain import BrokenChainError, Link, Row, extend, follow, to_record
from knowhy.journal.codec import encode
from knowhy.journal.database import DRIVER_ERRORS, Database, meaning
from knowhy.journal.holder import Holder, lives, this_process
from knowhy.model.events import FORMAT, Event, Record

_BATCH = 1000
_BEAT = 10.0
_leases_here: set[str] = set()


class SqliteJournal:
    """Events in the file ``path``; implements ``ports.Journal``. Threads may share an instance.

    ``create`` False raises StudyMissingError where there is no journal yet. ``wal`` None lets the library's version
    decide; give False on a network file system. ``patience`` is how long, in seconds, to wait for a locked file.
    Opening raises JournalWriteError, JournalDamagedError, JournalFormatError or StudyLockedError.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        create: bool = True,
        wal: bool | None = None,
        patience: float = 5.0,
        stale_after: float = 900.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(path)
        self._database = Database(self.path, create=create, wal=wal, patience=patience)
        self._stale_after = stale_after
        self._clock = clock
        self._guard = RLock()
        self._verified = Link()
        self._fence: int | None = None
        self._beaten = 0.0

    def __enter__(self) -> SqliteJournal:
        """The journal itself; it is closed at the end."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the file."""
        self.close()

    @property
    def mode(self) -> str:
        """SQLite's journal mode for this file: "delete" or "wal"."""
        return self._database.mode

    def close(self) -> None:
        """Close the file; nothing else can be done with this instance afterwards."""
        with self._guard:
            self._database.close()

    def append(self, events: Iterable[Event], *, after: int | None = None) -> list[Record]:
        """Write ``events`` at the end in one transaction, all or none; on disk when this returns.

        With ``after``, only where record ``after`` is still the last: else nothing is written, and the list is empty.
        Raises JournalWriteError (nothing was written), JournalDamagedError (the chain does not hold) and
        StudyLockedError (this instance's lease was taken over, or the file stays locked).
        """
        events = list(events)
        bodies = [encode(event) for event in events]
        if not events:
            return []
        with self._guard, self._database.mapped("write"):
            if self._verified.seq == 0:
                self._catch_up()
            with self._database.transaction():
                self._check_fence()
                self._database.check_place()
                now = float(self._clock())
                link, _ = self._batch(self._verified, None)
                if after is not None and link.seq != after:
                    return []
                rows = list(extend(link, now, FORMAT, bodies))
                for row in rows:
                    self._insert(row)
                tail = Link(rows[-1].seq, rows[-1].hash)
                self._set_head(tail)
                if self._fence is not None:
                    self._database.run("UPDATE lease SET heartbeat = ?", (now,))
            self._verified = tail
            self._beaten = now
        return [Record(row.seq, row.time, event, row.hash) for row, event in zip(rows, events, strict=True)]

    def read(self, after: int = 0) -> Iterator[Record]:
        """Records with ``seq > after``, in order, up to the end as it stands when it is reached.

        No lock is held between records. With ``after``, the record of that number is trusted as it stands. Raises
        JournalDamagedError where the chain breaks, after the good records before it, and JournalFormatError at an
        event that a newer knowhy wrote.
        """
        for row in self.rows(after):
            yield to_record(row, str(self.path))

    def rows(self, after: int = 0) -> Iterator[Row]:
        """As ``read``, but the verified rows as they are stored, their events not decoded."""
        link: Link | None = None
        while True:
            with self._guard, self._database.mapped("read"), self._database.transaction(write=False):
                link = self._link_at(after) if link is None else link
                if link is None:
                    return
                rows, broken = self._rows(link, _BATCH)
                if rows and link == self._verified:
                    self._verified = Link(rows[-1].seq, rows[-1].hash)
            for row in rows:
                yield row
                link = Link(row.seq, row.hash)
            if broken is not None:
                raise broken
            if not rows:
                return

    def adopt(self, rows: Iterable[Row]) -> None:
        """Take over rows of another journal, which must follow what is here; all or none. Raises as ``append`` does."""
        with self._guard, self._database.mapped("write"):
            self._catch_up()
            with self._database.transaction():
                link, _ = self._batch(self._verified, None)
                for raw in rows:
                    link, row = follow(link, raw)
                    self._insert(row)
                self._set_head(link)
            self._verified = link

    def structure(self) -> str:
        """What SQLite finds wrong with its own file, outside the records as well; empty where all is well."""
        with self._guard, self._database.mapped("read"):
            found = str(self._database.value("PRAGMA quick_check(1)"))
        return "" if found == "ok" else " ".join(found.split())

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Hold the study for this process and this instance; raises StudyLockedError naming the holder."""
        token = token_hex(8)
        _leases_here.add(token)
        try:
            self._acquire(token)
            try:
                yield
            finally:
                self._release()
        finally:
            _leases_here.discard(token)

    def holder(self) -> Holder | None:
        """The process that controls the study, None where none does as far as can be seen from here."""
        with self._guard, self._database.mapped("read"):
            row = self._database.run("SELECT held, host, pid, birth FROM lease").fetchone()
        if row is None or not row[0]:
            return None
        found = Holder(str(row[1]), int(row[2]), str(row[3]))
        return None if lives(found) is False else found

    def refresh(self) -> None:
        """Show a sign of life of the holder; cheap, so that a loop may call it at every turn.

        Does nothing without the lease; raises StudyLockedError where another process took it over, JournalWriteError.
        """
        with self._guard:
            now = float(self._clock())
            if self._fence is None or 0 <= now - self._beaten < _BEAT:
                return
            with self._database.mapped("write"), self._database.transaction():
                self._check_fence()
                self._database.run("UPDATE lease SET heartbeat = ?", (now,))
            self._beaten = now

    def _acquire(self, token: str) -> None:
        with self._guard:
            if self._fence is not None:
                raise StudyLockedError("this process already holds the study", "end its other run first")
            with self._database.mapped("write"), self._database.transaction():
                fence = self._take(token)
            self._fence = fence

    def _release(self) -> None:
        # What a full disk leaves behind is taken over like the lease of a process that has ended.
        with self._guard, suppress(KnowhyError):
            fence, self._fence = self._fence, None
            with self._database.mapped("write"), self._database.transaction():
                self._database.run("UPDATE lease SET held = 0 WHERE fence = ?", (fence,))

    def _take(self, token: str) -> int:
        """Write this process into the lease, if it is free; the fencing number."""
        now = float(self._clock())
        columns = "fence, held, host, pid, birth, token, since, heartbeat"
        row = self._database.run(f"SELECT {columns} FROM lease").fetchone()
        if row is not None:
            if tuple(map(type, row)) != (int, int, str, int, str, str, float, float):
                raise JournalDamagedError(f"{self.path} is damaged: its lease makes no sense", "run `knowhy doctor`")
            _, held, host, pid, birth, other, since, heartbeat = row
            holder = Holder(host, pid, birth)
            alive = lives(holder)
            if holder == this_process() and other not in _leases_here:
                alive = False
            if alive is None and now - heartbeat > self._stale_after:
                alive = False
            if held and alive is not False:
                raise _locked(holder, since, now - heartbeat, None if alive else self._stale_after)
        me = this_process()
        fence = 1 if row is None else row[0] + 1
        self._database.run(
            f"INSERT OR REPLACE INTO lease (id, {columns}) VALUES (1, ?, 1, ?, ?, ?, ?, ?, ?)",
            (fence, me.host, me.pid, me.birth, token, now, now),
        )
        self._beaten = now
        return int(fence)

    def _check_fence(self) -> None:
        if self._fence is None:
            return
        row = self._database.run("SELECT fence, host, pid, since FROM lease").fetchone()
        if row is None or row[0] != self._fence:
            who = "" if row is None else f" by process {row[2]} on {row[1]} at {_moment(row[3])}"
            raise StudyLockedError(
                f"the study was taken over{who}; nothing more is written from here",
                "end this run; the other one goes on from what is in the journal",
            )

    def _catch_up(self) -> None:
        """Verify what was added since the last look, without keeping others from writing."""
        more = True
        while more:
            with self._database.transaction(write=False):
                link, more = self._batch(self._verified, _BATCH)
            self._verified = link

    def _batch(self, link: Link, limit: int | None) -> tuple[Link, bool]:
        rows, broken = self._rows(link, limit)
        if broken is not None:
            raise broken
        return (Link(rows[-1].seq, rows[-1].hash), True) if rows else (link, False)

    def _rows(self, link: Link, limit: int | None) -> tuple[list[Row], BrokenChainError | None]:
        """Verified rows after ``link``, at most ``limit``, and what is wrong after them."""
        place = str(self.path)
        rows: list[Row] = []
        start = link.seq
        try:
            if self._verified.seq and self._stored_hash(self._verified.seq) != self._verified.hash:
                raise BrokenChainError(self._verified.seq, "it changed since it was read", place)
            sql = "SELECT seq, time, format, body, hash FROM records WHERE seq > ? ORDER BY seq LIMIT ?"
            for raw in self._database.run(sql, (start, -1 if limit is None else limit)):
                link, row = follow(link, raw, place)
                rows.append(row)
            if limit is None or len(rows) < limit:
                end = self._database.run("SELECT seq, hash FROM head").fetchone() or (0, Link().hash)
                if end != (link.seq, link.hash):
                    raise BrokenChainError(link.seq + 1, f"the journal should end at record {end[0]}", place)
        except BrokenChainError as error:
            return rows, error
        except DRIVER_ERRORS as error:
            if not isinstance(meaning(error, self.path, "read"), JournalDamagedError):
                raise
            return rows, BrokenChainError(link.seq + 1, str(error), place)
        return rows, None

    def _insert(self, row: Row) -> None:
        self._database.run("INSERT INTO records VALUES (?, ?, ?, ?, ?)", row)

    def _set_head(self, link: Link) -> None:
        self._database.run("INSERT OR REPLACE INTO head VALUES (1, ?, ?)", (link.seq, link.hash))

    def _stored_hash(self, seq: int) -> object:
        return self._database.value("SELECT hash FROM records WHERE seq = ?", (seq,))

    def _link_at(self, seq: int) -> Link | None:
        """The place after record ``seq``, None where the journal ends before it."""
        if seq <= 0:
            return Link()
        hash = self._stored_hash(seq)
        if hash is None:
            end = self._database.value("SELECT seq FROM head")
            if self._verified.seq >= seq or (end is not None and (not isinstance(end, int) or end >= seq)):
                raise BrokenChainError(seq, "it is missing", str(self.path))
            return None
        return Link(seq, str(hash))


def _locked(holder: Holder, since: float, silent: float, stale_after: float | None) -> StudyLockedError:
    hint = f"wait until it ends, or stop it (Ctrl-C there, or `kill {holder.pid}`)"
    if stale_after is not None:
        hint += f"; if it is gone, wait until it has been silent for {stale_after:.0f} s"
    return StudyLockedError(
        f"the study is run by process {holder.pid} on {holder.host} since {_moment(since)}"
        f" (last sign of life {max(silent, 0.0):.0f} s ago)",
        hint,
    )


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
