"""The posterior of a study: from its trials to draws of every response, the failure model, and the incumbent."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from knowhy.engine import surrogate
from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.factorial import enough
from knowhy.engine.finite import Idle, Quadratic
from knowhy.engine.fitting import NOISE_MEAN, Data, Fit, fit, fitted_at, thin
from knowhy.engine.kernels import Additive, Ard, Family
from knowhy.engine.looks import Look, looks, variances
from knowhy.engine.metric_names import goal
from knowhy.engine.noise import FEWEST, Loudness, weighed
from knowhy.engine.pairing import luck
from knowhy.engine.predicates import Judge
from knowhy.engine.response import IDENTITY, Transform, fit_transform
from knowhy.engine.structure import structural_family
from knowhy.engine.success import Success
from knowhy.engine.surface import Response
from knowhy.engine.tried import Rows, Tried, failing, place, promising
from knowhy.model.observation import SAYS_NOTHING
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Point, same_point
from knowhy.model.state import State
from knowhy.model.theory import FailsWhen, OnlyThrough
from knowhy.model.trial import Completed, Failed, Stopped, Trial

DRAWS = 512
SMOOTH, SPARSE, ADDITIVE, QUADRATIC, IDLE, STRUCTURES = 0.25, 0.2, 0.2, 0.15, 0.05, 0.15
_MOST_POINTS, _FIT_POINTS = 300, 128
_CONSIDERED = 256
_CLEARLY, _SPARE = 0.9, 24


class Posterior:
    """Everything the engine believes after the trials of ``state``.

    ``extra`` names parameters to encode although they never varied; ``structures`` are claims
    that enter as models of their own. ``fits`` afterwards holds the modes found (by metric and family).
    """

    def __init__(
        self,
        state: State,
        structures: Sequence[OnlyThrough | FailsWhen] = (),
        extra: Iterable[str] = (),
        memory: dict[tuple[object, ...], Fit] | None = None,
        encoded: Rows | None = None,
    ) -> None:
        """Index the trials; responses are fitted when asked for.

        ``memory`` and ``encoded`` keep fits and rows between posteriors: what would be computed again.
        """
        self.state = state
        self._memory = {} if memory is None else memory
        self._rows = encoded or Rows()
        self.structures = tuple(c for c in structures if isinstance(c, OnlyThrough))
        self.limits = tuple(c for c in structures if isinstance(c, FailsWhen))
        ended: list[Trial] = [state.trials[i] for i in state.order]
        self._told = [t for t in ended if not (isinstance(t, Failed) and t.failure.kind in SAYS_NOTHING)]
        # Whether a stopped trial would have failed is not known.
        self._ended = [t for t in self._told if not isinstance(t, Stopped)]
        self.completed = [t for t in self._ended if isinstance(t, Completed)]
        self.failed = [t for t in self._ended if isinstance(t, Failed)]
        covering = Encoder.covering(state.space, [t.proposal.point for t in self._told])
        more = [n for n in extra if n in state.space and n not in covering.names]
        self.encoder = Encoder(state.space, (*covering.names, *more)) if more else covering
        self.fits: dict[str, tuple[float, ...]] = {}
        self._responses: dict[str, Response] = {}
        self._priors: dict[str, Response] = {}
        self._looks: dict[str, list[Look]] = {}
        self._units: dict[str, Transform] = {}
        self._at_candidates: dict[str, tuple[Array, Array]] = {}

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that completed trials reported, the most common first."""
        counts: dict[str, int] = {}
        for t in self.completed:
            for m in t.observation.metrics:
                counts[m] = counts.get(m, 0) + 1
        return tuple(sorted(counts, key=lambda m: -counts[m]))

    def rows(self, points: Sequence[Point]) -> Array:
        """Encoded ``points``."""
        return self.encoder.encode(points)

    def trial_rows(self, points: Sequence[Point]) -> Array:
        """Encoded ``points`` of trials, each the very object that the trial has."""
        return self._rows(self.encoder, points)

    @cached_property
    def families(self) -> tuple[tuple[Family, float], ...]:
        """The models and their prior shares; the catch-all keeps its share whatever theories there are."""
        slices = self.encoder.slices
        built = [f for c in self.structures if (f := structural_family(self.encoder, c)) is not None]
        rest = 1.0 if built else 1.0 / (1.0 - STRUCTURES)
        out: list[tuple[Family, float]] = [
            (Ard("smooth", slices), SMOOTH * rest),
            (Ard("sparse", slices, sparse=True), SPARSE * rest),
            (Additive(slices), ADDITIVE * rest),
            (Quadratic(slices), QUADRATIC * rest),
            (Idle(slices), IDLE * rest),
        ]
        return (*out, *((f, STRUCTURES / len(built)) for f in built))

    def _seed(self, name: str) -> int:
        return (self.state.seed * 1_000_003 + zlib.crc32(name.encode())) % (2**31)

    def units(self, metric: str) -> Transform:
        """The transform of ``metric`` (the identity while it is unknown)."""
        if metric not in self._units:
            self._units[metric] = self._transform(metric, self._values(metric))
        return self._units[metric]

    def _transform(self, metric: str, values: Array) -> Transform:
        if not len(values):
            return IDENTITY
        head = values[: fitted_at(len(values))]
        if self.told:
            tail = goal(metric, self.state.objectives)
            return fit_transform(head, tail, positive=bool(values.min() > 0))
        # Replicates of one configuration show the noise, not how far the metric can move.
        middle = float(np.mean(head))
        return Transform(False, middle, max(float(np.std(head)), 0.2 * abs(middle), 1e-6), -np.inf, np.inf)

    @cached_property
    def distinct(self) -> int:
        """How many different configurations have completed."""
        return len(self.runs)

    @cached_property
    def told(self) -> bool:
        """Whether enough configurations have completed to tell a scale from a slope: until then nothing is judged."""
        return self.distinct >= enough(self.state.space)

    def _values(self, metric: str) -> Array:
        return np.array([look.value for look in self._look(metric)])

    def _look(self, metric: str) -> list[Look]:
        if metric not in self._looks:
            self._looks[metric] = looks(self._told, metric)
        return self._looks[metric]

    def response(self, metric: str) -> Response:
        """The posterior of ``metric`` (the prior where no trial has reported it)."""
        if metric not in self._responses:
            self._responses[metric] = self._fit(metric)
        return self._responses[metric]

    def _fit(self, metric: str) -> Response:
        found = self._look(metric)
        if not found:
            return self.prior(metric)
        values = np.array([look.value for look in found])
        seen, transform = fitted_at(len(found)), self.units(metric)
        rows = self.trial_rows([look.point for look in found])
        seeds = np.array([look.seed for look in found])
        data = Data(rows, transform.forward(values), extra=variances(found, transform), seeds=seeds)
        return self._build(metric, transform, data, seen, self.families)

    def _build(
        self,
        metric: str,
        transform: Transform,
        data: Data,
        seen: int,
        families: Sequence[tuple[Family, float]],
    ) -> Response:
        sign = goal(metric, self.state.objectives)
        head = thin(data.at(np.arange(seen)), _FIT_POINTS, sign, self._seed(metric))
        used = thin(data, _MOST_POINTS, sign, self._seed(metric))
        # Particles are reweighted by data since the fit only where the fit saw all that came before.
        since = seen if len(head) == seen and len(used) == len(data) else len(used)
        shared = luck(head, self._switches)
        head, used, louder = self._weighed(metric, transform, head, used, seen)
        if shared is not None:
            head, used = shared(head), shared(used)
        fits = [self._fitted(f"{metric}|{family.name}", family, transform, head, seen) for family, _ in families]
        particles = surrogate.condition(fits, [share for _, share in families], since, used)
        draws = surrogate.draw(particles, used, DRAWS, self._seed(metric))
        noise = float(np.sqrt(sum(np.exp(p.log_weight) * p.noise**2 for p in particles)))
        return Response(metric, transform, used, particles, draws, noise, louder)

    @cached_property
    def _switches(self) -> tuple[int, ...]:
        """The columns of patches."""
        found = zip(self.encoder.parameters, self.encoder.slices, strict=True)
        return tuple(columns.start for p, columns in found if p.role == PATCH_ROLE)

    def _fitted(self, key: str, family: Family, transform: Transform, head: Data, seen: int) -> Fit:
        """The fit of ``family`` to the first ``seen`` observations (``head``, where there are many)."""
        known = self.state.fits.get(key)
        # The first number of a recorded fit is how many observations it had: the same fit is not repeated.
        start = np.array(known[1:]) if known else None
        repeat = bool(known) and known is not None and int(known[0]) == seen
        place = (key, seen, self.encoder, transform)
        found = self._memory.get(place)
        if found is None:
            rng = np.random.default_rng([self._seed(key), seen])
            found = fit(family, head, start, rng, polish=not repeat)
            self._memory[place] = found
        self.fits[key] = (float(seen), *(float(v) for v in found.mode))
        return found

    def _weighed(
        self, metric: str, transform: Transform, head: Data, used: Data, seen: int
    ) -> tuple[Data, Data, Loudness | None]:
        """``head`` and ``used`` with the noise that each observation has, and how it changes over the space."""
        if len(head) < FEWEST or self.deterministic:
            return head, used, None
        smooth = self._fitted(f"{metric}|noise", Ard("smooth", self.encoder.slices), transform, head, seen)
        return weighed(smooth, head, used)

    def prior(self, metric: str) -> Response:
        """The response before any data, in the units that the data have given the metric."""
        if metric not in self._priors:
            families, shares = zip(*self.families, strict=True)
            particles = surrogate.prior_particles(families, shares, self._seed(metric))
            empty = Data(np.zeros((0, self.encoder.columns)), np.zeros(0))
            draws = surrogate.draw(particles, empty, DRAWS, self._seed(metric))
            noise = float(np.exp(NOISE_MEAN))
            self._priors[metric] = Response(metric, self.units(metric), empty, (), draws, noise)
        return self._priors[metric]

    @cached_property
    def failure(self) -> Success | None:
        """Where trials succeed; None while none has failed and nobody has said when they do."""
        if not self.failed and not self.limits:
            return None
        rows = self.trial_rows([t.proposal.point for t in self._ended])
        kinds = [t.failure.kind if isinstance(t, Failed) else None for t in self._ended]
        return Success(self.encoder, rows, kinds, self.limits, DRAWS, self._seed("failure"))

    @cached_property
    def failure_prior(self) -> Success:
        """The same before any data."""
        rows = np.zeros((0, self.encoder.columns))
        return Success(self.encoder, rows, (), self.limits, DRAWS, self._seed("failure"))

    def success(self, rows: Array) -> Array:
        """Probability that a trial at each of ``rows`` does not fail."""
        if not self.failed or self.failure is None:
            return np.ones(len(rows))
        return self.failure.probability(rows)

    def expected(self, metric: str, rows: Array) -> tuple[Array, Array]:
        """Mean and standard deviation (without noise) of ``metric`` at ``rows``, in standard units."""
        response = self.response(metric)
        if not response.particles:
            values = response.draws(rows)
            return values.mean(axis=0), values.std(axis=0)
        w, mean, var = surrogate.moments(response.particles, response.data, rows)
        middle = w @ mean
        return middle, np.sqrt(np.maximum(w @ (var + mean**2) - middle**2, 1e-12))

    @cached_property
    def cost(self) -> Mapping[str, float]:
        """Median duration of completed trials in seconds (1 where unknown)."""
        durations = [t.observation.duration for t in self.completed]
        return {"median": float(np.median(durations)) if durations else 1.0}

    @cached_property
    def _tried(self) -> Tried:
        return Tried(self.completed, self.trial_rows([t.proposal.point for t in self.completed]))

    @cached_property
    def candidates(self) -> tuple[list[Completed], Array]:
        """The first trial of each distinct configuration that keeps the constraints, and their rows.

        Of very many, those that promise most: by the heaviest model, or by what was measured.
        """
        index, trials, rows = self._tried.distinct(self.state.constraints)
        if len(trials) <= _CONSIDERED:
            return trials, rows
        expected, measured = np.zeros((2, len(trials), len(self.state.objectives)))
        for i, o in enumerate(self.state.objectives):
            measured[:, i] = [o.sign * t.observation.metrics.get(o.metric, o.sign * np.inf) for t in trials]
            response = self.response(o.metric)
            if response.particles:
                heaviest = max(response.particles, key=lambda p: p.log_weight)
                expected[:, i] = o.sign * surrogate.means([heaviest], response.data, rows)[1][0]
        verified = {place(r) for r in self.rows([c.treatment for c in self.state.contrasts.values() if not c.theory])}
        held = np.flatnonzero([self._tried.places[i] in verified for i in index])
        chosen = np.union1d(promising(expected, measured, _CONSIDERED), held)
        return [trials[i] for i in chosen], rows[chosen]

    def at_candidates(self, metric: str) -> tuple[Array, Array]:
        """Mean and standard deviation of ``metric`` at the ``candidates``, as ``expected`` has them."""
        if metric not in self._at_candidates:
            self._at_candidates[metric] = self.expected(metric, self.candidates[1])
        return self._at_candidates[metric]

    @property
    def runs(self) -> Mapping[bytes, int]:
        """How often each configuration has completed, by ``place`` of its row."""
        return self._tried.runs

    @cached_property
    def deterministic(self) -> bool:
        """Whether configurations that ran on several seeds always gave the very same objective."""
        return self._tried.deterministic(self.state.objective.metric)

    @cached_property
    def incumbent(self) -> Completed | None:
        """The tried configuration with the best posterior mean of the first objective.

        The more one fails beyond what all have to expect, the nearer it counts to the worst. One that is being verified
        keeps its place unless fresh runs speak against it, or another is better in nine draws of ten while there is
        time to verify that as well.
        """
        trials, rows = self.candidates
        if not trials:
            return None
        objective = self.state.objective
        if self.deterministic:
            cost = objective.sign * np.array([t.observation.metrics[objective.metric] for t in trials])
        else:
            mean, sd = self.at_candidates(objective.metric)
            cost = objective.sign * mean + 0.1 * sd
        if self.failed:
            failed = self.trial_rows([t.proposal.point for t in self.failed])
            cost = cost + failing(rows, self.runs, failed) * (cost.max() - cost)
        leader = int(np.argmin(cost))
        held = next((c for c in reversed(self.state.contrasts.values()) if not c.theory), None)
        found = self.state.evidence.get(held.id) if held is not None else None
        if held is not None and (found is None or 2 * found.wins > found.pairs):  # else fresh runs speak against it
            at = next((i for i, t in enumerate(trials) if same_point(t.proposal.point, held.treatment)), leader)
            draws = objective.sign * self.response(objective.metric).draws(rows[[leader, at]])
            left = self.state.run.trials - self.state.planned if self.state.run else 0
            # Changing horses is for those who have trials left to verify another with, and to spare.
            if left < _SPARE or np.mean(draws[:, 0] < draws[:, 1]) < _CLEARLY:
                leader = at
        return trials[leader]

    def judge(self, metrics: Iterable[str], *, prior: bool = False) -> Judge:
        """Evaluates claims about ``metrics`` on the draws of the posterior (or prior)."""
        chosen = {m: (self.prior(m) if prior else self.response(m)).surface for m in metrics}
        default = self.rows([self.state.space.defaults()])[0]
        best = self.rows([self.incumbent.proposal.point])[0] if self.incumbent and not prior else default
        success = self.failure_prior if prior else self.failure
        failure = success.surface if success else None
        signs = {m: goal(m, self.state.objectives) for m in chosen}
        return Judge(self.encoder, chosen, signs, default, best, failure, self.state.seed)
