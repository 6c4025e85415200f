"""Trials that settle what single patches do, once all have been looked at together.

What a patch does is asked in two places: alone, at the default, and on average over the others. Where effects saturate
(three patches that each cure the same ill), the average is small and drowns although each is large alone; where
patches only count together, alone there is nothing to see. The next trial is the one that is expected to tell most
about all that is still undecided in either place: a patch by itself, the default again, the best configuration
with one patch turned, or some of them at once. A patch that is decided is asked about no more, so that its trials go
to the others. Before all that, what showed something by itself on one seed is looked at on another, where the default
has run too: two such differences tell more of what a patch does alone than any trial of several patches.

Sources: Lindley 1956 (information of an experiment); Chaloner and Verdinelli 1995 (Bayesian sequential design).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from knowhy.engine import design
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.encoding import Array
from knowhy.engine.looks import seed_of
from knowhy.engine.posterior import Posterior
from knowhy.engine.screening import breaking
from knowhy.engine.switches import SwitchEffect, switch_claims
from knowhy.model.space import Point, Scalar, same_point
from knowhy.model.state import State
from knowhy.model.theory import Theory

SURE = 0.98  # what is surer than that stays so: beliefs of 0.95 come and go with the next few trials
_LARGE = 3.0  # half noises: what may be larger than that is worth asking about
_TOGETHER, _ON = 24, 0.25
_REPEATS = 3


def undecided(names: Iterable[str], *places: Mapping[str, SwitchEffect]) -> tuple[str, ...]:
    """Those of ``names`` that may have a large effect whose sign is not known yet, in their order.

    ``places`` are effects alone and on average. Who surely helps or hurts in one of them is decided, and whose effect
    is most likely small in each is left at that: to prove a nothing takes more trials than it is worth.
    """
    found = []
    for name in names:
        effects = [place[name] for place in places if name in place]
        if any(max(e.helps, e.hurts) >= SURE for e in effects):
            continue
        if not effects or any(max(-e.low, e.high) > _LARGE * e.margin for e in effects):
            found.append(name)
    return tuple(found)


def next_repeat(state: State, alone: Mapping[str, SwitchEffect], open_: Sequence[str]) -> Point | None:
    """The patch among ``open_``, by itself, that is to run on one more of the seeds of the default; None where none is.

    It is one that has run on the fewest of them, and of these the one whose differences from the default are largest.
    """
    metric, defaults = state.objective.metric, state.space.defaults()
    base = _by_seed(state, defaults, metric)
    found = []
    for name in open_:
        if name not in alone:
            continue
        point = state.space.complete({**defaults, name: True}, keep=[name])
        seen = _by_seed(state, point, metric)
        changes = [value - base[seed] for seed, value in seen.items() if seed in base]
        pending = any(same_point(t.proposal.point, point) for t in state.pending)
        if not changes or pending or len(changes) >= min(_REPEATS, len(base)):
            continue
        size = abs(float(np.mean(changes)))
        if size >= alone[name].margin:
            found.append((len(changes), -size, name, point))
    return min(found)[-1] if found else None


def _by_seed(state: State, point: Point, metric: str) -> dict[int, float]:
    same = [t for t in state.completed if same_point(t.proposal.point, point)]
    return {seed_of(t.proposal): t.observation.metrics[metric] for t in same if metric in t.observation.metrics}


def next_settling(
    beliefs: Beliefs, state: State, posterior: Posterior, names: Sequence[str], open_: Sequence[str]
) -> Point | None:
    """The configuration that tells most about the patches ``open_``; None where nothing does.

    Besides these, any of ``names`` may be on in it.
    """
    claims = [c for name in open_ for c in switch_claims(state, posterior, name)]
    bits = np.array([beliefs.answer(posterior, c).holds for c in claims])
    metric = state.objective.metric
    asked = design.Open(
        tuple(Theory("", "", "", ()) for _ in claims), bits, np.ones(len(claims)), ((metric,),) * len(claims)
    )
    points = _candidates(state, posterior, names, open_)
    rows: Array = posterior.rows(points)
    pending = [t.proposal.point for t in state.pending]
    told = design.lessons(posterior, asked, rows, pending, state.seed + state.next_trial)
    at = int(np.argmax(told.total))
    return points[at] if told.total[at] > 0.0 else None


def _candidates(
    state: State, posterior: Posterior, names: Sequence[str], open_: Sequence[str]
) -> list[dict[str, Scalar]]:
    """The default and the best configuration, each also with one patch turned, and some patches at once."""
    rng = np.random.default_rng([state.seed, 71, state.next_trial])
    default = state.space.defaults()
    best = posterior.incumbent.proposal.point if posterior.incumbent is not None else default
    risky = {n for n, chance in breaking(names, state).items() if chance > 0.5}
    found = []
    for ground in (default, best):
        found.append(state.space.complete(dict(ground)))
        for name in open_:
            turned = {**ground, name: ground.get(name) is not True}
            found.append(state.space.complete(turned, keep=[name]))
    for _ in range(_TOGETHER):
        on = {str(n): bool(rng.random() < _ON) and n not in risky for n in rng.permutation(list(names))}
        found.append(state.space.complete({**default, **on}))
    return found
