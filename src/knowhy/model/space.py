"""Parameters, the space that they span, and points in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from knowhy.errors import SpaceError
from knowhy.model.domain import Choices as Choices
from knowhy.model.domain import Domain as Domain
from knowhy.model.domain import Interval as Interval
from knowhy.model.domain import Scalar as Scalar
from knowhy.model.exclusion import Exclusion, released

Point = Mapping[str, Scalar]

OriginKind = Literal[
    "constant", "flag", "field", "keyword", "declared", "inherited", "config", "override", "environment"
]


EVALUATION_ROLE = "evaluation"
"""The role of what defines the evaluation (time, data, seed, split): no parameter unless a person says so."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A parameter that exists only where ``parent`` has one of ``values``; ``unless``: where it has none of them."""

    parent: str
    values: tuple[Scalar, ...]
    unless: bool = False

    def holds(self, point: Point) -> bool:
        """Whether the condition holds at ``point``."""
        value = point.get(self.parent)
        if self.unless and isinstance(value, (int, float)) and not isinstance(value, bool):
            return all(isinstance(v, bool) or value != v for v in self.values)  # 0 and 0.0 are one setting
        return any(type(value) is type(v) and value == v for v in self.values) is not self.unless

    def allowing(self, domain: Domain) -> Scalar | None:
        """A setting of the parent, whose domain is ``domain``, at which the condition holds; None where none does."""
        if not self.unless:
            return next((v for v in self.values if domain.contains(v)), None)
        among = domain.values if isinstance(domain, Choices) else (domain.from_unit(0.5), domain.high, domain.low)
        return next((v for v in among if self.holds({self.parent: v})), None)

    def __str__(self) -> str:
        """Such as "solver = sgd or adam", "momentum is not 0.0"."""
        return f"{self.parent} {'is not' if self.unless else '='} {' or '.join(str(v) for v in self.values)}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a parameter was found, and so how it is set.

    ``start`` and ``end`` are byte offsets of the literal in ``file`` (relative to the subject's
    folder); ``text`` is the literal as written; ``flag`` is the command-line option, if there is one. ``key`` is the
    keyword to add where a call leaves an argument at its default ("inherited"), the dotted place of a value in a
    configuration file ("config", "override"), or the name of an environment variable ("environment").
    """

    kind: OriginKind
    file: str = ""
    line: int = 0
    start: int = 0
    end: int = 0
    text: str = ""
    flag: str = ""
    key: str = ""


FIDELITY_ROLE = "fidelity"
"""The role of a number that says how long a trial trains: held at its full value, where everything is judged."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that can be varied.

    ``role`` is the name by which the field knows it ("learning_rate", "dropout", ...; "other" if
    unknown). An inactive parameter is part of the space but held at its default until it is opened.
    ``confidence`` in [0, 1] says how likely it is a hyperparameter that matters. A range that is ``guessed``
    widens by itself where the optimum sits at its edge; one that a person gave does not.
    """

    name: str
    domain: Domain
    default: Scalar
    role: str = "other"
    active: bool = True
    confidence: float = 1.0
    origin: Origin = field(default_factory=lambda: Origin("declared"))
    condition: Condition | None = None
    guessed: bool = False

    def __post_init__(self) -> None:
        """Refuse a default outside the domain."""
        if not self.name or any(c in self.name for c in " \t\n\"'"):
            raise SpaceError(f"{self.name!r} is no parameter name", "use letters, digits, '_', '.', '-' and brackets")
        if not self.domain.contains(self.default):
            raise SpaceError(
                f"the default {self.default!r} of {self.name} is outside its range",
                "widen the range, or change the default",
            )

    @property
    def numeric(self) -> bool:
        """Whether values are ordered numbers."""
        return isinstance(self.domain, Interval)

    def when(self, parent: str, *values: Scalar) -> Parameter:
        """The same parameter, which counts only where ``parent`` has one of ``values``; raises SpaceError for none."""
        if not values:
            raise SpaceError(f"{self.name} depends on no value of {parent}", "name at least one value")
        return replace(self, condition=Condition(parent, values))

    def guess(self) -> Parameter:
        """The same parameter, its range a guess that may widen by itself."""
        return replace(self, guessed=True)


@dataclass(frozen=True)
class Space:
    """An ordered set of parameters, active and held, and the switches among them that are never on together."""

    parameters: tuple[Parameter, ...]
    exclusions: tuple[Exclusion, ...] = ()

    def __hash__(self) -> int:
        """Hash once: a space is a key in many caches."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.parameters, self.exclusions))

    def __post_init__(self) -> None:
        """Refuse repeated names, and conditions that are cyclic, on unknown parents or on what they never are."""
        names = [p.name for p in self.parameters]
        for name in names:
            if names.count(name) > 1:
                raise SpaceError(f"the parameter {name} stands twice in the space", "give each parameter its own name")
        for parameter in self.parameters:
            if parameter.condition is not None:
                self._check_condition(parameter, parameter.condition)
        for exclusion in self.exclusions:
            self._check_exclusion(exclusion)

    def _check_condition(self, parameter: Parameter, condition: Condition) -> None:
        parents = {p.name: p for p in self.parameters}
        if condition.parent not in parents:
            raise SpaceError(
                f"{parameter.name} depends on {condition.parent}, which is not in the space",
                "add the parent, or drop the condition",
            )
        parent = parents[condition.parent]
        possible = not isinstance(parent.domain, Choices) or any(
            condition.holds({parent.name: v}) for v in parent.domain.values
        )
        if not (possible if condition.unless else any(parent.domain.contains(value) for value in condition.values)):
            words = " or ".join(repr(value) for value in condition.values) or "no value"
            raise SpaceError(
                f"{parameter.name} counts where {parent.name} is {words}, which it never is",
                f"{parent.name} is {describe(parent)}",
            )
        path = [parameter.name]
        while (above := parents.get(path[-1])) is not None and above.condition is not None:
            if above.condition.parent in path:
                round_trip = " -> ".join([*path[path.index(above.condition.parent) :], above.condition.parent])
                raise SpaceError(
                    f"conditions go round in a circle: {round_trip}", "drop one of them: each depends on the next"
                )
            path.append(above.condition.parent)

    def _check_exclusion(self, exclusion: Exclusion) -> None:
        if len(exclusion.parameters) < 2 or len(set(exclusion.parameters)) != len(exclusion.parameters):
            raise SpaceError(
                f"an exclusion needs two or more different parameters, not {', '.join(exclusion.parameters) or 'none'}",
                "name the switches that cannot be on together",
            )
        switches = {p.name for p in self.parameters if isinstance(p.domain, Choices) and p.domain.contains(True)}
        for name in exclusion.parameters:
            if name not in switches:
                raise SpaceError(
                    f"{name} cannot be excluded beside {', '.join(exclusion.parameters)}: it is no switch of the space",
                    "only parameters that are on or off exclude one another",
                )

    def __iter__(self) -> Iterator[Parameter]:
        """All parameters, in order."""
        return iter(self.parameters)

    def __len__(self) -> int:
        """How many parameters, active and held."""
        return len(self.parameters)

    def __contains__(self, name: object) -> bool:
        """Whether a parameter of this name exists."""
        return any(p.name == name for p in self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        """The parameter called ``name``; raises SpaceError if there is none."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise SpaceError(
            f"there is no parameter {name}", f"choose one of: {', '.join(p.name for p in self.parameters)}"
        )

    @property
    def active(self) -> tuple[Parameter, ...]:
        """The parameters that trials may vary."""
        return tuple(p for p in self.parameters if p.active)

    @property
    def held(self) -> tuple[Parameter, ...]:
        """The parameters that stay at their default for now."""
        return tuple(p for p in self.parameters if not p.active)

    def defaults(self) -> dict[str, Scalar]:
        """The default configuration, held parameters included."""
        return {p.name: p.default for p in self.parameters}

    def complete(self, point: Point, keep: Collection[str] = ()) -> dict[str, Scalar]:
        """``point`` with what it lacks set to the default, and what its conditions rule out as well.

        Of switches that exclude one another all but one are turned off; those in ``keep`` stay on if any do.
        """
        full = {p.name: point.get(p.name, p.default) for p in self.parameters}
        if self.exclusions:
            full.update(dict.fromkeys(released(full, self.exclusions, keep), False))
        conditional = [p for p in self.parameters if p.condition is not None]
        for _ in conditional:  # once for each, as a chain of conditions may stand in any order
            for parameter in conditional:
                if parameter.condition is not None and not parameter.condition.holds(full):
                    full[parameter.name] = parameter.default
        return full

    def admitting(self, name: str, point: Point) -> dict[str, Scalar]:
        """All that ``name`` depends on, as at ``point`` where it counts there, else with values that let it count."""
        found: dict[str, Scalar] = {}
        parameter = self[name]
        while parameter.condition is not None:
            parent, condition = self[parameter.condition.parent], parameter.condition
            value = point.get(parent.name, parent.default)
            if not condition.holds({parent.name: value}):
                value = condition.allowing(parent.domain)
            found[parent.name] = value
            parameter = parent
        return found

    def check(self, point: Point) -> dict[str, Scalar]:
        """``point`` completed; raises SpaceError for unknown names and values out of range."""
        for name, value in point.items():
            if not self[name].domain.contains(value):
                raise SpaceError(f"{value!r} is outside the range of {name}", f"its range is {describe(self[name])}")
        for exclusion in self.exclusions:
            if exclusion.broken(point):
                raise SpaceError(
                    f"{' and '.join(exclusion.parameters)} cannot be on together: {exclusion.reason}", "turn one off"
                )
        return self.complete(point)

    def with_parameter(self, parameter: Parameter) -> Space:
        """A space in which ``parameter`` replaces its namesake, or stands at the end."""
        if parameter.name not in self:
            return replace(self, parameters=(*self.parameters, parameter))
        return replace(self, parameters=tuple(parameter if p.name == parameter.name else p for p in self.parameters))

    def with_exclusion(self, exclusion: Exclusion) -> Space:
        """A space in which the switches of ``exclusion`` are never on together."""
        return self if exclusion in self.exclusions else replace(self, exclusions=(*self.exclusions, exclusion))

    def activate(self, names: Iterable[str], *, active: bool = True) -> Space:
        """A space in which ``names`` are active (or held)."""
        chosen = set(names)
        made = tuple(replace(p, active=active) if p.name in chosen else p for p in self.parameters)
        return replace(self, parameters=made)


def describe(parameter: Parameter) -> str:
    """The range of ``parameter`` in words, for people."""
    domain = parameter.domain
    if isinstance(domain, Choices):
        return "one of " + ", ".join(str(v) for v in domain.values)
    words = f"{'0, or ' if domain.zero else ''}{domain.low:g} to {domain.high:g}"
    if domain.power_of_two:
        return words + ", powers of two"
    if domain.integer:
        words += ", whole numbers"
    return words + (", log scale" if domain.scale == "log" else "")


def same_point(one: Point, two: Point) -> bool:
    """Whether two complete points are the same configuration."""
    return one.keys() == two.keys() and all(one[k] == two[k] and type(one[k]) is type(two[k]) for k in one)


# Short constructors for people who declare a space in Python.


def real(name: str, low: float, high: float, default: float, *, log: bool = False, role: str = "other") -> Parameter:
    """A real number in [low, high]."""
    return Parameter(name, Interval(float(low), float(high), "log" if log else "linear"), float(default), role)


def integer(name: str, low: int, high: int, default: int, *, log: bool = False, role: str = "other") -> Parameter:
    """A whole number in [low, high]."""
    return Parameter(name, Interval(low, high, "log" if log else "linear", integer=True), default, role)


def power_of_two(name: str, low: int, high: int, default: int, *, role: str = "other") -> Parameter:
    """A power of two in [low, high]."""
    return Parameter(name, Interval(low, high, "log", integer=True, power_of_two=True), default, role)


def choice(name: str, values: Iterable[Scalar], default: Scalar, *, role: str = "other") -> Parameter:
    """One of ``values``, without order."""
    return Parameter(name, Choices(tuple(values)), default, role)


def switch(name: str, default: bool, *, role: str = "other") -> Parameter:
    """True or False."""
    return Parameter(name, Choices((False, True)), default, role)
