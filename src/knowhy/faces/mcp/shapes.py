"""Views as results: shorter, with settings as plain objects, and text of the script marked as such."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from knowhy import views
from knowhy.faces.mcp import insights, results
from knowhy.faces.mcp.results import UntrustedText
from knowhy.faces.text import safe
from knowhy.model.belief import Judgement
from knowhy.model.observation import Curve
from knowhy.model.space import Parameter, Scalar, describe
from knowhy.model.state import State
from knowhy.model.trial import Completed, Failed, Running
from knowhy.views import words

LOG_CHARACTERS = 6000
CURVE_POINTS = 40


def clean(result: Any) -> Any:
    """``result`` with text that steers nothing, and numbers that JSON has (others become null)."""
    if is_dataclass(result) and not isinstance(result, type):
        return replace(result, **{f.name: clean(getattr(result, f.name)) for f in fields(result)})
    if isinstance(result, dict):
        return {safe(str(key)): clean(value) for key, value in result.items()}
    if isinstance(result, (list, tuple)):
        return [clean(value) for value in result]
    if isinstance(result, str):
        return safe(result)
    if isinstance(result, float) and not math.isfinite(result):
        return None
    return result


def untrusted(text: str) -> UntrustedText | None:
    """The end of ``text``, marked as what a script wrote; None where there is none."""
    text = text.rstrip()
    if not text:
        return None
    return UntrustedText(text if len(text) <= LOG_CHARACTERS else f"...\n{text[-LOG_CHARACTERS:]}")


def settings(changed: Sequence[views.Setting]) -> dict[str, Scalar]:
    """Where a configuration differs from the default."""
    return {s.parameter: s.value for s in changed}


def parameter(p: Parameter) -> results.ParameterInfo:
    """A parameter and where it was found."""
    where = f"{p.origin.file}:{p.origin.line}" if p.origin.file else ""
    return results.ParameterInfo(p.name, p.default, describe(p), p.role, p.active, where)


def best(view: views.BestView) -> results.Best:
    """The best configuration against the default."""
    return results.Best(
        trial=view.trial,
        metric=view.metric,
        direction=view.direction,
        settings=settings(view.changed),
        configuration=dict(view.point),
        value=view.value,
        low=view.low,
        high=view.high,
        default_value=view.default_value,
        fresh_value=view.fresh_value,
        pairs=view.pairs,
        improvement=view.improvement,
        improvement_low=view.improvement_low,
        improvement_high=view.improvement_high,
        belief_better=view.better,
        certified=view.certified,
        noise=view.noise,
    )


def theory(view: views.TheoryView) -> insights.TheoryRow:
    """A theory in short."""
    return insights.TheoryRow(
        id=view.id,
        title=view.title,
        claims=list(view.claims),
        status=view.status,
        belief=view.belief,
        prior=view.prior,
        bayes_factor=view.bayes_factor,
        question=view.question,
        rivals=list(view.rivals),
        by=view.by,
        exploratory=view.exploratory,
    )


def judged(j: Judgement) -> insights.Judged:
    """A judgement of a claim."""
    return insights.Judged(
        claim=j.claim,
        prior=j.prior,
        belief=j.belief,
        bayes_factor=j.bayes_factor,
        strength=words.strength(j.bayes_factor),
        quantity=j.quantity,
        middle=j.middle,
        low=j.low,
        high=j.high,
        margin=j.margin,
        supporting_trials=list(j.supporting),
        opposing_trials=list(j.opposing),
        settle=j.settle,
        settle_bits=j.settle_bits,
    )


def explanation(view: views.Explanation, most: int = 8) -> insights.Explanation:
    """One theory with at most ``most`` trials of evidence each way."""
    return insights.Explanation(
        theory=theory(view.theory),
        because=view.theory.because,
        refuted_by=view.theory.refuted_by,
        claims=[judged(c.judgement) for c in view.claims if c.judgement is not None],
        evidence_for=[_evidence(e) for e in view.evidence_for[:most]],
        evidence_against=[_evidence(e) for e in view.evidence_against[:most]],
        certificates=[
            insights.Certificate(c.metric, c.pairs, c.wins, c.e_value, c.mean, c.low, c.high, c.certified)
            for c in view.theory.certificates
        ],
    )


def _evidence(view: views.EvidenceView) -> insights.Evidence:
    return insights.Evidence(
        trial=view.trial,
        bayes_factor=view.bayes_factor,
        observed=view.observed,
        expected_if_true=interval(view.if_true),
        expected_if_false=interval(view.if_false),
        settings=settings(view.changed),
        failure=view.failure,
    )


def interval(found: views.Range | None) -> str:
    """A predicted range in words: "val_loss 0.31 to 0.42"; empty where nothing was predicted."""
    return "" if found is None else f"{found.metric} {words.between(found.low, found.high)}"


def foreseen(view: views.ForeseenView) -> insights.Foreseen:
    """What is expected of a trial."""
    return insights.Foreseen(
        settings=settings(view.changed),
        predicted={r.metric: words.between(r.low, r.high) for r in view.predicted},
        chance_to_complete=view.success,
        bits=view.bits,
        stakes=[
            insights.Stake(s.theory, s.title, s.belief, s.bits, interval(s.if_true), interval(s.if_false))
            for s in view.stakes
        ],
    )


def suggestions(found: Sequence[views.NextView], most: int) -> list[insights.Suggestion]:
    """Experiments that were considered, arms that belong together in one, the best first."""
    groups: list[list[views.NextView]] = []
    for view in found:
        if view.together and groups and groups[-1][0].together == view.together:
            groups[-1].append(view)
        else:
            groups.append([view])
    return [
        insights.Suggestion(
            purpose=arms[0].purpose,
            settings=[settings(arm.changed) for arm in arms],
            reason=arms[0].reason,
            expected_bits=sum(arm.bits for arm in arms),
            expected_improvement=max((arm.gain or 0.0 for arm in arms), default=None) or None,
            seconds=sum(arm.cost or 0.0 for arm in arms) or None,
        )
        for arms in groups[:most]
    ]


def trial(view: views.TrialView, request: int) -> results.TrialRow:
    """A trial in short."""
    return results.TrialRow(
        trial=view.number,
        status=view.status,
        purpose=view.purpose,
        by=view.proposer,
        settings=settings(view.changed),
        values=dict(view.values),
        expected=interval(view.predicted),
        expected_bits=view.expected_bits,
        gained_bits=view.gained_bits,
        surprise=view.surprise,
        seconds=view.duration,
        failure=view.failure.kind if view.failure else "",
        request=request,
    )


def request(state: State, number: int) -> results.RequestRow:
    """Where a request stands; raises KeyError where there is none of this number."""
    if number in state.declined:
        return results.RequestRow(number, "", "withdrawn", [], state.declined[number])
    if number in state.requests:
        waiting = state.requests[number]
        return results.RequestRow(number, waiting.kind, "queued", [], waiting.reason)
    trials = state.answers[number]
    over = all(isinstance(state.trials.get(n), (Completed, Failed, type(None))) for n in trials)
    kept = [n for n in trials if n in state.trials]
    reason = state.trials[kept[0]].proposal.reason if kept else "its trials were withdrawn"
    return results.RequestRow(number, "", "ended" if over else "running", kept, reason)


def curve(metric: str, found: Curve) -> results.CurvePoints:
    """A curve, thinned evenly to at most ``CURVE_POINTS``; first and last stay."""
    count = len(found.steps)
    chosen = range(count)
    if count > CURVE_POINTS:
        return curve(
            metric, _thinned(found, [round(i * (count - 1) / (CURVE_POINTS - 1)) for i in range(CURVE_POINTS)])
        )
    return results.CurvePoints(metric, [found.steps[i] for i in chosen], [found.values[i] for i in chosen])


def _thinned(found: Curve, places: Sequence[int]) -> Curve:
    return Curve(tuple(found.steps[i] for i in places), tuple(found.values[i] for i in places))


def running(state: State) -> int:
    """How many trials run, as far as the journal knows."""
    return sum(isinstance(t, Running) for t in state.trials.values())
