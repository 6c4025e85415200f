"""Theories with structure: how pairs act together, and what takes time."""

from __future__ import annotations

from collections.abc import Iterator

from knowhy.model.objective import Objective
from knowhy.model.space import Interval
from knowhy.model.theory import Claim, Effect, Interacts, OnlyThrough, OptimumMoves, Trades, Verb
from knowhy.theorists.lore_pairs import PAIRS, Bond
from knowhy.theorists.questions import Question, Rival
from knowhy.theorists.reading import Lever, Reading, better, number, says

_COST: dict[str, str] = {
    "epochs": "Time is the number of passes times the time of a pass.",
    "trees": "Time is the number of trees times the time of a tree.",
    "width": "The matrix products grow with the width, between hidden layers with its square.",
    "depth": "Every layer is computed in turn, forwards and backwards.",
    "tree_depth": "Each level of a tree passes over the data once more.",
    "batch_size": "Larger batches use the machine better and make fewer updates for the same number of examples.",
    "context": "Attention grows with the square of the context.",
}


def pair_text(a: str, b: str, metric: str) -> str:
    """The question of a pair, the same for every reason to ask it."""
    return f"how do {a} and {b} act together on {metric}?"


def pairs(reading: Reading, objective: Objective) -> Iterator[Question]:
    """What lore says of pairs of active parameters."""
    for pair in PAIRS:
        if reading.family not in pair.families:
            continue
        first, second = reading.with_senses([pair.first]), reading.with_senses([pair.second])
        if not first or not second or first[0].name == second[0].name:
            continue
        a, b, m = first[0], second[0], objective.metric
        rivals = []
        for answer in pair.answers:
            claim = _bond(answer.bond, a, b, m)
            if claim is not None:
                title = answer.title.replace("{a}", a.name).replace("{b}", b.name)
                rivals.append(Rival(title, answer.because, (claim,)))
        if len(rivals) > 1:
            weight = pair.importance * (a.weight * b.weight) ** 0.5
            yield Question(pair_text(a.name, b.name, m), tuple(rivals), weight, about=(a.name, b.name))


def _bond(bond: Bond, a: Lever, b: Lever, metric: str) -> Claim | None:
    match bond:
        case "ratio" | "root" | "product":
            if not (_positive(a) and _positive(b)):
                return None
            return OnlyThrough(metric, a.name, b.name, {"ratio": "/", "root": "/sqrt", "product": "*"}[bond])  # type: ignore[arg-type]
        case "rises":
            return OptimumMoves(a.name, metric, "rises", b.name)
        case "falls":
            return OptimumMoves(a.name, metric, "falls", b.name)
        case "stays":
            return OptimumMoves(a.name, metric, "does not move", b.name)
        case "together":
            return Interacts(a.name, b.name, metric, True)
        case "alone":
            return Interacts(a.name, b.name, metric, False)


def _positive(lever: Lever) -> bool:
    domain = lever.parameter.domain
    return isinstance(domain, Interval) and domain.low > 0


def costs(reading: Reading) -> Iterator[Question]:
    """What takes time, for the parameter that most should."""
    if "duration" not in reading.metrics or any(o.metric == "duration" for o in reading.state.objectives):
        return
    trivial = ("epochs", "trees")  # that more of the same takes longer needs no theory while there is another
    for lever in sorted(reading.levers, key=lambda x: x.parameter.role in trivial):
        trend = lever.entry.cost
        if trend not in ("+", "-"):
            continue
        p, span = lever.name, (lever.start, lever.end)
        verb: Verb = "raises" if trend == "+" else "lowers"
        why = _COST.get(
            lever.parameter.role, "Each trial does more work." if trend == "+" else "Each trial does less work."
        )
        yield Question(
            f"what does raising {p} from {number(span[0])} to {number(span[1])} do to duration?",
            (
                Rival(
                    f"{_makes(lever)} trials {'longer' if trend == '+' else 'shorter'}",
                    why,
                    (Effect(p, *span, verb, "duration"),),
                ),
                Rival(
                    f"{p} costs no time worth counting",
                    "At this size start-up, loading and overheads take most of the time, or training stops early "
                    "anyway.",
                    (Effect(p, *span, "does not change", "duration"),),
                ),
            ),
            0.25 * lever.weight,
        )
        return


def trades(reading: Reading) -> Iterator[Question]:
    """Which parameter buys the first objective with another one; for the two that most should."""
    first, *others = reading.state.objectives
    paying = [x for x in reading.levers if x.entry.cost in ("+", "-") or x.entry.part == "capacity"]
    for other in others:
        for lever in (paying or list(reading.levers))[:2]:
            p, span = lever.name, (lever.start, lever.end)
            change = f"raising {p} from {number(span[0])} to {number(span[1])}"
            yield Question(
                f"does {p} trade {first.metric} against {other.metric}?",
                (
                    Rival(
                        f"More {p} buys {first.metric} with {other.metric}",
                        f"{change} gives the model more to work with, and that has its price.",
                        (Trades(p, *span, first.metric, other.metric),),
                    ),
                    Rival(
                        f"More {p} buys {other.metric} with {first.metric}",
                        f"{change} saves, and what it saves is missing where it counts.",
                        (Trades(p, *span, other.metric, first.metric),),
                    ),
                    Rival(
                        f"{p} is free: more of it betters {first.metric}, and {other.metric} stays",
                        f"What decides {other.metric} lies elsewhere.",
                        (
                            Effect(p, *span, better(first), first.metric),
                            Effect(p, *span, "does not change", other.metric),
                        ),
                    ),
                ),
                0.6 * lever.weight,
            )


def _makes(lever: Lever) -> str:
    text = says(lever.pull(True), "makes")
    return text[0].upper() + text[1:]
