"""Improvement: the logarithm of expected improvement, failures, constraints and several objectives."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import erfcx

from knowhy.engine import improvement
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.encoding import Encoder
from knowhy.engine.improvement import acquisition, believe_pending, log_h, maximise, starts
from knowhy.engine.posterior import Posterior
from knowhy.model.objective import Constraint, Objective
from knowhy.model.observation import Failure, Observation, Outcome
from knowhy.model.space import Point, Space, real
from knowhy.model.state import State
from knowhy.model.trial import Completed, Failed, Proposal

SPACE = Space((real("x", 0, 1, 0.5), real("y", 0, 1, 0.5)))


def _state(
    outcome: Callable[[Point], Outcome],
    n: int = 16,
    objectives: tuple[Objective, ...] = (Objective("loss"),),
    constraints: tuple[Constraint, ...] = (),
) -> State:
    encoder = Encoder.covering(SPACE, [])
    state = State(name="s", objectives=objectives, constraints=constraints, space=SPACE, seed=1)
    for i, point in enumerate(encoder.decode(encoder.sample(n, 2)), 1):
        _end(state, Proposal(i, point, i, "learn", ""), outcome(point))
    return replace(state, next_trial=n + 1)


def _end(state: State, proposal: Proposal, found: Outcome) -> None:
    ended = Completed(proposal, found, 0.0) if isinstance(found, Observation) else Failed(proposal, found, 0.0)
    state.trials[proposal.trial] = ended
    state.order.append(proposal.trial)


def _bowl(p: Point) -> float:
    return (float(p["x"]) - 0.7) ** 2 + 0.5 * (float(p["y"]) - 0.4) ** 2


def _best(posterior: Posterior, seed: int = 0) -> Point:
    rng = np.random.default_rng(seed)
    score = acquisition(posterior, [], rng)
    rows, _ = maximise(posterior, score, posterior.rows([SPACE.defaults()]), seed, rng)
    return posterior.encoder.decode(rows[0])[0]


def test_log_h_over_the_whole_range() -> None:
    """log(phi + z Phi) = log phi + log(1 + z m), m the Mills ratio by scipy's scaled complementary error function."""
    z = np.linspace(-40, 10, 2001)
    mills = np.sqrt(np.pi / 2) * erfcx(-z / np.sqrt(2))
    series = (
        np.array([1, -3, 15, -105, 945, -10395]) @ np.where(z < 0, z, -1.0)[None] ** (-2.0 * np.arange(1, 7))[:, None]
    )
    inner = np.where(z < -8, series, 1 + z * mills)
    reference = -0.5 * z * z - 0.5 * np.log(2 * np.pi) + np.log(inner)
    assert log_h(z) == pytest.approx(reference, abs=2e-3)
    assert np.all(np.diff(log_h(z)) > 0)


def test_expected_improvement_is_that_of_simulated_outcomes() -> None:
    posterior = Beliefs().posterior(_state(lambda p: Observation({"loss": _bowl(p)}, 1.0)))
    rows = posterior.encoder.sample(64, 5)
    score = np.exp(acquisition(posterior, [], np.random.default_rng(0))(rows))
    response = posterior.response("loss")
    draws = response.draws(np.concatenate([rows, posterior.rows([t.proposal.point for t in posterior.completed])]))
    # the incumbent is the best posterior mean of tried points, for each model; averaged over draws it is nearly that
    best = posterior.expected("loss", posterior.candidates[1])[0].min()
    simulated = np.mean(np.maximum(best - draws[:, :64], 0.0), axis=0)
    assert np.corrcoef(score, simulated)[0, 1] > 0.95
    assert score.max() == pytest.approx(simulated.max(), rel=0.5, abs=0.01)


def test_the_search_goes_to_the_bottom_of_a_bowl() -> None:
    for direction, sign in (("minimize", 1.0), ("maximize", -1.0)):
        objective = (Objective("loss", direction),)  # type: ignore[arg-type]
        state = _state(lambda p, s=sign: Observation({"loss": s * _bowl(p)}, 1.0), objectives=objective)  # type: ignore[misc]
        point = _best(Beliefs().posterior(state))
        assert abs(float(point["x"]) - 0.7) < 0.2
        assert abs(float(point["y"]) - 0.4) < 0.3


def test_a_half_that_fails_is_avoided_although_it_promises_most() -> None:
    def outcome(p: Point) -> Outcome:
        if float(p["x"]) > 0.5:
            return Failure("nan", "diverged", 1.0)
        return Observation({"loss": 1.0 - float(p["x"])}, 1.0)

    posterior = Beliefs().posterior(_state(outcome, 24))
    assert float(_best(posterior)["x"]) < 0.6
    inside = posterior.success(posterior.rows([{"x": 0.9, "y": 0.5}, {"x": 0.1, "y": 0.5}]))
    assert inside[0] < 0.25
    assert inside[1] > 0.75


def test_points_that_break_a_constraint_lose() -> None:
    state = _state(
        lambda p: Observation({"loss": 1.0 - float(p["x"]), "memory": float(p["x"])}, 1.0),
        constraints=(Constraint("memory", "<=", 0.6),),
    )
    posterior = Beliefs().posterior(state)
    point = _best(posterior)
    assert 0.4 < float(point["x"]) < 0.7
    assert posterior.incumbent is not None
    assert posterior.incumbent.observation.metrics["memory"] <= 0.6


def _again(state: State, point: Point, outcomes: list[Outcome]) -> State:
    for i, found in enumerate(outcomes, state.next_trial):
        _end(state, Proposal(i, point, i, "verify", ""), found)
    return replace(state, next_trial=state.next_trial + len(outcomes))


@pytest.mark.parametrize(("failed", "ran", "stays"), [(3, 1, False), (0, 4, True), (1, 12, True)])
def test_a_configuration_that_fails_again_and_again_is_not_the_best(failed: int, ran: int, stays: bool) -> None:
    rng = np.random.default_rng(0)
    state = _state(lambda p: Observation({"loss": _bowl(p) + 0.01 * rng.standard_normal()}, 1.0), 24)
    first = Beliefs().posterior(state).incumbent
    assert first is not None
    best = first.proposal.point
    ended: list[Outcome] = [Observation({"loss": first.observation.metrics["loss"]}, 1.0) for _ in range(ran)]
    ended += [Failure("exit", "did not converge", 1.0)] * failed
    now = Beliefs().posterior(_again(state, best, ended)).incumbent
    assert now is not None
    assert (now.proposal.point == best) is stays


def test_what_breaks_a_constraint_does_not_set_the_mark_to_beat() -> None:
    """The gain at points that keep the constraint is that over the best point that keeps it."""
    state = _state(
        lambda p: Observation({"loss": 1.0 - float(p["x"]), "memory": float(p["x"])}, 1.0),
        constraints=(Constraint("memory", "<=", 0.6),),
    )
    posterior = Beliefs().posterior(state)
    best = max(t.observation.metrics["memory"] for t in posterior.candidates[0])
    gain = acquisition(posterior, [], np.random.default_rng(0))(posterior.rows([{"x": best + 0.04, "y": 0.5}]))
    scale = posterior.response("loss").transform.scale
    assert np.exp(gain[0]) > 0.25 * 0.04 / scale


def test_while_nothing_keeps_the_constraints_the_search_goes_where_they_may_hold() -> None:
    for objectives in ((Objective("loss"),), (Objective("loss"), Objective("size"))):
        state = _state(
            lambda p: Observation({"loss": _bowl(p), "size": float(p["y"]), "memory": 2.0 + float(p["x"])}, 1.0),
            objectives=objectives,
            constraints=(Constraint("memory", "<=", 2.01),),
        )
        posterior = Beliefs().posterior(state)
        assert posterior.incumbent is None
        assert float(_best(posterior)["x"]) < 0.35


def test_several_objectives_are_traded_off_along_their_front() -> None:
    """Best at x = 0.2 for one and x = 0.8 for the other: proposals lie between, and not all in one place."""
    state = _state(
        lambda p: Observation({"a": (float(p["x"]) - 0.2) ** 2, "b": (float(p["x"]) - 0.8) ** 2}, 1.0),
        n=20,
        objectives=(Objective("a"), Objective("b")),
    )
    posterior = Beliefs().posterior(state)
    pending: list[Point] = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        score = acquisition(posterior, pending, rng)
        rows, _ = maximise(posterior, score, starts(posterior), seed, rng)
        pending += posterior.encoder.decode(rows[:1])
    x = [float(str(p["x"])) for p in pending]
    assert all(0.1 <= v <= 0.9 for v in x)
    assert np.ptp(x) > 0.05


def test_a_pending_trial_is_believed_and_not_proposed_again() -> None:
    posterior = Beliefs().posterior(_state(lambda p: Observation({"loss": _bowl(p)}, 1.0), 8))
    response = posterior.response("loss")
    rows = posterior.rows([_best(posterior)])
    rng = np.random.default_rng(0)
    free = acquisition(posterior, [], rng)(rows)[0]
    taken = acquisition(posterior, [posterior.encoder.decode(rows)[0]], rng)(rows)[0]
    assert taken < free
    particles, grown = believe_pending(response.particles, response.data, rows)
    assert len(grown) == len(response.data) + 1
    assert all(p.log_weight > -6.0 for p in particles)
    assert improvement.believe_pending(response.particles, response.data, rows[:0])[1] is response.data
