"""What people say of a history that is imported: its parameters, its objectives, and how they are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from knowhy.errors import MetricError, UsageError
from knowhy.histories.history import History
from knowhy.histories.spaces import Wanted
from knowhy.model.objective import Direction, Objective
from knowhy.model.space import Choices, Domain, Interval, Scalar
from knowhy.settings.goals import direction, guess_direction, guess_objective


@dataclass(frozen=True, slots=True)
class Wishes:
    """What counts where the guess of an import does not.

    ``metrics`` are the objectives ("val_loss", "val_acc:max"), ``toward`` the direction of one whose name does not
    tell. ``parameters`` are those to take ("lr", "lr=1e-5:0.1:log", "opt=sgd,adam"), ``rename`` maps their names
    to those that the script has. ``member`` chooses one of several studies in a source, ``baseline`` the trial
    whose configuration is the default. For a results.tsv: ``repository`` is the folder with its commits, ``script``
    the file in them, ``noise`` the standard deviation of one run where it is known.
    """

    metrics: tuple[str, ...] = ()
    toward: Direction | None = None
    parameters: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    member: str | None = None
    baseline: str = ""
    repository: str = ""
    script: str = "train.py"
    noise: float | None = None


def wanted(texts: Sequence[str]) -> tuple[Wanted, ...]:
    """Parameters as people write them: ``lr``, ``lr=1e-5:0.1:log``, ``layers=1:8``, ``opt=sgd,adam``.

    Raises UsageError, SpaceError.
    """
    return tuple(_wanted(text) for text in texts)


def _wanted(text: str) -> Wanted:
    name, mark, rest = text.partition("=")
    if not mark:
        return Wanted(name.strip())
    if ":" not in rest:
        return Wanted(name.strip(), Choices(tuple(_word(part) for part in rest.split(","))))
    low, _, more = rest.partition(":")
    high, _, scale = more.partition(":")
    if scale not in ("", "log", "linear"):
        raise UsageError(f"{scale!r} in {text} is no scale", "write log, or nothing")
    bounds = [_word(low), _word(high)]
    if any(isinstance(b, bool) or not isinstance(b, (int, float)) for b in bounds):
        raise UsageError(f"{text} is no range", f"write it as {name}=LOW:HIGH or {name}=LOW:HIGH:log")
    numbers = [b for b in bounds if isinstance(b, (int, float))]
    whole = all(isinstance(b, int) for b in numbers)
    return Wanted(name.strip(), Interval(numbers[0], numbers[1], "log" if scale == "log" else "linear", integer=whole))


def _word(text: str) -> Scalar:
    plain = text.strip()
    if plain in ("true", "false", "True", "False"):
        return plain.lower() == "true"
    if plain in ("None", "none"):
        return None
    if re.fullmatch(r"[+-]?\d{1,18}", plain):
        return int(plain)
    try:
        return float(plain)
    except ValueError:
        return plain


def objectives_of(
    history: History, asked: Sequence[Objective], names: Sequence[str], toward: Direction | None
) -> tuple[Objective, ...]:
    """What the study is after: what the person says, else what the source says, else the likeliest metric.

    ``names`` may say their direction, as in ``val_acc:max``; ``toward`` is that of the others. Raises MetricError.
    """
    found = list(dict.fromkeys(m for t in history.trials for m in t.outcome.metrics))
    if asked:
        missing = [o.metric for o in asked if o.metric not in found]
        if missing and found:
            raise MetricError(
                f"the history has no metric {', '.join(missing)}", f"its metrics are: {', '.join(found[:20])}"
            )
        return tuple(asked)
    if history.objectives and not names:
        declared = history.objectives
        if toward is not None and len(declared) == 1:
            return (Objective(declared[0].metric, toward),)
        return declared
    if names:
        return tuple(_named(name, history, toward, found) for name in names)
    known = guess_objective(found)
    if known is not None:
        return (Objective(known.metric, toward or known.direction),)
    if len(found) == 1 and toward is not None:
        return (Objective(found[0], toward),)
    listed = ", ".join(found[:20]) or "none"
    raise MetricError(
        f"which metric counts is not clear; the history has: {listed}",
        "name it, and say what is good: --metric NAME --minimize (or --maximize)",
    )


def split(name: str) -> tuple[str, Direction | None]:
    """The name of a metric and its direction, as in ``val_acc:max``."""
    head, colon, word = name.rpartition(":")
    if colon and word.lower() in ("min", "max", "minimize", "maximize", "minimise", "maximise"):
        return head, direction(word)
    return name, None


def _named(text: str, history: History, toward: Direction | None, found: Sequence[str]) -> Objective:
    name, said = split(text)
    # A reader may have taken the prefix off: metrics.val_loss is val_loss.
    real = name if name in found else next((o.metric for o in history.objectives if name.endswith(o.metric)), name)
    declared = next((o.direction for o in history.objectives if o.metric == real and history.kind == "optuna"), None)
    chosen = said or toward or declared or guess_direction(real)
    if real not in found and found:
        raise MetricError(f"the history has no metric {name}", f"its metrics are: {', '.join(found[:20])}")
    if chosen is None:
        raise MetricError(
            f"the name {name} does not tell whether it should be small or large", "add --minimize or --maximize"
        )
    return Objective(real, chosen)


def renamed_history(history: History, names: Sequence[tuple[str, str]]) -> History:
    """``history`` with parameters called otherwise (as the script calls them); raises UsageError."""
    if not names:
        return history
    have = {name for trial in history.trials for name in trial.settings}
    lacking = [old for old, _ in names if old not in have]
    if lacking:
        raise UsageError(f"the history has no parameter {', '.join(lacking)}", f"it has {', '.join(sorted(have)[:20])}")
    to = dict(names)
    if len(set(to.values())) < len(to) or any(new in have and new not in to for new in to.values()):
        raise UsageError("two parameters would have the same name", "give each its own")
    trials = tuple(replace(t, settings={to.get(k, k): v for k, v in t.settings.items()}) for t in history.trials)
    domains: dict[str, Domain] = {to.get(k, k): v for k, v in history.domains.items()}
    return replace(history, trials=trials, domains=domains, space=None)
