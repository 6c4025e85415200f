"""The built-in theorist: lore of the field and simple statistics, no language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from knowhy.model.objective import Objective
from knowhy.model.state import State
from knowhy.model.theory import ParameterRequest, Theory
from knowhy.theorists.elsewhere import elsewhere
from knowhy.theorists.failures import failures
from knowhy.theorists.forests import sampling
from knowhy.theorists.hindsight import suggestions
from knowhy.theorists.limits import limits
from knowhy.theorists.pointers import pointed_to
from knowhy.theorists.questions import Question, parameter_question
from knowhy.theorists.reading import Reading
from knowhy.theorists.requests import requests
from knowhy.theorists.responses import idle, table
from knowhy.theorists.structure import costs, pairs, trades

_MOST_LIVE, _LEAST_LIVE = 24, 14
_MOST_NEW = 4
_FIRST_QUESTIONS = 4
_ROOM_FOR_MORE = 12
_SETTLED = 0.1


class Builtin:
    """Proposes rival theories from lore at the start and from the trials later; asks for parameters to be opened.

    Each question is asked once. Nothing is random and nothing is remembered outside the state.
    """

    name = "builtin"

    def propose(self, state: State) -> Sequence[Theory | ParameterRequest]:
        """New theories (at most 24 at the start, about four a call later) and at most two requests."""
        if not state.objectives or not state.space.active:
            return ()
        reading = Reading(state)
        asked = {theory.question for theory in state.theories.values()}
        known = {frozenset(theory.claims) for theory in state.theories.values()}
        start = state.finished <= 1 or not any(theory.by == self.name for theory in state.theories.values())
        room = _most_live(state) - _live(state)
        most = room if start else _MOST_NEW
        found: list[Theory] = []
        questions = list(_opening(reading))
        if not start:
            questions += _later(reading, _live(state))
        for question in sorted(questions, key=lambda q: -q.weight):
            if question.text in asked and not question.adds:
                continue
            fresh = [t for t in question.theories(state.finished) if frozenset(t.claims) not in known]
            allowed = min(room, most) - len(found) if found else room  # a single question may have many answers
            allowed = len(fresh) if question.needed else allowed
            if not (1 if question.adds else 2) <= len(fresh) <= allowed:
                continue
            found += fresh
            asked.add(question.text)
            known |= {frozenset(t.claims) for t in fresh}
        return (*found, *requests(reading))


def _most_live(state: State) -> int:
    """How many theories a study can keep open: a short one settles few."""
    if state.run is None:
        return _MOST_LIVE
    return min(_MOST_LIVE, max(_LEAST_LIVE, state.run.trials // 3))


def _live(state: State) -> int:
    """How many theories are still open; those of other theorists have room of their own."""
    open_ = (t.id for t in state.theories.values() if t.by != "patches")
    return sum(_SETTLED < state.beliefs.get(name, 0.5) < 1 - _SETTLED for name in open_)


def _opening(reading: Reading) -> Iterator[Question]:
    """The few questions that an experienced person would ask before the second trial."""
    for order, objective in enumerate(reading.state.objectives):
        scale = 1.0 if order == 0 else 0.8
        singles = list(_single(reading, objective))[:_FIRST_QUESTIONS]
        couples = sorted(pairs(reading, objective), key=lambda q: -q.weight)
        couples = couples[: max(1, _FIRST_QUESTIONS - len(singles))]
        yield from _scaled([*singles[: _FIRST_QUESTIONS - len(couples[:1])], *couples], scale)
        yield from _scaled(sampling(reading, objective), scale)
        if reading.state.completed:
            yield from _scaled(limits(reading, objective), scale)
    yield from trades(reading)
    yield from costs(reading)


def _single(reading: Reading, objective: Objective) -> Iterator[Question]:
    for parameter in reading.ranked:
        question = parameter_question(reading, objective, parameter)
        if question is not None:
            yield question


def _later(reading: Reading, live: int) -> Iterator[Question]:
    """What the trials suggest; and, when few theories are open, what was left out at the start."""
    yield from failures(reading)
    for objective in reading.state.objectives:
        yield from pointed_to(reading, objective)
        yield from suggestions(reading, objective)
        yield from elsewhere(reading, objective)
        opened = {change.parameter.name for _, change in reading.state.changes if change.change in ("opened", "added")}
        for parameter in reading.ranked:
            question = parameter_question(reading, objective, parameter)
            if question is None:
                continue
            if parameter.name in opened:
                yield replace(question, weight=0.9)
            elif live < _ROOM_FOR_MORE:
                yield replace(question, weight=0.5 * question.weight)
        if live < _ROOM_FOR_MORE:
            quiet = idle(table(reading, objective))
            yield from _scaled([q for q in pairs(reading, objective) if not quiet & set(q.about)], 0.5)


def _scaled(questions: Iterator[Question] | Sequence[Question], scale: float) -> Iterator[Question]:
    for question in questions:
        yield replace(question, weight=scale * question.weight)
