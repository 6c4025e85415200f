"""Theories that the trials suggest: where the optimum lies, knees, interactions, what the curves point to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from knowhy.engine.claims import render
from knowhy.model.objective import Objective
from knowhy.model.theory import (
    Effect,
    Interacts,
    MattersMore,
    Optimum,
    Scope,
    Theory,
)
from knowhy.theorists.questions import Question, Rival, effect, here, parameter_question
from knowhy.theorists.reading import Reading, better, number, says, worse
from knowhy.theorists.responses import Table, best_region, interactions, rank_correlation, shares, table, unusual
from knowhy.theorists.structure import pair_text

_SUPPORTED = 0.85
_SURPRISED = 2.5
_NEAR_BEST = Scope("best")


def suggestions(reading: Reading, objective: Objective) -> Iterator[Question]:
    """Everything that the trials suggest about one objective, in no particular order."""
    yield from _knees(reading, objective)
    data = table(reading, objective)
    d = len(data.levers)
    if d == 0 or data.size < max(8, 2 * d + 2):
        return
    yield from _surprise(reading, objective, data)
    yield from _leftovers(objective, data)
    yield from _order(objective, data)
    yield from _strong(reading, objective, data)
    yield from _regions(objective, data)
    yield from _tuning(reading, objective, data)


def _asked(reading: Reading) -> dict[tuple[str, ...], tuple[str, Theory]]:
    """The builtin theories of the state by their claims, with their ids."""
    return {theory.claims: (name, theory) for name, theory in reading.state.theories.items()}


def _knees(reading: Reading, objective: Objective) -> Iterator[Question]:
    """Where a first step in one direction is believed to help, whether a further one does."""
    m, known = objective.metric, _asked(reading)
    for lever in reading.levers:
        for improves in (True, False):
            found = known.get((render(here(effect(lever, objective, improves))),))
            if found is None or reading.state.beliefs.get(found[0], 0.5) < _SUPPORTED:
                continue
            a, b = lever.place(lever.start), lever.place(lever.end)
            step = max(b - a, 0.15)
            if improves:
                start, end = lever.end, lever.at(b + step)
                room, why = lever.place(end) - b, lever.entry.less.because
            else:
                start, end = lever.at(a - step), lever.start
                room, why = a - lever.place(start), lever.entry.more.because
            if room < 0.08:
                continue
            good, bad = (better(objective), worse(objective)) if improves else (worse(objective), better(objective))
            p, at, pull = lever.name, number(lever.end if improves else lever.start), lever.pull(improves)
            yield Question(
                f"how far does the help of {pull} go for {m}?",
                (
                    Rival(
                        f"There is a knee: past {p} = {at}, {says(pull, 'hurts')}",
                        f"The first step helped ({found[0]}); further on the other side of the trade takes over: "
                        + _inside(why.replace("{p}", p)),
                        (Effect(p, start, end, bad, m),),
                    ),
                    Rival(
                        f"Past {p} = {at}, {says(pull, 'still helps')}",
                        f"What made the first step help ({found[0]}) is not used up at {at}.",
                        (Effect(p, start, end, good, m),),
                    ),
                    Rival(
                        f"The effect of {p} levels off at {at}",
                        f"The first step ({found[0]}) removed what there was to remove; after it the curve is flat.",
                        (Effect(p, start, end, "does not change", m),),
                    ),
                ),
                0.8 * max(lever.weight, 0.5),
            )


def _surprise(reading: Reading, objective: Objective, data: Table) -> Iterator[Question]:
    """What is unusual about the last trial, where the engine was wrong about it."""
    if not reading.state.updates or objective != reading.state.objective:
        return
    last = reading.state.updates[-1]
    if last.surprise is None or abs(last.surprise) < _SURPRISED:
        return
    odd = unusual(data, last.trial)
    if len(odd) < 2:
        return
    a, b = sorted((data.levers[j] for j in odd), key=lambda x: -x.weight)
    point = reading.state.trials[last.trial].proposal.point
    m = objective.metric
    order = "higher" if last.surprise > 0 else "lower"
    yield Question(
        pair_text(a.name, b.name, m),
        (
            Rival(
                f"{a.name} and {b.name} change each other's effect",
                f"Trial {last.trial} ended {abs(last.surprise):.1f} standard deviations {order} than expected; what "
                "sets it "
                f"apart is {a.name} = {number(point.get(a.name))} together with {b.name} = "
                f"{number(point.get(b.name))}.",
                (Interacts(a.name, b.name, m, True),),
            ),
            Rival(
                f"{a.name} and {b.name} act on their own",
                f"Trial {last.trial} was an unlucky or lucky seed, or one of the two does it alone.",
                (Interacts(a.name, b.name, m, False),),
            ),
        ),
        0.85,
    )


def _leftovers(objective: Objective, data: Table) -> Iterator[Question]:
    """The pair whose product explains best what effects of single parameters leave."""
    found = interactions(data)
    if not found:
        return
    strength, j, k = found[0]
    if strength < min(0.9, (2.2 + 0.5 * np.log(len(found))) / np.sqrt(data.size)):
        return
    a, b = sorted((data.levers[j], data.levers[k]), key=lambda x: -x.weight)
    m = objective.metric
    yield Question(
        pair_text(a.name, b.name, m),
        (
            Rival(
                f"{a.name} and {b.name} change each other's effect",
                f"Adding up the effects of single parameters leaves a pattern, and the product of {a.name} and "
                f"{b.name} fits it "
                f"best (correlation {strength:.2f} over {data.size} trials).",
                (Interacts(a.name, b.name, m, True),),
            ),
            Rival(
                f"{a.name} and {b.name} act on their own",
                "With so many pairs to choose from, one fits the leftovers by chance.",
                (Interacts(a.name, b.name, m, False),),
            ),
        ),
        0.6 + 0.3 * strength,
    )


def _order(objective: Objective, data: Table) -> Iterator[Question]:
    """Which of the two or three parameters that seem to matter most does."""
    if len(data.levers) < 2 or data.size < 2 * len(data.levers) + 6:
        return
    explained, m = shares(data), objective.metric
    top = [int(j) for j in np.argsort(-explained, kind="stable")[:3] if explained[j] > 0.05]
    if len(top) < 2 or explained[top[0]] < 0.2:
        return
    names = [data.levers[j].name for j in top]
    seen = ", ".join(f"{n} {explained[j]:.0%}" for n, j in zip(names, top, strict=True))
    rivals = tuple(
        Rival(
            f"{name} matters most",
            f"Taken alone, parameters explain these shares of the order of {data.size} trials: {seen}."
            if place == 0
            else f"Trials are not spread evenly: {names[0]} was varied more where it counts, and {name} has range left "
            "to show.",
            tuple(MattersMore(name, other, m) for other in names if other != name),
        )
        for place, name in enumerate(names)
    )
    yield Question(f"which parameter matters most for {m}?", rivals, 0.45 + 0.2 * float(explained[top[0]]))


def _strong(reading: Reading, objective: Objective, data: Table) -> Iterator[Question]:
    """The question of a parameter that follows the objective closely, asked early."""
    found = rank_correlation(data)
    for j in np.argsort(-np.abs(found), kind="stable")[:3]:
        if abs(found[j]) < min(0.9, 2.6 / np.sqrt(data.size)):
            return
        question = parameter_question(reading, objective, data.levers[int(j)].parameter)
        if question is not None:
            yield Question(question.text, question.rivals, 0.5 + 0.4 * abs(float(found[j])))


def _regions(objective: Objective, data: Table) -> Iterator[Question]:
    """Where the best trials lie, against the rest of the range."""
    m = objective.metric
    explained = shares(data)
    for j in np.argsort(-explained, kind="stable")[:3]:
        region = best_region(data, int(j))
        if region is None:
            continue
        lever = data.levers[int(j)]
        p = lever.name
        low, high = float(lever.at(region[0])), float(lever.at(region[1]))
        below, above = lever.place(low) > 0.08, lever.place(high) < 0.92
        if low >= high or not (below or above):
            continue
        count = max(4, data.size // 4)
        why = f"The {count} best of {data.size} trials all have {p} between {number(low)} and {number(high)}."
        rivals: list[Rival] = []
        if below and above:
            rivals.append(
                Rival(
                    f"The best value of {p} lies between {number(low)} and {number(high)}",
                    why,
                    (Optimum(m, p, "between", low, high, _NEAR_BEST),),
                )
            )
            rivals.append(
                Rival(
                    f"The best value of {p} is still lower, below {number(low)}",
                    lever.entry.less.because.replace("{p}", p),
                    (Optimum(m, p, "below", low, low, _NEAR_BEST),),
                )
            )
            rivals.append(
                Rival(
                    f"The best value of {p} is still higher, above {number(high)}",
                    lever.entry.more.because.replace("{p}", p),
                    (Optimum(m, p, "above", high, high, _NEAR_BEST),),
                )
            )
        elif above:
            rivals.append(
                Rival(
                    f"The best value of {p} is at the low end, below {number(high)}",
                    why,
                    (Optimum(m, p, "below", high, high, _NEAR_BEST),),
                )
            )
            rivals.append(
                Rival(
                    f"The best value of {p} is higher, above {number(high)}",
                    lever.entry.more.because.replace("{p}", p),
                    (Optimum(m, p, "above", high, high, _NEAR_BEST),),
                )
            )
        else:
            rivals.append(
                Rival(
                    f"The best value of {p} is at the high end, above {number(low)}",
                    why,
                    (Optimum(m, p, "above", low, low, _NEAR_BEST),),
                )
            )
            rivals.append(
                Rival(
                    f"The best value of {p} is lower, below {number(low)}",
                    lever.entry.less.because.replace("{p}", p),
                    (Optimum(m, p, "below", low, low, _NEAR_BEST),),
                )
            )
        yield Question(f"in which range of {p} is {m} best?", tuple(rivals), 0.4 + 0.4 * float(explained[j]))


def _tuning(reading: Reading, objective: Objective, data: Table) -> Iterator[Question]:
    """Late in the study: whether the parameters that matter most still want moving around the best."""
    run = reading.state.run
    if (
        run is None
        or reading.state.finished - len(reading.state.observed) < 0.5 * run.trials
        or data.size < 3 * len(data.levers)
    ):
        return
    m = objective.metric
    best = data.units[int(np.argmin(data.cost))]
    explained = shares(data)
    for j in np.argsort(-explained, kind="stable")[:2]:
        if explained[j] < 0.1:
            return
        lever = data.levers[int(j)]
        p, u = lever.name, float(best[j])
        start, end = lever.at(u - 0.15), lever.at(u + 0.15)
        if not start < end:
            continue
        yield Question(
            f"does {p} still want tuning near the best {m}?",
            (
                Rival(
                    f"Near the best, {p} no longer matters",
                    f"Around an optimum the objective is flat: between {number(start)} and {number(end)} seeds decide.",
                    (Effect(p, start, end, "does not change", m, None, _NEAR_BEST),),
                ),
                Rival(
                    f"Near the best, {says(lever.pull(True), 'still helps')}",
                    lever.entry.more.because.replace("{p}", p),
                    (Effect(p, start, end, better(objective), m, None, _NEAR_BEST),),
                ),
                Rival(
                    f"Near the best, {says(lever.pull(False), 'still helps')}",
                    lever.entry.less.because.replace("{p}", p),
                    (Effect(p, start, end, worse(objective), m, None, _NEAR_BEST),),
                ),
            ),
            0.4,
        )


def _inside(text: str) -> str:
    """A sentence as it stands after a colon."""
    return text[0].lower() + text[1:]
