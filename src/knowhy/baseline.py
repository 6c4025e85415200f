"""What a run of the subject as it is says about the subject itself."""

from __future__ import annotations

import difflib

from knowhy.errors import KnowhyError, MetricError, SubjectError
from knowhy.model.observation import Failure


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


def metric_error(found: tuple[str, ...], wanted: tuple[str, ...], bounded: tuple[str, ...] = ()) -> MetricError:
    """The error for objectives (``wanted``) and metrics of constraints that did not appear, with what did."""
    missing = [name for name in (*wanted, *bounded) if name not in found]
    option = "--metric " if any(name in wanted for name in missing) else ""
    found = tuple(name for name in found if name != "duration")  # measured, not reported
    listed = ", ".join(sorted(found)) or "no number at all"
    near = [match for name in missing for match in difflib.get_close_matches(name, found, n=1, cutoff=0.6)]
    what = f"no value of {' and '.join(missing)} appeared; what was found: {listed}"
    if near:
        return MetricError(what, f"did you mean {option}{near[0]}?")
    return MetricError(
        what,
        f"choose one of these with {option.strip() or '--constraint'}"
        if found
        else 'print it as "name: number" on a line of its own, or write JSON lines to the path in KNOWHY_RESULT',
    )
