"""Changes of the space that the data ask for: ranges that widen, parameters that are frozen and reopened.

Each rests on a claim that is judged like any other, or on failures, and is an event that says so. All are pure in the
state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from knowhy.engine import claims
from knowhy.engine.beliefs import Beliefs, share
from knowhy.engine.bounds import Side, hard, wider
from knowhy.engine.posterior import Posterior
from knowhy.engine.screening import breaks
from knowhy.model.events import ParameterChanged
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Interval, Parameter, describe
from knowhy.model.state import State
from knowhy.model.theory import Matters, Optimum, Scope
from knowhy.model.trial import Completed

BY = "engine"
SURE_OF_EDGE = 0.8
SURE_OF_NOTHING = 0.95
NO_LONGER_SURE = 0.5
_EVERY = 4
_LEAST_TRIALS, _LEAST_DISTINCT, _LEAST_TO_FREEZE = 8, 6, 12
_LATEST = 0.7  # share of the budget after which the space stays as it is
_MOST_WIDENINGS = 2  # of one side
_LEFT_OPEN = 3
_EDGE = 0.93
_EDGES: dict[Side, str] = {"low": "lower", "high": "upper"}


def adapt(beliefs: Beliefs, state: State, looked_at: int = 0) -> list[ParameterChanged]:
    """What the trials so far say about the space; mostly nothing, and only after every fourth trial.

    ``looked_at`` is how many of the trials that ended were there the last time. That a patch breaks what it is in is
    seen at once.
    """
    broken = list(_broken(state))
    if broken:
        return broken
    if not state.objectives or state.run is None or len(state.order) // _EVERY == looked_at // _EVERY:
        return []
    if len(state.trials) > _LATEST * state.run.trials or len(state.completed) < _LEAST_TRIALS:
        return []
    posterior = beliefs.posterior(state)
    if posterior.incumbent is None or posterior.distinct < _LEAST_DISTINCT:
        return []
    found = [*_reopened(beliefs, posterior), *_widened(beliefs, posterior)]
    if not found:
        found += _frozen(beliefs, posterior)
    return found


def last_change(state: State, name: str) -> ParameterChanged | None:
    """What was last done to the parameter called ``name``; None where nothing was."""
    return next((c for _, c in reversed(state.changes) if c.parameter.name == name), None)


def by_evidence(change: ParameterChanged | None) -> bool:
    """Whether ``change`` froze a parameter because trials show that it does not matter."""
    return change is not None and change.change == "frozen" and change.belief is not None


def _believed(beliefs: Beliefs, posterior: Posterior, claim: Matters | Optimum) -> float:
    return share(beliefs.answer(posterior, claim).holds)


def _broken(state: State) -> Iterator[ParameterChanged]:
    """Patches that break what works without them."""
    for parameter in state.space.active:
        if parameter.role == PATCH_ROLE and breaks(state, parameter.name):
            reason = "every trial with it failed, and the same without it worked; it stays off"
            yield ParameterChanged(replace(parameter, active=False), "frozen", reason, BY)


def _widened(beliefs: Beliefs, posterior: Posterior) -> Iterator[ParameterChanged]:
    """Guessed ranges at whose edge the optimum sits, where trials ran near that edge and worked."""
    state = posterior.state
    best = posterior.incumbent
    assert best is not None
    for parameter in state.space.active:
        domain = parameter.domain
        if not parameter.guessed or not isinstance(domain, Interval) or posterior.encoder.index(parameter.name) < 0:
            continue
        if parameter.condition is not None and not parameter.condition.holds(best.proposal.point):
            continue
        at = domain.to_unit(_number(best, parameter))
        side: Side = "high" if at >= 0.5 else "low"
        if min(at, 1 - at) > 0.2 or not _supported(posterior, parameter, side):
            continue
        found = wider(parameter, side)
        if found is None or _times(state, parameter.name, side) >= _MOST_WIDENINGS:
            continue
        mark = float(domain.from_unit(_EDGE if side == "high" else 1 - _EDGE))
        claim = Optimum(
            state.objective.metric, parameter.name, "above" if side == "high" else "below", mark, mark, Scope("best")
        )
        belief = _believed(beliefs, posterior, claim)
        if belief < SURE_OF_EDGE:
            continue
        changed = replace(parameter, domain=found[0])
        edge = domain.high if side == "high" else domain.low
        reason = (
            f"the optimum sits at the {_EDGES[side]} edge of its range, {edge:g}, "
            f"where trial {best.proposal.trial} ran; it is now {describe(changed)}"
        )
        if found[1]:
            limit = hard(parameter)[1 if side == "high" else 0]
            reason += f", and never beyond {limit:g}: {found[1]}"
        yield ParameterChanged(changed, "widened", reason, BY, claims.render(claim), belief)


def _number(trial: Completed, parameter: Parameter) -> float:
    value = trial.proposal.point.get(parameter.name, parameter.default)
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _supported(posterior: Posterior, parameter: Parameter, side: Side) -> bool:
    """Whether two trials near the edge worked, one far from it did, and the edge itself is not where trials fail."""
    domain = parameter.domain
    assert isinstance(domain, Interval)
    places = np.array([domain.to_unit(_number(t, parameter)) for t in posterior.completed])
    from_edge = 1 - places if side == "high" else places
    if np.sum(from_edge <= 0.2) < 2 or np.sum(from_edge >= 0.4) < 2:
        return False
    best = posterior.incumbent
    assert best is not None
    row = posterior.rows([best.proposal.point])
    group = posterior.encoder.index(parameter.name)
    row[:, posterior.encoder.slices[group]] = 1.0 if side == "high" else 0.0
    return bool(posterior.success(row)[0] >= 0.7)


def _times(state: State, name: str, side: Side) -> int:
    """How often the range of ``name`` was widened on ``side`` without a person."""
    edge = f"the {_EDGES[side]} edge"
    own = (c for _, c in state.changes if c.parameter.name == name and c.change == "widened" and c.by == BY)
    return sum(edge in change.reason for change in own)


def _nothing(parameter: Parameter, state: State) -> list[Matters]:
    """The claims by which ``parameter`` does nothing: to each objective, on average and near the best."""
    return [
        Matters(parameter.name, o.metric, False, scope) for o in state.objectives for scope in (Scope(), Scope("best"))
    ]


def _frozen(beliefs: Beliefs, posterior: Posterior) -> Iterator[ParameterChanged]:
    """The active parameter that most surely does not matter, where that is shown by data."""
    state = posterior.state
    active = state.space.active
    if len(active) <= _LEFT_OPEN or len(state.completed) < max(_LEAST_TO_FREEZE, 2 * len(active)):
        return
    spoken = _in_question(beliefs, state)
    found: list[tuple[float, Parameter, Matters]] = []
    for parameter in active:
        last = last_change(state, parameter.name)
        if (last is not None and last.by != BY) or parameter.name in spoken:
            continue  # who opened it wants to know
        if any(p.condition is not None and p.condition.parent == parameter.name for p in active):
            continue
        if any(state.space.complete(t.proposal.point)[parameter.name] != parameter.default for t in state.pending):
            continue
        tried = {repr(t.proposal.point.get(parameter.name, parameter.default)) for t in posterior.completed}
        wanted = _nothing(parameter, state)
        if len(tried) < min(4, _count(parameter)):
            continue
        beliefs_in = [_believed(beliefs, posterior, claim) for claim in wanted]
        prior = share(beliefs.answer(posterior, wanted[0], prior=True).holds)
        if min(beliefs_in) >= SURE_OF_NOTHING and prior <= 0.6:
            found.append((min(beliefs_in), parameter, wanted[0]))
    if found:
        belief, parameter, claim = max(found, key=lambda item: item[0])
        reason = (
            f"{len(posterior.completed)} trials show that it does not matter, on average and near the best "
            f"(belief {belief:.2f}); it stays at {parameter.default} unless the evidence turns"
        )
        held = replace(parameter, active=False)
        yield ParameterChanged(held, "frozen", reason, BY, claims.render(claim), belief)


def _count(parameter: Parameter) -> int:
    return 4 if isinstance(parameter.domain, Interval) else len(parameter.domain.values)


def _in_question(beliefs: Beliefs, state: State) -> set[str]:
    """Parameters that theories of people, or contrasts under way, are about."""
    named: set[str] = set()
    for theory in state.theories.values():
        under_way = any(c.theory == theory.id and c.id not in state.evidence for c in state.contrasts.values())
        if under_way or (theory.by == "person" and 0.1 < state.beliefs.get(theory.id, 0.5) < 0.9):
            named |= {p for c in beliefs.claims(state, theory.claims) for p in claims.mentions(c)[0]}
    return named


def _reopened(beliefs: Beliefs, posterior: Posterior) -> Iterator[ParameterChanged]:
    """What was frozen by evidence that later trials have taken back."""
    state = posterior.state
    for parameter in state.space.held:
        last = last_change(state, parameter.name)
        if not by_evidence(last) or posterior.encoder.index(parameter.name) < 0:
            continue
        doubted = min(_nothing(parameter, state), key=lambda claim: _believed(beliefs, posterior, claim))
        belief = _believed(beliefs, posterior, doubted)
        if belief < NO_LONGER_SURE:
            reason = (
                f"it was frozen as one that does not matter, which later trials speak against (belief {belief:.2f})"
            )
            opened = replace(parameter, active=True)
            yield ParameterChanged(opened, "opened", reason, BY, claims.render(doubted), belief)
