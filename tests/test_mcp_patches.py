"""An agent adds a change of code to a study of a repository."""

from pathlib import Path

import pytest

import knowhy
import repo_kit
from knowhy.errors import KnowhyError
from knowhy.faces.mcp.acting import Acting
from knowhy.faces.mcp.project import Project
from knowhy.model.trust import Trust

FASTER = """\
<<<<<<< SEARCH
for step in range(5):
=======
for step in range(9):
>>>>>>> REPLACE
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = repo_kit.make(tmp_path_factory.mktemp("p") / "auto", dirty=False)
    study = knowhy.Study("auto", {"val_bpb": "minimize"}, folder=root / ".knowhy")
    study.run(knowhy.Repo(root), trials=2, workers=1, trust=Trust(sandbox="off", allow_unsandboxed=True))
    return root


def test_a_patch_of_an_agent_is_a_switch_and_the_repository_stays_as_it_was(project: Path) -> None:
    before = (project / "train.py").read_bytes()
    done = Acting(Project(project)).add_patch(FASTER, "five steps are too few", "more_steps", "train.py")
    assert (done.name, done.files, done.not_with) == ("more_steps", ["train.py"], [])
    assert "+for step in range(9):" in done.diff
    study = knowhy.Study.open("auto", folder=project / ".knowhy")
    assert study.state.patches["more_steps"].by == "agent"
    assert study.state.space["more_steps"].role == "patch"
    assert (project / "train.py").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "name", "target"),
    [
        ("<<<<<<< SEARCH\nno such line\n=======\nx\n>>>>>>> REPLACE\n", "a", "train.py"),
        ("no python at all", "b", ""),
        (FASTER, "../out", "train.py"),
        ("print(1)\n", "c", "../../etc/passwd"),
        ("TIME_BUDGET = 99\n", "d", "prepare.py"),
    ],
)
def test_what_does_not_apply_is_refused_with_what_to_do(project: Path, text: str, name: str, target: str) -> None:
    acting = Acting(Project(project))
    with pytest.raises(KnowhyError) as error:
        acting.add_patch(text, "why", name, target)
    assert error.value.hint
    assert name not in knowhy.Study.open("auto", folder=project / ".knowhy").state.patches
