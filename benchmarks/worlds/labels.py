"""Labels checked: a planted claim is evaluated on the true function by the code that judges beliefs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.world import Array, Planted, World, random_points
from knowhy.engine import claims
from knowhy.engine.encoding import Encoder
from knowhy.engine.predicates import Judge
from knowhy.engine.response import IDENTITY, Transform
from knowhy.engine.surface import Surface
from knowhy.model.space import Interval, Scalar


@dataclass(frozen=True)
class Label:
    """How a planted theory fares on the truth: for each claim, the votes of several judges (True: it holds)."""

    theory: Planted
    votes: tuple[tuple[bool, ...], ...]

    @property
    def right(self) -> bool:
        """Whether all judges agree with the label."""
        held = np.all(np.array(self.votes), axis=0)
        return bool(np.all(held == self.theory.true))


def judges(world: World) -> list[Judge]:
    """Judges of the truth that differ in what a study could plausibly see.

    Backgrounds (seeds), and the standard unit: the spread of noisy outcomes over the space, as a
    study that explores sees it, or half of it, as one that has settled near the optimum sees it.
    """
    return [_judge(world, seed, shrink) for seed in (0, 1, 2) for shrink in (1.0, 0.7)]


def _judge(world: World, seed: int, shrink: float) -> Judge:
    encoder = Encoder(world.space, tuple(p.name for p in world.space))
    points = random_points(world.space, 500, np.random.default_rng(seed))
    surfaces = {}
    for metric, values in world.truth(points).items():
        noise = world.noise.sd if world.noise.tail is None else 1.5 * world.noise.sd
        if world.noise.factor is not None:
            noise *= 1.5
        scale = shrink * float(np.hypot(values.std(), noise))
        transform = Transform(False, float(values.mean()), scale, -np.inf, np.inf)
        surfaces[metric] = Surface(_standard(world, encoder, metric, transform), transform, min(1.0, noise / scale))
    failure = None
    if world.failing is not None:
        failure = Surface(lambda rows: world.latent(_unrounded(encoder, rows))[None, :], IDENTITY, 0.0)
    signs = dict.fromkeys(surfaces, 1.0) | {world.objective.metric: world.objective.sign}
    best = encoder.encode([world.optimum[0]])[0]
    return Judge(encoder, surfaces, signs, encoder.encode([world.space.defaults()])[0], best, failure, seed)


def _standard(world: World, encoder: Encoder, metric: str, transform: Transform) -> Callable[[Array], Array]:
    return lambda rows: transform.forward(world.truth(_unrounded(encoder, rows))[metric])[None, :]


def _unrounded(encoder: Encoder, rows: Array) -> list[dict[str, Scalar]]:
    """The points of ``rows`` with numbers between whole numbers kept: draws of a posterior are continuous too."""
    points = encoder.decode(rows)
    for p, s in zip(encoder.parameters, encoder.slices, strict=True):
        if isinstance(p.domain, Interval):
            span = p.domain.high / p.domain.low if p.domain.scale == "log" else p.domain.high - p.domain.low
            for point, unit in zip(points, rows[:, s.start], strict=True):
                log = p.domain.scale == "log"
                point[p.name] = p.domain.low * span**unit if log else p.domain.low + span * unit
    return [dict(encoder.space.complete(point)) for point in points]


def check(world: World) -> list[Label]:
    """The label of each theory of ``world``, checked."""
    found = []
    crowd = judges(world)
    for theory in world.theories:
        parsed = [claims.parse(s, world.space, tuple(crowd[0].surfaces)) for s in theory.claims]
        votes = tuple(tuple(bool(j.answer(claim).holds[0]) for j in crowd) for claim in parsed)
        found.append(Label(theory, votes))
    return found
