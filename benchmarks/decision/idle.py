"""How long workers wait: a real study, in a journal on disk, of a script that trains for a second."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.studies import Result
from knowhy.model.trial import Completed, Failed
from knowhy.study import Study

SCRIPT = Path(__file__).with_name("train.py")


def perform(trials: int, workers: int, strategy: str = "theory") -> Result:
    """Run ``trials`` trials with ``workers`` workers.

    ``idle`` is the share of the workers' time, from the start of the first trial to the end of the last, in which no
    trial ran: decisions, journal, and the starting and ending of processes. A trial runs while its process does.
    ``handed`` is the same by the journal: a worker is busy from the moment that a trial is handed over.
    """
    started: dict[int, float] = {}
    ended: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="knowhy-idle-") as folder:
        study = Study("idle", {"val_loss": "minimize"}, folder=folder)

        def watch(state: object) -> None:
            now = time.monotonic()
            for number, trial in study.state.trials.items():
                if isinstance(trial, (Completed, Failed)):
                    ended.setdefault(number, now)
                elif type(trial).__name__ == "Running":
                    started.setdefault(number, now)

        study.run(SCRIPT, trials=trials, workers=workers, strategy=strategy, watch=watch)  # type: ignore[arg-type]
        done = [t for t in study.state.trials.values() if isinstance(t, (Completed, Failed))]
    busy = sum(t.observation.duration if isinstance(t, Completed) else t.failure.duration for t in done)
    span = max(ended.values()) - min(started.values())
    handed = sum(ended[n] - started[n] for n in ended)
    return {
        "strategy": strategy,
        "trials": len(done),
        "workers": workers,
        "span": span,
        "mean_trial": busy / len(done),
        "idle": 1.0 - busy / (workers * span),
        "handed": 1.0 - handed / (workers * span),
        "failed": sum(isinstance(t, Failed) for t in done),
    }
