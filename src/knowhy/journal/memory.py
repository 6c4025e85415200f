"""A journal without a disk: for tests, benchmarks, and ask and tell in one process."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import RLock

from knowhy.errors import StudyLockedError
from knowhy.journal.chain import Link, Row, extend, follow, to_record
from knowhy.journal.codec import encode
from knowhy.model.controller import Controller
from knowhy.model.events import FORMAT, Event, Record


class MemoryJournal:
    """Events in memory; implements ``ports.Journal`` with the codec and hash chain of the one on disk.

    Threads may share an instance.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._rows: list[Row] = []
        self._guard = RLock()
        self._held, self._since = False, 0.0

    def append(self, events: Iterable[Event]) -> list[Record]:
        """Add ``events`` at the end, all or none; raises JournalWriteError for what could not be read again."""
        events = list(events)
        bodies = [encode(event) for event in events]
        with self._guard:
            rows = list(extend(self._link(len(self._rows)), float(self._clock()), FORMAT, bodies))
            self._rows.extend(rows)
        return [Record(row.seq, row.time, event, row.hash) for row, event in zip(rows, events, strict=True)]

    def read(self, after: int = 0) -> Iterator[Record]:
        """Records with ``seq > after``, in order; raises JournalDamagedError where the chain breaks."""
        after = max(after, 0)
        if after > len(self._rows):
            return
        link = self._link(after)
        while link.seq < len(self._rows):
            link, row = follow(link, self._rows[link.seq])
            yield to_record(row)

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Hold the study; raises StudyLockedError where somebody in this process holds it."""
        with self._guard:
            if self._held:
                raise StudyLockedError(
                    f"the study is run by process {os.getpid()} on {socket.gethostname()}", "end its other run first"
                )
            self._held, self._since = True, float(self._clock())
        try:
            yield
        finally:
            self._held = False

    def holder(self) -> Controller | None:
        """This process while it holds the study, else None."""
        if not self._held:
            return None
        return Controller(socket.gethostname(), os.getpid(), self._since, 0.0, True, True)

    def refresh(self) -> None:
        """Nothing to do: nobody outside this process can take the lease over."""

    def close(self) -> None:
        """Nothing to do: the records stay as long as the instance."""

    def _link(self, seq: int) -> Link:
        return Link(seq, self._rows[seq - 1].hash) if seq else Link()
