"""A log file that a flood of output cannot make large. Imported by the keeper: see there what it may import."""

from __future__ import annotations

import time
from collections import deque

HEAD_BYTES = 1 << 19
TAIL_BYTES = 3 << 19


class BoundedLog:
    """A log file that keeps the first ``HEAD_BYTES`` and the last ``TAIL_BYTES`` of what is written to it."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 (closed in close)
        self._head = 0
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.left_out = 0
        self.error = ""
        self._dirty = False
        self._synced = time.monotonic()

    def write(self, data: bytes) -> None:
        """Take ``data``; a full disk loses log text, never the job."""
        room = HEAD_BYTES - self._head
        if room > 0:
            self._put(data[:room])
            self._head += min(room, len(data))
            data = data[room:]
        if not data:
            return
        self._tail.append(data)
        self._tail_size += len(data)
        self._dirty = True
        while self._tail_size - len(self._tail[0]) >= TAIL_BYTES:
            gone = self._tail.popleft()
            self._tail_size -= len(gone)
            self.left_out += len(gone)
        if time.monotonic() - self._synced > 1.0:
            self._sync()

    def _sync(self) -> None:
        """Put the tail on disk, from the start of a line, after a mark that cannot be read as part of a number."""
        self._synced = time.monotonic()
        if not self._dirty:
            return
        self._dirty = False
        tail = b"".join(self._tail)
        left_out = self.left_out
        if left_out:
            start = tail.find(b"\n", 0, len(tail) // 2) + 1
            tail, left_out = tail[start:], left_out + start
            tail = f"[... {left_out} bytes left out ...]\n".encode() + tail
        self._put(tail, at=HEAD_BYTES)

    def _put(self, data: bytes, at: int | None = None) -> None:
        """Write ``data``, at ``at`` with everything behind it removed; what goes wrong is kept in ``error``."""
        try:
            if at is not None:
                self._file.seek(at)
                self._file.truncate()
            self._file.write(data)
        except OSError as error:
            self.error = error.strerror or str(error)

    def close(self) -> None:
        """Put everything on disk."""
        self._sync()
        self._file.close()
