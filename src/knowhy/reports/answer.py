"""The answer in words: the best configuration, and what was learned."""

from __future__ import annotations

from collections.abc import Sequence

from knowhy.reports.blocks import Code, Fact, Span, Strong, Text, TheoryLink, TrialLink
from knowhy.views import BestView, Overview, Setting, TheoryView
from knowhy.views.words import NEVER_BEYOND, between, factor, number, percent, plural, plus_minus, scalar, seconds

MOST_NAMED = 4


def assignments(settings: Sequence[Setting]) -> Text:
    """Parameters and their values, as code, in a line."""
    parts: list[Span] = []
    for setting in settings:
        parts += [", " if parts else "", Code(f"{setting.parameter} = {scalar(setting.value)}")]
    return tuple(p for p in parts if p)


def verdict(best: BestView) -> str:
    """How far the comparison with the default can be trusted, in one sentence."""
    pairs = plural(best.pairs, "pair") + " of fresh runs"
    if best.certified:
        held = f"This is certified by {pairs}"
        e = best.certificate
        return held + (f" (e-value {number(e.e_value)})." if e and e.certified else ".")
    if best.pairs == 0:
        return (
            "This is not verified: no fresh runs compare it with the default, so part of the difference may be the "
            f"luck by which it was selected (belief that it is truly better: {percent(best.better)})."
        )
    if best.improvement_low is None or best.improvement_low <= 0:
        return (
            f"This is not verified: {pairs} do not show that it is better than the default "
            f"(belief that it is: {percent(best.better)})."
        )
    return (
        f"It holds on {pairs}, but they are too few to certify it (belief that it is better: {percent(best.better)})."
    )


def difference(best: BestView) -> Span:
    """The improvement with its uncertainty."""
    word = "lower" if (best.direction == "minimize") == (best.improvement >= 0) else "higher"
    if best.improvement_low is None or best.improvement_high is None:
        size = number(abs(best.improvement), best.noise)
    else:
        size = plus_minus(abs(best.improvement), (best.improvement_high - best.improvement_low) / 2)
    share = f" ({percent(abs(best.relative))})" if best.relative is not None and abs(best.relative) >= 0.005 else ""
    return Strong(f"{size} {word}{share}")


def best_in_words(best: BestView | None, overview: Overview) -> Text:
    """The best configuration against the default, in a paragraph."""
    if best is None:
        if overview.failed:
            return (f"No trial has completed: all {plural(overview.failed, 'trial')} that ended failed.",)
        return ("No trial has completed yet, so there is nothing to report.",)
    if best.is_default:
        spread = between(best.low, best.high)
        return (
            "Nothing was found that beats the default configuration: its ",
            Code(best.metric),
            f" is expected at {number(best.value, best.noise)} ({spread} with 90% probability).",
        )
    named = best.changed[:MOST_NAMED]
    more = len(best.changed) - len(named)
    parts: list[Span] = [
        "The best configuration (trial ",
        TrialLink(best.trial),
        ") sets ",
        *assignments(named),
        f" and {more} more. " if more else ". ",
    ]
    if best.pairs and best.fresh_value is not None and best.fresh_default is not None:
        noise = best.noise
        parts += [
            "On fresh seeds its ",
            Code(best.metric),
            f" is {number(best.fresh_value, noise)} against {number(best.fresh_default, noise)} for the default: ",
        ]
    else:
        parts += [
            "Its ",
            Code(best.metric),
            f" is expected at {number(best.value, best.noise)} "
            f"against {number(best.default_value, best.noise)} for the default: ",
        ]
    interval = ", 95% interval" if best.improvement_low is not None else ""
    return (*parts, difference(best), f"{interval}. ", verdict(best))


def _named(views: Sequence[TheoryView]) -> Text:
    parts: list[Span] = []
    for view in views[:3]:
        parts += ["; " if parts else "", TheoryLink(view.id), f" {view.title}"]
    if len(views) > 3:
        parts.append(f"; and {len(views) - 3} more")
    return tuple(p for p in parts if p)


def learned(views: Sequence[TheoryView]) -> tuple[Text, ...]:
    """What holds, what does not, what is open: a sentence each."""
    if not views:
        return (("No theories have been proposed yet.",),)

    def weight(view: TheoryView) -> float:
        ratio = view.bayes_factor or 1.0
        return -max(ratio, 1 / ratio)

    holds = sorted(
        (v for v in views if v.status in ("certified", "supported")), key=lambda v: (v.status != "certified", weight(v))
    )
    refuted = sorted((v for v in views if v.status == "refuted"), key=weight)
    unsettled = sorted(
        (v for v in views if v not in holds and v not in refuted),
        key=lambda v: -abs((v.belief if v.belief is not None else 0.5) - 0.5),
    )
    sentences: list[Text] = []
    if holds:
        sentences.append((Strong("What holds: "), *_named(holds), "."))
    if refuted:
        sentences.append((Strong("What does not: "), *_named(refuted), "."))
    if unsettled:
        sentences.append((Strong("Not settled: "), *_named(unsettled), "."))
    return tuple(sentences)


def _saved(overview: Overview) -> str:
    return f", about {seconds(overview.saved)} saved by stopping early" if overview.stopped else ""


def facts(overview: Overview) -> tuple[Fact, ...]:
    """The study in a row of numbers."""
    held = overview.theories["certified"] + overview.theories["supported"]
    kinds = ", ".join(f"{count} {purpose}" for purpose, count in overview.purposes.items() if count)
    ended = overview.done + overview.failed + overview.stopped - overview.purposes.get("observe", 0)
    certified = overview.theories["certified"]
    return (
        Fact(
            "trials",
            f"{ended} of {overview.total}" if overview.total else str(ended),
            kinds
            + (f"; {overview.failed} failed" if overview.failed else "")
            + (f"; {overview.stopped} stopped early" if overview.stopped else ""),
        ),
        Fact("time", seconds(overview.spent), f"{seconds(overview.training)} of training" + _saved(overview)),
        Fact(
            "theories that hold",
            f"{held} of {overview.considered}",
            f"{certified} certified, {overview.theories['refuted']} refuted",
        ),
        Fact(
            "learned",
            f"{number(overview.calibration.gained_bits, 0.1)} bits",
            f"{number(overview.calibration.expected_bits, 0.1)} expected",
        ),
    )


def prior_to_belief(view: TheoryView) -> str:
    """Prior and belief in a phrase."""
    if view.belief is None:
        return f"prior {percent(view.prior)}, not judged yet"
    return f"{percent(view.prior)} before the data, {percent(view.belief)} now"


def weight_of_evidence(view: TheoryView) -> str:
    """The theory's Bayes factor and what it amounts to; "at least" where the beliefs reach the draws' resolution."""
    if view.bayes_factor is None or view.belief is None:
        return view.strength
    least = "at least " if view.belief > 1 - NEVER_BEYOND else ""
    most = "at most " if view.belief < NEVER_BEYOND else ""
    return f"Bayes factor {least}{most}{factor(view.bayes_factor)}: {view.strength}"
