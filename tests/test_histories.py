from __future__ import annotations

import json
import math
import os
import pickle
import string
from pathlib import Path
from typing import Any

import optuna
import pandas
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.history import FILES, ReaderConformance, request
from tests.histories.make import TRIALS

from knowhy.cases.wishes import Wishes
from knowhy.errors import KnowhyError, MetricError, StudyMismatchError, UsageError
from knowhy.faces.cli import cli
from knowhy.histories import cells, sources, tables
from knowhy.histories.history import History, Recorded, Request, identified
from knowhy.histories.optuna_storage import read_optuna, write_optuna
from knowhy.histories.spaces import adopt, fit
from knowhy.model.events import TrialObserved
from knowhy.model.objective import Objective
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import (
    Choices,
    Condition,
    Interval,
    Parameter,
    Scalar,
    Space,
    choice,
    integer,
    power_of_two,
    real,
)
from knowhy.study import Study

optuna.logging.set_verbosity(optuna.logging.ERROR)


class TestOptunaDatabase(ReaderConformance):
    source, kind = "optuna.db", "optuna"


class TestOptunaJournal(ReaderConformance):
    source, kind = "optuna.log", "optuna"


class TestOptunaDataframe(ReaderConformance):
    source, kind = "optuna_dataframe.csv", "csv"


class TestCsv(ReaderConformance):
    source, kind = "plain.csv", "csv"


class TestJsonLines(ReaderConformance):
    source, kind = "nested.jsonl", "jsonl"


class TestMlflowFolder(ReaderConformance):
    source, kind = "mlruns", "mlflow"


class TestMlflowDatabase(ReaderConformance):
    source, kind = "mlflow.db", "mlflow database"


class TestWandb(ReaderConformance):
    source, kind = "wandb", "wandb"

    @pytest.fixture(autouse=True)
    def _there(self) -> None:
        pytest.importorskip("wandb")


def test_without_wandb_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb.proto.wandb_internal_pb2", None)
    with pytest.raises(UsageError, match="need its package") as caught:
        sources.read(FILES / "wandb", "wandb", request())
    assert "CSV" in caught.value.hint


# Cells


@given(st.one_of(st.booleans(), st.none(), st.integers(-(10**17), 10**17), st.floats(allow_nan=False), st.text()))
def test_cells_round_trip(value: Scalar) -> None:
    text = cells.write_cell(value)
    there, back = cells.read_cell(text)
    assert there
    assert type(back) is type(value)
    assert back == value


@given(st.text())
def test_no_text_is_a_formula(text: str) -> None:
    assert not cells.write_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not cells.write_header(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cells.read_header(cells.write_header(text)) == text


# Round trips

NAME = st.text(string.ascii_letters + string.digits + "_.-/<>=@äß", min_size=1, max_size=12).filter(
    lambda n: n not in ("seed", "random_state", "random_seed")
)
FINITE = st.floats(-1e9, 1e9, allow_nan=False)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Studies over mixed spaces, a conditional parameter among them, with failures."""
    metrics = ["loss", draw(st.sampled_from(["acc", "size of it", "=m"]))]
    # A setting called like a metric is read back as "..._set", so that sentences can tell the two apart.
    names = draw(st.lists(NAME.filter(lambda n: n not in metrics), min_size=3, max_size=5, unique_by=str.lower))
    kinds: list[Parameter] = []
    for i, name in enumerate(names):
        options = (
            real(name, 1e-5, 10.0, 0.1, log=True),
            integer(name, -3, 40, 5),
            choice(name, ("=cmd", "1", 1, None, "b c", 2.5), None),
            power_of_two(name, 2, 64, 8),
            choice(name, (True, False), True),
        )
        kinds.append(options[draw(st.integers(0, 4))] if i else choice(name, ("x", "y"), "x"))
    last = kinds[-1]
    kinds[-1] = Parameter(last.name, last.domain, last.default, condition=Condition(names[0], ("x",)))
    space = Space(tuple(kinds))
    trials = []
    for number in range(draw(st.integers(2, 6))):
        point: dict[str, Scalar] = {}
        for p in space:
            if isinstance(p.domain, Choices):
                point[p.name] = draw(st.sampled_from(p.domain.values))
            else:
                point[p.name] = p.domain.from_unit(draw(st.floats(0, 1)))
        full = space.complete(point)
        here = {k: v for k, v in full.items() if k != last.name or full[names[0]] == "x"}
        values = {m: draw(FINITE) for m in metrics}
        ended: Any = Observation(values, float(draw(st.integers(0, 100))))
        if draw(st.booleans()) and number:
            ended = Failure(draw(st.sampled_from(["exit", "nan", "timeout", "pruned"])), "it broke", 1.0)
        trials.append(Recorded(f"trial {number + 1}", here, ended, draw(st.integers(1, 99)), "why", "learn"))
    objectives = (Objective("loss"), Objective(metrics[1], "maximize"))
    return identified(History("knowhy", "s", "s", tuple(trials), {}, objectives, space=space))


def told(history: History) -> list[tuple[Any, ...]]:
    """What must survive."""
    out: list[tuple[Any, ...]] = []
    for t in history.trials:
        settings = sorted((k, type(v).__name__, v if v is not None else "") for k, v in t.settings.items())
        ended = t.outcome
        metrics = {k: v for k, v in ended.metrics.items() if k not in ("seconds",)}
        out.append((t.name, settings, metrics, isinstance(ended, Failure) and ended.kind, ended.duration, t.seed))
    return out


FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(histories())
def test_csv_round_trip(history: History) -> None:
    assert told(_read_text("t.csv", tables.csv_text(history), tables.read_csv)) == told(history)


@FEW
@given(histories())
def test_jsonl_round_trip(history: History) -> None:
    assert told(_read_text("t.jsonl", tables.jsonl_text(history), tables.read_jsonl)) == told(history)


def _read_text(name: str, text: str, read: Any) -> History:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8", newline="")
        found: History = read(path, Request())
        return found


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_optuna_round_trip(history: History) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "o.db"
        write_optuna(history, path)
        study = optuna.load_study(study_name="s", storage=f"sqlite:///{path}")
        assert len(study.trials) == len(history.trials)
        assert [d.name for d in study.directions] == ["MINIMIZE", "MAXIMIZE"]
        back = read_optuna(path, Request())
        assert back.objectives == history.objectives
        for one, two in zip(back.trials, history.trials, strict=True):
            assert isinstance(one.outcome, Failure) == isinstance(two.outcome, Failure)
            assert one.settings.keys() == two.settings.keys()
            assert one.seed == two.seed
            for name, value in two.settings.items():
                if not isinstance(value, (str, type(None))):
                    assert str(value) in str(one.settings[name])
            if isinstance(two.outcome, Observation):
                assert {k: one.outcome.metrics[k] for k in two.outcome.metrics} == two.outcome.metrics


# A person's way through


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")  # what is looked for must not be broken across lines
    for name in [name for name in os.environ if name.startswith("KNOWHY_")]:
        monkeypatch.delenv(name)
    return tmp_path


def call(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    lines = result.stderr.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert sum(line.startswith("hint: ") for line in lines) == 1
    return result.stderr


SCRIPT = """\
import os, random
lr = 0.01
layers = 2
opt = "adam"
momentum = 0.9
batch_size = 32
random.seed(int(os.environ.get("KNOWHY_SEED", "0")))
rate = 0.1 if opt == "adam" else 0.3 - 0.2 * momentum if opt == "sgd" else 0
print("val_loss:", abs(lr - 0.01) * 10 + 0.02 * layers + rate + batch_size * 0 + random.gauss(0, 0.01))
"""


def test_from_an_optuna_storage_to_a_verified_study(here: Path) -> None:
    shown = call("import", str(FILES / "optuna.db"), "--study", "s", "--rename", "batch=batch_size")
    assert "10 of 10 trials were imported" in shown
    assert "1 of them failed" in shown
    assert "only where opt is sgd" in shown
    study = Study.open("s")
    state = study.state
    assert {t.proposal.purpose for t in state.trials.values()} == {"observe"}
    assert not any(t.proposal.arms or t.proposal.predictions for t in state.trials.values())
    assert len(state.failed) == 1
    assert state.beliefs
    assert state.beliefs.keys() == state.theories.keys()
    assert "lr" in call("theories", "--study", "s")
    assert json.loads(call("next", "--study", "s", "--json"))
    assert study.best is not None
    assert not study.best.certified
    report = Path(call("report", "--study", "s").strip()).read_text()
    assert "observe" in report

    again = call("import", str(FILES / "optuna.db"), "--study", "s", "--rename", "batch=batch_size")
    assert "10 are known already" in again
    assert study.state.seq == state.seq, "nothing was written"

    Path("train.py").write_text(SCRIPT)
    out = call("run", "train.py", "--study", "s", "--trials", "4", "--metric", "val_loss", "--workers", "1")
    assert "4 of 4 ended beside 10 imported" in out
    planned = [t for t in study.state.trials.values() if t.proposal.purpose != "observe"]
    assert len(planned) == 4
    assert all(set(t.proposal.point) >= {"lr", "batch_size"} for t in planned)
    call("best", "--study", "s", "--write", "best.py")
    compile(Path("best.py").read_text(), "best.py", "exec")
    more = call("run", "train.py", "--study", "s", "--trials", "5", "--metric", "val_loss", "--workers", "1")
    assert "5 of 5 ended" in more


def test_a_script_without_a_parameter_that_varied_is_refused(here: Path) -> None:
    call("import", str(FILES / "optuna.db"), "--study", "s")
    Path("train.py").write_text(SCRIPT)
    told_ = refused("run", "train.py", "--study", "s", "--trials", "4", "--metric", "val_loss")
    assert "batch" in told_
    assert "--rename" in told_


def test_going_on_with_a_function_and_by_hand(here: Path) -> None:
    study = Study("s", {"val_loss": "minimize"})
    done = study.import_history(FILES / "plain.csv")
    assert done.added == 10
    study.run(_loss, trials=3, workers=1)
    assert study.state.planned == 3
    assert len(study.state.completed) >= 11

    hand = Study("h")
    hand.import_history(FILES / "nested.jsonl", Wishes(metrics=("val_acc",)))
    assert [o.direction for o in hand.objectives] == ["maximize"]
    trial = hand.ask(trials=2)
    assert trial is not None
    hand.tell(trial.trial, metrics={"val_acc": 0.5})
    assert hand.state.planned == 1


def _loss(params: dict[str, Any]) -> dict[str, float]:
    return {"val_loss": abs(math.log10(params["lr"]) + 2) + 0.01 * params["layers"], "val_acc": 0.1}


def test_imported_trials_never_certify(here: Path) -> None:
    study = Study("s", {"val_loss": "minimize"})
    study.import_history(FILES / "plain.csv")
    assert not study.state.contrasts
    study.run(_loss, trials=12, workers=1)
    numbers = {a.contrast for t in study.state.trials.values() for a in t.proposal.arms}
    assert numbers == set(study.state.contrasts)
    for trial in study.state.trials.values():
        if trial.proposal.purpose == "observe":
            assert not trial.proposal.arms


def test_a_history_that_grew_adds_only_what_is_new(here: Path) -> None:
    rows = (FILES / "plain.csv").read_text().splitlines()
    Path("a.csv").write_text("\n".join(rows[:7]) + "\n")
    assert "6 of 6" in call("import", "a.csv", "--study", "s")
    Path("b.csv").write_text("\n".join(rows) + "\n")
    shown = call("import", "b.csv", "--study", "s")
    assert "4 of 10 trials were imported" in shown
    assert "widened to 0 to 0.95" in shown
    assert Study.open("s").state.space["momentum"].domain == Interval(0.0, 0.95)


def test_another_study_brings_its_trials_and_theories(here: Path) -> None:
    first = Study("first", {"val_loss": "minimize"})
    first.import_history(FILES / "plain.csv")
    first.suppose("lr matters more than layers for val_loss", because="a hunch")
    done = Study("second").import_history(first.path)
    assert done.added == 10
    second = Study.open("second")
    assert [o.metric for o in second.state.objectives] == ["val_loss"]
    assert second.state.space == first.state.space
    assert {t.claims for t in first.state.theories.values()} <= {t.claims for t in second.state.theories.values()}
    assert Study.open("second").import_history(first.path).added == 0
    assert second.import_history(FILES / "plain.csv").added == 0, "the same trials by another way"


def test_a_study_with_another_space_takes_what_fits(here: Path) -> None:
    study = Study("s", {"val_loss": "minimize"})
    study.ask([real("lr", 1e-3, 1e-1, 0.01, log=True)], trials=3)
    done = study.import_history(FILES / "plain.csv")
    assert 0 < done.added < 10
    assert any("is no parameter of the study" in note for note in done.notes)
    assert any("trials left out: " in note for note in done.notes)
    with pytest.raises(StudyMismatchError):
        study.import_history(FILES / "plain.csv", Wishes(metrics=("val_acc",)))


def test_exports_read_by_optuna_and_pandas(here: Path) -> None:
    call("import", str(FILES / "optuna.log"), "--study", "s")
    for form in ("optuna", "csv", "jsonl", "results.tsv"):
        call("export", "--study", "s", "--format", form)
        refused("export", "--study", "s", "--format", form)
        call("export", "--study", "s", "--format", form, "--force")
    loaded = optuna.load_study(study_name="s", storage="sqlite:///s.optuna.db")
    want = [None if t["failed"] else t["metrics"]["val_loss"] for t in TRIALS]
    assert [t.value for t in loaded.trials] == want
    assert [t.params for t in loaded.trials] == [t["params"] for t in TRIALS]
    assert loaded.trials[0].user_attrs["purpose"] == "observe"
    frame = pandas.read_csv("s.csv")
    assert list(frame["params.lr"]) == [t["params"]["lr"] for t in TRIALS]
    assert frame["metrics.val_loss"].isna().sum() == 1
    lines = pandas.read_json("s.jsonl", lines=True)
    assert list(lines["params"][2].items()) >= [("lr", 0.1)]
    results = pandas.read_csv("results.tsv", sep="\t")
    assert list(results.columns) == ["commit", "val_loss", "memory_gb", "status", "description"]
    assert (results["status"] == "crash").sum() == 1
    for name, kind in (("s.optuna.db", "optuna"), ("s.csv", "csv"), ("s.jsonl", "jsonl")):
        assert f"({kind})" in call("import", name, "--look", "--study", f"back-{kind}")
    refused("export", "--study", "s", "--format", "csv", "--out", str(here))
    assert call("export", "--study", "s", "--format", "csv", "--out", "-").startswith("trial,status")


def test_several_objectives(here: Path) -> None:
    source = optuna.create_study(storage="sqlite:///two.db", study_name="two", directions=["minimize", "maximize"])
    source.optimize(lambda t: (t.suggest_float("x", 0, 1), t.suggest_int("n", 1, 9)), n_trials=6)
    call("import", "two.db", "--study", "s")
    assert [(o.metric, o.direction) for o in Study.open("s").state.objectives] == [
        ("value_0", "minimize"),
        ("value_1", "maximize"),
    ]
    call("import", "two.db", "--study", "t", "--metric", "loss", "--metric", "size:max")
    assert [o.metric for o in Study.open("t").state.objectives] == ["loss", "size"]


# Guesses, shown and settable


def write(path: str, *lines: str) -> str:
    Path(path).write_text("\n".join(lines) + "\n")
    return path


def test_columns_are_guessed_shown_and_settable(here: Path) -> None:
    table = write(
        "t.csv",
        "id,alpha,beta,quality,remark",
        *(f"{i},{0.1 * (i % 3 + 1):g},{i % 4},{0.1234567 * (i * 7 % 11):.7f},text number {i}" for i in range(12)),
    )
    assert "no column looks like a metric" in refused("import", table)
    shown = call("import", table, "--metric", "quality", "--maximize", "--look")
    assert "alpha: 0.1 to 0.3" in shown
    assert "beta: 0 to 3, whole numbers" in shown
    assert "remark is left out" in shown
    assert not Path(".knowhy/t").exists()
    data = json.loads(
        call("import", table, "--metric", "quality:max", "--parameter", "alpha=0.01:1:log", "--json", "--look")
    )
    assert [p["name"] for p in data["space"]["parameters"]] == ["alpha"]
    assert data["space"]["parameters"][0]["domain"]["scale"] == "log"
    assert data["written"] is False
    assert "there is no column gamma" in refused("import", table, "--metric", "quality:max", "--parameter", "gamma")
    assert "is no range" in refused("import", table, "--metric", "quality:max", "--parameter", "alpha=a:b")


def test_a_baseline_can_be_named(here: Path) -> None:
    call("import", str(FILES / "plain.csv"), "--study", "s", "--baseline", "6")
    assert Study.open("s").state.space["lr"].default == 0.005
    assert "has no trial 99" in refused("import", str(FILES / "plain.csv"), "--study", "t", "--baseline", "99")


def test_values_out_of_the_declared_range_are_explained() -> None:
    trials = tuple(
        Recorded(f"trial {i}", {"x": x}, Observation({"loss": x}, 1.0)) for i, x in enumerate((0.1, 0.5, 2.0))
    )
    fitted = fit(History("optuna", "s", "s", trials, {"x": Interval(0.0, 1.0)}))
    assert fitted.space["x"].domain == Interval(0.0, 2.0)
    assert "outside of its range" in fitted.notes[0]


def test_chains_of_conditions_and_layers() -> None:
    trials = []
    for i in range(12):
        layers = i % 3 + 1
        settings_: dict[str, Scalar] = {"layers": layers, "lr": 0.1 * (i + 1)}
        settings_ |= {f"width_{n}": 8 * (i % 2 + 1) for n in range(2, layers + 1)}
        trials.append(Recorded(f"trial {i}", settings_, Observation({"loss": float(i)}, 1.0)))
    space = fit(History("optuna", "s", "s", tuple(trials))).space
    assert space["width_2"].condition == Condition("layers", (2, 3))
    assert space["width_3"].condition == Condition("layers", (3,))


def test_a_parameter_missing_without_a_reason_counts_at_its_default() -> None:
    trials = tuple(
        Recorded(
            f"trial {i}", {"x": i * 0.1} | ({"y": i} if i in (1, 4, 5) else {}), Observation({"loss": 0.1 * i}, 1.0)
        )
        for i in range(8)
    )
    fitted = fit(History("csv", "s", "s", trials))
    assert fitted.space["y"].condition is None
    assert any("counts at its default" in note for note in fitted.notes)


def test_adopting_keeps_out_what_differs_elsewhere() -> None:
    space = Space((real("x", 0.0, 1.0, 0.5),))
    trials = tuple(
        Recorded(f"trial {i}", {"x": 0.1 * i, "other": "a" if i else "b"}, Observation({"loss": 1.0}, 1.0))
        for i in range(4)
    )
    fitted = adopt(space, History("csv", "s", "s", trials))
    assert [t.name for t, _ in fitted.placed] == ["trial 1", "trial 2", "trial 3"]


# Hostile files


def test_ten_thousand_hostile_rows(here: Path) -> None:
    names = ["../../etc/x", "<script>alert(1)</script>", "=HYPERLINK(1)", "ok", "val_loss"]
    values = ["nan", "inf", "1e999", "-1e308", "1" * 400, "0.5", "", "text", "0.25", "1"]
    rows = (
        ",".join([*(values[(i * (k + 3) + i // 7) % len(values)] for k in range(4)), str(0.1 * (i % 97))])
        for i in range(10_000)
    )
    write("bad.csv", ",".join(f'"{n}"' for n in names), *rows)
    result = CliRunner().invoke(cli, ["import", "bad.csv", "--parameter", "ok=0:1", "--metric", "val_loss"])
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in here.iterdir()) == [".knowhy", "bad.csv"]
    shown = call(
        "import",
        "bad.csv",
        "--look",
        "--study",
        "b",
        "--metric",
        "val_loss",
        "--parameter",
        "<script>alert(1)</script>",
    )
    assert "<script>" in shown, "names are shown as they are, and steer nothing"


def test_names_are_escaped_in_the_report(here: Path) -> None:
    rows = [f"{0.1 * (i % 5):g},{i % 3},{0.01 * i * i:g}" for i in range(9)]
    write("bad.csv", "<script>alert(1)</script>,../../x,val_loss", *rows)
    call("import", "bad.csv", "--parameter", "<script>alert(1)</script>", "--parameter", "../../x")
    page = Path(call("report").strip()).read_text()
    assert "<script>alert(1)" not in page


@pytest.mark.parametrize(
    ("name", "data", "told_"),
    [
        ("empty.csv", b"", "is empty"),
        ("latin.csv", "lr,val_loss\n0.1,\xe9\n".encode("latin-1"), "not UTF-8"),
        ("zero.csv", b"lr,val_loss\n0.1,\0\n", "zero bytes"),
        ("header.csv", b"lr,val_loss\n", "no rows"),
        ("twice.csv", b"lr,lr,val_loss\n1,2,3\n", "two columns"),
        ("wide.csv", b"lr,val_loss\n1,2,3\n", "has 3 cells"),
        ("quote.csv", b'lr,val_loss\n"1,2\n', "cannot be read as CSV"),
        ("huge.csv", b"lr,val_loss\n" + b"1" * 200_000 + b",2\n", "cannot be read as CSV"),
        ("deep.jsonl", b"[" * 100_000, "no JSON"),
        ("torn.jsonl", b'{"params": {"lr": 1}, "metr', "no JSON"),
        ("list.jsonl", b"[1, 2]", "no JSON object"),
        ("cut.db", b"SQLite format 3\0" + b"\x10\x00\x01\x01", "SQLite"),
        ("random.db", b"SQLite format 3\0" + bytes(range(256)) * 40, "SQLite"),
        ("what.bin", b"\x00\x01\x02\x03", "none of what can be read"),
        ("one.csv", b"lr,val_loss\n1,2\n1,3\n", "nothing varies"),
        ("log.wandb", b":W&B\xe1\xbe\x00" + b"\xff" * 64, ""),
    ],
)
def test_broken_files_give_errors(here: Path, name: str, data: bytes, told_: str) -> None:
    if name.endswith(".wandb"):
        pytest.importorskip("wandb")
    Path(name).write_bytes(data)
    assert told_ in refused("import", name)
    assert [p.name for p in here.iterdir()] == [name], "nothing is left behind"


def test_a_torn_optuna_journal_is_read_up_to_the_tear(here: Path) -> None:
    data = (FILES / "optuna.log").read_bytes()
    Path("torn.log").write_bytes(data[:-20])
    assert "9 of 9 trials" in call("import", "torn.log", "--study", "s")
    lines = data.splitlines(keepends=True)
    Path("middle.log").write_bytes(b"".join([*lines[:5], b'{"op_code": 4, \n', *lines[5:]]))
    assert "line 6" in refused("import", "middle.log", "--study", "t")


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch BOOM",)


def test_no_pickle_is_loaded_and_no_link_is_followed(here: Path) -> None:
    import shutil

    shutil.copytree(FILES / "mlruns", "mlruns")
    run = next(p for p in Path("mlruns").glob("*/*") if (p / "params").is_dir())
    bomb = pickle.dumps(Bomb())
    (run / "params" / "pickled").write_bytes(bomb)
    (run / "artifacts").mkdir(exist_ok=True)
    (run / "artifacts" / "model.pkl").write_bytes(bomb)
    (run / "meta.yaml").write_text(
        (run / "meta.yaml").read_text() + "x: !!python/object/apply:os.system ['touch BOOM']\n"
    )
    secret = here / "secret"
    secret.write_text("0.123456")
    (run / "params" / "linked").symlink_to(secret)
    (run.parent / "linked").symlink_to(run)
    shown = call("import", "mlruns", "--look")
    assert not Path("BOOM").exists()
    assert "0.123456" not in shown
    assert "10 of 10" in shown


def test_several_studies_in_one_storage(here: Path) -> None:
    for name in ("a", "b"):
        study = optuna.create_study(storage="sqlite:///two.db", study_name=name)
        study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)
    assert "--source a" in refused("import", "two.db")
    assert "holds no study c" in refused("import", "two.db", "--source", "c")
    assert "3 of 3" in call("import", "sqlite:///two.db", "--source", "b")
    assert "are not read" in refused("import", "postgresql://host/db")


def test_metrics_that_are_not_there(here: Path) -> None:
    with pytest.raises(MetricError, match="no metric"):
        Study("s").import_history(FILES / "optuna.db", Wishes(metrics=("nothing", "else")))
    with pytest.raises(KnowhyError):
        Study("s", {"other": "minimize"}).import_history(FILES / "plain.csv")


def test_events_of_an_import_round_trip(here: Path) -> None:
    study = Study("s")
    study.import_history(FILES / "optuna.db")
    assert Study.open("s").state == study.state
    from knowhy.journal import SqliteJournal

    journal = SqliteJournal(study.path / "journal.db")
    observed = [r.event for r in journal.read() if isinstance(r.event, TrialObserved)]
    journal.close()
    assert [e.proposal.trial for e in observed] == list(range(1, 11))
