"""Whether a study that exists can go on with what is asked of it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from knowhy.errors import SpaceError, StudyMismatchError
from knowhy.model.events import Event, ParameterChanged, StudyCreated, SubjectAttached
from knowhy.model.objective import Constraint, Objective
from knowhy.model.space import Choices, Domain, Parameter, Scalar, Space, describe
from knowhy.model.state import State

HISTORY = "history"
"""The kind of subject of a study that began with an import."""

SETTINGS = "settings"
"""Who changes the space where a file, or a call that declares it, has changed between two runs."""
_DECLARED = "asked for when the study went on"


def differing_goals(
    created: StudyCreated, objectives: Sequence[Objective], constraints: Sequence[Constraint]
) -> list[str]:
    """What differs between the objectives and constraints of a study and those asked for, in words."""
    words = []
    for name, had, wants in (
        (
            "objectives",
            [f"{o.direction} {o.metric}" for o in created.objectives],
            [f"{o.direction} {o.metric}" for o in objectives],
        ),
        (
            "constraints",
            [f"{c.metric} {c.op} {c.bound:g}" for c in created.constraints],
            [f"{c.metric} {c.op} {c.bound:g}" for c in constraints],
        ),
    ):
        if sorted(had) != sorted(wants):
            words.append(f"its {name} are {', '.join(had) or 'none'}, not {', '.join(wants) or 'none'}")
    return words


def differing_subject(created: StudyCreated, subject: Mapping[str, Scalar]) -> list[str]:
    """What differs between the subject of a study and the one asked for, in words; where it lies does not count."""
    had = created.subject
    if subject.get("kind") != had.get("kind"):
        return [f"what it studies is of the kind {had.get('kind')}, not {subject.get('kind')}"]
    if subject.get("arguments", "") != had.get("arguments", ""):
        return [f"its script runs with the arguments {had.get('arguments')!r}, not {subject.get('arguments')!r}"]
    if subject.get("sha256") == had.get("sha256"):
        if "files" in had and "files" in subject and had["files"] != subject["files"]:
            return ["a configuration file has changed since its first trial"]
        return []
    name = next((subject[key] for key in ("path", "name") if subject.get(key)), "the function")
    if subject.get("path") != had.get("path"):
        return [f"it studies {had.get('path') or had.get('name')}, not {name}"]
    return [f"{name} has changed since its first trial"]


def changes_of_space(
    created: StudyCreated, changes: Sequence[ParameterChanged], wanted: Space
) -> tuple[list[ParameterChanged], list[str]]:
    """The changes by which a study's space comes to ``wanted``, and in words what cannot be changed any more.

    ``changes`` are those so far. What the study itself, a theory or a person opened, widened or froze while it went on
    stays so unless the declaration changes: ``wanted`` is compared with what was last declared.
    """
    asked, now = created.space, created.space
    for change in changes:
        now = now.with_parameter(change.parameter)
        # A patch is declared by being there; what else people add while a study goes on is not.
        patch = change.change == "added" and change.parameter.role == "patch"
        if change.by == SETTINGS or change.reason == _DECLARED or patch:
            asked = asked.with_parameter(change.parameter)
    found: list[ParameterChanged] = []
    problems = [f"it has the parameter {p.name}" for p in asked if p.name not in wanted]
    for parameter in wanted:
        if parameter.name not in now:
            found.append(_declared(parameter, "added"))
            continue
        had = now[parameter.name]
        before = (asked if parameter.name in asked else now)[parameter.name]
        if _same(parameter, before) or _same(parameter, had):
            continue
        if parameter.default != had.default or type(parameter.default) is not type(had.default):
            problems.append(f"its default of {parameter.name} is {had.default!r}, not {parameter.default!r}")
        elif parameter.condition != had.condition:
            problems.append(f"its parameter {parameter.name} counts under another condition")
        elif parameter.domain != before.domain and not includes(parameter.domain, before.domain):
            problems.append(f"its range of {parameter.name} is {describe(had)}, not {describe(parameter)}")
        elif not includes(had.domain, parameter.domain):
            active = had.active if parameter.active == before.active else parameter.active
            both = hull(had.domain, parameter.domain)
            found.append(_declared(replace(parameter, domain=both, active=active), "widened"))
        elif parameter.active != before.active and parameter.active != had.active:
            found.append(_declared(replace(had, active=parameter.active), "opened" if parameter.active else "frozen"))
    return found, problems


def refuse(name: str, problems: Sequence[str]) -> None:
    """Raise StudyMismatchError where there are ``problems``."""
    if problems:
        raise StudyMismatchError(
            f"the study {name} exists and cannot go on like this: {'; '.join(problems)}",
            "start another with --study NAME (in Python: another name). "
            "An existing study takes new parameters, wider ranges, and active = true or false",
        )


def _declared(parameter: Parameter, change: Literal["added", "opened", "widened", "frozen"]) -> ParameterChanged:
    return ParameterChanged(parameter, change, _DECLARED, SETTINGS)


def _same(one: Parameter, two: Parameter) -> bool:
    """Whether two parameters agree in what people declare (where they stand in the file does not count)."""
    return (one.domain, one.default, one.active, one.condition) == (two.domain, two.default, two.active, two.condition)


def includes(wide: Domain, narrow: Domain) -> bool:
    """Whether every value of ``narrow`` is one of ``wide``, on the same kind of axis."""
    if isinstance(wide, Choices) or isinstance(narrow, Choices):
        return (
            isinstance(wide, Choices) and isinstance(narrow, Choices) and all(wide.contains(v) for v in narrow.values)
        )
    same_kind = (wide.scale, wide.integer, wide.power_of_two) == (narrow.scale, narrow.integer, narrow.power_of_two)
    zero = wide.zero or not narrow.zero
    return same_kind and zero and wide.low <= narrow.low and wide.high >= narrow.high


def hull(one: Domain, two: Domain) -> Domain:
    """The smallest domain that holds both, on the axis of ``two``; raises SpaceError where they are not of a kind."""
    if isinstance(one, Choices) and isinstance(two, Choices):
        return Choices((*one.values, *(v for v in two.values if not one.contains(v))))
    if isinstance(one, Choices) or isinstance(two, Choices):
        raise SpaceError("a range and a choice have nothing in common", "keep the kind that the parameter has")
    zero = two.scale == "log" and (one.zero or two.zero)
    return replace(two, low=min(one.low, two.low), high=max(one.high, two.high), zero=zero)


def began_with_history(state: State) -> bool:
    """Whether the study began with an import: its ranges are those of the history."""
    return bool(state.observed) and state.begun == HISTORY


def going_on(
    name: str, state: State, objectives: Sequence[Objective], space: Space, subject: Mapping[str, Scalar]
) -> list[Event]:
    """The events by which a study that began with a history goes on with ``subject``, whose parameters are ``space``.

    Its own ranges and defaults stand; they are bound to where the subject has them. What the subject has beyond
    them is held at its default. Raises SpaceError where a parameter that varies is not there, StudyMismatchError
    where the study went on with another subject, or has other objectives.
    """
    missing = [p.name for p in state.space.active if p.name not in space]
    if missing:
        raise SpaceError(
            f"the history varies {', '.join(missing)}, which the subject does not have",
            f"it has {', '.join(p.name for p in space) or 'no parameter'}. Import again into another study, with "
            f"--rename {missing[0]}=NAME for what is called otherwise, or with --parameter for those that count",
        )
    created = StudyCreated(name, state.objectives, state.space, state.seed, state.subject, state.version)
    fresh = state.subject.get("kind") == HISTORY
    refuse(
        name,
        [
            *differing_goals(created, objectives, ()),
            *([] if fresh else differing_subject(created, subject)),
        ],
    )
    events: list[Event] = [SubjectAttached(dict(subject))] if fresh else []
    for parameter in space:
        if parameter.name not in state.space:
            held = replace(parameter, active=False)
            events.append(ParameterChanged(held, "added", "the subject has it, the history does not", "person"))
        elif (known := state.space[parameter.name]).origin != parameter.origin:
            bound = replace(known, origin=parameter.origin)
            events.append(ParameterChanged(bound, "bound", "found in what the study goes on with", "person"))
    return events


def agreement(
    created: StudyCreated,
    state: State,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    space: Space,
    subject: Mapping[str, Scalar],
) -> list[Event]:
    """The events by which a study that exists goes on with what is asked of it now; raises StudyMismatchError."""
    if began_with_history(state):
        return going_on(created.name, state, objectives, space, subject)
    changes, problems = changes_of_space(created, [c for _, c in state.changes], space)
    refuse(
        created.name,
        [
            *differing_goals(created, objectives, constraints),
            *differing_subject(created, subject),
            *problems,
        ],
    )
    return [*changes]
