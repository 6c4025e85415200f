"""Writes the files in this folder with the real libraries: python tests/histories/make.py (needs mlflow, wandb).

Every file tells the same story, TRIALS: what the readers return can be compared with it.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).parent


def trial(number: int, lr: float, batch: int, opt: str, layers: int, momentum: float | None, fails: bool = False):
    loss = round(abs(lr - 0.01) * 10 + 0.02 * layers + (0.1 if opt == "adam" else 0.3 - 0.2 * (momentum or 0)), 6)
    params = {"lr": lr, "batch": batch, "opt": opt, "layers": layers}
    if momentum is not None:
        params["momentum"] = momentum
    if fails:
        return {"number": number, "params": params, "metrics": {}, "curve": [], "failed": True}
    curve = [round(loss * (3 - step), 6) for step in range(3)]
    return {
        "number": number,
        "params": params,
        "metrics": {"val_loss": loss, "val_acc": round(1 - loss, 6)},
        "curve": curve,
        "failed": False,
    }


TRIALS = [
    trial(0, 0.01, 32, "adam", 2, None),
    trial(1, 0.001, 32, "adam", 2, None),
    trial(2, 0.1, 64, "sgd", 3, 0.9),
    trial(3, 0.0001, 16, "adam", 1, None),
    trial(4, 1.0, 32, "sgd", 4, 0.5, fails=True),
    trial(5, 0.02, 16, "sgd", 2, 0.0),
    trial(6, 0.005, 64, "adam", 4, None),
    trial(7, 0.05, 32, "adam", 3, None),
    trial(8, 0.002, 16, "sgd", 1, 0.95),
    trial(9, 0.01, 32, "adam", 2, None),
]


def optuna_files() -> None:
    import optuna
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    ranges = {
        "lr": FloatDistribution(1e-5, 1.0, log=True),
        "batch": CategoricalDistribution((16, 32, 64)),
        "opt": CategoricalDistribution(("adam", "sgd")),
        "layers": IntDistribution(1, 4),
        "momentum": FloatDistribution(0.0, 0.99),
    }
    trials = [
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.FAIL if t["failed"] else optuna.trial.TrialState.COMPLETE,
            value=None if t["failed"] else t["metrics"]["val_loss"],
            params=t["params"],
            distributions={name: ranges[name] for name in t["params"]},
            user_attrs={} if t["failed"] else {"val_acc": t["metrics"]["val_acc"]},
            intermediate_values=dict(enumerate(t["curve"])),
        )
        for t in TRIALS
    ]
    (HERE / "optuna.log").unlink(missing_ok=True)
    (HERE / "optuna.db").unlink(missing_ok=True)
    for storage in (
        JournalStorage(JournalFileBackend(str(HERE / "optuna.log"))),
        f"sqlite:///{HERE / 'optuna.db'}",
    ):
        study = optuna.create_study(study_name="story", storage=storage)
        study.set_metric_names(["val_loss"])
        study.add_trials(trials)
    study.trials_dataframe().to_csv(HERE / "optuna_dataframe.csv", index=False)


def tables() -> None:
    names = ["lr", "batch", "opt", "layers", "momentum"]
    with (HERE / "plain.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["run", *names, "val_loss", "val_acc", "status"])
        for t in TRIALS:
            cells = [t["params"].get(n, "") for n in names] + [t["metrics"].get(m, "") for m in ("val_loss", "val_acc")]
            out.writerow([t["number"], *cells, "failed" if t["failed"] else "finished"])
    with (HERE / "nested.jsonl").open("w") as file:
        for t in TRIALS:
            row = {"name": f"run-{t['number']}", "state": "crashed" if t["failed"] else "finished"}
            row |= {"config": t["params"], "summary": t["metrics"]}
            file.write(json.dumps(row) + "\n")


def mlflow_stores() -> None:
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow

    shutil.rmtree(HERE / "mlruns", ignore_errors=True)
    (HERE / "mlflow.db").unlink(missing_ok=True)
    for uri in ((HERE / "mlruns").as_uri(), f"sqlite:///{HERE / 'mlflow.db'}"):
        mlflow.set_tracking_uri(uri)
        mlflow.create_experiment("story", artifact_location="nowhere")
        mlflow.set_experiment("story")
        for t in TRIALS:
            mlflow.start_run(run_name=f"run-{t['number']}")
            mlflow.log_params(t["params"])
            for step, value in enumerate(t["curve"]):
                mlflow.log_metric("val_loss", value, step=step)
            for name, value in t["metrics"].items():
                mlflow.log_metric(name, value, step=len(t["curve"]) - 1)
            mlflow.end_run("FAILED" if t["failed"] else "FINISHED")
    shutil.rmtree(HERE / "nowhere", ignore_errors=True)
    for tag in (HERE / "mlruns").rglob("tags"):
        shutil.rmtree(tag)  # who made it, and where
    for folder in (HERE / "mlruns").rglob("artifacts"):
        folder.rmdir()
    for meta in (HERE / "mlruns").rglob("meta.yaml"):
        text = meta.read_text().replace(str(HERE), "/somewhere").replace("user_id: root", "user_id: someone")
        meta.write_text(text)
    slim(HERE / "mlflow.db")


def slim(path: Path) -> None:
    """Leave out the tables that a store without models, traces and users never fills."""
    kept = {"experiments", "runs", "params", "metrics", "latest_metrics", "alembic_version"}
    with closing(sqlite3.connect(path)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if name not in kept:
                database.execute(f'DROP TABLE "{name}"')
        place = str(HERE)
        database.execute("UPDATE experiments SET artifact_location = replace(artifact_location, ?, '')", (place,))
        database.execute("UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ''), user_id = ''", (place,))
        database.commit()
        database.execute("VACUUM")


def wandb_runs() -> None:
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    import wandb

    shutil.rmtree(HERE / "wandb", ignore_errors=True)
    settings = wandb.Settings(x_disable_stats=True, x_disable_meta=True, disable_code=True, console="off")
    for t in TRIALS:
        run = wandb.init(
            project="story", dir=str(HERE), config=t["params"], name=f"run-{t['number']}", settings=settings
        )
        for step, value in enumerate(t["curve"]):
            run.log({"val_loss": value} | ({"val_acc": t["metrics"]["val_acc"]} if step == len(t["curve"]) - 1 else {}))
        run.finish(exit_code=1 if t["failed"] else 0)
    for path in sorted((HERE / "wandb").iterdir()):
        if path.is_symlink() or path.is_file():
            path.unlink()
            continue
        for part in path.iterdir():
            if part.is_dir():
                shutil.rmtree(part)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    optuna_files()
    tables()
    mlflow_stores()
    wandb_runs()
