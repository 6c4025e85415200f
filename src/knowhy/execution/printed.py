"""Metrics among the text that a training script prints.

``name: number`` and ``name = number`` in their many spellings (JSON and dict literals, Keras, XGBoost, LightGBM,
CatBoost, Lightning, tqdm), and ``loss 0.25`` for names that can only be metrics. Not read: counters such as
``9902/10000`` (but ``accuracy: 9902/10000`` is a ratio), ``Epoch 3/10``, dates and times, addresses, versions,
tracebacks.
All patterns are bounded, so that no text can make them slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from knowhy.execution.text import clean, shorten
from knowhy.redaction import redact

NAMES = 200
_SEGMENT_CHARACTERS = 4000
_PASSING = 2000

_NUMBER = (
    r"(?P<number>[-+]?(?:(?:\d{1,3}(?:,\d{3}){1,6}|\d{1,40})(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][-+]?\d{1,4})?"
    r"|[-+]?(?:[nN][aA][nN]|[iI]nf(?:inity)?|INF(?:INITY)?))"
)
_END = r"(?=[\s|)\]}\"'<>(;±]|,(?!\d)|\.(?:\s|$)|\+/-|$)"
_UNIT = (
    r"(?: ?(?P<unit>%|[mµμun]?s|secs?|seconds?|mins?|minutes?|hrs?|hours?|h|[kKMGT]i?B|[kKMGT])"
    r"(?=[\s|)\]},;(]|\.\s|$))?"
)
_METRIC = re.compile(
    r"(?<![\w./\\@-])"
    r"(?P<name>(?:[A-Za-z_]\w{0,39}(?:'s)? ){0,3}[A-Za-z_][\w./@-]{0,63})"
    r"(?: ?\([^()\n]{0,20}\))?['\"]?(?:\s{0,20}[:=]|\s{0,40}│)\s{0,40}['\"]?"
    r"(?:(?:tensor|array|float|(?:np|numpy|jnp)\.float\d{1,3})\(\[?)?" + _NUMBER + r"(?P<of>/\d{1,12})?" + _UNIT + _END
)
_WORDS = r"train(?:ing)?|val|valid(?:ation)?|test|eval|dev|avg|average|mean|final|best|total|running"
_BARE = re.compile(
    rf"(?<![\w./\\@-])(?P<name>(?:(?:{_WORDS}) )?[\w/-]{{0,24}}?"
    r"(?:loss|acc|accuracy|error|err|ppl|perplexity|bpb|bpc|auc|f1|mse|rmse|mae|nll|reward|return|bleu|score))"
    r"\s{1,8}(?P<number>[-+]?\d{0,12}\.\d{1,20}(?:[eE][-+]?\d{1,4})?|[-+]?(?:nan|NaN|inf))" + _END,
    re.IGNORECASE,
)
_BARE_NUMBER = re.compile(r"\w\s{1,8}[-+]?(?:\d{0,12}\.\d|[nN]a|[iI]n)")
_STEP = re.compile(
    r"(?<!\w)(?P<key>global_step|steps?|iter(?:ation)?s?|it|update|round|batch|epochs?|ep)"
    r"(?:['\"]?\s{0,4}[:=#]\s{0,4}|\s{1,8}|\s{0,4}\[\s{0,4})(?P<number>\d{1,15}(?:\.\d{1,15})?)(?!\d|:\d)",
    re.IGNORECASE,
)
_LEADING = re.compile(r"\s{0,8}(?:\[\s{0,8}(\d{1,12})\]|(\d{1,12}):\s)")
_URL = re.compile(r"\b[a-z]{2,10}://\S{1,2000}", re.IGNORECASE)
_RATIO = re.compile(r"acc|correct|precision|recall|hit|f1|score|top", re.IGNORECASE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COUNTERS = _words("epoch epochs ep step steps global_step iter iters iteration iterations it batch round update")
_PLACES = _words("cuda cpu gpu mps xla tpu npu rank localhost port pid line eta http https date")
_LEVELS = _words("debug info warning warn error critical the a an is of at in on with to and our")
_QUALIFIERS = _words("best final last min max mean avg average median std total train val valid test eval dev")
_UNITS: Mapping[str, float] = {
    "%": 1.0,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ns": 1e-9,
    "k": 1e3,
    "K": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "kB": 1e3,
    "KB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "kiB": 2.0**10,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
    "TiB": 2.0**40,
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One number that was printed under ``name``.

    ``steps`` holds counters of the same line ("epoch", "step"). ``passing``: a later carriage return wrote over it.
    """

    name: str
    value: float
    steps: Mapping[str, float]
    passing: bool
    line: str


@dataclass(frozen=True, slots=True)
class Found:
    """A metric found in a log: how often it stands there, its last value, and the line of that value."""

    name: str
    count: int
    last: float
    example: str


def metrics_in(log_text: str) -> list[Found]:
    """The metrics that a log shows, in order of first appearance, for a person to confirm.

    Values with a unit are in its base unit (seconds, bytes, ones); percentages stay as printed.
    """
    return [
        Found(name, len(readings), readings[-1].value, shorten(redact(readings[-1].line.strip()), 160))
        for name, readings in readings_in(log_text).items()
    ]


def readings_in(log_text: str) -> dict[str, list[Reading]]:
    """All readings of each metric, in order; a metric's settled lines where it has two or more, else all."""
    everything: dict[str, list[Reading]] = {}
    for reading in _readings(log_text):
        if reading.name in everything:
            everything[reading.name].append(reading)
        elif len(everything) < NAMES:
            everything[reading.name] = [reading]
    result = {}
    for name, readings in everything.items():
        stay = [r for r in readings if not r.passing]
        if len(stay) >= 2:
            result[name] = stay
        elif stay:
            result[name] = [r for r in readings if r.passing] + stay
        else:
            result[name] = readings
    return result


def _readings(log_text: str) -> Iterator[Reading]:
    in_traceback = False
    for raw in log_text.split("\n"):
        line = raw.rstrip("\r")
        if not line or line.isspace():
            continue
        if line.startswith("Traceback (most recent call last)"):
            in_traceback = True
            continue
        if in_traceback:
            in_traceback = line.startswith((" ", "\t"))
            continue
        if "\r" not in line:
            yield from _in_segment(line, passing=False)
            continue
        *passing, final = [part for part in line.split("\r") if part.strip()] or [""]
        for part in passing[:: -(len(passing) // _PASSING + 1)][::-1]:
            yield from _in_segment(part, passing=True)
        yield from _in_segment(final, passing=False)


def _in_segment(segment: str, passing: bool) -> Iterator[Reading]:
    text = segment[-_SEGMENT_CHARACTERS:]
    if len(segment) > _SEGMENT_CHARACTERS:
        text = text[text.find(" ") + 1 :]
    if not text.isascii() or not text.isprintable():
        text = clean(text)
    if "://" in text:
        text = _URL.sub(" ", text)
    found: list[tuple[int, str, float]] = []
    ends: set[int] = set()
    for match in _METRIC.finditer(text) if ":" in text or "=" in text or "│" in text else ():
        name, value = _name(match["name"]), _value(match)
        ends.add(match.end("number"))
        if name and value is not None:
            found.append((match.start(), name, value))
    found.extend(
        (match.start(), name, _float(match["number"]))
        for match in (_BARE.finditer(text) if _BARE_NUMBER.search(text) else ())
        if match.end("number") not in ends and (name := _name(match["name"]))
    )
    if not found:
        return
    steps = _steps(text)
    for _, name, value in sorted(found, key=lambda item: item[0]):
        yield Reading(name, value, steps, passing, text)


def _steps(text: str) -> dict[str, float]:
    steps: dict[str, float] = {}
    if leading := _LEADING.match(text):
        steps["step"] = float(leading[1] or leading[2])
    for match in _STEP.finditer(text):
        steps.setdefault("epoch" if match["key"].lower().startswith("ep") else "step", float(match["number"]))
    return steps


def _name(phrase: str) -> str:
    """The metric's name: an identifier as it is printed, several words in lower case joined by underscores."""
    words = phrase.replace("'s", "").rstrip("-./").split(" ")
    while len(words) > 1 and words[0].lower() in _LEVELS:
        words.pop(0)
    last = words[-1]
    if last.lower() in _COUNTERS or last.lower() in _PLACES:
        return ""
    if "'s" not in phrase and re.search(r"[_/.@-]", last):
        start = len(words) - 1
        while start > 0 and words[start - 1].lower() in _QUALIFIERS:
            start -= 1
        words = words[start:]
    return last if len(words) == 1 else "_".join(words).lower()


def _value(match: re.Match[str]) -> float | None:
    value = _float(match["number"])
    if match["of"]:
        of = float(match["of"][1:])
        return value / of if of and _RATIO.search(match["name"]) else None
    return value * _UNITS.get(match["unit"], 1.0) if match["unit"] else value


def _float(number: str) -> float:
    return float(number.replace(",", ""))
