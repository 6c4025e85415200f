"""Claims about places: where the best configuration of all lies, and where trials fail.

On each draw of a response the best of a spread of configurations inside the bounds is compared with the best outside.
The share of draws in which it lies inside is also the share in which Thompson sampling would look there.

Source: Thompson 1933; Hennig and Schuler 2012 (beliefs about the place of an optimum).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from knowhy.engine.encoding import Array, Encoder
from knowhy.model.space import Interval
from knowhy.model.theory import Bound, FailsWhen

Bits = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

Draws = Callable[[Array], Array]
"""Rows to values of draws (draws by rows)."""

SPREAD, INSIDE, NEARBY = 128, 48, 16


@lru_cache(maxsize=8)
def _spread(encoder: Encoder, count: int, seed: int) -> Array:
    """Rows over the whole space; asked for again and again by claims about one study."""
    return encoder.sample(count, seed)


def edges(encoder: Encoder, bounds: Sequence[Bound]) -> tuple[Array, Array]:
    """The lowest and highest value of each column that ``bounds`` leave (for a choice: the columns of its value)."""
    low, high = np.zeros(encoder.columns), np.ones(encoder.columns)
    for bound in bounds:
        g = encoder.index(bound.parameter)
        if g < 0:
            continue
        s, edge = encoder.slices[g], encoder.encode_value(g, bound.value)
        if bound.op in (">=", "="):
            low[s] = np.maximum(low[s], edge)
        if bound.op in ("<=", "="):
            high[s] = np.minimum(high[s], edge)
    return low, high


def moved(encoder: Encoder, bounds: Sequence[Bound], rows: Array) -> Array:
    """``rows``, each moved to the nearest settings that keep ``bounds``."""
    return encoder.rule_out(np.clip(rows, *edges(encoder, bounds)))


def inside(encoder: Encoder, bounds: Sequence[Bound], rows: Array) -> Bits:
    """Which of ``rows`` keep ``bounds``; a parameter that is held counts at its default."""
    low, high = edges(encoder, bounds)
    named = np.zeros(encoder.columns, dtype=bool)
    for bound in bounds:
        g = encoder.index(bound.parameter)
        if g >= 0:
            named[encoder.slices[g]] = True
    kept = (rows >= low - 1e-9) & (rows <= high + 1e-9)
    return np.asarray(kept[:, named].all(axis=1))


def squeezed(encoder: Encoder, bounds: Sequence[Bound], count: int, seed: int) -> Array:
    """``count`` rows spread over what ``bounds`` leave of the space."""
    low, high = edges(encoder, bounds)
    return encoder.rule_out(low + (high - low) * _spread(encoder, count, seed))


def costs(draws: Draws, sign: float, latent: Draws | None) -> Draws:
    """What is to be made small, by draw and row: infinite where a trial fails, as the ``latent`` of success has it."""

    def cost(rows: Array) -> Array:
        values = sign * draws(rows)
        return np.asarray(values if latent is None else np.where(latent(rows) < 0, np.inf, values))

    return cost


def lies_inside(encoder: Encoder, bounds: Sequence[Bound], cost: Draws, best: Array, seed: int) -> Bits:
    """For each draw, whether the least ``cost`` (rows to draws by rows) of all lies inside ``bounds``.

    ``best`` is the best row known; what is near it, and the nearest to it inside, is looked at closely.
    """
    rng = np.random.default_rng([seed, 61])
    low, high = edges(encoder, bounds)
    near = encoder.neighbours(best, NEARBY, 0.1, rng)
    # The same rows for every claim, which are evaluated once, and those that one claim needs.
    shared = encoder.rule_out(np.concatenate([_spread(encoder, SPREAD, seed + 2), best[None], near]))
    border = np.clip(near, low, high)
    own = encoder.rule_out(np.concatenate([squeezed(encoder, bounds, INSIDE, seed + 3), border]))
    values = np.concatenate([cost(shared), cost(own)], axis=1)
    here = np.r_[inside(encoder, bounds, shared), inside(encoder, bounds, own)]
    if not here.any() or here.all():
        return np.full(len(values), bool(here.any()))
    return np.asarray(values[:, here].min(axis=1) < values[:, ~here].min(axis=1))


def fails_when(encoder: Encoder, claim: FailsWhen, latent: Draws, rows: Array) -> Bits:
    """For each draw, whether trials at ``rows`` fail where ``claim`` says so (three in four), and not elsewhere."""
    snapped = encoder.snap(rows)
    value = np.prod([_settings(encoder, n, snapped) for n in claim.parameters], axis=0)
    there = value > claim.threshold if claim.side == "above" else value < claim.threshold
    fails = latent(rows) < 0
    if there.all() or not there.any():
        return np.zeros(len(fails), dtype=bool)
    return np.asarray((fails[:, there].mean(axis=1) >= 0.75) & (fails[:, ~there].mean(axis=1) <= 0.25))


def _settings(encoder: Encoder, name: str, rows: Array) -> Array:
    """The settings of the number ``name`` at ``rows``; its default where it is held, not a number where it is none."""
    g, parameter = encoder.index(name), encoder.space[name]
    domain, default = parameter.domain, parameter.default
    if g >= 0 and isinstance(domain, Interval):
        unit = rows[:, encoder.slices[g].start]
        if domain.scale == "log":
            return np.asarray(domain.low * np.exp(unit * np.log(domain.high / domain.low)))
        return np.asarray(domain.low + unit * (domain.high - domain.low))
    return np.full(len(rows), float(default) if isinstance(default, (int, float)) else np.nan)
