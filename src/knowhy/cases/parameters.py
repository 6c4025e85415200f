"""The space of a study, seen and changed by people and programs: at any time, also while a run goes on.

Every change is an event with its reason and its author; a controller that runs reads it before its next decision.
Trials that ran before count at the default of what is added.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from knowhy.errors import SpaceError
from knowhy.model.events import Event, ParameterChanged
from knowhy.model.space import EVALUATION_ROLE, Choices, Condition, Domain, Interval, Parameter, Scalar, describe
from knowhy.model.state import State
from knowhy.settings.continuity import hull

Standing = Literal["active", "held", "frozen", "offered", "reserved"]


@dataclass(frozen=True, slots=True)
class ParameterView:
    """One parameter as it stands.

    ``standing``: "active" (trials vary it), "held" (at its default until it is asked for), "frozen" (it was active),
    "offered" (what is studied has it, the study does not hold it yet), or "reserved" (likewise, and it defines the
    evaluation: only a person opens it). ``range`` and ``where`` are in words,
    ``reason`` says why it was changed last, and ``by`` by whom.
    """

    name: str
    standing: Standing
    role: str
    range: str
    default: Scalar
    confidence: float
    condition: str
    where: str
    reason: str
    by: str


class Parameters:
    """The parameters of one study: iterate to see them; ``open``, ``freeze`` and ``widen`` change them."""

    def __init__(
        self,
        state: Callable[[], State],
        append: Callable[[Sequence[Event]], object],
        offered: Callable[[], Sequence[Parameter]],
    ) -> None:
        """``state`` reads the study, ``append`` writes to it, ``offered`` are all parameters that its subject has."""
        self._state, self._append, self._offered = state, append, offered

    def __iter__(self) -> Iterator[ParameterView]:
        """Those of the study in their order, then what is offered beside them."""
        state = self._state()
        for parameter in state.space:
            yield self._view(state, parameter)
        for parameter in self._offered():
            if parameter.name not in state.space:
                yield _shown(parameter, "reserved" if parameter.role == EVALUATION_ROLE else "offered", "", "")

    def open(
        self,
        name: str,
        *,
        low: float | None = None,
        high: float | None = None,
        log: bool | None = None,
        integer: bool | None = None,
        values: Sequence[Scalar] | None = None,
        default: Scalar = None,
        role: str | None = None,
        when: tuple[str, Sequence[Scalar]] | None = None,
        because: str = "",
        by: str = "person",
    ) -> ParameterView:
        """Let trials vary ``name`` from now on, within another range where one is given.

        A parameter that the study does not hold is added: a script must have it, for a function or a loop of your own a
        range (or ``values``) and a ``default`` say what it is. What it depends on is opened with it. Raises SpaceError
        for what does not exist, and for a range that leaves out values that trials had.
        """
        state = self._state()
        known, parameter = self._find(state, name, (low, high, values), default)
        if parameter.role == EVALUATION_ROLE:
            _check_meant(parameter, by, given=low is not None or high is not None or values is not None, known=known)
        domain = _domain(parameter, low, high, log, integer, values)
        if known and default is not None and default != parameter.default:
            raise SpaceError(
                f"the default of {name} is {parameter.default!r}: earlier trials count at it", "leave the default out"
            )
        _check_kept(state, name, domain)
        asked = any(v is not None for v in (low, high, log, integer, values))
        changed = replace(
            parameter,
            domain=domain,
            active=True,
            role=role or parameter.role,
            guessed=parameter.guessed and not asked,
            condition=Condition(when[0], tuple(when[1])) if when is not None else parameter.condition,
        )
        if known and when is not None and changed.condition != parameter.condition:
            raise SpaceError(f"what {name} depends on was fixed when it joined the study", "leave the condition out")
        if not known or changed != parameter:
            kind: Literal["added", "opened", "widened"] = (
                "added" if not known else "widened" if parameter.active else "opened"
            )
            reason = because or f"a person asked for it{_within(changed) if asked else ''}"
            if changed.role == EVALUATION_ROLE:
                reason = f"it defines the evaluation, so trials with other values measure something else; {reason}"
            events = [*self._parents(state, changed, by), ParameterChanged(changed, kind, reason, by)]
            space = state.space
            for event in events:
                space = space.with_parameter(event.parameter)  # refuses conditions that cannot be
            self._append(events)
        return self._view(self._state(), changed)

    def widen(
        self,
        name: str,
        *,
        low: float | None = None,
        high: float | None = None,
        add: Sequence[Scalar] = (),
        because: str = "",
        by: str = "person",
    ) -> ParameterView:
        """Give ``name`` a wider range, or ``add`` values to a choice; raises SpaceError where nothing becomes wider."""
        state = self._state()
        parameter = self._held_here(state, name)
        old = parameter.domain
        if isinstance(old, Choices):
            if low is not None or high is not None or not add:
                raise SpaceError(f"{name} is a choice: it has values, no range", "give the values to add")
            domain: Domain = Choices((*old.values, *(v for v in dict.fromkeys(add) if not old.contains(v))))
        else:
            if add or (low is None and high is None):
                raise SpaceError(f"{name} is a number: it has a range, no values", "give a lower low or a higher high")
            wanted = replace(old, low=old.low if low is None else low, high=old.high if high is None else high)
            domain = hull(old, wanted)
        if domain == old:
            raise SpaceError(f"the range of {name} is {describe(parameter)} already", "give values outside of it")
        changed = replace(parameter, domain=domain, guessed=False)
        reason = because or f"a person asked for it; it was {describe(parameter)}, and is {describe(changed)} now"
        self._append([ParameterChanged(changed, "widened", reason, by)])
        return self._view(self._state(), changed)

    def freeze(self, name: str, *, because: str = "", by: str = "person") -> ParameterView:
        """Hold ``name`` at its default from now on; raises SpaceError where it would be the last that varies."""
        state = self._state()
        parameter = self._held_here(state, name)
        if parameter.active:
            if len(state.space.active) == 1:
                raise SpaceError(f"{name} is all that varies", "open another parameter first")
            held = replace(parameter, active=False)
            self._append([ParameterChanged(held, "frozen", because or "a person asked for it", by)])
        return self._view(self._state(), parameter)

    def _find(
        self,
        state: State,
        name: str,
        domain: tuple[float | None, float | None, Sequence[Scalar] | None],
        default: Scalar,
    ) -> tuple[bool, Parameter]:
        """Whether the study holds ``name``, and the parameter; one that is new is made where it may be."""
        if name in state.space:
            return True, state.space[name]
        offered = {p.name: p for p in self._offered()}
        if name in offered:
            return False, offered[name]
        if state.subject.get("kind") == "script":
            every = [p.name for p in state.space] + list(offered)
            near = difflib.get_close_matches(name, every, n=1, cutoff=0.5)
            raise SpaceError(
                f"the script has no parameter {name}", f"did you mean {near[0]}?" if near else "knowhy space lists them"
            )
        low, high, values = domain
        if default is None or (values is None and (low is None or high is None)):
            raise SpaceError(
                f"{name} is new to the study", "give its default, and its range (low and high) or its values"
            )
        if values is not None:
            return False, Parameter(name, Choices(tuple(values)), default)
        assert low is not None
        assert high is not None
        whole = isinstance(default, int) and not isinstance(default, bool)
        return False, Parameter(name, Interval(low, high, integer=whole), default)

    def _held_here(self, state: State, name: str) -> Parameter:
        if name not in state.space:
            every = [p.name for p in state.space]
            near = difflib.get_close_matches(name, every, n=1, cutoff=0.5)
            raise SpaceError(
                f"the study has no parameter {name}",
                f"did you mean {near[0]}?" if near else f"choose one of: {', '.join(every)}",
            )
        return state.space[name]

    def _parents(self, state: State, child: Parameter, by: str) -> list[ParameterChanged]:
        """What must be open for ``child`` to count anywhere."""
        found: list[ParameterChanged] = []
        offered = {p.name: p for p in self._offered()}
        point = state.space.defaults()
        while child.condition is not None:
            name = child.condition.parent
            parent = state.space[name] if name in state.space else offered.get(name)
            if parent is None:
                raise SpaceError(f"{child.name} depends on {name}, which the study does not hold", "open that first")
            counts = child.condition.holds({name: point.get(name, parent.default)})
            if name not in state.space or (not parent.active and not counts):
                kind: Literal["added", "opened"] = "opened" if name in state.space else "added"
                reason = f"{child.name} counts only where {_condition(child.condition)}"
                found.insert(0, ParameterChanged(replace(parent, active=True), kind, reason, by))
            child = parent
        return found

    def _view(self, state: State, parameter: Parameter) -> ParameterView:
        parameter = state.space[parameter.name]
        last = next((c for _, c in reversed(state.changes) if c.parameter.name == parameter.name), None)
        standing: Standing = "active" if parameter.active else "held"
        if last is not None and last.change == "frozen":
            standing = "frozen"
        return _shown(parameter, standing, last.reason if last else "", last.by if last else "")


def _shown(parameter: Parameter, standing: Standing, reason: str, by: str) -> ParameterView:
    origin = parameter.origin
    where = f"{origin.file}:{origin.line}" if origin.file and origin.line else origin.file
    return ParameterView(
        parameter.name,
        standing,
        parameter.role,
        describe(parameter),
        parameter.default,
        parameter.confidence,
        _condition(parameter.condition) if parameter.condition is not None else "",
        where,
        reason,
        by,
    )


def _condition(condition: Condition) -> str:
    return str(condition)


def _within(parameter: Parameter) -> str:
    return f", within {describe(parameter)}" if parameter.numeric else f", as {describe(parameter)}"


def _domain(
    parameter: Parameter,
    low: float | None,
    high: float | None,
    log: bool | None,
    integer: bool | None,
    values: Sequence[Scalar] | None,
) -> Domain:
    """The parameter's domain with what is given in its place; raises SpaceError where the two are not of a kind.

    A default of 0 stays beside a log range, which cannot hold it.
    """
    old = parameter.domain
    numbers = any(v is not None for v in (low, high, log, integer))
    if values is not None:
        if numbers:
            raise SpaceError("a parameter has a range or values, not both", "leave one of them out")
        return Choices(tuple(values))
    if not numbers:
        return old
    if isinstance(old, Choices):
        raise SpaceError("a choice has values, no range", "give its values instead")
    scale = old.scale if log is None else "log" if log else "linear"
    power = old.power_of_two and scale == "log" and integer is not False
    return Interval(
        old.low if low is None else low,
        old.high if high is None else high,
        scale,
        old.integer if integer is None else integer or power,
        power,
        zero=scale == "log" and not power and parameter.default == 0,
    )


def _check_meant(parameter: Parameter, by: str, *, given: bool, known: bool) -> None:
    """Refuse what is not a person's, and a person who does not say within which values."""
    if by != "person":
        raise SpaceError(
            f"{parameter.name} defines the evaluation: only a person may vary it",
            f"ask the person to: knowhy open {parameter.name} --low X --high Y",
        )
    if not given and not known and not isinstance(parameter.default, bool):
        raise SpaceError(
            f"{parameter.name} defines the evaluation: trials with other values do not measure the same",
            f"if that is meant, say within what: knowhy open {parameter.name} --low X --high Y (or --values A,B)",
        )


def _check_kept(state: State, name: str, domain: Domain) -> None:
    """Refuse a domain that leaves out what trials had: no result may count for another setting."""
    for number, trial in sorted(state.trials.items()):
        if name in trial.proposal.point and not domain.contains(trial.proposal.point[name]):
            raise SpaceError(
                f"trial {number} ran with {name} = {trial.proposal.point[name]}, which the new range leaves out",
                "give a range that holds the values of all trials",
            )
