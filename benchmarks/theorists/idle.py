"""How long workers wait while a theorist thinks: two workers, trials of 5 s, a model that takes 60 s a thought.

By the journal: a worker is busy from the record that hands it a trial to the record of its end.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from benchmarks.studies import Result
from benchmarks.theorists.server import Asked, Calls, Said, Slow, propose, serving
from knowhy.journal import SqliteJournal
from knowhy.model.events import Record, ThoughtEnded, TrialCompleted, TrialFailed, TrialStarted
from knowhy.study import Study

SCRIPT = Path(__file__).with_name("train.py")
WORKERS = 2


def perform(trials: int, *, quick: bool) -> Result:
    """Run the study twice, without and with the slow theorist; ``idle`` is the share of the workers' time."""
    thought, trial = (5.0, 0.9) if quick else (60.0, 5.0)
    return {
        "trials": trials,
        "workers": WORKERS,
        "seconds_a_trial": trial,
        "seconds_a_thought": thought,
        "without": _study(trials, trial, None),
        "with": _study(trials, trial, thought),
    }


def _study(trials: int, seconds: float, thought: float | None) -> dict[str, float]:
    def brain(asked: Asked) -> Said:
        """Looks, thinks, and proposes something new each time, in ``thought`` seconds."""
        share = (thought or 0.0) / 2
        if asked.turn == 0:
            return Slow(share, Calls((("list_trials", {"order": "best"}), ("parameters", {}))))
        claim = f"raising DROPOUT from 0.1 to {0.2 + 0.01 * (len(asked.text) % 50):.2f} lowers val_loss"
        return Slow(share, propose(theories=[{"title": "x", "because": "y", "claims": [claim], "probability": 0.7}]))

    with serving(brain) as server, tempfile.TemporaryDirectory(prefix="knowhy-idle-") as folder:
        script = Path(folder) / SCRIPT.name
        script.write_text(SCRIPT.read_text().replace('os.environ.get("KNOWHY_BENCH_SECONDS", "5")', f'"{seconds}"'))
        os.environ.update(server.environment())
        study = Study("idle", {"val_loss": "minimize"}, folder=folder)
        names = ("openai:gpt-4o",) if thought is not None else ()
        study.run(script, trials=trials, workers=WORKERS, theorists=names)
        journal = SqliteJournal(study.path / "journal.db")
        records = list(journal.read())
        journal.close()
        shutil.rmtree(study.path / "trials", ignore_errors=True)
    return measured(records)


def measured(records: list[Record]) -> dict[str, float]:
    """The idle share from the start of the first trial to the end of the last, and how many thoughts came out."""
    started: dict[int, float] = {}
    busy, first, last, thoughts = 0.0, None, 0.0, 0
    for record in records:
        match record.event:
            case TrialStarted() as e:
                started[e.trial] = record.time
                first = record.time if first is None else first
            case TrialCompleted() | TrialFailed() as e:
                busy += record.time - started[e.trial]
                last = record.time
            case ThoughtEnded():
                thoughts += 1
    span = last - (first or last)
    # At the very end one worker has nothing left to do: that is no waiting for a thought.
    ends = sorted(r.time for r in records if isinstance(r.event, (TrialCompleted, TrialFailed)))
    tail = ends[-1] - ends[-2] if len(ends) > 1 else 0.0
    return {"span": span, "idle": 1.0 - busy / (WORKERS * span - tail), "thoughts": thoughts}
