"""Reflection: what follows from trials that ended, as events. Pure in the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knowhy.engine import evidence
from knowhy.engine.beliefs import Beliefs, contrast_pairs
from knowhy.model.events import Event, EvidenceUpdated, ParameterChanged, Record, TheoryProposed
from knowhy.model.state import State, fold
from knowhy.model.theory import ParameterRequest, Theory
from knowhy.ports import Theorist


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
    certified = evidence.certify(found, order=tuple(state.contrasts))
    events += [EvidenceUpdated(e) for n, e in certified.items() if e != state.evidence.get(n)]
    events += beliefs.update(state)
    ahead = fold([Record(state.seq + 1 + i, state.time, e, "") for i, e in enumerate(events)], state)
    return events + theories(beliefs, theorists, ahead)


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
    return events
