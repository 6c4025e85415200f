"""The table of karpathy/autoresearch: commit, val_bpb, memory_gb, status (keep, discard, crash), description."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from knowhy.errors import UsageError
from knowhy.histories.cells import FORMULA, steers
from knowhy.histories.history import History, limited, number
from knowhy.histories.tables import read_text
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import Space

_MEMORY = (("memory_gb", 1.0), ("peak_memory_gb", 1.0), ("peak_vram_mb", 1024.0), ("peak_memory_mb", 1024.0))


def results_text(history: History) -> str:
    """``history`` as such a table; a trial without a commit is named by its number, a crash has zeros, as there."""
    metric = history.objectives[0].metric if history.objectives else "value"
    lines = [f"commit\t{_plain(metric)}\tmemory_gb\tstatus\tdescription"]
    for trial in history.trials:
        ended = trial.outcome
        commit = trial.commit or trial.name.replace(" ", "")
        value = ended.metrics.get(metric) if isinstance(ended, Observation) else None
        memory = next((ended.metrics[n] / per for n, per in _MEMORY if n in ended.metrics), 0.0)
        status = "crash" if value is None else "keep" if trial.kept else "discard"
        said = _described(history.space or Space(()), trial.settings, trial.note)
        if isinstance(ended, Failure):
            said = f"{said} ({ended.kind}: {ended.message})"
        lines.append(f"{_plain(commit)}\t{0.0 if value is None else value:.6f}\t{memory:.1f}\t{status}\t{_plain(said)}")
    return "\n".join(lines) + "\n"


def _described(space: Space, settings: object, note: str) -> str:
    """What differs from the default, or what the source said."""
    have = dict(settings) if isinstance(settings, dict) else {}
    changed = [f"{p.name}={have[p.name]}" for p in space if p.name in have and have[p.name] != p.default]
    return " ".join(changed) or ("baseline" if have else note or "baseline")


def _plain(text: str) -> str:
    """``text`` in one cell, which no spreadsheet runs, and which steers nothing."""
    flat = "".join(c for c in " ".join(text.split()) if not steers(c))[:300].strip()
    return f"'{flat}" if flat.startswith(FORMULA) else flat


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; ``value`` is None for a crash, ``memory`` is in GB where it was measured."""

    commit: str
    value: float | None
    memory: float | None
    status: str
    description: str


@dataclass(frozen=True, slots=True)
class Results:
    """The table: the name of its metric, and its rows in order."""

    metric: str
    rows: tuple[Row, ...]


def read_results(path: Path) -> Results:
    """The table at ``path``; raises UsageError."""
    lines = [line.split("\t") for line in read_text(path).splitlines() if line.strip()]
    head = [cell.strip().lower() for cell in lines[0]] if lines else []
    if len(head) < 3 or head[0] != "commit" or "status" not in head:
        raise UsageError(
            f"{path} does not begin with the columns commit, METRIC, memory_gb, status, description",
            "give a results.tsv as karpathy/autoresearch writes it; for another table, call it .csv",
        )
    place, rows = {name: i for i, name in enumerate(head)}, []
    for at, line in enumerate(lines[1:], 2):
        cells = [cell.strip() for cell in line] + [""] * (len(head) - len(line))
        status = cells[place["status"]].lower()
        value, memory = _number(cells[1]), _number(cells[place["memory_gb"]]) if "memory_gb" in place else None
        if status not in ("keep", "discard", "crash"):
            raise UsageError(
                f"line {at} of {path} has the status {status[:40]!r}",
                "it must be keep, discard or crash (tabs between cells)",
            )
        crashed = status == "crash" or value is None
        told = " ".join(cells[place["description"] :]).strip() if "description" in place else ""
        rows.append(Row(cells[0][:40], None if crashed else value, memory or None, status, told[:300]))
    if not rows:
        raise UsageError(f"{path} holds no rows", "import it when a run has ended")
    limited(len(rows), str(path))
    return Results(lines[0][1].strip(), tuple(rows))


def _number(text: str) -> float | None:
    try:
        found = number(float(text))
    except ValueError:
        return None
    return found if math.isfinite(found) else None
