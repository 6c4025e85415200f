"""Where the best of all lies: the claim, the question that asks it, and the trials that look elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from benchmarks.worlds.catalogue import WORLDS
from benchmarks.worlds.world import World, random_points

from knowhy import reflection
from knowhy.engine import claims, design, places
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.elsewhere import abroad
from knowhy.engine.encoding import Array, Encoder
from knowhy.model.events import StudyCreated, TheoryProposed, TrialCompleted, TrialProposed, TrialStarted
from knowhy.model.observation import Observation
from knowhy.model.space import Point, Space, choice, real
from knowhy.model.state import State, fold, foreseen
from knowhy.model.theory import Bound, Effect, Lies, Theory
from knowhy.model.trial import Proposal
from knowhy.theorists.builtin import Builtin
from knowhy.theorists.elsewhere import elsewhere
from knowhy.theorists.reading import Reading

DECOY = WORLDS["decoy"]
SPACE = Space((real("x", 0.0, 1.0, 0.5), real("y", 0.0, 1.0, 0.5), choice("kind", ("a", "b", "c"), "a")))
ENCODER = Encoder(SPACE, ("x", "y", "kind"))


def _cost(rows: Array) -> Array:
    """Two draws: a broad valley at 0.2; the same with a deeper, narrow one at x = y = 0.9 where kind is b."""
    broad = (rows[:, 0] - 0.2) ** 2 + (rows[:, 1] - 0.2) ** 2
    kind = rows[:, 3] > 0.5
    narrow = np.exp(-((rows[:, 0] - 0.9) ** 2 + (rows[:, 1] - 0.9) ** 2) / 0.02) * kind
    return np.stack([broad, broad - 3.0 * narrow])


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ((Bound("x", ">=", 0.6),), [False, True]),
        ((Bound("x", "<=", 0.4),), [True, False]),
        ((Bound("x", ">=", 0.6), Bound("y", "<=", 0.4)), [False, False]),
        ((Bound("kind", "=", "b"), Bound("y", ">=", 0.7)), [False, True]),
        ((Bound("x", ">=", 0.0),), [True, True]),
    ],
)
def test_each_draw_has_its_best_in_one_place(bounds: tuple[Bound, ...], expected: list[bool]) -> None:
    best = ENCODER.encode([{"x": 0.2, "y": 0.2, "kind": "a"}])[0]
    assert places.lies_inside(ENCODER, bounds, _cost, best, 3).tolist() == expected


def test_what_fails_is_not_best() -> None:
    def latent(rows: Array) -> Array:
        return np.where(rows[:, 0] > 0.6, -1.0, 1.0)[None].repeat(2, axis=0)

    best = ENCODER.encode([{"x": 0.2, "y": 0.2, "kind": "a"}])[0]
    found = places.lies_inside(ENCODER, (Bound("x", ">=", 0.6),), places.costs(_cost, 1.0, latent), best, 3)
    assert found.tolist() == [False, False]


def _study(world: World, points: Sequence[Point]) -> State:
    state = foreseen(fold([]), [StudyCreated("s", (world.objective,), world.space, 1, {}, "t")])
    for i, point in enumerate(points, 1):
        seen = world.observe(point, i)
        assert isinstance(seen, Observation)
        proposed = TrialProposed(Proposal(i, point, i, "learn", ""))
        state = foreseen(state, [proposed, TrialStarted(i, 1), TrialCompleted(i, seen)])
    return state


def _stuck(count: int = 14) -> State:
    """A study whose good trials all lie in the decoy's broad valley."""
    rng = np.random.default_rng(2)
    near = [
        {**DECOY.space.defaults(), "learning_rate": float(r), "weight_decay": float(w)}
        for r, w in zip(10 ** rng.uniform(-3.4, -2.7, count - 5), 10 ** rng.uniform(-5, -3.6, count - 5), strict=True)
    ]
    return _study(DECOY, [DECOY.space.defaults(), *near, *random_points(DECOY.space, 4, np.random.default_rng(7))])


def test_the_study_notices_that_it_is_in_one_region() -> None:
    (question,) = elsewhere(Reading(_stuck()), DECOY.objective)
    theories = question.theories(14)
    parsed = [claims.parse(t.claims[0], DECOY.space, ("val_loss",)) for t in theories]
    assert all(isinstance(c, Lies) for c in parsed)
    here, beyond = parsed[0], parsed[1:]
    default = Encoder(DECOY.space, tuple(p.name for p in DECOY.space))
    row = default.encode([DECOY.space.defaults()])
    assert isinstance(here, Lies)
    assert places.inside(default, here.bounds, row)[0], "home is where the default and all good trials are"
    assert any(
        c.bounds[0].parameter == "learning_rate" and c.bounds[0].op == ">=" for c in beyond if isinstance(c, Lies)
    )
    assert all(t.refuted_by for t in theories)
    spread = _study(DECOY, random_points(DECOY.space, 8, np.random.default_rng(1)))
    assert not list(elsewhere(Reading(spread), DECOY.objective)), "too few trials to say so"


def test_the_elsewhere_is_visited_with_much_changed() -> None:
    beliefs, state = Beliefs(), _stuck()
    theory = Theory("T1", "another regime", "b", ("the best val_loss lies where learning_rate >= 0.004",), after=14)
    state = foreseen(state, [TheoryProposed(theory, 0.3)])
    seen: list[Point] = []
    for _ in range(2):
        state = foreseen(state, reflection.after_trials(beliefs, [], state))
        posterior = beliefs.posterior(state)
        decision = abroad(beliefs, posterior, design.open_theories(beliefs, posterior), [], 40, state.next_trial)
        if decision is None:
            break
        (made,) = decision.proposals
        assert made.purpose == "learn"
        assert "T1" in made.reason
        assert float(made.point["learning_rate"]) >= 0.004  # type: ignore[arg-type]
        seen.append(made.point)
        outcome = DECOY.observe(made.point, made.trial)
        assert isinstance(outcome, Observation)
        done = TrialCompleted(made.trial, outcome)
        state = foreseen(state, [TrialProposed(made), TrialStarted(made.trial, 1), done])
    assert seen
    rows = posterior.rows([*seen, DECOY.space.defaults()])
    assert (np.abs(rows[0] - rows[-1]) > 0.2).sum() >= 3


def test_nothing_is_visited_where_nobody_asks() -> None:
    beliefs, state = Beliefs(), _stuck()
    posterior = beliefs.posterior(state)
    assert abroad(beliefs, posterior, design.open_theories(beliefs, posterior), [], 40, 1) is None


def test_the_built_in_theorist_asks_however_many_theories_are_open() -> None:
    beliefs, state = Beliefs(), _stuck()
    for _ in range(3):
        state = foreseen(state, reflection.theories(beliefs, [Builtin()], state))
    asked = [t for t in state.theories.values() if " lies where " in t.claims[0]]
    assert len(asked) >= 2
    assert len({t.question for t in asked}) == 1


def test_a_claim_about_a_part_of_the_space_is_tried_there() -> None:
    beliefs, state = Beliefs(), _stuck()
    sentence = "raising dropout from 0 to 0.4 raises val_loss at the default where learning_rate >= 0.03"
    state = foreseen(state, [TheoryProposed(Theory("T1", "dropout hurts hot runs", "b", (sentence,), after=14), 0.3)])
    state = foreseen(state, reflection.after_trials(beliefs, [], state))
    posterior = beliefs.posterior(state)
    open_ = design.open_theories(beliefs, posterior)
    assert [t.id for t in open_.theories] == ["T1"]
    bound = (Bound("learning_rate", ">=", 0.03),)
    (claim,) = beliefs.claims(state, (sentence,))
    assert isinstance(claim, Effect)
    wanted = []
    for value in (claim.start, claim.end):
        point = {**state.space.defaults(), "learning_rate": 0.03, "dropout": value}
        wanted.append(posterior.encoder.snap(posterior.rows([point]))[0])
    rows = design.candidates(beliefs, posterior, open_, 1)
    assert all(np.abs(rows - row).max(axis=1).min() < 1e-6 for row in wanted)
    pairs, _, bits = design.contrasts(beliefs, posterior, open_, 1)
    assert len(pairs)
    assert places.inside(posterior.encoder, bound, pairs.reshape(-1, pairs.shape[2])).all()
    assert bits.max() > 0.0
