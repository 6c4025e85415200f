"""What every reader returns and every writer takes: trials that were run, without a word on why."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from knowhy.errors import UsageError
from knowhy.model.objective import Constraint, Direction, Objective
from knowhy.model.observation import Failure, Observation, Outcome
from knowhy.model.space import Domain, Point, Scalar, Space

LARGEST_FILE = 400_000_000
"""Bytes above which a file is refused: a history is a table of trials, not a data set."""
MOST_TRIALS = 100_000
LARGEST_NUMBER = 1e100
"""Numbers beyond this (either way) count as infinite: no posterior can use them."""
LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class Recorded:
    """One trial that ended.

    ``name`` is how its source calls it ("trial 12", "row 3", a commit, a run), ``commit`` what it ran at where that is
    known. ``settings`` are the values that it had; a name that is missing was not in effect. ``seed`` is None where it
    is not known, ``purpose`` and ``note`` are what the source says about it. ``key`` identifies the trial wherever the
    file lies; ``identified`` fills it in.
    """

    name: str
    settings: Point
    outcome: Outcome
    seed: int | None = None
    note: str = ""
    purpose: str = ""
    kept: bool | None = None
    key: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """The trials of one source, in the order in which they were run.

    ``domains`` are the ranges that the source declares, ``space`` the whole space where it knows it (with defaults
    and conditions), ``objectives`` empty where it does not say. ``held``
    are parameters that nobody can vary any more. ``notes`` say what was left out or changed, and why.
    """

    kind: str
    source: str
    name: str
    trials: tuple[Recorded, ...]
    domains: Mapping[str, Domain] = field(default_factory=dict)
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    space: Space | None = None
    baseline: str = ""
    held: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks of a reader.

    ``member`` chooses one study (experiment, project) of several. ``metrics`` and ``parameters`` name columns where
    the guess is not to count; ``direction_of`` and ``is_setting`` judge a column by its name.
    ``repository``, ``script`` and ``noise`` are for a results.tsv: where its commits are, and what a run varies by.
    """

    member: str | None = None
    metrics: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    repository: str = ""
    script: str = "train.py"
    noise: float | None = None
    toward: Direction | None = None
    direction_of: Callable[[str], Direction | None] = lambda name: None
    is_setting: Callable[[str, Scalar], bool] = lambda name, value: False


def tidy(name: str) -> str:
    """``name`` as a parameter may have it: no blanks, quotes or control characters, and not without end."""
    plain = "".join("_" if c.isspace() or c in "\"'" or not c.isprintable() else c for c in name.strip())
    return plain[:LONGEST_NAME] or "unnamed"


def renamed(names: Iterable[str]) -> dict[str, str]:
    """A tidy, unique name for each of ``names``."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        wanted, number = tidy(name), 2
        while wanted in taken:
            wanted, number = f"{tidy(name)[: LONGEST_NAME - 6]}_{number}", number + 1
        found[name] = wanted
        taken.add(wanted)
    return found


_SEEDS = ("seed", "random_state", "random_seed")


def seeded(settings: Point) -> tuple[dict[str, Scalar], int | None]:
    """``settings`` without the seed, and the seed: it is no parameter, but says which run it was."""
    found = next((settings[n] for n in _SEEDS if isinstance(settings.get(n), int)), None)
    if found is None or isinstance(found, bool) or not isinstance(found, int):
        return dict(settings), None
    return {name: value for name, value in settings.items() if name not in _SEEDS}, found % 2**63


def number(value: float | int) -> float:
    """``value`` as a float; what is too large to work with is infinite."""
    try:
        found = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return found if not abs(found) > LARGEST_NUMBER else math.copysign(math.inf, found)


def seconds(value: float | None) -> float:
    """A duration that can be relied on: finite and not negative, 0 where it is not known."""
    return value if value is not None and math.isfinite(value) and 0 <= value < 1e9 else 0.0


def outcome(
    metrics: Mapping[str, float], required: Sequence[str], duration: float, curves: Mapping[str, object] | None = None
) -> Outcome:
    """An observation of the finite ``metrics``, or the failure that a missing or infinite objective amounts to."""
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    for name in required:
        if name not in metrics:
            return Failure("no_metric", f"no value of {name} is recorded", duration, metrics=finite)
        if name not in finite:
            kind = "nan" if math.isnan(metrics[name]) else "inf"
            return Failure("nan" if kind == "nan" else "inf", f"{name} is {metrics[name]}", duration, metrics=finite)
    return Observation(finite, duration, dict(curves or {}))  # type: ignore[arg-type]


def identified(history: History) -> History:
    """``history`` with a key for each trial, from what the trial is and not from where its file lies.

    Trials that are alike in everything are told apart by their order, so that a history that grew is recognised.
    """
    seen: dict[str, int] = {}
    trials = []
    for trial in history.trials:
        if trial.key:
            trials.append(trial)
            continue
        ended = trial.outcome
        content = [
            history.kind.partition(" ")[0],
            trial.name if not trial.name.startswith("row ") else "",
            sorted((name, type(value).__name__, repr(value)) for name, value in trial.settings.items()),
            ended.kind if isinstance(ended, Failure) else "",
            sorted((name, repr(float(value))) for name, value in ended.metrics.items()),
        ]
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]
        seen[digest] = seen.get(digest, 0) + 1
        trials.append(replace(trial, key=f"{digest}-{seen[digest]}"))
    return replace(history, trials=tuple(trials))


def limited(count: int, source: str) -> None:
    """Refuse histories that no study can work with; raises UsageError."""
    if count > MOST_TRIALS:
        raise UsageError(
            f"{source} holds more than {MOST_TRIALS:,} trials", "import a part of it: the latest, or the best"
        )
