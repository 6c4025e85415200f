"""Switches that must not be on together: patches that change the same lines, for one."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exclusion:
    """The switches ``parameters`` (two or more) are never all True in one configuration, for the ``reason`` given."""

    parameters: tuple[str, ...]
    reason: str

    def broken(self, point: Mapping[str, object]) -> bool:
        """Whether all of its switches are on at ``point``."""
        return all(point.get(name) is True for name in self.parameters)


def released(
    point: Mapping[str, object], exclusions: Iterable[Exclusion], keep: Collection[str] = ()
) -> tuple[str, ...]:
    """Switches to turn off at ``point`` so that no exclusion is broken; none of ``keep`` while another will do.

    Which of several is turned off depends on the other switches of the point alone, and over many points each is
    about equally often.
    """
    now = dict(point)
    off: list[str] = []
    on = ",".join(sorted(name for name, value in point.items() if value is True))
    for exclusion in exclusions:
        if not exclusion.broken(now):
            continue
        free = [name for name in exclusion.parameters if name not in keep] or list(exclusion.parameters[1:])
        chosen = free[zlib.crc32(f"{on}|{'|'.join(exclusion.parameters)}".encode()) % len(free)]
        now[chosen] = False
        off.append(chosen)
    return tuple(off)
