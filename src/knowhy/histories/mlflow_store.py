"""An MLflow file store (``mlruns``), read file by file: parameters, metrics, notes; no artifact, no model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from knowhy.errors import UsageError
from knowhy.histories.cells import read_cell
from knowhy.histories.history import History, Recorded, Request, limited, number, outcome, seconds, seeded
from knowhy.model.objective import Objective
from knowhy.model.observation import Curve, Failure, Observation, Outcome
from knowhy.model.space import Scalar

FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"
_STATUS = {"1": "RUNNING", "2": "SCHEDULED", "3": FINISHED, "4": FAILED, "5": KILLED}
_LINE = re.compile(r"([A-Za-z_]+):(?:\s+(.*))?")
_LARGEST = 64_000_000
_TEXT = 20_000


@dataclass
class Run:
    """What a run of MLflow recorded; ``points`` are (step, value) of each metric in order."""

    identity: str
    name: str
    status: str
    start: float
    end: float | None
    params: dict[str, Scalar] = field(default_factory=dict)
    points: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    note: str = ""


def read_mlflow(path: Path, request: Request) -> History:
    """The runs of one experiment of the store at ``path`` (the store, an experiment, or its parent folder).

    Raises UsageError.
    """
    root = path / "mlruns" if (path / "mlruns").is_dir() else path
    experiments = dict(_experiments(root))
    chosen = choose(str(path), {name: len(list(_runs(e))) for name, e in experiments.items()}, request.member)
    folders = list(_runs(experiments[chosen]))
    limited(len(folders), str(path))
    runs = [run for folder in folders if (run := _run(folder)) is not None]
    return history_of_runs("mlflow", str(path), chosen, runs, request)


def choose(source: str, experiments: Mapping[str, int], wanted: str | None) -> str:
    """The experiment that is meant: the one named, or the only one that has runs; raises UsageError."""
    full = [name for name, runs in experiments.items() if runs]
    if wanted is not None:
        if wanted not in experiments:
            raise UsageError(
                f"{source} holds no experiment {wanted}", f"it holds: {', '.join(list(experiments)[:20]) or 'none'}"
            )
        return wanted
    if not full:
        raise UsageError(f"{source} holds no runs", "check the path: it should be the folder mlruns, or contain it")
    if len(full) > 1:
        listed = ", ".join(f"{name} ({experiments[name]} runs)" for name in full[:20])
        raise UsageError(f"{source} holds {len(full)} experiments: {listed}", f"choose one: --source {full[0]}")
    return full[0]


def history_of_runs(kind: str, source: str, name: str, runs: Sequence[Run], request: Request) -> History:
    """The history of ``runs``, the earliest first; those that still run are left out."""
    notes = []
    ended = [run for run in sorted(runs, key=lambda r: r.start) if run.status in (FINISHED, FAILED, KILLED)]
    if len(ended) < len(runs):
        notes.append(f"{len(runs) - len(ended)} runs not imported: not ended, as the store has it")
    objectives = tuple(Objective(m, request.direction_of(m) or "minimize") for m in request.metrics)
    trials = tuple(
        Recorded(run.identity, settings, _ended(run, objectives), seed, run.note[:300])
        for run, (settings, seed) in ((run, seeded(run.params)) for run in ended)
    )
    return History(kind, source, name, trials, objectives=objectives, notes=tuple(notes))


def _ended(run: Run, objectives: Sequence[Objective]) -> Outcome:
    duration = seconds((run.end - run.start) if run.end is not None else None)
    metrics = {name: points[-1][1] for name, points in run.points.items() if points}
    curves = {}
    for name, points in run.points.items():
        steps = sorted({s: v for s, v in points if math.isfinite(v)}.items())
        if len(steps) >= 2:
            curves[name] = Curve(tuple(s for s, _ in steps), tuple(v for _, v in steps))
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    if run.status != FINISHED:
        why = "killed, as the store has it" if run.status == KILLED else "failed, as the store has it"
        return Failure("lost" if run.status == KILLED else "exit", why, duration, metrics=finite, curves=curves)
    if objectives:
        return outcome(metrics, [o.metric for o in objectives], duration, curves)
    return (
        Observation(finite, duration, curves) if finite else outcome(metrics, list(metrics) or ["a metric"], duration)
    )


def _folders(path: Path) -> Iterator[Path]:
    """The folders in ``path``, in order; links are not followed, so that nothing outside is read."""
    try:
        found = sorted(p for p in path.iterdir() if not p.is_symlink() and p.is_dir())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "check its permissions") from None
    yield from found


def _experiments(root: Path) -> Iterator[tuple[str, Path]]:
    candidates = [root] if (root / "meta.yaml").is_file() else list(_folders(root))
    for folder in candidates:
        meta = _meta(folder)
        if meta and "run_id" not in meta and meta.get("lifecycle_stage", "active") == "active":
            yield meta.get("name") or folder.name, folder
    if candidates == [root] and "run_id" in _meta(root):
        raise UsageError(f"{root} is a single run", "give the folder of the experiment, or mlruns")


def _runs(experiment: Path) -> Iterator[Path]:
    for folder in _folders(experiment):
        if (folder / "meta.yaml").is_file():
            yield folder


def _run(folder: Path) -> Run | None:
    meta = _meta(folder)
    if meta.get("lifecycle_stage", "active") != "active":
        return None
    status = meta.get("status", "")
    start, end = _moment(meta.get("start_time")), _moment(meta.get("end_time"))
    run = Run(
        (meta.get("run_id") or folder.name)[:60],
        meta.get("run_name", "")[:60],
        _STATUS.get(status, status),
        start or 0.0,
        end,
    )
    for name, file in _files(folder / "params"):
        there, value = read_cell(_text(file, _TEXT).strip("\n"))
        if there:
            run.params[name] = value
    for name, file in _files(folder / "metrics"):
        run.points[name] = list(_points(file))
    note = folder / "tags" / "mlflow.note.content"
    run.note = _text(note, _TEXT) if note.is_file() and not note.is_symlink() else run.name
    return run


def _files(folder: Path, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Path]]:
    """The files below ``folder`` with their names, as in ``val/loss``; links are not followed."""
    if not folder.is_dir() or folder.is_symlink() or depth > 6:
        return
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            yield from _files(path, f"{prefix}{path.name}/", depth + 1)
        elif path.is_file():
            yield f"{prefix}{path.name}", path


def _points(file: Path) -> Iterator[tuple[float, float]]:
    """Lines of "timestamp value step"; lines of another form are passed over."""
    for place, line in enumerate(_text(file, _LARGEST).splitlines()):
        parts = line.split()
        try:
            step = float(parts[2]) if len(parts) > 2 else float(place)
            yield step, number(float(parts[1]))
        except (IndexError, ValueError):
            continue


def _text(file: Path, most: int) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(most).decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", "check its permissions") from None


def _meta(folder: Path) -> dict[str, str]:
    """The flat lines of meta.yaml, as text: no YAML is loaded, so no object can be made by it."""
    file = folder / "meta.yaml"
    if not file.is_file() or file.is_symlink():
        return {}
    found: dict[str, str] = {}
    for line in _text(file, _TEXT).splitlines():
        match = _LINE.fullmatch(line.rstrip())
        if match and (match.group(2) or "") not in ("null", "~"):
            found[match.group(1)] = (match.group(2) or "").strip().strip("'\"")
    return found


def _moment(text: str | None) -> float | None:
    """Seconds from milliseconds since 1970."""
    try:
        return float(text) / 1000.0 if text else None
    except ValueError:
        return None
