"""The patcher: changes of code that a language model hands in are tried, sent back, and join as switches."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from benchmarks.theorists.server import Asked, Said, propose, serving

from knowhy import Repo, Study, reflection
from knowhy.cases.patching import Workbench
from knowhy.errors import PatchError
from knowhy.model.space import real
from knowhy.model.thought import Allowance, Thought
from knowhy.theorists.llm.bench import RULES
from knowhy.theorists.llm.names import parse_name
from knowhy.theorists.llm.theorist import LanguageModel

TRAIN = """\
import random

LEARNING_RATE = 0.01
SEED = 0
random.seed(SEED)


def loss(rate):
    return abs(rate - 0.02) + 0.5 + random.gauss(0, 0.001)


print(f"val_loss: {loss(LEARNING_RATE)}")
"""


def blocks(old: str, new: str, path: str = "train.py") -> str:
    return f"{path}\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"


GOOD = blocks(
    "    return abs(rate - 0.02) + 0.5 + random.gauss(0, 0.001)", "    return abs(rate - 0.02) + random.gauss(0, 0.001)"
)
NOWHERE = blocks("    return 1 / 0", "    return 0")
UNREADABLE = blocks("def loss(rate):", "def loss(rate:")
CRASHES = blocks("random.seed(SEED)", "import no_such_module_at_all")
OUTSIDE = blocks("root", "toor", "../../etc/passwd")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one file, and a study of it that has run two trials."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "train.py").write_text(TRAIN)
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=home, check=True, env=env)
    return home


def repo(home: Path) -> Repo:
    return Repo(home, edit=("train.py",), command=f"{sys.executable} train.py")


def study_of(home: Path) -> Study:
    study = Study("lab", {"val_loss": "minimize"}, folder=home / ".knowhy")
    study.run(repo(home), trials=2, workers=1)
    return study


def test_the_workbench_takes_what_runs_and_says_why_not(repository: Path) -> None:
    study = study_of(repository)
    bench = Workbench(study.path)
    patch = bench.check(study.state, GOOD, "half of it is constant", "no_constant", "openai:m")
    assert (patch.name, patch.by, patch.files) == ("no_constant", "openai:m", ("train.py",))
    events = bench.joining(study.state, patch)
    assert [type(e).__name__ for e in events] == ["PatchAdded", "ParameterChanged"]
    for text, words in (
        (NOWHERE, "does not apply"),
        (UNREADABLE, "train.py"),
        (CRASHES, "no_such_module_at_all"),
        (OUTSIDE, "passwd"),
    ):
        with pytest.raises(PatchError) as caught:
            bench.check(study.state, text, "", "other", "openai:m")
        assert words in f"{caught.value.message} {caught.value.hint}"
    assert (repository / "train.py").read_text() == TRAIN
    assert "no_constant" not in study.state.space


def test_a_model_mends_its_patch_and_it_joins_as_a_switch(repository: Path) -> None:
    said = [NOWHERE, CRASHES, GOOD]

    def brain(asked: Asked) -> Said:
        patch = {"title": "No constant", "because": "it adds nothing", "theory": "half is constant"}
        return propose(patches=[{**patch, "blocks": said[min(asked.turn, 2)]}])

    study = study_of(repository)
    state = study.state
    with serving(brain) as server:
        bench = Workbench(study.path)
        theorist = LanguageModel(
            parse_name("openai:m"), str(repository), Allowance(), server.environment(), bench=bench
        )
        sayings: Sequence[object] = ()
        deadline = time.monotonic() + 60
        while not sayings and time.monotonic() < deadline:
            sayings = theorist.propose(state)
            time.sleep(0.02)
    thought = sayings[0]
    assert isinstance(thought, Thought)
    assert thought.outcome == "answered", thought.message
    told = server.asked[-1].text
    assert "does not apply" in told
    assert "no_such_module_at_all" in told
    assert RULES.splitlines()[0] in server.asked[0].text
    assert "train.py" in server.asked[0].text
    assert [(p.name, p.because) for p in thought.patches] == [
        ("no_constant", "it adds nothing (tests: half is constant)")
    ]
    study.contribute(lambda known: reflection.heard(study.mind.beliefs, sayings, known))  # type: ignore[arg-type]
    assert study.state.patches["no_constant"].by == "openai:m"
    assert study.state.space["no_constant"].active
    study.run(repo(repository), trials=8, workers=1)
    found = {
        t.proposal.point.get("no_constant", False): t.observation.metrics["val_loss"] for t in study.state.completed
    }
    assert found[True] < found[False] - 0.3
    assert (repository / "train.py").read_text() == TRAIN


def test_without_a_repository_no_patch_is_asked_for_or_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def brain(asked: Asked) -> Said:
        return propose(patches=[{"title": "x", "because": "y", "blocks": GOOD}])

    study = Study("plain", {"val_loss": "minimize"}, folder=tmp_path)
    with serving(brain) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        study.run(_function, [real("rate", 0.0, 1.0, 0.5)], trials=6, workers=1, theorists=("openai:gpt-4o",))
        assert all(RULES.splitlines()[0] not in a.text for a in server.asked)
    assert all(t.patches == () for t in study.state.thoughts)


def _function(params: dict[str, float]) -> dict[str, float]:
    return {"val_loss": abs(params["rate"] - 0.3)}
