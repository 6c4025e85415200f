"""Experiments that teach: candidates, and the information each is expected to give about the open theories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from knowhy.engine import claims, places
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.information import failure_information, information, pending_weights
from knowhy.engine.posterior import Posterior
from knowhy.engine.predicates import Bits
from knowhy.engine.standing import attention
from knowhy.engine.tried import place
from knowhy.model.space import Point, Scalar
from knowhy.model.state import State
from knowhy.model.theory import Better, Claim, Effect, FailsWhen, Lies, Scope, Theory
from knowhy.model.trial import Predictive, Stake

_POOL, _FANTASIES, _METRICS = 96, 3, 4
_PLACES = 8
_OPEN = 0.03
_STAKES = 8
GUEST = 1 / 3


@dataclass(frozen=True)
class Open:
    """The theories that are still open: their bits (theories by draws), weights, and the metrics they speak of."""

    theories: tuple[Theory, ...]
    bits: Bits
    weights: Array
    metrics: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Lesson:
    """What candidate rows are expected to teach: bits by theory and row, their weighted sum, and rows themselves."""

    rows: Array
    bits: Array
    total: Array


def open_theories(beliefs: Beliefs, posterior: Posterior) -> Open:
    """Theories that neither hold nor fail in nearly all draws.

    A theory about an objective, or one that a person proposed, counts twice as much as another; all counts are times
    the attention that the record of the proposer earns. However many theories a language model proposes, together they
    count for no more than a third of what the others count for, times its attention.
    """
    state = posterior.state
    objectives = {o.metric for o in state.objectives}
    heeded: dict[str, float] = {}
    chosen, bits, weights, metrics = [], [], [], []
    for theory in state.theories.values():
        b = beliefs.bits(posterior, theory)
        if b is None or min(b.mean(), 1 - b.mean()) < _OPEN:
            continue
        named = tuple(dict.fromkeys(m for c in beliefs.claims(state, theory.claims) for m in claims.mentions(c)[1]))
        fails = any(isinstance(c, FailsWhen) for c in beliefs.claims(state, theory.claims))
        if not named and not fails:
            continue
        chosen.append(theory)
        bits.append(b)
        if theory.by not in heeded:
            heeded[theory.by] = 2.0 if theory.by == "person" else attention(state, theory.by)
        wanted = heeded[theory.by]
        weights.append((1.0 if objectives & set(named) or fails else 0.5) * wanted)
        metrics.append(named)
    stacked = np.array(bits) if bits else np.zeros((0, 1), dtype=bool)
    shared = _bounded(state, [t.by for t in chosen], np.array(weights), heeded)
    return Open(tuple(chosen), stacked, shared, tuple(metrics))


def _bounded(state: State, by: Sequence[str], weights: Array, heeded: Mapping[str, float]) -> Array:
    """``weights``, where those of each proposer that is asked for thoughts add up to no more than its share."""
    out = weights.copy()
    asked = {thought.by for thought in state.thoughts}
    own = np.array([name in asked for name in by], dtype=bool)
    others = float(weights[~own].sum())
    for name in asked.intersection(by):
        its = np.array([b == name for b in by])
        if others > 0.0:
            out[its] *= min(1.0, GUEST * heeded[name] * others / float(weights[its].sum()))
    return out


def candidates(beliefs: Beliefs, posterior: Posterior, open_: Open, seed: int) -> Array:
    """Rows worth considering: spread out, near the best and the default, and one step from them along open claims."""
    encoder = posterior.encoder
    rng = np.random.default_rng([seed, 21])
    default = posterior.rows([posterior.state.space.defaults()])[0]
    best = posterior.rows([posterior.incumbent.proposal.point])[0] if posterior.incumbent else default
    rows = [encoder.sample(_POOL // 2, seed), encoder.typical(_POOL // 2, seed), default[None], best[None]]
    rows += [encoder.neighbours(best, 24, 0.25, rng), encoder.neighbours(default, 24, 0.35, rng)]
    for theory in open_.theories:
        for claim in beliefs.claims(posterior.state, theory.claims):
            if isinstance(claim, Lies):
                rows.append(places.squeezed(encoder, claim.bounds, _PLACES, seed))
                continue
            bases = _where_it_holds(encoder, claim, np.stack([best, default]))
            for name, values in _settings(posterior, claim):
                g = encoder.index(name)
                columns = np.array([encoder.encode_value(g, v) for v in values])
                for base in bases:
                    stepped = np.repeat(encoder.admit(base[None], name), len(columns), axis=0)
                    stepped[:, encoder.slices[g]] = columns
                    rows.append(stepped)
    stacked = np.unique(encoder.snap(np.concatenate(rows)).round(9), axis=0)
    if posterior.deterministic:
        new = np.array([r for r in stacked if place(r) not in posterior.runs])
        return new if len(new) else stacked
    return stacked


def _settings(posterior: Posterior, claim: Claim) -> Iterator[tuple[str, tuple[Scalar, ...]]]:
    """Settings of each active parameter that tell about ``claim``: those that it names, else a few in its range."""
    encoder = posterior.encoder
    for name in claims.mentions(claim)[0]:
        g = encoder.index(name)
        if g < 0 or not encoder.parameters[g].active:
            continue
        match claim:
            case Effect(parameter=p, start=a, end=b) if p == name:
                yield name, (a, b)
            case Better(parameter=p, winner=a, loser=b) if p == name:
                yield name, (a, b)
            case _:
                yield name, encoder.levels(g, 5)[0]


def _where_it_holds(encoder: Encoder, claim: Claim, rows: Array) -> Array:
    """``rows`` moved to where ``claim`` is meant to hold."""
    bounds = getattr(claim, "scope", Scope()).bounds
    return places.moved(encoder, bounds, rows) if bounds else rows


def lessons(posterior: Posterior, open_: Open, rows: Array, pending: Sequence[Point], seed: int) -> Lesson:
    """Expected bits of one trial at each of ``rows``, the outcomes of ``pending`` trials averaged in."""
    bits = np.zeros((len(open_.theories), len(rows)))
    waiting = posterior.rows(list(pending)) if pending else None
    for metric in _main_metrics(open_):
        about = [i for i, m in enumerate(open_.metrics) if metric in m]
        response = posterior.response(metric)
        noise = max(response.noise, 0.02)
        # Where the noise is twice as large, a look tells as much as one at half of the differences.
        values = response.draws(rows) / response.louder(rows)
        rng = np.random.default_rng([seed, 31])
        tilts = None
        if waiting is not None:
            awaited = response.draws(waiting) / response.louder(waiting)
            tilts = pending_weights(awaited, noise, _FANTASIES, rng)
        found = information(open_.bits[about], values, noise, rng, tilts)
        bits[about] = np.maximum(bits[about], found)
    if posterior.failure is not None:
        success = posterior.success(rows)
        bits *= success
        about = [i for i, m in enumerate(open_.metrics) if not m]
        if about:
            bits[about] = failure_information(open_.bits[about], posterior.failure.failing(rows))
    return Lesson(rows, bits, open_.weights @ bits)


def contrasts(beliefs: Beliefs, posterior: Posterior, open_: Open, seed: int) -> tuple[Array, Array, Array]:
    """Pairs of rows that differ in one claim, and the weighted bits and per-theory bits of running both.

    Returns rows (pairs by 2 by columns), totals (pairs), bits (theories by pairs). The information of the difference is
    a lower bound on that of the pair (data processing).
    """
    encoder = posterior.encoder
    default = posterior.rows([posterior.state.space.defaults()])[0]
    best = posterior.rows([posterior.incumbent.proposal.point])[0] if posterior.incumbent else default
    elsewhere = encoder.snap(encoder.sample(2, seed))
    pairs = []
    known = 1 if posterior.deterministic else 2
    entropy = open_.bits.mean(axis=1) * (1 - open_.bits.mean(axis=1)) * open_.weights if len(open_.theories) else []
    for i in np.argsort(-np.asarray(entropy))[:8]:
        for claim in beliefs.claims(posterior.state, open_.theories[i].claims):
            if isinstance(claim, Effect):
                ends = (claim.start, claim.end)
            elif isinstance(claim, Better):
                ends = (claim.loser, claim.winner)
            else:
                continue
            g = encoder.index(claim.parameter)
            if g < 0 or not encoder.parameters[g].active:
                continue
            for base in _where_it_holds(encoder, claim, np.stack([best, default, *elsewhere])):
                two = np.repeat(encoder.admit(base[None], claim.parameter), 2, axis=0)
                two[:, encoder.slices[g]] = [encoder.encode_value(g, v) for v in ends]
                two = encoder.rule_out(two)
                if (two[0] == two[1]).all():
                    continue  # what the parameter depends on is held where it does not count
                if np.abs(encoder.snap(two) - two).max() > 1e-4:
                    continue  # no such pair exists: a condition or an exclusion is in the way
                # An arm that has run before is known: its other half is a candidate on its own.
                if not any(posterior.runs.get(place(r), 0) >= known for r in two):
                    pairs.append(two)
    if not pairs:
        return np.zeros((0, 2, encoder.columns)), np.zeros(0), np.zeros((len(open_.theories), 0))
    stacked = np.array(pairs)
    bits = np.zeros((len(open_.theories), len(pairs)))
    for metric in _main_metrics(open_):
        about = [i for i, m in enumerate(open_.metrics) if metric in m]
        response = posterior.response(metric)
        flat = stacked.reshape(-1, encoder.columns)
        values = response.draws(flat).reshape(-1, len(pairs), 2)
        louder = np.sqrt((response.louder(flat) ** 2).reshape(-1, 2).mean(axis=1))
        rng = np.random.default_rng([seed, 41])
        noise = max(response.noise, 0.02) * np.sqrt(2.0)
        change = (values[..., 1] - values[..., 0]) / louder
        bits[about] = np.maximum(bits[about], information(open_.bits[about], change, noise, rng))
    if posterior.failure is not None:
        bits *= posterior.success(stacked.reshape(-1, encoder.columns)).reshape(-1, 2).prod(axis=1)
    return stacked, open_.weights @ bits, bits


def _main_metrics(open_: Open) -> list[str]:
    total: dict[str, float] = {}
    for w, named in zip(open_.weights, open_.metrics, strict=True):
        for m in named:
            total[m] = total.get(m, 0.0) + float(w)
    return sorted(total, key=lambda m: -total[m])[:_METRICS]


def predictions(posterior: Posterior, row: Array) -> tuple[Predictive, ...]:
    """What each objective is expected to be at ``row``, noise included."""
    out = []
    for objective in posterior.state.objectives:
        response = posterior.response(objective.metric)
        if response.particles:
            mean, sd = posterior.expected(objective.metric, row[None])
            out.append(_predictive(posterior, objective.metric, row, float(mean[0]), float(sd[0])))
    return tuple(out)


def _predictive(posterior: Posterior, metric: str, row: Array, mean: float, sd: float) -> Predictive:
    response = posterior.response(metric)
    t = response.transform
    # The scale itself is estimated: a Student-t with as many degrees of freedom has wider tails.
    known = max(posterior.distinct, 3)
    noise = response.noise * float(response.louder(row[None])[0])
    spread = float(np.hypot(sd, noise)) * t.scale * float(np.sqrt(known / (known - 2)))
    return Predictive(metric, t.centre + t.scale * mean, max(spread, 1e-12), t.log)


def stakes(posterior: Posterior, open_: Open, row: Array, bits: Array) -> tuple[Stake, ...]:
    """What the theories with most riding on a trial at ``row`` predict; ``bits`` are expected, by theory."""
    out = []
    for i in np.argsort(-bits)[:_STAKES]:
        holds, named = open_.bits[i], open_.metrics[i]
        if bits[i] < 0.002 or not named or holds.sum() < 8 or (~holds).sum() < 8:
            continue
        best: tuple[float, Stake] | None = None
        for metric in named:
            response = posterior.response(metric)
            if not response.particles:
                continue
            values = response.surface.draws(row[None])[:, 0]
            yes, no = values[holds], values[~holds]
            apart = abs(yes.mean() - no.mean())
            stake = Stake(
                open_.theories[i].id,
                float(holds.mean()),
                float(bits[i]),
                _predictive(posterior, metric, row, float(yes.mean()), float(yes.std())),
                _predictive(posterior, metric, row, float(no.mean()), float(no.std())),
            )
            if best is None or apart > best[0]:
                best = (float(apart), stake)
        if best is not None:
            out.append(best[1])
    return tuple(out)
