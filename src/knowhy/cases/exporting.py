"""From a study to files of other tools."""

from __future__ import annotations

import os
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Literal, get_args

from knowhy.errors import StudyError, UsageError
from knowhy.histories import results, tables
from knowhy.histories.studies import history_of_state
from knowhy.model.state import State

Format = Literal["optuna", "csv", "jsonl", "results.tsv"]
FORMATS: tuple[str, ...] = get_args(Format)


def default_target(name: str, form: Format) -> str:
    """Where an export goes if nobody says."""
    return form if form == "results.tsv" else f"{name}.{'optuna.db' if form == 'optuna' else form}"


def text_of(state: State, form: Format) -> str:
    """The trials of ``state`` as a text file of ``form``; raises UsageError."""
    history = history_of_state(state, state.name)
    if form == "csv":
        return tables.csv_text(history)
    if form == "jsonl":
        return tables.jsonl_text(history)
    if form == "results.tsv":
        return results.results_text(history)
    raise UsageError("an Optuna storage is a database, no text", "name a file with --out")


def write(state: State, form: Format, target: Path, *, force: bool = False) -> int:
    """Write the trials of ``state`` to ``target``, all or nothing; returns how many.

    Raises UsageError where the file exists (unless ``force``) or cannot be written, StudyError without trials.
    """
    history = history_of_state(state, state.name)
    if not history.trials:
        raise StudyError(f"the study {state.name} has no trial that ended", "run it first")
    if target.is_dir():
        raise UsageError(f"{target} is a folder", "name a file with --out")
    if target.exists() and not force:
        raise UsageError(f"{target} exists", "name another file with --out, or replace it with --force")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if form == "optuna":
            import_module("knowhy.histories.optuna_storage").write_optuna(history, target)
        else:
            _replace(target, text_of(state, form))
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}", "name another file") from None
    return len(history.trials)


def _replace(target: Path, text: str) -> None:
    """Write ``text`` beside ``target`` and move it there, so that a crash leaves no half of a file."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".knowhy-", suffix=target.suffix)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
