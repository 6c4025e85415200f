"""By how much runs err: where more, where wildly, and what those on one seed have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knowhy.engine import blocks
from knowhy.engine.fitting import Data, Fit
from knowhy.engine.noise import Loudness, weighed
from knowhy.engine.pairing import luck


@dataclass(frozen=True)
class Erring:
    """How the noise of runs differs from one size for each.

    ``loudness`` is how its size changes over the space (None: not at all); ``shared`` is the part of its variance that
    runs on one seed have in common; ``left`` is how much of its standard deviation a run errs by on a seed that others
    have run on, once these have told what the seed does.
    """

    loudness: Loudness | None = None
    shared: float = 0.0
    left: float = 1.0


PLAIN = Erring()


def erring(head: Data, used: Data, plain: Fit | None, switches: Sequence[int]) -> tuple[Data, Data, Erring]:
    """``head`` and ``used`` with the noise of each run, and how it is made up.

    ``plain`` is a smooth model of ``head`` whose noise has one size and is independent; without it, only what single
    ``switches`` (columns of patches) leave of the luck of a seed is told.
    """
    patched = luck(head, switches)
    changes, shared = None, 0.0
    if plain is not None:
        head, used, changes = weighed(plain, head, used)
        shared = 0.0 if switches else blocks.shared(plain, head)
    if patched is not None:
        return patched(head), patched(used), Erring(changes)
    left = blocks.left(used, shared)
    return blocks.alike(head, shared), blocks.alike(used, shared), Erring(changes, shared, left)
