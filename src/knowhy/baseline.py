"""What the first trial says about the subject itself: whether it is worth going on."""

from __future__ import annotations

import difflib

from knowhy.errors import KnowhyError, MetricError, SubjectError
from knowhy.model.observation import Failure
from knowhy.model.state import State
from knowhy.model.trial import Failed


def complaint(state: State) -> KnowhyError | None:
    """The error of a study whose subject fails as it is; None while there is hope.

    That is so where the first trial, the default configuration, ended with an exit code or without the objective,
    and no trial has completed since. A default that diverges, times out or needs too much memory is no such case: its
    neighbours may do better.
    """
    first = state.trials.get(1)
    if not isinstance(first, Failed) or state.completed:
        return None
    return subject_error(first.failure, tuple(o.metric for o in state.objectives))


def subject_error(failure: Failure, wanted: tuple[str, ...]) -> KnowhyError | None:
    """The error that ``failure`` of an unchanged subject amounts to; None for kinds that other settings may cure."""
    if failure.kind == "no_metric":
        return metric_error(tuple(failure.metrics), wanted)
    if failure.kind in ("exit", "setup"):
        tail = "\n".join(failure.log_tail.rstrip().splitlines()[-12:])
        return SubjectError(
            f"the default configuration fails: {failure.message}" + (f"\n{tail}" if tail else ""),
            "make the script run to its end as it is, then try again",
        )
    return None


def metric_error(found: tuple[str, ...], wanted: tuple[str, ...]) -> MetricError:
    """The error for objectives that did not appear, with what did."""
    missing = [name for name in wanted if name not in found]
    listed = ", ".join(sorted(found)) or "no number at all"
    near = [match for name in missing for match in difflib.get_close_matches(name, found, n=1, cutoff=0.6)]
    what = f"no value of {' and '.join(missing)} appeared; what was found: {listed}"
    if near:
        return MetricError(what, f"did you mean --metric {near[0]}?")
    return MetricError(
        what,
        "choose one of these with --metric"
        if found
        else 'print it as "name: number" on a line of its own, or write JSON lines to the path in KNOWHY_RESULT',
    )
