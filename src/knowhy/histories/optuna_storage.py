"""Optuna storages: an SQLite file or a journal file.

A storage is read from a copy in a folder of its own that is gone afterwards: opening one with Optuna may write to it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from knowhy.errors import UsageError
from knowhy.histories.conditions import in_effect
from knowhy.histories.history import History, Request, limited
from knowhy.histories.optuna_trials import distribution_of, history_of, value_for
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import Space
from knowhy.silence import quiet

_REPAIR = "open it with Optuna's own tools to see what is wrong, or restore it from a copy"


def read_optuna(path: Path, request: Request) -> History:
    """The study in the storage at ``path`` (one of several: ``request.member``); raises UsageError."""
    with quiet(), tempfile.TemporaryDirectory(prefix="knowhy-import-") as folder:
        storage = None
        try:
            storage = _open(path, Path(folder))
            study = _study(storage, path, request.member)
            limited(len(study.get_trials(deepcopy=False)), str(path))
            return history_of(study, str(path), request.metrics)
        except UsageError:
            raise
        except Exception as error:  # whatever Optuna and SQLAlchemy make of a damaged file
            raise UsageError(f"{path} cannot be read as an Optuna storage: {_first_line(error)}", _REPAIR) from None
        finally:
            if isinstance(storage, RDBStorage):
                storage.engine.dispose()


def _open(path: Path, folder: Path) -> BaseStorage:
    copy = folder / "storage"
    with path.open("rb") as file:
        sqlite = file.read(16) == b"SQLite format 3\0"
    if not sqlite:
        _copy_journal(path, copy)
        return JournalStorage(JournalFileBackend(str(copy)))
    shutil.copyfile(path, copy)
    for suffix in ("-wal", "-journal"):
        if (beside := Path(f"{path}{suffix}")).is_file():
            shutil.copyfile(beside, f"{copy}{suffix}")
    return RDBStorage(f"sqlite:///{copy}", skip_table_creation=True, skip_compatibility_check=False)


def _copy_journal(path: Path, copy: Path) -> None:
    """The lines of a journal file; a torn last line (its writer was killed) is left out."""
    with path.open("rb") as file, copy.open("wb") as out:
        for at, line in enumerate(file, 1):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                entry = None
            if isinstance(entry, dict) and "op_code" in entry and line.endswith(b"\n"):
                out.write(line)
            elif file.read(1):
                raise UsageError(
                    f"line {at} of {path} is no entry of an Optuna journal",
                    f"if the lines before it are good: head -n {at - 1} of it into a new file, and import that",
                )


def _study(storage: BaseStorage, path: Path, name: str | None) -> optuna.Study:
    names = [s.study_name for s in storage.get_all_studies()]
    if not names:
        raise UsageError(f"{path} holds no Optuna study", "check the path")
    if name is None and len(names) > 1:
        raise UsageError(
            f"{path} holds {len(names)} studies: {', '.join(names[:20])}", f"choose one: --source {names[0]}"
        )
    chosen = name or names[0]
    if chosen not in names:
        raise UsageError(f"{path} holds no study {chosen}", f"it holds: {', '.join(names[:20])}")
    return optuna.load_study(study_name=chosen, storage=storage)


def write_optuna(history: History, path: Path) -> None:
    """Write ``history`` as a new SQLite storage of Optuna at ``path``; raises UsageError.

    Failed trials are FAIL, those that were pruned PRUNED; what Optuna has no place for is in user attributes.
    """
    space = history.space or Space(())
    with quiet(), tempfile.TemporaryDirectory(prefix="knowhy-export-", dir=path.parent) as folder:
        storage = RDBStorage(f"sqlite:///{Path(folder) / 'storage'}")
        try:
            directions = [o.direction for o in history.objectives]
            study = optuna.create_study(study_name=history.name, storage=storage, directions=directions)
            study.set_metric_names([o.metric for o in history.objectives])
            study.add_trials([_frozen(history, space, i) for i in range(len(history.trials))])
        finally:
            storage.remove_session()
            storage.engine.dispose()
        os.replace(Path(folder) / "storage", path)


def _frozen(history: History, space: Space, index: int) -> optuna.trial.FrozenTrial:
    trial = history.trials[index]
    ended = trial.outcome
    here = in_effect(space, space.complete(trial.settings))
    wanted = [o.metric for o in history.objectives]
    attributes: dict[str, object] = {k: v for k, v in ended.metrics.items() if k not in wanted}
    attributes |= {k: v for k, v in (("seed", trial.seed), ("purpose", trial.purpose), ("note", trial.note)) if v}
    attributes["seconds"] = ended.duration
    curve = ended.curves.get(wanted[0]) if len(wanted) == 1 else None
    steps = {int(s): v for s, v in zip(curve.steps, curve.values, strict=True)} if curve else {}
    state, values = TrialState.FAIL, None
    violations = {
        f"{c.metric} {c.op} {c.bound:g}": (ended.metrics[c.metric] - c.bound) * (1.0 if c.op == "<=" else -1.0)
        for c in history.constraints
        if c.metric in ended.metrics
    }
    if isinstance(ended, Observation) and all(name in ended.metrics for name in wanted):
        state, values = TrialState.COMPLETE, [ended.metrics[name] for name in wanted]
    elif isinstance(ended, Failure):
        state = TrialState.PRUNED if ended.kind == "pruned" else TrialState.FAIL
        attributes["failure"] = f"{ended.kind}: {ended.message}"[:1000]
    complete = space.complete(trial.settings)
    return create_trial(
        state=state,
        values=values,
        params={p.name: value_for(p, complete[p.name]) for p in here},
        distributions={p.name: distribution_of(p) for p in here},
        user_attrs=attributes,
        intermediate_values=steps,
        constraints=violations or None,
    )


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"
