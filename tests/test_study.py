from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import knowhy
from knowhy import compose
from knowhy.errors import (
    JournalDamagedError,
    MetricError,
    SentenceError,
    SpaceError,
    StudyLockedError,
    StudyMismatchError,
    StudyMissingError,
    SubjectError,
    UsageError,
)
from knowhy.model.events import ParameterChanged, StudyCreated
from knowhy.model.objective import Constraint, Objective
from knowhy.model.space import Parameter, Space
from knowhy.model.trial import Completed, Failed, Running
from knowhy.settings import continuity
from knowhy.study import study_names

SPACE = [knowhy.real("lr", 1e-4, 1.0, 0.01, log=True), knowhy.real("dropout", 0.0, 0.8, 0.1)]

SCRIPT = """\
import random
LEARNING_RATE = 0.01
DROPOUT = 0.1
SEED = 0
random.seed(SEED)
print(f"val_loss: {(DROPOUT - 0.4) ** 2 + abs(LEARNING_RATE - 0.02) + random.gauss(0, 0.001)}")
"""


def _quick() -> Callable[[dict[str, float]], dict[str, float]]:
    """A function that is sent as it is: a child that imported this module would import pytest as well."""
    return lambda params: {"val_loss": (params["dropout"] - 0.4) ** 2 + params["lr"]}


quick = _quick()


def truth(point: dict[str, object]) -> float:
    return (float(str(point["dropout"])) - 0.4) ** 2 + abs(float(str(point["lr"])) - 0.02)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of five trials, told by hand."""
    folder = tmp_path_factory.mktemp("hand")
    study = knowhy.Study("hand", folder=folder)
    for _ in range(5):
        trial = study.ask(SPACE, trials=20)
        assert trial is not None
        study.tell(trial.trial, metrics={"val_loss": truth(dict(trial.point))}, duration=1.0)
    return folder


@pytest.fixture
def told(hand: Path, tmp_path: Path) -> knowhy.Study:
    """A copy of that study."""
    shutil.copytree(hand, tmp_path / "copy")
    return knowhy.Study("hand", folder=tmp_path / "copy")


def test_public_names_are_there_and_lazy() -> None:
    for name in knowhy.__all__:
        assert getattr(knowhy, name) is not None
    assert set(knowhy.__all__) <= set(dir(knowhy))
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = knowhy.nothing_such
    code = "import sys, knowhy; knowhy.report; assert not {'numpy', 'optuna', 'rich', 'click'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_function_is_studied_and_resumed(tmp_path: Path) -> None:
    study = knowhy.Study("f", {"val_loss": "minimize"}, folder=tmp_path, seed=3)
    states = []
    view = study.run(quick, SPACE, trials=4, workers=2, watch=states.append)
    assert (view.done, view.total, view.phase) == (4, 4, "ended")
    assert states[-1].seq == study.state.seq
    assert dict(study.trials[0].point) == {"lr": 0.01, "dropout": 0.1}
    again = knowhy.Study("f", folder=tmp_path)
    assert again.objectives == (Objective("val_loss"),)
    assert again.seed == 3
    before = {t.number: t.value for t in study.trials}
    assert again.run(quick, SPACE, trials=4, workers=1).done == 4
    assert {t.number: t.value for t in again.trials} == before
    assert again.run(quick, SPACE, trials=6, workers=2).done == 6
    assert {t.number: t.value for t in again.trials if t.number <= 4} == before
    assert again.best is not None
    assert again.theories
    assert study_names(tmp_path) == ["f"]


def test_asking_writes_the_prediction_first_and_telling_updates_beliefs(told: knowhy.Study) -> None:
    state = told.state
    assert [t.number for t in told.trials] == [1, 2, 3, 4, 5]
    assert dict(told.trials[0].point) == {"lr": 0.01, "dropout": 0.1}
    assert len(state.updates) == 5
    trial = told.ask(trials=20)
    assert trial is not None
    assert trial.predictions
    assert isinstance(told.state.trials[trial.trial], Running)
    reopened = knowhy.Study("hand", folder=told.path.parent)
    reopened.tell(trial.trial, failure="out_of_memory")
    ended = told.state.trials[trial.trial]
    assert isinstance(ended, Failed)
    assert ended.failure.kind == "out_of_memory"
    assert len(told.state.updates) == 6


def test_what_is_told_is_checked(told: knowhy.Study) -> None:
    trial = told.ask(trials=20)
    assert trial is not None
    with pytest.raises(UsageError, match="trial 99"):
        told.tell(99, metrics={"val_loss": 1.0})
    with pytest.raises(UsageError, match="trial 1 is not"):
        told.tell(1, metrics={"val_loss": 1.0})
    with pytest.raises(UsageError, match="either"):
        told.tell(trial.trial)
    with pytest.raises(MetricError, match="lack val_loss"):
        told.tell(trial.trial, metrics={"loss": 1.0})
    told.tell(trial.trial, metrics={"val_loss": float("nan"), "other": 1.0})
    ended = told.state.trials[trial.trial]
    assert isinstance(ended, Failed)
    assert (ended.failure.kind, ended.failure.metrics) == ("nan", {"other": 1.0})


def test_asking_stops_at_the_total(told: knowhy.Study) -> None:
    assert told.ask(trials=5) is None
    assert told.ask(trials=6) is not None


def test_two_may_be_asked_for_before_one_is_told(told: knowhy.Study) -> None:
    one, two = told.ask(trials=20), told.ask(trials=20)
    assert one is not None
    assert two is not None
    assert one.trial != two.trial
    told.tell(two.trial, metrics={"val_loss": 1.0})
    told.tell(one.trial, metrics={"val_loss": 2.0})
    ended = told.state.trials[two.trial]
    assert isinstance(ended, Completed)
    assert ended.observation.metrics["val_loss"] == 1.0


def test_claims_are_judged_and_joined(told: knowhy.Study) -> None:
    judgement = told.believe("raising dropout from 0.1 to 0.4 lowers val_loss")
    assert 0 <= judgement.prior <= 1
    assert 0 <= judgement.belief <= 1
    with pytest.raises(SentenceError) as caught:
        told.believe("raising dropuot from 0.1 to 0.4 lowers val_loss")
    assert "dropout" in caught.value.nearest + caught.value.hint
    with pytest.raises(SentenceError):
        told.believe("raising dropout from 0.1 to 0.4 lowers val_lss")
    before = len(told.theories)
    view = told.suppose("raising dropout from 0.2 to 0.33 lowers val_loss by at least 0.001", "a hunch", "Hunch")
    assert (view.id, view.by, view.title, view.because, view.after) == ("P1", "person", "Hunch", "a hunch", 5)
    assert len(told.theories) == before + 1
    assert told.suppose(view.claims[0]).id == "P1"
    assert len(told.theories) == before + 1
    assert told.explain("p1").theory.id == "P1"
    trial = told.ask(trials=20)
    assert trial is not None
    told.tell(trial.trial, metrics={"val_loss": truth(dict(trial.point))})
    assert "P1" in told.state.beliefs


def test_a_report_is_written(told: knowhy.Study, tmp_path: Path) -> None:
    html = told.report(tmp_path / "r.html").read_text()
    assert "<html" in html
    assert "val_loss" in html
    assert told.report(tmp_path / "r.md").read_text().startswith("#")
    assert told.report() == told.path / "report.html"
    with pytest.raises(UsageError, match="cannot be written"):
        told.report(tmp_path / "r.md" / "x.html")


def test_reading_changes_nothing(told: knowhy.Study) -> None:
    before = told.state.seq
    assert told.status.done == 5
    assert told.next()
    assert told.best is not None
    assert told.state.seq == before


def test_a_study_that_has_not_begun(tmp_path: Path) -> None:
    study = knowhy.Study("new", folder=tmp_path)
    assert study.theories == ()
    assert study.trials == ()
    with pytest.raises(StudyMissingError):
        study.believe("lr matters for val_loss")
    with pytest.raises(StudyMissingError):
        study.report(tmp_path / "r.html")
    with pytest.raises(SpaceError, match="needs a space"):
        study.ask()
    with pytest.raises(StudyMissingError, match="no study new"):
        knowhy.Study.open("new", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="no name"):
        knowhy.Study("../x", folder=tmp_path)
    with pytest.raises(MetricError):
        knowhy.Study("x", {}, folder=tmp_path)


def test_a_function_needs_a_space_and_the_space_something_to_vary(tmp_path: Path) -> None:
    study = knowhy.Study("f", folder=tmp_path)
    with pytest.raises(SpaceError):
        study.run(quick)
    with pytest.raises(SpaceError, match="empty"):
        study.run(quick, [])
    with pytest.raises(UsageError, match="no strategy 'magic'"):
        compose.policy("magic", study.mind, 0)  # type: ignore[arg-type]
    with pytest.raises(SpaceError, match="inverted"):
        study.run(quick, [knowhy.real("lr", 1.0, 0.1, 0.5)])
    assert not (tmp_path / "f" / "journal.db").exists()


def test_a_script_that_fails_as_it_is(tmp_path: Path, script: Path) -> None:
    script.write_text(SCRIPT + "raise SystemExit(3)\n")
    with pytest.raises(SubjectError, match="default configuration"):
        knowhy.Study("s", folder=tmp_path).run(script, trials=4, workers=1)
    with pytest.raises(SubjectError):
        knowhy.Study("t", folder=tmp_path).run(tmp_path / "missing.py")


def test_a_metric_that_never_appears_lists_what_does(tmp_path: Path, script: Path) -> None:
    with pytest.raises(MetricError) as caught:
        knowhy.Study("s", {"val_los": "minimize"}, folder=tmp_path).run(script, trials=4, workers=1)
    assert "val_loss" in caught.value.message + caught.value.hint


def test_another_space_or_objective_is_refused_in_words(told: knowhy.Study) -> None:
    folder = told.path.parent
    before = told.state.seq
    with pytest.raises(StudyMismatchError, match="minimize val_loss, not maximize acc"):
        knowhy.Study("hand", {"acc": "maximize"}, folder=folder).ask(SPACE)
    with pytest.raises(StudyMismatchError, match="its range of lr"):
        told.ask([knowhy.real("lr", 1e-3, 1.0, 0.01, log=True), SPACE[1]])
    with pytest.raises(StudyMismatchError, match=r"its default of lr is 0\.01, not 0\.02"):
        told.ask([knowhy.real("lr", 1e-4, 1.0, 0.02, log=True), SPACE[1]])
    with pytest.raises(StudyMismatchError, match="it has the parameter dropout") as caught:
        told.ask(SPACE[:1])
    assert "--study" in caught.value.hint
    with pytest.raises(StudyMismatchError, match="by hand"):
        told.run(quick, SPACE, trials=9)
    assert told.state.seq == before


def test_a_study_goes_on_in_a_wider_space(told: knowhy.Study) -> None:
    wider = [knowhy.real("lr", 1e-5, 1.0, 0.01, log=True), SPACE[1], knowhy.switch("nesterov", False)]
    trial = told.ask(wider, trials=20)
    assert trial is not None
    assert "nesterov" in trial.point
    changes = [(c.parameter.name, c.change, c.by) for _, c in told.state.changes]
    assert changes == [("lr", "widened", "settings"), ("nesterov", "added", "settings")]
    told.tell(trial.trial, metrics={"val_loss": 1.0})
    told.ask(wider, trials=20)
    assert len(told.state.changes) == 2


def test_what_the_engine_opened_stays_open() -> None:
    held = Parameter("dropout", SPACE[1].domain, 0.1, active=False)
    created = StudyCreated("s", (Objective("m"),), Space((SPACE[0], held)), 0, {}, "0")
    opened = ParameterChanged(SPACE[1], "opened", "a theory asks for it", "builtin")
    assert continuity.changes_of_space(created, [opened], created.space) == ([], [])
    changes, problems = continuity.changes_of_space(created, [opened], Space((SPACE[0], SPACE[1])))
    assert (changes, problems) == ([], [])
    by_person = ParameterChanged(SPACE[1], "opened", "", "person")  # knowhy open: the declaration has not changed
    assert continuity.changes_of_space(created, [by_person], created.space) == ([], [])
    for declared in (
        ParameterChanged(SPACE[1], "opened", "", "settings"),
        ParameterChanged(SPACE[1], "opened", "asked for when the study went on", "person"),  # as version 0.1 wrote it
    ):
        changes, problems = continuity.changes_of_space(created, [declared], created.space)
        assert ([c.change for c in changes], problems) == (["frozen"], [])
    constraint = Constraint("peak", "<=", 8.0)
    assert continuity.differing_goals(created, created.objectives, [constraint]) == [
        "its constraints are none, not peak <= 8"
    ]


def test_a_changed_script_is_refused_unless_nothing_has_completed(tmp_path: Path, script: Path) -> None:
    study = knowhy.Study("s", folder=tmp_path / "k")
    study.run(script, trials=2, workers=2)
    script.write_text(SCRIPT + "# edited\n")
    with pytest.raises(StudyMismatchError, match=r"train\.py has changed"):
        knowhy.Study("s", folder=tmp_path / "k").run(script, trials=3)
    with pytest.raises(knowhy.errors.StudyError, match="holds results"):
        study.set_aside()
    broken = knowhy.Study("b", {"nothing": "minimize"}, folder=tmp_path / "k")
    with pytest.raises(MetricError):
        broken.run(script, trials=2, workers=1)
    assert broken.set_aside().name == "b.aside-1"
    assert (tmp_path / "k" / "b.aside-1" / "journal.db").exists()
    assert broken.state.trials == {}


def test_a_damaged_journal_is_refused_and_left_alone(told: knowhy.Study) -> None:
    path = told.path / "journal.db"
    data = bytearray(path.read_bytes())
    at = data.rfind(b'"dropout"')
    data[at + 1 : at + 8] = b"dropped"
    path.write_bytes(bytes(data))
    with pytest.raises(JournalDamagedError):
        _ = knowhy.Study("hand", folder=told.path.parent).state
    assert path.read_bytes() == bytes(data)


def test_two_controllers_do_not_mix(told: knowhy.Study) -> None:
    holder = (
        "import sys, time; from knowhy.journal import SqliteJournal\n"
        "with SqliteJournal(sys.argv[1]).lease(): print('held', flush=True); time.sleep(30)"
    )
    command = [sys.executable, "-c", holder, str(told.path / "journal.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        seq = told.state.seq
        with pytest.raises(StudyLockedError):
            told.ask(trials=20)
        assert told.state.seq == seq
        process.kill()
    assert told.ask(trials=20) is not None


def test_a_run_that_is_killed_counts_every_trial_once(tmp_path: Path, script: Path) -> None:
    script.write_text(SCRIPT.replace("import random", "import random, time; time.sleep(0.2)"))
    code = "import sys, knowhy; knowhy.Study('s', folder=sys.argv[1]).run(sys.argv[2], trials=8, strategy='random')"
    command = [sys.executable, "-c", code, str(tmp_path / "k"), str(script)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    study = knowhy.Study("s", folder=tmp_path / "k")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        study = knowhy.Study("s", folder=tmp_path / "k")
        if study.state.finished >= 3:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {n: t for n, t in knowhy.Study("s", folder=tmp_path / "k").state.trials.items() if isinstance(t, Completed)}
    assert len(kept) >= 3
    view = knowhy.Study("s", folder=tmp_path / "k").run(script, trials=8, workers=2, strategy="random")
    assert (view.done, view.failed) == (8, 0)
    final = knowhy.Study("s", folder=tmp_path / "k").state
    assert sorted(final.trials) == list(range(1, 9))
    assert {n: final.trials[n] for n in kept} == kept


def test_stop_ends_in_good_order(tmp_path: Path, script: Path) -> None:
    script.write_text(SCRIPT + "import time; time.sleep(0.1)\n")
    study = knowhy.Study("s", folder=tmp_path / "k")
    study.run(script, trials=30, workers=2, strategy="random", stop=lambda: study.state.finished >= 2)
    state = study.state
    assert 2 <= state.finished < 30
    assert state.ended == "stopped by the person"


@pytest.mark.parametrize("name", ["x" * 400, "../outside", "a/b", "", "nul\0"])
def test_what_cannot_name_a_study_is_refused_when_one_is_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        knowhy.Study.open(name, folder=tmp_path)
