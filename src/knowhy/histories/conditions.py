"""Parameters that exist only where another has certain values: found in trials, and looked up at a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from knowhy.histories.history import Recorded
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import Choices, Condition, Domain, Parameter, Scalar, Space

_SHOWN = 4


def conditions_of(
    typed: Sequence[tuple[Recorded, dict[str, Scalar]]], domains: Mapping[str, Domain], notes: list[str]
) -> dict[str, Condition]:
    """For each parameter that some trials lack, the parent whose values decide it, where there is one.

    Failed trials may have ended before they chose a value: only what they have counts.
    """
    found: dict[str, Condition] = {}
    always = [n for n in domains if all(n in p for t, p in typed if isinstance(t.outcome, Observation))]
    for name in domains:
        missing = sum(name not in p for _, p in typed)
        unfinished = name in always and all(isinstance(t.outcome, Failure) for t, p in typed if name not in p)
        if not missing or unfinished:
            continue
        condition = _parent(name, typed, domains, found)
        if condition is not None:
            found[name] = condition
            words = ", ".join(str(v)[:40] for v in condition.values[:_SHOWN])
            notes.append(f"{name} is there only where {condition.parent} is {words}: taken as a condition")
        else:
            notes.append(
                f"{missing} trial{'s' * (missing > 1)} had no {name}, and no other parameter explains when: "
                "it counts at its default there"
            )
    return found


def _parent(
    name: str,
    typed: Sequence[tuple[Recorded, dict[str, Scalar]]],
    domains: Mapping[str, Domain],
    known: Mapping[str, Condition],
) -> Condition | None:
    for parent, domain in domains.items():
        if parent == name or _depends(parent, name, known):
            continue
        have: set[Scalar] = set()
        lack: set[Scalar] = set()
        usable = True
        for trial, point in typed:
            if parent not in point:
                usable = usable and name not in point
            elif name in point:
                have.add(point[parent])
            elif isinstance(trial.outcome, Observation):
                lack.add(point[parent])
        few = isinstance(domain, Choices) or (domain.integer and domain.high - domain.low <= 16)
        if not (usable and few and have and lack) or {(type(v), v) for v in have} & {(type(v), v) for v in lack}:
            continue
        if isinstance(domain, Choices):
            return Condition(
                parent, tuple(v for v in domain.values if any(type(v) is type(h) and v == h for h in have))
            )
        numbers = [int(v) for v in have if isinstance(v, (int, float))]
        others = [int(v) for v in lack if isinstance(v, (int, float))]
        if min(numbers) > max(others):  # width_2 where there are two layers or more
            numbers = [*range(max(others) + 1 if max(others) + 1 in numbers else min(numbers), int(domain.high) + 1)]
        return Condition(parent, tuple(sorted(numbers)))
    return None


def _depends(one: str, other: str, known: Mapping[str, Condition]) -> bool:
    """Whether ``one`` exists only where ``other`` does, through any number of steps."""
    while one in known:
        one = known[one].parent
        if one == other:
            return True
    return False


def in_effect(space: Space, point: Mapping[str, Scalar]) -> list[Parameter]:
    """The parameters that are in effect at ``point``: those whose conditions hold, up to the root."""
    out: list[Parameter] = []
    for parameter in space:
        condition, alive = parameter.condition, True
        for _ in range(len(space)):
            if condition is None:
                break
            alive = alive and condition.holds(point)
            condition = space[condition.parent].condition
        if alive:
            out.append(parameter)
    return out
