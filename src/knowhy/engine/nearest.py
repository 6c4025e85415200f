"""The nearest sentence that parses: misspelt words are mended, or a form is filled with what was mentioned."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Sequence

from knowhy.engine.syntax import keywords
from knowhy.model.space import Choices, Interval, Parameter, Scalar, Space

_PIECES = re.compile(r"[^\s,()*/=<>]+")
_NUMBER = re.compile(r"(?<![\w.])[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w])")
_SWITCHED = re.compile(r"^switching (\S+) from .*? to .*? (?=lowers|raises|does not)")
_CONSIDERED = 300
_PLACES = ("near the best", "at the default", "everywhere")


def nearest(sentence: str, space: Space, metrics: Collection[str], attempt: Callable[[str], str | None]) -> str:
    """A sentence close to ``sentence`` that parses, in canonical form, or "" if there is none.

    ``attempt`` gives the canonical form of a sentence, or None. Takes some 10 ms.
    """
    sentence = sentence[:_CONSIDERED]
    if mended := attempt(_mended(sentence, space, metrics)):
        return mended
    metric_names, parameters = _mentioned(sentence, metrics), _mentioned(sentence, [p.name for p in space])
    metric_names += [m for m in metrics if m not in metric_names]
    parameters += [p.name for p in space if p.active and p.name not in parameters]
    words = sentence.lower().split()
    candidates = [
        (form, place)
        for form in _filled(sentence, [space[p] for p in parameters[:4]], metric_names[:2])
        for place in _places(sentence)
    ]
    ranked = sorted(
        (f"{form}{place}" for form, place in candidates),
        key=lambda text: -_likeness(words, _SWITCHED.sub(r"raising \1 ", text).lower().split()),
    )
    for text in ranked[:40]:
        if found := attempt(text):
            return found
    return ""


def _places(sentence: str) -> tuple[str, ...]:
    said = tuple(f" {place}" for place in _PLACES if place in sentence.lower())
    return (*said, "")


def _likeness(one: Sequence[str], two: Sequence[str]) -> float:
    words = difflib.SequenceMatcher(None, one, two, autojunk=False).ratio()
    letters = difflib.SequenceMatcher(None, " ".join(one), " ".join(two), autojunk=False).ratio()
    return words + letters


def _mended(sentence: str, space: Space, metrics: Collection[str]) -> str:
    """``sentence`` with each unknown word replaced by the known one that is spelt most like it."""
    names = [*(p.name for p in space), *metrics]
    values = [v for p in space if isinstance(p.domain, Choices) for v in p.domain.values if isinstance(v, str)]
    known = [*names, *values, *(k for k in keywords() if len(k) > 1)]

    def mend(match: re.Match[str]) -> str:
        word = match.group().rstrip(".") or match.group()
        if word in known or word.lower() in known or _NUMBER.fullmatch(word):
            return match.group()
        return next(iter(difflib.get_close_matches(word, known, 1, 0.7)), match.group())

    return _PIECES.sub(mend, sentence)


def _mentioned(sentence: str, names: Collection[str]) -> list[str]:
    """The ``names`` that ``sentence`` has, or has nearly, in order."""
    found: dict[str, None] = {}
    reserved = keywords()
    for piece in _PIECES.findall(sentence):
        word = piece.rstrip(".")
        if word in names:
            found[word] = None
        elif word.lower() not in reserved and (close := difflib.get_close_matches(word, names, 1, 0.7)):
            found[close[0]] = None
    return sorted(found, key=lambda name: name.lower() in reserved)


def _filled(sentence: str, parameters: Sequence[Parameter], metrics: Sequence[str]) -> Iterator[str]:
    """The forms with the names and numbers of ``sentence`` in them."""
    if not parameters:
        return
    a = parameters[0]
    others = parameters[1:]
    numbers = [float(text) for text in _NUMBER.findall(sentence)]
    for metric in metrics:
        yield from _about(a, metric, numbers)
        for b in others:
            yield f"{a.name} matters more than {b.name} for {metric}"
            yield f"{a.name} and {b.name} interact on {metric}"
            yield f"{a.name} and {b.name} act on their own on {metric}"
            if a.numeric:
                for verb in ("rises", "falls", "does not move"):
                    yield f"the best {a.name} for {metric} {verb} with {b.name}"
                for through in (f"{a.name}/{b.name}", f"{a.name}*{b.name}", f"{a.name}/sqrt({b.name})"):
                    yield f"{metric} depends on {a.name} and {b.name} only through {through}"
    for together in ([a], *([a, b] for b in others)):
        yield from _failing(together, numbers)


def _failing(parameters: Sequence[Parameter], numbers: Sequence[float]) -> Iterator[str]:
    """Failure where the product of ``parameters`` is large or small."""
    domains = [p.domain for p in parameters if isinstance(p.domain, Interval)]
    if len(domains) < len(parameters):
        return
    high = math.prod(d.high for d in domains)
    low = math.prod(d.low for d in domains)
    if low >= 0:
        threshold = min(max(numbers[-1], low), high) if numbers else math.prod(d.from_unit(0.75) for d in domains)
        for side in ("above", "below"):
            yield f"trials fail when {'*'.join(p.name for p in parameters)} is {side} {_shown(float(threshold))}"


def _about(a: Parameter, metric: str, numbers: Sequence[float]) -> Iterator[str]:
    """The forms about one parameter."""
    verbs = ("lowers", "raises", "does not change")
    yield f"{a.name} matters for {metric}"
    yield f"{a.name} does not matter for {metric}"
    if isinstance(a.domain, Choices):
        for one, two in ((a.domain.values[0], a.domain.values[1]), (a.domain.values[1], a.domain.values[0])):
            yield f"{a.name} = {_shown(one)} is better than {a.name} = {_shown(two)} for {metric}"
            for verb in verbs:
                yield f"switching {a.name} from {_shown(one)} to {_shown(two)} {verb} {metric}"
        return
    domain = a.domain
    inside = [_shown(_fitted(domain, v)) for v in numbers]
    ends = inside[:2] if len(set(inside[:2])) == 2 else [_shown(domain.from_unit(0.0)), _shown(domain.from_unit(1.0))]
    ordered = sorted(ends, key=float)
    for verb in verbs:
        yield f"raising {a.name} from {ordered[0]} to {ordered[1]} {verb} {metric}"
        yield f"lowering {a.name} from {ordered[1]} to {ordered[0]} {verb} {metric}"
    one = inside[-1] if inside else _shown(a.default)
    for relation in ("near", "below", "above"):
        yield f"{metric} is best with {a.name} {relation} {one}"
    for op in (">=", "<="):
        yield f"the best {metric} lies where {a.name} {op} {one}"
    yield f"{metric} is best with {a.name} between {ordered[0]} and {ordered[1]}"
    yield f"more {a.name} keeps improving {metric} beyond {one if float(one) < domain.high else ordered[0]}"


def _fitted(domain: Interval, value: float) -> float:
    """``value``, moved into the range and to a whole number where needed."""
    value = min(max(value, domain.low), domain.high)
    return float(round(value)) if domain.integer else value


def _shown(value: Scalar) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
