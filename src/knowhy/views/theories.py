"""Theories: where each stands, and why."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from knowhy.engine.certification import standing
from knowhy.engine.claims import parse
from knowhy.engine.evidence import threshold
from knowhy.errors import SentenceError, UsageError
from knowhy.model.belief import Judgement
from knowhy.model.state import State
from knowhy.model.theory import Scope, Theory
from knowhy.model.trial import Completed, Failed
from knowhy.views.mind import Mind
from knowhy.views.trials import Range, Setting, changed, observed, predicted
from knowhy.views.words import bayes_factor, scalar, strength

Status = Literal["certified", "supported", "leaning for", "open", "leaning against", "refuted"]
STATUSES: tuple[Status, ...] = ("certified", "supported", "leaning for", "open", "leaning against", "refuted")
SETTLED: frozenset[Status] = frozenset({"certified", "supported", "refuted"})
_PLACES = {
    "average": "on average over typical settings",
    "best": "near the best configuration",
    "default": "at the default configuration",
    "everywhere": "in at least 90% of the space",
}
MENTION = 1.1
"""Bayes factors of single trials between 1 / MENTION and MENTION are counted but not listed."""


@dataclass(frozen=True, slots=True)
class CertificateView:
    """A registered contrast and what its fresh pairs show; ``mean`` is treatment minus control (95% bounds).

    ``needed`` is the e-value that certifies it beside the study's other contrasts. ``refuted`` where the same pairs
    would certify the opposite.
    """

    contrast: str
    metric: str
    direction: int
    margin: float
    background: str
    differing: tuple[Setting, ...]
    pairs: int
    wins: int
    e_value: float
    mean: float | None
    low: float | None
    high: float | None
    certified: bool
    needed: float
    refuted: bool


@dataclass(frozen=True, slots=True)
class TheoryView:
    """A theory and where it stands. ``trend`` is its belief after each trial: (trial, belief), in the order ended."""

    id: str
    title: str
    because: str
    question: str
    rivals: tuple[str, ...]
    claims: tuple[str, ...]
    by: str
    after: int
    exploratory: bool
    prior: float | None
    belief: float | None
    bayes_factor: float | None
    strength: str
    trend: tuple[tuple[int, float], ...]
    direction: Literal["rising", "falling", "steady"]
    status: Status
    refuted_by: str
    certificates: tuple[CertificateView, ...]


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """What one trial said about a theory: its Bayes factor, the two predictions made before, what happened."""

    trial: int
    bayes_factor: float
    strength: str
    belief_before: float | None
    if_true: Range | None
    if_false: Range | None
    observed: float | None
    failure: str
    changed: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim of a theory with its judgement; ``problem`` says why there is none. ``scope`` is where it is to hold."""

    sentence: str
    judgement: Judgement | None
    strength: str
    scope: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known about one theory. Evidence stands with the largest Bayes factors first."""

    theory: TheoryView
    claims: tuple[ClaimView, ...]
    evidence_for: tuple[EvidenceView, ...]
    evidence_against: tuple[EvidenceView, ...]
    neutral: int


def status(belief: float | None, prior: float | None = None, *, certified: bool = False) -> Status:
    """Where a belief stands; a theory that no data have judged is open.

    The data must have spoken as well (a Bayes factor of 3 after Kass and Raftery 1995, of 1 for a
    leaning): a theory that was unlikely from the start is not refuted by that.
    """
    if certified:
        return "certified"
    if belief is None:
        return "open"
    factor = bayes_factor(prior, belief) if prior is not None else None
    said = math.inf if factor is None else factor
    unsaid = 0.0 if factor is None else factor
    if belief >= 0.95 and said >= 3:
        return "supported"
    if belief <= 0.05 and unsaid <= 1 / 3:
        return "refuted"
    if belief >= 0.8 and said >= 1:
        return "leaning for"
    return "leaning against" if belief <= 0.2 and unsaid <= 1 else "open"


def theories(state: State) -> tuple[TheoryView, ...]:
    """Every theory, in the order proposed."""
    trends: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for update in state.updates:
        for name, belief in update.beliefs.items():
            trends[name].append((update.trial, belief))
    rivals: dict[str, list[str]] = defaultdict(list)
    for theory in state.theories.values():
        if theory.question:
            rivals[theory.question].append(theory.id)
    certified = frozenset(state.certified)
    return tuple(
        _view(state, t, trends[t.id], tuple(r for r in rivals[t.question] if r != t.id), t.id in certified)
        for t in state.theories.values()
    )


def _view(
    state: State, theory: Theory, trend: list[tuple[int, float]], rivals: tuple[str, ...], certified: bool
) -> TheoryView:
    prior, belief = state.priors.get(theory.id), state.beliefs.get(theory.id)
    ratio = bayes_factor(prior, belief) if prior is not None and belief is not None else None
    recent = trend[-1][1] - trend[max(0, len(trend) - 6)][1] if trend else 0.0
    return TheoryView(
        id=theory.id,
        title=theory.title,
        because=theory.because,
        question=theory.question,
        rivals=rivals,
        claims=theory.claims,
        by=theory.by,
        after=theory.after,
        exploratory=theory.exploratory,
        prior=prior,
        belief=belief,
        bayes_factor=ratio,
        strength=strength(ratio) if ratio is not None else "not judged yet",
        trend=tuple(trend),
        direction="rising" if recent > 0.05 else "falling" if recent < -0.05 else "steady",
        status=status(belief, prior, certified=certified),
        refuted_by=theory.refuted_by,
        certificates=certificates(state, theory.id),
    )


def certificates(state: State, theory: str) -> tuple[CertificateView, ...]:
    """The contrasts registered for ``theory`` ("" for the best configuration against the default)."""
    views = []
    for contrast in state.contrasts.values():
        if contrast.theory != theory:
            continue
        e = state.evidence.get(contrast.id)
        differing = tuple(
            Setting(name, contrast.control.get(name), value)
            for name, value in contrast.treatment.items()
            if contrast.control.get(name) != value
        )
        views.append(
            CertificateView(
                contrast=contrast.id,
                metric=contrast.metric,
                direction=contrast.direction,
                margin=contrast.margin,
                background=contrast.background,
                differing=differing,
                pairs=e.pairs if e else 0,
                wins=e.wins if e else 0,
                e_value=e.e_value if e else 1.0,
                mean=e.mean if e else None,
                low=e.low if e else None,
                high=e.high if e else None,
                certified=e.certified if e else False,
                needed=threshold(contrast.id, state.evidence, tuple(state.contrasts)),
                refuted=standing(state, contrast) == "refuted",
            )
        )
    return tuple(views)


def explain(state: State, mind: Mind, theory_id: str) -> Explanation:
    """All that is known about ``theory_id``; raises UsageError where there is no such theory."""
    view = next((v for v in theories(state) if v.id.lower() == theory_id.lower()), None)
    if view is None:
        known = list(state.theories)
        shown = ", ".join(known if len(known) <= 9 else [*known[:3], "...", *known[-3:]]) or "none yet"
        raise UsageError(f"there is no theory {theory_id}", f"choose one of: {shown} (see: knowhy theories)")
    claims = []
    for sentence in view.claims:
        try:
            judgement = mind.judge(state, sentence)
        except SentenceError as error:
            claims.append(ClaimView(sentence, None, "", problem=error.message))
        else:
            claims.append(ClaimView(sentence, judgement, strength(judgement.bayes_factor), _scope(state, sentence)))
    evidence = _evidence(state, view.id)
    listed = [e for e in evidence if e.bayes_factor >= MENTION or e.bayes_factor <= 1 / MENTION]
    return Explanation(
        theory=view,
        claims=tuple(claims),
        evidence_for=tuple(sorted((e for e in listed if e.bayes_factor > 1), key=lambda e: -e.bayes_factor)),
        evidence_against=tuple(sorted((e for e in listed if e.bayes_factor < 1), key=lambda e: e.bayes_factor)),
        neutral=len(evidence) - len(listed),
    )


def _scope(state: State, sentence: str) -> str:
    """Where the claim is meant to hold, in words; empty for forms of claim that hold without a scope."""
    metrics = {o.metric for o in state.objectives}.union(*(t.observation.metrics for t in state.completed))
    try:
        scope = getattr(parse(sentence, state.space, metrics), "scope", None)
    except SentenceError:
        return ""
    if not isinstance(scope, Scope):
        return ""
    bounds = " and ".join(f"{b.parameter} {b.op} {scalar(b.value)}" for b in scope.bounds)
    return _PLACES[scope.kind] + (f" where {bounds}" if bounds else "")


def _evidence(state: State, theory: str) -> list[EvidenceView]:
    views = []
    for update in state.updates:
        for verdict in update.verdicts:
            trial = state.trials.get(update.trial)
            if verdict.theory != theory or trial is None:
                continue
            stake = next((s for s in trial.proposal.stakes if s.theory == theory), None)
            happened = observed(trial) if isinstance(trial, Completed) else {}
            views.append(
                EvidenceView(
                    trial=update.trial,
                    bayes_factor=verdict.bayes_factor,
                    strength=strength(verdict.bayes_factor),
                    belief_before=stake.belief if stake else None,
                    if_true=predicted(stake.if_true) if stake else None,
                    if_false=predicted(stake.if_false) if stake else None,
                    observed=happened.get(stake.if_true.metric) if stake else None,
                    failure=trial.failure.kind if isinstance(trial, Failed) else "",
                    changed=changed(state.space, trial.proposal.point),
                )
            )
    return views
