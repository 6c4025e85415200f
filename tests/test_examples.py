"""The examples are plain scripts: they know nothing of knowhy, repeat for a seed, and print their metrics."""

from __future__ import annotations

import ast
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from knowhy.demo import SCRIPT

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = {"digits": SCRIPT, **{p.parent.name: p for p in sorted(EXAMPLES.glob("*/train.py"))}}


def run(script: Path, folder: Path, *arguments: str) -> dict[str, float]:
    """The metrics that a run in ``folder`` prints last."""
    done = subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name: float(value) for name, value in re.findall(r"\b(\w+): (\S+)", done.stdout)}


def edited(script: Path, folder: Path, **constants: str) -> Path:
    """A copy with other constants."""
    text = script.read_text(encoding="utf-8")
    for name, value in constants.items():
        text, count = re.subn(rf"(?m)^( *{name}\b[^=\n]*= ).*$", rf"\g<1>{value}", text, count=1)
        assert count == 1, name
    copy = folder / "train.py"
    copy.write_text(text, encoding="utf-8")
    return copy


def test_there_are_four() -> None:
    assert set(SCRIPTS) == {"digits", "boosting", "svm", "gpt"}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_they_do_not_know_knowhy(script: Path) -> None:
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not any(name.split(".")[0] == "knowhy" for name in names)


def test_digits(tmp_path: Path) -> None:
    one, two = run(SCRIPT, tmp_path), run(SCRIPT, tmp_path)
    assert one == two
    assert one["train_loss"] < 0.1 < 0.4 < one["val_loss"]  # it overfits
    cured = run(edited(SCRIPT, tmp_path, DROPOUT="0.3"), tmp_path)
    assert cured["val_loss"] < one["val_loss"] - 0.05
    other = run(edited(SCRIPT, tmp_path, SEED="1"), tmp_path)
    assert 0 < abs(other["val_loss"] - one["val_loss"]) < 0.3


def test_digits_diverges_at_a_rate_that_is_too_high(tmp_path: Path) -> None:
    script = edited(SCRIPT, tmp_path, LEARNING_RATE="30.0", EPOCHS="5")
    found = run(script, tmp_path)
    assert math.isnan(found["val_loss"]) or found["val_loss"] > 2


def test_svm(tmp_path: Path) -> None:
    script = SCRIPTS["svm"]
    plain = run(script, tmp_path)
    scaled = run(edited(script, tmp_path, standardize="True", C="10.0"), tmp_path)
    assert scaled["val_error"] < plain["val_error"] - 0.02


def test_boosting(tmp_path: Path) -> None:
    script = SCRIPTS["boosting"]
    plain = run(script, tmp_path, "--n-estimators", "100")
    stumps = run(script, tmp_path, "--n-estimators", "100", "--max-depth", "1")
    assert plain["train_rmse"] < stumps["train_rmse"]
    assert stumps["val_rmse"] < plain["val_rmse"]


def test_gpt_learns(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    short = tmp_path / "short.py"
    text = SCRIPTS["gpt"].read_text(encoding="utf-8")
    assert text.count("budget = 3e11") == 1
    short.write_text(text.replace("budget = 3e11", "budget = 5e9"), encoding="utf-8")
    assert run(short, tmp_path)["val_bpb"] < 7  # bits a byte; knowing nothing costs 8
