"""A theory as a card: what is said about it, for HTML and Markdown alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knowhy.reports.answer import prior_to_belief, weight_of_evidence
from knowhy.reports.blocks import Span, Strong, Text, TheoryLink, TrialLink
from knowhy.views import CertificateView, ClaimView, EvidenceView, Explanation
from knowhy.views.words import between, estimate, factor, number, percent, plural, scalar

LISTED = 5
"""Trials of evidence shown at first, on each side."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a theory's card says; ``facts`` are label and text, evidence is listed strongest first."""

    id: str
    title: str
    status: str
    exploratory: bool
    because: str
    claims: tuple[Text, ...]
    facts: tuple[tuple[str, Text], ...]
    evidence_for: tuple[Text, ...]
    evidence_against: tuple[Text, ...]
    neutral: str


def card(found: Explanation) -> Card:
    """The card of one explained theory."""
    view = found.theory
    facts: list[tuple[str, Text]] = [
        ("Belief", (prior_to_belief(view),)),
        ("Evidence", (weight_of_evidence(view),)),
    ]
    facts += [("Certificate", certificate(c)) for c in view.certificates]
    if not found.evidence_for and not found.evidence_against:
        facts += weighing(found)
    scopes = tuple(dict.fromkeys(c.scope for c in found.claims if c.scope))
    if scopes:
        facts.append(("Scope", ("; ".join(scopes),)))
    if view.rivals:
        facts.append(("Rivals", links([TheoryLink(r) for r in view.rivals])))
    if view.refuted_by:
        facts.append(("Would be refuted if", (view.refuted_by,)))
    when = f"after {plural(view.after, 'trial')}, so it is exploratory" if view.exploratory else "before any data"
    facts.append(("Proposed", (f"by {view.by}, {when}",)))
    certified = view.status == "certified"
    if view.exploratory and certified:
        facts[-1] = ("Proposed", (f"by {view.by}, after {plural(view.after, 'trial')}; since certified",))
    neutral = plural(found.neutral, "other trial") + " said nothing either way" if found.neutral else ""
    return Card(
        view.id,
        view.title,
        view.status,
        view.exploratory and not certified,
        view.because,
        tuple(claim(c, len(found.claims) == 1) for c in found.claims),
        tuple(facts),
        tuple(evidence(e) for e in found.evidence_for),
        tuple(evidence(e) for e in found.evidence_against),
        neutral,
    )


def weighing(found: Explanation) -> list[tuple[str, Text]]:
    """The trials that weigh most in hindsight, for a theory on which no trial had a stake beforehand."""
    judged = [c.judgement for c in found.claims if c.judgement is not None]
    sides = (
        ("Weigh most for", sorted({t for j in judged for t in j.supporting})),
        ("Weigh most against", sorted({t for j in judged for t in j.opposing})),
    )
    return [(label, links([TrialLink(t) for t in trials[:LISTED]])) for label, trials in sides if trials]


def links(members: Sequence[TrialLink | TheoryLink]) -> Text:
    """``members`` with commas between."""
    parts: list[Span] = []
    for member in members:
        parts += [", ", member] if parts else [member]
    return tuple(parts)


def claim(view: ClaimView, alone: bool) -> Text:
    """A claim, how far it is believed (where it is not ``alone``: then the theory's belief says it), and its number."""
    judgement = view.judgement
    if judgement is None:
        return (Strong(view.sentence), f" – cannot be judged: {view.problem}")
    parts = [] if alone else [percent(judgement.belief)]
    if judgement.middle is not None and judgement.low is not None and judgement.high is not None:
        name = judgement.quantity or "the quantity"
        parts.append(f"{name} {estimate(judgement.middle, judgement.low, judgement.high)}")
    if judgement.margin:
        parts.append(f"a change below {judgement.margin:.2g} counts as none")
    return (Strong(view.sentence), " – " + "; ".join(parts)) if parts else (Strong(view.sentence),)


def evidence(view: EvidenceView) -> Text:
    """What one trial said: its Bayes factor, what was predicted, what happened."""
    parts: list[Span] = [TrialLink(view.trial), f" ×{factor(view.bayes_factor)}"]
    if view.if_true is not None and view.if_false is not None:
        true, false = view.if_true, view.if_false
        width = min((true.high - true.low) / 3, (false.high - false.low) / 3, abs(true.middle - false.middle)) or None
        parts.append(f": {number(true.middle, width)} if true, {number(false.middle, width)} if not; ")
        parts.append(f"it failed ({view.failure})" if view.failure else f"got {number(view.observed, width)}")
    elif view.failure:
        parts.append(f": it failed ({view.failure})")
    return tuple(parts)


def certificate(view: CertificateView) -> Text:
    """What the fresh pairs of a contrast show."""
    word = "certified" if view.certified else "not certified"
    settings = ", ".join(f"{s.parameter} {scalar(s.default)} → {scalar(s.value)}" for s in view.differing)
    settings = settings or "the same point twice"
    if not view.pairs:
        return (Strong(word), f": registered ({settings}), no fresh pair is complete yet")
    parts: list[Span] = [
        Strong(word),
        f": {plural(view.pairs, 'fresh pair')}, {view.wins} of them in its direction, e-value {number(view.e_value)}",
    ]
    if view.mean is not None:
        width = None if view.low is None or view.high is None else (view.high - view.low) / 4
        parts.append(f"; mean difference of {view.metric} {number(view.mean, width)}")
        if view.low is not None and view.high is not None:
            parts.append(f" (95%: {between(view.low, view.high)})")
    return (*parts, f"; contrast: {settings}")
