"""Beliefs are computed here, and nowhere else: the share of posterior draws in which a theory holds.

All methods are pure in the state; results of the last states are cached.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from knowhy.engine import claims
from knowhy.engine.encoding import Encoder
from knowhy.engine.fitting import Fit
from knowhy.engine.information import binary_entropy
from knowhy.engine.posterior import Posterior
from knowhy.engine.predicates import Answer, Bits, Judge
from knowhy.engine.tried import Rows
from knowhy.errors import SentenceError, SpaceError
from knowhy.model.events import BeliefsUpdated, TheoryProposed, Verdict
from knowhy.model.observation import SAYS_NOTHING
from knowhy.model.space import Space
from knowhy.model.state import State
from knowhy.model.theory import Claim, Effect, FailsWhen, OnlyThrough, Theory
from knowhy.model.trial import Completed, Failed, Predictive, Proposal, Trial

Structural = OnlyThrough | FailsWhen
_LOG_BF = 10.0
_SETTLED = 0.02
_STRUCTURES, _LIMITS = 4, 8
_REMEMBERED = 200


class Beliefs:
    """What theories say under the posterior of a state, and what a trial changed."""

    def __init__(self) -> None:
        """Start with empty caches."""
        self._posteriors: dict[tuple[object, ...], Posterior] = {}
        self._latest: Posterior | None = None
        self._fits: dict[tuple[object, ...], Fit] = {}
        self._rows = Rows()
        self._judges: dict[tuple[object, ...], Judge] = {}
        self._bits: dict[tuple[object, ...], Bits] = {}
        self._structured: dict[tuple[object, ...], tuple[list[Structural], frozenset[str]]] = {}
        self._metrics: tuple[State | None, tuple[str, ...]] = (None, ())
        self._parsed: dict[tuple[str, Space, tuple[str, ...]], Claim | None] = {}

    def posterior(self, state: State, extra: Iterable[str] = (), structures: Iterable[Structural] = ()) -> Posterior:
        """The posterior after the trials of ``state``."""
        plain = not extra and not structures
        if plain and self._latest is not None and self._latest.state is state:
            return self._latest  # asked about every theory in turn: comparing the trials is what would take time
        found, named = self._structures(state)
        wanted = set(named)
        new = [c for c in structures if c not in found]
        if new or wanted.union(extra):
            # What the trials cover already is no reason for a posterior of its own.
            covered = Encoder.covering(state.space, [t.proposal.point for t in state.trials.values()]).names
            wanted |= set(extra) | {p for c in new for p in claims.mentions(c)[0]}
            wanted -= set(covered)
        found += new
        known = tuple(sorted(wanted))
        key = (state.name, state.created, state.seed, tuple(state.order), state.space, tuple(found), known)
        if key not in self._posteriors:
            if len(self._fits) > _REMEMBERED:
                self._fits = dict(list(self._fits.items())[-_REMEMBERED // 2 :])
            for old in list(self._posteriors)[:-3]:
                self._forget(self._posteriors.pop(old))
            self._posteriors[key] = Posterior(state, found, known, self._fits, self._rows)
        posterior = self._posteriors[key]
        if posterior.state is not state:
            # The same trials, but theories or contrasts may have joined since: what rests on them is asked again.
            same = posterior.state.contrasts == state.contrasts
            posterior.state = state
            if not same and posterior.__dict__.pop("incumbent", None) is not posterior.incumbent:
                self._forget(posterior)
        if plain:
            self._latest = posterior
        return posterior

    def _forget(self, posterior: Posterior) -> None:
        self._bits = {k: v for k, v in self._bits.items() if k[0] != id(posterior)}
        self._judges = {k: v for k, v in self._judges.items() if k[0] != id(posterior)}

    def _structures(self, state: State) -> tuple[list[Structural], frozenset[str]]:
        """The structural claims that enter as models, and all parameters that theories speak of.

        Without a column for a parameter that is held, every theory would be taken to say that it does nothing.
        """
        self._know(state)
        key = (state.space, self._metrics[1], *(t.claims for t in state.theories.values()))
        if key not in self._structured:
            spoken = [c for t in state.theories.values() for c in self.claims(state, t.claims)]
            found = list(dict.fromkeys(c for c in spoken if isinstance(c, OnlyThrough)))[:_STRUCTURES]
            limits = list(dict.fromkeys(c for c in spoken if isinstance(c, FailsWhen)))[:_LIMITS]
            named = frozenset(p for c in spoken for p in claims.mentions(c)[0])
            self._structured = {key: ([*found, *limits], named)}
        structures, parameters = self._structured[key]
        return list(structures), parameters

    def _know(self, state: State) -> None:
        if self._metrics[0] is not state:
            self._metrics = (state, known_metrics(state))

    def claims(self, state: State, sentences: Sequence[str]) -> list[Claim]:
        """``sentences`` parsed; those that do not fit the space (any more) are left out."""
        self._know(state)
        names = self._metrics[1]
        found = (self._parse(sentence, state.space, names) for sentence in sentences)
        return [claim for claim in found if claim is not None]

    def _parse(self, sentence: str, space: Space, metrics: tuple[str, ...]) -> Claim | None:
        key = (sentence, space, metrics)
        if key not in self._parsed:
            try:
                self._parsed[key] = claims.parse(sentence, space, metrics)
            except (SentenceError, SpaceError):
                self._parsed[key] = None
        return self._parsed[key]

    def judge(self, posterior: Posterior, metrics: Sequence[str], *, prior: bool = False) -> Judge:
        """The evaluator of claims about ``metrics`` under ``posterior``."""
        key = (id(posterior), prior, *sorted(metrics))
        if key not in self._judges:
            self._judges[key] = posterior.judge(metrics, prior=prior)
        return self._judges[key]

    def answer(self, posterior: Posterior, claim: Claim, *, prior: bool = False) -> Answer:
        """``claim`` on each draw of the posterior (or prior)."""
        _, metrics = claims.mentions(claim)
        wanted = metrics or (posterior.state.objective.metric,)
        if not prior:
            for m in wanted:
                posterior.response(m)
        return self.judge(posterior, wanted, prior=prior).answer(claim)

    def bits(self, posterior: Posterior, theory: Theory, *, prior: bool = False) -> Bits | None:
        """For each draw, whether ``theory`` holds; None where none of its claims can be read in this space."""
        key: tuple[object, ...] = (id(posterior), theory.claims)
        if prior:
            # Before any data only the space and the models count, and the units where a claim gives a margin in them.
            units = tuple(posterior.units(c.metric) for c in self._margins(posterior.state, theory.claims))
            study = (posterior.state.seed, posterior.state.objectives)
            models = (*(f.name for f, _ in posterior.families), *posterior.limits)
            key = ("prior", study, posterior.encoder, models, units, theory.claims)
        if key not in self._bits:
            parsed = self.claims(posterior.state, theory.claims)
            if not parsed or len(parsed) < len(theory.claims):
                return None
            self._bits[key] = np.logical_and.reduce([self.answer(posterior, c, prior=prior).holds for c in parsed])
        return self._bits[key]

    def _margins(self, state: State, sentences: Sequence[str]) -> list[Effect]:
        return [c for c in self.claims(state, sentences) if isinstance(c, Effect) and c.margin is not None]

    def prior(self, state: State, sentences: Sequence[str]) -> float:
        """The share of prior draws in which all ``sentences`` hold."""
        theory = Theory("", "", "", tuple(sentences))
        found = self.bits(self.posterior(state), theory, prior=True)
        return 0.5 if found is None else share(found)

    def joining(self, state: State, theory: Theory) -> TheoryProposed:
        """``theory`` with its prior, and what the trials of ``state`` say about it where any have ended."""
        posterior = self.posterior(state)
        told = self.bits(posterior, theory) if posterior.told else None
        return TheoryProposed(theory, self.prior(state, theory.claims), None if told is None else share(told))

    def belief(self, state: State, sentences: Sequence[str]) -> float:
        """The share of posterior draws in which all ``sentences`` hold."""
        found = self.bits(self.posterior(state), Theory("", "", "", tuple(sentences)))
        return 0.5 if found is None else share(found)

    def same(self, state: State, one: Theory, two: Theory) -> bool:
        """Whether two theories amount to the same predicate (equal in nearly all prior draws)."""
        if set(one.claims) == set(two.claims):
            return True
        posterior = self.posterior(state)
        a, b = self.bits(posterior, one, prior=True), self.bits(posterior, two, prior=True)
        if a is None or b is None:
            return False
        return bool(np.mean(a != b) < 0.01 and 0.02 < a.mean() < 0.98)

    def _prepare(self, posterior: Posterior) -> None:
        """Evaluate what the claims of all theories need in one go for each metric."""
        state = posterior.state
        about: dict[tuple[str, ...], list[Claim]] = {}
        for theory in state.theories.values():
            for claim in self.claims(state, theory.claims):
                about.setdefault(tuple(sorted(claims.mentions(claim)[1])), []).append(claim)
        for metrics, sentences in about.items():
            if metrics:
                self.judge(posterior, metrics).prepare(sentences)

    def update(self, state: State) -> list[BeliefsUpdated]:
        """What the trials that ended since the last update taught, and said about each theory.

        Beliefs are computed once, after the last of them. What several trials taught together is shared out
        in proportion to what was expected of each; it is all the last one's where nothing was.
        """
        posterior = self.posterior(state)
        beliefs, priors = {}, {}
        told = posterior.told
        if told:
            self._prepare(posterior)
        for theory in state.theories.values():
            before = self.bits(posterior, theory, prior=True)
            after = self.bits(posterior, theory) if told else before
            if after is not None and before is not None:
                beliefs[theory.id], priors[theory.id] = share(after), share(before)
        gained = 0.0
        for name, belief in beliefs.items():
            old = state.beliefs.get(name)
            if old is not None and min(old, 1 - old) > _SETTLED:
                gained += float(binary_entropy(np.array(old)) - binary_entropy(np.array(belief)))
        for objective in state.objectives:
            posterior.response(objective.metric)
        fits = {**state.fits, **posterior.fits}
        *others, last = _unscored(state)
        expected = [t.proposal.expected_bits for t in (*others, last)]
        parts = [e / sum(expected) for e in expected] if sum(expected) else [0.0] * len(others) + [1.0]
        metric = state.objective.metric
        updates = [
            BeliefsUpdated(t.proposal.trial, {}, {}, gained * part, *_score(t, metric), state.fits)
            for t, part in zip(others, parts, strict=False)
        ]
        final = BeliefsUpdated(last.proposal.trial, beliefs, priors, gained * parts[-1], *_score(last, metric), fits)
        return [*updates, final]


def _unscored(state: State) -> list[Trial]:
    """The trials with predictions that ended since beliefs were last updated, and the one that ended last."""
    scored = state.updates[-1].trial if state.updates else None
    at = state.order.index(scored) + 1 if scored in state.order else 0
    since = [state.trials[i] for i in state.order[at:-1]]
    return [*(t for t in since if t.proposal.predictions), state.trials[state.order[-1]]]


def share(bits: Bits) -> float:
    """The share of draws that hold, never quite 0 or 1 (finite draws cannot say so)."""
    return (float(bits.sum()) + 0.5) / (len(bits) + 1.0)


def known_metrics(state: State) -> tuple[str, ...]:
    """Every metric that a trial reported, and the objectives."""
    names = dict.fromkeys(o.metric for o in state.objectives)
    names.update(dict.fromkeys(c.metric for c in state.constraints))
    for t in state.trials.values():
        if isinstance(t, Completed) and not t.observation.metrics.keys() <= names.keys():
            names.update(dict.fromkeys(t.observation.metrics))
    return tuple(names)


def contrast_pairs(state: State, contrast: str) -> list[tuple[float | None, float]]:
    """Pairs (treatment, control) of a contrast's metric, in order.

    A treatment that failed where its control did not is None: leaving such pairs out would count only the runs in
    which it did well. A pair whose control failed is left out.
    """
    metric = state.contrasts[contrast].metric
    arms: dict[int, dict[bool, float | None]] = {}
    ended: list[Completed | Failed] = [*state.completed, *state.failed]
    for t in ended:
        for arm in t.proposal.arms:
            if arm.contrast != contrast:
                continue
            if isinstance(t, Failed):
                if t.failure.kind not in SAYS_NOTHING:
                    arms.setdefault(arm.pair, {})[arm.treatment] = None
            elif metric in t.observation.metrics:
                arms.setdefault(arm.pair, {})[arm.treatment] = t.observation.metrics[metric] - arm.expected
    return [(a[True], c) for _, a in sorted(arms.items()) if True in a and (c := a.get(False)) is not None]


def _score(trial: Trial, metric: str) -> tuple[float | None, tuple[Verdict, ...]]:
    """A trial's standardised residual on ``metric``, and the Bayes factors of its stakes."""
    if not isinstance(trial, Completed):
        return None, ()
    proposal: Proposal = trial.proposal
    values = trial.observation.metrics
    verdicts = []
    for s in proposal.stakes:
        if s.if_true.metric in values:
            value = values[s.if_true.metric]
            log_bf = s.if_true.log_density(value) - s.if_false.log_density(value)
            if not math.isnan(log_bf):
                verdicts.append(Verdict(s.theory, math.exp(min(max(log_bf, -_LOG_BF), _LOG_BF))))
    p: Predictive | None = next((p for p in proposal.predictions if p.metric == metric), None)
    surprise = None
    if p is not None and metric in values and not (p.log and values[metric] <= 0):
        surprise = ((math.log(values[metric]) if p.log else values[metric]) - p.mean) / p.sd
    return surprise, tuple(verdicts)
