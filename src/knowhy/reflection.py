"""Reflection: what follows from trials that ended, as events. Pure in the state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from knowhy.engine import evidence
from knowhy.engine.adaptation import adapt, last_change
from knowhy.engine.beliefs import Beliefs, contrast_pairs
from knowhy.engine.claims import mentions
from knowhy.errors import SpaceError
from knowhy.model.events import (
    Event,
    EvidenceUpdated,
    ExclusionAdded,
    NoteAdded,
    ParameterChanged,
    PatchAdded,
    ThoughtEnded,
)
from knowhy.model.space import EVALUATION_ROLE, FIDELITY_ROLE, Interval, Parameter
from knowhy.model.state import State, foreseen
from knowhy.model.theory import ParameterRequest, Theory
from knowhy.model.thought import Thought
from knowhy.ports import Said, Theorist

PEOPLE = ("person", "settings")
"""Who changes the space on behalf of a person: what these have frozen, only these open."""


def after_trials(beliefs: Beliefs, theorists: Sequence[Theorist], state: State) -> list[Event]:
    """Evidence and beliefs after the trials that ended last, then what the theorists make of them.

    Before the first trial, only what the theorists have to say.
    """
    if not state.order:
        return theories(beliefs, theorists, state)
    events: list[Event] = []
    found = dict(state.evidence)
    for name, contrast in state.contrasts.items():
        pairs = contrast_pairs(state, name)
        if pairs and (name not in found or len(pairs) > found[name].pairs):
            old = found.get(name)
            found[name] = replace(evidence.weigh(contrast, pairs), certified=bool(old and old.certified))
    # Many patches are tested side by side: they are a family of their own, so that they do not dilute the answer.
    order = tuple(state.contrasts)
    mirrored = {n: e for n, e in found.items() if state.contrasts[n].background == "mirrored"}
    rest = {n: e for n, e in found.items() if n not in mirrored}
    judged = {
        name: weighed
        for family in (rest, mirrored)
        for name, weighed in evidence.certify(family, order=[n for n in order if n in family]).items()
    }
    events += [EvidenceUpdated(judged[n]) for n in found if judged[n] != state.evidence.get(n)]
    events += beliefs.update(state)
    looked_at = state.order.index(state.updates[-1].trial) + 1 if state.updates else 0
    events += adapt(beliefs, foreseen(state, events), looked_at)
    return events + theories(beliefs, theorists, foreseen(state, events))


def theories(beliefs: Beliefs, theorists: Sequence[Theorist], state: State) -> list[Event]:
    """What the theorists have to say: theories that are not old ones in other words, and parameters to open."""
    return heard(beliefs, [said for theorist in theorists for said in theorist.propose(state)], state)


def heard(beliefs: Beliefs, sayings: Sequence[Said], state: State) -> list[Event]:
    """What follows from what theorists said, in order; a thought is written down before what it holds."""
    events: list[Event] = []
    known, space = list(state.theories.values()), state.space
    for said in _unfolded(sayings):
        if isinstance(said, Thought):
            events.append(ThoughtEnded(said))
            if said.outcome not in ("answered", "cancelled"):
                told = f"{said.by} was asked ({said.moment}): {said.outcome}. {said.message}".strip()
                events.append(NoteAdded(f"{told} The built-in theorist goes on alone.", said.by))
            continue
        if isinstance(said, (PatchAdded, ParameterChanged, ExclusionAdded)):
            events.append(said)
            continue
        if isinstance(said, ParameterRequest):
            if said.parameter in space and _can_open(space[said.parameter]):
                opened = _opened(space[said.parameter], said)
                space = space.with_parameter(opened)
                events.append(ParameterChanged(opened, "opened", said.reason, said.by))
            continue
        theory: Theory = replace(said, id=f"T{len(known) + 1}", after=len(state.order))
        parsed = beliefs.claims(state, theory.claims)
        if len(parsed) < len(theory.claims) or any(beliefs.same(state, theory, k) for k in known):
            continue
        known.append(theory)
        events.append(beliefs.joining(state, theory))
        events += opened_by(theory, {p for c in parsed for p in mentions(c)[0]}, foreseen(state, events))
        space = foreseen(state, events).space
    return events


def _unfolded(sayings: Sequence[Said]) -> Iterator[Said]:
    for said in sayings:
        yield said
        if isinstance(said, Thought):
            yield from said.theories
            yield from said.requests


def _can_open(parameter: Parameter) -> bool:
    """Whether it is held, and anyone may open it.

    A fidelity stays at its full value; what defines the evaluation is for a person to open.
    """
    return not parameter.active and parameter.role not in (FIDELITY_ROLE, EVALUATION_ROLE)


def _opened(parameter: Parameter, request: ParameterRequest) -> Parameter:
    """``parameter``, active, with the range asked for where that is one and holds the default."""
    domain = parameter.domain
    if isinstance(domain, Interval) and (request.low is not None or request.high is not None):
        low = domain.low if request.low is None else request.low
        high = domain.high if request.high is None else request.high
        try:
            return replace(parameter, active=True, domain=replace(domain, low=low, high=high))
        except SpaceError:
            pass
    return replace(parameter, active=True)


def opened_by(theory: Theory, names: Iterable[str], state: State) -> list[Event]:
    """The held parameters among ``names``, opened because ``theory`` is about them; not what a person has frozen."""
    found: list[Event] = []
    for name in sorted(names):
        parameter, last = state.space[name], last_change(state, name)
        if not _can_open(parameter) or (last is not None and last.change == "frozen" and last.by in PEOPLE):
            continue
        reason = f"{theory.id} is about it: {theory.title}"
        found.append(ParameterChanged(replace(parameter, active=True), "opened", reason, theory.by))
    return found
