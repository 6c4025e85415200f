"""Beliefs: honest without effects, coherent, the same for everyone who asks, and pure in the state."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from knowhy.engine import claims, design, posterior
from knowhy.engine.beliefs import Beliefs, contrast_pairs, share
from knowhy.engine.encoding import Encoder
from knowhy.engine.mind import Mind
from knowhy.engine.policy import TheoryPolicy
from knowhy.journal.memory import MemoryJournal
from knowhy.model.decision import Budget
from knowhy.model.events import (
    BeliefsUpdated,
    ContrastRegistered,
    Event,
    TheoryProposed,
    TrialCompleted,
    TrialFailed,
    TrialProposed,
    TrialStarted,
)
from knowhy.model.observation import Failure, FailureKind, Observation, Outcome
from knowhy.model.space import Point, Space
from knowhy.model.state import State, fold, foreseen
from knowhy.model.theory import Theory
from knowhy.model.trial import Arm, Contrast, Proposal
from planted import SPACE, created, losses

SMALL = Space(tuple(p for p in SPACE if p.name in ("lr", "batch", "dropout")))
METRICS = ("val_loss", "train_loss")

EFFECTS = (
    "raising lr from 0.001 to 0.01 lowers val_loss",
    "raising lr from 0.001 to 0.01 raises val_loss",
    "raising dropout from 0.1 to 0.5 lowers val_loss",
    "raising dropout from 0.1 to 0.5 raises val_loss at the default",
    "raising batch from 16 to 128 raises val_loss near the best",
    "raising batch from 16 to 128 lowers val_loss everywhere",
)
OTHERS = (
    "raising lr from 0.001 to 0.01 does not change val_loss",
    "val_loss is best with lr near 0.003",
    "the best lr for val_loss falls with batch",
    "lr matters more than batch for val_loss",
    "lr does not matter for val_loss",
    "dropout matters for val_loss",
    "lr and dropout interact on val_loss",
    "val_loss depends on lr and batch only through lr / batch",
    "trials fail when lr is above 0.02",
)


def _theory(number: int, *sentences: str) -> Theory:
    parsed = tuple(claims.render(claims.parse(s, SPACE, METRICS)) for s in sentences)
    return Theory(f"T{number}", sentences[0], "", parsed)


def _state(
    n: int,
    seed: int,
    outcome: Callable[[Point, np.random.Generator], Outcome],
    theories: Sequence[Theory],
    space: Space = SMALL,
) -> State:
    rng = np.random.default_rng(seed)
    journal = MemoryJournal()
    events: list[Event] = [created(seed, space), *(TheoryProposed(t, 0.5) for t in theories)]
    encoder = Encoder.covering(space, [])
    for i, point in enumerate(encoder.decode(encoder.sample(n, seed)), 1):
        found = outcome(point, rng)
        ended: Event = TrialCompleted(i, found) if isinstance(found, Observation) else TrialFailed(i, found)
        events += [TrialProposed(Proposal(i, point, i, "learn", "")), TrialStarted(i, 1), ended]
    journal.append(events)
    return fold(journal.read())


def _planted(point: Point, rng: np.random.Generator) -> Observation:
    return Observation(losses({**SPACE.defaults(), **point}, rng), 1.0)


def _noise(point: Point, rng: np.random.Generator) -> Observation:
    return Observation({"val_loss": float(1.0 + 0.1 * rng.standard_normal())}, 1.0)


ALL = tuple(_theory(i, s) for i, s in enumerate(EFFECTS + OTHERS, 1))


@cache
def _known() -> State:
    return _state(24, 1, _planted, ALL)


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(3, 23), marks=pytest.mark.slow)])
def test_where_no_parameter_does_anything_no_effect_is_believed(seeds: range) -> None:
    theories = [_theory(i, s) for i, s in enumerate(EFFECTS, 1)]
    beliefs, priors = [], []
    for seed in seeds:
        update = Beliefs().update(_state(30, seed, _noise, theories))[-1]
        beliefs.append([update.beliefs[t.id] for t in theories])
        priors.append([update.priors[t.id] for t in theories])
    print(f"mean belief {np.mean(beliefs):.3f}, mean prior {np.mean(priors):.3f}, largest {np.max(beliefs):.3f}")
    assert np.mean(beliefs) < np.mean(priors)
    assert np.max(beliefs) < 0.95
    assert np.all(np.mean(beliefs, axis=0) < np.mean(priors, axis=0) + 0.15)


def test_where_effects_are_real_they_are_found() -> None:
    update = Beliefs().update(_known())[-1]
    believed = {t.title: update.beliefs[t.id] for t in ALL}
    assert believed["raising dropout from 0.1 to 0.5 lowers val_loss"] > 0.85
    assert believed["lr does not matter for val_loss"] < 0.1
    assert believed["raising lr from 0.001 to 0.01 raises val_loss"] < 0.1
    assert believed["lr matters more than batch for val_loss"] > 0.95
    assert believed["raising batch from 16 to 128 raises val_loss near the best"] < 0.2


def test_who_joins_late_is_believed_as_far_as_the_data_say_at_once() -> None:
    beliefs = Beliefs()
    for theory in ALL[:4]:
        joined = beliefs.joining(_known(), theory)
        assert joined.belief == beliefs.belief(_known(), theory.claims)
        assert joined.prior == beliefs.prior(_known(), theory.claims)
        before = beliefs.joining(_state(0, 1, _planted, ()), theory)
        assert (before.belief, before.prior) == (None, pytest.approx(joined.prior, abs=0.1))
        assert foreseen(_state(24, 1, _planted, ()), [joined]).beliefs == {theory.id: joined.belief}


def test_beliefs_are_coherent() -> None:
    state, beliefs = _known(), Beliefs()
    sentences = [t.claims[0] for t in ALL]
    single = [beliefs.belief(state, [s]) for s in sentences]
    for i in range(0, len(sentences) - 1, 2):
        both = beliefs.belief(state, [sentences[i], sentences[i + 1]])
        assert both <= min(single[i], single[i + 1]) + 1e-9
        assert both >= single[i] + single[i + 1] - 1.0 - 2e-3
    rivals = [sentences[0], sentences[1], sentences[6]]  # lowers, raises, does not change
    assert sum(beliefs.belief(state, [s]) for s in rivals) == pytest.approx(1.0, abs=4e-3)
    assert sum(beliefs.prior(state, [s]) for s in rivals) == pytest.approx(1.0, abs=4e-3)
    assert all(0.0 < b < 1.0 for b in single)


def test_a_claim_is_judged_as_a_theory_that_makes_it() -> None:
    mind, state = Mind(), _known()
    update = mind.beliefs.update(state)[-1]
    for theory in ALL:
        judged = mind.judge(state, theory.claims[0])
        assert judged.belief == pytest.approx(update.beliefs[theory.id], abs=1e-9), theory.title
        assert judged.prior == pytest.approx(update.priors[theory.id], abs=1e-9), theory.title
        assert judged.claim == theory.claims[0]


def test_a_theory_about_a_parameter_that_is_held_is_open_and_not_settled() -> None:
    """Nothing was seen of it: no theory about it is known to be true or false."""
    held = Space(tuple(replace(p, active=p.name != "dropout") for p in SMALL))
    theories = [_theory(1, EFFECTS[2]), _theory(2, "dropout does not matter for val_loss")]
    state = _state(12, 2, _planted, theories, held)
    update = Beliefs().update(state)[-1]
    for theory in theories:
        assert 0.02 < update.beliefs[theory.id] < 0.7
        assert 0.02 < update.priors[theory.id] < 0.7
        assert Mind().judge(state, theory.claims[0]).belief == pytest.approx(update.beliefs[theory.id], abs=0.1)


def test_claims_that_mirror_each_other_have_about_the_same_prior() -> None:
    """Raising and lowering are alike before any data; so are parameters with the same kind of range."""
    state, beliefs = _known(), Beliefs()
    up, down = beliefs.prior(state, [ALL[0].claims[0]]), beliefs.prior(state, [ALL[1].claims[0]])
    assert up == pytest.approx(down, abs=0.1)
    more = beliefs.prior(state, [ALL[9].claims[0]])
    less = beliefs.prior(state, [_theory(9, "batch matters more than lr for val_loss").claims[0]])
    # Where nothing matters neither matters more.
    assert more + less == pytest.approx(1.0 - posterior.IDLE / (1.0 - posterior.STRUCTURES), abs=0.02)
    assert more == pytest.approx(0.5, abs=0.17)


def test_the_same_predicate_in_other_words_is_recognised() -> None:
    beliefs, state = Beliefs(), _known()
    one = _theory(1, "more dropout keeps improving val_loss beyond 0.1")
    two = _theory(2, "raising dropout from 0.1 to 0.8 lowers val_loss")
    assert beliefs.same(state, one, two)
    assert beliefs.same(state, one, replace(one, id="T9", title="else"))
    assert not beliefs.same(state, one, ALL[0])
    assert not beliefs.same(state, ALL[0], ALL[1])
    assert not beliefs.same(state, ALL[0], ALL[6])


def test_two_minds_think_alike() -> None:
    """Pure in the state: fresh caches, or caches that have seen other states, give the same update."""
    state = _known()
    warm = Beliefs()
    warm.update(_state(10, 5, _planted, ALL))
    one, two = warm.update(state)[-1], Beliefs().update(state)[-1]
    assert one == two


def test_going_on_from_what_was_recorded_gives_the_same_beliefs() -> None:
    """The journal keeps the fits: a fresh mind restores them and does not fit again to something else."""
    before = _state(16, 3, _planted, ALL[:5])
    beliefs = Beliefs()
    update = beliefs.update(before)[-1]
    assert isinstance(update, BeliefsUpdated)
    after = replace(before, fits=update.fits)
    fresh = Beliefs().update(after)[-1]
    assert fresh.beliefs == update.beliefs
    assert {k: v for k, v in fresh.fits.items() if k in update.fits} == update.fits


def test_theories_that_join_between_trials_count_at_once() -> None:
    """A mind that has thought about these trials before decides as a fresh one does."""
    early = _state(7, 4, _planted, ALL[:2])
    warm = Beliefs()
    warm.update(early)
    TheoryPolicy(warm).decide(early, Budget(40))
    joined = replace(early, theories={t.id: t for t in ALL[:6]}, priors={t.id: 0.5 for t in ALL[:6]})
    fresh = Beliefs()
    seen = [[t.id for t in design.open_theories(b, b.posterior(joined)).theories] for b in (warm, fresh)]
    assert seen[0] == seen[1]
    assert set(seen[0]) - {"T1", "T2"}
    one, two = (TheoryPolicy(b).decide(joined, Budget(40)) for b in (warm, fresh))
    assert one == two


def test_a_metric_that_is_reported_for_the_first_time_brings_its_structures_to_life() -> None:
    """What theories can be read depends on the metrics known now, not on those known at first."""
    theory = _theory(1, "train_loss depends on lr and batch only through lr / batch")
    without = _state(4, 6, lambda p, r: Observation({"val_loss": 1.0}, 1.0), [theory])
    known = _state(8, 6, _planted, [theory])
    warm = Beliefs()
    warm.posterior(without)
    assert warm.posterior(known).structures == Beliefs().posterior(known).structures != ()


def test_where_trials_fail_is_learnt() -> None:
    theories = [_theory(1, "trials fail when lr is above 0.02"), _theory(2, "trials fail when dropout is above 0.4")]

    def outcome(point: Point, rng: np.random.Generator) -> Outcome:
        return Failure("nan", "diverged", 1.0) if float(point["lr"]) > 0.02 else _planted(point, rng)  # type: ignore[arg-type]

    update = Beliefs().update(_state(28, 7, outcome, theories))[-1]
    assert update.beliefs["T1"] > 0.5
    assert update.beliefs["T2"] < 0.05
    assert 0.0 < update.priors["T1"] < 0.5


def test_a_share_is_never_quite_sure() -> None:
    assert share(np.zeros(512, bool)) == pytest.approx(0.5 / 513)
    assert share(np.ones(512, bool)) == pytest.approx(512.5 / 513)


def test_pairs_are_read_by_arm_and_a_failed_treatment_is_kept() -> None:
    point = SMALL.defaults()
    journal = MemoryJournal()
    events: list[Event] = [created(0, SMALL), ContrastRegistered(Contrast("C1", "", "val_loss", -1, point, point))]
    values: dict[int, tuple[int, bool, float | FailureKind]] = {
        1: (1, True, 0.5),
        2: (1, False, 0.7),
        3: (2, False, 0.6),
        4: (3, True, 0.4),
        5: (3, False, 0.9),
        6: (4, True, "nan"),
        7: (4, False, 0.8),
        8: (5, True, 0.3),
        9: (5, False, "nan"),
        10: (6, True, "lost"),
        11: (6, False, 0.8),
    }
    for trial, (pair, treatment, value) in values.items():
        proposal = Proposal(trial, point, pair, "verify", "", arms=(Arm("C1", pair, treatment),))
        events += [TrialProposed(proposal), TrialStarted(trial, 1)]
        events.append(
            TrialFailed(trial, Failure(value, "", 1.0))
            if isinstance(value, str)
            else TrialCompleted(trial, Observation({"val_loss": value}, 1.0))
        )
    journal.append(events)
    assert contrast_pairs(fold(journal.read()), "C1") == [(0.5, 0.7), (0.4, 0.9), (None, 0.8)]
