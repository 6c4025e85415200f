"""Expected improvement under the whole mixture, and the search for its maximum.

Improvement is judged by every model in proportion to its evidence, so structure that is believed guides
the search too. Pending trials count as if they had come out at their expected value.

Sources: Jones et al. 1998 (expected improvement); Ament et al. 2023 (its log, for flat regions); Knowles 2006
(random Chebyshev weights for several objectives); Ginsbourger et al. 2010 (kriging believer).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import log_ndtr

from knowhy.engine import opinions, surrogate
from knowhy.engine.encoding import Array
from knowhy.engine.posterior import Posterior
from knowhy.model.space import Point

_POOL, _ROUNDS, _TOP = 512, 5, 6


def log_h(z: Array) -> Array:
    """Log of phi(z) + z Phi(z), stable for very negative z."""
    phi = -0.5 * z * z - 0.5 * np.log(2 * np.pi)
    near = np.log(np.maximum(np.exp(phi) + z * np.exp(log_ndtr(z)), 1e-300))
    # phi(z)/z^2 (1 - 3/z^2) is the expansion where the two terms cancel.
    safe = np.minimum(z, -1.0)
    far = phi - 2.0 * np.log(-safe) + np.log1p(-np.minimum(3.0 / safe**2, 0.9))
    return np.asarray(np.where(z > -16.0, near, far))


def believe_pending(
    particles: Sequence[surrogate.Particle], data: surrogate.Data, rows: Array
) -> tuple[tuple[surrogate.Particle, ...], surrogate.Data]:
    """Particles and data in which ``rows`` came out as expected."""
    if not len(rows):
        return tuple(particles), data
    w, means, _ = surrogate.moments(particles, data, rows)
    grown = surrogate.Data(np.concatenate([data.rows, rows]), np.r_[data.values, w @ means])
    out = []
    for p in particles:
        if p.log_weight <= -6.0:
            continue
        k = p.family.covariance(p.theta[1:], p.family.distances(grown.rows, grown.rows)) + surrogate.CONSTANT
        k[np.diag_indices_from(k)] += p.noise**2 + 1e-8
        low = surrogate.cholesky(k)
        out.append(replace(p, cholesky=low, alpha=surrogate.solve(low, grown.values)))
    return tuple(out), grown


def acquisition(
    posterior: Posterior, pending: Sequence[Point], rng: np.random.Generator, tilt: Array | None = None
) -> Callable[[Array], Array]:
    """Log expected improvement (log standard units) times the chances to succeed and to keep the constraints.

    ``tilt`` weighs the draws by what proposers hold probable (see ``opinions``).
    """
    waiting = posterior.rows(list(pending)) if pending else np.zeros((0, posterior.encoder.columns))
    several = len(posterior.state.objectives) > 1
    gain = _chebyshev(posterior, waiting, rng) if several else _single(posterior, waiting)

    def score(rows: Array) -> Array:
        out = gain(rows) + np.log(np.maximum(posterior.success(rows), 1e-9))
        if tilt is not None:
            out = out + opinions.favour(posterior, tilt, posterior.candidates[1], rows)
        for c in posterior.state.constraints:
            response = posterior.response(c.metric)
            values = response.transform.back(response.draws(rows))
            ok = (values <= c.bound) if c.op == "<=" else (values >= c.bound)
            out = out + np.log((ok.sum(axis=0) + 0.5) / (len(ok) + 1.0))
        return np.asarray(out)

    return score


def _single(posterior: Posterior, waiting: Array) -> Callable[[Array], Array]:
    objective = posterior.state.objective
    response = posterior.response(objective.metric)
    particles, data = believe_pending(response.particles, response.data, waiting)
    # What breaks a constraint sets no mark to beat, nor does a trial that may turn out to.
    known = posterior.candidates[1]
    if not posterior.state.constraints:
        known = np.concatenate([known, waiting])
    if not len(known):
        return lambda rows: np.zeros(len(rows))
    _, tried, _ = surrogate.moments(particles, data, known)
    best = (objective.sign * tried).min(axis=1)

    def gain(rows: Array) -> Array:
        w, mean, var = surrogate.moments(particles, data, rows)
        sd = np.sqrt(var)
        each = np.log(sd) + log_h((best[:, None] - objective.sign * mean) / sd)
        top = each.max(axis=0)
        return np.asarray(top + np.log(w @ np.exp(each - top)))

    return gain


def _chebyshev(posterior: Posterior, waiting: Array, rng: np.random.Generator) -> Callable[[Array], Array]:
    objectives = posterior.state.objectives
    weights = rng.dirichlet(np.ones(len(objectives)))
    _, tried = posterior.candidates
    rows_known = tried if posterior.state.constraints else np.concatenate([tried, waiting])
    if not len(rows_known):
        return lambda rows: np.zeros(len(rows))
    scales = []
    for o in objectives:
        values = o.sign * posterior.response(o.metric).data.values
        scales.append((float(values.min()), max(float(np.ptp(values)), 1e-9)))

    def scalar(rows: Array) -> Array:
        parts = []
        for o, w, (low, width) in zip(objectives, weights, scales, strict=True):
            parts.append(w * (o.sign * posterior.response(o.metric).draws(rows) - low) / width)
        stacked = np.stack(parts)
        return np.asarray(stacked.max(axis=0) + 0.05 * stacked.sum(axis=0))

    best = scalar(rows_known).min(axis=1)

    def gain(rows: Array) -> Array:
        values = np.mean(np.maximum(best[:, None] - scalar(rows), 0.0), axis=0)
        return np.asarray(np.log(values + 1e-12))

    return gain


def maximise(
    posterior: Posterior,
    score: Callable[[Array], Array],
    starts: Array,
    seed: int,
    rng: np.random.Generator,
    asked: Array | None = None,
) -> tuple[Array, Array]:
    """The best rows found for ``score`` (best first) with their scores: a pool, then local moves around the top.

    ``asked`` are rows that somebody asked for: they are in the pool, and are among the rows returned.
    """
    encoder = posterior.encoder
    pool = [encoder.sample(_POOL * (1 + (encoder.groups > 6)), seed)]
    for start in starts[:3]:
        pool += [encoder.neighbours(start, 48, 0.2, rng), encoder.neighbours(start, 48, 0.05, rng)]
    if asked is not None and len(asked):
        pool.append(asked)
    rows = encoder.snap(np.concatenate(pool))
    values = score(rows)
    wanted = slice(len(rows) - (0 if asked is None else len(asked)), None)
    kept = (rows[wanted], values[wanted])
    for i in range(_ROUNDS):
        top = np.argsort(-values)[:_TOP]
        spread = 0.12 * 0.5**i
        moved = [encoder.neighbours(rows[t], 20, spread, rng) for t in top]
        near = encoder.snap(np.concatenate([*moved, encoder.swaps(rows[top[:3]])]))
        rows = np.concatenate([rows[top], near])
        values = np.r_[values[top], score(near)]
    rows, values = np.concatenate([rows, kept[0]]), np.r_[values, kept[1]]
    order = np.argsort(-values)
    return rows[order], values[order]
