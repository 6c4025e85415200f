"""What people and programs add to a study, also while it runs: theories, requests for trials, open parameters.

Each function checks against the state and returns the event; ``Study.contribute`` writes it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from knowhy.engine import claims
from knowhy.engine.beliefs import known_metrics
from knowhy.engine.mind import Mind
from knowhy.errors import KnowhyError, SpaceError, UsageError
from knowhy.model.events import Event, StudyCreated, TrialsRequested
from knowhy.model.space import EVALUATION_ROLE, Interval, Parameter, Point, Scalar, describe
from knowhy.model.state import State
from knowhy.model.theory import Better, Effect, Theory
from knowhy.reflection import opened_by
from knowhy.settings import ranges
from knowhy.settings.continuity import changes_of_space

ARMS = 8
"""Configurations that may be asked for on one seed."""


def theory(
    state: State,
    mind: Mind,
    sentences: Sequence[str],
    because: str,
    title: str,
    question: str,
    refuted_by: str,
    by: str,
) -> tuple[str, list[Event]]:
    """The theory that all ``sentences`` hold: its id, and how it joins; no event where one says so already.

    Raises SentenceError for a claim that cannot be read, UsageError where there is none.
    """
    if not sentences:
        raise UsageError("a theory needs a claim", "give at least one sentence that data can refute")
    known_names = known_metrics(state)
    said = tuple(dict.fromkeys(claims.render(claims.parse(s, state.space, known_names)) for s in sentences))
    for known in state.theories.values():
        if set(known.claims) == set(said):
            return known.id, []
    letter = "P" if by == "person" else "A"
    number = 1 + max((int(t[1:]) for t in state.theories if t[:1] == letter and t[1:].isdigit()), default=0)
    made = Theory(
        id=f"{letter}{number}",
        title=title or said[0],
        because=because or f"{'a person' if by == 'person' else by} supposes it",
        claims=said,
        question=question,
        refuted_by=refuted_by,
        by=by,
        after=state.finished,
    )
    proposed = mind.beliefs.joining(state, made)
    return made.id, [proposed, *opened_by(made, mind.named(state, said), state)]


def points(state: State, settings: Sequence[Mapping[str, object]], reason: str, by: str) -> TrialsRequested:
    """A request for trials with ``settings`` (what is left out stays at its default) on one seed.

    Raises SpaceError for unknown or held parameters and values outside their range, UsageError for none or too many.
    """
    _runs(state)
    if not 0 < len(settings) <= ARMS:
        raise UsageError(
            f"{len(settings)} configurations cannot run on one seed", f"give 1 to {ARMS}; others in another request"
        )
    return TrialsRequested("points", tuple(point(state, one) for one in settings), "", reason, by)


def point(state: State, settings: Mapping[str, object]) -> dict[str, Scalar]:
    """The complete configuration in which ``settings`` differ from the default; raises SpaceError."""
    space = state.space
    made: dict[str, Scalar] = {}
    for name, value in settings.items():
        if name not in space:
            near = difflib.get_close_matches(name, [p.name for p in space], n=1, cutoff=0.5)
            raise SpaceError(
                f"there is no parameter {name}",
                f"did you mean {near[0]}?" if near else f"choose one of: {', '.join(p.name for p in space)}",
            )
        parameter = space[name]
        if not isinstance(value, (bool, int, float, str, type(None))):
            raise SpaceError(f"{value!r} is no value for {name}", f"give one value; its range is {describe(parameter)}")
        fitted = _fitted(parameter, value)
        if not parameter.active and fitted != parameter.default:
            raise SpaceError(
                f"{name} is held at its default, {parameter.default!r}", "open the parameter first, or leave it out"
            )
        made[name] = fitted
    return space.check(made)


def _fitted(parameter: Parameter, value: Scalar) -> Scalar:
    """``value`` in the type of its range, where JSON's 1 and 1.0 are the same number; raises SpaceError."""
    domain = parameter.domain
    if not isinstance(domain, Interval) or isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if not (domain.integer or domain.power_of_two):
        return float(value)
    whole = int(value) if domain.contains(value) and value == int(value) else None
    if whole is None or (domain.power_of_two and whole & (whole - 1) and whole != parameter.default):
        raise SpaceError(f"{value!r} is no value for {parameter.name}", f"its range is {describe(parameter)}")
    return whole


def test(state: State, name: str, reason: str, by: str) -> TrialsRequested:
    """A request for a fresh pair of trials for the theory called ``name`` ("best": the best against the default).

    Raises UsageError where there is no such theory and where pairs cannot certify it.
    """
    _runs(state)
    if name == "best":
        if not state.completed:
            raise UsageError("no trial has completed, so nothing is best yet", "submit trials first")
        return TrialsRequested("test", (), "", reason, by)
    found = next((t for t in state.theories.values() if t.id.lower() == name.lower()), None)
    if found is None:
        raise UsageError(f"there is no theory {name}", 'give the id of a theory, such as A1, or "best"')
    metrics = known_metrics(state)
    for sentence in found.claims:
        claim = claims.parse(sentence, state.space, metrics)
        directed = isinstance(claim, Better) or (isinstance(claim, Effect) and claim.verb != "does not change")
        if not directed or not isinstance(claim, (Better, Effect)):
            why = "is not of a difference with a direction"
        elif claim.scope.kind == "everywhere" or claim.scope.bounds:
            why = "is about many settings at once"
        elif not state.space[claim.parameter].active:
            why = f"is about {claim.parameter}, which is held at its default"
        else:
            continue
        raise UsageError(
            f"pairs cannot certify {found.id}: its claim “{sentence}” {why}",
            "submit trials that tell about it, and read its belief",
        )
    return TrialsRequested("test", (), found.id, reason, by)


def choice(state: State, reason: str, by: str) -> TrialsRequested:
    """A request for what knowhy itself would run next; raises UsageError."""
    _runs(state)
    return TrialsRequested("choice", (), "", reason, by)


def _runs(state: State) -> None:
    if state.subject.get("kind") == "by hand":
        raise UsageError("this study is run by hand: nobody could run the trials", "ask and tell, from Python")


def opened(state: State, name: str, entry: Mapping[str, Any], reason: str, by: str) -> list[Event]:
    """The change by which a held parameter is varied from now on, or a range widened as ``entry`` says.

    ``entry`` has the keys of a line of knowhy.toml (low, high, values). Empty where nothing changes. Raises SpaceError.
    """
    if name not in state.space:
        point(state, {name: None})
    old = state.space[name]
    if old.role == EVALUATION_ROLE:
        raise SpaceError(
            f"{name} defines the evaluation: only a person may vary it",
            f"ask the person to: knowhy open {name} --low X --high Y",
        )
    try:
        new = ranges.changed(old, {**entry, "active": True})
    except (ValueError, KnowhyError) as error:
        hint = error.hint if isinstance(error, KnowhyError) else ""
        raise SpaceError(f"{name}: {error}", hint or f"its range is {describe(old)}") from None
    now = StudyCreated(state.name, state.objectives, state.space, state.seed, state.subject, state.version)
    changes, problems = changes_of_space(now, [], state.space.with_parameter(new))
    if problems:
        raise SpaceError(
            "; ".join(problems), "a range can only become wider: low may fall, high may rise, values may be added"
        )
    return [replace(c, reason=reason or "asked for", by=by) for c in changes]


def forms() -> tuple[tuple[str, str], ...]:
    """The forms of claim with an example of each."""
    return claims.forms()


def settings_of(state: State, configuration: Point) -> dict[str, Scalar]:
    """Where ``configuration`` differs from the default: what ``points`` takes."""
    return {
        p.name: configuration[p.name]
        for p in state.space
        if p.name in configuration
        and (configuration[p.name] != p.default or type(configuration[p.name]) is not type(p.default))
    }
