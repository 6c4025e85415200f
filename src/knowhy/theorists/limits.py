"""What limits the objective? Overfitting, underfitting, optimisation or noise, each as claims on several metrics."""

from __future__ import annotations

from collections.abc import Iterator

from knowhy.model.objective import Objective
from knowhy.model.theory import Claim, Effect, Matters, MattersMore, Optimum
from knowhy.theorists.questions import Question, Rival, effect, parameter_question
from knowhy.theorists.reading import Lever, Reading, better, generalises, says, worse

_MOST_CLAIMS = 3


def limits(reading: Reading, objective: Objective) -> Iterator[Question]:
    """The question with as many of the four answers as metrics and parameters allow."""
    m = objective.metric
    fits = [lever for lever in reading.levers if lever.entry.gap in "+-" and lever.entry.train in "+-"]
    rivals: list[Rival] = []
    if generalises(objective) and fits:
        rivals += _fit_rivals(reading, objective, fits)
    optimisation = _optimisation(reading, objective, fits)
    if optimisation is not None:
        rivals.append(optimisation)
    top = reading.ranked[:_MOST_CLAIMS]
    if len(top) > 1:
        names = [p.name for p in top]
        rivals.append(
            Rival(
                f"Nothing here matters: {m} is as good as it gets, and the rest is seeds",
                f"Data and noise set the limit; within these ranges {', '.join(names[:-1])} and {names[-1]} move {m} "
                "by "
                "less than another seed does.",
                tuple(Matters(name, m, False) for name in names),
            )
        )
    if len(rivals) > 1:
        yield Question(f"what limits {m}?", tuple(rivals), 0.92)


def _fit_rivals(reading: Reading, objective: Objective, fits: list[Lever]) -> list[Rival]:
    """Overfitting and underfitting, told apart by the same levers pulled in opposite directions."""
    gap, train = reading.gap(objective), reading.train(objective)
    restraint = [x for x in fits if x.entry.part == "regulariser"] or fits
    capacity = [x for x in fits if x.entry.part == "capacity"] or fits
    first = restraint[0]
    second = next((x for x in capacity if x is not first), None)
    first = reading.toward(first, first.entry.gap == "-")
    over: list[Claim] = [effect(first, objective, first.entry.gap == "-")]
    if gap is not None:
        over.insert(
            0, Effect(first.name, first.start, first.end, "lowers" if first.entry.gap == "-" else "raises", gap)
        )
    elif second is not None:
        over.append(effect(second, objective, second.entry.gap == "-"))
    lead = reading.toward(capacity[0], capacity[0].entry.train == "-")
    other = next((x for x in restraint if x is not capacity[0]), None)
    under: list[Claim] = [effect(lead, objective, lead.entry.train == "-")]
    if train is not None:
        verb = better(objective) if lead.entry.train == "-" else worse(objective)
        under.insert(0, Effect(lead.name, lead.start, lead.end, verb, train))
    elif other is not None:
        under.append(effect(other, objective, other.entry.train == "-"))
    cure = first.pull(first.entry.gap == "-")
    cure = says(cure, "helps") if gap is None else f"{says(cure, 'closes')} the gap, and that pays"
    return [
        Rival(
            f"The model overfits: {cure}",
            "It has more freedom than the data can pin down and spends it on single examples; whatever restrains it "
            "costs fit on the training data and pays on new ones.",
            tuple(over[:_MOST_CLAIMS]),
        ),
        Rival(
            f"The model underfits: {says(lead.pull(lead.entry.train == '-'), 'helps')}",
            "It has not learnt all that the data show, on the training set as little as on new data; restraint takes "
            "away "
            "from what is short already.",
            tuple(under[:_MOST_CLAIMS]),
        ),
    ]


def _optimisation(reading: Reading, objective: Objective, fits: list[Lever]) -> Rival | None:
    """That steps, not capacity or restraint, decide."""
    steps = [x for x in reading.levers if x.entry.part == "optimisation"]
    if not steps:
        return None
    lead, m = steps[0], objective.metric
    against = [x for x in fits if x.entry.part != "optimisation"][: _MOST_CLAIMS - 1]
    claims: list[Claim] = [MattersMore(lead.name, x.name, m) for x in against]
    if not claims:
        question = parameter_question(reading, objective, lead.parameter)
        claims = [c for c in (question.rivals[0].claims if question else ()) if isinstance(c, (Effect, Optimum))]
        claims = [*claims, *(MattersMore(lead.name, x.name, m) for x in steps[1:2])]
    if not claims:
        return None
    return Rival(
        f"Optimisation is the limit: {lead.name} decides",
        "The model could represent a better solution and the data would support it; the steps do not get there, so "
        "what "
        "sets the steps matters more than what sets the model.",
        tuple(claims),
    )
