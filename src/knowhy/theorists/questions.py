"""Questions with rival answers, and the question that each single parameter raises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from knowhy.engine.claims import render
from knowhy.model.objective import Objective
from knowhy.model.space import Choices, Parameter
from knowhy.model.theory import (
    Better,
    Claim,
    Effect,
    FailsWhen,
    Interacts,
    KeepsImproving,
    Lies,
    Matters,
    MattersMore,
    OnlyThrough,
    Optimum,
    OptimumMoves,
    Scope,
    Theory,
    Trades,
)
from knowhy.theorists.lore import SWITCHES, VALUES, Answer
from knowhy.theorists.reading import Lever, Reading, better, number, says, worse

_SIDES = {"more": ("more", "flat", "less"), "less": ("less", "flat", "more"), "flat": ("flat", "more", "less")}
_MOST_VALUES = 4


@dataclass(frozen=True, slots=True)
class Rival:
    """One answer: title, mechanism, and the claims by which it can fail."""

    title: str
    because: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its rival answers; the question's text is how it is known to have been asked.

    ``adds`` is for an answer that joins those that were given before, ``about`` names the parameters of a pair.
    One that is ``needed`` is asked however many theories are open.
    """

    text: str
    rivals: tuple[Rival, ...]
    weight: float
    adds: bool = False
    about: tuple[str, ...] = ()
    needed: bool = False

    def theories(self, after: int) -> tuple[Theory, ...]:
        """The answers as theories without ids."""
        settled = [(rival, tuple(here(claim) for claim in rival.claims)) for rival in self.rivals]
        return tuple(
            Theory(
                id="",
                title=rival.title,
                because=rival.because,
                claims=tuple(render(claim) for claim in claims),
                question=self.text,
                refuted_by=refutation(claims),
                by="builtin",
                after=after,
            )
            for rival, claims in settled
        )


def here(claim: Claim) -> Claim:
    """``claim`` at the default where it is about one parameter and names no scope.

    What a change does to the configuration that a person has is what they ask first, and a trial or two
    tell it; what it does on average over other settings takes many.
    """
    if isinstance(claim, (Effect, Better, KeepsImproving, Optimum, Matters)) and claim.scope == Scope():
        return replace(claim, scope=Scope("default"))
    return claim


def refutation(claims: Sequence[Claim]) -> str:
    """What observation would refute a theory with these claims (the first two speak)."""
    text = "; or ".join(_against(claim) for claim in claims[:2])
    scopes = [claim.scope for claim in claims if not isinstance(claim, (OnlyThrough, FailsWhen, Lies))]
    place = {Scope("best"): "near the best, ", Scope("default"): "at the default, "}
    alike = len(scopes) == len(claims) and len(set(scopes)) == 1
    return f"{place.get(scopes[0], '') if alike else ''}{text}."


def _against(claim: Claim) -> str:
    match claim:
        case Effect(parameter=p, start=a, end=b, verb="does not change", metric=m):
            return f"{m} differs between {p} = {number(a)} and {number(b)} by more than the margin"
        case Effect(parameter=p, start=a, end=b, verb=verb, metric=m):
            order = "higher" if verb == "raises" else "lower"
            return f"with the same seeds {m} is not {order} at {p} = {number(b)} than at {number(a)}"
        case Trades(parameter=p, start=a, end=b, metric=m, against=d):
            return f"at {p} = {number(b)}, against {number(a)}, {m} is no better or {d} no worse"
        case Better(parameter=p, winner=w, loser=v, metric=m):
            return f"with the same seeds {m} is no better with {p} = {number(w)} than with {number(v)}"
        case Optimum(metric=m, parameter=p, relation="between", low=low, high=high):
            return f"the best {p} for {m} turns out to lie outside {number(low)} to {number(high)}"
        case Optimum(metric=m, parameter=p, relation="near", low=low):
            return f"the best {p} for {m} turns out to lie away from {number(low)}"
        case Optimum(metric=m, parameter=p, relation=relation, low=low):
            return f"the best {p} for {m} turns out to be {number(low)} or {'less' if relation == 'above' else 'more'}"
        case Lies(metric=m):
            return f"a configuration elsewhere turns out to have a better {m} than any there"
        case OptimumMoves(parameter=p, verb="does not move", other=o):
            return f"the best {p} differs between low and high {o}"
        case OptimumMoves(parameter=p, verb=verb, other=o):
            return f"the best {p} at high {o} is not {'above' if verb == 'rises' else 'below'} the best at low {o}"
        case MattersMore(parameter=p, other=o, metric=m):
            return f"varying {o} over its range moves {m} at least as much as varying {p}"
        case Matters(parameter=p, metric=m, positive=positive):
            return f"varying {p} alone {'does not move' if positive else 'moves'} {m} by more than the margin"
        case Interacts(parameter=p, other=o, metric=m, together=together):
            return f"the effect of {p} on {m} {'is the same' if together else 'differs'} at low and at high {o}"
        case OnlyThrough(metric=m, parameter=p, other=o, op=op):
            return f"two settings with the same {combination(p, o, op)} differ in {m} by more than the margin"
        case FailsWhen(parameters=ps, side=side, threshold=t):
            return f"trials with {' * '.join(ps)} {side} {number(t)} finish, or trials on the other side fail"
        case KeepsImproving(parameter=p, metric=m, beyond=x):
            return f"{m} is no better with {p} beyond {number(x)} than at {number(x)}"


def combination(p: str, o: str, op: str) -> str:
    """A combination of two parameters as people write it."""
    return f"{p} / sqrt({o})" if op == "/sqrt" else f"{p} {op} {o}"


def fill(answer: Answer, parameter: str, metric: str) -> tuple[str, str]:
    """Title and mechanism of an answer with the names put in."""
    return (
        answer.title.replace("{p}", parameter).replace("{m}", metric),
        answer.because.replace("{p}", parameter).replace("{m}", metric),
    )


def effect(lever: Lever, objective: Objective, improves: bool) -> Effect:
    """The claim that raising ``lever`` over its contrast betters (or worsens) the objective."""
    verb = better(objective) if improves else worse(objective)
    return Effect(lever.name, lever.start, lever.end, verb, objective.metric)


def unchanged(lever: Lever, metric: str) -> Effect:
    """The claim that ``lever`` does not change ``metric`` over its contrast."""
    return Effect(lever.name, lever.start, lever.end, "does not change", metric)


def parameter_question(reading: Reading, objective: Objective, parameter: Parameter) -> Question | None:
    """What ``parameter`` does to the objective, with the lore's answer first and its rivals after it."""
    if isinstance(parameter.domain, Choices):
        return _choice(reading, objective, parameter)
    lever = reading.lever(parameter)
    if lever is None:
        return None
    form = lever.entry.form
    if form == "optimum" and (question := _optimum(reading, objective, lever)) is not None:
        return question
    if form == "training":
        return _training(objective, lever)
    m = objective.metric
    claims: dict[str, Claim] = {
        "more": effect(lever, objective, True),
        "less": effect(lever, objective, False),
        "flat": Matters(lever.name, m, False) if lever.entry.role == "other" else unchanged(lever, m),
    }
    text = f"what does raising {lever.name} from {number(lever.start)} to {number(lever.end)} do to {m}?"
    return Question(text, _rivals(lever, m, claims), lever.weight)


def _rivals(lever: Lever, metric: str, claims: dict[str, Claim]) -> tuple[Rival, ...]:
    answers = {"more": lever.entry.more, "less": lever.entry.less, "flat": lever.entry.flat}
    return tuple(
        Rival(lever.named(title), because, (claims[side],))
        for side in _SIDES[lever.entry.favours]
        if side in claims
        for title, because in [fill(answers[side], lever.name, metric)]
    )


def _optimum(reading: Reading, objective: Objective, lever: Lever) -> Question | None:
    """Below, around or above the default: three answers that leave no room between them."""
    domain, place = lever.domain, lever.place(lever.parameter.default)
    half = domain.to_unit(domain.low * lever.entry.factor**0.5) if domain.scale == "log" else 0.15
    half = min(max(half, 0.08), 0.25)
    low = lever.at(place - half) if place - half > 0.05 else None
    high = lever.at(place + half) if place + half < 0.95 else None
    if low is not None and high is not None and float(low) >= float(high):
        return None  # too few whole numbers to tell the sides apart
    p, m = lever.name, objective.metric
    claims: dict[str, Claim] = {}
    if high is not None:
        claims["more"] = Optimum(m, p, "above", float(high), float(high))
    if low is not None:
        claims["less"] = Optimum(m, p, "below", float(low), float(low))
    if low is not None and high is not None:
        claims["flat"] = Optimum(m, p, "between", float(low), float(high))
    elif high is not None:
        claims["flat"] = Optimum(m, p, "below", float(high), float(high))
    elif low is not None:
        claims["flat"] = Optimum(m, p, "above", float(low), float(low))
    else:
        return None
    return Question(f"where is the best {p} for {m}?", _rivals(lever, m, claims), lever.weight)


def _training(objective: Objective, lever: Lever) -> Question:
    """Whether more of the same goes on helping; where the default leaves no room for more, whether less would do."""
    p, m = lever.name, objective.metric
    if lever.start != lever.parameter.default:
        pays = f"{says(lever.pull(True), 'pays')} all the way to the default"
        hurts = f"{says(lever.pull(False), 'helps')}: the default is past the best"
        enough = f"{says(lever.pull(False), 'does')} as well"
        sides = {
            "more": Rival(_sentence(pays), lever.entry.more.because, (effect(lever, objective, True),)),
            "less": Rival(_sentence(hurts), lever.entry.less.because, (effect(lever, objective, False),)),
            "flat": Rival(_sentence(enough), lever.entry.flat.because, (unchanged(lever, m),)),
        }
        text = f"what does raising {p} from {number(lever.start)} to {number(lever.end)} do to {m}?"
        return Question(text, tuple(sides[side] for side in _SIDES[lever.entry.favours]), lever.weight)
    claims: dict[str, Claim] = {
        "more": KeepsImproving(p, m, float(lever.start)),
        "less": effect(lever, objective, False),
        "flat": unchanged(lever, m),
    }
    return Question(
        f"does raising {p} beyond {number(lever.start)} go on improving {m}?", _rivals(lever, m, claims), lever.weight
    )


def _choice(reading: Reading, objective: Objective, parameter: Parameter) -> Question:
    """Which value is best: the default against each alternative, and that it does not matter."""
    assert isinstance(parameter.domain, Choices)
    entry, p, m = reading.entry(parameter), parameter.name, objective.metric
    others = tuple(
        v for v in parameter.domain.values if not (type(v) is type(parameter.default) and v == parameter.default)
    )
    others = others[: _MOST_VALUES - 1]

    def why(value: object) -> str:
        if isinstance(value, bool):
            known = next((words for part, words in SWITCHES.items() if part in p.lower()), None)
            if known is not None:
                return known[0 if value else 1]
            if entry.role in ("augmentation", "schedule", "dropout", "warmup"):
                return fill(entry.more if value else entry.less, p, m)[1]
        key = str(value).lower()
        other = f"{value} suits this problem better than what it is compared with."
        return VALUES.get(f"{entry.role}:{key}") or VALUES.get(key, other)

    default = number(parameter.default)
    switch = all(isinstance(v, bool) for v in parameter.domain.values)
    stays = (
        f"{p} is best {'on' if parameter.default else 'off'}, as it is"
        if switch
        else f"{p} = {default} is best as it is"
    )
    rivals = [
        Rival(
            f"{p} should be {'on' if v else 'off'}" if switch else f"{p} = {number(v)} beats {default}",
            why(v),
            (Better(p, v, parameter.default, m),),
        )
        for v in others
    ]
    rivals.append(
        Rival(
            stays,
            why(parameter.default),
            tuple(Better(p, parameter.default, v, m) for v in others),
        )
    )
    if entry.favours == "flat" and entry.role not in ("other", "kernel"):
        title, because = fill(entry.flat, p, m)
    else:
        title = f"The choice of {p} does not matter"
        because = "Once the other settings suit it, each alternative arrives at about the same result."
    rivals.append(Rival(title, because, (Matters(p, m, False),)))
    text = f"should {p} be on or off for {m}?" if switch else f"which {p} is best for {m}?"
    return Question(text, tuple(rivals), reading.weight(parameter))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
