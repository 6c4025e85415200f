"""Canaries in the environment, arguments and addresses of a study, and every place where they could come to light.

Looked through are: the folder of the study, what commands print, reports, exports in all formats, the script and the
branch with the best configuration, what a language model is sent and answers, what a coding agent is told.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.theorists.server import Asked, Calls, Said, Text, serving

ENVIRONMENT = {
    "OPENAI_API_KEY": "canary-environment-key-0001",
    "MY_DB_PASSWORD": "canary-environment-word-0002",
    "WANDB_API_KEY": "canary-environment-pass-0003",  # given to the trials by --env
    "https_proxy": "http://someone:canary-proxy-0004@proxy.invalid:3128",
    "CUDA_AUTH_TOKEN": "canary-prefix-0005",
}
ARGUMENTS = (
    "--api-key=canary-argument-0006",
    "--token",
    "canary-argument-0007",
    "--database=postgresql://someone:canary-url-0008@db.invalid/x",
    "--hook=https://hooks.invalid/run?token=canary-query-0009&x=1",
    "--header=Bearer canary-bearer-0010-abcdef",
)
_ASKS = """
import json
from dataclasses import asdict
from pathlib import Path
from knowhy.faces.mcp.project import Project
from knowhy.faces.mcp.reading import Reading
reading = Reading(Project(Path(".")))
shown = [getattr(reading, ask)("train") for ask in ("overview", "trials", "best", "suggest_experiments")]
shown += [reading.trial(number, "train") for number in range(1, 9)]
print(json.dumps([asdict(one) for one in shown], default=str))
"""
CANARIES = tuple(f"{number:04d}" for number in range(1, 11))
SCRIPT = """
import argparse, json, os, sys
LR = 0.1
WIDTH = 8
parser = argparse.ArgumentParser()
for name in ("api-key", "token", "database", "hook", "header"):
    parser.add_argument(f"--{name}")
given = parser.parse_args()
print(dict(os.environ), given, sys.argv)
print("connecting to", given.database, "and", given.hook, "with", given.header, given.token)
print("the key is", os.environ.get("WANDB_API_KEY"), given.api_key)
with open(os.environ["KNOWHY_RESULT"], "a") as file:
    file.write(json.dumps({"val_loss": (LR - 0.3) ** 2, given.token: 1.0, given.database: 2.0}) + "\\n")
if WIDTH > 16:
    raise ValueError(f"cannot reach {given.database} with {given.token} and {os.environ.get('WANDB_API_KEY')}")
"""


def leaks(base: Path, *, everywhere: bool = False) -> list[str]:
    """Run a study in ``base`` with a canary in every place; where each comes to light, as "canary: place".

    ``everywhere``: also in exports, other commands, what agents and language models are told, and a repository's study.
    """
    (base / "train.py").write_text(SCRIPT)
    environment = {**os.environ, **ENVIRONMENT}
    said = ""

    def knowhy(*words: str) -> str:
        return _says(words, base, environment)

    # The first run ends with an error message that carries the end of a log.
    broken = SCRIPT.replace("WIDTH > 16", "WIDTH > 1")
    (base / "broken.py").write_text(broken)
    said += knowhy("run", "broken.py", "--metric", "val_loss", "--minimize", "--trials", "2", "--", *ARGUMENTS)
    said += knowhy(
        "run", "train.py", "--metric", "val_loss", "--minimize", "--trials", "8", "--strategy", "random",
        "--env", "WANDB_API_KEY", "--", *ARGUMENTS
    )  # fmt: skip
    for words in (
        ("trials", "--json"),
        ("status", "--json"),
        ("best", "--json"),
        ("report", "--format", "md"),
        ("report",),
    ):
        said += knowhy(*words, "--study", "train")
    found = [f"{c}: standard output or error" for c in _canaries(said.encode())]
    for path in sorted((base / ".knowhy").rglob("*")):
        if path.is_file() and path.suffix != ".py":
            found += [f"{c}: {path.relative_to(base)}" for c in _canaries(path.read_bytes())]
    if everywhere:
        said = ""
        for form in ("csv", "jsonl", "results.tsv", "optuna"):
            said += knowhy("export", "--format", form, "--out", f"exported.{form}", "--study", "train")
        said += knowhy("best", "--write", "best_train.py", "--study", "train")
        for words in (("theories",), ("explain", "T1"), ("next",), ("space",), ("doctor",), ("theorists", "--calls")):
            said += knowhy(*words, "--study", "train")
        said += _agent(base, environment)
        said += _theorist(base, environment)
        found += [f"{c}: exports, other commands, an agent's answers" for c in _canaries(said.encode())]
        found += _repository(base, environment)
        for path in (*base.glob("exported.*"), base / "best_train.py", *sorted((base / ".knowhy").rglob("*"))):
            if path.is_file() and (path.suffix != ".py" or path.name.startswith("best")):
                found += [f"{c}: {path.relative_to(base)}" for c in _canaries(path.read_bytes())]
    failed = knowhy("trials", "--json", "--study", "train").count('"failed"')
    if not failed or "val_loss" not in said:
        raise AssertionError("the study did not do what was wanted of it")
    return found


def _says(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """What a command prints, errors that are told included."""
    ran = subprocess.run(
        [sys.executable, "-m", "knowhy", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode not in (0, 2):
        raise AssertionError(ran.stderr)
    return ran.stdout + ran.stderr


def _agent(base: Path, environment: Mapping[str, str]) -> str:
    """Everything that a coding agent is told of the study."""
    ran = subprocess.run(
        [sys.executable, "-c", _ASKS], cwd=base, env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode or "val_loss" not in ran.stdout:
        raise AssertionError(ran.stderr)
    return ran.stdout + ran.stderr


def _theorist(base: Path, environment: Mapping[str, str]) -> str:
    """What a language model is sent while it looks at everything that it is offered."""

    def brain(asked: Asked) -> Said:
        if asked.turn < len(asked.tools):
            tool = asked.tools[asked.turn]
            return Calls(
                (
                    (
                        tool,
                        {"path": "train.py", "start": 1, "end": 80, "number": 1, "sentence": "LR matters for val_loss"},
                    ),
                )
            )
        return Text("nothing to say")

    with serving(brain) as server:
        env = {**environment, **server.environment()}
        # Of a few trials, a study would be over before anybody is asked.
        words = ["run", "train.py", "--metric", "val_loss", "--minimize", "--trials", "40", "--workers", "1"]
        words += ["--theorist", "compatible:m", "--study", "told", "--env", "WANDB_API_KEY", "--", *ARGUMENTS]
        ran = subprocess.run(
            [sys.executable, "-m", "knowhy", *words], cwd=base, env=env, capture_output=True, text=True, check=False
        )
        if ran.returncode or not server.asked:
            raise AssertionError(f"asked {len(server.asked)} times; {ran.stderr}")
        return ran.stdout + ran.stderr + "".join(json.dumps(dict(asked.body)) for asked in server.asked)


def _repository(base: Path, environment: Mapping[str, str]) -> list[str]:
    """Canaries of a repository's command, and of where it was cloned from, in its study and in the branch."""
    repo = base / "repo"
    repo.mkdir()
    (repo / "train.py").write_text(SCRIPT)
    (repo / "fix.diff").write_text("train.py\n<<<<<<< SEARCH\nWIDTH = 8\n=======\nWIDTH = 9\n>>>>>>> REPLACE\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    for words in (["init", "-q"], ["add", "train.py"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], cwd=repo, check=True, capture_output=True)
    origin = "https://someone:canary-origin-0008@git.invalid/x.git"
    subprocess.run([*git, "remote", "add", "origin", origin], cwd=repo, check=True, capture_output=True)
    said = ""
    for words in (
        ["patch", "add", "fix.diff", "--because", f"as in {ARGUMENTS[4].partition('=')[2]}", "--name", "wider"],
        ["run", "--repo", ".", "--command", shlex.join(["python", "train.py", *ARGUMENTS]), "--metric", "val_loss",
         "--minimize", "--trials", "6", "--workers", "1", "--allow-unsandboxed", "--study", "repo"],
        ["best", "--branch", "tuned"],
        ["report", "--format", "md"],
        ["patch", "list"],
    ):  # fmt: skip
        said += _says(words, repo, environment)
    log = subprocess.run([*git, "log", "--all", "-p"], cwd=repo, check=True, capture_output=True).stdout
    found = [f"{c}: output of a repository's study, or its branch" for c in _canaries(said.encode() + log)]
    for path in sorted((repo / ".knowhy").rglob("*")):
        if path.is_file() and path.suffix != ".py":
            found += [f"{c}: {path.relative_to(base)}" for c in _canaries(path.read_bytes())]
    if not list((repo / ".knowhy").glob("*/journal.db")):
        raise AssertionError(said)
    return found


def _canaries(data: bytes) -> list[str]:
    """Which canaries stand in ``data``."""
    return [number for number in CANARIES if f"-{number}".encode() in data and b"canary-" in data]


def main() -> int:
    """Tell what came to light."""
    with tempfile.TemporaryDirectory() as base:
        found = leaks(Path(base), everywhere=True)
    for leak in found:
        print(leak)
    print(f"{len(CANARIES)} canaries, {len({leak[:4] for leak in found})} of them came to light")
    return 1 if found else 0
