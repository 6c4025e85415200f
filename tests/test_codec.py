from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journals import golden_v1
from knowhy.errors import JournalDamagedError, JournalFormatError, JournalWriteError, SpaceError
from knowhy.journal import codec
from knowhy.journal.codec import decode, encode
from knowhy.model.events import (
    FORMAT,
    BeliefsUpdated,
    Event,
    NoteAdded,
    ParameterChanged,
    StudyCreated,
    TrialCompleted,
    TrialObserved,
    TrialProposed,
    TrialStarted,
)
from knowhy.model.objective import Objective
from knowhy.model.observation import Curve, Observation
from knowhy.model.space import Choices, Interval, Parameter, Scalar, Space
from knowhy.model.trial import Proposal

EVENT_TYPES = get_args(Event)

finite = st.floats(allow_nan=False, allow_infinity=False)
# Lone surrogates stand for undecodable bytes in a log; two that form a pair are one character in JSON.
text = st.text(st.characters(exclude_categories=()) | st.characters(codec="utf-8"), max_size=12).filter(
    lambda t: t.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") == t
)
scalars = st.none() | st.booleans() | st.integers() | finite | text


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    log = draw(st.booleans())
    low, high = sorted(draw(st.lists(st.floats(1e-9 if log else -1e9, 1e9), min_size=2, max_size=2, unique=True)))
    try:
        return Interval(low, high, "log" if log else "linear", draw(st.booleans()), draw(st.booleans()))
    except SpaceError:  # no whole number, or no power of two, is in it
        return Interval(low, high, "log" if log else "linear")


choices = st.lists(scalars, min_size=2, max_size=5, unique_by=lambda v: (type(v), v)).map(lambda v: Choices(tuple(v)))


@st.composite
def parameters(draw: st.DrawFn, name: str | None = None) -> Parameter:
    if name is None:
        name = draw(st.text(st.characters(codec="ascii", exclude_characters=" \t\n\"'"), min_size=1, max_size=8))
    domain = draw(intervals() | choices)
    default = domain.low if isinstance(domain, Interval) else draw(st.sampled_from(domain.values))
    hints = get_type_hints(Parameter)
    rest = {k: draw(strategy(hints[k])) for k in ("role", "active", "confidence", "origin", "condition")}
    return Parameter(name, domain, default, **rest)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    count = draw(st.integers(0, 3))
    return Space(tuple(replace(draw(parameters(name=f"p{n}")), condition=None) for n in range(count)))


def strategy(hint: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation, made from the dataclasses as they are, whatever is added to them."""
    special: dict[Any, Any] = {float: finite, int: st.integers(), str: text, bool: st.booleans(), NoneType: st.none()}
    special |= {Interval: intervals(), Choices: choices, Parameter: parameters(), Space: spaces(), Scalar: scalars}
    if hint in special:
        found: st.SearchStrategy[Any] = special[hint]
        return found
    origin, args = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):
        return st.one_of([strategy(a) for a in args])
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple:
        return st.lists(strategy(args[0]), max_size=3).map(tuple)
    if origin is Mapping:
        return st.dictionaries(text, strategy(args[1]), max_size=3)
    assert is_dataclass(hint), hint
    assert isinstance(hint, type)
    hints = get_type_hints(hint)
    return st.builds(hint, **{f.name: strategy(hints[f.name]) for f in fields(hint)})


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.__name__)
def test_every_event_comes_back_exactly(kind: type) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy(kind))
    def law(event: Event) -> None:
        body = encode(event)
        assert body.isascii()
        assert "\n" not in body
        assert json.loads(body)["type"] == kind.__name__
        back = decode(body)
        assert back == event
        assert repr(back) == repr(event)  # tells 1 from 1.0 and True, and 0.0 from -0.0
        assert encode(back) == body

    law()


@pytest.mark.parametrize("event", golden_v1.EVENTS, ids=lambda e: type(e).__name__)
def test_golden_events_come_back_exactly(event: Event) -> None:
    assert repr(decode(encode(event))) == repr(event)


def test_scalars_keep_their_type() -> None:
    values = (True, 1, 1.0, "1", False, 0, 0.0, -0.0, None, "", 10**300, 1e300)
    event = TrialProposed(Proposal(1, {f"p{n}": v for n, v in enumerate(values)}, 0, "learn", ""))
    back = decode(encode(event))
    assert isinstance(back, TrialProposed)
    assert [(type(v), repr(v)) for v in back.proposal.point.values()] == [(type(v), repr(v)) for v in values]


def test_order_of_mappings_is_kept() -> None:
    event = BeliefsUpdated(1, {"T9": 0.1, "T1": 0.2, "T5": 0.3}, {}, 0.0)
    back = decode(encode(event))
    assert isinstance(back, BeliefsUpdated)
    assert list(back.beliefs) == ["T9", "T1", "T5"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    for event in (
        TrialCompleted(1, Observation({"val_loss": bad}, 1.0)),
        TrialCompleted(1, Observation({}, bad)),
        TrialCompleted(1, Observation({}, 1.0, {"val_loss": Curve((0.0,), (bad,))})),
        TrialProposed(Proposal(1, {"val_loss": bad}, 0, "learn", "")),
        BeliefsUpdated(1, {}, {}, 0.0, fits={"val_loss": (0.0, bad)}),
    ):
        with pytest.raises(JournalWriteError, match="finite") as caught:
            encode(event)
        assert "val_loss" in caught.value.message or "duration" in caught.value.message


@pytest.mark.parametrize(
    "event",
    [
        TrialStarted(True, 1),
        TrialStarted(np.int64(1), 1),  # type: ignore[arg-type]
        TrialStarted(1.0, 1),  # type: ignore[arg-type]
        TrialStarted("1", 1),  # type: ignore[arg-type]
        NoteAdded(None, "x"),  # type: ignore[arg-type]
        NoteAdded(b"x", "x"),  # type: ignore[arg-type]
        TrialCompleted(1, None),  # type: ignore[arg-type]
        TrialCompleted(1, Observation({1: 2.0}, 1.0)),  # type: ignore[dict-item]
        TrialCompleted(1, Observation({"a": True}, 1.0)),
        TrialCompleted(1, Observation({"a": "0.5"}, 1.0)),  # type: ignore[dict-item]
        TrialCompleted(1, Observation({"a": 10**400}, 1.0)),
        TrialProposed(Proposal(1, {"a": np.int64(3)}, 0, "learn", "")),  # type: ignore[dict-item]
        TrialProposed(Proposal(1, {"a": [1]}, 0, "learn", "")),  # type: ignore[dict-item]
        TrialProposed(Proposal(1, {}, 0, "guess", "")),  # type: ignore[arg-type]
        TrialProposed(Proposal(1, {}, 10**5000, "learn", "")),
        BeliefsUpdated(1, {}, {}, 0.0, fits={"a": 1.0}),  # type: ignore[dict-item]
        Observation({}, 1.0),
        None,
    ],
)
def test_what_could_not_be_read_again_is_not_written(event: Any) -> None:
    with pytest.raises(JournalWriteError) as caught:
        encode(event)
    assert caught.value.hint


def test_subclasses_of_plain_types_are_written_as_plain() -> None:
    class Name(str):
        def __str__(self) -> str:
            return "something else"

    event = TrialCompleted(1, Observation({Name("a"): np.float64(0.1)}, 2))
    back = decode(encode(event))
    assert isinstance(back, TrialCompleted)
    ((name, value),) = back.observation.metrics.items()
    assert (type(name), name, type(value), value) == (str, "a", float, 0.1)
    assert type(back.observation.duration) is float


def test_fields_added_later_take_their_default() -> None:
    body = json.loads(encode(NoteAdded("x", "y")))
    del body["trial"]
    assert decode(json.dumps(body)) == NoteAdded("x", "y")


def test_newer_journals_ask_for_an_upgrade() -> None:
    good = json.loads(encode(NoteAdded("x", "y")))
    for body, format in (
        (good, FORMAT + 1),
        ({**good, "type": "NoteRemoved"}, FORMAT),
        ({**good, "mood": "good"}, FORMAT),
        (json.loads(encode(change)) | {"surprise": 1}, FORMAT),
    ):
        with pytest.raises(JournalFormatError) as caught:
            decode(json.dumps(body), format)
        assert "upgrade" in caught.value.hint


change = ParameterChanged(Parameter("lr", Interval(0.0, 1.0), 0.5), "opened", "", "test")


def test_unknown_member_of_a_nested_union_asks_for_an_upgrade() -> None:
    body = encode(change).replace('"Interval"', '"Circle"')
    with pytest.raises(JournalFormatError, match="Circle"):
        decode(body)


def test_older_formats_are_lifted_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "FORMAT", 4)
    monkeypatch.setitem(codec.MIGRATIONS, 1, lambda body: {**body, "text": body["text"] + "a"})
    monkeypatch.setitem(codec.MIGRATIONS, 3, lambda body: {**body, "text": body["text"] + "b"})
    body = encode(NoteAdded("x", "y"))
    assert [decode(body, format) for format in (1, 2, 3, 4)] == [NoteAdded(t, "y") for t in ("xab", "xb", "xb", "x")]
    with pytest.raises(JournalDamagedError):
        decode('{"type": "NoteAdded"}', 1)


HOSTILE = [
    "",
    " ",
    "null",
    "[]",
    "1",
    '"NoteAdded"',
    "{",
    "{}",
    '{"type": null}',
    '{"type": ["NoteAdded"]}',
    '{"type": {"type": "NoteAdded"}}',
    '{"type": "NoteAdded"}',
    '{"type": "NoteAdded", "text": "x", "by": "y", "trial": 1.0}',
    '{"type": "NoteAdded", "text": "x", "by": "y", "trial": true}',
    '{"type": "NoteAdded", "text": "x", "by": "y", "trial": NaN}',
    '{"type": "NoteAdded", "text": 1, "by": "y"}',
    '{"type": "NoteAdded", "text": "x", "by": "y"}trailing',
    '{"type": "NoteAdded", "text": "x\n", "by": "y"}',
    '{"type": "TrialStarted", "trial": ' + "9" * 5000 + ', "attempt": 1}',
    '{"type": "TrialStarted", "trial": -Infinity, "attempt": 1}',
    '{"type": "RunStarted", "trials": 1, "budget": 1e999, "workers": 1, "strategy": ""}',
    '{"type": "RunStarted", "trials": 1, "budget": ' + "9" * 400 + ', "workers": 1, "strategy": ""}',
    '{"type": "TrialCompleted", "trial": 1, "observation": []}',
    '{"type": "TrialCompleted", "trial": 1, "observation": {"metrics": {"a": null}, "duration": 1.0}}',
    '{"type": "TrialCompleted", "trial": 1, "observation": {"metrics": [], "duration": 1.0}}',
    '{"type": "TrialFailed", "trial": 1, "failure": {"kind": [], "message": "", "duration": 1.0}}',
    "[" * 200_000,
    '{"a":' * 200_000,
    '{"type": "NoteAdded", "text": ' + "[" * 900 + "]" * 900 + ', "by": "y"}',
    "\udcff",
    "\x00",
    "\ufeff{}",
]


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:40]))
def test_bad_bodies_are_damage(body: str) -> None:
    with pytest.raises(JournalDamagedError) as caught:
        decode(body)
    assert caught.value.hint
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_a_word_of_a_later_version_is_no_damage() -> None:
    with pytest.raises(JournalFormatError, match="'bored' where it knows nan"):
        decode('{"type": "TrialFailed", "trial": 1, "failure": {"kind": "bored", "message": "", "duration": 1.0}}')


@pytest.mark.parametrize("format", [0, -1])
def test_impossible_formats_are_damage(format: int) -> None:
    with pytest.raises(JournalDamagedError):
        decode(encode(NoteAdded("x", "y")), format)


def test_values_that_the_model_refuses_are_damage() -> None:
    body = json.loads(encode(change))
    domain = {"type": "Interval", "low": 0.0, "high": 1.0}
    for parameter in (
        {"name": "", "domain": domain, "default": 0.5},
        {"name": "lr", "domain": domain, "default": 10**400},
        {"name": "lr", "domain": domain, "default": "0.5"},
        {"name": "lr", "domain": {**domain, "low": 2.0}, "default": 0.5},
        {"name": "lr", "domain": {"type": "Choices", "values": [1, 1]}, "default": 1},
        {"name": "lr", "domain": {"type": "Choices", "values": [[], {}]}, "default": 1},
        {"name": "lr", "domain": None, "default": 1},
    ):
        with pytest.raises(JournalDamagedError):
            decode(json.dumps({**body, "parameter": parameter}))
    created = json.loads(encode(StudyCreated("s", (Objective("m"),), Space((change.parameter,)), 0, {}, "0")))
    created["space"]["parameters"] *= 2
    with pytest.raises(JournalDamagedError, match="twice"):
        decode(json.dumps(created))


BODIES = [encode(event) for event in golden_v1.EVENTS]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.just("type"), inner, max_size=4)
    ),
    max_leaves=12,
)


def decode_or_refuse(body: str) -> None:
    """Decode; every exception but the two promised ones ends the test, and what is accepted must be writable again."""
    try:
        event = decode(body)
    except (JournalDamagedError, JournalFormatError):
        return
    assert decode(encode(event)) == event


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_edited_bodies_never_raise_anything_else(data: st.DataObject) -> None:
    """Put any JSON in the place of any part of a good body."""
    value = json.loads(data.draw(st.sampled_from(BODIES)))
    node, key = {"": value}, ""
    here: Any = node
    while isinstance(here[key], (dict, list)) and here[key] and data.draw(st.booleans()):
        here = here[key]
        key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
    here[key] = data.draw(JSON)
    decode_or_refuse(json.dumps(node[""]))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(BODIES), st.data())
def test_mangled_text_never_raises_anything_else(body: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 8)))
    decode_or_refuse(body[:start] + data.draw(st.text(st.characters(exclude_categories=()), max_size=6)) + body[end:])


BODIES = (Path(__file__).parent / "journals" / "bodies_v1.jsonl").read_text(encoding="utf-8").splitlines()
"""Events that came after ``v1.db`` was written, as they are written now: later versions must read them as these."""


def test_every_event_has_a_coder_and_a_golden_example() -> None:
    assert {type(event) for event in (*golden_v1.EVENTS, *map(decode, BODIES))} == set(EVENT_TYPES)


@pytest.mark.parametrize("body", BODIES)
def test_golden_bodies(body: str) -> None:
    assert encode(decode(body)) == body


def test_an_imported_trial_that_was_written_before_commits_were_kept_is_read() -> None:
    body = json.loads(next(b for b in BODIES if b.startswith('{"type":"TrialObserved"')))
    body.pop("commit")
    event = decode(json.dumps(body))
    assert isinstance(event, TrialObserved)
    assert event.commit == ""
