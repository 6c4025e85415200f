from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from knowhy.errors import SubjectError
from knowhy.faces import forecast, live, render
from knowhy.faces.cli import COMMANDS, cli
from knowhy.faces.text import one_line, safe
from knowhy.model.events import (
    BeliefsUpdated,
    Event,
    Record,
    RunStarted,
    StudyCreated,
    TheoryProposed,
    TrialCompleted,
    TrialProposed,
    TrialStarted,
)
from knowhy.model.objective import Constraint, Objective
from knowhy.model.observation import Observation
from knowhy.model.space import Space, real
from knowhy.model.state import State, fold
from knowhy.model.theory import Theory
from knowhy.model.trial import Proposal
from knowhy.settings.options import load
from knowhy.study import Study

TRAIN = """\
import random
LEARNING_RATE = 0.01  # a comment that stays
DROPOUT = 0.1
SEED = 0
random.seed(SEED)
loss = (DROPOUT - 0.4) ** 2 + abs(LEARNING_RATE - 0.02) + random.gauss(0, 0.001)
print(f"train_loss: {loss / 2}")
print(f"val_loss: {loss}")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a script, in which commands run."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KNOWHY_")]:
        monkeypatch.delenv(name)
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a study of six trials has run."""
    folder = tmp_path_factory.mktemp("studied")
    (folder / "train.py").write_text(TRAIN)
    result = subprocess.run(
        [sys.executable, "-m", "knowhy", "run", "train.py", "--metric", "val_loss", "--trials", "6"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    (folder / "stdout").write_text(result.stdout)
    (folder / "stderr").write_text(result.stderr)
    return folder


@pytest.fixture
def done(studied: Path, here: Path) -> Path:
    """A copy of that folder, in which commands run."""
    shutil.copytree(studied, here, dirs_exist_ok=True)
    return here


def call(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, list(arguments), input=text)


def refused(result: Result) -> str:
    """What an error told, after checking that it has the form of one."""
    assert result.exit_code == 2, result.output
    assert result.stdout == "" or not result.stdout.startswith("error")
    lines = result.stderr.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert sum(line.startswith("hint: ") for line in lines) == 1
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stderr


# Start-up and help


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from knowhy.faces.cli import cli\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0\n"
        "heavy = {'numpy', 'scipy', 'optuna', 'rich', 'sklearn', 'lark', 'tomlkit', 'sqlite3', 'knowhy.study'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_command_has_help_and_is_listed() -> None:
    listing = call("--help").output
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.name == name
        assert command.help
        assert re.search(rf"^  {name} ", listing, re.MULTILINE)
        assert call(name, "--help").exit_code == 0
    for name in ("status", "theories", "explain", "next", "best", "trials", "report", "doctor", "believe", "suppose"):
        assert "--json" in call(name, "--help").output
    assert call("--version").output.startswith("knowhy, version ")


def test_an_unknown_command_or_option_is_told_in_two_lines(here: Path) -> None:
    assert "nonsense" in refused(call("nonsense"))
    assert "--nonsense" in refused(call("run", "--nonsense"))
    assert "explain --help" in refused(call("explain"))


# init


def test_init_lists_what_it_found_and_writes_the_file(here: Path) -> None:
    result = call("init", "train.py", "--yes")
    assert result.exit_code == 0, result.output
    assert "val_loss" in result.stdout
    assert "LEARNING_RATE" in result.stdout
    written = (here / "knowhy.toml").read_text()
    assert 'val_loss = "minimize"' in written
    assert "learning rate, train.py:2" in written
    assert not (here / ".knowhy").exists()
    assert "exists" in refused(call("init", "train.py", "--yes"))
    assert call("init", "train.py", "--yes", "--force", "--metric", "train_loss:max").exit_code == 0
    assert 'train_loss = "maximize"' in (here / "knowhy.toml").read_text()


def test_init_writes_what_it_is_told_of_the_run(here: Path) -> None:
    asked = [
        *("--trials", "9", "--budget", "30m", "--workers", "3", "--timeout", "2m", "--memory", "4GB", "--seed", "7"),
        *("--strategy", "theory", "--stop-early", "--constraint", "train_loss < 1e6", "--metric", "val_loss"),
    ]
    result = call("init", "train.py", "--yes", *asked)
    assert result.exit_code == 0, result.output
    told, written = load({}, {}, here / "knowhy.toml"), (here / "knowhy.toml").read_text()
    assert (told.trials, told.budget, told.workers, told.seed) == (9, 1800, 3, 7)
    assert (told.timeout, told.memory, told.stop_early) == (120, 4_000_000_000, True)
    assert told.constraints == (Constraint("train_loss", "<=", 1e6),)
    assert [objective.metric for objective in told.objectives] == ["val_loss"]
    assert "# timeout" not in written
    assert "# budget" not in written
    assert "no whole number" in refused(call("init", "train.py", "--yes", "--force", "--trials", "many"))
    assert "strategy random" in refused(
        call("init", "train.py", "--yes", "--force", "--stop-early", "--strategy", "random")
    )
    lacking = refused(call("init", "train.py", "--yes", "--force", "--constraint", "train_los < 3"))
    assert "did you mean train_loss?" in lacking
    assert (here / "knowhy.toml").read_text() == written
    assert call("init", "train.py", "--yes", "--force", "--no-stop-early").exit_code == 0
    assert load({}, {}, here / "knowhy.toml").stop_early is False
    assert call("init", "train.py", "--yes", "--force").exit_code == 0
    assert load({}, {}, here / "knowhy.toml").stop_early is None


def test_init_asks_for_the_objective(here: Path) -> None:
    result = call("init", "train.py", text="nothing:min\ntrain_loss\n")
    assert result.exit_code == 0, result.output
    assert "no value of nothing appeared" in result.stderr
    assert 'train_loss = "minimize"' in (here / "knowhy.toml").read_text()
    result = call("init", "train.py", "--force", text="\n")
    assert 'val_loss = "minimize"' in (here / "knowhy.toml").read_text()
    kept = (here / "knowhy.toml").read_text()
    refused(call("init", "train.py", text="n\n"))
    assert (here / "knowhy.toml").read_text() == kept


def test_init_tells_what_is_wrong_with_a_script(here: Path) -> None:
    assert "there is no script none.py" in refused(call("init", "none.py", "--yes"))
    (here / "broken.py").write_text("x = (\n")
    assert "broken.py" in refused(call("init", "broken.py", "--yes"))
    (here / "fails.py").write_text("RATE = 0.1\nprint('a loss: 1.0', RATE)\nraise ValueError('no data \\x1b[31m')\n")
    told = call("init", "fails.py", "--yes").stderr
    assert "error: the default configuration fails" in told
    assert "ValueError: no data" in told
    assert "runpy" not in told
    assert "\x1b" not in told
    (here / "silent.py").write_text("RATE = 0.1\nprint('done', RATE)\n")
    assert "KNOWHY_RESULT" in refused(call("init", "silent.py", "--yes", "--metric", "loss"))
    told = refused(call("init", "train.py", "--yes", "--metric", "vall_loss"))
    assert "did you mean --metric val_loss?" in told
    (here / "odd.py").write_text("RATE = 0.1\nprint('zork:', RATE)\n")
    assert "zork" in refused(call("init", "odd.py", "--yes"))
    assert not (here / "knowhy.toml").exists()


# run


def test_run_with_no_file_tells_lines_and_a_summary(studied: Path) -> None:
    told = (studied / "stderr").read_text()
    assert sorted(re.findall(r"^#(\d+) \w+  .*val_loss .* – ", told, re.MULTILINE)) == list("123456")
    assert re.search(r"^#1 learn  default  val_loss ", told, re.MULTILINE)
    summary = (studied / "stdout").read_text()
    assert summary.startswith("train  minimize val_loss\n")
    assert "6 of 6 ended" in summary
    assert ".knowhy/train/report.html" in summary
    assert (studied / ".knowhy" / "train" / "report.html").stat().st_size > 10_000
    assert "\x1b" not in told + summary


def test_the_same_command_goes_on_and_trials_is_a_total(done: Path) -> None:
    result = call("run", "train.py", "--metric", "val_loss", "--trials", "6")
    assert result.exit_code == 0, result.output
    assert "6 of 6 ended" in result.stdout
    assert "#1 " not in result.stderr
    result = call("run", "train.py", "--trials", "7", "--strategy", "random", "--workers", "1")
    assert "7 of 7 ended" in result.stdout
    assert re.findall(r"^#(\d+) ", result.stderr, re.MULTILINE) == ["7"]


def test_run_follows_the_file_and_options_go_before_it(here: Path) -> None:
    assert call("init", "train.py", "--yes", "--study", "mine").exit_code == 0
    text = (here / "knowhy.toml").read_text().replace("trials = 60", "trials = 3").replace('"theory"', '"random"')
    (here / "knowhy.toml").write_text(text)
    result = call("run", "--trials", "2")
    assert result.exit_code == 0, result.output
    state = Study.open("mine").state
    assert state.run is not None
    assert (state.run.trials, state.run.strategy) == (2, "random")
    (here / "other.py").write_text(TRAIN)
    result = call("run", "other.py", "--metric", "val_loss", "--trials", "1")
    assert "is not used" in result.stderr
    assert Study.open("other").state.finished == 1
    assert "mine" in call("status").stdout.splitlines()[0]
    assert "other" in call("status", "--study", "other").stdout.splitlines()[0]


def test_several_objectives(here: Path) -> None:
    result = call("run", "train.py", "--metric", "val_loss:min", "--metric", "duration:min", "--trials", "2")
    assert result.exit_code == 0, result.output
    assert [o.metric for o in Study.open("train").state.objectives] == ["val_loss", "duration"]


def test_run_tells_what_is_wrong(here: Path) -> None:
    assert "no script is named" in refused(call("run"))
    assert "there is no script none.py" in refused(call("run", "none.py", "--metric", "x:min"))
    assert "is a folder, not a script" in refused(call("run", ".", "--metric", "x:min"))
    assert "no objective is named" in refused(call("run", "train.py"))
    assert "--minimize or --maximize" in refused(call("run", "train.py", "--metric", "zork"))
    assert "--trials: 'x'" in refused(call("run", "train.py", "--metric", "val_loss", "--trials", "x"))
    assert "cmaes" in refused(call("run", "train.py", "--metric", "val_loss", "--strategy", "magic"))
    assert not (here / ".knowhy").exists()


def test_a_metric_that_never_appears(here: Path) -> None:
    told = refused(call("run", "train.py", "--metric", "accuracy", "--trials", "4"))
    assert "val_loss" in told
    assert "train_loss" in told
    # Nothing had completed, so the corrected call begins anew under the same name.
    result = call("run", "train.py", "--metric", "val_loss", "--trials", "1")
    assert result.exit_code == 0, result.output
    assert "train.aside-1" in result.stderr
    assert Study.open("train").state.finished == 1


def test_a_script_that_fails_says_where_its_log_is(here: Path) -> None:
    (here / "train.py").write_text(TRAIN.replace("import random", "import random, nonsense_module"))
    told = refused(call("run", "train.py", "--metric", "val_loss", "--trials", "3"))
    assert "default configuration" in told


def test_an_empty_space_and_an_unknown_parameter(here: Path) -> None:
    (here / "empty.py").write_text("print('val_loss: 1.0')\n")
    assert "space is empty" in refused(call("run", "empty.py", "--metric", "val_loss"))
    call("init", "train.py", "--yes")
    text = (here / "knowhy.toml").read_text()
    (here / "knowhy.toml").write_text(text.replace("DROPOUT =", "DROPUOT ="))
    told = refused(call("run"))
    assert "no parameter DROPUOT" in told
    assert "did you mean DROPOUT?" in told
    assert re.search(r"knowhy\.toml, line \d+", told)
    (here / "knowhy.toml").write_text(text.replace("high = 0.8", "high = -0.8"))
    assert "inverted" in refused(call("run"))


def test_a_study_with_another_space_is_refused(done: Path) -> None:
    call("init", "train.py", "--yes")
    path = done / "knowhy.toml"
    path.write_text(path.read_text().replace("high = 0.8", "high = 0.5"))
    told = refused(call("run", "--trials", "7"))
    assert "its range of DROPOUT is 0 to 0.8, not 0 to 0.5" in told
    assert "--study NAME" in told
    assert "not maximize val_loss" in refused(call("run", "train.py", "--metric", "val_loss:max"))
    assert Study.open("train").state.finished == 6


def test_a_misspelt_metric_is_told_with_the_nearest_and_leaves_no_study_in_the_way(here: Path) -> None:
    told = refused(call("run", "train.py", "--metric", "val_los:min", "--trials", "2"))
    assert "train_loss, val_loss" in told
    assert "did you mean --metric val_loss?" in told
    assert call("run", "train.py", "--metric", "val_loss:min", "--trials", "2").exit_code == 0
    status = call("status")
    assert "the one worked on last" not in status.stderr
    assert call("status", "--study", "train.aside-1").exit_code == 0


def test_a_constraint_is_an_option(here: Path) -> None:
    result = call("run", "train.py", "--metric", "val_loss", "--constraint", "train_loss < 0.05", "--trials", "3")
    assert result.exit_code == 0, result.stderr
    assert "keep train_loss <= 0.05" in result.stderr
    assert "keep train_loss <= 0.05" in result.stdout
    assert [c.bound for c in Study.open("train").state.constraints] == [0.05]
    told = refused(call("run", "train.py", "--metric", "val_loss", "--constraint", "train_los < 1", "--study", "typo"))
    assert "no value of train_los appeared" in told
    assert "did you mean train_loss?" in told
    tight = call(
        "run", "train.py", "--metric", "val_loss", "--constraint", "train_loss < 0", "--study", "t", "--trials", "2"
    )
    assert "no trial that completed keeps the constraints" in tight.stdout
    assert "is no constraint" in refused(call("run", "train.py", "--metric", "val_loss", "--constraint", "small"))


def test_two_processes_begin_a_study_once(here: Path) -> None:
    command = [sys.executable, "-m", "knowhy", "run", "train.py", "--metric", "val_loss", "--trials", "3"]
    both = [
        subprocess.Popen([*command, "--seed", seed], cwd=here, stderr=subprocess.PIPE, text=True) for seed in ("1", "2")
    ]
    told = [process.communicate(timeout=120)[1] for process in both]
    assert {process.returncode for process in both} <= {0, 2}, told
    assert 0 in {process.returncode for process in both}, told
    events = [record.event for record in Study.open("train")._opened().read()]
    assert sum(isinstance(event, StudyCreated) for event in events) == 1
    assert isinstance(events[0], StudyCreated)


def test_arguments_reach_the_script(here: Path) -> None:
    (here / "train.py").write_text(TRAIN + "import sys\nprint('count:', len(sys.argv))\n")
    result = call("run", "train.py", "--metric", "val_loss", "--trials", "1", "--", "--extra", "3")
    assert result.exit_code == 0, result.output
    assert Study.open("train").trials[0].metrics["count"] == 3


def test_ctrl_c_stops_in_good_order_and_the_same_command_goes_on(here: Path) -> None:
    (here / "train.py").write_text(TRAIN + "import time; time.sleep(0.3)\n")
    command = [sys.executable, "-m", "knowhy", "run", "train.py", "--metric", "val_loss", "--strategy", "random"]
    process = subprocess.Popen(
        [*command, "--trials", "40"], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (here / ".knowhy" / "train" / "trials" / "00003").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "stopped; run again to go on"
    assert "Traceback" not in err + out
    kept = Study.open("train").state
    assert kept.ended == "stopped by the person"
    assert 1 <= kept.finished < 40
    result = call("run", "train.py", "--strategy", "random", "--trials", str(kept.finished + 1))
    assert result.exit_code == 0, result.output
    now = Study.open("train").state
    assert now.finished >= kept.finished + 1
    assert all(now.trials[t.proposal.trial] == t for t in kept.completed)


def test_the_demo_goes_on_until_it_has_finished_and_then_begins_beside_it(here: Path) -> None:
    assert "--trials" in refused(call("demo", "--trials", "x"))
    result = call("demo", "--trials", "2")
    assert result.exit_code == 0, result.output
    assert "report     knowhy-demo/.knowhy/demo/report.html" in result.stdout
    result = call("demo", "there/it/is", "--trials", "1", "--workers", "1")
    assert (here / "there" / "it" / "is" / ".knowhy" / "demo" / "journal.db").exists()
    os.chdir("knowhy-demo")
    assert call("status").stdout.startswith("demo  minimize val_loss\n")
    os.chdir("..")
    result = call("demo", "--trials", "1", "--workers", "1")
    assert "(demo-2)" in result.stderr
    assert Study.open("demo-2", folder="knowhy-demo/.knowhy").state.finished == 1
    assert 'name = "demo-2"' in (here / "knowhy-demo" / "knowhy.toml").read_text()


# Reading


def test_an_edited_demo_is_told_what_to_do(here: Path) -> None:
    assert call("demo", "d", "--trials", "2", "--workers", "1").exit_code == 0
    script = here / "d" / "train.py"
    script.write_text(script.read_text() + "\n# edited\n")
    settings = here / "d" / "knowhy.toml"
    settings.write_text(settings.read_text().replace("trials = 2", "trials = 3"))
    study = Study.open("demo", folder=here / "d" / ".knowhy")
    study._append([RunStarted(4, None, 1, "theory")])
    told = refused(call("demo", "d", "--trials", "4"))
    assert "has changed since its first trial" in told
    assert "knowhy demo OTHER-FOLDER" in told


def test_reading_commands_speak_to_people_and_programs(done: Path) -> None:
    theory = json.loads(call("theories", "--json").stdout)[0]["id"]
    calls = (["status"], ["best"], ["theories"], ["explain", theory], ["next"], ["trials"], ["doctor"])
    for arguments in calls:
        plain = call(*arguments)
        assert plain.exit_code == 0, plain.output
        assert plain.stdout.strip()
        assert all(line == line.rstrip() for line in plain.stdout.splitlines())
        data = call(*arguments, "--json")
        assert data.exit_code == 0
        json.loads(data.stdout)
    rows = json.loads(call("trials", "--json").stdout)
    assert [row["number"] for row in rows] == [1, 2, 3, 4, 5, 6]
    told = call("trials").stdout.splitlines()
    assert len([line for line in told if re.match(r"\s*\d+ ", line)]) == 6


def test_believe_tells_prior_belief_effect_and_evidence(done: Path) -> None:
    sentence = "raising DROPOUT from 0.1 to 0.4 lowers val_loss"
    told = call("believe", sentence).stdout
    for word in ("claim", "prior", "belief", "effect", "90% within"):
        assert word in told
    data = json.loads(call("believe", sentence, "--json").stdout)
    assert 0 <= data["belief"] <= 1
    told = refused(call("believe", "raising DROPUT from 0.1 to 0.4 lowers val_loss"))
    assert "raising DROPOUT from 0.1 to 0.4 lowers val_loss" in told
    refused(call("believe", "raising DROPOUT from 0.1 to 0.4 lowers nothing_such"))
    refused(call("believe", ""))


def test_suppose_adds_a_theory_once(done: Path) -> None:
    sentence = "raising DROPOUT from 0.2 to 0.33 lowers val_loss by at least 0.002"
    assert call("suppose", sentence, "--because", "a hunch").stdout.startswith("P1 joins the theories of train\n")
    assert call("suppose", sentence).stdout.startswith("P1 says so already\n")
    theory = json.loads(call("explain", "p1", "--json").stdout)["theory"]
    assert (theory["because"], theory["by"]) == ("a hunch", "person")
    assert "T1" in refused(call("explain", "T99"))


def test_best_is_written_into_the_script(done: Path) -> None:
    result = call("best", "--write", "train_best.py")
    assert result.exit_code == 0, result.output
    text = (done / "train_best.py").read_text()
    assert "# a comment that stays" in text
    best = Study.open("train").best
    assert best is not None
    assert f"DROPOUT = {best.point['DROPOUT']}" in text
    assert call("best", "--write", "best.json").exit_code == 0
    assert json.loads((done / "best.json").read_text()) == dict(best.point)
    assert "the script under study" in refused(call("best", "--write", "train.py"))
    assert (done / "train.py").read_text() == TRAIN
    assert "cannot be written" in refused(call("best", "--write", "no/such/folder.py"))


def test_the_report_goes_where_it_is_asked_to(done: Path) -> None:
    assert call("report").stdout.strip().endswith("report.html")
    assert call("report", "--format", "md", "--out", "r.txt").stdout == "r.txt\n"
    assert (done / "r.txt").read_text().startswith("#")
    assert json.loads(call("report", "--out", "r.md", "--json").stdout) == {"path": "r.md"}
    assert "<html" not in (done / "r.md").read_text()


def test_no_study_and_the_wrong_study(here: Path) -> None:
    for name in ("status", "theories", "trials", "next", "best", "report"):
        assert "there is no study" in refused(call(name))
    assert "no study nope" in refused(call("status", "--study", "nope"))
    assert not (here / ".knowhy").exists()
    assert call("doctor").exit_code == 0


def test_a_damaged_journal_is_told_and_can_be_saved(done: Path) -> None:
    path = done / ".knowhy" / "train" / "journal.db"
    data = path.read_bytes()
    at = data.rfind(b"DROPOUT")
    path.write_bytes(data[:at] + b"DROPPED" + data[at + 7 :])
    for name in ("status", "theories", "trials"):
        assert "damaged" in refused(call(name)) or "doctor" in refused(call(name))
    told = refused(call("doctor"))
    assert "--recover" in told
    report = json.loads(call("doctor", "--json").stdout)["journals"][0]
    assert report["ok"] is False
    refused(call("run", "train.py", "--trials", "8"))
    refused(call("doctor", "--recover", "saved.db"))
    assert (done / "saved.db").stat().st_size > 0


def test_a_file_that_is_no_journal(here: Path) -> None:
    (here / ".knowhy" / "train").mkdir(parents=True)
    (here / ".knowhy" / "train" / "journal.db").write_bytes(b"not a database at all" * 100)
    refused(call("status"))
    refused(call("run", "train.py", "--metric", "val_loss"))


def test_two_controllers(done: Path) -> None:
    holder = (
        "import time; from knowhy.journal import SqliteJournal\n"
        "with SqliteJournal('.knowhy/train/journal.db').lease(): print('held', flush=True); time.sleep(30)"
    )
    with subprocess.Popen([sys.executable, "-c", holder], cwd=done, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        told, status = call("run", "train.py", "--trials", "8"), call("status")
        process.kill()
    assert str(process.pid) in refused(told)
    assert status.exit_code == 0
    assert Study.open("train").state.finished == 6


# Text and views


def test_a_full_disk_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device", "journal.db")

    monkeypatch.setattr("knowhy.faces.commands.run.discovered", full)
    told = refused(call("run", "train.py", "--metric", "val_loss"))
    assert "No space left on device: journal.db" in told
    assert "every finished trial is kept" in told


def test_text_of_others_steers_nothing() -> None:
    assert safe("a\x1b[31mb\x07\u202ec\td\ne") == "a\ufffd[31mb\ufffd\ufffdc d\ne"
    assert one_line("a\n  b\x00", 0) == "a b\ufffd"
    assert one_line("abcdef", 4) == "abc…"
    assert "\x1b" not in str(SubjectError("x"))


def test_time_left_is_a_range() -> None:
    assert forecast.time_left(1.0, 1, [1.0], 5, None) is None
    assert forecast.time_left(10.0, 5, [1.0, 2.0], 0, None) == (0.0, 0.0)
    left = forecast.time_left(10.0, 5, [1.0, 2.0, 3.0], 10, None)
    assert left is not None
    assert left[0] < 20 < left[1]
    assert forecast.time_left(10.0, 5, [1.0, 2.0, 3.0], 10, 4.0) == (4.0, 4.0)
    assert forecast.words((40.0, 55.0)) == "40 to 55 s left"
    assert forecast.words((150.0, 400.0)) == "2.5 to 7 min left"
    assert forecast.words(None) == ""


def test_what_is_worse_than_the_default_is_called_worse(done: Path) -> None:
    best = Study.open("train").best
    assert best is not None
    assert ": worse by 0.05" in render.comparison(replace(best, improvement=-0.05, relative=-0.2, high=best.low))
    assert ": better by 0.05" in render.comparison(replace(best, improvement=0.05, relative=0.2, high=best.low))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_view_fits_the_terminal(done: Path, width: int) -> None:
    study = Study.open("train")
    console = render.Console(file=open(os.devnull, "w"), force_terminal=True, width=width, height=24)  # noqa: SIM115
    with live.LiveView(console) as view:
        view.judged(study.state, study.mind)
        view.watch(study.state)
        frame = view._draw()
    with console.capture() as capture:
        console.print(frame)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capture.get()).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "6 of 6 trials" in text
    assert "best" in text
    assert "last" in text


def test_plain_lines_tell_each_trial_once(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = Study.open("train")
    records = list(study._opened().read())
    state = State()
    with live.PlainLines() as lines:
        for record in records:
            state = fold([record], state)
            lines.watch(state)
    told = capsys.readouterr().err
    assert sorted(re.findall(r"^#(\d+) ", told, re.MULTILINE)) == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize(
    ("beliefs", "verdicts"),
    [
        ([0.5, 0.97, 0.94, 0.96, 0.7, 0.6], []),
        ([0.5, 0.97, 0.96, 0.94, 0.97, 0.96], ["supported"]),
        ([0.97, 0.97, 0.7, 0.6, 0.02, 0.01], ["supported", "no longer supported", "refuted"]),
        ([0.97, 0.97, 0.6, 0.97, 0.97, 0.97], ["supported"]),
        ([0.5, 0.5, 0.5, 0.5, 0.5, 0.02], ["refuted"]),
    ],
)
def test_a_verdict_is_told_when_it_stands(
    beliefs: list[float], verdicts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    objective, theory = Objective("m"), Theory("T1", "A title", "why", ("x matters for m",))
    events: list[Event] = [
        StudyCreated("s", (objective,), Space((real("x", 0, 1, 0.5),)), 0, {}, "0"),
        TheoryProposed(theory, 0.5),
    ]
    for number, belief in enumerate(beliefs, start=1):
        proposal = Proposal(number, {"x": 0.5}, 0, "learn", "a [bold]reason[/bold]\x1b[2J")
        events += [
            TrialProposed(proposal),
            TrialStarted(number, 1),
            TrialCompleted(number, Observation({"m": 1.0}, 0.1)),
            BeliefsUpdated(number, {"T1": belief}, {"T1": 0.5}, 0.1),
        ]
    state = State()
    with live.PlainLines() as lines:
        for seq, event in enumerate(events, start=1):
            state = fold([Record(seq, float(seq), event, "")], state)
            lines.watch(state)
    told = capsys.readouterr().err
    assert re.findall(r"^T1 (.*?) \(", told, re.MULTILINE) == verdicts
    assert "#1 learn  default  m 1  +0.10 bits  – a [bold]reason[/bold]\ufffd[2J\n" in told
