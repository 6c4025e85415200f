"""Configurations as rows of numbers.

A numeric parameter is one column in [0, 1] (after a log where its scale is logarithmic), a choice of
two one column of 0 or 1, a choice of k > 2 a one-hot block scaled so that two different values are at
distance 1. All columns of a parameter form a group that shares one length scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from knowhy.engine.exclusion import apart
from knowhy.model.space import Choices, Interval, Parameter, Point, Scalar, Space

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_HALF = float(np.sqrt(0.5))


@dataclass(frozen=True)
class Encoder:
    """Encodes points of ``space`` by the parameters ``names``; the others count as constant."""

    space: Space
    names: tuple[str, ...]

    @staticmethod
    def covering(space: Space, points: Iterable[Point]) -> Encoder:
        """Encode the active parameters and every other one that differs from its default in ``points``."""
        seen = list(points)
        names = tuple(p.name for p in space if p.active or any(q.get(p.name, p.default) != p.default for q in seen))
        return Encoder(space, names or tuple(p.name for p in space)[:1])

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters encoded, in order."""
        return tuple(self.space[n] for n in self.names)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """The columns of each parameter."""
        out, at = [], 0
        for p in self.parameters:
            width = len(p.domain.values) if isinstance(p.domain, Choices) and len(p.domain.values) > 2 else 1
            out.append(slice(at, at + width))
            at += width
        return tuple(out)

    @property
    def groups(self) -> int:
        """How many parameters."""
        return len(self.names)

    @property
    def columns(self) -> int:
        """How many columns."""
        return self.slices[-1].stop if self.slices else 0

    def index(self, name: str) -> int:
        """Position of parameter ``name`` among the groups; -1 where it is constant."""
        return self.names.index(name) if name in self.names else -1

    def encode_value(self, group: int, value: Scalar) -> Array:
        """The columns of one parameter at ``value``."""
        domain = self.parameters[group].domain
        if isinstance(domain, Interval):
            number = float(value) if isinstance(value, (int, float)) else float("nan")
            return np.array([domain.to_unit(number)])
        at = next(i for i, v in enumerate(domain.values) if type(v) is type(value) and v == value)
        if len(domain.values) == 2:
            return np.array([float(at)])
        row = np.zeros(len(domain.values))
        row[at] = _HALF
        return row

    def encode(self, points: Sequence[Point]) -> Array:
        """Rows for ``points`` (shape: points by columns)."""
        out = np.zeros((len(points), self.columns))
        for g, (p, s) in enumerate(zip(self.parameters, self.slices, strict=True)):
            cache: dict[tuple[type, Scalar], Array] = {}
            for i, point in enumerate(points):
                value = point.get(p.name, p.default)
                key = (type(value), value)
                if key not in cache:
                    cache[key] = self.encode_value(g, value if p.domain.contains(value) or p.numeric else p.default)
                out[i, s] = cache[key]
        return out

    def decode(self, rows: Array) -> list[dict[str, Scalar]]:
        """Complete points nearest to ``rows``."""
        points = []
        for row in np.atleast_2d(rows):
            point: dict[str, Scalar] = {}
            for p, s in zip(self.parameters, self.slices, strict=True):
                point[p.name] = _nearest(p, row[s])
            points.append(self.space.complete(point))
        return points

    def snap(self, rows: Array) -> Array:
        """``rows`` moved to the configurations that really exist (to rounding of real numbers)."""
        out = np.array(rows, dtype=float)
        for p, s in zip(self.parameters, self.slices, strict=True):
            if isinstance(p.domain, Interval):
                out[:, s.start] = _snap_column(p.domain, np.clip(out[:, s.start], 0.0, 1.0))
            elif s.stop - s.start == 1:
                out[:, s.start] = out[:, s.start] > 0.5
            else:
                at = np.argmax(out[:, s], axis=1)
                out[:, s] = 0.0
                out[np.arange(len(out)), s.start + at] = _HALF
        return self.rule_out(apart(self.space, self.names, self.slices, out))

    @cached_property
    def conditional(self) -> tuple[tuple[int, Parameter], ...]:
        """The parameters that do not always count, and their groups."""
        return tuple((g, p) for g, p in enumerate(self.parameters) if p.condition is not None)

    def rule_out(self, rows: Array) -> Array:
        """``rows`` with what their conditions rule out at its default, as trials run it; rows of existing settings."""
        if not self.conditional:
            return rows
        out = np.array(rows, dtype=float)
        for _ in self.conditional:  # once for each, as a chain of conditions may stand in any order
            for g, p in self.conditional:
                out[~self._holds(out, p), self.slices[g]] = self.encode_value(g, p.default)
        return out

    def admit(self, rows: Array, name: str) -> Array:
        """``rows``, moved where they must be for parameter ``name`` to count: its parents get values that allow it."""
        g = self.index(name)
        if g < 0 or self.parameters[g].condition is None:
            return rows
        p = self.parameters[g]
        condition = p.condition
        assert condition is not None
        parent = self.index(condition.parent)
        if parent < 0:
            return rows
        out = np.array(self.admit(rows, condition.parent), dtype=float)
        domain = self.parameters[parent].domain
        apart = ~self._holds(out, p)
        out[apart, self.slices[parent]] = self.encode_value(parent, condition.allowing(domain))
        return out

    def _holds(self, rows: Array, p: Parameter) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Where the condition of ``p`` holds."""
        assert p.condition is not None
        parent = self.index(p.condition.parent)
        if parent < 0:
            return np.full(len(rows), p.condition.holds(self.space.defaults()))
        domain = self.parameters[parent].domain
        named = [self.encode_value(parent, v) for v in p.condition.values if domain.contains(v)]
        if not named:
            return np.full(len(rows), p.condition.unless)
        apart = np.abs(rows[:, None, self.slices[parent]] - np.array(named)[None]).max(axis=2)
        return np.asarray((apart.min(axis=1) < 1e-6) != p.condition.unless)

    def levels(self, group: int, count: int) -> tuple[tuple[Scalar, ...], Array]:
        """Up to ``count`` settings across a parameter's range, and their columns."""
        p = self.parameters[group]
        if isinstance(p.domain, Choices):
            values: tuple[Scalar, ...] = p.domain.values
        else:
            distinct = dict.fromkeys(p.domain.from_unit(u) for u in np.linspace(0, 1, count))
            values = tuple(distinct)
        return values, np.array([self.encode_value(group, v) for v in values])

    def sample(self, count: int, seed: int, *, active_only: bool = True) -> Array:
        """``count`` scrambled Sobol rows over the active parameters, the others at their default."""
        rows = np.repeat(self.encode([self.space.defaults()]), count, axis=0)
        if not self.groups:
            return rows
        from scipy.stats import qmc  # half a second that answers without samples do not need

        unit = qmc.Sobol(self.groups, scramble=True, seed=seed).random(1 << max(count - 1, 1).bit_length())[:count]
        for g, (p, s) in enumerate(zip(self.parameters, self.slices, strict=True)):
            if not p.active and active_only:
                continue
            if isinstance(p.domain, Interval):
                rows[:, s.start] = unit[:, g]
            else:
                table = np.array([self.encode_value(g, v) for v in p.domain.values])
                rows[:, s] = table[np.minimum((unit[:, g] * len(table)).astype(int), len(table) - 1)]
        return rows

    def typical(self, count: int, seed: int) -> Array:
        """``count`` rows of settings that a person might choose: half of each range around the default.

        A choice keeps its default half of the time.
        """
        rows = self.sample(count, seed)
        default = self.encode([self.space.defaults()])[0]
        keep = np.random.default_rng([seed, 13]).random((count, self.groups)) < 0.5
        for g, (p, s) in enumerate(zip(self.parameters, self.slices, strict=True)):
            if not p.active:
                continue
            if isinstance(p.domain, Interval):
                low = min(max(default[s.start] - 0.25, 0.0), 0.5)
                rows[:, s.start] = low + 0.5 * rows[:, s.start]
            else:
                rows[keep[:, g], s] = default[s]
        return rows

    def swaps(self, rows: Array) -> Array:
        """``rows`` with each value of each active choice put in, one at a time."""
        out = [rows[:0]]
        for p, s in zip(self.parameters, self.slices, strict=True):
            if p.active and isinstance(p.domain, Choices):
                for value in p.domain.values:
                    moved = rows.copy()
                    moved[:, s] = self.encode_value(self.names.index(p.name), value)
                    out.append(moved)
        return np.concatenate(out)

    def neighbours(self, row: Array, count: int, spread: float, rng: np.random.Generator) -> Array:
        """``count`` rows near ``row``: a few parameters moved by about ``spread``, categories redrawn at times."""
        rows = np.repeat(np.atleast_2d(row), count, axis=0)
        movable = [g for g, p in enumerate(self.parameters) if p.active]
        if not movable:
            return rows
        moved = rng.random((count, len(movable))) < max(0.3, min(1.0, 2.0 / len(movable)))
        moved[np.arange(count), rng.integers(len(movable), size=count)] = True
        for k, g in enumerate(movable):
            p, s = self.parameters[g], self.slices[g]
            hit = np.flatnonzero(moved[:, k])
            if isinstance(p.domain, Interval):
                rows[hit, s.start] = np.clip(rows[hit, s.start] + spread * rng.standard_normal(len(hit)), 0, 1)
            else:
                hit = hit[rng.random(len(hit)) < min(1.0, 0.3 + spread)]
                table = np.array([self.encode_value(g, v) for v in p.domain.values])
                rows[hit, s] = table[rng.integers(len(table), size=len(hit))]
        return rows


def _snap_column(domain: Interval, unit: Array) -> Array:
    ratio = np.log(domain.high / domain.low) if domain.scale == "log" else 0.0
    raw: Array = np.asarray(domain.low + unit * (domain.high - domain.low))
    if domain.scale == "log":
        raw = np.asarray(domain.low * np.exp(unit * ratio))
    if domain.power_of_two:
        lowest, highest = np.ceil(np.log2(domain.low) - 1e-9), np.floor(np.log2(domain.high) + 1e-9)
        raw = np.asarray(2.0 ** np.clip(np.round(np.log2(raw)), lowest, highest))
    elif domain.integer:
        raw = np.asarray(np.clip(np.round(raw), np.ceil(domain.low), np.floor(domain.high)))
    else:
        # Six significant digits, as in ``Interval.from_unit``: a row is the very configuration that will run.
        digit = 10.0 ** (5 - np.floor(np.log10(np.maximum(np.abs(raw), 1e-300))))
        raw = np.asarray(np.clip(np.round(raw * digit) / digit, domain.low, domain.high))
    if domain.scale == "log":
        return np.asarray(np.log(raw / domain.low) / ratio)
    return np.asarray((raw - domain.low) / (domain.high - domain.low))


def _nearest(p: Parameter, columns: Array) -> Scalar:
    if isinstance(p.domain, Interval):
        return p.domain.from_unit(float(columns[0]))
    if len(p.domain.values) == 2:
        return p.domain.values[int(columns[0] > 0.5)]
    return p.domain.values[int(np.argmax(columns))]


def places(rows: Array) -> tuple[bytes, ...]:
    """A key for the configuration of each of some encoded ``rows``."""
    return tuple(row.tobytes() for row in np.ascontiguousarray(rows.round(9) + 0.0))
