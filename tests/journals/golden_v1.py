"""The events of ``v1.db``: every type, every kind of nested value.

The file stays as it was written. While format 1 is unreleased, ``python tests/journals/golden_v1.py`` writes it anew.
"""

from pathlib import Path

from knowhy.journal import SqliteJournal
from knowhy.model.events import (
    BeliefsUpdated,
    ContrastRegistered,
    Event,
    EvidenceUpdated,
    NoteAdded,
    ParameterChanged,
    RunEnded,
    RunStarted,
    StudyCreated,
    TheoryProposed,
    TrialCompleted,
    TrialFailed,
    TrialProposed,
    TrialStarted,
    TrialWithdrawn,
    Verdict,
)
from knowhy.model.objective import Constraint, Objective
from knowhy.model.observation import Curve, Failure, Observation
from knowhy.model.space import Choices, Condition, Interval, Origin, Parameter, Space
from knowhy.model.theory import Theory
from knowhy.model.trial import Arm, Contrast, Evidence, Predictive, Proposal, Stake

PATH = Path(__file__).with_name("v1.db")

_rate = Parameter(
    "lr", Interval(1e-4, 1.0, "log"), 0.01, "learning_rate", origin=Origin("constant", "train.py", 3, 40, 44, "1e-2")
)
_batch = Parameter(
    "batch", Interval(8.0, 512.0, "log", integer=True, power_of_two=True), 64, "batch_size", confidence=0.9
)
_mixed = Parameter(
    "mixed", Choices((True, 1, 1.0, "1", None)), None, active=False, condition=Condition("lr", (0.01, 1))
)
_point = {"lr": 0.03, "batch": 32, "mixed": None}
_default = {"lr": 0.01, "batch": 64, "mixed": True}
_loss = Predictive("val_loss", -0.7, 0.25, log=True)
_time = Predictive("seconds", 12.5, 3.0)

EVENTS: tuple[Event, ...] = (
    StudyCreated(
        "digits",
        (Objective("val_loss"), Objective("val_accuracy", "maximize")),
        Space((_rate, _batch, _mixed)),
        20261123,
        {"kind": "script", "path": "train.py", "hash": "abc", "lines": 63, "flags": False, "cost": 1.0, "none": None},
        "0.1.0",
        (Constraint("seconds", "<=", 60.0),),
    ),
    RunStarted(60, 1800.0, 2, "theory"),
    TheoryProposed(
        Theory(
            "T1",
            "Dropout closes the gap",
            "the gap grows while the training loss falls – it overfits",
            ("raising dropout from 0.1 to 0.4 lowers gap", "dropout matters for val_loss"),
            "why is there a gap?",
            "a gap that stays",
            "person",
            3,
        ),
        0.23,
    ),
    ContrastRegistered(Contrast("C1", "T1", "gap", -1, {"dropout": 0.1}, {"dropout": 0.4}, "random", 0.01)),
    ContrastRegistered(Contrast("C2", "", "val_loss", -1, _default, _point)),
    ParameterChanged(_mixed, "opened", "T1 points to it", "builtin"),
    TrialProposed(Proposal(1, _default, 7, "learn", "the default comes first", "engine")),
    TrialStarted(1, 1),
    TrialCompleted(
        1,
        Observation(
            {"val_loss": 0.1 + 0.2, "tiny": 5e-324, "zero": -0.0, "large": 1.7976931348623157e308},
            12.75,
            {"val_loss": Curve((0.0, 1.0, 2.5), (2.0, 1.0, 1 / 3)), "empty": Curve((), ())},
        ),
    ),
    TrialProposed(
        Proposal(
            2, _point, 2**70, "verify", "pair 1 of C1", "tpe", 0.31, 0.875, (_loss, _time),
            (Stake("T1", 0.23, 0.2, _loss, _time),), (Arm("C1", 1, True), Arm("C2", 1, False)),
        )
    ),
    TrialStarted(2, 3),
    TrialFailed(
        2,
        Failure(
            "exit", "ValueError: a\tb", 1.5, 'Traceback:\n  "x\\y" \x00\x1b[31m \udcff é 🙂', 1, {"val_loss": 9.0},
            {"val_loss": Curve((1.0,), (9.0,))},
        ),
    ),
    TrialFailed(3, Failure("timeout", "stopped after 60 s", 60.0)),
    TrialWithdrawn(4, "the budget is spent"),
    BeliefsUpdated(
        2, {"T1": 0.4}, {"T1": 0.23}, 0.05, -1.5, (Verdict("T1", 2.25),), {"val_loss": (0.1, 2.0), "none": ()}
    ),
    BeliefsUpdated(3, {}, {}, 0.0),
    EvidenceUpdated(Evidence("C1", 2, 2, 3.5, -0.02, -0.1, 0.06, False, (-0.01, -0.03))),
    NoteAdded("a person's remark", "person", 2),
    NoteAdded("nothing in particular", "engine"),
    RunEnded("60 trials are done"),
)  # fmt: skip


def write() -> None:
    """Write the file anew, with a clock that does not depend on the day."""
    PATH.unlink(missing_ok=True)
    times = (1.75e9 + n + 1 / 3 for n in range(len(EVENTS)))
    with SqliteJournal(PATH, wal=False, clock=lambda: next(times)) as journal:
        for event in EVENTS:
            journal.append([event])


if __name__ == "__main__":
    write()
