"""Three scripted minds that a study may ask: one knows the planted truth, one is useless, one misleads.

Each answers over HTTP as a real model would: it is told the brief, and hands in proposals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from benchmarks.theorists.server import Asked, Calls, Said, propose
from benchmarks.worlds.world import World
from knowhy.model.space import Interval, Scalar

KINDS = ("none", "good", "useless", "misleading")


def mind(kind: str, world: World) -> Callable[[Asked], Said]:
    """The brain of a theorist of this ``kind`` about ``world``."""
    return {"good": _good, "useless": _useless, "misleading": _misleading}[kind](world)


def _good(world: World) -> Callable[[Asked], Said]:
    """Looks once, then says what is true, with the experiments that a person who knows would run."""
    best, _ = world.optimum
    near = dict(best)
    answer = propose(
        critique="",
        theories=[
            {
                "title": t.title,
                "because": t.because,
                "claims": list(t.claims),
                "probability": 0.9,
                "question": t.question,
            }
            for t in world.theories
            if t.true
        ][:6],
        opinions=[{"claims": [c], "probability": 0.9, "reason": "known"} for c in _around(world, best)],
        experiments=[_experiment(world, near)],
    )
    return lambda asked: Calls((("list_trials", {"order": "best"}),)) if asked.turn == 0 else answer


def _useless(world: World) -> Callable[[Asked], Said]:
    """Says little, and nothing that can be used: prose for sentences, restatements, experiments at the default."""
    name = world.space.active[0].name
    answers = (
        propose(theories=[_theory("It is the data", ["better data would help"], 0.5)]),
        propose(
            theories=[
                _theory("It is the data", ["better data would help"], 0.5),
                _theory("Things matter", [f"{name} matters for {world.objective.metric}"], 0.5),
            ],
            experiments=[{"settings": [{"parameter": name, "value": _json(world.space[name].default)}], "reason": "?"}],
        ),
    )
    return lambda asked: answers[min(asked.turn, 1)]


def _misleading(world: World) -> Callable[[Asked], Said]:
    """Says with confidence what is false, and asks for the experiments that are worst."""
    worst = max(world.sample, key=world.regret)
    if math.isinf(world.regret(worst)):
        worst = max((p for p in world.sample if not math.isinf(world.regret(p))), key=world.regret)
    false = [t for t in world.theories if not t.true]
    true = [t for t in world.theories if t.true]
    answer = propose(
        theories=[_theory(t.title, list(t.claims), 0.98) for t in false][:6],
        opinions=[
            *({"claims": [c], "probability": 0.98, "reason": "trust me"} for c in _around(world, worst)),
            *({"claims": list(t.claims), "probability": 0.02, "reason": "nonsense"} for t in true),
        ][:8],
        experiments=[_experiment(world, worst)],
    )
    return lambda asked: answer


def _around(world: World, point: Mapping[str, Scalar]) -> list[str]:
    """That the best is where ``point`` is, for each parameter that is a number."""
    metric = world.objective.metric
    found = []
    for p in world.space.active:
        value = point[p.name]
        if isinstance(p.domain, Interval) and isinstance(value, (int, float)):
            found.append(f"{metric} is best with {p.name} near {value:.4g}")
    return found[:8]


def _theory(title: str, claims: list[str], probability: float) -> dict[str, object]:
    return {"title": title, "because": "so it is", "claims": claims, "probability": probability}


def _experiment(world: World, point: Mapping[str, Scalar]) -> dict[str, object]:
    settings = [{"parameter": p.name, "value": _json(point[p.name])} for p in world.space.active]
    return {"settings": settings, "reason": "look here"}


def _json(value: Scalar) -> Scalar:
    return value
