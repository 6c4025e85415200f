"""The table of karpathy/autoresearch: commit, val_bpb, memory_gb, status (keep, discard, crash), description."""

from __future__ import annotations

from knowhy.histories.cells import FORMULA
from knowhy.histories.history import History
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import Space

_MEMORY = (("memory_gb", 1.0), ("peak_memory_gb", 1.0), ("peak_vram_mb", 1024.0), ("peak_memory_mb", 1024.0))


def results_text(history: History) -> str:
    """``history`` as such a table; a trial without a commit is named by its number, a crash has zeros, as there."""
    metric = history.objectives[0].metric if history.objectives else "value"
    lines = [f"commit\t{_plain(metric)}\tmemory_gb\tstatus\tdescription"]
    for trial in history.trials:
        ended = trial.outcome
        number = trial.name.removeprefix("trial ")
        commit = f"trial{number}" if number.isdecimal() else number
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
    """``text`` in one cell, which no spreadsheet runs."""
    flat = " ".join(text.split())[:300]
    return f"'{flat}" if flat.startswith(FORMULA) else flat
