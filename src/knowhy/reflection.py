"""Reflection: what follows from trials that ended, as events. Pure in the state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from knowhy.engine import evidence
from knowhy.engine.adaptation import adapt, last_change
from knowhy.engine.beliefs import Beliefs, contrast_pairs
from knowhy.engine.claims import mentions
from knowhy.model.events import Event, EvidenceUpdated, ParameterChanged, Record, TheoryProposed
from knowhy.model.state import State, fold
from knowhy.model.theory import ParameterRequest, Theory
from knowhy.ports import Theorist

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
    events += [EvidenceUpdated(e) for n, e in evidence.certify(found).items() if e != state.evidence.get(n)]
    events += beliefs.update(state)
    looked_at = state.order.index(state.updates[-1].trial) + 1 if state.updates else 0
    events += adapt(beliefs, _ahead(state, events), looked_at)
    return events + theories(beliefs, theorists, _ahead(state, events))


def _ahead(state: State, events: Sequence[Event]) -> State:
    """``state`` as it will be once ``events`` are written."""
    return fold([Record(state.seq + 1 + i, state.time, e, "") for i, e in enumerate(events)], state)


def theories(beliefs: Beliefs, theorists: Sequence[Theorist], state: State) -> list[Event]:
    """What the theorists have to say: theories that are not old ones in other words, and parameters to open."""
    events: list[Event] = []
    known = list(state.theories.values())
    for theorist in theorists:
        for said in theorist.propose(state):
            if isinstance(said, ParameterRequest):
                parameter = state.space[said.parameter]
                if not parameter.active:
                    opened = replace(parameter, active=True)
                    events.append(ParameterChanged(opened, "opened", said.reason, said.by))
                continue
            theory: Theory = replace(said, id=f"T{len(known) + 1}", after=len(state.order))
            parsed = beliefs.claims(state, theory.claims)
            if len(parsed) < len(theory.claims) or any(beliefs.same(state, theory, k) for k in known):
                continue
            known.append(theory)
            events.append(TheoryProposed(theory, beliefs.prior(state, theory.claims)))
            events += opened_by(theory, {p for c in parsed for p in mentions(c)[0]}, _ahead(state, events))
    return events


def opened_by(theory: Theory, names: Iterable[str], state: State) -> list[Event]:
    """The held parameters among ``names``, opened because ``theory`` is about them; not what a person has frozen."""
    found: list[Event] = []
    for name in sorted(names):
        parameter, last = state.space[name], last_change(state, name)
        if parameter.active or (last is not None and last.change == "frozen" and last.by in PEOPLE):
            continue
        reason = f"{theory.id} is about it: {theory.title}"
        found.append(ParameterChanged(replace(parameter, active=True), "opened", reason, theory.by))
    return found
