"""An MLflow tracking database in an SQLite file, read with SQL and nothing else."""

from __future__ import annotations

from pathlib import Path

from knowhy.histories.cells import read_cell
from knowhy.histories.databases import opened
from knowhy.histories.history import History, Request, limited, number
from knowhy.histories.mlflow_store import Run, choose, history_of_runs

_RUNS = """SELECT run_uuid, name, status, start_time, end_time FROM runs
           WHERE experiment_id = ? AND lifecycle_stage = 'active' ORDER BY start_time"""
_OF_RUNS = "IN (SELECT run_uuid FROM runs WHERE experiment_id = ?)"


def read_mlflow_database(path: Path, request: Request) -> History:
    """The runs of one experiment in the database at ``path``; raises UsageError."""
    with opened(path) as database:
        named = database.execute(
            "SELECT e.name, e.experiment_id, COUNT(r.run_uuid) FROM experiments e LEFT JOIN runs r "
            "ON r.experiment_id = e.experiment_id GROUP BY e.experiment_id"
        ).fetchall()
        chosen = choose(str(path), {str(name): count for name, _, count in named}, request.member)
        experiment = next(identity for name, identity, _ in named if str(name) == chosen)
        runs: dict[str, Run] = {}
        for identity, name, status, start, end in database.execute(_RUNS, (experiment,)):
            finish = end / 1000.0 if isinstance(end, (int, float)) else None
            begin = start / 1000.0 if isinstance(start, (int, float)) else 0.0
            runs[str(identity)] = Run(
                str(identity)[:60], str(name or ""), str(status), begin, finish, note=str(name or "")
            )
        limited(len(runs), str(path))
        for key, value, identity in database.execute(
            f"SELECT key, value, run_uuid FROM params WHERE run_uuid {_OF_RUNS}", (experiment,)
        ):
            there, found = read_cell(str(value))
            if there and str(identity) in runs:
                runs[str(identity)].params[str(key)] = found
        for key, value, step, nan, identity in database.execute(
            f"SELECT key, value, step, is_nan, run_uuid FROM metrics WHERE run_uuid {_OF_RUNS} "
            "ORDER BY step, timestamp",
            (experiment,),
        ):
            if str(identity) in runs and isinstance(value, (int, float)):
                measured = float("nan") if nan else number(value)
                place = float(step) if isinstance(step, (int, float)) else 0.0
                runs[str(identity)].points.setdefault(str(key), []).append((place, measured))
    return history_of_runs("mlflow", str(path), chosen, list(runs.values()), request)
