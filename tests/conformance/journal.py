"""What every journal must do. Subclass ``JournalConformance`` in a test module and say how to open one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from knowhy.errors import JournalWriteError, StudyLockedError
from knowhy.model.events import Event, NoteAdded, RunEnded, RunStarted, TrialCompleted, TrialStarted
from knowhy.model.observation import Curve, Observation
from knowhy.model.state import fold
from knowhy.ports import Journal


def note(text: object) -> NoteAdded:
    return NoteAdded(str(text), "test")


class JournalConformance:
    """The laws of the port; ``journal`` and ``other`` are two views of one and the same new journal."""

    @pytest.fixture
    def journal(self) -> Iterator[Journal]:
        raise NotImplementedError("open a new journal")

    @pytest.fixture
    def other(self, journal: Journal) -> Iterator[Journal]:
        """Another view of ``journal``, as another process would have it (or the same, where there is only one)."""
        raise NotImplementedError("open the same journal again")

    def test_new_journal_is_empty(self, journal: Journal) -> None:
        assert list(journal.read()) == []
        assert list(journal.read(after=5)) == []

    def test_what_was_appended_is_read_in_order(self, journal: Journal, other: Journal) -> None:
        events: list[Event] = [RunStarted(10, None, 2, "theory"), TrialStarted(1, 1), RunEnded("done")]
        records = journal.append(events)
        assert [r.event for r in records] == events
        assert [r.seq for r in records] == [1, 2, 3]
        assert list(journal.read()) == records
        assert list(other.read()) == records

    def test_values_come_back_exactly(self, journal: Journal, other: Journal) -> None:
        observation = Observation(
            {"val_loss": 0.1 + 0.2, "tiny": 5e-324, "zero": -0.0}, 1e22, {"a/b": Curve((0.0, 1.0), (3.0, 1e-300))}
        )
        journal.append([TrialCompleted(7, observation)])
        (record,) = other.read()
        assert repr(record.event) == repr(TrialCompleted(7, observation))

    def test_sequence_goes_on(self, journal: Journal) -> None:
        for number in range(1, 6):
            (record,) = journal.append([note(number)])
            assert record.seq == number
        assert [r.event for r in journal.read()] == [note(n) for n in range(1, 6)]

    def test_read_after(self, journal: Journal) -> None:
        records = journal.append([note(n) for n in range(10)])
        for after in range(12):
            assert list(journal.read(after)) == records[after:]

    def test_fold_in_parts_equals_fold_at_once(self, journal: Journal) -> None:
        journal.append([note(n) for n in range(4)])
        state = fold(journal.read())
        journal.append([note(n) for n in range(4, 9)])
        assert fold(journal.read(state.seq), state) == fold(journal.read())

    def test_append_of_nothing(self, journal: Journal) -> None:
        assert journal.append([]) == []
        assert list(journal.read()) == []

    def test_append_takes_any_iterable(self, journal: Journal) -> None:
        assert len(journal.append(note(n) for n in range(3))) == 3

    def test_all_or_none(self, journal: Journal) -> None:
        journal.append([note("before")])
        bad = TrialCompleted(1, Observation({"val_loss": float("nan")}, 1.0))
        with pytest.raises(JournalWriteError) as caught:
            journal.append([note("one"), bad, note("two")])
        assert "val_loss" in caught.value.message
        assert caught.value.hint
        assert [r.event for r in journal.read()] == [note("before")]
        journal.append([note("after")])
        assert [r.event for r in journal.read()] == [note("before"), note("after")]

    def test_hashes_depend_on_all_that_went_before(self, journal: Journal) -> None:
        hashes = [r.hash for r in journal.append([note("same")] * 3)]
        assert len(set(hashes)) == 3

    def test_two_views_append_in_turn(self, journal: Journal, other: Journal) -> None:
        for number in range(6):
            (journal if number % 2 else other).append([note(number)])
        assert [r.event for r in journal.read()] == [note(n) for n in range(6)]
        assert list(journal.read()) == list(other.read())

    def test_append_while_reading(self, journal: Journal) -> None:
        journal.append([note(n) for n in range(3)])
        seen = 0
        for record in journal.read():
            seen += 1
            if record.seq <= 3:
                journal.append([note("meanwhile")])
        assert seen >= 3
        assert len(list(journal.read())) == 6

    def test_threads_share_a_view(self, journal: Journal) -> None:
        def work(name: str) -> None:
            for number in range(5):
                journal.append([note(f"{name}{number}"), note(f"{name}{number}+")])

        threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        texts = [r.event.text for r in journal.read() if isinstance(r.event, NoteAdded)]
        assert len(texts) == 30
        assert [t for t in texts if t.startswith("a")] == [f"a{n}{p}" for n in range(5) for p in ("", "+")]
        assert all(two == one + "+" for one, two in zip(texts[::2], texts[1::2], strict=True))

    def test_one_lease_at_a_time(self, journal: Journal, other: Journal) -> None:
        with journal.lease():
            with pytest.raises(StudyLockedError, match="process") as caught, other.lease():
                pass
            assert caught.value.hint
            with pytest.raises(StudyLockedError), journal.lease():
                pass
            journal.append([note("still mine")])
        with other.lease():
            other.append([note("now mine")])
        with journal.lease():
            journal.append([note("mine again")])

    def test_lease_ends_with_an_exception(self, journal: Journal, other: Journal) -> None:
        with pytest.raises(RuntimeError), journal.lease():
            raise RuntimeError("the loop broke")
        with other.lease():
            pass

    def test_others_append_beside_the_holder(self, journal: Journal, other: Journal) -> None:
        with journal.lease():
            journal.append([note("holder")])
            other.append([note("person")])
            journal.append([note("holder again")])
        assert [r.event for r in other.read()] == [note("holder"), note("person"), note("holder again")]
