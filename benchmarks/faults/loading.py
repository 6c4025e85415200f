"""What is unpickled, evaluated or compiled while knowhy loads and shows what others wrote: an audit hook tells."""

from __future__ import annotations

import json
import shutil
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
from knowhy import background
from knowhy.errors import KnowhyError
from knowhy.faces.mcp.acting import Acting
from knowhy.faces.mcp.project import Project
from knowhy.faces.mcp.reading import Reading
from knowhy.theorists.llm.answers import Answer
from knowhy.theorists.llm.examination import examine
from knowhy.theorists.llm.replay import Replayed
from knowhy.subjects import documents
from pydantic import TypeAdapter
from pathlib import Path
acting, reading = Acting(Project(Path("."))), Reading(Project(Path(".")))
loaded, refused = [], []
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
MORE = """
# Histories of every kind, and what was written here.
for form in ("csv", "jsonl", "results.tsv", "optuna"):
    CliRunner().invoke(cli, ["export", "--format", form, "--out", f"out.{form}", "--force", "--study", "train"])
here = [*sorted(map(str, Path("histories").iterdir())), "out.csv", "out.jsonl", "out.optuna", ".knowhy/train"]
for number, source in enumerate([*here, "results.tsv"]):
    into = ["--study", f"h{trials[0]}-{number}", "--folder", "imports"]
    done = CliRunner().invoke(cli, ["import", source, *into])
    (loaded if done.exit_code == 0 else refused).append(source + "" if done.exit_code == 0 else source + done.output)
    CliRunner().invoke(cli, ["status", *into])
# What a coding agent sends, and what a language model answered once.
for call in (
    lambda: acting.suppose(["raising LR from 0.05 to 0.2 lowers val_loss"], "why", "train"),
    lambda: acting.suppose(["__import__('os').system('true')"], "why", "train"),
    lambda: reading.predict([{"LR": 0.2}], "train"),
    lambda: reading.predict([{"LR": "__import__('os')"}], "train"),
    lambda: reading.overview("train"),
    lambda: reading.trial(1, "train"),
    lambda: reading.best("train"),
    lambda: background.read_launch(study),
):
    try:
        call()
    except KnowhyError:
        pass
thought = decode(THOUGHT).thought
answer = TypeAdapter(Answer).validate_json(ANSWER)
examine(answer, study.state, "openai:m", lambda text: text, room=6)
Replayed([(0, thought)]).propose(study.state)
for suffix, text in ((".yaml", "lr: 0.1 # x\\n"), (".json", '{"lr": 0.1}'), (".toml", "lr = 0.1\\n")):
    documents.values(text.encode(), suffix)
"""
CONTROL = """
import pickle
text = pickle.dumps([1])
armed = True
pickle.loads(pickle.dumps(print))
armed = False
"""
HISTORIES = Path(__file__).parents[2] / "tests" / "histories"
RESULTS = """commit\tval_bpb\tmemory_gb\tstatus\tdescription
a1b2c3d\t0.997\t44.0\tkeep\tbaseline
b2c3d4e\t0.993\t44.2\tkeep\tincrease LR to 0.04
c3d4e5f\t1.005\t44.0\tdiscard\t__import__('os').system('true')
"""
ANSWER = json.dumps({"critique": "__import__('os').system('true')", "theories": []})
THOUGHT = json.dumps(
    {
        "type": "ThoughtEnded",
        "thought": {
            "by": "openai:m", "moment": "start", "after": 0, "outcome": "answered", "message": "", "model": "m",
            "prompt": "", "critique": "__import__('os')", "theories": [], "requests": [],
            "usage": {"requests": 1, "tool_calls": 0, "input_tokens": 1, "output_tokens": 1, "seconds": 1.0},
        },
    }
)  # fmt: skip
# What reads a script under study and runs nothing of it, and what libraries make of their own code.
KNOWN = (
    "ast.py:parse",  # into a tree: the compiler with PyCF_ONLY_AST
    "symtable.py:symtable",  # into a table of its names
    "alembic/util/pyfiles.py:load_module_py",  # Optuna's own migrations: modules of its package
    "sqlalchemy/orm/instrumentation.py:_generate_init",  # constructors of Optuna's own tables
)


def events(base: Path, *, everywhere: bool = False) -> list[list[str]]:
    """What happened in a process that reads, shows and goes on with the study in ``base``.

    ``everywhere``: also with histories of every kind, what a coding agent sends, and what a language model said.
    The last event is a control: something that is unpickled on purpose.
    """
    loads = LOADS + MORE if everywhere else LOADS
    parts = (WATCH, IMPORTS, loads, "seen.clear()\narmed = True", loads, "armed = False", CONTROL)
    given = f"THOUGHT, ANSWER = {THOUGHT!r}, {ANSWER!r}"
    code = "\n".join((given, *parts, "print(json.dumps([refused, loaded]))", "print(json.dumps(seen))"))
    ran = subprocess.run([sys.executable, "-c", code], cwd=base, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise AssertionError(ran.stderr[-3000:])
    *_, sources, seen = ran.stdout.splitlines()
    refused, loaded = json.loads(sources)
    print(f"{len(loaded)} histories were read: {', '.join(loaded)}; not {refused}", file=sys.stderr)
    if everywhere and len(loaded) < 2 * 9:  # twice: tables, Optuna, MLflow, a study, results.tsv, and exports
        raise AssertionError(f"too few histories were read: {loaded}; {refused}")
    found: list[list[str]] = json.loads(seen)
    return found


def study(base: Path) -> None:
    """A small study of a script, in ``base``."""
    (base / "train.py").write_text("LR = 0.1\nWIDTH = 8\nprint('val_loss:', (LR - 0.3) ** 2 + 1 / WIDTH)\n")
    shutil.copytree(HISTORIES, base / "histories", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (base / "results.tsv").write_text(RESULTS)
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
        found = events(Path(base), everywhere=True)
    strange = unexplained(found)
    for one in strange[:20]:
        print(one)
    kinds = {event for event, _ in found}
    print(f"{len(found)} events ({', '.join(sorted(kinds)) or 'none'}), {len(strange)} that load or run data")
    return 1 if strange else 0
