"""Hostile output: what a trial prints and reports, and what stands in a journal, made up at random with bad intent."""

from __future__ import annotations

import contextlib
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from knowhy.engine.mind import Mind
from knowhy.errors import JournalError, KnowhyError
from knowhy.execution.collect import Report, collect, judge
from knowhy.execution.text import clean
from knowhy.faces import render
from knowhy.journal.codec import decode, encode
from knowhy.model.events import (
    Event,
    Record,
    RunEnded,
    RunStarted,
    StudyCreated,
    TrialCompleted,
    TrialFailed,
    TrialProposed,
    TrialStarted,
)
from knowhy.model.job import Job
from knowhy.model.objective import Objective
from knowhy.model.observation import LARGEST, Observation, Outcome
from knowhy.model.space import Choices, Interval, Parameter, Point, Space
from knowhy.model.state import State, fold
from knowhy.model.trial import Proposal
from knowhy.reports import write_html, write_markdown
from knowhy.views import as_json, overview, trials

HTML = "<img src=x onerror=knowhy_canary()>"
STEERING = ("\x1b[2J", "\x1b]0;title\x07", "\x1b[31m", "\x9b1m", "\u202e", "\x00", "\x07", "\r", "\u2028", "\x7f")
NAMES = (
    HTML,
    "</script><script>knowhy_canary()</script>",
    "../../../etc/passwd",
    "/etc/shadow",
    "C:\\Windows\\x",
    "=cmd|' /C calc'!A0",
    "@SUM(1)",
    "a" * 5000,
    "\x1b[2Jloss",
    "lo\u202ess",
    "javascript:knowhy_canary()",
    "`rm -rf`",
    "[link](javascript:knowhy_canary())",
    "{{7*7}}",
    "%s%n",
    "[bold]loss[/bold]",
    "__class__",
    "\ud800",
    "",
    " ",
    "loss\n# heading",
    "| a | b |",
    "'; DROP TABLE records; --",
    "ﷺ" * 50,
    "0\u0301\u0301\u0301\u0301\u0301",
)
NUMBERS = (
    "0.5", "-1", "1e308", "-1e308", "5e-324", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1" + "0" * 400,
    "9" * 5000,
    "0x10", "1_000", "null", "true", '"0.1"', "[0.1]", '{"a": 0.1}', "1e", "--1", "٣", "1.7976931348623157e308",
    "-0.0", "00.1", "1,2", "[" * 3000 + "]" * 3000, '{"a":' * 500 + "1" + "}" * 500,
)  # fmt: skip
VALUES = (0.3, 1e308, -1e308, 5e-324, 0.0, -0.0, 1e-300, 1e150, -1e150, 1.7976931348623157e308, 2.0, 3.0)


@dataclass
class Tally:
    """What was tried, and what went wrong."""

    cases: int = 0
    problems: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def told(self) -> int:
        """Say what came of it; the exit code of a command that ends so."""
        for problem in self.problems[:20]:
            print(problem[:500], file=sys.stderr)
        print(f"{self.cases} cases in {time.monotonic() - self.started:.0f} s, {len(self.problems)} problems")
        return 1 if self.problems else 0


def text(rng: random.Random) -> bytes:
    """A piece of hostile output."""
    kind = rng.randrange(8)
    if kind == 0:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
    if kind == 1:
        return (rng.choice(NAMES) + rng.choice((": ", "=", " = ", "\t")) + rng.choice(NUMBERS)).encode(
            "utf-8", "replace"
        )
    if kind == 2:
        return rng.choice(STEERING).encode("utf-8", "surrogatepass") * rng.randrange(1, 40)
    if kind == 3:
        return b"Traceback (most recent call last):\n" + rng.choice(NAMES).encode("utf-8", "replace") + b"\nMemoryError"
    if kind == 4:
        return (f"loss: {rng.choice(NUMBERS)[:300]}").encode()
    if kind == 5:
        return b"\xff\xfe\xc3\x28" * rng.randrange(50)
    if kind == 6:
        return b"x" * rng.randrange(30_000)
    return HTML.encode() + b"\r\n\r" * rng.randrange(5)


def line(rng: random.Random) -> bytes:
    """A line of a hostile result file."""
    kind = rng.randrange(6)
    if kind == 0:
        return text(rng)
    if kind == 1:
        name = json.dumps(rng.choice(NAMES))
        return f"{{{name}: {rng.choice(NUMBERS)}, {name}: {rng.choice(NUMBERS)}}}".encode("utf-8", "replace")
    if kind == 2:
        return f'{{"step": {rng.choice(NUMBERS)}, "loss": {rng.choice(NUMBERS)}}}'.encode()
    if kind == 3:
        return rng.choice((b"[]", b"null", b"1", b'"loss"', b"{", b"}", b"{}", b"[" * 100_000, b'{"a":' * 5000))
    if kind == 4:
        return ('{"loss": ' + rng.choice(NUMBERS) + "}").encode()
    return json.dumps({rng.choice(NAMES): rng.choice(VALUES) for _ in range(3)}).encode()


def number_in(lines: Sequence[bytes]) -> float | None:
    """The loss that a result file truly gives last: a number of JSON, as the only reader that is asked here says it."""
    last = None
    for one in lines:
        for part in one.split(b"\n"):
            try:
                found = json.loads(part) if len(part) <= 1 << 16 else None
            except (ValueError, RecursionError):
                continue
            for name, value in found.items() if isinstance(found, dict) else ():
                # A name that steers is read without what steers.
                if clean(name) == "loss" and isinstance(value, (int, float)) and not isinstance(value, bool):
                    try:
                        last = float(value)
                    except OverflowError:
                        last = math.inf
    return last


def case(rng: random.Random, folder: Path, tally: Tally) -> Outcome | None:
    """Make up what one trial left, judge it, and see that its outcome can be kept."""
    log = b"\n".join(text(rng) for _ in range(rng.randrange(6)))
    lines = [line(rng) for _ in range(rng.randrange(8))]
    (folder / "log").write_bytes(log)
    (folder / "result").write_bytes(b"\n".join(lines))
    job = Job(1, (), str(folder), str(folder / "result"), str(folder / "log"), ("loss",))
    tally.cases += 1
    what = repr((log[:200], lines))[:600]
    try:
        outcome = collect(job, rng.choice((0, 0, 0, 1, -9, -11, 137, None)), 1.0, timed_out=rng.random() < 0.05)
        event: Event = TrialCompleted(1, outcome) if isinstance(outcome, Observation) else TrialFailed(1, outcome)
        if decode(encode(event)) != event:
            tally.problems.append(f"not the same after the journal: {what}")
    except Exception as error:
        tally.problems.append(f"{type(error).__name__} {error}: {what}")
        return None
    for name, value in outcome.metrics.items():
        if not (type(value) is float and math.isfinite(value)):
            tally.problems.append(f"{name!r} is {value!r}: {what}")
        if any(c in name for c in ("\x1b", "\x00", "\x07", "\r", "\u202e")):
            tally.problems.append(f"a name that steers, {name!r}: {what}")
    true = number_in(lines)
    seen = outcome.metrics.get("loss")
    if true is not None and abs(true) > LARGEST:
        true = math.inf  # no training measures that
    if true is not None and math.isfinite(true) and seen != true:
        tally.problems.append(f"loss is {seen}, reported was {true}: {what}")
    if true is not None and not math.isfinite(true) and seen is not None:
        tally.problems.append(f"loss is {seen}, reported was {true}: {what}")
    return outcome


def body(rng: random.Random, bodies: Sequence[str], tally: Tally) -> None:
    """Change the body of an event at random: it is read, or refused by name."""
    chosen = rng.choice(bodies)
    kind = rng.randrange(5)
    if kind == 0:
        at = rng.randrange(len(chosen))
        chosen = chosen[:at] + chr(rng.randrange(0x110000 if rng.random() < 0.2 else 128)) + chosen[at + 1 :]
    elif kind == 1:
        chosen = chosen[: rng.randrange(len(chosen))]
    elif kind == 2:
        found = json.loads(chosen)
        found[rng.choice([*found, "new"])] = rng.choice(
            [None, [], {}, 1e308, -1, True, "x", HTML, [[[]]], {"type": "Trial"}]
        )
        chosen = json.dumps(found)
    elif kind == 3:
        chosen = chosen.replace("1", rng.choice(NUMBERS), 1)
    else:
        chosen = rng.choice(NUMBERS) + rng.choice(NAMES)
    tally.cases += 1
    try:
        event = decode(chosen)
        encode(event)
    except JournalError:
        return
    except Exception as error:
        tally.problems.append(f"{type(error).__name__} {error}: the body {chosen[:300]!r}")


def state_of(outcomes: Sequence[Outcome], names: Sequence[str]) -> State:
    """A study whose parameters and trials have hostile names, and whose trials ended with ``outcomes``."""
    values = tuple(dict.fromkeys(names))
    space = Space((Parameter("lr", Interval(0.0, 1.0), 0.5), Parameter("kind", Choices(values), values[0])))
    events: list[Event] = [
        StudyCreated("hostile", (Objective("loss"),), space, 0, {"kind": "script", "path": names[0]}, "0"),
        RunStarted(len(outcomes), None, 1, "theory"),
    ]
    rng = random.Random(0)
    for number, outcome in enumerate(outcomes, start=1):
        point: Point = {"lr": 0.5 if number == 1 else rng.random(), "kind": rng.choice(values)}
        events += [TrialProposed(Proposal(number, point, number, "learn", names[number % len(names)]))]
        events += [TrialStarted(number, 1)]
        events += [
            TrialCompleted(number, outcome) if isinstance(outcome, Observation) else TrialFailed(number, outcome)
        ]
    events.append(RunEnded(names[-1]))
    kept = [decode(encode(event)) for event in events]
    return fold(Record(i, float(i), event, "") for i, event in enumerate(kept, start=1))


def show(outcomes: Sequence[Outcome], rng: random.Random, tally: Tally) -> None:
    """Think about hostile outcomes and show them in every way there is."""
    names = [n.encode("utf-8", "replace").decode()[:200] for n in rng.sample(NAMES, 4)]
    tally.cases += 1
    try:
        state = state_of(outcomes, [*names, HTML])
        mind = Mind()
        for update in mind.beliefs.update(state):
            if not all(0 <= b <= 1 for b in update.beliefs.values()):
                tally.problems.append(f"beliefs {update.beliefs}")
            encode(update)
        screen = StringIO()
        with contextlib.redirect_stdout(screen):
            console = render.console()  # the one that people see
        view = overview(state, mind)
        for shown in (*render.overview_lines(view), *render.trials_lines(trials(state), "loss", 200)):
            console.print(shown)
        steering = [c for c in screen.getvalue() if c != "\n" and (ord(c) < 32 or c in "\x7f\x9b\u202e\u2028")]
        if steering:
            tally.problems.append(f"the terminal is sent {steering[:5]!r}")
        page = write_html(state, mind)
        if "<img src=x" in page or "<script>knowhy" in page:
            tally.problems.append("a name is markup in the page")
        write_markdown(state, mind)
        json.dumps(as_json((view, trials(state))), allow_nan=False)
    except KnowhyError as error:
        tally.problems.append(f"refused: {error.message}")
    except Exception as error:
        tally.problems.append(f"{type(error).__name__} {error} while showing {names!r}")


def fuzz(cases: int, bodies: int, shows: int, seed: int = 0) -> Tally:
    """``cases`` trials, ``bodies`` records and ``shows`` reports, all hostile."""
    rng, tally = random.Random(seed), Tally()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = [o for _ in range(cases) if (o := case(rng, Path(folder), tally)) is not None]
    originals = [encode(r) for r in _events(outcomes[:40])]
    for _ in range(bodies):
        body(rng, originals, tally)
    for _ in range(shows):
        some = [rng.choice(outcomes) for _ in range(6)]
        for _ in range(4):
            report = Report({"loss": rng.choice(VALUES), "other": rng.choice(VALUES)})
            some.append(judge(("loss",), report, rng.choice((0.0, 1.0, 1e9))))
        show(some, rng, tally)
    return tally


def _events(outcomes: Sequence[Outcome]) -> list[Event]:
    events: list[Event] = [
        TrialCompleted(1, outcome) if isinstance(outcome, Observation) else TrialFailed(1, outcome)
        for outcome in outcomes
    ]
    space = Space((Parameter("lr", Interval(0.0, 1.0), 0.5),))
    events += [
        StudyCreated("s", (Objective("loss"),), space, 1, {"kind": "script"}, "1"),
        RunStarted(1, 1.0, 1, "theory"),
    ]
    return events


def main() -> int:
    """Ten thousand outputs and result files, two thousand records, forty reports."""
    return fuzz(10_000, 2_000, 40).told()
