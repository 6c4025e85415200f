"""Who measures is settled once: runs, certificates and comparisons ask the same evaluator."""

from pathlib import Path

import knowhy
from knowhy.cases.conduct import ran_before
from knowhy.model.trust import Trust

SCRIPT = """\
LR = 0.1
open("model.txt", "w").write(str(LR))
print("train_loss:", 0.0)
"""
EVALUATE = """\
import os
lr = float(open(os.path.join(os.environ["KNOWHY_ARTIFACT"], "model.txt")).read())
print("val_loss:", 1.0 + (lr - 0.2) ** 2)
"""


def test_a_comparison_is_measured_by_the_evaluator(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "evaluate.py").write_text(EVALUATE)
    trust = Trust(evaluate="python evaluate.py")
    view = knowhy.compare(
        str(tmp_path / "train.py"),
        objectives={"val_loss": "minimize"},
        name="who",
        folder=tmp_path / ".knowhy",
        strategies=("random",),
        trials=3,
        fresh=1,
        trust=trust,
    )
    assert view.finished
    for study in ("random-0", "fresh"):
        state = knowhy.Study.open(study, folder=tmp_path / ".knowhy" / "who" / "compare").state
        assert state.completed
        assert all(t.observation.metrics["val_loss"] >= 1.0 for t in state.completed)


def test_what_certifies_runs_as_the_study_did() -> None:
    trust = Trust(evaluate="python evaluate.py")
    assert ran_before({"kind": "script", "path": "train.py", "arguments": ""}, trust=trust).trust == trust
