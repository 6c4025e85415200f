"""Bringing a history into a study: read it, plan, write its trials, and think about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from knowhy import compose, reflection
from knowhy.engine.beliefs import Beliefs
from knowhy.errors import StudyMismatchError
from knowhy.histories.history import Request
from knowhy.importing import Found, Imported, Plan, brought, plan, read
from knowhy.model.events import Event, NoteAdded, TheoryProposed
from knowhy.model.objective import Direction, Objective
from knowhy.model.state import State, fold
from knowhy.ports import Journal
from knowhy.wishes import renamed_history, split, wanted

_ROUNDS = 3  # theories that others give rise to, within one import


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person says of a history: objectives, metrics, their direction, parameters, and the default trial."""

    objectives: tuple[Objective, ...] = ()
    metrics: tuple[str, ...] = ()
    toward: Direction | None = None
    parameters: tuple[str, ...] = ()
    baseline: str = ""


def found(source: str | Path, asked: Asked, member: str | None, rename: Mapping[str, str]) -> Found:
    """The history at ``source``; raises UsageError."""
    metrics = tuple(split(m)[0] for m in asked.metrics) or tuple(o.metric for o in asked.objectives)
    # Names may be those of the script: the source knows the others.
    back = {new: old for old, new in rename.items()}
    parameters = tuple(back.get(w.name, w.name) for w in wanted(asked.parameters))
    here = read(source, Request(member, metrics, parameters))
    return replace(here, history=renamed_history(here.history, tuple(rename.items())))


def look(here: Found, state: State, name: str, asked: Asked) -> Imported:
    """What importing would do; nothing is written."""
    return replace(_plan(here, state, name, 0, asked).imported, written=False)


def bring(
    journal: Journal, state: State, here: Found, name: str, seed: int, asked: Asked, beliefs: Beliefs
) -> Imported:
    """Write what is new of ``here`` to ``journal``, with the theories and beliefs that follow; the lease is held."""
    planned = _plan(here, state, name, seed, asked)
    first: list[Event] = [planned.created] if planned.created is not None else []
    done = planned.imported
    if not first and not planned.trials and not planned.theories:
        return done
    if planned.trials:
        text = f"imported {done.added} trials from {done.source} ({done.kind}), {done.failed} of them failed"
        first += [*planned.wider, *planned.trials, NoteAdded("; ".join((text, *done.notes))[:4000], "import")]
    if first:
        state = fold(journal.append(first), state)
    joined = _join(journal, state, planned, beliefs)
    return replace(done, theories=joined)


def _plan(here: Found, state: State, name: str, seed: int, asked: Asked) -> Plan:
    if state.objectives and (asked.metrics or asked.objectives):
        had = {o.metric for o in state.objectives}
        named = {split(m)[0] for m in asked.metrics} | {o.metric for o in asked.objectives}
        if named - had:
            raise StudyMismatchError(
                f"the study {name} is about {', '.join(sorted(had))}, not {', '.join(sorted(named - had))}",
                "leave --metric out, or import into another study with --study NAME",
            )
    return plan(
        here,
        state,
        name,
        seed,
        asked.objectives,
        asked.metrics,
        asked.toward,
        wanted(asked.parameters),
        asked.baseline,
    )


def _join(journal: Journal, state: State, planned: Plan, beliefs: Beliefs) -> int:
    """Theories that came along, those that the builtin theorist sees now, and the beliefs in all of them."""
    before = len(state.theories)
    readable = [len(beliefs.claims(state, t.claims)) == len(t.claims) for t in planned.theories]
    events: list[Event] = [
        TheoryProposed(t, beliefs.prior(state, t.claims)) for t in brought(state, planned.theories, readable)
    ]
    if events:
        state = fold(journal.append(events), state)
    elif not planned.trials:
        return 0
    theorists = compose.theorists()
    for _ in range(_ROUNDS):
        new = reflection.theories(beliefs, theorists, state)
        state = fold(journal.append(new), state) if new else state
        if not state.order:
            break
        state = fold(journal.append(beliefs.update(state)), state)
        if not new:
            break
    return len(state.theories) - before
