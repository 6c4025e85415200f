"""From what a trial left behind to its outcome: an observation, or a failure of a distinct kind."""

from __future__ import annotations

import json
import math
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

from knowhy.execution.printed import Found, Reading, metrics_in, readings_in
from knowhy.execution.text import clean, read_bounded, settled, shorten, tail
from knowhy.model.job import Job
from knowhy.model.observation import LARGEST, Curve, Failure, FailureKind, Observation, Outcome
from knowhy.redaction import redact

__all__ = [
    "CURVE_POINTS",
    "Found",
    "Report",
    "add_curve",
    "as_required",
    "collect",
    "judge",
    "metrics_in",
    "numbers_of",
    "on_steps",
    "read_lines",
]

CURVE_POINTS = 300

T = TypeVar("T")

_NAMES = 200
_LOG_BYTES = 3 << 20
_RESULT_BYTES = 2 << 20
_LINES = 20_000
_LINE_BYTES = 1 << 16

_MEMORY = re.compile(
    r"\b\w*MemoryError\b|OutOfMemoryError|CUDA out of memory|CUDA error: out of memory|cudaErrorMemoryAllocation"
    r"|CUBLAS_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED|std::bad_alloc|DefaultCPUAllocator: not enough memory"
    r"|DefaultCPUAllocator: can't allocate memory|[Cc]annot allocate memory|[Oo]ut [Oo]f [Mm]emory"
)
_MEMORY_LAST_LINE = re.compile(r"(?:[\w.]{0,80}\.)?\w{0,40}(?:MemoryError|OutOfMemoryError)\b")


@dataclass(slots=True)
class Report:
    """What a trial reported, before it is judged: last values (any float) and curves (finite points)."""

    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    bad_lines: int = 0


def collect(
    job: Job,
    exit_code: int | None,
    duration: float,
    *,
    timed_out: bool = False,
    out_of_memory: bool = False,
    peak_memory: int = 0,
    beyond: str = "",
    log: str | None = None,
) -> Outcome:
    """Judge what ``job`` left in its result file and its log.

    ``exit_code`` is negative for a signal, None where it is not known; ``out_of_memory`` says that our limit
    or the kernel ended it, ``peak_memory`` (bytes, 0: unknown) what it held; ``beyond`` says which other limit it went
    beyond; ``log`` replaces the text at
    ``job.log_path``. Numbers in the result file win over printed ones of the same name.
    """
    if log is None:
        log = read_bounded(job.log_path, _LOG_BYTES // 2, _LOG_BYTES // 2).decode("utf-8", errors="replace")
    report = _printed(log)
    lines = read_lines(job.result_path)
    report.metrics.update(lines.metrics)
    for name in lines.metrics:
        report.curves.pop(name, None)
    report.curves.update(lines.curves)
    report.bad_lines = lines.bad_lines
    cause: tuple[FailureKind, str] | None = None
    if timed_out:
        limit = f" of {job.timeout:g} s" if job.timeout is not None else ""
        cause = "timeout", f"still running at the time limit{limit}"
    elif out_of_memory:
        limit = f" over the limit of {_bytes(job.memory)}" if job.memory is not None else ""
        held = f" (it held {_bytes(peak_memory)})" if peak_memory else ""
        cause = "out_of_memory", f"ended for its use of memory{limit}{held}"
    elif beyond:
        cause = "limit", beyond
    elif exit_code != 0:
        cause = _crash(log, exit_code)
    return judge(job.required, report, duration, cause=cause, log=log, exit_code=exit_code)


def judge(
    required: Sequence[str],
    report: Report,
    duration: float,
    *,
    cause: tuple[FailureKind, str] | None = None,
    log: str = "",
    exit_code: int | None = None,
) -> Outcome:
    """An observation where there is no ``cause`` to fail and every required metric is finite, else a failure."""
    metrics = {name: _within(value) for name, value in as_required(report.metrics, required).items()}
    curves = {name: c for name, c in as_required(report.curves, required).items() if name in metrics}
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    # A script that stops itself because its loss is nan fails for the nan, unless a traceback says otherwise.
    if cause is None or (
        cause[0] == "exit" and "Traceback (most recent call last)" not in log and (exit_code or 0) > 0
    ):
        broken = next((name for name in required if not math.isfinite(metrics.get(name, 0.0))), None)
        absent = [name for name in required if name not in metrics and name != "duration"]
        if broken is not None:
            kind: FailureKind = "nan" if math.isnan(metrics[broken]) else "inf"
            cause = kind, f"{broken} is {metrics[broken]}{_before(curves.get(broken))}"
        elif cause is None and absent:
            cause = "no_metric", _absence(absent, finite, report.bad_lines)
    if cause is None:
        return Observation(finite, duration, curves)
    return Failure(cause[0], cause[1], duration, tail(log), exit_code, finite, curves)


def read_lines(path: str) -> Report:
    """The JSON lines of a result file: flat objects of numbers, "step" optional; other lines are counted and skipped.

    Of the first and the last 2 MiB 20,000 lines each are read, of up to 64 KiB.
    """
    report = Report()
    points: dict[str, list[tuple[float | None, float]]] = {}
    lines = read_bounded(path, _RESULT_BYTES, _RESULT_BYTES).split(b"\n")
    for line in lines if len(lines) <= 2 * _LINES else (*lines[:_LINES], *lines[-_LINES:]):
        if not line.strip():
            continue
        numbers = numbers_of(line)
        step = numbers.pop("step", None)
        if not numbers:
            report.bad_lines += 1
            continue
        for name, value in numbers.items():
            if name in points or len(points) < _NAMES:
                points.setdefault(name, []).append((step, value))
                report.metrics[name] = value
    for name, pairs in points.items():
        stepped = [(step, value) for step, value in pairs if step is not None and math.isfinite(step)]
        if len(stepped) < 2:
            stepped = [(float(i), value) for i, (_, value) in enumerate(pairs, start=1)]
        add_curve(report, name, stepped)
    return report


def numbers_of(line: bytes) -> dict[str, float]:
    """The numbers of one JSON object; empty where the line is anything else."""
    if len(line) > _LINE_BYTES:
        return {}
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(parsed, dict):
        return {}
    numbers = {}
    for name, value in parsed.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                numbers[_safe(name)] = float(value)
            except OverflowError:
                numbers[_safe(name)] = math.inf if value > 0 else -math.inf
    return numbers


@lru_cache(maxsize=1024)
def _safe(name: str) -> str:
    """A metric's name, fit to be kept."""
    return redact(clean(name))[:100]


def _printed(log: str) -> Report:
    report = Report()
    for name, readings in readings_in(log).items():
        report.metrics[name] = readings[-1].value
        add_curve(report, name, on_steps(readings))
    return report


def on_steps(readings: Sequence[Reading]) -> list[tuple[float, float]]:
    """Readings against the finest counter that grows from line to line, else against their order."""
    for key in ("step", "epoch"):
        steps = [r.steps[key] for r in readings if key in r.steps]
        # The last reading is often a summary without a counter: it is not a point of the curve.
        if len(steps) >= max(2, len(readings) - 1) and all(a < b for a, b in pairwise(steps)):
            return [(r.steps[key], r.value) for r in readings if key in r.steps]
    return [(float(i), r.value) for i, r in enumerate(readings, start=1)]


def add_curve(report: Report, name: str, points: Sequence[tuple[float, float]]) -> None:
    """Keep finite points in the order of their steps (the last of each step), thinned evenly, ends kept."""
    kept = sorted({s: value for s, value in points if math.isfinite(_within(value)) and abs(s) <= LARGEST}.items())
    if len(kept) < 2:
        return
    if len(kept) > CURVE_POINTS:
        scale = (len(kept) - 1) / (CURVE_POINTS - 1)
        kept = [kept[round(i * scale)] for i in range(CURVE_POINTS)]
    report.curves[name] = Curve(tuple(step for step, _ in kept), tuple(value for _, value in kept))


def _within(value: float) -> float:
    """``value``, or infinity where it is beyond what is taken for a number."""
    return math.copysign(math.inf, value) if abs(value) > LARGEST else value


def as_required(values: Mapping[str, T], required: Sequence[str]) -> dict[str, T]:
    """``values`` with a required name in place of the one spelling that differs only in case or punctuation."""
    result = dict(values)
    for wanted in required:
        if wanted not in result:
            same = [name for name in values if name not in required and _plain(name) == _plain(wanted)]
            if len(same) == 1:
                result[wanted] = result.pop(same[0])
    return result


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name).strip("_").lower()


def _before(curve: Curve | None) -> str:
    return f" (last finite: {curve.values[-1]:.6g} at step {curve.steps[-1]:g})" if curve else ""


def _absence(absent: Sequence[str], found: Mapping[str, float], bad_lines: int) -> str:
    names = ", ".join(list(found)[:12]) + (", ..." if len(found) > 12 else "")
    unread = f"; {bad_lines} lines of the result file are not flat JSON objects of numbers" if bad_lines else ""
    return f"no number for {', '.join(absent)}; found: {names or 'none'}{unread}"


def _crash(log: str, exit_code: int | None) -> tuple[FailureKind, str]:
    """Kind and one line for a script that did not exit with 0."""
    last = _last_words(log)
    number = -exit_code if exit_code is not None and exit_code < 0 else (exit_code or 0) - 128
    if exit_code is not None and (exit_code < 0 or 128 < exit_code <= 192):
        try:
            how = f"killed by {signal.Signals(number).name}"
        except ValueError:
            how = f"killed by signal {number}"
    else:
        how = "ended in an unknown way" if exit_code is None else f"exit code {exit_code}"
    memory = _MEMORY_LAST_LINE.match(last) or (last and _MEMORY.search(log[-20000:]))
    if memory:
        return "out_of_memory", last if _MEMORY.search(last) else f"{how}; the log says: {memory[0]}"
    if "Traceback (most recent call last)" in log and last and number <= 0:
        return "exit", last
    return "exit", f"{how}{': ' if last else ''}{last}"


def _last_words(log: str) -> str:
    """The line that names the exception of the last traceback, else the last line printed; redacted."""
    lines = [settled(line) for line in log[-200_000:].split("\n")]
    marks = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    chosen = ""
    if marks:
        chosen = next((line for line in lines[marks[-1] + 1 :] if line and not line.startswith((" ", "\t"))), "")
    if not chosen:
        chosen = next((line for line in reversed(lines) if line.strip()), "")
    return shorten(redact(clean(chosen)).strip().replace("\n", " "), 300)


def _bytes(number: int | None) -> str:
    value = float(number or 0)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} GiB"
