"""How much an experiment would teach: mutual information between claims and outcomes.

For each claim every draw carries a bit (it holds, or not) and, at each candidate, a value; with the noise, the
outcome is a two-class mixture and the information is one-dimensional quadrature. The plug-in estimate is biased
upwards by the finite number of draws; the same estimate with the bits shuffled measures that bias and is taken off.

Sources: Lindley 1956; MacKay 1992; Houlsby et al. 2011 (information about a function); Miller 1955 (bias).
"""

from __future__ import annotations

import numpy as np

from knowhy.engine.encoding import Array
from knowhy.engine.predicates import Bits

_BINS, _NODES = 24, 36
_BIASED = 24


def binary_entropy(p: Array) -> Array:
    """Entropy of a bit, in bits."""
    p = np.clip(p, 1e-12, 1.0 - 1e-12)
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))


def entropy_of(p: float) -> float:
    """Entropy of one bit that is set with probability ``p``, in bits."""
    return float(binary_entropy(np.array(p)))


def information(
    bits: Bits, values: Array, noise: float, rng: np.random.Generator, weights: Array | None = None
) -> Array:
    """Expected information of one noisy look at each candidate about each claim.

    ``bits``: claims by draws; ``values``: draws by candidates, in the units of ``noise`` (a standard
    deviation). ``weights`` (tilts by draws) tilt the draws, to average over outcomes that are pending; what is returned
    is the mean over the tilts. Returns bits, claims by candidates.
    """
    size = bits.shape[1]
    tilts = np.full((1, size), 1.0 / size) if weights is None else weights / weights.sum(axis=1, keepdims=True)
    look = _Look(values, noise)
    # The bias is an average over candidates: a few of them tell it.
    some = look if values.shape[1] <= _BIASED else _Look(values[:, :: values.shape[1] // _BIASED], noise)
    shuffled = bits[:, rng.permutation(size)]
    total = np.zeros((len(bits), values.shape[1]))
    for w in tilts:
        bias = some.information(shuffled, w)
        share = bits @ w
        open_enough = (share > 0.005) & (share < 0.995)
        found = look.information(bits[open_enough], w) - bias[open_enough].mean(axis=1, keepdims=True)
        total[open_enough] += np.maximum(found, 0.0)
    return total / len(tilts)


class _Look:
    """One noisy look at each candidate: which bin each draw falls in, and what each bin looks like through the noise.

    ``values``: draws by candidates; ``noise`` is a standard deviation in their units.
    """

    def __init__(self, values: Array, noise: float) -> None:
        self._count = values.shape[1]
        # One outlying draw must not coarsen all bins.
        low, high = np.quantile(values, [0.005, 0.995], axis=0)
        width = np.maximum(high - low, 1e-9)
        index = np.clip(((values - low) * (_BINS / width)).astype(int), 0, _BINS - 1)
        self._flat = (index + _BINS * np.arange(self._count)).ravel()
        centres = low[:, None] + width[:, None] * (np.arange(_BINS) + 0.5) / _BINS
        nodes = low[:, None] - 2.5 * noise + (width[:, None] + 5.0 * noise) * (np.arange(_NODES) + 0.5) / _NODES
        sd = np.sqrt(noise**2 + (width / _BINS) ** 2 / 12.0)[:, None, None]
        spread = np.exp(-0.5 * ((centres[:, :, None] - nodes[:, None, :]) / sd) ** 2)
        self._spread = spread / np.maximum(spread.sum(axis=2, keepdims=True), 1e-300)

    def _binned(self, weights: Array) -> Array:
        tilted = np.repeat(weights, self._count)
        counted: Array = np.bincount(self._flat, tilted, minlength=_BINS * self._count).astype(float)
        return counted.reshape(self._count, _BINS)

    def information(self, bits: Bits, w: Array) -> Array:
        """The plug-in estimate under draws weighted by ``w`` (claims by candidates)."""
        outcome = np.einsum("mb,mbq->mq", self._binned(w), self._spread)
        holds = np.array([self._binned(w * b) for b in bits]).reshape(len(bits), self._count, _BINS)
        joint = np.matmul(holds.transpose(1, 0, 2), self._spread)  # candidates by claims by nodes
        share = joint / np.maximum(outcome[:, None, :], 1e-300)
        after = np.einsum("mq,mcq->cm", outcome, binary_entropy(share))
        return np.asarray(binary_entropy(bits @ w)[:, None] - after)


def failure_information(bits: Bits, failing: Array) -> Array:
    """Information of "did it fail?" about each claim (claims by candidates).

    ``failing``: the probability of failure under each draw (draws by candidates).
    """
    size = bits.shape[1]
    p_hold = bits.mean(axis=1)
    joint = bits.astype(float) @ failing / size
    p_fail = failing.mean(axis=0)
    inside = joint / np.maximum(p_fail, 1e-12)
    outside = (p_hold[:, None] - joint) / np.maximum(1.0 - p_fail, 1e-12)
    after = p_fail * binary_entropy(inside) + (1.0 - p_fail) * binary_entropy(outside)
    return np.asarray(np.maximum(binary_entropy(p_hold)[:, None] - after - 1.5 / (size * np.log(2)), 0.0))


def pending_weights(values: Array, noise: float, fantasies: int, rng: np.random.Generator) -> Array:
    """Weights of the draws given imagined outcomes of pending trials (fantasies by draws).

    ``values``: draws by pending trials. Each fantasy takes its outcomes from one draw, plus noise; the
    log weights are tempered so that at least a tenth of the draws stay effective.
    """
    size = len(values)
    out = np.empty((fantasies, size))
    for j, source in enumerate(rng.choice(size, fantasies, replace=False)):
        outcome = values[source] + noise * rng.standard_normal(values.shape[1])
        log_w = -0.5 * np.sum(((values - outcome) / max(noise, 0.05)) ** 2, axis=1)
        log_w -= log_w.max()
        power = 1.0
        w = np.exp(log_w)
        while w.sum() ** 2 / np.sum(w**2) < 0.1 * size and power > 1e-6:
            power *= 0.7
            w = np.exp(power * log_w)
        out[j] = w / w.sum()
    return out
