"""The loop: exact resume, failures, and what the journal says of it."""

from dataclasses import replace

import pytest

from knowhy.engine.beliefs import Beliefs
from knowhy.engine.policy import TheoryPolicy
from knowhy.errors import MetricError, SubjectError
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.loop import Limits, run
from knowhy.model.events import BeliefsUpdated, Event, RunEnded, TrialCompleted, TrialProposed, TrialStarted
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import Point, Space
from knowhy.model.trial import Completed, Failed
from planted import SPACE, Batches, created, losses, study, trial

SMALL = Space(SPACE.parameters[:3])


def small(p: Point, seed: int) -> Observation:
    return trial({**SPACE.defaults(), **p}, seed)


def proposed(batches: list[list[Event]]) -> list[tuple[object, ...]]:
    return [
        (e.proposal.trial, dict(e.proposal.point), e.proposal.seed, e.proposal.purpose, e.proposal.expected_bits)
        for batch in batches
        for e in batch
        if isinstance(e, TrialProposed)
    ]


@pytest.fixture(scope="module")
def whole() -> list[list[Event]]:
    return study(14, space=SMALL, function=small)[1]


@pytest.mark.parametrize("part", [0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.97])
def test_a_study_that_was_killed_proposes_what_it_would_have_proposed(whole: list[list[Event]], part: float) -> None:
    cut = max(1, int(part * (len(whole) - 1)))
    state, batches = study(14, batches=whole[:cut], space=SMALL, function=small)
    assert proposed(batches) == proposed(whole)
    assert len(state.completed) == 14


def test_every_trial_is_finished_once_and_only_after_its_predictions(whole: list[list[Event]]) -> None:
    events = [e for batch in whole for e in batch]
    finished = [e.trial for e in events if isinstance(e, TrialCompleted)]
    assert sorted(finished) == list(range(1, 15))
    for number in finished:
        at = [i for i, e in enumerate(events) if isinstance(e, TrialProposed) and e.proposal.trial == number]
        started = [i for i, e in enumerate(events) if isinstance(e, TrialStarted) and e.trial == number]
        assert at[0] < started[0]
    late = [e.proposal for e in events if isinstance(e, TrialProposed) and e.proposal.trial > 6]
    assert all(p.predictions for p in late)
    assert isinstance(events[-1], RunEnded)


def test_the_first_trial_is_the_default_and_the_last_ones_verify(whole: list[list[Event]]) -> None:
    made = [e.proposal for batch in whole for e in batch if isinstance(e, TrialProposed)]
    assert dict(made[0].point) == SMALL.defaults()
    assert made[-1].purpose == "verify"
    last = made[-1].arms[0]
    pair = [(p, a) for p in made for a in p.arms if a.contrast == last.contrast and a.pair == last.pair]
    assert len(pair) == 2
    assert pair[0][0].seed == pair[1][0].seed
    assert {a.treatment for _, a in pair} == {True, False}


def test_beliefs_are_coherent_at_every_step(whole: list[list[Event]]) -> None:
    updates = [e for batch in whole for e in batch if isinstance(e, BeliefsUpdated)]
    assert [u.trial for u in updates] == list(range(1, 15))
    for u in updates:
        assert all(0.0 < b < 1.0 for b in u.beliefs.values())
        assert u.beliefs.keys() == u.priors.keys()


def test_the_budget_is_a_total_over_calls(whole: list[list[Event]]) -> None:
    state, batches = study(14, batches=whole, space=SMALL, function=small)
    assert len(state.trials) == 14
    state, _ = study(16, batches=batches, space=SMALL, function=small)
    assert len(state.trials) == 16


@pytest.mark.parametrize("trials", [3, 6, 7, 9])
def test_a_contrast_never_goes_beyond_the_budget(trials: int) -> None:
    state, _ = study(trials, space=SMALL, function=small)
    assert len(state.trials) == trials


def test_failures_are_recorded_as_failures_and_teach_where_they_lie() -> None:
    def fails(p: Point, seed: int) -> Observation | Failure:
        if float(p["lr"]) > 0.02:
            return Failure("nan", "the loss is nan", 0.1)
        return small(p, seed)

    state, _ = study(16, space=SMALL, function=fails)
    assert len(state.completed) + len(state.failed) == 16
    assert all(isinstance(t, (Completed, Failed)) for t in state.trials.values())
    assert all("val_loss" not in t.failure.metrics for t in state.failed)
    late = [t for n, t in state.trials.items() if n > 10]
    assert sum(isinstance(t, Failed) for t in late) <= 2


def test_a_subject_that_does_not_work_as_it_is_stops_the_study_and_can_be_mended() -> None:
    with pytest.raises(SubjectError, match="ValueError: no such file"):
        study(12, space=SMALL, function=lambda p, s: Failure("exit", "ValueError: no such file", 0.1))
    kept = Batches()
    kept.append([created(0, SMALL)])
    beliefs = Beliefs()
    missing = InlineExecutor(lambda p, s: Failure("no_metric", "val_loss was not reported", 0.1))
    with pytest.raises(MetricError):
        run(kept, InlineSubject(), missing, TheoryPolicy(beliefs), [], beliefs, limits=Limits(12), folder="unused")
    state, _ = study(12, batches=kept.batches, space=SMALL, function=small)
    assert len(state.completed) == 11
    assert len(state.failed) == 1


def test_two_workers_finish_every_trial_once() -> None:
    state, batches = study(12, workers=2, space=SMALL, function=small)
    finished = [e.trial for batch in batches for e in batch if isinstance(e, TrialCompleted)]
    assert sorted(finished) == list(range(1, 13))
    assert len(state.completed) == 12


def test_a_lost_trial_is_tried_again_a_bounded_number_of_times() -> None:
    calls: dict[float, int] = {}

    def flaky(p: Point, seed: int) -> Observation | Failure:
        calls[seed] = calls.get(seed, 0) + 1
        if len(calls) == 4:
            return Failure("lost", "the worker died", 0.0)
        return small(p, seed)

    state, batches = study(12, space=SMALL, function=flaky)
    attempts = [e.attempt for batch in batches for e in batch if isinstance(e, TrialStarted) and e.trial == 4]
    assert attempts == [1, 2, 3]
    assert [t.failure.kind for t in state.failed] == ["lost"]


def test_the_same_noise_in_both_arms_makes_the_pair_exact() -> None:
    """Both arms get one seed, so what a seed does to both alike cancels out of the evidence."""
    state, _ = study(14, space=SMALL, function=small)
    for evidence in state.evidence.values():
        contrast = state.contrasts[evidence.contrast]
        if contrast.background == "fixed" and not contrast.theory:
            base = SPACE.defaults()
            true = losses({**base, **contrast.treatment})["val_loss"] - losses({**base, **contrast.control})["val_loss"]
            assert all(abs(d - true) < 1e-9 for d in evidence.differences)


def test_space_that_is_all_held_stops_with_a_reason() -> None:
    held = Space(tuple(replace(p, active=False) for p in SMALL))
    state, _ = study(12, space=held, function=small)
    assert "no parameter is open" in state.ended
