"""Canaries in the environment, arguments and addresses of a study, and every place where they could come to light."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

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


def leaks(base: Path) -> list[str]:
    """Run a study in ``base`` with a canary in every place; where each comes to light, as "canary: place"."""
    (base / "train.py").write_text(SCRIPT)
    environment = {**os.environ, **ENVIRONMENT}
    said = ""

    def knowhy(*words: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "knowhy", *words],
            cwd=base,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode not in (0, 2):
            raise AssertionError(ran.stderr)
        return ran.stdout + ran.stderr

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
    failed = knowhy("trials", "--json", "--study", "train").count('"failed"')
    if not failed or "val_loss" not in said:
        raise AssertionError("the study did not do what was wanted of it")
    return found


def _canaries(data: bytes) -> list[str]:
    """Which canaries stand in ``data``."""
    return [number for number in CANARIES if f"-{number}".encode() in data and b"canary-" in data]


def main() -> int:
    """Tell what came to light."""
    with tempfile.TemporaryDirectory() as base:
        found = leaks(Path(base))
    for leak in found:
        print(leak)
    print(f"{len(CANARIES)} canaries, {len({leak[:4] for leak in found})} of them came to light")
    return 1 if found else 0
