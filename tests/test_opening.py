"""What is held is opened at once where the budget has room for it, each parameter with a reason; else nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy.engine.beliefs import Beliefs
from knowhy.engine.policy import TheoryPolicy
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import Event, ParameterChanged, Record, RunStarted, StudyCreated, TrialCompleted, TrialProposed
from knowhy.model.objective import Objective
from knowhy.model.observation import Observation
from knowhy.model.space import EVALUATION_ROLE, FIDELITY_ROLE, Parameter, Point, Space, choice, real, switch
from knowhy.model.state import State, fold
from knowhy.model.trial import Proposal
from knowhy.theorists.builtin import Builtin
from knowhy.theorists.reading import Reading
from knowhy.theorists.requests import requests

LOSS = (Objective("val_loss"),)


def held(parameter: Parameter, confidence: float = 0.6) -> Parameter:
    return replace(parameter, active=False, confidence=confidence)


C = real("C", 1e-2, 1e3, 1.0, log=True, role="regularization")
GAMMA = held(real("gamma", 1e-5, 1.0, 0.1, log=True, role="gamma"))
KERNEL = held(choice("kernel", ("rbf", "linear", "poly"), "rbf", role="kernel"))
COEF0 = held(real("coef0", -1.0, 3.0, 0.0, role="kernel").when("kernel", "poly"))
BALANCE = held(choice("class_weight", ("none", "balanced"), "none"))
SVM = (C, GAMMA, KERNEL, COEF0, BALANCE)


def after(
    parameters: Sequence[Parameter], trials: int, finished: int = 2, train: float = 0.9, more: Sequence[Event] = ()
) -> State:
    """A study that ran ``finished`` times at its default, with a budget of ``trials``."""
    space = Space(tuple(parameters))
    events: list[Event] = [StudyCreated("s", LOSS, space, 0, {}, "0"), RunStarted(trials, None, 1, "theory")]
    for number in range(1, finished + 1):
        events.append(TrialProposed(Proposal(number, space.defaults(), number, "learn", "")))
        metrics = {"val_loss": 1.0, "train_loss": train, "gap": 1.0 - train}
        events.append(TrialCompleted(number, Observation(metrics, 1.0)))
    return fold([Record(i, float(i), e, "") for i, e in enumerate([*events, *more], 1)])


def opened(state: State) -> dict[str, str]:
    return {r.parameter: r.reason for r in requests(Reading(state))}


def test_all_that_may_matter_is_opened_once_the_default_has_run() -> None:
    assert opened(after(SVM, 40, finished=1)) == {}
    assert set(opened(after(SVM, 40))) == {"gamma", "kernel", "coef0", "class_weight"}


def test_a_reason_names_the_diagnosis_that_points_to_it_else_the_room_that_there_is() -> None:
    found = opened(after(SVM, 40, train=0.1))
    assert "overfitting" in found["gamma"]
    assert "gamma is held, and it restrains" in found["gamma"]
    assert found["class_weight"].startswith(
        "Only 1 parameter varies so far, and 40 trials have room for 8; class_weight"
    )
    assert all(" is held, and " in reason for reason in found.values())


@pytest.mark.parametrize("trials", [5, 9, 10, 14, 15, 19, 24, 40, 200])
def test_a_study_never_varies_more_than_one_parameter_in_five_trials_nor_more_than_eight(trials: int) -> None:
    many = [held(real(f"x{i}", 0, 1, 0.5), 0.9) for i in range(40)]
    limit = min(8, trials // 5)
    assert len(opened(after([C, *many], trials))) == max(0, limit - 1)


def test_a_script_with_forty_literals_and_twenty_trials_keeps_what_it_began_with() -> None:
    first = [real(f"a{i}", 0, 1, 0.5) for i in range(4)]
    many = [held(real(f"x{i}", 0, 1, 0.5), 0.9) for i in range(40)]
    assert opened(after([*first, *many], 20)) == {}


def test_the_likeliest_to_matter_come_first() -> None:
    assert set(opened(after(SVM, 15))) == {"gamma", "kernel"}


def test_what_hardly_counts_what_is_evaluated_by_and_what_a_person_froze_stays_held() -> None:
    doubtful = held(real("epsilon", 0, 1, 0.5, role="epsilon"), 0.1)
    evaluation, fidelity = (held(real(r, 0, 1, 0.5, role=r), 1.0) for r in (EVALUATION_ROLE, FIDELITY_ROLE))
    state = after([C, doubtful, evaluation, fidelity, GAMMA], 40)
    assert set(opened(state)) == {"gamma"}
    frozen = ParameterChanged(GAMMA, "frozen", "by hand", "person")
    assert opened(after([C, GAMMA], 40, more=[frozen])) == {}


def test_a_condition_is_opened_with_its_parent_or_not_at_all() -> None:
    child = replace(COEF0, confidence=1.0)  # likelier than its parent, which must come first all the same
    names = list(opened(after([C, replace(KERNEL, confidence=0.5), child], 40)))
    assert names.index("kernel") < names.index("coef0")
    assert opened(after([C, replace(KERNEL, confidence=0.1), child], 40)) == {}
    assert "coef0" not in opened(after([C, KERNEL, child], 14))


def test_it_happens_once() -> None:
    change = ParameterChanged(replace(GAMMA, active=True), "opened", "", "builtin")
    assert opened(after([C, GAMMA, KERNEL], 40, more=[change])) == {}


def test_not_late_in_a_study_that_is_nearly_over() -> None:
    assert opened(after(SVM, 25, finished=15)) != {}
    assert opened(after(SVM, 25, finished=16)) == {}


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.sampled_from(["other", "gamma", "kernel"])), max_size=12),
    st.integers(2, 60),
)
@settings(max_examples=60, deadline=None)
def test_requests_are_of_held_parameters_each_once_and_within_the_room(
    made: list[tuple[bool, float, str]], trials: int
) -> None:
    drawn = [
        replace(switch(f"x{i}", False, role=role), active=active, confidence=confidence)
        for i, (active, confidence, role) in enumerate(made)
    ]
    state = after([C, *drawn], trials)
    found = [r.parameter for r in requests(Reading(state))]
    assert len(found) == len(set(found))
    assert set(found) <= {p.name for p in state.space.held}
    if found:
        assert len(state.space.active) + len(found) <= min(8, trials // 5)


def test_a_study_finds_what_counts_only_together_and_was_held() -> None:
    """A held switch that hurts alone, and helps much beside a held number far from its default."""
    space = Space((real("lr", 1e-3, 1.0, 0.1, log=True), held(switch("plain", False)), held(real("mix", 0, 1, 1.0))))

    def train(point: Point, seed: int) -> Observation:
        full = space.complete(point)
        mix, lr = full["mix"], full["lr"]
        assert isinstance(mix, float)
        assert isinstance(lr, float)
        at = 1.0 - 0.5 * (1 - 4 * (mix - 0.3) ** 2) if full["plain"] else 0.8 + 0.1 * (1 - mix)
        return Observation({"val_loss": at + 0.02 * abs(lr - 0.1)}, 0.1)

    journal, beliefs = MemoryJournal(), Beliefs()
    journal.append([StudyCreated("s", LOSS, space, 3, {}, "0")])
    state = run(
        journal,
        InlineSubject(),
        InlineExecutor(train),
        TheoryPolicy(beliefs),
        [Builtin()],
        beliefs,
        limits=Limits(26),
        folder="",
    )
    assert {c.parameter.name for _, c in state.changes if c.change == "opened"} == {"mix", "plain"}
    early = [state.trials[number].proposal.point for number in (3, 4, 5)]
    assert {point["plain"] for point in early} == {False, True}
    assert len({point["mix"] for point in early}) == 3
    best = beliefs.posterior(state).incumbent
    assert best is not None
    assert best.proposal.point["plain"] is True
    assert best.observation.metrics["val_loss"] < 0.6
