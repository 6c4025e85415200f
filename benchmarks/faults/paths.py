"""Hostile names: of studies, of files beside a script, of metrics and of values; no file may be made outside."""

from __future__ import annotations

import json
import os
import random
import string
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

from click.testing import CliRunner

from benchmarks.faults.promises import Promise, Round
from benchmarks.studies import Result
from knowhy import Study, choice, compose, real
from knowhy.errors import KnowhyError
from knowhy.faces.cli import cli
from knowhy.model.trial import Proposal
from knowhy.retries import fresh_folder
from knowhy.writing import write_whole

NAMES = (
    "..", "../x", "../../x", "a/../../x", "/tmp/knowhy-outside", "//x", "./x", "x/", "~", "~/x", "$HOME/x", "%2e%2e/x",
    "..\\x", "C:\\x", "\\\\host\\x", "file:///x", "x\0y", "x\ny", "x\ry", "x\x1b[2J", "-rf", "--force", "*", "?",
    "|x", ";x", "`x`", "$(x)", "&&x", ">x", "<script>x</script>", '"x"', "'x'", "x" * 300, "x/" * 200, " ", "", ".",
    "...", ".git", ".knowhy", "con", "nul", "x.", "x ", "\u202etxt.x", "\uff58", "../\uff58", "..\uff0fx", "\udcff",
    "\u2024\u2024/x", "\u00e9", "e\u0301", "\U0001f642", "journal.db", "trials", "knowhy.toml", "{x}", "%s%n", "x:y",
)  # fmt: skip
SCRIPT = "import sys\nLEARNING_RATE = 0.1\nMODE = 'plain'\nprint('val_loss:', LEARNING_RATE)\n"


def names(seed: int) -> list[str]:
    """The names above and mixtures of their parts, 200 in all over five rounds."""
    rng = random.Random(seed)
    parts = ["..", "/", "\\", ".", "~", "\0", "\n", "%2f", "x", "tmp", " ", "-", "é", *string.punctuation]
    mixed = ["".join(rng.choice(parts) for _ in range(rng.randint(1, 9))) for _ in range(40)]
    return list(dict.fromkeys([*NAMES[seed % 5 :: 5], *mixed]))[:40]


def perform(task: Round) -> Result:
    """Forty names, each in every place where a name that is not the person's own can come from."""
    counts: Counter[str] = Counter()
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="knowhy-paths-") as folder, chdir(folder):
        outside, home = Path(folder), Path(folder) / "a" / "b" / "home"
        home.mkdir(parents=True)
        (outside / "canary").write_text("untouched")
        (home / "train.py").write_text(SCRIPT)
        allowed = [home]
        with chdir(home):
            for name in names(task.number):
                for what, action in _actions(home, name):
                    before = _outside(outside, allowed)
                    counts["uses"] += 1
                    try:
                        action()
                        counts["accepted"] += 1
                    except KnowhyError as error:
                        counts["refused"] += 1
                        if not error.hint:
                            notes.append(f"{what} {name!r}: no hint: {error.message}")
                    except Exception as error:
                        notes.append(f"{what} {name!r}: {type(error).__name__}: {error}")
                        counts["crashes"] += 1
                    after = _outside(outside, allowed)
                    if after != before:
                        counts["outside"] += 1
                        notes.append(f"{what} {name!r}: {sorted(set(after) ^ set(before))[:3]}")
                counts["names"] += 1
    return {**counts, "outside": counts["outside"], "crashes": counts["crashes"], "notes": notes}


def _outside(root: Path, allowed: list[Path]) -> dict[str, tuple[int, int]]:
    """Every file below ``root`` that is not below ``allowed``, with size and time; and two places beside it."""
    found: dict[str, tuple[int, int]] = {}
    for base, folders, files in os.walk(root):
        folders[:] = [f for f in folders if Path(base, f) not in allowed]
        for file in (*files, *folders):
            info = os.lstat(os.path.join(base, file))
            found[os.path.join(base, file)] = (info.st_size if file in files else 0, info.st_mtime_ns * (file in files))
    for place in ("/tmp/knowhy-outside", "/x", os.path.expanduser("~/x")):
        if os.path.lexists(place):
            found[place] = (0, 0)
    return found


def _actions(home: Path, name: str) -> list[tuple[str, Callable[[], object]]]:
    def study() -> None:
        made = Study(name, folder=home / ".knowhy")
        made.ask([real("x", 0.0, 1.0, 0.5)], strategy="random")
        assert made.path.parent == home / ".knowhy"

    def opened() -> None:
        Study.open(name, folder=home / ".knowhy")

    def command(*arguments: str) -> Callable[[], None]:
        def call() -> None:
            result = CliRunner().invoke(cli, [a.replace("\udcff", "?") for a in arguments])
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            assert result.exit_code in (0, 2), result.output

        return call

    def neighbour() -> None:
        """A file of this name beside the script, which each trial gets in its folder."""
        place = home / "beside"
        place.mkdir(exist_ok=True)
        (place / "train.py").write_text(SCRIPT)
        try:
            if os.path.dirname(name):
                return
            (place / name).write_text("x")
        except (OSError, ValueError):
            return  # no such name is possible
        subject = compose.script(str(place / "train.py"))
        subject.prepare(
            Proposal(1, subject.space.defaults(), 0, "learn", ""), (), fresh_folder(str(home / "trials"), 1)
        )

    def values() -> None:
        """The name as a value, as a metric and as a category in a study by hand, its report and its best."""
        made = Study(f"s{abs(hash(name)) % 10**9}", {"val_loss": "minimize"}, folder=home / ".knowhy")
        plain = name.encode("utf-8", "replace").decode()
        trial = made.ask([choice("mode", ["plain", plain or "empty"], "plain")], trials=9, strategy="random")
        assert trial is not None
        made.tell(trial.trial, metrics={"val_loss": 1.0, plain or "empty": 2.0})
        made.report()
        made.report(home / "r.md")
        command("best", "--study", made.name, "--folder", str(home / ".knowhy"), "--write", "best.json")()
        json.loads((home / "best.json").read_text())

    def written() -> None:
        """A link of this name that leads out, and a file of this name that is written."""
        place = home / "written"
        place.mkdir(exist_ok=True)
        if os.path.dirname(name) or name in ("..", ".", ""):
            return
        write_whole(place / name, "x")

    return [
        ("study", study),
        ("open", opened),
        ("--study", command("status", "--study", name)),
        ("doctor", command("doctor", "--study", name, "--folder", str(home / ".knowhy"))),
        ("recover", command("doctor", "--study", name, "--recover")),
        ("run", command("run", "train.py", "--metric", "val_loss", "--study", name, "--trials", "1")),
        ("neighbour", neighbour),
        ("value", values),
        ("written", written),
    ]


PROMISE = Promise(
    "paths",
    "0 files outside",
    perform,
    full=5,
    short=1,
    bar=lambda counts: counts["outside"] == 0 and counts["crashes"] == 0 and counts["names"] > 0,
)
