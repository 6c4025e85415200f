"""What makes the trees of a forest differ: a question about two parameters at once, and the step that answers it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.open_space.trainings import TRAININGS

from knowhy.engine import claims, design, places
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.elsewhere import abroad
from knowhy.model.events import Event, StudyCreated, TheoryProposed, TrialCompleted, TrialProposed, TrialStarted
from knowhy.model.space import Parameter, Scalar, Space
from knowhy.model.state import State, fold, foreseen
from knowhy.model.theory import Lies, Theory
from knowhy.model.trial import Proposal
from knowhy.theorists.builtin import Builtin
from knowhy.theorists.forests import sampling
from knowhy.theorists.reading import Reading

FOREST = TRAININGS["forest_features"]
OPENED = FOREST.opened()
QUESTION = "what makes the trees of the forest differ?"
TOGETHER = "the best val_loss lies where bootstrap = False and max_features <= 0.3"


def created(space: Space, subject: str = "forest_features") -> State:
    named: dict[str, Scalar] = {"kind": "benchmark", "problem": subject}
    return foreseen(fold([]), [StudyCreated("s", (FOREST.objective,), space, 1, named, "t")])


def changed(**parameters: Parameter) -> Space:
    return Space(tuple(parameters.get(p.name, p) for p in OPENED))


def test_it_is_asked_once_both_are_open() -> None:
    (question,) = sampling(Reading(created(OPENED)), FOREST.objective)
    found = [t for t in Builtin().propose(created(OPENED)) if isinstance(t, Theory) and t.question == QUESTION]
    assert question.text == QUESTION
    assert {t.claims for t in found} == {(TOGETHER,), ("the best val_loss lies where bootstrap = True",)}
    assert all(t.refuted_by for t in found)
    assert not list(sampling(Reading(created(FOREST.space)), FOREST.objective)), "both are held there"


@pytest.mark.parametrize(
    ("subject", "space"),
    [
        ("boosting", OPENED),
        ("forest_features", changed(bootstrap=replace(OPENED["bootstrap"], default=False))),
        ("forest_features", changed(max_features=replace(OPENED["max_features"], default=0.2))),
        ("forest_features", changed(max_features=replace(OPENED["max_features"], active=False))),
    ],
    ids=["no forest", "no samples anyway", "few features anyway", "features held"],
)
def test_it_is_not_asked_where_it_is_no_question(subject: str, space: Space) -> None:
    assert not list(sampling(Reading(created(space, subject)), FOREST.objective))


def test_what_is_named_together_changes_together_and_the_rest_stays() -> None:
    """The first visit is the best known with both changed; on this training that is better than the default."""
    default = OPENED.defaults()
    points = [default, default, {**default, "n_estimators": 30}, {**default, "bootstrap": False}]
    points += [{**default, "max_features": 0.1}, {**default, "max_depth": 5}, {**default, "n_estimators": 8}]
    events: list[Event] = []
    for i, point in enumerate(points, 1):
        seen = FOREST.evaluate(OPENED.complete(point), i)
        events += [TrialProposed(Proposal(i, point, i, "learn", "")), TrialStarted(i, 1), TrialCompleted(i, seen)]
    theory = Theory("T1", "together", "b", (TOGETHER,), QUESTION, after=7)
    state = foreseen(created(OPENED), [*events, TheoryProposed(theory, 0.3)])
    beliefs = Beliefs()
    posterior = beliefs.posterior(state)
    assert posterior.incumbent is not None
    best = posterior.incumbent.proposal.point
    claim = claims.parse(TOGETHER, OPENED, ("val_loss",))
    assert isinstance(claim, Lies)
    assert not places.inside(posterior.encoder, claim.bounds, posterior.rows([best]))[0]

    decision = abroad(beliefs, posterior, design.open_theories(beliefs, posterior), [], 40, 8)
    assert decision is not None
    point = OPENED.complete(decision.proposals[0].point)
    differs = {n for n in ("n_estimators", "max_depth", "min_samples_leaf", "criterion", "bootstrap", "max_features")
               if point[n] != OPENED.complete(best)[n]}  # fmt: skip
    assert differs == {"bootstrap", "max_features"}
    assert point["max_features"] == pytest.approx(0.3)
    losses = [FOREST.evaluate(p, 100 + s).metrics["val_loss"] for p in (point, OPENED.complete(best)) for s in range(4)]
    assert sum(losses[:4]) < sum(losses[4:])
