"""Power loss: what SQLite wrote is replayed up to a moment, and what it had not yet synced is dropped, or torn.

The model of a disk is the strict one of POSIX: a write is safe once its file was synced; a file's name, and its
deletion, once its folder was. SQLite syncs the folder at the first sync of a new log and, with ``synchronous=EXTRA``,
after it deleted one. Until then any subset of the changes may be there, writes cut at a sector of 512 bytes.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.faults.disk import Op, tapped
from benchmarks.faults.promises import Promise, Round
from benchmarks.studies import Result
from knowhy.errors import KnowhyError
from knowhy.journal import SqliteJournal
from knowhy.model.events import Event, NoteAdded, TrialCompleted, TrialStarted
from knowhy.model.observation import Curve, Observation

COMMITS = 10
SECTOR = 512


@dataclass(frozen=True)
class Change:
    """A change that may or may not outlast a loss of power: of a file's content, or (``name``) of the folder."""

    file: int
    op: Op | None = None
    name: str = ""
    there: bool = True


@dataclass
class Disk:
    """Contents by number and names that are on disk for sure; names as they are now; what is pending, in order."""

    contents: dict[int, bytes] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    now: dict[str, int] = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)
    _named: set[int] = field(default_factory=set)

    def take(self, op: Op) -> None:
        """Let ``op`` happen."""
        if op.kind == "create":
            self.now[op.file] = len(self.contents)
            self.contents[self.now[op.file]] = b""
            self.pending.append(Change(self.now[op.file], name=op.file))
        elif op.kind == "delete":
            self.pending.append(Change(self.now.pop(op.file), name=op.file, there=False))
            if op.place:
                self._settle(lambda change: bool(change.name))
        elif op.kind == "sync":
            file = self.now[op.file]
            names = op.journal and file not in self._named
            self._named.add(file)
            self._settle(
                lambda change: bool(change.name) if names and change.name else change.file == file and not change.name
            )
        else:
            self.pending.append(Change(self.now[op.file], op))

    def _settle(self, safe: Callable[[Change], bool]) -> None:
        for change in filter(safe, self.pending):
            _apply(change, self.contents, self.names)
        self.pending = [change for change in self.pending if not safe(change)]

    def image(self, rng: random.Random, share: float) -> dict[str, bytes]:
        """Files after the power was cut: each pending change is there with probability ``share``, some writes torn."""
        contents, names = dict(self.contents), dict(self.names)
        for change in self.pending:
            if rng.random() >= share:
                continue
            if change.op and change.op.kind == "write" and share < 1 and rng.random() < 0.3:
                cut = SECTOR * rng.randrange(0, len(change.op.data) // SECTOR + 1)
                change = Change(change.file, replace(change.op, data=change.op.data[:cut]))
            _apply(change, contents, names)
        return {name: contents[file] for name, file in names.items()}


def _apply(change: Change, contents: dict[int, bytes], names: dict[str, int]) -> None:
    if change.op is None:
        if change.there:
            names[change.name] = change.file
        elif names.get(change.name) == change.file:
            del names[change.name]
        return
    old, place = contents[change.file], change.op.place
    if change.op.kind == "truncate":
        contents[change.file] = old[:place].ljust(place, b"\0")
    else:
        data = change.op.data
        contents[change.file] = old[:place].ljust(place, b"\0") + data + old[place + len(data) :]


def perform(task: Round, *, unsafe: bool = False) -> Result:
    """Ten commits, and the power cut after each of them and at ten moments within; odd rounds with a write-ahead log.

    ``unsafe`` lets SQLite sync nothing, to show that the test would see what is lost.
    """
    rng = random.Random(task.number)
    counts: Counter[str] = Counter()
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="knowhy-power-") as folder:
        path = Path(folder) / "study" / "journal.db"
        disk, acknowledged = Disk(), 0
        moments: list[tuple[dict[str, bytes], int]] = []
        within = 1.0

        def tap(op: Op) -> int:
            if rng.random() < within:
                moments.append((disk.image(rng, rng.choice((0.0, 0.5, 1.0))), acknowledged))
            disk.take(op)
            return 0

        with tapped(tap):
            journal = SqliteJournal(path, wal=bool(task.number % 2))
            if unsafe:
                journal._database.run("PRAGMA synchronous=OFF")
            within = 0.05
            events = _events(rng)
            hashes: list[str] = []
            for batch in events:
                hashes += [record.hash for record in journal.append(batch)]
                acknowledged = len(hashes)
                counts["commits"] += 1
                moments += [(disk.image(rng, share), acknowledged) for share in (0.0, 1.0, 0.5, 0.5, 0.8)]
            journal.close()
        for number, (files, known) in enumerate(moments):
            place = Path(folder) / f"after-{number}"
            place.mkdir()
            for name, data in files.items():
                (place / os.path.basename(name)).write_bytes(data)
            found = _hashes(place / "journal.db", wal=bool(task.number % 2))
            counts["losses"] += 1
            lost = known - len(found) if found == hashes[: len(found)] else known
            if lost > 0:
                counts["lost"] += lost
                notes.append(f"round {task.number}: {lost} of {known} acknowledged events lost at moment {number}")
    return {**counts, "lost": counts["lost"], "notes": notes}


def _events(rng: random.Random) -> list[list[Event]]:
    """What a study writes, small and large, ten times."""
    curve = Curve(tuple(map(float, range(300))), tuple(rng.random() for _ in range(300)))
    made: list[list[Event]] = []
    for n in range(1, COMMITS + 1):
        batch: list[Event] = [TrialStarted(n, 1)]
        if rng.random() < 0.5:
            batch.append(TrialCompleted(n, Observation({"val_loss": rng.random()}, 1.0, {"val_loss": curve})))
        made.append([*batch, *(NoteAdded("x" * rng.randrange(3000), "test") for _ in range(rng.randrange(3)))])
    return made


def _hashes(path: Path, *, wal: bool) -> list[str]:
    """The records that are there after the power came back, and that it can go on; empty where it cannot be read."""
    try:
        with SqliteJournal(path, create=False, wal=wal) as journal:
            found = [record.hash for record in journal.read()]
            journal.append([NoteAdded("the power is back", "test")])
            return found
    except KnowhyError:
        return []


PROMISE = Promise(
    "power loss",
    "0 acknowledged events lost",
    perform,
    full=10,
    short=2,
    bar=lambda counts: counts["lost"] == 0 and counts["commits"] > 0,
)
