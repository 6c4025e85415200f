from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conformance.journal import JournalConformance, note
from journals import golden_v1
from knowhy.errors import (
    JournalDamagedError,
    JournalError,
    JournalFormatError,
    JournalWriteError,
    KnowhyError,
    StudyLockedError,
    StudyMissingError,
)
from knowhy.journal import MemoryJournal, SqliteJournal, check, recover
from knowhy.journal.chain import ORIGIN, BrokenChainError, seal
from knowhy.journal.codec import encode
from knowhy.journal.database import Database, meaning, wal_is_safe
from knowhy.journal.holder import Holder, lives, this_process
from knowhy.model.events import NoteAdded, Record


class TestMemoryJournal(JournalConformance):
    @pytest.fixture
    def journal(self) -> MemoryJournal:
        return MemoryJournal()

    @pytest.fixture
    def other(self, journal: MemoryJournal) -> MemoryJournal:
        return journal


class TestSqliteJournal(JournalConformance):
    wal: bool | None = None

    @pytest.fixture
    def journal(self, tmp_path: Path) -> Iterator[SqliteJournal]:
        with SqliteJournal(tmp_path / "a study" / "100% #1?.db", wal=self.wal) as journal:
            yield journal

    @pytest.fixture
    def other(self, journal: SqliteJournal) -> Iterator[SqliteJournal]:
        with SqliteJournal(journal.path, create=False, wal=self.wal) as other:
            yield other


class TestSqliteJournalWithWal(TestSqliteJournal):
    wal = True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.db"


def fill(path: Path, count: int = 20, size: int = 0) -> list[Record]:
    with SqliteJournal(path, wal=False) as journal:
        return [journal.append([note(f"{n} " + "x" * size)])[0] for n in range(count)]


def edit(path: Path, sql: str, *values: Any) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql, values)


def good_prefix(path: Path) -> tuple[list[Record], KnowhyError | None]:
    """What can be read, and the error after it."""
    records = []
    try:
        with SqliteJournal(path, create=False) as journal:
            for record in journal.read():
                records.append(record)  # noqa: PERF402
    except KnowhyError as error:
        return records, error
    return records, None


# The file


def test_reopened_journal_goes_on(path: Path) -> None:
    first = fill(path, 3)
    with SqliteJournal(path) as journal:
        (fourth,) = journal.append([note("four")])
        assert fourth.seq == 4
        assert list(journal.read()) == [*first, fourth]


def test_missing_journal(path: Path) -> None:
    with pytest.raises(StudyMissingError):
        SqliteJournal(path, create=False)
    assert not path.exists()
    path.touch()
    with pytest.raises(StudyMissingError):
        SqliteJournal(path, create=False)
    with SqliteJournal(path) as journal:  # what a process killed while creating leaves behind
        journal.append([note("one")])


def test_modes() -> None:
    safe = [(3, 51, 3), (3, 52, 0), (4, 0, 0), (3, 50, 7), (3, 50, 9), (3, 44, 6), (3, 44, 99)]
    unsafe = [(3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 49, 9), (3, 50, 6), (3, 51, 0), (3, 51, 2), (3, 7, 0)]
    assert all(wal_is_safe(v) for v in safe)
    assert not any(wal_is_safe(v) for v in unsafe)


def test_mode_follows_the_library(path: Path) -> None:
    with SqliteJournal(path) as journal:
        wanted = "wal" if wal_is_safe(sqlite3.sqlite_version_info) else "delete"
        assert journal.mode == wanted
        assert journal._database.value("PRAGMA synchronous") == (2 if wanted == "wal" else 3)
    with SqliteJournal(path, wal=True) as journal:
        assert journal.mode == "wal"
        assert journal._database.value("PRAGMA synchronous") == 2
        journal.append([note("one")])
    with SqliteJournal(path, wal=False) as journal:
        assert journal.mode == "delete"
        assert journal._database.value("PRAGMA synchronous") == 3
        assert len(list(journal.read())) == 1


def test_other_files_are_not_journals(path: Path) -> None:
    path.write_text("seq,time,body\n" * 100)
    with pytest.raises(JournalDamagedError):
        SqliteJournal(path)
    path.unlink()
    edit(path, "CREATE TABLE trials (id)")
    with pytest.raises(JournalDamagedError, match="not a journal"):
        SqliteJournal(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("trials",)]


def test_newer_layout(path: Path) -> None:
    fill(path, 1)
    edit(path, "PRAGMA user_version=2")
    with pytest.raises(JournalFormatError) as caught:
        SqliteJournal(path)
    assert "upgrade" in caught.value.hint


def test_newer_event(path: Path) -> None:
    fill(path, 1)
    with SqliteJournal(path) as journal:
        end = journal.append([note("two")])[-1]
        body = encode(note("x")).replace("NoteAdded", "NoteSung")
        hash = seal(end.hash, 3, 1.5, 1, body)
        edit(path, "INSERT INTO records VALUES (3, 1.5, 1, ?, ?)", body, hash)
        edit(path, "UPDATE head SET seq = 3, hash = ?", hash)
        records, error = good_prefix(path)
        assert len(records) == 2
        assert isinstance(error, JournalFormatError)
        journal.append([note("an older version may still write")])
    report = check(path)
    assert (report.ok, report.first_bad) == (False, 3)
    assert "upgrade" in report.reason
    assert recover(path, path.with_name("copy.db")).first_bad == 3
    with SqliteJournal(path.with_name("copy.db")) as copy:
        assert len(list(copy.rows())) == 4


# Golden journals: what any released version wrote can be read for ever


def test_golden_v1(tmp_path: Path) -> None:
    path = tmp_path / "v1.db"
    shutil.copy(golden_v1.PATH, path)
    report = check(path)
    assert report.ok
    assert report.last_hash == "d45b7795fc77869bf4bda37e659702221b2ee18413b0725aa98df580b094b88a"
    with SqliteJournal(path) as journal:
        records = list(journal.read())
        assert repr([r.event for r in records]) == repr(list(golden_v1.EVENTS))
        assert [r.time for r in records] == [1.75e9 + n + 1 / 3 for n in range(len(records))]
        assert journal.append([note("and it goes on")])[0].seq == len(records) + 1


def test_hash_is_fixed_for_ever() -> None:
    assert seal(ORIGIN, 1, 0.1, 1, "{}") == "ea0751d18f62b47b424c28a56a3e94a0302c541636e9eed4a2f578d5763a0bbb"


def test_both_journals_have_the_same_hashes(path: Path) -> None:
    with SqliteJournal(path, clock=lambda: 1.5) as one:
        two = MemoryJournal(clock=lambda: 1.5)
        assert one.append(golden_v1.EVENTS) == two.append(golden_v1.EVENTS)
        assert list(one.read()) == list(two.read())


# Damage


@pytest.mark.parametrize(
    ("sql", "first_bad", "reason"),
    [
        ("UPDATE records SET body = replace(body, '7 ', '8 ') WHERE seq = 8", 8, "hash"),
        ("UPDATE records SET time = time + 1e-6 WHERE seq = 8", 8, "hash"),
        ("UPDATE records SET format = 2 WHERE seq = 8", 8, "hash"),
        ("UPDATE records SET hash = upper(hash) WHERE seq = 8", 8, "hash"),
        ("UPDATE records SET seq = 21 WHERE seq = 8", 8, "missing"),
        ("UPDATE records SET body = CAST(body AS BLOB) WHERE seq = 8", 8, "type"),
        ("UPDATE records SET body = 5 WHERE seq = 8", 8, "hash"),
        ("UPDATE records SET time = 'now' WHERE seq = 8", 8, "type"),
        ("UPDATE records SET format = 1.5 WHERE seq = 8", 8, "type"),
        ("UPDATE records SET body = CAST(x'ff00fe' AS TEXT) WHERE seq = 8", 8, "hash"),
        ("DELETE FROM records WHERE seq = 1", 1, "missing"),
        ("DELETE FROM records WHERE seq BETWEEN 5 AND 9", 5, "missing"),
        ("DELETE FROM records WHERE seq = 20", 20, "end"),
        ("DELETE FROM records WHERE seq > 3", 4, "end"),
        ("DELETE FROM records", 1, "end"),
        ("DELETE FROM head", 21, "end"),
        ("UPDATE head SET seq = 'many'", 21, "end"),
        ("UPDATE head SET hash = hash || '0'", 21, "end"),
        ("INSERT INTO records SELECT 21, time, format, body, hash FROM records WHERE seq = 20", 21, "hash"),
        ("INSERT INTO records SELECT 0, time, format, body, hash FROM records WHERE seq = 20", None, ""),
        ("DROP TABLE records", 1, "no such table"),
        ("DROP TABLE head", 21, "no such table"),
    ],
)
def test_edited_journals(path: Path, sql: str, first_bad: int | None, reason: str) -> None:
    records = fill(path)
    edit(path, sql)
    report = check(path)
    assert report.first_bad == first_bad
    assert reason in report.reason
    if first_bad is None:  # a row before the first is never read
        assert report.ok
        return
    assert not report.ok
    assert report.records == first_bad - 1
    read, error = good_prefix(path)
    assert read == records[: first_bad - 1]
    assert isinstance(error, JournalDamagedError)
    assert f"record {first_bad}" in error.message

    before = path.read_bytes()
    with SqliteJournal(path) as journal:
        for _ in range(2):
            with pytest.raises(JournalDamagedError):
                journal.append([note("never written")])
    assert path.read_bytes() == before

    if first_bad == 1:
        with pytest.raises(JournalDamagedError, match="no record"):
            recover(path, path.with_name("copy.db"))
        assert not path.with_name("copy.db").exists()
        return
    report = recover(path, path.with_name("copy.db"))
    assert report.ok
    assert report.records == first_bad - 1
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["copy.db", "study.db"]
    with SqliteJournal(path.with_name("copy.db")) as copy:
        copy.append([note("it goes on")])
        assert list(copy.read())[:-1] == records[: first_bad - 1]


def test_damage_behind_the_back_of_an_open_journal(path: Path) -> None:
    fill(path, 5)
    with SqliteJournal(path) as journal:
        journal.append([note("six")])
        edit(path, "DELETE FROM records WHERE seq > 4")
        edit(path, "UPDATE head SET seq = 4, hash = (SELECT hash FROM records WHERE seq = 4)")
        assert check(path).ok  # a chain of its own
        with pytest.raises(JournalDamagedError, match="record 6"):
            journal.append([note("seven")])
        with pytest.raises(JournalDamagedError):
            list(journal.read(5))


def test_read_after_a_missing_record(path: Path) -> None:
    fill(path, 5)
    edit(path, "DELETE FROM records WHERE seq = 3")
    with SqliteJournal(path) as journal, pytest.raises(JournalDamagedError, match="record 3"):
        list(journal.read(3))


def test_truncated_files(path: Path) -> None:
    records = fill(path, 60, size=300)
    whole = path.read_bytes()
    rng = random.Random(1)
    assert len(whole) > 20_000
    cuts = {0, 1, 16, 50, 99, 100, 511, 512, 4095, 4096, 4097, len(whole) - 1}
    for size in cuts | {rng.randrange(len(whole)) for _ in range(60)} | set(range(0, len(whole), 4096)):
        path.write_bytes(whole[:size])
        read, error = good_prefix(path)
        assert isinstance(error, JournalDamagedError if size else StudyMissingError), size
        assert read == records[: len(read)]
        if size:
            assert not check(path).ok
            if read:
                assert recover(path, path.with_name("copy.db")).records >= len(read)
                path.with_name("copy.db").unlink()


def test_flipped_bits(path: Path) -> None:
    records = fill(path, 150, size=400)
    whole = path.read_bytes()
    rng = random.Random(2)
    harmless = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        read, error = good_prefix(path)
        assert read == records[: len(read)], "what is read is true"
        if error is None:  # a bit that nothing stands in
            assert read == records
            harmless += 1
        else:
            assert isinstance(error, (JournalDamagedError, JournalFormatError)), error
            assert not check(path).ok
    assert harmless < 40


def test_garbled_pages(path: Path) -> None:
    records = fill(path, 80, size=300)
    whole = path.read_bytes()
    rng = random.Random(3)
    copy = path.with_name("copy.db")
    prefixes = set()
    for page in range(1, len(whole) // 4096):
        start = page * 4096
        for garbage in (rng.randbytes(4096), bytes(4096), rng.randbytes(8), bytes(8), b"\xff" * 8):
            damaged = bytearray(whole)
            damaged[start : start + len(garbage)] = garbage
            path.write_bytes(damaged)
            read, error = good_prefix(path)
            assert read == records[: len(read)]
            assert not check(path).ok  # also where it is the page of the lease, which the records do not need
            if len(read) < len(records):
                assert isinstance(error, BrokenChainError)
                assert error.seq == len(read) + 1
                prefixes.add(len(read))
            if 0 < len(read) < len(records) and len(garbage) == 8:
                assert recover(path, copy).records == len(read)
                copy.unlink()
    assert len(prefixes) > 5, "what stands before a bad page is read"


def test_first_page_with_any_byte_changed(path: Path) -> None:
    """Header and schema; SQLite quotes the schema in its messages, whatever bytes stand there."""
    records = fill(path, 2)
    whole = path.read_bytes()
    places = [*range(100), *(n for n in range(100, 4096) if whole[n])]
    for place in random.Random(5).sample(places, 150):
        damaged = bytearray(whole)
        damaged[place] = 0xC2
        path.write_bytes(damaged)
        read, error = good_prefix(path)
        assert read in ([], records)
        assert isinstance(error, KnowhyError | None)
        assert isinstance(error, JournalDamagedError | JournalFormatError) or not error or place < 100
        check(path)


def test_recover_does_not_overwrite(path: Path) -> None:
    fill(path, 2)
    with pytest.raises(JournalWriteError, match="exists"):
        recover(path, path)
    with pytest.raises(JournalWriteError):
        recover(path, path / "below a file")


def test_damaged_lease(path: Path) -> None:
    with SqliteJournal(path) as journal:
        with journal.lease():
            pass
        edit(path, "UPDATE lease SET heartbeat = 'x'")
        with pytest.raises(JournalDamagedError), journal.lease():
            pass


# Writing that fails


def test_disk_full(path: Path) -> None:
    with SqliteJournal(path) as journal:
        acknowledged = journal.append([note("one")])
        pages = journal._database.value("PRAGMA page_count")
        journal._database.run(f"PRAGMA max_page_count={pages + 4}")
        with pytest.raises(JournalWriteError) as caught:  # noqa: PT012
            for n in range(100):
                acknowledged += journal.append([note(f"{n} " + "x" * 500) for _ in range(3)])
        assert "full" in caught.value.message
        assert "space" in caught.value.hint
        assert list(journal.read()) == acknowledged
        journal._database.run("PRAGMA max_page_count=100000")
        acknowledged += journal.append([note("there is space again")])
        assert list(journal.read()) == acknowledged
    assert check(path).ok


def test_read_only(path: Path) -> None:
    fill(path, 2)
    with SqliteJournal(path) as journal:
        journal._database.run("PRAGMA query_only=ON")
        assert len(list(journal.read())) == 2
        with pytest.raises(JournalWriteError) as caught:
            journal.append([note("three")])
        assert caught.value.hint
        with pytest.raises(JournalWriteError), journal.lease():
            pass


@pytest.mark.parametrize("below", ["file/study.db", "file/deeper/study.db", "folder"])
def test_places_that_cannot_be_written(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(JournalWriteError) as caught:
        SqliteJournal(tmp_path / below)
    assert caught.value.hint


def test_deleted_or_replaced_file(path: Path) -> None:
    with SqliteJournal(path) as journal:
        journal.append([note("one")])
        shutil.copy(path, path.with_name("backup.db"))
        path.unlink()
        with pytest.raises(JournalWriteError, match="deleted"):
            journal.append([note("two")])
        shutil.copy(path.with_name("backup.db"), path)
        with pytest.raises(JournalWriteError, match="replaced"):
            journal.append([note("two")])
    with SqliteJournal(path) as journal:
        assert journal.append([note("two")])[0].seq == 2


def test_interrupted_append_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteJournal(path) as journal:
        journal.append([note("one")])
        with monkeypatch.context() as patch:
            patch.setattr(journal, "_set_head", lambda link: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                journal.append([note("two"), note("three")])
        assert len(list(journal.read())) == 1
        assert journal.append([note("two again")])[0].seq == 2


def test_file_that_stays_locked(path: Path) -> None:
    fill(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder, SqliteJournal(path, patience=0.1) as journal:
        holder.execute("BEGIN IMMEDIATE")
        assert len(list(journal.read())) == 1
        with pytest.raises(StudyLockedError) as caught:
            journal.append([note("two")])
        assert caught.value.hint
        holder.execute("COMMIT")
        journal.append([note("two")])


def test_file_that_is_locked_for_a_moment(path: Path) -> None:
    fill(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        timer = threading.Timer(0.2, lambda: holder.execute("COMMIT"))
        timer.start()
        with SqliteJournal(path, patience=20) as journal:
            assert journal.append([note("two")])[0].seq == 2
        timer.join()


def test_reader_delays_a_commit_only_for_a_moment(path: Path) -> None:
    fill(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM records").fetchall()
        timer = threading.Timer(0.2, lambda: reader.execute("COMMIT"))
        timer.start()
        with SqliteJournal(path, wal=False, patience=20) as journal:
            journal.append([note("two")])
        timer.join()
    assert check(path).records == 2


@pytest.mark.parametrize(
    ("code", "doing", "kind"),
    [
        (sqlite3.SQLITE_FULL, "write", JournalWriteError),
        (sqlite3.SQLITE_IOERR | 3 << 8, "write", JournalWriteError),
        (sqlite3.SQLITE_IOERR, "read", JournalError),
        (sqlite3.SQLITE_READONLY | 5 << 8, "write", JournalWriteError),
        (sqlite3.SQLITE_BUSY | 2 << 8, "read", StudyLockedError),
        (sqlite3.SQLITE_LOCKED, "write", StudyLockedError),
        (sqlite3.SQLITE_CORRUPT, "read", JournalDamagedError),
        (sqlite3.SQLITE_NOTADB, "open", JournalDamagedError),
        (None, "read", JournalDamagedError),
    ],
)
def test_what_errors_mean(code: int | None, doing: str, kind: type[KnowhyError]) -> None:
    error = sqlite3.OperationalError("boom")
    if code is not None:
        error.sqlite_errorcode = code
    found = meaning(error, Path("study.db"), doing)
    assert type(found) is kind
    assert "study.db" in found.message
    assert found.hint


# Processes

WRITER = """
import sys
from knowhy.journal import SqliteJournal
from knowhy.model.events import NoteAdded
path, name, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
with SqliteJournal(path, patience=60) as journal:
    number = 0
    while True:
        events = [NoteAdded(f"{name} {number} {part} " + "x" * size, "child") for part in range(1 + number % 3)]
        records = journal.append(events)
        print(records[-1].seq, records[-1].hash, flush=True)
        number += 1
"""

LEASER = """
import sys
from knowhy.errors import StudyLockedError
from knowhy.journal import SqliteJournal
from knowhy.model.events import NoteAdded
with SqliteJournal(sys.argv[1], patience=60) as journal:
    try:
        with journal.lease():
            journal.append([NoteAdded("held", "child")])
            print("held", flush=True)
            sys.stdin.readline()
            journal.append([NoteAdded("woken", "child")])
            print("woken", flush=True)
    except StudyLockedError as error:
        print("locked:", error.message, flush=True)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


@pytest.mark.parametrize("wal", [False, True])
def test_killed_writers_lose_nothing(path: Path, wal: bool) -> None:
    """Kill a writer at a random moment, over and over; what it acknowledged is there, and batches are whole."""
    rng = random.Random(4)
    acknowledged: dict[int, str] = {}
    with SqliteJournal(path, wal=wal):
        pass
    # A fork starts in milliseconds, so that dozens of kills fit; the child only ever writes, and never returns.
    for _ in range(18):
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_end)
            try:
                with SqliteJournal(path, wal=wal, patience=60) as journal:
                    for number in range(10**6):
                        size = 2000 * (number % 4)  # large ones spill pages and grow the file
                        records = journal.append([note(f"{number} {p} {'x' * size}") for p in range(1 + number % 3)])
                        os.write(write_end, f"{records[-1].seq} {records[-1].hash}\n".encode())
            finally:
                os._exit(1)
        os.close(write_end)
        time.sleep(rng.uniform(0.02, 0.25))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(read_end) as pipe:
            for text in pipe.read().splitlines():
                seq, _, hash = text.partition(" ")
                acknowledged[int(seq)] = hash
        with SqliteJournal(path, wal=wal) as journal:
            records = list(journal.read())
        hashes = {r.seq: r.hash for r in records}
        assert all(hashes.get(seq) == hash for seq, hash in acknowledged.items())
        assert max(acknowledged, default=0) <= len(records)
        if records:
            last = records[-1].event
            assert isinstance(last, NoteAdded)
            batch, part, *_ = last.text.split(" ")
            assert int(part) == int(batch) % 3, "a batch is whole"
    assert len(acknowledged) > 18
    assert check(path).ok


def test_many_processes_append_together(path: Path) -> None:
    with SqliteJournal(path):
        pass
    children = [start(WRITER, path, name, 10) for name in ("a", "b")]
    try:
        seen = [[line(child).split() for _ in range(6)] for child in children]
    finally:
        for child in children:
            end(child)
    with SqliteJournal(path) as journal:
        hashes = {str(r.seq): r.hash for r in journal.read()}
    assert all(hashes[seq] == hash for rows in seen for seq, hash in rows)
    assert check(path).ok


def test_lease_between_processes(path: Path) -> None:
    child = start(LEASER, path)
    try:
        assert line(child) == "held"
        with SqliteJournal(path) as journal:
            with pytest.raises(StudyLockedError) as caught, journal.lease():
                pass
            assert f"process {child.pid} on " in caught.value.message
            assert "since" in caught.value.message
            assert str(child.pid) in caught.value.hint
            journal.append([note("a remark from another terminal")])
            child.communicate("\n", timeout=60)
            assert child.returncode == 0
            with journal.lease():
                texts = [r.event.text for r in journal.read() if isinstance(r.event, NoteAdded)]
        assert texts == ["held", "a remark from another terminal", "woken"]
    finally:
        end(child)


def test_two_processes_contend(path: Path) -> None:
    with SqliteJournal(path):
        pass
    children = [start(LEASER, path) for _ in range(2)]
    try:
        lines = sorted(line(child) for child in children)
        assert lines[0] == "held"
        assert lines[1].startswith("locked: the study is run by process")
    finally:
        for child in children:
            end(child)


def test_lease_of_a_killed_process_is_taken_over(path: Path) -> None:
    child = start(LEASER, path)
    try:
        assert line(child) == "held"
        child.kill()
        while Path(f"/proc/{child.pid}").exists() and lives(_holder_in(path)):
            time.sleep(0.01)
        with SqliteJournal(path) as journal, journal.lease():  # not even waited for: a zombie is dead
            journal.append([note("taken over")])
    finally:
        end(child)


def _holder_in(path: Path) -> Holder:
    with closing(sqlite3.connect(path)) as connection:
        return Holder(*connection.execute("SELECT host, pid, birth FROM lease").fetchone())


def test_suspended_controller_is_fenced(path: Path) -> None:
    """It holds, is stopped, loses the lease to another, and wakes up: not one record of it may land."""
    child = start(LEASER, path)
    try:
        assert line(child) == "held"
        os.kill(child.pid, signal.SIGSTOP)
        edit(path, "UPDATE lease SET host = 'elsewhere', heartbeat = heartbeat - 1000")  # as seen from another machine
        with SqliteJournal(path, stale_after=900) as journal, journal.lease():
            journal.append([note("new controller")])
            os.kill(child.pid, signal.SIGCONT)
            output, _ = child.communicate("\n", timeout=60)
            assert output.startswith("locked: the study was taken over")
            journal.append([note("still in control")])
            texts = [r.event.text for r in journal.read() if isinstance(r.event, NoteAdded)]
        assert texts == ["held", "new controller", "still in control"]
    finally:
        end(child)


# The lease, seen closely


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_sign_of_life_from_another_machine(path: Path) -> None:
    clock = Clock()
    with (
        SqliteJournal(path, clock=clock) as far,
        SqliteJournal(path, clock=clock, stale_after=60.0) as near,
        far.lease(),
    ):
        edit(path, "UPDATE lease SET host = 'far.example'")
        clock.now += 50
        with pytest.raises(StudyLockedError, match=r"far\.example") as caught, near.lease():
            pass
        assert "50 s ago" in caught.value.message
        assert "silent" in caught.value.hint
        far.refresh()
        clock.now += 50
        far.append([note("alive")])
        clock.now += 50
        with pytest.raises(StudyLockedError), near.lease():
            pass
        clock.now += 11
        with near.lease():
            with pytest.raises(StudyLockedError, match="taken over"):
                far.refresh()
            with pytest.raises(StudyLockedError, match="taken over"):
                far.append([note("too late")])
        with pytest.raises(StudyLockedError, match="taken over"):  # however long it tries
            far.append([note("too late")])
    with SqliteJournal(path) as journal:
        assert [r.event for r in journal.read()] == [note("alive")]


def test_refresh_is_cheap_and_safe_without_a_lease(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    with SqliteJournal(path, clock=clock) as journal:
        journal.refresh()
        statements: list[str] = []
        journal._database.connection.set_trace_callback(statements.append)
        with journal.lease():
            statements.clear()
            for _ in range(100):
                journal.refresh()
            assert statements == []
            clock.now += 20
            journal.refresh()
            assert any("UPDATE lease" in s for s in statements)


def test_lease_that_could_not_be_given_back_is_not_in_the_way(path: Path) -> None:
    with SqliteJournal(path) as journal:
        with journal.lease():
            journal._database.run("PRAGMA query_only=ON")
        journal._database.run("PRAGMA query_only=OFF")
        assert journal._database.value("SELECT held FROM lease") == 1
        with journal.lease():
            journal.append([note("again")])


def test_fence_grows(path: Path) -> None:
    fences = []
    for _ in range(3):
        with SqliteJournal(path) as journal, journal.lease():
            fences.append(journal._database.value("SELECT fence FROM lease"))
    assert fences == [1, 2, 3]


def test_who_lives() -> None:
    me = this_process()
    assert lives(me) is True
    boot, namespace, birth = me.birth.split("/")
    assert lives(Holder(me.host, me.pid, f"{boot}/{namespace}/{birth}0")) is False  # the number was used again
    assert lives(Holder(me.host, 2**22 + 5, me.birth)) is False
    assert lives(Holder("elsewhere", me.pid, me.birth)) is None
    if boot:
        assert lives(Holder(me.host, me.pid, f"another/{namespace}/{birth}")) is False  # the machine was restarted
        assert lives(Holder(me.host, me.pid, f"{boot}/another/{birth}")) is None  # another container
    assert lives(Holder(me.host, me.pid, "nonsense")) is not True


def test_check_says_all_that_doctor_shows(path: Path) -> None:
    records = fill(path, 3)
    report = check(path)
    assert (report.path, report.records, report.ok, report.first_bad) == (str(path), 3, True, None)
    assert (report.reason, report.mode, report.last_hash) == ("", "delete", records[-1].hash)
    assert report.sqlite == sqlite3.sqlite_version
    with pytest.raises(StudyMissingError):
        check(path.with_name("none.db"))
    path.write_bytes(b"nonsense" * 1000)
    report = check(path)
    assert (report.ok, report.records) == (False, 0)
    assert "not a database" in report.reason


def test_broken_chain_names_its_record() -> None:
    error = BrokenChainError(7, "it is missing", "study.db")
    assert error.seq == 7
    assert error.message == "study.db is damaged at record 7: it is missing"
    assert "knowhy doctor" in error.hint


def test_database_closes_what_it_could_not_open(path: Path) -> None:
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(JournalDamagedError):
        Database(path, create=True)
    path.unlink()
    fill(path, 1)  # nothing of the first file lingers


def test_body_is_json_with_a_type(path: Path) -> None:
    fill(path, 1)
    with closing(sqlite3.connect(path)) as connection:
        ((seq, format, body),) = connection.execute("SELECT seq, format, body FROM records").fetchall()
    assert (seq, format) == (1, 1)
    assert json.loads(body) == {"type": "NoteAdded", "text": "0 ", "by": "test", "trial": None}
