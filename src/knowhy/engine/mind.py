"""The mind: what the engine answers when a person or a program asks about a study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from knowhy.engine import certification, claims, design, front, opinions
from knowhy.engine.beliefs import Beliefs, contrast_pairs, known_metrics, share
from knowhy.engine.encoding import Array
from knowhy.engine.factors import FactorPolicy
from knowhy.engine.foresight import foresee
from knowhy.engine.information import information
from knowhy.engine.posterior import Posterior
from knowhy.engine.predicates import LEVELS, Bits
from knowhy.engine.switches import SwitchEffect, Where, switch_effects
from knowhy.model.belief import (
    Calibration,
    CertificationForecast,
    Incumbent,
    Judgement,
    MainEffect,
    Placed,
    Structure,
    Swayed,
)
from knowhy.model.decision import Budget, Option
from knowhy.model.space import Point, same_point
from knowhy.model.state import State
from knowhy.model.theory import FailsWhen, OnlyThrough, Scope, Theory
from knowhy.model.trial import Completed, Failed, Proposal


class Mind:
    """Judgements, effects, the best configuration and the next experiment; pure in the state."""

    def __init__(self) -> None:
        """Start with empty caches."""
        self.beliefs = Beliefs()
        self.policy = FactorPolicy(self.beliefs)

    def options(self, state: State) -> tuple[Option, ...]:
        """What it would consider running next, the one it would take first."""
        trials = max(state.run.trials if state.run else 0, state.planned + 12)
        decision = self.policy.decide(state, Budget(trials))
        taken = tuple(
            Option(
                p.purpose,
                p.point,
                p.reason,
                p.expected_bits,
                0.0,
                self.beliefs.posterior(state).cost["median"],
                int(len(decision.proposals) > 1),
            )
            for p in decision.proposals
        )
        points = [o.point for o in taken]
        return taken + tuple(o for o in decision.considered if not any(same_point(o.point, p) for p in points))

    def foresee(self, state: State, points: Sequence[Point]) -> tuple[Proposal, ...]:
        """What is expected of trials at ``points`` (complete), run on one seed: outcomes, bits, what theories stake."""
        return foresee(self.beliefs, state, points, purpose="learn", reason="")

    def named(self, state: State, sentences: Sequence[str]) -> frozenset[str]:
        """The parameters that ``sentences`` are about."""
        return frozenset(p for c in self.beliefs.claims(state, sentences) for p in claims.mentions(c)[0])

    def judge(self, state: State, sentence: str) -> Judgement:
        """Judge any claim about the study; raises SentenceError."""
        claim = claims.parse(sentence, state.space, known_metrics(state))
        names, metrics = claims.mentions(claim)
        structures = [claim] if isinstance(claim, (OnlyThrough, FailsWhen)) else []
        posterior = self.beliefs.posterior(state, names, structures)
        after = self.beliefs.answer(posterior, claim)
        before = self.beliefs.answer(posterior, claim, prior=True)
        belief, prior = share(after.holds), share(before.holds)
        odds = belief / (1 - belief) / (prior / (1 - prior))
        middle = low = high = None
        if after.quantity is not None and len(posterior.completed):
            low, middle, high = (float(q) for q in np.quantile(after.quantity, [0.05, 0.5, 0.95]))
        supporting, opposing = self._evidence(state, posterior, after.holds, metrics)
        settle, settle_bits = self._settle(posterior, claims.render(claim), after.holds, metrics)
        return Judgement(
            claims.render(claim),
            prior,
            belief,
            float(odds),
            after.about,
            middle,
            low,
            high,
            after.margin,
            supporting,
            opposing,
            settle,
            settle_bits,
        )

    def _evidence(
        self, state: State, posterior: Posterior, holds: Bits, metrics: Sequence[str]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Trials whose outcome is likelier where the claim holds, and where it does not, under prior draws."""
        metric = next(iter(metrics), state.objective.metric)
        trials = [t for t in posterior.completed if metric in t.observation.metrics]
        if not trials or holds.all() or not holds.any():
            return (), ()
        response = posterior.response(metric)
        rows = posterior.rows([t.proposal.point for t in trials])
        values = response.draws(rows)
        observed = response.transform.forward(np.array([t.observation.metrics[metric] for t in trials]))
        noise = max(response.noise, 1e-3)
        density = np.exp(-0.5 * np.minimum(((values - observed) / noise) ** 2, 100))
        ratio = np.log(density[holds].mean(axis=0) + 1e-12) - np.log(density[~holds].mean(axis=0) + 1e-12)
        order = np.argsort(-ratio)
        number = [t.proposal.trial for t in trials]
        return (
            tuple(number[i] for i in order[:5] if ratio[i] > 0.05),
            tuple(number[i] for i in order[::-1][:5] if ratio[i] < -0.05),
        )

    def _settle(self, posterior: Posterior, sentence: str, holds: Bits, metrics: Sequence[str]) -> tuple[str, float]:
        """The trial that would teach most about a claim, in words, and its bits; of equals, the plainest."""
        state = posterior.state
        metric = next(iter(metrics), state.objective.metric)
        response = posterior.response(metric)
        asked = design.Open((Theory("", "", "", (sentence,)),), holds[None], np.ones(1), (tuple(metrics),))
        rows = design.candidates(self.beliefs, posterior, asked, state.seed + 3)
        bits = information(holds[None], response.draws(rows), response.noise, np.random.default_rng([state.seed, 11]))[
            0
        ]
        close = np.flatnonzero(bits >= 0.9 * bits.max())
        defaults = state.space.defaults()
        points = posterior.encoder.decode(rows[close])
        changed = [{k: v for k, v in p.items() if v != defaults[k]} for p in points]
        at = min(range(len(close)), key=lambda i: (len(changed[i]), -bits[close[i]]))
        words = [f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in changed[at].items()]
        return " ".join(words) or "the default configuration on another seed", float(bits[close[at]])

    def certification(self, state: State, theory: str, trials: int) -> CertificationForecast:
        """What it takes to certify ``theory`` with at most ``trials`` trials in all; raises UsageError."""
        return certification.forecast(self.beliefs, state, theory, trials)

    def effects(self, state: State, metric: str) -> tuple[MainEffect, ...]:
        """How ``metric`` responds to each parameter that varies, the most important first."""
        posterior = self.beliefs.posterior(state)
        if not any(metric in t.observation.metrics for t in posterior.completed):
            return ()
        response = posterior.response(metric)
        judge = self.beliefs.judge(posterior, [metric])
        spreads = {n: judge.variation(metric, n, Scope()) for n in posterior.encoder.names}
        total = np.maximum(sum((s**2 for s in spreads.values()), np.zeros(1)), 1e-12)
        out = []
        for g, name in enumerate(posterior.encoder.names):
            curve = response.transform.back(judge.profile(metric, name, Scope()).mean(axis=2))
            values, _ = posterior.encoder.levels(g, LEVELS)
            low, high = np.quantile(curve, [0.05, 0.95], axis=0)
            portion = spreads[name] ** 2 / total
            a, b, c = (float(q) for q in np.quantile(portion, [0.05, 0.5, 0.95]))
            mean = tuple(float(v) for v in np.median(curve, axis=0))
            out.append(MainEffect(name, metric, values, mean, _floats(low), _floats(high), b, a, c))
        return tuple(sorted(out, key=lambda e: -e.importance))

    def switches(self, state: State, names: tuple[str, ...], where: Where) -> dict[str, SwitchEffect]:
        """What turning each of ``names`` on does to the first objective."""
        return switch_effects(self.beliefs, state, names, where)

    def structure(self, state: State) -> Structure:
        """How noisy and how entangled the first objective is; variances over typical settings, by draw."""
        posterior = self.beliefs.posterior(state)
        metric = state.objective.metric
        response = posterior.response(metric)
        values = response.draws(posterior.encoder.typical(128, state.seed + 5))
        total = np.maximum(values.var(axis=1), 1e-12)
        judge = self.beliefs.judge(posterior, [metric])
        profiles = [judge.profile(metric, n, Scope()).mean(axis=2) for n in posterior.encoder.names]
        mains = np.array([p.var(axis=1) for p in profiles])  # parameters by draws
        ranked = np.sort(np.median(mains, axis=1))[::-1]
        carried = np.cumsum(ranked) / max(float(ranked.sum()), 1e-12)
        noise = response.noise**2 / (response.noise**2 + total)
        joint = np.clip(1.0 - mains.sum(axis=0) / total, 0.0, 1.0)
        matter = 1 + int(np.searchsorted(carried, 0.9 - 1e-9))
        return Structure(float(np.median(noise)), float(np.median(joint)), min(matter, len(mains)), len(mains))

    def placed(self, state: State, weights: Mapping[str, float] | None = None) -> tuple[Placed, ...]:
        """Tried configurations among several objectives, the likeliest on the front (or best by ``weights``) first."""
        return front.placed(self.beliefs.posterior(state), weights)

    def incumbent(self, state: State) -> Incumbent | None:
        """The best configuration known, judged by the posterior, not by its luckiest run."""
        posterior = self.beliefs.posterior(state)
        best = posterior.incumbent
        if best is None:
            return None
        metric, sign = state.objective.metric, state.objective.sign
        response = posterior.response(metric)
        rows = posterior.rows([best.proposal.point, state.space.defaults()])
        mean, sd = posterior.expected(metric, rows)
        low, middle, high = (float(response.transform.back(mean[:1] + z * sd[:1])[0]) for z in (-1.645, 0.0, 1.645))
        values = response.draws(rows)
        better = share(sign * values[:, 0] < sign * values[:, 1])
        same = same_point(best.proposal.point, state.space.defaults())
        contrast = next(
            (
                c
                for c in reversed(state.contrasts.values())
                if not c.theory and same_point(state.space.complete(c.treatment), best.proposal.point)
            ),
            None,
        )
        pairs = [(t, c) for t, c in contrast_pairs(state, contrast.id) if t is not None] if contrast else []
        evidence = state.evidence.get(contrast.id) if contrast else None
        scale = float(response.transform.back(mean[:1] + response.noise)[0]) - middle
        return Incumbent(
            best.proposal.trial,
            best.proposal.point,
            metric,
            middle,
            min(low, high),
            max(low, high),
            float(response.transform.back(mean[1:])[0]),
            tuple(t for t, _ in pairs),
            tuple(c for _, c in pairs),
            0.5 if same else better,
            bool(evidence and evidence.certified),
            abs(scale),
        )

    def swayed(self, state: State) -> tuple[Swayed, ...]:
        """Every opinion that was given, and what it would do to the belief in its claims."""
        return opinions.swayed(self.beliefs, self.beliefs.posterior(state))

    def calibration(self, state: State) -> Calibration:
        """Whether outcomes fell where they were predicted, and whether bits came as expected."""
        metric = state.objective.metric
        z = []
        for t in state.completed:
            p = next((p for p in t.proposal.predictions if p.metric == metric), None)
            value = t.observation.metrics.get(metric)
            if p is not None and value is not None and not (p.log and value <= 0):
                z.append(((math.log(value) if p.log else value) - p.mean) / p.sd)
        inside = np.abs(np.array(z)) if z else np.zeros(0)
        ended = {t.proposal.trial: t for t in state.trials.values() if isinstance(t, (Completed, Failed))}
        scored = [u for u in state.updates if u.trial in ended and ended[u.trial].proposal.expected_bits > 0]
        return Calibration(
            len(z),
            float(np.mean(inside < 0.674)) if z else 0.0,
            float(np.mean(inside < 1.645)) if z else 0.0,
            float(sum(ended[u.trial].proposal.expected_bits for u in scored)),
            float(sum(u.bits for u in scored)),
        )


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
