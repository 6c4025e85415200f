"""Strategies on one subject with equal budgets, each in a sub-study of its own; what is there is not run again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args

from knowhy import compose, views
from knowhy.cases import conduct
from knowhy.errors import MetricError, SettingsError, StudyMismatchError, UsageError
from knowhy.loop import Limits
from knowhy.model.objective import Constraint, Direction
from knowhy.model.space import Parameter, Point, Space, same_point
from knowhy.model.state import State
from knowhy.model.trust import OPEN, Trust
from knowhy.settings.values import Strategy
from knowhy.study import Study

CONTENDERS: tuple[Strategy, ...] = ("theory", "random", "tpe", "gp", "cmaes")
FRESH = "fresh"


def compare(
    train: compose.Train | str | Path,
    space: Space | Iterable[Parameter] | None = None,
    *,
    objectives: Mapping[str, Direction],
    name: str = "comparison",
    folder: str | Path = ".knowhy",
    strategies: Sequence[Strategy] = CONTENDERS,
    trials: int = 40,
    repeats: int = 1,
    fresh: int = 5,
    workers: int = 2,
    timeout: float | None = None,
    memory: int | None = None,
    arguments: Sequence[str] = (),
    constraints: Sequence[Constraint] = (),
    seed: int = 0,
    trust: Trust = OPEN,
    watch: Callable[[str, State], None] = lambda study, state: None,
    stop: Callable[[], bool] = lambda: False,
) -> views.ComparisonView:
    """Run each of ``strategies`` for ``trials`` trials, ``repeats`` times, then what each chose on ``fresh`` new seeds.

    Sub-studies are ``FOLDER/NAME/compare/STRATEGY-REPEAT``, ordinary studies that can be looked at and reported on; the
    same call goes on where it stopped. A strategy that lacks a package, or cannot take the objectives, is left out and
    said so. Judged is the first objective. ``trust`` says how far the code is to be trusted (see ``Study.run``).
    ``watch`` is told the sub-study and its state. Raises what a run raises.
    """
    if not objectives:
        raise MetricError("a comparison needs an objective", 'write objectives={"val_loss": "minimize"}')
    chosen = tuple(dict.fromkeys(strategies))
    if unknown := [s for s in chosen if s not in get_args(Strategy)]:
        raise UsageError(f"there is no strategy {unknown[0]!r}", f"choose from: {', '.join(get_args(Strategy))}")
    if not chosen or min(trials, repeats, fresh) < 1:
        raise UsageError("nothing is to be compared", "give strategies, and at least one trial, repeat and fresh run")
    whole = None if space is None else space if isinstance(space, Space) else Space(tuple(space))
    home = Path(folder) / name / "compare"
    ran = conduct.Ran(train, tuple(arguments), timeout, memory, trust=trust)
    left_out: dict[str, str] = {}
    contenders: list[views.Contender] = []
    for repeat in range(repeats):
        for strategy in chosen:
            if strategy in left_out or stop():
                continue
            study = _study(f"{strategy}-{repeat}", home, objectives, constraints, seed + repeat)
            try:
                study.run(
                    train,
                    whole,
                    trials=trials,
                    workers=workers,
                    strategy=strategy,
                    timeout=timeout,
                    memory=memory,
                    arguments=arguments,
                    trust=trust,
                    watch=lambda state, at=study.name: watch(at, state),  # type: ignore[misc]
                    stop=stop,
                )
            except SettingsError as error:
                left_out[strategy] = f"{error.message} ({error.hint})"
                continue
            contenders.append(views.Contender(strategy, repeat, study.state, study.mind))
    if not contenders:
        raise UsageError(
            "none of the strategies can run: " + "; ".join(left_out.values() or ["it was stopped"]),
            "install what they need, or choose others",
        )
    judged = None
    if not stop():
        points: list[Point] = []
        for point in (contenders[0].state.space.defaults(), *(views.choice(c)[1] for c in contenders)):
            if not any(same_point(point, known) for known in points):
                points.append(point)
        repeated = _study(FRESH, home, objectives, (), seed)
        limits = Limits(fresh * len(points), None, workers)
        repeated.carry_out(
            ran,
            contenders[0].state.space,
            lambda mind: compose.repeating(points, fresh),
            limits,
            lambda state: watch(FRESH, state),
            stop=stop,
        )
        judged = repeated.state
    return views.versus(name, contenders, judged, left_out, trials, repeats, fresh)


def compared(name: str, *, folder: str | Path = ".knowhy", fresh: int = 5) -> views.ComparisonView:
    """The comparison ``name`` as far as it was run; runs nothing. Raises UsageError where there is none."""
    home = Path(folder) / name / "compare"
    contenders = []
    for path in sorted(home.glob("*/journal.db")):
        strategy, _, repeat = path.parent.name.rpartition("-")
        if strategy in get_args(Strategy) and repeat.isdigit():
            study = Study.open(path.parent.name, folder=home)
            contenders.append(views.Contender(strategy, int(repeat), study.state, study.mind))
    if not contenders:
        raise UsageError(f"there is no comparison in {home}", "run one: knowhy compare SCRIPT --metric NAME")
    order = {s: i for i, s in enumerate(CONTENDERS)}
    contenders.sort(key=lambda c: (c.repeat, order.get(c.strategy, len(order))))  # type: ignore[call-overload]
    judged = Study.open(FRESH, folder=home).state if (home / FRESH / "journal.db").exists() else None
    trials = max(c.state.run.trials for c in contenders if c.state.run is not None)
    repeats = 1 + max(c.repeat for c in contenders)
    return views.versus(name, contenders, judged, {}, trials, repeats, fresh)


def _study(
    name: str, home: Path, objectives: Mapping[str, Direction], constraints: Sequence[Constraint], seed: int
) -> Study:
    study = Study(name, objectives, folder=home, constraints=constraints, seed=seed)
    if study.seed != seed:
        raise StudyMismatchError(
            f"the comparison in {home} was begun with another seed", "use the same --seed, or another --study NAME"
        )
    return study
