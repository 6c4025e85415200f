"""The planted sets by name."""

from __future__ import annotations

from benchmarks.open_space.planted_set import PlantedSet

SETS = ("digits", "gpt")


def planted_set(name: str) -> PlantedSet:
    """The set ``name``; importing it may take seconds."""
    if name == "gpt":
        from benchmarks.open_space.gpt import GPT

        return GPT
    from benchmarks.open_space.training import DIGITS

    return DIGITS
