"""Where trials succeed: the evidence of limits, Laplace's approximation, and what their mixture says of failures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaln, ndtr

from knowhy.engine import boundaries, probit
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.boundaries import FAR, FAR_SHARES, NEAR, Features, Labelled
from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.kernels import Ard
from knowhy.engine.success import Success
from knowhy.model.events import StudyCreated, TheoryProposed, TrialCompleted, TrialFailed, TrialProposed, TrialStarted
from knowhy.model.objective import Objective
from knowhy.model.observation import Failure, FailureKind, Observation
from knowhy.model.space import Point, Scalar, Space, choice, integer, power_of_two, real
from knowhy.model.state import State, fold, foreseen
from knowhy.model.theory import FailsWhen, Theory
from knowhy.model.trial import Proposal

SPACE = Space(
    (
        real("lr", 1e-4, 1e-1, 1e-3, log=True),
        integer("depth", 1, 8, 2),
        power_of_two("width", 32, 1024, 128),
        real("dropout", 0.0, 0.8, 0.0),
        choice("kernel", ("rbf", "poly", "linear"), "rbf"),
    )
)
ENCODER = Encoder(SPACE, tuple(p.name for p in SPACE))
Fails = Callable[[Point], FailureKind | None]


def _number(point: Point, name: str) -> float:
    return float(point[name])  # type: ignore[arg-type]


def _points(count: int, seed: int = 0) -> list[dict[str, Scalar]]:
    return ENCODER.decode(ENCODER.sample(count, seed))


def _success(fails: Fails, count: int, named: tuple[FailsWhen, ...] = (), seed: int = 0) -> Success:
    points = _points(count, seed)
    return Success(ENCODER, ENCODER.encode(points), [fails(p) for p in points], named, 512, seed)


def _memory(point: Point) -> FailureKind | None:
    return "out_of_memory" if _number(point, "depth") * _number(point, "width") > 2048 else None


def _blows_up(point: Point) -> FailureKind | None:
    return "nan" if _number(point, "lr") > 0.02 else None


def _brier(success: Success, fails: Fails) -> float:
    points = _points(400, 99)
    truth = np.array([fails(p) is None for p in points])
    return float(np.mean((success.probability(ENCODER.encode(points)) - truth) ** 2))


def _state(fails: Fails, count: int, *claims: str) -> State:
    created = StudyCreated("s", (Objective("loss"),), SPACE, 3, {}, "t")
    state = foreseen(fold([]), [created])
    theories = [TheoryProposed(Theory(f"T{i}", "t", "b", (c,)), 0.5) for i, c in enumerate(claims)]
    state = foreseen(state, theories)
    for i, point in enumerate(_points(count), 1):
        kind = fails(point)
        ended = TrialFailed(i, Failure(kind, "x", 1.0)) if kind else TrialCompleted(i, Observation({"loss": 1.0}, 1.0))
        state = foreseen(state, [TrialProposed(Proposal(i, point, i, "learn", "")), TrialStarted(i, 1), ended])
    return state


def test_the_evidence_of_a_limit_is_that_of_all_its_thresholds() -> None:
    one = Space((real("x", 0.0, 1.0, 0.5),))
    encoder = Encoder(one, ("x",))
    rows = np.array([[0.1], [0.3], [0.35], [0.6], [0.9]])
    failed = np.array([False, False, True, False, True])
    features = Features(encoder)
    found = {p.above: p for p in boundaries.positions(features, Labelled(features(rows), failed)) if not p.fixed}
    thresholds = (np.arange(20_000) + 0.5) / 20_000
    for above in (True, False):
        inside = (rows[:, 0][None] > thresholds[:, None]) == above
        counts = [(inside & failed).sum(1), (inside & ~failed).sum(1), (~inside & failed).sum(1)]
        near_fine = (~inside & ~failed).sum(1)
        near = betaln(NEAR[0] + counts[2], NEAR[1] + near_fine) - betaln(*NEAR)
        far = [np.exp(betaln(a + counts[0], b + counts[1]) - betaln(a, b)) for a, b in FAR]
        each = np.exp(near) * sum(w * f for w, f in zip(FAR_SHARES, far, strict=True))
        assert found[above].log_weight == pytest.approx(np.log(0.5 * each.mean()), abs=2e-3)


def test_laplace_agrees_with_integration() -> None:
    family = Ard("smooth", (slice(0, 1),))
    theta = np.array([[np.log(1.2), np.log(0.5)]])
    rows, failed = np.array([[0.1], [0.4], [0.9]]), np.array([False, True, True])
    (fit,) = probit.fit(family, theta, rows, failed)
    at = np.array([[0.1], [0.25], [0.7]])
    rng = np.random.default_rng(0)
    both = np.concatenate([rows, at])
    k = family.covariances(theta, family.distances(both, both))[0] + 1.0
    latent = probit.MEAN + rng.standard_normal((400_000, 6)) @ np.linalg.cholesky(k + 1e-9 * np.eye(6)).T
    weight = np.prod(ndtr(np.where(failed, -1, 1) * latent[:, :3]), axis=1)
    assert fit.log_evidence == pytest.approx(np.log(weight.mean()), abs=0.1)
    expected = (weight[:, None] * ndtr(latent[:, 3:])).sum(0) / weight.sum()
    assert probit.chance(family, (fit,), np.ones(1), rows, at) == pytest.approx(expected, abs=0.05)
    drawn = probit.draw(family, (fit,), (4000,), rows, np.random.default_rng(1))
    assert drawn is not None
    assert ndtr(drawn(at)).mean(0) == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize(("fails", "worst"), [(_memory, 0.03), (_blows_up, 0.03)])
def test_sharp_limits_are_learned_from_few_trials(fails: Fails, worst: float) -> None:
    assert np.mean([_brier(_success(fails, 24, seed=s), fails) for s in range(4)]) < worst


def test_a_smooth_region_is_learned_where_no_limit_fits() -> None:
    def fails(p: Point) -> FailureKind | None:
        row = ENCODER.encode([p])[0]
        return "exit" if (row[0] - 0.6) ** 2 + (row[3] - 0.5) ** 2 < 0.16 else None

    learned = _success(fails, 90)
    assert _brier(learned, fails) < 0.09
    (cause,) = learned.causes
    assert cause.weights[len(cause.limits) : -1].sum() > 0.5


def test_luck_is_not_taken_for_a_limit() -> None:
    rng = np.random.default_rng(4)
    points = _points(60)
    kinds: list[FailureKind | None] = ["exit" if u < 0.1 else None for u in rng.random(60)]
    learned = Success(ENCODER, ENCODER.encode(points), kinds, (), 512, 0)
    chances = learned.probability(ENCODER.encode(_points(200, 9)))
    assert chances.min() > 0.6
    assert chances.mean() == pytest.approx(1 - np.mean([k is not None for k in kinds]), abs=0.06)


def test_a_choice_that_fails_is_learned() -> None:
    def fails(p: Point) -> FailureKind | None:
        return "exit" if p["kernel"] == "poly" else None

    assert _brier(_success(fails, 24), fails) < 0.02


def test_each_way_of_failing_has_its_limit() -> None:
    def fails(p: Point) -> FailureKind | None:
        return _memory(p) or _blows_up(p)

    learned = _success(fails, 40)
    assert len(learned.causes) == 2
    assert _brier(learned, fails) < 0.04
    together: list[FailureKind | None] = ["nan" if fails(p) else None for p in _points(40)]
    rows = ENCODER.encode(_points(40))
    mixed = Success(ENCODER, rows, together, (), 512, 0)
    assert any(p.fixed for p in mixed.causes[0].limits), "two limits explain what one cannot"
    assert _brier(mixed, fails) < 0.1


def test_draws_and_chances_are_one_posterior() -> None:
    for fails in (_memory, _blows_up):
        learned = _success(fails, 16)
        rows = ENCODER.encode(_points(100, 7))
        assert 1.0 - learned.failing(rows).mean(0) == pytest.approx(learned.probability(rows), abs=0.12)
        assert np.abs(1.0 - learned.failing(rows).mean(0) - learned.probability(rows)).mean() < 0.03


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 30), st.integers(0, 2**16), st.floats(0.0, 1.0))
def test_chances_are_probabilities_whatever_fails(count: int, seed: int, share: float) -> None:
    points = _points(max(count, 1), seed)[:count]
    rng = np.random.default_rng(seed)
    ways: tuple[FailureKind, ...] = ("nan", "timeout", "exit")
    kinds = [ways[rng.integers(3)] if rng.random() < share else None for _ in points]
    rows: Array = ENCODER.encode(points)
    one, two = (Success(ENCODER, rows, kinds, (), 64, seed) for _ in range(2))
    at = ENCODER.encode(_points(20, seed + 1))
    chances = one.probability(at)
    assert ((chances >= 0) & (chances <= 1)).all()
    assert (one.draws(at) == two.draws(at)).all(), "the same trials give the same draws"


def test_a_named_limit_has_a_prior_and_a_posterior() -> None:
    true, false = "trials fail when depth * width is above 2048", "trials fail when lr is above 0.01"
    unnamed, named = _state(_memory, 0), _state(_memory, 0, true, false)
    likewise = [true.replace("2048", t) for t in ("256", "512", "1024", "2048", "4096")]
    before, after = (sum(Beliefs().prior(s, (c,)) for c in likewise) for s in (unnamed, named))
    assert 0.0 < before < after < 0.5
    beliefs = [Beliefs().belief(_state(_memory, n, true, false), (true,)) for n in (6, 40)]
    assert beliefs[0] < 0.9 < beliefs[1]
    assert Beliefs().belief(_state(_memory, 40, true, false), (false,)) < 0.02
    assert Beliefs().belief(_state(_memory, 40, true, false), ("trials fail when depth * width is below 2048",)) < 0.02


def test_limits_are_doubted_while_nothing_fails() -> None:
    claim = "trials fail when lr is above 0.01"
    never: Fails = lambda point: None  # noqa: E731
    state = _state(never, 30, claim)
    assert Beliefs().belief(state, (claim,)) < 0.01 < Beliefs().prior(state, (claim,))
    posterior = Beliefs().posterior(state)
    assert (posterior.success(posterior.rows(_points(10, 5))) == 1.0).all()
