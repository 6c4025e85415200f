"""A damaged journal: truncated, bits flipped, rows edited. What is read is true, and nothing is appended."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.faults.promises import Promise, Round
from benchmarks.studies import Result
from knowhy.errors import JournalDamagedError, JournalFormatError, KnowhyError, StudyMissingError
from knowhy.journal import SqliteJournal, recover
from knowhy.model.events import Event, NoteAdded, Record, TrialCompleted, TrialStarted
from knowhy.model.observation import Curve, Observation

RECORDS = 60
EDITS = (
    "UPDATE records SET body = replace(body, 'val_loss', 'vax_loss') WHERE seq = 2 * ({n} / 2)",  # a completion
    "UPDATE records SET body = replace(body, '1', '2') WHERE seq = {n}",
    "UPDATE records SET time = time + 1e-6 WHERE seq = {n}",
    "UPDATE records SET format = 2 WHERE seq = {n}",
    "UPDATE records SET hash = upper(hash) WHERE seq = {n}",
    "UPDATE records SET seq = 1000 WHERE seq = {n}",
    "UPDATE records SET body = CAST(body AS BLOB) WHERE seq = {n}",
    "UPDATE records SET body = CAST(x'ff00fe' AS TEXT) WHERE seq = {n}",
    "UPDATE records SET body = (SELECT body FROM records WHERE seq = {n} - 1) WHERE seq = {n}",
    "DELETE FROM records WHERE seq = {n}",
    "DELETE FROM records WHERE seq >= {n}",
    "DELETE FROM head",
    "UPDATE head SET seq = {n}",
    "UPDATE head SET hash = hash || '0'",
    "INSERT INTO records SELECT 61, time, format, body, hash FROM records WHERE seq = 60",
)


def write(path: Path, seed: int = 0) -> list[Record]:
    """A journal with trials as a study has them."""
    rng = random.Random(seed)
    curve = Curve(tuple(map(float, range(60))), tuple(rng.random() for _ in range(60)))
    records: list[Record] = []
    with SqliteJournal(path, wal=False) as journal:
        for n in range(1, RECORDS // 2 + 1):
            ended = Observation({"val_loss": rng.random()}, 1.0, {"val_loss": curve} if n % 3 else {})
            batch: list[Event] = [TrialStarted(n, 1), TrialCompleted(n, ended)]
            records += journal.append(batch)
    return records


def perform(task: Round) -> Result:
    """25 truncations, 10 flipped bits and every edit, each of a whole journal."""
    rng = random.Random(task.number)
    counts: Counter[str] = Counter()
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="knowhy-damage-") as folder:
        path = Path(folder) / "journal.db"
        records = write(path, task.number)
        whole = path.read_bytes()

        def case(kind: str, change: Callable[[], object], what: str, *, may_be_harmless: bool = False) -> None:
            path.write_bytes(whole)
            change()
            wrong = _judge(path, records, counts, may_be_harmless=may_be_harmless)
            counts[kind] += 1
            if wrong:
                counts["wrong"] += 1
                notes.append(f"{task.name}: {what}: {wrong}")

        for _ in range(25):
            size = rng.choice((rng.randrange(len(whole)), 512 * rng.randrange(len(whole) // 512)))
            case("truncated", lambda size=size: path.write_bytes(whole[:size]), f"{size} of {len(whole)} bytes")  # type: ignore[misc]
        for _ in range(10):
            place, bit = rng.randrange(len(whole)), rng.randrange(8)
            data = bytearray(whole)
            data[place] ^= 1 << bit
            case("flipped", lambda data=data: path.write_bytes(data), f"bit {bit} at {place}", may_be_harmless=True)  # type: ignore[misc]
        for sql in EDITS:
            text = sql.format(n=rng.randint(2, RECORDS - 1))
            case("edited", lambda text=text: _edit(path, text), text)  # type: ignore[misc]
    return {**counts, "wrong": counts["wrong"], "notes": notes}


def _edit(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def _judge(path: Path, records: list[Record], counts: Counter[str], *, may_be_harmless: bool) -> str:
    """What is wrong about how this damage is met; empty where nothing is."""
    before = path.read_bytes()
    read: list[Record] = []
    try:
        with SqliteJournal(path, create=False) as journal:
            for record in journal.read():
                read.append(record)  # noqa: PERF402
        error: KnowhyError | None = None
    except KnowhyError as caught:
        error = caught
    if read != records[: len(read)]:
        return "something was read that was never written"
    if error is None:
        counts["harmless"] += 1
        return "" if may_be_harmless and read == records else "the damage was not noticed"
    if not isinstance(error, (JournalDamagedError, JournalFormatError, StudyMissingError)) or not error.hint:
        return f"no named error: {type(error).__name__}: {error}"
    try:
        with SqliteJournal(path, create=False) as journal:
            journal.append([NoteAdded("never written", "test")])
        return "something was appended after the damage"
    except KnowhyError:
        pass
    if path.read_bytes() != before:
        return "the damaged file was changed"
    copy = path.with_name("copy.db")
    try:
        saved = recover(path, copy)
    except KnowhyError as caught:
        counts["named_errors"] += 1
        return "" if not read else f"{len(read)} good records were not recovered: {caught}"
    try:
        with SqliteJournal(copy, create=False) as journal:
            there = list(journal.read())
            journal.append([NoteAdded("it goes on", "test")])
    finally:
        copy.unlink()
    counts["recovered"] += 1
    if not saved.ok or there != records[: len(there)] or len(there) < len(read):
        return f"{len(there)} records were recovered of {len(read)} that can be read"
    return "" if path.read_bytes() == before else "the damaged file was changed by its recovery"


PROMISE = Promise(
    "a damaged journal",
    "the good prefix or a named error; nothing appended",
    perform,
    full=20,
    short=1,
    bar=lambda counts: counts["wrong"] == 0 and counts["truncated"] > 0,
)
