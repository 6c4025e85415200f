"""Whether what judges a trial is still what it was: fingerprints of locked files, and claims against measurements."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from knowhy.execution.text import clean, shorten
from knowhy.model.job import Evaluation, Job
from knowhy.model.observation import Failure, Observation, Outcome

ABSENT = "absent"
CLAIM = 0.2  # a trial may report a number that is better than its evaluation by this share of it
_MOST_FILES = 10_000
_seen: dict[str, tuple[tuple[int, ...], str]] = {}
_lock = threading.Lock()


def fingerprints(paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each file in ``paths`` and in the folders among them, by absolute path.

    Folders are walked without following links; caches of bytecode are left out. Raises OSError where a path cannot be
    read, ValueError above 10,000 files.
    """
    found: dict[str, str] = {}
    for path in paths:
        for file in _files(os.path.abspath(path)):
            found[file] = _digest(file)
            if len(found) > _MOST_FILES:
                raise ValueError(f"{path} holds more than {_MOST_FILES} files")
    return found


def changed(locked: Mapping[str, str]) -> tuple[str, ...]:
    """The files whose content is no longer that of their fingerprint."""
    return tuple(path for path, digest in locked.items() if _now(path) != digest)


def _files(path: str) -> Iterable[str]:
    if not os.path.isdir(path):
        yield path
        return
    for root, folders, names in os.walk(path):
        folders[:] = sorted(f for f in folders if f != "__pycache__" and not os.path.islink(os.path.join(root, f)))
        yield from (os.path.join(root, name) for name in sorted(names))


def _now(path: str) -> str:
    try:
        return _digest(path)
    except OSError:
        return ABSENT


def _digest(path: str) -> str:
    """SHA-256 of a file; read again only where its identity, size or times are others (a write changes its ctime)."""
    info = os.stat(path)
    key = (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
    with _lock:
        known = _seen.get(path)
    if known is not None and known[0] == key:
        return known[1]
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with _lock:
        _seen[path] = key, digest
    return digest


def flags_after(job: Job, duration: float, stage: str = "the trial") -> tuple[str, ...]:
    """What speaks against believing a job that has just ended, beside what was known before it started."""
    evaluation = job.evaluation
    if evaluation is None:
        return ()
    flags = [f"{shorten(clean(path), 200)} changed while {stage} ran" for path in changed(evaluation.locked)[:5]]
    if stage == "the trial":
        copies = changed(evaluation.copies)[:5]
        flags += [f"it changed its copy of {os.path.basename(path)}, which is locked" for path in copies]
        if evaluation.longest is not None and duration > evaluation.longest:
            flags.append(f"it took {duration:.3g} s; trials may take {evaluation.longest:.3g} s")
    return tuple(flags)


def judged(evaluated: Outcome, trial: Outcome, job: Job, flags: Sequence[str]) -> Outcome:
    """The outcome of a trial whose result was measured: the evaluation's metrics, the trial's others and its curves.

    A number that the trial reported itself under the name of a measured one is compared and dropped.
    """
    if isinstance(evaluated, Failure):
        message = f"the evaluation failed: {evaluated.message}"
        return replace(evaluated, message=message, duration=trial.duration, metrics={}, curves={})
    measured = dict(evaluated.metrics)
    more = list(flags)
    for name in job.required:
        if name in measured and name in trial.metrics:
            claimed, true = trial.metrics[name], measured[name]
            sign = -1.0 if job.evaluation is not None and name in job.evaluation.maximized else 1.0
            if sign * (true - claimed) > CLAIM * abs(true):
                more.append(f"it reported {name} {claimed:.6g}; the evaluation measured {true:.6g}")
    others = {name: value for name, value in trial.metrics.items() if name not in measured}
    curves = {name: curve for name, curve in trial.curves.items() if name not in measured}
    return believed(Observation({**others, **measured}, trial.duration, curves), more)


def believed(outcome: Outcome, flags: Sequence[str], log: str = "") -> Outcome:
    """``outcome``, or a failure of kind "tampered" where it has numbers and there are ``flags``."""
    if isinstance(outcome, Failure) or not flags:
        return outcome
    message = shorten("; ".join(dict.fromkeys(flags)), 600)
    return Failure("tampered", message, outcome.duration, log, 0, outcome.metrics, outcome.curves)


def evaluation_job(job: Job, evaluation: Evaluation) -> Job:
    """The job that measures what ``job`` left behind, with an empty folder of its own; raises OSError."""
    scratch = os.path.dirname(os.path.abspath(job.result_path)) + ".evaluation"
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    return replace(
        job,
        argv=evaluation.argv,
        env={**evaluation.env, "KNOWHY_RESULT": os.path.join(scratch, "result.jsonl"), "KNOWHY_ARTIFACT": job.folder},
        result_path=os.path.join(scratch, "result.jsonl"),
        log_path=os.path.join(scratch, "log.txt"),
        timeout=evaluation.timeout,
        confinement=evaluation.confinement,
    )
