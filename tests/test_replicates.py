"""Running a configuration again: what that is worth against a new one, and when it is done."""

from __future__ import annotations

import numpy as np
import pytest

from knowhy.engine import replicates
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.policy import TheoryPolicy
from knowhy.model.decision import Budget
from knowhy.model.events import StudyCreated, TrialCompleted, TrialProposed, TrialStarted
from knowhy.model.objective import Objective
from knowhy.model.observation import Observation
from knowhy.model.space import Space, real
from knowhy.model.state import State, fold, foreseen
from knowhy.model.trial import Proposal

SPACE = Space((real("x", 0.0, 1.0, 0.5), real("y", 0.0, 1.0, 0.5)))


def test_what_a_look_is_worth_is_what_simulation_says() -> None:
    rng = np.random.default_rng(0)
    covariance = np.array([[1.0, 0.6, 0.0], [0.6, 0.8, 0.1], [0.0, 0.1, 0.3]])
    mean = np.array([0.0, 0.2, 0.1])
    noise = np.array([0.5, 0.2, 2.0])
    values = mean + rng.standard_normal((200_000, 3)) @ np.linalg.cholesky(covariance).T
    found = replicates.knowledge_gradients(values, noise)
    for i in range(3):
        seen = values[:, i] + noise[i] * rng.standard_normal(len(values))
        slope = covariance[:, i] / (covariance[i, i] + noise[i] ** 2)
        after = (mean[:, None] + slope[:, None] * (seen - mean[i])).min(axis=0).mean()
        assert found[i] == pytest.approx(mean.min() - after, abs=0.02)
    assert found[2] < 0.1 * found[0], "a noisy look at what is known tells little"


def test_a_look_that_can_change_no_choice_is_worth_nothing() -> None:
    values = np.array([0.0, 50.0]) + np.random.default_rng(1).standard_normal((500, 2))
    assert replicates.knowledge_gradients(values, np.ones(2)).max() < 1e-6


def _study(count: int, noise: float, seed: int) -> State:
    rng = np.random.default_rng(seed)
    state = foreseen(fold([]), [StudyCreated("s", (Objective("loss"),), SPACE, seed, {}, "t")])
    points = [SPACE.defaults(), SPACE.defaults()]
    points += [{"x": round(float(x), 3), "y": round(float(y), 3)} for x, y in rng.random((count - 2, 2))]
    for i, point in enumerate(points, 1):
        x, y = float(point["x"]), float(point["y"])  # type: ignore[arg-type]
        loss = (x - 0.4) ** 2 + (y - 0.6) ** 2 + noise * float(rng.standard_normal())
        ended = TrialCompleted(i, Observation({"loss": loss}, 1.0))
        proposed = TrialProposed(Proposal(i, point, i, "improve", "", expected_bits=1.0))
        state = foreseen(state, [proposed, TrialStarted(i, 1), ended])
    return state


def test_late_in_a_noisy_search_what_may_have_been_lucky_is_run_again() -> None:
    repeated = []
    for seed in range(6):
        state = _study(27, 0.2, seed)
        early, late = (TheoryPolicy(Beliefs()).decide(state, Budget(trials)) for trials in (120, 41))
        assert "lucky" not in early.reason
        if "lucky" in late.reason:
            (made,) = late.proposals
            assert made.purpose == "improve"
            assert any(t.proposal.point == made.point for t in state.completed)
            assert "another run is worth" in made.reason
            repeated.append(seed)
    assert repeated


def test_without_noise_nothing_is_run_again() -> None:
    state = _study(27, 0.0, 1)
    posterior = Beliefs().posterior(state)
    assert posterior.deterministic
    assert replicates.again(posterior, posterior.candidates[1][0] + 0.01, []) is None


def test_what_is_pending_is_not_run_again() -> None:
    state = _study(20, 0.3, 2)
    posterior = Beliefs().posterior(state)
    trials, rows = posterior.candidates
    worst = max(range(len(trials)), key=lambda i: trials[i].observation.metrics["loss"])
    far = rows[worst]
    found = replicates.again(posterior, far, [])
    assert found is not None
    assert found.gain > found.fresh
    waiting = [t.proposal.point for t in state.completed]
    assert replicates.again(posterior, far, waiting) is None
