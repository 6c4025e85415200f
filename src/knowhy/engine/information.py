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


def binary_entropy(p: Array) -> Array:
    """Entropy of a bit, in bits."""
    p = np.clip(p, 1e-12, 1.0 - 1e-12)
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))


def information(
    bits: Bits, values: Array, noise: float, rng: np.random.Generator, weights: Array | None = None
) -> Array:
    """Expected information of one noisy look at each candidate about each claim.

    ``bits``: claims by draws; ``values``: draws by candidates, in the units of ``noise`` (a standard
    deviation). ``weights`` (draws) tilt the draws, to average over outcomes that are pending. Returns
    bits, claims by candidates.
    """
    size = bits.shape[1]
    w = np.full(size, 1.0 / size) if weights is None else weights / weights.sum()
    plain = _plug_in(bits, values, noise, w)
    shuffled = bits[:, rng.permutation(size)]
    bias = _plug_in(shuffled, values, noise, w)
    open_enough = (bits @ w > 0.005) & (bits @ w < 0.995)
    return np.asarray(np.maximum(plain - bias.mean(axis=1, keepdims=True), 0.0) * open_enough[:, None])


def _plug_in(bits: Bits, values: Array, noise: float, w: Array) -> Array:
    claims = len(bits)
    count = values.shape[1]
    # One outlying draw must not coarsen all bins.
    low, high = np.quantile(values, [0.005, 0.995], axis=0)
    width = np.maximum(high - low, 1e-9)
    index = np.clip(((values - low) * (_BINS / width)).astype(int), 0, _BINS - 1)
    flat = (index + _BINS * np.arange(count)).ravel()
    total = np.bincount(flat, np.repeat(w, count), minlength=_BINS * count).reshape(count, _BINS)
    holds = np.empty((claims, count, _BINS))
    for c in range(claims):
        tilted = np.repeat(w * bits[c], count)
        holds[c] = np.bincount(flat, tilted, minlength=_BINS * count).reshape(count, _BINS)
    centres = low[:, None] + width[:, None] * (np.arange(_BINS) + 0.5) / _BINS
    nodes = low[:, None] - 2.5 * noise + (width[:, None] + 5.0 * noise) * (np.arange(_NODES) + 0.5) / _NODES
    sd = np.sqrt(noise**2 + (width / _BINS) ** 2 / 12.0)[:, None, None]
    spread = np.exp(-0.5 * ((centres[:, :, None] - nodes[:, None, :]) / sd) ** 2)
    spread /= np.maximum(spread.sum(axis=2, keepdims=True), 1e-300)
    outcome = np.einsum("mb,mbq->mq", total, spread)
    joint = np.matmul(holds.transpose(1, 0, 2), spread)  # candidates by claims by nodes
    share = joint / np.maximum(outcome[:, None, :], 1e-300)
    after = np.einsum("mq,mcq->cm", outcome, binary_entropy(share))
    before = binary_entropy(bits @ w)
    return np.asarray(before[:, None] - after)


def failure_information(bits: Bits, fails: Bits) -> Array:
    """Information of "did it fail?" about each claim (claims by candidates); ``fails``: draws by candidates."""
    size = bits.shape[1]
    f = fails.astype(float)
    p_hold = bits.mean(axis=1)
    joint = bits.astype(float) @ f / size
    p_fail = f.mean(axis=0)
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
