"""All planted worlds, by name."""

from __future__ import annotations

from benchmarks.worlds import mechanisms, traps
from benchmarks.worlds.world import World

WORLDS: dict[str, World] = {world.name: world for world in (*mechanisms.WORLDS, *traps.WORLDS)}
