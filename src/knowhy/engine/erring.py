"""By how much runs err: where more, where wildly, and what those on one seed have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knowhy.engine.blocks import blocks
from knowhy.engine.fitting import Data, Fit
from knowhy.engine.noise import Loudness, weighed
from knowhy.engine.pairing import luck


@dataclass(frozen=True)
class Erring:
    """How the noise of runs differs from one size for each.

    ``loudness`` is how its size changes over the space (None: not at all), ``shared`` the part of its variance that all
    runs on one seed have in common. ``left`` is what a run on a seed that others have run on still errs by, once they
    have told what the seed does: a standard deviation, as a multiple of that of the noise.
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
    if plain is None:
        return (head, used, PLAIN) if patched is None else (patched(head), patched(used), PLAIN)
    head, used, changes = weighed(plain, head, used)
    if patched is not None:
        return patched(head), patched(used), Erring(changes)
    if switches:
        return head, used, Erring(changes)
    shared = blocks(plain, head)
    return shared(head), shared(used), Erring(changes, shared.everywhere, shared.left(used))
