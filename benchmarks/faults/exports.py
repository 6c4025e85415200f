"""Hostile names, values and numbers in what goes out as CSV, JSON lines, results.tsv and Optuna storages, and comes in.

``python -m benchmarks.faults exports`` writes and reads some thousands of files; the suite runs a few of each.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import random
import sqlite3
import tempfile
from contextlib import closing
from io import StringIO
from pathlib import Path

from benchmarks.faults.output import HTML, NAMES, NUMBERS, STEERING, VALUES, Tally
from knowhy.cases.exporting import text_of, write
from knowhy.errors import KnowhyError
from knowhy.faces import render
from knowhy.faces.commands.histories import _lines
from knowhy.faces.text import safe
from knowhy.histories.cells import FORMULA, read_cell, steers
from knowhy.model.events import (
    Record,
    RunStarted,
    StudyCreated,
    TrialCompleted,
    TrialFailed,
    TrialProposed,
    TrialStarted,
)
from knowhy.model.objective import Objective
from knowhy.model.observation import LARGEST, Failure, Observation
from knowhy.model.space import Choices, Interval, Parameter, Scalar, Space
from knowhy.model.state import State, fold
from knowhy.model.trial import Proposal
from knowhy.reports import write_html, write_markdown
from knowhy.study import Study

_TEXTS = (
    *NAMES,
    *STEERING,
    "=1+1",
    "+1+1",
    "-1+1",
    "@A1",
    "\t=1",
    "\r=1",
    " =1",
    "|calc",
    "'=1",
    '"=1"',
    '=HYPERLINK("http://x.invalid","y")',
    "1",
    "true",
    "nan",
    "None",
    "a,b;c",
    "a\nb",
    "\u2066a\u2069",
    "\ufeff=1",
    "\\N",
)
_PARAMETERS = (
    "=1+1",
    "@SUM(1)",
    "+lr",
    "-lr",
    "<img/src=x>",
    "../../x",
    "__class__",
    "lr|x",
    "lr;x",
    "lr,x",
    "${x}",
    "%s",
)


def state(rng: random.Random) -> State:
    """A study in which everything that is text wants to do something."""
    texts = tuple(dict.fromkeys(t.encode("utf-8", "replace").decode() for t in rng.sample(_TEXTS, 6)))
    names = rng.sample(_PARAMETERS, 2)
    space = Space((Parameter(names[0], Interval(0.0, 1.0), 0.5), Parameter(names[1], Choices(texts), texts[0])))
    metric = rng.choice(("loss", "=loss", "<b>loss</b>", "lo,ss"))
    events: list[object] = [
        StudyCreated("hostile", (Objective(metric),), space, 0, {"kind": "script", "path": texts[0]}, "0"),
        RunStarted(6, None, 1, "theory"),
    ]
    for number in range(1, 7):
        point: dict[str, Scalar] = {names[0]: 0.5 if number == 1 else rng.random(), names[1]: rng.choice(texts)}
        events += [TrialProposed(Proposal(number, point, number, "learn", rng.choice(texts))), TrialStarted(number, 1)]
        numbers = {metric: rng.choice(VALUES), rng.choice(texts) or "other": rng.choice(VALUES)}
        small = {name: value for name, value in numbers.items() if abs(value) <= LARGEST}
        if metric in small:
            events.append(TrialCompleted(number, Observation(small, rng.random())))
        else:
            events.append(TrialFailed(number, Failure("exit", rng.choice(texts), rng.random(), log_tail=texts[0])))
    return fold(Record(i, float(i), event, "") for i, event in enumerate(events, start=1))  # type: ignore[arg-type]


def exported(rng: random.Random, folder: Path, tally: Tally, *, optuna: bool) -> None:
    """Write a hostile study in every format; look at it as a spreadsheet, a terminal and Python would."""
    made = state(rng)
    for form in ("csv", "results.tsv", "jsonl"):
        tally.cases += 1
        try:
            text = text_of(made, form)
        except Exception as error:
            tally.problems.append(f"{form}: {type(error).__name__} {error}")
            continue
        if steers(text):
            tally.problems.append(f"{form}: it steers a terminal: {[c for c in text if steers(c)][:3]!r}")
        if form != "jsonl":
            delimiter = "," if form == "csv" else "\t"
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
                tally.problems += [f"{form}: a formula: {cell[:80]!r}" for cell in row if _runs(cell)]
    rows = [json.loads(line, parse_constant=_refuse) for line in text_of(made, "jsonl").splitlines()]
    if [list(r["params"].values()) for r in rows] != [list(made.trials[n].proposal.point.values()) for n in made.order]:
        tally.problems.append("jsonl: other values than the study's")
    table = list(csv.DictReader(io.StringIO(text_of(made, "csv"), newline="")))
    if len(table) != len(made.order):
        tally.problems.append(f"csv: {len(table)} rows of {len(made.order)} trials")
        return
    kept = [
        {str(read_cell(v)[1]) for k, v in row.items() if "params." in k}
        == {str(v) for v in made.trials[n].proposal.point.values()}
        for row, n in zip(table, made.order, strict=True)
    ]
    if not all(kept):
        tally.problems.append("csv: other values than the study's")
    if optuna:
        tally.cases += 1
        target = folder / "o.db"
        try:
            write(made, "optuna", target, force=True)
            with closing(sqlite3.connect(target)) as storage:
                values = [v for (v,) in storage.execute("SELECT value FROM trial_values")]
            if not all(isinstance(v, float) and math.isfinite(v) for v in values):
                tally.problems.append(f"optuna: values {values}")
        except KnowhyError:
            pass
        except Exception as error:
            tally.problems.append(f"optuna: {type(error).__name__} {error}")


def _runs(cell: str) -> bool:
    """Whether a spreadsheet takes a cell for a formula: it starts like one and is no number."""
    return cell.lstrip("\ufeff \n").startswith(FORMULA) and not isinstance(read_cell(cell)[1], (int, float))


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


# The way in


def table(rng: random.Random) -> tuple[str, bytes]:
    """The name and the bytes of a hostile file that somebody hands over as a history."""
    made = state(rng)
    form = rng.choice(("csv", "jsonl", "results.tsv"))
    data = bytearray(text_of(made, form).encode("utf-8", "replace"))  # type: ignore[arg-type]
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            data[at:at] = rng.choice(NUMBERS)[:6000].encode()
        elif kind == 1:
            data[at:at] = rng.choice(_TEXTS).encode("utf-8", "surrogatepass")
        elif kind == 2:
            del data[at : at + rng.randrange(60)]
        elif kind == 3 and data:
            data[min(at, len(data) - 1)] = rng.randrange(256)
        elif kind == 4:
            data[at:at] = rng.choice((b"\n", b"\r", b'"', b",", b"\t", b"{", b"[" * 2000, b"\x00", b"\xff"))
        else:
            data = data[:at]
    return f"history.{'tsv' if form == 'results.tsv' else form}", bytes(data)


def imported(rng: random.Random, folder: Path, tally: Tally, *, whole: bool) -> None:
    """Hand a hostile file over: it is read, or refused by name; no number is made up, nothing that is shown steers."""
    name, data = table(rng)
    path = folder / ("results.tsv" if name.endswith("tsv") else name)
    path.write_bytes(data)
    tally.cases += 1
    study = Study(f"s{tally.cases}", folder=folder / "studies")
    try:
        done = study.import_history(path, look=not whole)
    except KnowhyError as error:
        if steers(safe(f"{error.message} {error.hint}")):  # as commands show it
            tally.problems.append(f"an error steers: {error.message!r}")
        return
    except Exception as error:
        tally.problems.append(f"{type(error).__name__} {error} from {path.name}: {data[:300]!r}")
        return
    screen = StringIO()
    with contextlib.redirect_stdout(screen):
        console = render.console()  # the one that people see
    for line in _lines(done):
        console.print(line)
    if not whole:
        return
    made = study.state
    for trial in made.completed:
        bad = [v for v in trial.observation.metrics.values() if not math.isfinite(v)]
        if bad:
            tally.problems.append(f"a metric is {bad[0]}")
    for line in (*render.overview_lines(study.status), *render.trials_lines(study.trials, made.objective.metric, 200)):
        console.print(line)
    if any(c != "\n" and steers(c) for c in screen.getvalue()):
        tally.problems.append(f"the terminal is steered by {data[:200]!r}")
    page, markdown = write_html(made, study.mind), write_markdown(made, study.mind)
    if HTML in page or "<script>knowhy" in page or HTML in markdown or safe(markdown) != markdown.replace("\t", " "):
        tally.problems.append(f"a report carries what a name says: {data[:200]!r}")


def fuzz(exports: int, imports: int, whole: int, seed: int = 0) -> Tally:
    """``exports`` studies as text (one in ten for Optuna), and ``imports`` files, ``whole`` of them to the end."""
    rng, tally = random.Random(seed), Tally()
    with tempfile.TemporaryDirectory(prefix="knowhy-exports-") as folder:
        for number in range(exports):
            exported(rng, Path(folder), tally, optuna=number % 10 == 0)
        for number in range(imports):
            imported(rng, Path(folder), tally, whole=number < whole)
    return tally


def main() -> int:
    """A thousand studies out, three thousand files in, 60 of these to the end."""
    return fuzz(1_000, 3_000, 60).told()
