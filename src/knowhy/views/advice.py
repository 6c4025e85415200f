"""Whether classic optimisation would do, by what is known of the space, the budget and the study so far.

The weights are rules of thumb, set by hand, with their facts beside them; ``knowhy compare`` measures instead. Behind
them stand well-known results: random search suffices where few parameters matter (Bergstra and Bengio 2012), and the
best of many noisy runs is biased by its selection (Smith and Winkler 2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from knowhy.model.belief import Structure
from knowhy.model.objective import Constraint, Objective
from knowhy.model.space import Choices, Interval, Space
from knowhy.model.state import State
from knowhy.views.mind import Mind
from knowhy.views.theories import theories
from knowhy.views.words import number, percent, plural, seconds

Side = Literal["classic", "theory", "neither"]

_ENOUGH = 10  # trials after which the data are asked about noise and structure
_DECISION = 0.4  # seconds in which a theory-driven decision is made on a small study


@dataclass(frozen=True, slots=True)
class ReasonView:
    """One consideration: what it is about, the fact, for which side it speaks, and how strongly (0 to 3)."""

    about: str
    fact: str
    speaks_for: Side
    weight: int


@dataclass(frozen=True, slots=True)
class AdviceView:
    """``verdict`` is "classic" (it would do), "theory", or "either"; ``strategy`` is the one to name.

    ``score`` adds up the weights, positive for theory. ``from_data`` is how many trials the facts rest on.
    """

    verdict: Literal["classic", "theory", "either"]
    strategy: str
    sentence: str
    score: int
    from_data: int
    reasons: tuple[ReasonView, ...]


def advise(
    space: Space,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    trials: int,
    *,
    why: bool | None = None,
    cost: float | None = None,
    state: State | None = None,
    mind: Mind | None = None,
) -> AdviceView:
    """Whether a classic strategy would do for ``trials`` trials in ``space``, with reasons.

    ``why`` is whether the person wants to know why (None: not said), ``cost`` the seconds of a trial. With a ``state``
    of some trials and a ``mind``, noise, structure and failures are taken from it.
    """
    done = len(state.completed) if state is not None else 0
    if state is not None and cost is None and done:
        durations = sorted(t.observation.duration for t in state.completed)
        cost = durations[len(durations) // 2]
    reasons = [
        _wish(why),
        _size(space, trials),
        *_finite(space, trials),
        _price(cost),
        *_goals(objectives, constraints),
    ]
    if state is not None and mind is not None and done >= _ENOUGH:
        reasons += _data(state, mind)
    score = sum(r.weight * {"theory": 1, "classic": -1, "neither": 0}[r.speaks_for] for r in reasons)
    ranked = tuple(sorted(reasons, key=lambda r: -r.weight))
    verdict: Literal["classic", "theory", "either"] = "theory" if score >= 2 else "classic" if score <= -2 else "either"
    if why is True and verdict == "classic":
        verdict = "either"  # a classic strategy answers no question: who asks one needs theories, whatever the space
    strategy = "theory" if verdict == "theory" or (verdict == "either" and why) else _classic(space, objectives, trials)
    return AdviceView(verdict, strategy, _sentence(verdict, strategy, why), score, done, ranked)


def _wish(why: bool | None) -> ReasonView:
    if why is None:
        return ReasonView("wish", "you have not said whether you want to know why (--why or --no-why)", "neither", 0)
    if why:
        fact = "you want to know why: only theories are tested and certified, a classic strategy leaves one number"
        return ReasonView("wish", fact, "theory", 3)
    return ReasonView("wish", "you only want a good configuration", "classic", 2)


def _size(space: Space, trials: int) -> ReasonView:
    count = len(space.active)
    each = trials / max(count, 1)
    fact = f"{plural(trials, 'trial')} for {plural(count, 'parameter')}, {number(each)} each"
    if trials < 12:
        return ReasonView("budget", f"{fact}: too few to verify anything, any sensible search is as good", "classic", 1)
    if count <= 3 and trials >= 30:
        return ReasonView("budget", f"{fact}: a classic search covers so small a space", "classic", 2)
    if each > 40:
        return ReasonView("budget", f"{fact}: with so many trials a classic strategy gets there as well", "classic", 2)
    if each <= 12 and count >= 4:
        return ReasonView("budget", f"{fact}: few enough that what each trial teaches decides", "theory", 2)
    return ReasonView("budget", fact, "neither", 0)


def _finite(space: Space, trials: int) -> list[ReasonView]:
    sizes = []
    for p in space.active:
        if isinstance(p.domain, Choices):
            sizes.append(len(p.domain.values))
        elif isinstance(p.domain, Interval) and p.domain.power_of_two:
            sizes.append(1 + int(math.log2(p.domain.high / p.domain.low)))
        elif isinstance(p.domain, Interval) and p.domain.integer:
            sizes.append(int(p.domain.high - p.domain.low) + 1)
        else:
            return []
    total = math.prod(sizes)
    if total > trials:
        return []
    fact = f"the space has {plural(total, 'configuration')} in all: a grid tries each of them"
    return [ReasonView("space", fact, "classic", 3)]


def _price(cost: float | None) -> ReasonView:
    if cost is None:
        return ReasonView("cost", "how long a trial takes is not known yet (--cost 30s)", "neither", 0)
    fact = f"a trial takes {seconds(cost)}"
    if cost < _DECISION:
        return ReasonView(
            "cost", f"{fact}, less than deciding well: more trials are cheaper than thought", "classic", 2
        )
    if cost > 60:
        return ReasonView("cost", f"{fact}: thinking costs nothing beside it, and each trial should count", "theory", 2)
    return ReasonView("cost", f"{fact}, so deciding adds little", "neither", 0)


def _goals(objectives: Sequence[Objective], constraints: Sequence[Constraint]) -> list[ReasonView]:
    out = []
    if len(objectives) > 1:
        fact = f"{len(objectives)} objectives: what they cost one another is a question that theories answer"
        out.append(ReasonView("objectives", fact, "theory", 1))
    if constraints:
        fact = f"{plural(len(constraints), 'constraint')}: tpe, gp and cmaes take them as well"
        out.append(ReasonView("constraints", fact, "neither", 0))
    return out


def _data(state: State, mind: Mind) -> list[ReasonView]:
    found: Structure = mind.structure(state)
    out = []
    share = found.noise
    fact = f"noise is {percent(share)} of what {state.objective.metric} varies by over the space"
    if share >= 0.3:
        more = ": the best single run is luck, and only fresh pairs tell (verification is part of theory)"
        out.append(ReasonView("noise", fact + more, "theory", 2))
    elif share <= 0.05:
        out.append(ReasonView("noise", f"{fact}: a best single run can nearly be taken at its word", "classic", 1))
    else:
        out.append(ReasonView("noise", fact, "neither", 0))
    few = f"{plural(found.matter, 'parameter')} of {found.parameters} carry 90% of the effect"
    if found.matter <= 2 < found.parameters and found.joint < 0.2:
        fact = f"{few}, and they act nearly on their own: random search and tpe find that too"
        out.append(ReasonView("structure", fact, "classic", 1))
    elif found.joint >= 0.3:
        fact = f"{percent(found.joint)} of the variation is of parameters together: structure that models can use"
        out.append(ReasonView("structure", fact, "theory", 1))
    else:
        out.append(ReasonView("structure", few, "neither", 0))
    ended = len(state.completed) + len(state.failed)
    if state.failed and len(state.failed) / ended >= 0.15:
        fact = f"{percent(len(state.failed) / ended)} of the trials fail: theory learns where, and says so"
        out.append(ReasonView("failures", fact, "theory", 1))
    views = theories(state)
    open_ = sum(v.status in ("open", "leaning for", "leaning against") for v in views)
    if views and open_ <= 0.2 * len(views):
        fact = f"{len(views) - open_} of {len(views)} theories are settled: there is little left to learn"
        out.append(ReasonView("theories", fact, "classic", 2))
    elif views:
        out.append(ReasonView("theories", f"{open_} of {len(views)} theories are still open", "theory", 1))
    return out


def _classic(space: Space, objectives: Sequence[Objective], trials: int) -> str:
    if any(r.about == "space" for r in _finite(space, trials)):
        return "grid"
    if trials < 12 or len(space.active) > 30:
        return "random"
    numeric = all(p.numeric for p in space.active)
    return "cmaes" if numeric and len(objectives) == 1 and trials >= 60 * len(space.active) else "tpe"


def _sentence(verdict: str, strategy: str, why: bool | None) -> str:
    if verdict == "classic":
        return f"A classic strategy would do here: --strategy {strategy}."
    if verdict == "theory":
        return "Theory-driven study is worth it here: --strategy theory."
    if why:
        return "For the number alone a classic strategy would do; to know why, it takes --strategy theory."
    return f"Either would do: --strategy {strategy} for the number alone, --strategy theory to know why as well."
