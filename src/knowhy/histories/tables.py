"""Tables of trials: CSV (comma, semicolon or tab) and JSON lines, a row for each trial."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from knowhy.errors import UsageError
from knowhy.histories.cells import read_cell, read_header, scalar, write_cell, write_header
from knowhy.histories.columns import Column, columns
from knowhy.histories.history import LARGEST_FILE, History, Recorded, Request, limited, number, outcome, seconds
from knowhy.model.objective import Objective
from knowhy.model.observation import Curve, Failure, FailureKind, Observation, Outcome
from knowhy.model.space import Scalar

Row = dict[str, Scalar]

_DEEPEST = 4
_FAILED = ("fail", "failed", "crash", "crashed", "error", "killed", "oom", "3", "timeout", "preempted")
_PRUNED = ("pruned", "stopped", "early_stopped", "killed_early")
_OPEN = ("running", "waiting", "scheduled", "pending", "queued")
_KINDS: Mapping[str, FailureKind] = {
    k: k for k in ("nan", "inf", "no_metric", "exit", "timeout", "out_of_memory", "setup", "lost", "pruned")
}


def read_text(path: Path) -> str:
    """The text of the file at ``path``, which must be UTF-8 (or UTF-16 with its mark); raises UsageError."""
    if path.stat().st_size > LARGEST_FILE:
        raise UsageError(f"{path} is larger than {LARGEST_FILE // 1_000_000} MB", "import a part of it")
    data = path.read_bytes()
    coding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(coding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{path} is not UTF-8 text: byte {data[error.start]:#04x} in line {line}",
            "save it as UTF-8, as in: iconv -f latin1 -t utf-8 FILE > NEW",
        ) from None
    if "\0" in text:
        raise UsageError(f"{path} holds zero bytes: it is no table", "give a CSV or JSON-lines file")
    return text


def read_csv(path: Path, request: Request) -> History:
    """The trials of a CSV file with a header; raises UsageError."""
    text = read_text(path)
    first = text.split("\n", 1)[0]
    delimiter = max(("\t", ",", ";"), key=first.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UsageError(
            f"{path} cannot be read as CSV: {error}", "check its quotes, and that cells are not huge"
        ) from None
    lines = [line for line in lines if any(cell.strip() for cell in line)]
    if len(lines) < 2:
        raise UsageError(f"{path} holds no rows", "a table needs a header and a row for each trial")
    titles = [read_header(cell.strip() if not cell.startswith("'") else cell) for cell in lines[0]]
    for title in titles:
        if titles.count(title) > 1 and title:
            raise UsageError(f"{path} has two columns called {title[:60]}", "give each column its own name")
    rows = []
    for at, line in enumerate(lines[1:], 2):
        if len(line) > len(titles):
            raise UsageError(
                f"row {at} of {path} has {len(line)} cells, the header has {len(titles)}",
                "quote cells that hold the delimiter",
            )
        cells = ((title, read_cell(cell)) for title, cell in zip(titles, line, strict=False))
        rows.append({title: value for title, (there, value) in cells if there})
    return _history("csv", path, [t for t in titles if t], rows, request)


def read_jsonl(path: Path, request: Request) -> History:
    """The trials of a file with a JSON object in each line (or one list of objects); raises UsageError."""
    rows: list[Row] = []
    curves: dict[int, dict[str, Curve]] = {}
    for at, value in _objects(path):
        if not isinstance(value, dict):
            raise UsageError(f"entry {at} of {path} is no JSON object", 'write {"params": {...}, "metrics": {...}}')
        curves[len(rows)] = _curves_in(value.pop("curves", None))
        rows.append(dict(_flat(value)))
    if not rows:
        raise UsageError(f"{path} holds no rows", "a line for each trial is needed")
    titles = list(dict.fromkeys(name for row in rows for name in row))
    return _history("jsonl", path, titles, rows, request, curves)


def _objects(path: Path) -> Iterator[tuple[int, object]]:
    text = read_text(path)
    try:
        if text.lstrip().startswith("["):
            yield from enumerate(json.loads(text), 1)
            return
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON: {str(error)[:120]}", "check that it is complete") from None
    for at, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield at, json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"line {at} of {path} is no JSON: {str(error)[:120]}", "check that it is complete"
            ) from None


def _flat(value: Mapping[str, object], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Scalar]]:
    """The members of nested objects, their names joined by dots."""
    for name, member in value.items():
        full = f"{prefix}{name}"
        if isinstance(member, dict) and member and depth < _DEEPEST:
            yield from _flat(member, f"{full}.", depth + 1)
        else:
            yield full, scalar(member)


def _curves_in(value: object) -> dict[str, Curve]:
    """Curves as the writer has them: {"val_loss": {"steps": [...], "values": [...]}}; anything else is passed over."""
    found: dict[str, Curve] = {}
    for name, curve in value.items() if isinstance(value, dict) else ():
        steps, values = (curve.get("steps"), curve.get("values")) if isinstance(curve, dict) else (None, None)
        if not isinstance(steps, list) or not isinstance(values, list) or len(steps) != len(values):
            continue
        if all(isinstance(v, (int, float)) and math.isfinite(number(v)) for v in (*steps, *values)):
            found[str(name)] = Curve(tuple(float(s) for s in steps), tuple(float(v) for v in values))
    return found


def _history(
    kind: str,
    path: Path,
    titles: Sequence[str],
    rows: Sequence[Row],
    request: Request,
    curves: Mapping[int, Mapping[str, Curve]] | None = None,
) -> History:
    limited(len(rows), str(path))
    cells = {title: [row[title] for row in rows if title in row] for title in titles}
    found = columns(titles, cells, request)
    objectives = _objectives(found, request)
    names: dict[str, str] = {c.use: c.title for c in reversed(found)}
    by_name = [c.title for c in found if c.use == "name"]
    trials, waiting = [], 0
    for at, row in enumerate(rows):
        status = str(row.get(names.get("status", ""), "")).strip().lower()
        if status in _OPEN:
            waiting += 1
            continue
        settings = {c.name: row[c.title] for c in found if c.use == "parameter" and c.title in row}
        ended = _ended(row, found, names, status, objectives, (curves or {}).get(at, {}))
        label = next((str(row[t])[:60] for t in by_name if t in row), "")
        seed = row.get(names.get("seed", ""))
        note = str(row.get(names.get("note", ""), ""))[:300]
        trials.append(
            Recorded(
                _label(by_name, label) if label else f"row {at + 1}",
                settings,
                ended,
                seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
                note,
                str(row.get(names.get("purpose", ""), ""))[:20],
            )
        )
    notes = [f"the column {c.title[:60]} is left out: {c.why}" for c in found if c.use == "left out"][:30]
    notes += [f"{waiting} rows are not imported: not ended yet"] if waiting else []
    return History(kind, str(path), path.stem, tuple(trials), {}, objectives, notes=tuple(notes))


def _label(titles: Sequence[str], label: str) -> str:
    return f"trial {label}" if label.isdigit() else label


def _objectives(found: Sequence[Column], request: Request) -> tuple[Objective, ...]:
    """The objectives that the person names, with the direction that the name tells; the caller guesses otherwise."""
    metrics = {key: c.name for c in found if c.use == "metric" for key in (c.title, c.name)}
    if request.metrics:
        return tuple(Objective(metrics[m], request.direction_of(m) or "minimize") for m in request.metrics)
    if not metrics:
        raise UsageError(
            "no column looks like a metric",
            f"name it with --metric; the columns are: {', '.join(c.title[:40] for c in found[:30])}",
        )
    return ()


def _ended(
    row: Row,
    found: Sequence[Column],
    names: Mapping[str, str],
    status: str,
    objectives: Sequence[Objective],
    curves: Mapping[str, Curve],
) -> Outcome:
    metrics = {
        c.name: number(v)
        for c in found
        if c.use == "metric" and isinstance(v := row.get(c.title), (int, float)) and not isinstance(v, bool)
    }
    duration = _seconds(row.get(names.get("seconds", "")))
    told = str(row.get(names.get("failure", ""), "") or "")[:300]
    finite = {k: v for k, v in metrics.items() if math.isfinite(v)}
    if status in _FAILED or status in _PRUNED:
        kind, _, rest = told.partition(": ")
        named = _KINDS.get(kind) or ("pruned" if status in _PRUNED else "exit")
        return Failure(
            named, (rest if kind in _KINDS else told) or status, duration, metrics=finite, curves=dict(curves)
        )
    if objectives:
        return outcome(metrics, [o.metric for o in objectives], duration, curves)
    return Observation(finite, duration, dict(curves)) if finite else outcome(metrics, ["a metric"], duration)


def _seconds(value: Scalar) -> float:
    """Seconds from a number, or from ``0 days 00:01:02.5`` as pandas writes it; 0 where it is neither."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return seconds(number(value))
    match = re.fullmatch(r"(?:(\d{1,5}) days? )?(\d{1,3}):(\d\d):(\d\d(?:\.\d+)?)", str(value))
    if match is None:
        return 0.0
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return seconds(days * 86400 + hours * 3600 + minutes * 60 + rest)


# The other way


def rows_of(history: History) -> list[Row]:
    """A row for each trial of ``history``, with the columns that ``read_csv`` knows again."""
    rows: list[Row] = []
    for trial in history.trials:
        ended = trial.outcome
        failed = isinstance(ended, Failure)
        status = ("pruned" if ended.kind == "pruned" else "failed") if isinstance(ended, Failure) else "completed"
        label = trial.name.removeprefix("trial ")
        row: Row = {"trial": int(label) if label.isdecimal() else label, "status": status, "purpose": trial.purpose}
        if trial.seed is not None:
            row["seed"] = trial.seed
        row |= {f"params.{name}": value for name, value in trial.settings.items()}
        row |= {f"metrics.{name}": value for name, value in ended.metrics.items()}
        row["seconds"] = ended.duration
        row["failure"] = f"{ended.kind}: {ended.message}" if failed and isinstance(ended, Failure) else ""
        row["note"] = trial.note
        rows.append(row)
    return rows


def csv_text(history: History) -> str:
    """``history`` as CSV; texts that a spreadsheet would run start with an apostrophe."""
    rows = rows_of(history)
    titles = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([write_header(title) for title in titles])
    for row in rows:
        writer.writerow([write_cell(row[t]) if _filled(t, row) else "" for t in titles])
    return out.getvalue()


def _filled(title: str, row: Row) -> bool:
    """Whether the row has this cell: of a parameter, an empty text is a value."""
    return title in row and (title.startswith("params.") or row[title] != "")


def jsonl_text(history: History) -> str:
    """``history`` as JSON lines, curves included."""
    lines = []
    for trial, row in zip(history.trials, rows_of(history), strict=True):
        ended = trial.outcome
        plain = {k: v for k, v in row.items() if not k.startswith(("params.", "metrics.")) and v != ""}
        plain |= {"params": dict(trial.settings), "metrics": dict(ended.metrics)}  # type: ignore[dict-item]
        if ended.curves:
            curves = {n: {"steps": list(c.steps), "values": list(c.values)} for n, c in ended.curves.items()}
            plain["curves"] = curves  # type: ignore[assignment]
        lines.append(json.dumps(plain))
    return "\n".join(lines) + "\n"
