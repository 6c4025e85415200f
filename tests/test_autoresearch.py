from __future__ import annotations

import json
import math
import random
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from knowhy.cases.autoresearch import read_autoresearch
from knowhy.errors import UsageError
from knowhy.faces.cli import cli
from knowhy.histories.results import read_results
from knowhy.study import Study
from test_histories import call, refused

SCRIPT = """\
import math, os, random
LEARNING_RATE = {LEARNING_RATE}
DEPTH = {DEPTH}
BATCH_SIZE = {BATCH_SIZE}
random.seed(int(os.environ.get("KNOWHY_SEED", "0")))
def act(x):
    return {act}
def train(lr, depth, batch):
    return 1 + 0.05 * abs(math.log10(lr) + 1.5) + 0.01 * abs(depth - 8) + 0 * batch + random.gauss(0, 0.002)
print("val_bpb:", train(LEARNING_RATE, DEPTH, BATCH_SIZE))
"""

MOVES: list[tuple[str, dict[str, float], str]] = [
    ("baseline", {}, ""),
    ("the same again", {}, ""),
    ("higher lr", {"LEARNING_RATE": 0.02}, ""),
    ("deeper", {"DEPTH": 6}, ""),
    ("tanh", {}, "math.tanh(x)"),
    ("square", {}, "max(x, 0) ** 2"),
    ("batch 64", {"BATCH_SIZE": 64}, ""),
    ("batch 16", {"BATCH_SIZE": 16}, ""),
    ("deeper still", {"DEPTH": 8}, ""),
    ("too deep", {"DEPTH": 64}, ""),
    ("batch 128", {"BATCH_SIZE": 128}, ""),
    ("batch 24", {"BATCH_SIZE": 24}, ""),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as an agent leaves it that keeps or discards after single runs."""
    root = tmp_path_factory.mktemp("auto")

    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=n", "-c", "user.email=n@n", "-C", str(root), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    rng, best = random.Random(3), math.inf
    now: dict[str, float] = {"LEARNING_RATE": 0.01, "DEPTH": 4, "BATCH_SIZE": 32}
    act, bonus = "max(x, 0)", 0.0
    rows = []
    for words, changed, code in MOVES:
        trial, how = now | changed, code or act
        (root / "train.py").write_text(SCRIPT.format(**trial, act=how))
        git("add", "-A")
        git("commit", "-q", "--allow-empty", "-m", words)
        commit = git("rev-parse", "--short=7", "HEAD")
        if words == "too deep":
            rows.append(f"{commit}\t0.000000\t0.0\tcrash\t{words}")
            git("reset", "-q", "--hard", "HEAD~1")
            continue
        gain = {"max(x, 0) ** 2": 0.02, "math.tanh(x)": -0.03}.get(how, bonus)
        value = 1 + 0.05 * abs(math.log10(trial["LEARNING_RATE"]) + 1.5) + 0.01 * abs(trial["DEPTH"] - 8) - gain
        value += rng.gauss(0, 0.002)
        kept = value < best
        rows.append(f"{commit}\t{value:.6f}\t44.0\t{'keep' if kept else 'discard'}\t{words}")
        if kept:
            best, now, act, bonus = value, trial, how, gain
        else:
            git("reset", "-q", "--hard", "HEAD~1")
    (root / "results.tsv").write_text("commit\tval_bpb\tmemory_gb\tstatus\tdescription\n" + "\n".join(rows) + "\n")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    target = tmp_path / "auto"
    shutil.copytree(made, target)
    monkeypatch.chdir(target)
    return target


def digest(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file() and ".knowhy" not in p.parts
    }


def test_literals_are_parameters_and_the_rest_is_told(root: Path) -> None:
    history, verdicts, theories = read_autoresearch(root / "results.tsv", root, "train.py", None, None)
    assert set().union(*(t.settings for t in history.trials)) == {"LEARNING_RATE", "DEPTH", "BATCH_SIZE", "code"}
    by_note = {t.note: t for t in history.trials}
    assert by_note["baseline"].settings["DEPTH"] == 4
    assert by_note["deeper"].settings["DEPTH"] == 6
    assert "tanh" not in by_note, "a change of code that was not kept says nothing about the parameters"
    assert any("tanh" in note for note in history.notes)
    assert by_note["square"].settings["code"] != by_note["baseline"].settings["code"]
    assert "val_bpb" not in by_note["too deep"].outcome.metrics, "a crash is a failure, not a zero"
    assert history.objectives[0].direction == "minimize"
    assert verdicts is not None
    assert verdicts.measured, "the same code ran twice"
    assert any("DEPTH" in t.claims[0] for t in theories)


def test_it_tells_real_changes_from_luck(root: Path) -> None:
    _, verdicts, _ = read_autoresearch(root / "results.tsv", root, "train.py", None, None)
    assert verdicts is not None
    told = {c.description: c for c in verdicts.changes}
    for real in ("higher lr", "deeper", "square", "deeper still"):
        assert told[real].helps > 0.8, real
    for luck in {"batch 64", "batch 16", "batch 128", "batch 24"} & told.keys():
        assert told[luck].helps < 0.95, luck
        assert told[luck].low < 0 < told[luck].high
    assert told["square"].code
    assert told["deeper"].settings == {"DEPTH": (4, 6)}


def test_from_the_table_to_the_next_trial_and_the_repository_is_as_before(root: Path) -> None:
    before = digest(root)
    shown = call("import", "results.tsv", "--repo", ".", "--study", "s")
    assert "likely real" in shown
    assert "noise of one run" in shown
    assert "code: one of" in shown
    assert "held" in shown
    data = json.loads(call("import", "results.tsv", "--repo", ".", "--study", "other", "--look", "--json"))
    assert data["verdicts"]["changes"][0]["commit"]
    study = Study.open("s")
    assert any(t.by == "history" and t.id in study.state.beliefs for t in study.state.theories.values())
    assert study.state.space["DEPTH"].default == 8, "the last kept commit is the default"
    notes = " ".join(n.text for _, n in study.state.notes)
    assert "fresh pairs of runs" in notes
    assert "11 are known already" in " ".join(call("import", "results.tsv", "--study", "s").split())
    assert json.loads(call("next", "--study", "s", "--json"))
    call("run", "train.py", "--study", "s", "--trials", "2", "--metric", "val_bpb", "--workers", "1")
    ran = [t for t in study.state.completed if t.proposal.purpose != "observe"]
    assert len(ran) == 2
    call("best", "--study", "s", "--write", str(root.parent / "best.py"))
    assert digest(root) == before


def test_export_and_back(root: Path) -> None:
    call("import", "results.tsv", "--study", "s")
    call("export", "--study", "s", "--format", "results.tsv", "--out", "../again.tsv")
    one, two = read_results(root / "results.tsv"), read_results(root.parent / "again.tsv")
    rows = [(r.commit, r.value, r.memory) for r in one.rows if r.description != "tanh"]
    assert [(r.commit, r.value, r.memory) for r in two.rows] == rows
    assert two.metric == "val_bpb"


def test_what_is_wrong_is_told(root: Path, tmp_path: Path) -> None:
    assert "is no git repository" in refused("import", "results.tsv", "--repo", str(tmp_path))
    assert "none of the commits" in refused("import", "results.tsv", "--script", "other.py")
    (root / "results.tsv").write_text("commit\tval_bpb\tmemory_gb\tstatus\tdescription\nabc1234 0.9 keep x\n")
    assert "has the status" in refused("import", "results.tsv")
    (root / "results.tsv").write_text("a\tb\n1\t2\n")
    assert "does not begin with the columns" in refused("import", "results.tsv")


def test_hostile_commits_run_nothing(root: Path) -> None:
    rows = [
        "--output=BOOM\t0.9\t1\tkeep\tx",
        "HEAD;touch BOOM\t0.9\t1\tkeep\tx",
        "$(touch BOOM)\t0.9\t1\tdiscard\t=cmd()",
        "../../etc\tnan\t1\tdiscard\t<script>",
    ]
    (root / "results.tsv").write_text("commit\tval_bpb\tmemory_gb\tstatus\tdescription\n" + "\n".join(rows) + "\n")
    (root / ".gitattributes").write_text("* filter=x diff=x\n")
    with (root / ".git" / "config").open("a") as file:
        file.write(
            '[filter "x"]\n smudge = touch BOOM\n[diff "x"]\n textconv = touch BOOM\n[core]\n fsmonitor = touch BOOM\n'
        )
    with pytest.raises(UsageError, match="none of the commits"):
        read_autoresearch(root / "results.tsv", root, "train.py", None, None)
    assert CliRunner().invoke(cli, ["import", "results.tsv"]).exit_code == 2
    assert not (root / "BOOM").exists()


def test_a_commit_that_changes_the_seed_only_is_another_run_and_no_change(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=n", "-c", "user.email=n@n", "-C", str(tmp_path), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    rows = []
    moves = [
        ("baseline", 1, 4, 1.0),
        ("luckier seed", 2, 4, 0.97),
        ("deeper", 2, 8, 0.5),
        ("luckiest seed", 3, 8, 0.49),
    ]
    moves.append(("deeper still", 3, 16, 0.3))
    for words, seed, depth, value in moves:
        (tmp_path / "train.py").write_text(
            f"import random\nDEPTH = {depth}\nSEED = {seed}\nrandom.seed(SEED)\nprint(random.random() * DEPTH)\n"
        )
        git("add", "-A")
        git("commit", "-q", "-m", words)
        rows.append(f"{git('rev-parse', '--short=7', 'HEAD')}\t{value}\t1.0\tkeep\t{words}")
    (tmp_path / "results.tsv").write_text("commit\tval_bpb\tmemory_gb\tstatus\tdescription\n" + "\n".join(rows) + "\n")
    history, verdicts, _ = read_autoresearch(tmp_path / "results.tsv", tmp_path, "train.py", None, None)
    assert verdicts is not None
    assert [c.description for c in verdicts.changes] == ["deeper", "deeper still"]
    assert verdicts.measured, "two seeds of one program measure the noise"
    assert sum("only runs" in note and "was kept for it" in note for note in history.notes) == 2
    assert len({t.settings.get("code") for t in history.trials}) == 1
