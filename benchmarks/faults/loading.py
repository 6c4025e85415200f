"""What is unpickled, evaluated or compiled while knowhy loads and shows what others wrote: an audit hook tells."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

# Runs in a process of its own: an audit hook cannot be taken out again.
WATCH = """
import json, sys, types
seen = []
armed = False
def hook(event, arguments):
    if not armed:
        return
    if event.startswith(("pickle.", "marshal.load")):
        seen.append([event, caller()])
    elif event == "compile":
        seen.append([event, caller()])
    elif event == "exec":
        code = arguments[0]
        # A module that is imported is executed too: its code comes from its own file, and not from data.
        if not code.co_filename.endswith(".py") and not code.co_filename.startswith("<frozen"):
            seen.append([event, code.co_filename + " " + caller()])
def caller():
    frame = sys._getframe(2)
    names = []
    while frame is not None and len(names) < 12:
        names.append(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(names)
sys.addaudithook(hook)
"""
IMPORTS = """
import knowhy, click
from click.testing import CliRunner
from knowhy.faces.cli import cli, COMMANDS
import knowhy.journal, knowhy.reports, knowhy.execution.local, knowhy.execution.orders, knowhy.samplers.classic
import knowhy.theorists.builtin, knowhy.subjects.script, knowhy.subjects.function, knowhy.engine.claims
import knowhy.engine.policy, knowhy.subjects.discovery, knowhy.execution.sandbox, knowhy.subjects.guarded
import optuna, sklearn.gaussian_process, scipy.stats, scipy.optimize
from knowhy.study import Study
trials = [5]
for name in COMMANDS:
    cli.get_command(click.Context(cli), name)
"""
LOADS = """
from knowhy.execution.collect import read_lines
from knowhy.journal.codec import decode
from knowhy.settings.options import load
from pathlib import Path
study = Study.open("train")
study.believe("raising LR from 0.05 to 0.2 lowers val_loss")
for words in (["status"], ["status", "--json"], ["best"], ["theories"], ["explain", "T1"], ["trials"], ["next"],
              ["report"], ["report", "--format", "md"], ["doctor"], ["believe", "LR matters for val_loss"]):
    CliRunner().invoke(cli, [*words, *(["--study", "train"])])
load({}, {}, Path("knowhy.toml"))
for path in Path(".knowhy/train/trials").glob("*/knowhy-result.jsonl"):
    read_lines(str(path))
list(study._journal.read())
trials[0] += 1
CliRunner().invoke(cli, ["run", "--trials", str(trials[0]), "--strategy", "random"], catch_exceptions=False)
"""
CONTROL = """
import pickle
text = pickle.dumps([1])
armed = True
pickle.loads(pickle.dumps(print))
armed = False
"""
# What reads a script under study, and runs nothing of it.
KNOWN = (
    "ast.py:parse",  # into a tree: the compiler with PyCF_ONLY_AST
    "symtable.py:symtable",  # into a table of its names
)


def events(base: Path) -> list[list[str]]:
    """What happened in a process that reads, shows and goes on with the study in ``base``.

    The last event is a control: something that is unpickled on purpose.
    """
    parts = (WATCH, IMPORTS, LOADS, "seen.clear()\narmed = True", LOADS, "armed = False", CONTROL)
    code = "\n".join((*parts, "print(json.dumps(seen))"))
    ran = subprocess.run([sys.executable, "-c", code], cwd=base, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise AssertionError(ran.stderr[-3000:])
    found: list[list[str]] = json.loads(ran.stdout.splitlines()[-1])
    return found


def study(base: Path) -> None:
    """A small study of a script, in ``base``."""
    (base / "train.py").write_text("LR = 0.1\nWIDTH = 8\nprint('val_loss:', (LR - 0.3) ** 2 + 1 / WIDTH)\n")
    (base / "knowhy.toml").write_text('[study]\nscript = "train.py"\n[objectives]\nval_loss = "minimize"\n')
    words = ["run", "train.py", "--metric", "val_loss", "--minimize", "--trials", "5"]
    ran = subprocess.run(
        [sys.executable, "-m", "knowhy", *words], cwd=base, capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        raise AssertionError(ran.stderr)


def unexplained(found: list[list[str]]) -> list[str]:
    """Those that no library explains, the control aside; raises AssertionError where the hook saw not even that."""
    if not found or not found[-1][0].startswith("pickle."):
        raise AssertionError("the audit hook does not work")
    return [f"{event} {where}" for event, where in found[:-1] if not any(known in where for known in KNOWN)]


def main() -> int:
    """Tell what was seen."""
    with tempfile.TemporaryDirectory() as base:
        study(Path(base))
        found = events(Path(base))
    strange = unexplained(found)
    for one in strange[:20]:
        print(one)
    kinds = {event for event, _ in found}
    print(f"{len(found)} events ({', '.join(sorted(kinds)) or 'none'}), {len(strange)} that load or run data")
    return 1 if strange else 0
