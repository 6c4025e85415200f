"""Literals that may be hyperparameters, before they are judged, and the findings that go with them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from knowhy.model.space import Domain, Origin, OriginKind, Scalar
from knowhy.subjects.roles import Role
from knowhy.subjects.source import Source, elements, read_literal

_MOST_ELEMENTS = 6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A literal with a name.

    ``owner`` is the call, class, function or dictionary that it belongs to, ``call`` the last name of
    the call that it is passed to (by which roles are told apart), ``alias`` a better name than ``name``
    where that says little by itself. ``choices`` are alternatives that the script declares, ``low`` and
    ``high`` bounds that it declares; ``whole`` says whether it declares a whole number. ``weight``
    scales the confidence. Where ``domain`` is known, ``role`` is as well, and ``weight`` is the confidence itself.
    """

    name: str
    value: Scalar
    origin: Origin
    owner: str = ""
    call: str = ""
    alias: str = ""
    choices: tuple[Scalar, ...] = ()
    low: float | None = None
    high: float | None = None
    whole: bool | None = None
    weight: float = 1.0
    domain: Domain | None = None
    role: Role = "other"


@dataclass
class Findings:
    """What the finders of one script gather; ``reserved`` is what defines the evaluation."""

    candidates: list[Candidate] = field(default_factory=list)
    seeds: list[Origin] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    reserved: list[Candidate] = field(default_factory=list)

    def leave_out(self, name: str, reason: str, line: int) -> None:
        """Remember that ``name`` is no hyperparameter; told in one note for each reason."""
        entry = f"{name} (line {line})"
        if entry not in self.left_out.setdefault(reason, []):
            self.left_out[reason].append(entry)

    def note(self, text: str) -> None:
        """Tell something that people should know, once."""
        if text not in self.notes:
            self.notes.append(text)

    def told(self) -> tuple[str, ...]:
        """All notes; names that were left out are told by reason."""
        reasons = (f"left out as {reason}: {', '.join(names)}" for reason, names in self.left_out.items())
        return (*self.notes, *reasons)


def spread(source: Source, kind: OriginKind, node: ast.expr, base: Candidate) -> Iterator[Candidate]:
    """``base`` with the literal that ``node`` is, or one candidate for each element of a tuple or list."""
    value = read_literal(node)
    if value is not None:
        yield replace(base, value=value, origin=source.origin(kind, node))
        return
    members = elements(node)
    if 0 < len(members) <= _MOST_ELEMENTS:
        for place, member in enumerate(members):
            yield replace(
                base,
                name=f"{base.name}[{place}]",
                alias=f"{base.alias}[{place}]" if base.alias else "",
                value=read_literal(member),
                origin=source.origin(kind, member),
            )


def unset() -> Origin:
    """An origin to be replaced."""
    return Origin("declared")
