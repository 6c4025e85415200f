"""Expected improvement under the whole mixture, and the search for its maximum.

Improvement is judged by every model in proportion to its evidence, so structure that is believed guides
the search too. Pending trials count as if they had come out at their expected value.

Sources: Jones et al. 1998 (expected improvement); Ament et al. 2023 (its log, for flat regions); Emmerich et al. 2011
(expected hypervolume improvement, for several objectives); Ginsbourger et al. 2010 (kriging believer).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from knowhy.engine import hypervolume, opinions, surrogate
from knowhy.engine.encoding import Array
from knowhy.engine.fitting import Data
from knowhy.engine.hypervolume import log_h
from knowhy.engine.posterior import Posterior
from knowhy.model.space import Point

_POOL, _ROUNDS, _TOP = 512, 5, 6
_HEAVY = 0.5  # the share of the mixture by which many rows are judged roughly
_SIFTED, _NEAR = 64, 48  # rows that are then judged by all of it: of the pool, and of each round of local moves
_PAIRINGS = 6
_WAYS, _DRAWS = 48, 96
_HARDLY = 0.05  # probability of success from which on a configuration is avoided beyond what it costs


Score = Callable[[Array], Array]


@dataclass(frozen=True)
class Acquisition:
    """What each of some rows promises; ``rough`` is nearly the same at a part of the cost, for choosing among many."""

    exact: Score
    rough: Score

    def __call__(self, rows: Array) -> Array:
        """Log expected improvement at ``rows`` (log standard units)."""
        return self.exact(rows)


def believe_pending(
    particles: Sequence[surrogate.Particle], data: Data, rows: Array
) -> tuple[tuple[surrogate.Particle, ...], Data]:
    """Particles and data in which ``rows`` came out as expected."""
    if not len(rows):
        return tuple(particles), data
    w, expected = surrogate.means(particles, data, rows)
    grown = data.with_expected(rows, w @ expected)
    return surrogate.believe(surrogate.leading(particles), grown), grown


def acquisition(
    posterior: Posterior, pending: Sequence[Point], rng: np.random.Generator, tilt: Array | None = None
) -> Acquisition:
    """Log expected improvement (log standard units) times the chances to succeed and to keep the constraints.

    ``tilt`` weighs the draws by what proposers hold probable (see ``opinions``).
    """
    waiting = posterior.rows(list(pending)) if pending else np.zeros((0, posterior.encoder.columns))
    several = len(posterior.state.objectives) > 1
    exact = _several(posterior, waiting, rng) if several else _single(posterior, waiting, 1.0)
    rough = exact if several else _single(posterior, waiting, _HEAVY)

    def scored(gain: Score) -> Score:
        def score(rows: Array) -> Array:
            success = np.maximum(posterior.success(rows), 1e-9)
            # What models promise where nothing has ever run is boundless: small hopes count less than their share.
            out = gain(rows) + np.log(success) + np.log(success / (success + _HARDLY))
            if tilt is not None:
                out = out + opinions.favour(posterior, tilt, posterior.candidates[1], rows)
            for c in posterior.state.constraints:
                response = posterior.response(c.metric)
                values = response.transform.back(response.draws(rows))
                ok = (values <= c.bound) if c.op == "<=" else (values >= c.bound)
                out = out + np.log((ok.sum(axis=0) + 0.5) / (len(ok) + 1.0))
            return np.asarray(out)

        return score

    whole = scored(exact)
    return Acquisition(whole, whole if rough is exact else scored(rough))


def _single(posterior: Posterior, waiting: Array, share: float) -> Score:
    """Log expected improvement by the models that make up ``share`` of the mixture."""
    objective = posterior.state.objective
    response = posterior.response(objective.metric)
    heavy = surrogate.heaviest(response.particles, share)
    particles, data = believe_pending(heavy, response.data, waiting)
    # What breaks a constraint sets no mark to beat, nor does a trial that may turn out to.
    known = posterior.candidates[1]
    if not posterior.state.constraints:
        known = np.concatenate([known, waiting])
    if not len(known):
        return lambda rows: np.zeros(len(rows))
    _, tried = surrogate.means(particles, data, known)
    best = (objective.sign * tried).min(axis=1)

    def gain(rows: Array) -> Array:
        w, mean, var = surrogate.moments(particles, data, rows)
        sd = np.sqrt(var)
        each = np.log(sd) + log_h((best[:, None] - objective.sign * mean) / sd)
        top = each.max(axis=0)
        return np.asarray(top + np.log(w @ np.exp(each - top)))

    return gain


def _several(posterior: Posterior, waiting: Array, rng: np.random.Generator) -> Score:
    """Expected gain of hypervolume, averaged over pairings of the models of the objectives."""
    objectives = posterior.state.objectives
    _, tried = posterior.candidates
    known = tried if posterior.state.constraints else np.concatenate([tried, waiting])
    if not len(known):
        return lambda rows: np.zeros(len(rows))
    models = []
    for o in objectives:
        response = posterior.response(o.metric)
        if not response.particles:
            return lambda rows: np.zeros(len(rows))
        models.append(believe_pending(response.particles, response.data, waiting))
    if len(objectives) > 2:
        return _in_directions(posterior, known, rng)
    at_known = [surrogate.means(particles, data, known) for particles, data in models]
    # Which models go together: each drawn in proportion to its weight, in an order of its own.
    picks = [rng.permutation(_systematic(w, _PAIRINGS)) for w, _ in at_known]
    fronts = []
    for k in range(_PAIRINGS):
        each = [o.sign * m[1][p[k]] for o, m, p in zip(objectives, at_known, picks, strict=True)]
        costs = np.stack(each, axis=1)
        fronts.append((costs, _behind(posterior, costs)))

    def gain(rows: Array) -> Array:
        there = [surrogate.moments(particles, data, rows) for particles, data in models]
        logs = []
        for k, (front, point) in enumerate(fronts):
            mean = np.stack([o.sign * m[1][p[k]] for o, m, p in zip(objectives, there, picks, strict=True)], axis=1)
            sd = np.stack([np.sqrt(m[2][p[k]]) for m, p in zip(there, picks, strict=True)], axis=1)
            logs.append(hypervolume.log_expected_gain(mean, sd, front, point))
        each = np.array(logs)
        top = each.max(axis=0)
        return np.asarray(top + np.log(np.mean(np.exp(each - top), axis=0)))

    return gain


def _in_directions(posterior: Posterior, known: Array, rng: np.random.Generator) -> Score:
    """Expected gain of hypervolume over draws and directions, for three objectives or more."""
    objectives = posterior.state.objectives
    ways = hypervolume.directions(_WAYS, len(objectives), rng)

    def costs(rows: Array) -> Array:
        values = [o.sign * posterior.response(o.metric).draws(rows)[:_DRAWS] for o in objectives]
        return np.asarray(np.stack(values, axis=-1))  # draws by rows by objectives

    tried = costs(known)
    point = _behind(posterior, tried.mean(axis=0))
    best = hypervolume.reach(tried, point, ways).max(axis=1)  # draws by ways

    def gain(rows: Array) -> Array:
        ahead = hypervolume.reach(costs(rows), point, ways) - best[:, None, :]
        return np.asarray(np.log(np.mean(np.maximum(ahead, 0.0), axis=(0, 2)) + 1e-12))

    return gain


def _behind(posterior: Posterior, costs: Array) -> Array:
    """The reference point: behind the front, but never behind a bound that an objective itself must keep."""
    point = hypervolume.reference(costs)
    for i, o in enumerate(posterior.state.objectives):
        for c in posterior.state.constraints:
            if c.metric == o.metric and (c.op == "<=") == (o.sign > 0):
                bound = o.sign * posterior.response(o.metric).transform.forward(np.array([c.bound]))
                point[i] = min(point[i], float(bound[0]))
    return point


def _systematic(weights: Array, count: int) -> Array:
    positions = (np.arange(count) + 0.5) / count
    return np.minimum(np.searchsorted(np.cumsum(weights), positions), len(weights) - 1)


def starts(posterior: Posterior) -> Array:
    """Tried rows to search around, the most promising first: the best, or the ends and the middle of the front."""
    objectives, tried = posterior.state.objectives, posterior.candidates[1]
    if not len(tried):
        return tried
    costs = np.stack([o.sign * posterior.at_candidates(o.metric)[0] for o in objectives], axis=1)
    if len(objectives) == 1:
        return tried[np.argsort(costs[:, 0])]
    front = np.flatnonzero(hypervolume.on_front(costs))
    front = front[np.argsort(costs[front, 0])]
    spread = dict.fromkeys(int(i) for i in front[[0, len(front) // 2, -1, len(front) // 4, 3 * len(front) // 4]])
    return tried[[*spread, *(i for i in range(len(tried)) if i not in spread)]]


def maximise(
    posterior: Posterior,
    score: Score,
    around: Array,
    seed: int,
    rng: np.random.Generator,
    asked: Array | None = None,
) -> tuple[Array, Array]:
    """The best rows found for ``score`` (best first) with their scores: a pool, then local moves around the top.

    An ``Acquisition`` sifts roughly first, so that all models are asked only about rows that promise something.
    ``asked`` are rows that somebody asked for: they are in the pool, and are among the rows returned.
    """
    encoder = posterior.encoder
    pool = [encoder.sample(_POOL * (1 + (encoder.groups > 6)), seed)]
    for start in around[: 3 if len(posterior.state.objectives) == 1 else 5]:
        pool += [encoder.neighbours(start, 48, 0.2, rng), encoder.neighbours(start, 48, 0.05, rng)]
    wanted = encoder.snap(np.zeros((0, encoder.columns)) if asked is None else asked)
    rows = np.concatenate([_sifted(score, encoder.snap(np.concatenate(pool)), _SIFTED), wanted])
    values = score(rows)
    kept = (wanted, values[len(rows) - len(wanted) :])
    for i in range(_ROUNDS):
        top = np.argsort(-values)[:_TOP]
        spread = 0.12 * 0.5**i
        moved = [encoder.neighbours(rows[t], 20, spread, rng) for t in top]
        near = encoder.snap(np.concatenate([*moved, encoder.swaps(rows[top[:3]])]))
        near = _sifted(score, near, _NEAR)
        rows = np.concatenate([rows[top], near])
        values = np.r_[values[top], score(near)]
    rows, values = np.concatenate([rows, kept[0]]), np.r_[values, kept[1]]
    order = np.argsort(-values)
    return rows[order], values[order]


def _sifted(score: Score, rows: Array, keep: int) -> Array:
    """At most ``keep`` of ``rows``: the best by a rough look, where ``score`` has one."""
    if not isinstance(score, Acquisition) or len(rows) <= keep or score.rough is score.exact:
        return rows
    return np.asarray(rows[np.sort(np.argsort(-score.rough(rows), kind="stable")[:keep])])
