"""An answer examined: what can be read becomes proposals, what cannot is told back with the grammar's help."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from knowhy.engine import claims
from knowhy.engine.beliefs import known_metrics
from knowhy.errors import SentenceError, SpaceError
from knowhy.model.space import Interval, Parameter
from knowhy.model.state import State
from knowhy.model.theory import ParameterRequest, Theory
from knowhy.model.thought import Opinion, Wish
from knowhy.theorists.llm.brief import MOST_PARAMETERS, MOST_THEORIES, MOST_WISHES
from knowhy.theorists.llm.fence import clean, one_line
from knowhy.theorists.llm.laboratory import fitted, unreadable

if TYPE_CHECKING:
    from knowhy.theorists.llm.answers import Answer

_MOST_CLAIMS, _MOST_OPINIONS, _MOST_PROBLEMS = 4, 8, 6
_TITLE, _TEXT = 160, 800
_LEAST, _MOST = 0.02, 0.98


@dataclass(frozen=True, slots=True)
class Examined:
    """What an answer holds; ``problems`` are worth telling back, ``rejected`` the sentences behind them."""

    critique: str = ""
    theories: tuple[Theory, ...] = ()
    requests: tuple[ParameterRequest, ...] = ()
    wishes: tuple[Wish, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    problems: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


def examine(answer: Answer, state: State, by: str, redact: Callable[[str], str], *, room: int) -> Examined:
    """``answer`` as proposals of ``by``: at most ``room`` theories; texts without secrets, cut to a decent length."""
    problems: list[str] = []
    rejected: list[str] = []

    def text(raw: str, longest: int = _TEXT) -> str:
        return redact(clean(raw, longest)).strip()

    def read(sentences: Sequence[str]) -> tuple[str, ...]:
        """The canonical sentences; empty where one of them cannot be read."""
        found: list[str] = []
        for sentence in sentences[:_MOST_CLAIMS]:
            try:
                found.append(claims.render(claims.parse(sentence, state.space, known_metrics(state))))
            except (SentenceError, SpaceError) as error:
                told = error if isinstance(error, SentenceError) else SentenceError(error.message, error.hint)
                problems.append(redact(unreadable(sentence, told)))
                rejected.append(text(one_line(sentence), 300))
        return tuple(dict.fromkeys(found)) if len(found) == len(sentences[:_MOST_CLAIMS]) else ()

    theories: list[Theory] = []
    opinions: list[Opinion] = []
    for said in answer.theories[:MOST_THEORIES]:
        sentences = read(said.claims)
        if not sentences or len(theories) >= room:
            continue
        title = text(one_line(said.title, _TITLE), _TITLE) or sentences[0]
        because = text(said.because) or "no mechanism was given"
        theories.append(
            Theory(
                "",
                title,
                because,
                sentences,
                text(one_line(said.question, _TITLE), _TITLE),
                text(said.refuted_by, 400),
                by=by,
                after=len(state.order),
            )
        )
        opinions.append(Opinion(sentences, _bounded(said.probability), because, by))
    for held in answer.opinions[:_MOST_OPINIONS]:
        sentences = read(held.claims)
        if sentences:
            opinions.append(Opinion(sentences, _bounded(held.probability), text(held.reason), by))
    requests = list(_requests(answer, state, by, text, problems))
    wishes = list(_wishes(answer, state, by, text, problems))
    return Examined(
        text(answer.critique, 1_200),
        tuple(theories),
        tuple(requests),
        tuple(wishes),
        tuple(opinions),
        tuple(problems[:_MOST_PROBLEMS]),
        tuple(rejected[:20]),
    )


def _bounded(probability: float) -> float:
    """A probability that is one, and leaves room to be wrong; what is no number says nothing."""
    if not 0.0 <= probability <= 1.0:
        return 0.5
    return min(_MOST, max(_LEAST, probability))


def _requests(
    answer: Answer, state: State, by: str, text: Callable[[str, int], str], problems: list[str]
) -> Iterator[ParameterRequest]:
    seen: set[str] = set()
    for wanted in answer.parameters[: 2 * MOST_PARAMETERS]:
        if wanted.name not in state.space:
            held = ", ".join(p.name for p in state.space.held[:20]) or "none"
            problems.append(f"There is no parameter {one_line(wanted.name, 60)!r}. Held ones: {held}")
            continue
        parameter = state.space[wanted.name]
        if parameter.active or wanted.name in seen or len(seen) >= MOST_PARAMETERS:
            continue
        low, high = _range(parameter, wanted.low, wanted.high)
        if (low, high) == (None, None) and (wanted.low, wanted.high) != (None, None):
            problems.append(
                f"The range asked for {parameter.name} does not hold its default {parameter.default} or lies more than "
                "ten times beyond the range that was found; the range found is used."
            )
        seen.add(wanted.name)
        yield ParameterRequest(parameter.name, text(wanted.reason, 400) or "asked for without a reason", by, low, high)


def _range(parameter: Parameter, low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """The range asked for, where it is one, holds the default, and stays within ten times of what was found."""
    domain, default = parameter.domain, parameter.default
    if not isinstance(domain, Interval) or not isinstance(default, (int, float)) or (low is None and high is None):
        return None, None
    least = domain.low / 10 if domain.low > 0 else domain.low
    most = domain.high * 10 if domain.high > 0 else domain.high
    start, end = (domain.low if low is None else low), (domain.high if high is None else high)
    if not (least <= start <= default <= end <= most and start < end):
        return None, None
    return float(start), float(end)


def _wishes(
    answer: Answer, state: State, by: str, text: Callable[[str, int], str], problems: list[str]
) -> Iterator[Wish]:
    for asked in answer.experiments[:MOST_WISHES]:
        settings = {s.parameter: s.value for s in asked.settings[: len(state.space)]}
        try:
            point = {name: fitted(state.space[name], value) for name, value in settings.items()}
            state.space.check(point)
        except SpaceError as error:
            problems.append(f"An experiment cannot be run: {one_line(error.message, 200)}; {one_line(error.hint, 200)}")
            continue
        if point:
            yield Wish(point, text(asked.reason, 400), by)
