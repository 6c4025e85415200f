"""Claims as predicates over response functions.

A claim is evaluated on every draw of the posterior at once: its belief is the share of draws in which
it holds. The same code evaluates a claim on a known function (one draw), which is how planted worlds are labelled.

A change counts when it exceeds the claim's margin; the default margin is, in standard units of the
metric, the larger of a tenth of its spread and half of its noise, so that "raises", "lowers" and "does not change"
share the possibilities out among them. Averages are over a fixed quasi-random set of backgrounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.places import costs, edges, fails_when, lies_inside
from knowhy.engine.structure import isoline, structure_name
from knowhy.engine.surface import Remembered, Surface, bottoms
from knowhy.engine.trades import parts
from knowhy.model.space import Interval, Scalar
from knowhy.model.theory import (
    Better,
    Claim,
    Effect,
    FailsWhen,
    Interacts,
    KeepsImproving,
    Lies,
    Matters,
    MattersMore,
    OnlyThrough,
    Optimum,
    OptimumMoves,
    Scope,
    Trades,
)

Bits = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

LEVELS = 7
BACKGROUNDS = 16
NEAR = 0.15  # "near" and "moves" in units of the parameter's range
MOVES = 0.1
AGREEMENT = 0.9


@dataclass(frozen=True)
class Answer:
    """A claim on each draw: whether it holds, and the number it is about (None where it is not about one)."""

    holds: Bits
    quantity: Array | None = None
    about: str = ""
    margin: float | None = None


@dataclass
class Judge:
    """Evaluates claims on ``surfaces`` (by metric).

    ``signs`` is +1 for metrics that are better small, -1 for large. ``best`` is the encoded incumbent.
    ``failure`` has draws of the latent that is negative where trials fail.
    """

    encoder: Encoder
    surfaces: Mapping[str, Surface]
    signs: Mapping[str, float]
    default: Array
    best: Array
    failure: Surface | None = None
    seed: int = 0
    _cache: dict[object, Array] = field(default_factory=dict)

    def prepare(self, claims: list[Claim]) -> None:
        """Evaluate in one go what the answers to ``claims`` will need; which rows those are does not hang on values."""
        asked: dict[str, list[Array]] = {m: [] for m in self.surfaces}

        def listen(metric: str) -> Surface:
            def draws(rows: Array) -> Array:
                asked[metric].append(rows)
                return np.zeros((1, len(rows)))

            real = self.surfaces[metric]
            return Surface(draws, real.transform, real.noise)

        spy = Judge(
            self.encoder, {m: listen(m) for m in self.surfaces}, self.signs, self.default, self.best, None, self.seed
        )
        for claim in claims:
            spy.answer(claim)
        for metric, sets in asked.items():
            draws = self.surfaces[metric].draws
            if sets and isinstance(draws, Remembered):
                draws.prefetch(sets)

    def backgrounds(self, scope: Scope, about: tuple[str, ...] = ()) -> Array:
        """Rows over which a scope averages: settings that exist, and in which the parameters ``about`` count."""
        key: tuple[object, ...] = ("backgrounds", scope)
        if self.encoder.conditional:
            key = ("backgrounds", scope, *about)
        if key not in self._cache:
            match scope.kind:
                case "default":
                    rows = np.atleast_2d(self.default)
                case "best":
                    rng = np.random.default_rng([self.seed, 5])
                    near = self.encoder.neighbours(self.best, BACKGROUNDS // 2 - 1, 0.07, rng)
                    rows = np.concatenate([np.atleast_2d(self.best), near])
                case "everywhere":
                    rows = self.encoder.sample(BACKGROUNDS, self.seed)
                case "average":
                    rows = self.encoder.typical(BACKGROUNDS, self.seed)
            if scope.bounds:
                low, high = edges(self.encoder, scope.bounds)
                whole = scope.kind in ("average", "everywhere")  # else only what lies outside moves, to the edge
                rows = low + (high - low) * rows if whole else np.clip(rows, low, high)
            for name in about:
                rows = self.encoder.admit(rows, name)
            self._cache[key] = self.encoder.rule_out(rows)
        return self._cache[key]

    def _at(self, rows: Array, settings: Mapping[str, Scalar]) -> Array:
        rows = rows.copy()
        for name, value in settings.items():
            g = self.encoder.index(name)
            if g >= 0:
                rows[:, self.encoder.slices[g]] = self.encoder.encode_value(g, value)
        return self.encoder.rule_out(rows)

    def profile(self, metric: str, parameter: str, scope: Scope, fixed: Mapping[str, Scalar] | None = None) -> Array:
        """Values at levels of ``parameter`` for each background (draws by levels by backgrounds)."""
        key = ("profile", metric, parameter, scope, tuple((fixed or {}).items()))
        if key not in self._cache:
            base = self._at(self.backgrounds(scope, (parameter, *(fixed or {}))), fixed or {})
            g = self.encoder.index(parameter)
            _, columns = self.encoder.levels(g, LEVELS)
            stacked = np.repeat(base[None], len(columns), axis=0)
            stacked[:, :, self.encoder.slices[g]] = columns[:, None, :]
            values = self.surfaces[metric].draws(self.encoder.rule_out(stacked.reshape(-1, base.shape[1])))
            self._cache[key] = values.reshape(-1, len(columns), len(base))
        return self._cache[key]

    def variation(self, metric: str, parameter: str, scope: Scope) -> Array:
        """Twice the standard deviation over the parameter's range, interactions included (draws)."""
        if self.encoder.index(parameter) < 0:
            return np.zeros(self._size(metric))
        values = self.profile(metric, parameter, scope)
        return np.asarray(2.0 * np.sqrt(np.mean(np.var(values, axis=1), axis=1)))

    def _size(self, metric: str) -> int:
        return int(self.surfaces[metric].draws(np.atleast_2d(self.default)).shape[0])

    def answer(self, claim: Claim) -> Answer:
        """Evaluate ``claim``; its metrics must be in ``surfaces``."""
        match claim:
            case Effect():
                return self._effect(claim)
            case Better():
                sign = self.signs[claim.metric]
                verb: str = "lowers" if sign > 0 else "raises"
                plain = Effect(claim.parameter, claim.loser, claim.winner, verb, claim.metric, None, claim.scope)  # type: ignore[arg-type]
                return self._effect(plain)
            case Trades():
                gain, price = (self._effect(e) for e in parts(claim, self.signs))
                return Answer(gain.holds & price.holds, price.quantity, price.about, price.margin)
            case KeepsImproving():
                domain = self.encoder.space[claim.parameter].domain
                end = domain.high if isinstance(domain, Interval) else claim.beyond
                verb = "lowers" if self.signs[claim.metric] > 0 else "raises"
                more = Effect(claim.parameter, claim.beyond, end, verb, claim.metric, None, claim.scope)  # type: ignore[arg-type]
                return self._effect(more)
            case Optimum():
                return self._optimum(claim)
            case Lies():
                surface, sign = self.surfaces[claim.metric], self.signs[claim.metric]
                cost = costs(surface.draws, sign, self.failure.draws if self.failure else None)
                return Answer(lies_inside(self.encoder, claim.bounds, cost, self.best, self.seed))
            case OptimumMoves():
                return self._moves(claim)
            case MattersMore():
                one = self.variation(claim.metric, claim.parameter, claim.scope)
                two = self.variation(claim.metric, claim.other, claim.scope)
                return Answer(one > two)
            case Matters():
                spread = self.variation(claim.metric, claim.parameter, claim.scope)
                surface = self.surfaces[claim.metric]
                about = f"variation of {claim.metric} over the range of {claim.parameter}"
                return self._sized((spread >= surface.margin) == claim.positive, spread, claim.metric, about)
            case Interacts():
                return self._interacts(claim)
            case OnlyThrough():
                return self._only_through(claim)
            case FailsWhen():
                if self.failure is None:
                    return Answer(np.zeros(self._size(next(iter(self.surfaces))), dtype=bool))
                rows = self.encoder.sample(4 * BACKGROUNDS, self.seed + 1)
                return Answer(fails_when(self.encoder, claim, self.failure.draws, rows))

    def _sized(self, holds: Bits, standard: Array, metric: str, about: str) -> Answer:
        """An answer about a spread, shown in the metric's units around its middle."""
        transform = self.surfaces[metric].transform
        middle = float(transform.back(np.zeros(1))[0])
        shown = np.asarray(transform.back(standard)) - middle
        margin = float(transform.back(np.array([self.surfaces[metric].margin]))[0]) - middle
        return Answer(holds, shown, about, abs(margin))

    def _effect(self, claim: Effect) -> Answer:
        surface = self.surfaces[claim.metric]
        rows = self.backgrounds(claim.scope, (claim.parameter,))
        count = len(rows)
        both = np.concatenate(
            [self._at(rows, {claim.parameter: claim.start}), self._at(rows, {claim.parameter: claim.end})]
        )
        values = surface.draws(both)
        before, after = values[:, :count], values[:, count:]
        start, end = before.mean(axis=1), after.mean(axis=1)
        change = surface.transform.back(end) - surface.transform.back(start)
        if claim.margin is None:
            limit = surface.margin
            score, each = end - start, after - before
            middle = float(surface.transform.back(np.zeros(1))[0])
            shown = abs(float(surface.transform.back(np.array([limit]))[0]) - middle)
        else:
            limit = shown = claim.margin
            score, each = change, surface.transform.back(after) - surface.transform.back(before)
        if claim.scope.kind == "everywhere":
            holds = np.mean(_judge_change(each, claim.verb, limit), axis=1) >= AGREEMENT
        else:
            holds = _judge_change(score, claim.verb, limit)
        return Answer(holds, change, f"change of {claim.metric}", shown)

    def _optimum(self, claim: Optimum) -> Answer:
        g = self.encoder.index(claim.parameter)
        if g < 0:
            return Answer(np.zeros(self._size(claim.metric), dtype=bool))
        domain = self.encoder.parameters[g].domain
        if not isinstance(domain, Interval):
            return Answer(np.zeros(self._size(claim.metric), dtype=bool))
        curve = self.signs[claim.metric] * self.profile(claim.metric, claim.parameter, claim.scope).mean(axis=2)
        where = bottoms(curve, self._positions(g))
        shaped = np.ptp(curve, axis=1) >= self.surfaces[claim.metric].margin
        low, high = domain.to_unit(claim.low), domain.to_unit(claim.high)
        match claim.relation:
            case "near":
                inside = np.abs(where - low) <= NEAR
            case "below":
                inside = where < low
            case "above":
                inside = where > low
            case "between":
                inside = (where >= low - 1e-9) & (where <= high + 1e-9)
        ratio = domain.high / domain.low if domain.scale == "log" and domain.low > 0 else 0.0
        shown = domain.low * ratio**where if ratio else domain.low + where * (domain.high - domain.low)
        return Answer(inside & shaped, shown, f"best {claim.parameter}")

    def _positions(self, group: int) -> Array:
        _, columns = self.encoder.levels(group, LEVELS)
        return np.asarray(columns[:, 0])

    def _moves(self, claim: OptimumMoves) -> Answer:
        g, h = self.encoder.index(claim.parameter), self.encoder.index(claim.other)
        if g < 0 or h < 0:
            still = claim.verb == "does not move"
            return Answer(np.full(self._size(claim.metric), still))
        other = self.encoder.parameters[h].domain
        ends = (other.from_unit(0.1), other.from_unit(0.9)) if isinstance(other, Interval) else other.values[:2]
        sign, positions = self.signs[claim.metric], self._positions(g)
        low, high = (
            sign * self.profile(claim.metric, claim.parameter, claim.scope, {claim.other: v}).mean(axis=2) for v in ends
        )
        # The bottom of a curve that is flat to within the margin is nowhere: it does not move.
        shaped = np.minimum(np.ptp(low, axis=1), np.ptp(high, axis=1)) >= self.surfaces[claim.metric].margin
        shift = np.where(shaped, bottoms(high, positions) - bottoms(low, positions), 0.0)
        holds = shift > MOVES if claim.verb == "rises" else shift < -MOVES
        if claim.verb == "does not move":
            holds = np.abs(shift) <= MOVES
        return Answer(holds, shift, f"shift of the best {claim.parameter} in shares of its range", MOVES)

    def _interacts(self, claim: Interacts) -> Answer:
        g, h = self.encoder.index(claim.parameter), self.encoder.index(claim.other)
        size = self._size(claim.metric)
        if g < 0 or h < 0:
            return Answer(np.full(size, not claim.together))
        rows = self.backgrounds(claim.scope, (claim.parameter, claim.other))[: BACKGROUNDS // 2]
        _, one = self.encoder.levels(g, 3)
        _, two = self.encoder.levels(h, 3)
        grid = np.repeat(rows[None, None], len(one), axis=0).repeat(len(two), axis=1)
        grid[..., self.encoder.slices[g]] = one[:, None, None, :]
        grid[..., self.encoder.slices[h]] = two[None, :, None, :]
        values = self.surfaces[claim.metric].draws(self.encoder.rule_out(grid.reshape(-1, rows.shape[1])))
        values = values.reshape(size, len(one), len(two), len(rows))
        left = values - values.mean(axis=1, keepdims=True) - values.mean(axis=2, keepdims=True)
        left += values.mean(axis=(1, 2), keepdims=True)
        strength = 2.0 * np.sqrt(np.mean(left**2, axis=(1, 2, 3)))
        about = f"joint effect of {claim.parameter} and {claim.other} beyond their sum"
        holds = (strength >= self.surfaces[claim.metric].margin) == claim.together
        return self._sized(holds, strength, claim.metric, about)

    def _only_through(self, claim: OnlyThrough) -> Answer:
        surface = self.surfaces[claim.metric]
        name = structure_name(claim)
        own = np.array([o == name for o in surface.origin or ("",) * self._size(claim.metric)])
        along = isoline(self.encoder, claim, self.backgrounds(Scope()))
        if along is None:
            return Answer(own)
        values = surface.draws(along.reshape(-1, along.shape[2])).reshape(len(own), *along.shape[:2])
        wander = 2.0 * np.sqrt(np.mean(np.var(values, axis=1), axis=1))
        across = np.maximum(
            self.variation(claim.metric, claim.parameter, Scope()), self.variation(claim.metric, claim.other, Scope())
        )
        # A metric that hardly depends on either says nothing for a combination.
        holds = (own | ((wander <= surface.margin) & (across > 2.0 * wander))) & (across >= surface.margin)
        return Answer(holds)


def _judge_change(change: Array, verb: str, margin: float) -> Bits:
    if verb == "raises":
        return np.asarray(change > margin)
    if verb == "lowers":
        return np.asarray(change < -margin)
    return np.asarray(np.abs(change) <= margin)
