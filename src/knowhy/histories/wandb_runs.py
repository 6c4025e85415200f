"""Runs of Weights & Biases that lie on this disk: the ``.wandb`` files of offline (and synced) runs.

Such a file is a log in the format of LevelDB whose entries are protocol buffers. W&B publishes no stable description of
the entries, so they are decoded with the definitions of the installed package ``wandb``; without it, export the runs as
CSV from the web page, or as JSON with its API, and import that.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from knowhy.errors import UsageError
from knowhy.histories.cells import scalar
from knowhy.histories.history import LARGEST_FILE, History, Recorded, Request, limited, number, outcome, seconds, seeded
from knowhy.model.objective import Objective
from knowhy.model.observation import Curve, Failure, Observation, Outcome
from knowhy.model.space import Scalar

_BLOCK, _HEAD, _MAGIC = 32768, 7, b":W&B"
_EXPORT = "export the runs as CSV (or as JSON lines with W&B's API), and import that"
_DEEPEST = 4


@dataclass
class _Run:
    identity: str = ""
    name: str = ""
    project: str = ""
    started: float = 0.0
    config: dict[str, Scalar] = field(default_factory=dict)
    summary: dict[str, float] = field(default_factory=dict)
    points: dict[str, dict[float, float]] = field(default_factory=dict)
    exited: int | None = None
    runtime: float = 0.0
    cut: bool = False


def read_wandb(path: Path, request: Request) -> History:
    """The runs in a ``.wandb`` file, in the folder of a run, or in a folder of such folders; raises UsageError."""
    record = _record_class()
    runs = [_read(file, record) for file in _files(path)]
    projects = dict.fromkeys(run.project for run in runs)
    if request.member is not None:
        if request.member not in projects:
            raise UsageError(f"{path} holds no project {request.member}", f"it holds: {', '.join(projects)}")
        runs = [run for run in runs if run.project == request.member]
    elif len(projects) > 1:
        listed = ", ".join(list(projects)[:20])
        raise UsageError(f"{path} holds runs of {len(projects)} projects: {listed}", "choose one with --source NAME")
    limited(len(runs), str(path))
    objectives = tuple(Objective(m, request.direction_of(m) or "minimize") for m in request.metrics)
    notes = []
    cut = sum(run.cut for run in runs)
    if cut:
        notes.append(f"{cut} run{'s' * (cut > 1)} not imported: the file ends before the run does")
    runs = sorted((run for run in runs if not run.cut), key=lambda run: run.started)
    trials = tuple(
        Recorded(run.identity, settings, _ended(run, objectives), seed, run.name[:300])
        for run, (settings, seed) in ((run, seeded(run.config)) for run in runs)
    )
    name = next(iter(run.project for run in runs if run.project), path.stem)
    return History("wandb", str(path), name, trials, objectives=objectives, notes=tuple(notes))


def _record_class() -> Any:
    try:
        return import_module("wandb.proto.wandb_internal_pb2").Record
    except Exception as error:  # not installed, or with another protobuf than it needs
        raise UsageError(
            f"W&B's own files need its package to be decoded, and it cannot be imported: {type(error).__name__}",
            f"pip install wandb; or {_EXPORT}",
        ) from None


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    root = path / "wandb" if (path / "wandb").is_dir() else path
    found = {
        file.resolve(): file
        for pattern in ("*.wandb", "*run-*/*.wandb")
        for file in sorted(root.glob(pattern))
        if not file.is_symlink() and not file.parent.is_symlink()
    }
    if not found:
        raise UsageError(f"{path} holds no .wandb file", _EXPORT)
    return list(found.values())


def _read(path: Path, record: Any) -> _Run:
    if path.stat().st_size > LARGEST_FILE:
        raise UsageError(f"{path} is larger than {LARGEST_FILE // 1_000_000} MB", _EXPORT)
    data = path.read_bytes()
    if not data.startswith(_MAGIC):
        raise UsageError(f"{path} is no file of W&B's", _EXPORT)
    run = _Run(identity=path.stem.removeprefix("run-")[:60])
    try:
        for body in _bodies(data):
            entry = record()
            entry.ParseFromString(body)
            _take(run, entry)
    except UsageError:
        raise
    except Exception as error:  # protobuf's DecodeError has no stable home
        raise UsageError(f"{path} cannot be decoded: {type(error).__name__}: {str(error)[:100]}", _EXPORT) from None
    run.cut = run.exited is None
    return run


def _bodies(data: bytes) -> Iterator[bytes]:
    """The entries of a LevelDB log after its file header: blocks of 32 KiB, entries cut into parts where they must."""
    at, parts = _HEAD, b""
    while at + _HEAD <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEAD:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        body = data[at + _HEAD : at + _HEAD + length]
        if kind == 0 or len(body) < length:
            return
        at += _HEAD + length
        parts = body if kind in (1, 2) else parts + body
        if kind in (1, 4):
            yield parts
            parts = b""


def _take(run: _Run, entry: Any) -> None:
    kind = entry.WhichOneof("record_type")
    if kind == "run":
        run.identity = entry.run.run_id[:60] or run.identity
        run.name, run.project = entry.run.display_name or run.name, entry.run.project or run.project
        start = entry.run.start_time
        run.started = start.seconds + start.nanos / 1e9 or run.started
        _configure(run, entry.run.config)
    elif kind == "config":
        _configure(run, entry.config)
    elif kind == "summary":
        for item in entry.summary.update:
            name, value = _named(item)
            if name == "_runtime" or name == "_wandb.runtime":
                run.runtime = max(run.runtime, value if value is not None and math.isfinite(value) else 0.0)
            elif value is not None and not name.startswith("_"):
                run.summary[name] = value
    elif kind == "history":
        values = dict(_named(item) for item in entry.history.item)
        step = values.get("_step")
        for name, value in values.items():
            if step is not None and value is not None and not name.startswith("_"):
                run.points.setdefault(name, {})[step] = value
    elif kind == "exit":
        run.exited = entry.exit.exit_code
        run.runtime = max(run.runtime, float(entry.exit.runtime))


def _named(item: Any) -> tuple[str, float | None]:
    """The name and number of an item; None where it is no number (an image, a text)."""
    name = item.key or ".".join(item.nested_key)
    value = _json(item.value_json)
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        value = float(value)
    return name, number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _configure(run: _Run, config: Any) -> None:
    for item in config.update:
        name = item.key or ".".join(item.nested_key)
        if not name.startswith("_"):
            _flatten(run.config, name, _json(item.value_json))
    for item in config.remove:
        run.config.pop(item.key or ".".join(item.nested_key), None)


def _flatten(config: dict[str, Scalar], name: str, value: object, depth: int = 0) -> None:
    if isinstance(value, dict) and value and depth < _DEEPEST:
        for key, member in value.items():
            _flatten(config, f"{name}.{key}", member, depth + 1)
    else:
        config[name] = scalar(value)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _ended(run: _Run, objectives: tuple[Objective, ...]) -> Outcome:
    duration = seconds(run.runtime)
    curves = {}
    for name, points in run.points.items():
        steps = sorted((s, v) for s, v in points.items() if math.isfinite(v))
        if len(steps) >= 2:
            curves[name] = Curve(tuple(s for s, _ in steps), tuple(v for _, v in steps))
    finite = {name: value for name, value in run.summary.items() if math.isfinite(value)}
    if run.exited:
        why = f"ended with exit code {run.exited}"
        return Failure("exit", why, duration, exit_code=run.exited, metrics=finite, curves=curves)
    if objectives:
        return outcome(run.summary, [o.metric for o in objectives], duration, curves)
    if finite:
        return Observation(finite, duration, curves)
    return outcome(run.summary, list(run.summary) or ["a metric"], duration)
