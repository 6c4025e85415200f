"""Bringing a history into a study: read it, plan, write its trials, and think about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from knowhy import compose, reflection
from knowhy.cases.importing import Found, Imported, Plan, brought, plan, read, verdict_lines
from knowhy.cases.wishes import Wishes, renamed_history, split, wanted
from knowhy.engine.beliefs import Beliefs
from knowhy.errors import StudyMismatchError
from knowhy.histories.history import Request
from knowhy.model.events import Event, NoteAdded
from knowhy.model.objective import Objective
from knowhy.model.state import State, fold
from knowhy.ports import Journal

_ROUNDS = 3  # theories that others give rise to, within one import


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person says of a history: the objectives of the study, where it has any, and all other wishes."""

    objectives: tuple[Objective, ...]
    wishes: Wishes


def found(source: str | Path, objectives: tuple[Objective, ...], wishes: Wishes | None) -> tuple[Found, Asked]:
    """The history at ``source``; raises UsageError."""
    asked = Asked(objectives, wishes or Wishes())
    told = asked.wishes
    metrics = tuple(split(m)[0] for m in told.metrics) or tuple(o.metric for o in objectives)
    # Names may be those of the script: the source knows the others.
    back = {new: old for old, new in told.rename.items()}
    parameters = tuple(back.get(w.name, w.name) for w in wanted(told.parameters))
    here = read(
        source,
        Request(told.member, metrics, parameters, told.repository, told.script, told.noise, told.toward),
    )
    return replace(here, history=renamed_history(here.history, tuple(told.rename.items()))), asked


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
        first += [NoteAdded(text, "import") for text in verdict_lines(done)]
    if first:
        state = fold(journal.append(first), state)
    joined = _join(journal, state, planned, beliefs)
    return replace(done, theories=joined)


def _plan(here: Found, state: State, name: str, seed: int, asked: Asked) -> Plan:
    if state.objectives and (asked.wishes.metrics or asked.objectives):
        had = {o.metric for o in state.objectives}
        named = {split(m)[0] for m in asked.wishes.metrics} | {o.metric for o in asked.objectives}
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
        asked.wishes.metrics,
        asked.wishes.toward,
        wanted(asked.wishes.parameters),
        asked.wishes.baseline,
    )


def _join(journal: Journal, state: State, planned: Plan, beliefs: Beliefs) -> int:
    """Theories that came along, those that the builtin theorist sees now, and the beliefs in all of them."""
    before = len(state.theories)
    readable = [len(beliefs.claims(state, t.claims)) == len(t.claims) for t in planned.theories]
    events: list[Event] = [beliefs.joining(state, t) for t in brought(state, planned.theories, readable)]
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
        # One word on all of them: what was not planned has no expectation to be scored against.
        state = fold(journal.append(beliefs.update(state)[-1:]), state)
        if not new:
            break
    return len(state.theories) - before
