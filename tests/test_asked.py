"""Trials on request: they come first, carry predictions, keep within the budget, and are never lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy import Study
from knowhy.cases import contributions
from knowhy.cases.asked import ASKED, AskedPolicy
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.policy import TheoryPolicy
from knowhy.errors import KnowhyError, SentenceError, SpaceError, UsageError
from knowhy.model.events import (
    Event,
    ParameterChanged,
    Record,
    RequestWithdrawn,
    TheoryProposed,
    TrialProposed,
    TrialsRequested,
)
from knowhy.model.observation import Observation
from knowhy.model.space import Point, Space, real
from knowhy.model.state import State, fold
from knowhy.model.theory import Theory
from knowhy.model.trial import Completed
from planted import SPACE, created, study, trial

SMALL = Space(SPACE.parameters[:3])


def small(p: Point, seed: int) -> Observation:
    return trial({**SPACE.defaults(), **p}, seed)


def folded(*events: Event) -> State:
    return fold([Record(i, float(i), event, "") for i, event in enumerate((created(space=SMALL), *events), 1)])


def asked(*requests: TrialsRequested, trials: int = 20, **how: object) -> tuple[State, list[TrialProposed]]:
    beliefs = Beliefs()
    inner = TheoryPolicy(beliefs) if how.get("inner") else None
    state, batches = study(
        trials,
        batches=[[created(space=SMALL)], *[[r] for r in requests]],
        space=SMALL,
        function=small,
        policy=AskedPolicy(beliefs, inner),
    )
    return state, [e for batch in batches for e in batch if isinstance(e, TrialProposed)]


def points(*settings: dict[str, object], reason: str = "why not") -> TrialsRequested:
    return contributions.points(folded(), settings, reason, "agent")


def test_the_default_runs_first_and_then_only_what_was_asked_for() -> None:
    state, made = asked(points({"dropout": 0.5}), points({"lr": 0.05}, {"lr": 0.001}))
    assert [dict(e.proposal.point) for e in made] == [
        SMALL.defaults(),
        {**SMALL.defaults(), "dropout": 0.5},
        {**SMALL.defaults(), "lr": 0.05},
        {**SMALL.defaults(), "lr": 0.001},
    ]
    assert [e.proposal.request for e in made] == [0, 2, 3, 3]
    assert made[2].proposal.seed == made[3].proposal.seed != made[1].proposal.seed
    assert all(e.proposal.proposer == "agent" and e.proposal.reason == "why not" for e in made[1:])
    assert state.answers == {2: (2,), 3: (3, 4)}
    assert not state.requests
    assert state.run is not None
    assert state.run.strategy == ASKED
    assert all(isinstance(t, Completed) for t in state.trials.values())


def test_predictions_and_stakes_are_written_before_a_trial_that_was_asked_for() -> None:
    _, made = asked(*[points({"dropout": d}) for d in (0.2, 0.4, 0.6, 0.8)])
    last = made[-1].proposal
    assert last.predictions
    assert last.predictions[0].metric == "val_loss"
    assert last.expected_bits > 0
    assert last.stakes


def test_requests_go_before_the_choices_of_the_engine_which_goes_on_after_them() -> None:
    state, made = asked(points({"dropout": 0.5}), trials=5, inner=True)
    assert made[0].proposal.request == 2
    assert [e.proposal.request for e in made[1:]] == [0, 0, 0, 0]
    assert len(state.trials) == 5


def test_a_choice_is_what_the_engine_would_run() -> None:
    state, made = asked(*[contributions.choice(folded(), "", "agent")] * 3)
    assert len(made) == 4
    assert {n for request in state.answers.values() for n in request} == {2, 3, 4}
    assert "how large the noise is" in made[1].proposal.reason
    assert dict(made[2].proposal.point) != dict(made[3].proposal.point)


def test_a_theory_is_tested_on_fresh_pairs_that_are_registered_first() -> None:
    theory = Theory(
        "A1", "dropout helps", "", ("raising dropout from 0 to 0.5 lowers val_loss at the default",), by="agent"
    )
    proposed = TheoryProposed(theory, 0.3)
    request = contributions.test(folded(proposed), "a1", "to be sure", "agent")
    beliefs = Beliefs()
    state, _ = study(
        20,
        batches=[[created(space=SMALL), proposed], [request], [request], [request]],
        space=SMALL,
        function=small,
        policy=AskedPolicy(beliefs, None),
    )
    [contrast] = state.contrasts.values()
    assert contrast.theory == "A1"
    assert state.evidence[contrast.id].pairs == 3
    assert state.evidence[contrast.id].wins == 3
    pairs = [[state.trials[n].proposal for n in trials] for trials in state.answers.values()]
    assert len(pairs) == 3
    for pair in pairs:
        assert {p.point["dropout"] for p in pair} == {0.0, 0.5}
        assert len({p.seed for p in pair}) == 1
    assert len({pair[0].seed for pair in pairs}) == 3


def test_the_budget_of_trials_holds_for_requests() -> None:
    state, made = asked(*[points({"dropout": d / 10}) for d in range(1, 8)], trials=4)
    assert len(made) == 4
    assert len(state.requests) == 4
    assert state.ended == "the budget of trials is spent"


def test_a_request_that_cannot_be_answered_does_not_hold_up_others() -> None:
    lost = TrialsRequested("test", (), "A9", "", "agent")
    state, made = asked(lost, points({"dropout": 0.5}))
    assert [e.proposal.request for e in made] == [0, 3]
    assert list(state.requests) == [2]


def test_withdrawing_and_answering_are_told_apart() -> None:
    state = folded(points({}), RequestWithdrawn(2, "no time"), RequestWithdrawn(2, "again"), RequestWithdrawn(9, "?"))
    assert state.requests == {}
    assert state.declined == {2: "no time"}


def test_what_others_write_while_a_trial_runs_is_heard() -> None:
    from knowhy.execution.inline import InlineExecutor, InlineSubject
    from knowhy.journal.memory import MemoryJournal
    from knowhy.loop import Limits, run

    journal, beliefs = MemoryJournal(), Beliefs()
    journal.append([created(space=SMALL)])

    def function(p: Point, seed: int) -> Observation:
        if p["dropout"] == 0.1 and not written:
            written.append(1)
            journal.append([points({"dropout": 0.7})])
        return small(p, seed)

    written: list[int] = []
    state = run(
        journal,
        InlineSubject(),
        InlineExecutor(function),
        AskedPolicy(beliefs, None),
        [],
        beliefs,
        limits=Limits(9, None, 1),
        folder="unused",
    )
    assert [t.proposal.point["dropout"] for t in state.completed] == [0.1, 0.7]


# What is asked for is checked before it is written.


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"drop": 0.5}, "did you mean dropout"),
        ({"dropout": 7}, "0 to 0.8"),
        ({"dropout": "much"}, "0 to 0.8"),
        ({"dropout": None}, "0 to 0.8"),
        ({"dropout": [0.5]}, "one value"),
        ({"dropout": True}, "0 to 0.8"),
        ({"dropout": float("nan")}, "0 to 0.8"),
        ({"batch": 48}, "powers of two"),
        ({"batch": 64.5}, "powers of two"),
        ({"held": 0.9}, "open the parameter"),
    ],
)
def test_settings_that_cannot_run_are_refused_with_what_can(settings: dict[str, object], words: str) -> None:
    state = folded(ParameterChanged(real("held", 0, 1, 0.5), "added", "", "person"))
    state = fold(
        [Record(3, 3.0, ParameterChanged(_held(), "frozen", "", "person"), "")],
        state,
    )
    with pytest.raises(SpaceError) as caught:
        contributions.points(state, [settings], "", "agent")
    assert words in f"{caught.value.message} {caught.value.hint}"


def _held() -> object:
    from dataclasses import replace

    return replace(real("held", 0, 1, 0.5), active=False)


def test_numbers_of_json_take_the_type_of_the_range() -> None:
    made = contributions.point(folded(), {"dropout": 0, "batch": 128.0})
    assert made["dropout"] == 0.0
    assert isinstance(made["dropout"], float)
    assert isinstance(made["batch"], int)


@pytest.mark.parametrize("count", [0, contributions.ARMS + 1])
def test_a_contrast_has_a_few_arms(count: int) -> None:
    with pytest.raises(UsageError):
        contributions.points(folded(), [{}] * count, "", "agent")


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ("dropout does not matter for val_loss", "of a difference"),
        ("raising dropout from 0 to 0.3 does not change val_loss", "of a difference"),
        ("raising dropout from 0 to 0.3 lowers val_loss everywhere", "many settings"),
    ],
)
def test_only_a_difference_can_be_tested_by_pairs(claim: str, words: str) -> None:
    state = folded(TheoryProposed(Theory("A1", claim, "", (claim,), by="agent"), 0.5))
    with pytest.raises(UsageError, match=words):
        contributions.test(state, "A1", "", "agent")


def test_no_theory_and_nothing_best_yet() -> None:
    with pytest.raises(UsageError, match="no theory A7"):
        contributions.test(folded(), "A7", "", "agent")
    with pytest.raises(UsageError, match="nothing is best"):
        contributions.test(folded(), "best", "", "agent")


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.integers()))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.one_of(st.sampled_from(["lr", "batch", "dropout"]), st.text(max_size=8)), VALUES, max_size=4))
def test_any_settings_are_a_point_of_the_space_or_refused(settings: dict[str, object]) -> None:
    try:
        made = contributions.point(folded(), settings)
    except KnowhyError as error:
        said = error.hint
    else:
        said = "fine"
        assert SMALL.check(made) == made
    assert said


# The journal of a study takes them from anybody.


@pytest.fixture
def known(tmp_path: Path) -> Study:
    one = Study("by-hand", {"val_loss": "minimize"}, folder=tmp_path)
    for _ in range(2):
        proposal = one.ask(SMALL, trials=8)
        assert proposal is not None
        one.tell(proposal.trial, metrics=dict(small(proposal.point, proposal.seed).metrics))
    return one


def test_two_who_suppose_at_the_same_time_get_two_numbers(known: Study, tmp_path: Path) -> None:
    other = Study.open("by-hand", folder=tmp_path)
    state = other.state  # as it was before the first one spoke
    first = known.suppose("raising dropout from 0 to 0.5 lowers val_loss", by="agent")
    told: list[State] = []

    def late(now: State) -> list[Event]:
        told.append(now)
        before = state if len(told) == 1 else now
        _, events = contributions.theory(before, other.mind, ["raising lr lowers val_loss"], "", "", "", "", "agent")
        return events

    other.contribute(late)
    assert first.id == "A1"
    assert [t for t in known.state.theories if t.startswith("A")] == ["A1", "A2"] or len(told) == 1


def test_an_append_after_a_record_that_is_not_the_last_writes_nothing(known: Study, tmp_path: Path) -> None:
    from knowhy.journal import SqliteJournal

    with SqliteJournal(tmp_path / "by-hand" / "journal.db") as journal:
        last = known.state.seq
        assert journal.append([points({})], after=last - 1) == []
        assert known.state.seq == last
        [record] = journal.append([points({})], after=last)
        assert record.seq == last + 1


def test_a_theory_of_several_claims_and_one_that_is_known(known: Study) -> None:
    claims = ["raising dropout from 0 to 0.5 lowers val_loss", "batch does not matter for val_loss"]
    view = known.suppose(claims, "it memorises", by="agent", question="what helps?", refuted_by="no gap")
    assert len(view.claims) == 2
    assert view.by == "agent"
    assert view.exploratory
    assert known.suppose(claims[::-1], by="agent").id == view.id
    assert known.suppose("batch does not matter for val_loss").id == "P1"
    with pytest.raises(SentenceError):
        known.suppose(["dropout is nice"], by="agent")


@pytest.mark.parametrize(
    ("name", "entry", "outcome"),
    [
        ("dropout", {"high": 0.9}, "widened"),
        ("dropout", {"high": 0.5}, "wider"),
        ("dropout", {"low": 0.9, "high": 0.1}, "dropout"),
        ("dropout", {"values": [1, 2]}, "low and high"),
        ("nothing", {}, "choose one of"),
        ("dropout", {}, ""),
    ],
)
def test_parameters_open_and_only_grow(known: Study, name: str, entry: dict[str, object], outcome: str) -> None:
    make: Callable[[State], list[Event]] = lambda state: contributions.opened(state, name, entry, "why", "agent")  # noqa: E731
    if outcome in ("widened", ""):
        records = known.contribute(make)
        assert [r.event.change for r in records if isinstance(r.event, ParameterChanged)] == [outcome] * bool(outcome)
    else:
        with pytest.raises(SpaceError) as caught:
            known.contribute(make)
        assert outcome in f"{caught.value.message} {caught.value.hint}"


def test_a_study_by_hand_takes_no_requests(known: Study) -> None:
    with pytest.raises(UsageError, match="by hand"):
        known.contribute(lambda state: [contributions.choice(state, "", "agent")])
