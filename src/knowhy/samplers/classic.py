"""The classic strategies behind one name: random, grid, tpe, gp and cmaes.

| strategy | objectives | failed trials | running trials | parameters that a condition rules out |
| --- | --- | --- | --- | --- |
| random | any number | not run again | not run again | at their default |
| grid | any number | not run again | not run again | at their default |
| tpe (Optuna) | any number | told as failed | told as running (constant liar) | absent |
| gp (Optuna) | any number | told as failed | told as running | at their default |
| cmaes | one | left out | drawn from the same distribution | at their default |

Constraints count for tpe, gp and cmaes. What is proposed depends on the state and the seed alone.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from knowhy.errors import SettingsError
from knowhy.model.space import Point
from knowhy.model.state import State
from knowhy.samplers.evolution import EvolutionSampler
from knowhy.samplers.plain import GridSampler, RandomSampler

if TYPE_CHECKING:
    from knowhy.samplers.projection import OptunaSampler

STRATEGIES = ("random", "grid", "tpe", "gp", "cmaes")


class ClassicSampler:
    """A classic strategy; see the module for what each takes."""

    def __init__(self, strategy: str, seed: int) -> None:
        """Set up ``strategy``; raises SettingsError for an unknown one, or one whose packages are missing."""
        self.strategy = strategy
        self._sampler = _make(strategy, seed)

    def suggest(self, state: State, trial: int) -> Point | None:
        """The complete point to try as ``trial``; None when the grid is used up.

        Raises SettingsError where the strategy cannot take the study's objectives. A space without active
        parameters has one point, the default, which the study has run already: None for the grid, the default
        for the others.
        """
        if self.strategy != "grid" and not state.space.active:
            return state.space.defaults()
        return self._sampler.suggest(state, trial)


def _make(strategy: str, seed: int) -> RandomSampler | GridSampler | EvolutionSampler | OptunaSampler:
    match strategy:
        case "random":
            return RandomSampler(seed)
        case "grid":
            return GridSampler(seed)
        case "cmaes":
            return EvolutionSampler(seed)
        case "tpe":
            from knowhy.samplers.projection import OptunaSampler, tpe

            return OptunaSampler(tpe, seed, flat=False)
        case "gp":
            if find_spec("torch") is None:
                raise SettingsError(
                    "the strategy gp needs the package torch, which is not installed", "pip install 'knowhy[classic]'"
                )
            from knowhy.samplers.projection import OptunaSampler, gp

            return OptunaSampler(gp, seed, flat=True)
        case _:
            raise SettingsError(f"there is no strategy {strategy!r}", f"choose one of {', '.join(STRATEGIES)}")
