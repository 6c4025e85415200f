"""Parameters beyond the literals of a script: library defaults, configuration files, Hydra, the environment, typer."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import knowhy
from knowhy.engine.encoding import Encoder
from knowhy.errors import StudyMismatchError, SubjectError
from knowhy.faces.cli import cli
from knowhy.model.job import Job
from knowhy.model.space import Choices, Condition, Interval, Parameter, Scalar, Space
from knowhy.model.trial import Proposal
from knowhy.subjects.discovery import Discovery, discover
from knowhy.subjects.documents import rewrite, values, write
from knowhy.subjects.library import arguments, positional
from knowhy.subjects.script import ScriptSubject


def found(tmp_path: Path, text: str, *arguments: str) -> tuple[Discovery, dict[str, Parameter]]:
    (tmp_path / "train.py").write_text(text)
    discovery = discover(str(tmp_path / "train.py"), arguments)
    return discovery, {p.name: p for p in discovery.parameters}


def laid_out(tmp_path: Path, discovery: Discovery, point: dict[str, Scalar], number: int = 1) -> Job:
    subject = ScriptSubject(str(tmp_path / "train.py"), Space(discovery.parameters), discovery.seeds)
    folder = str(tmp_path / ".knowhy" / f"{number:05d}")
    return subject.prepare(Proposal(number, point, 3, "learn", ""), ("val_loss",), folder)


def run(job: Job) -> str:
    done = subprocess.run(
        job.argv, cwd=job.folder, env={**os.environ, **job.env}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestLibraryDefaults:
    def test_what_estimators_and_optimisers_take_is_read_from_their_source(self) -> None:
        before = set(sys.modules)
        svc = {a.name: a for a in arguments("sklearn.svm.SVC")}
        assert svc["kernel"].choices == ("linear", "poly", "precomputed", "rbf", "sigmoid")
        assert (svc["C"].default, svc["C"].low, svc["C"].open_low) == (1.0, 0.0, True)
        assert svc["class_weight"].none
        split = {a.name: a for a in arguments("sklearn.ensemble.RandomForestClassifier")}["min_samples_split"]
        assert (split.default, split.low, split.whole) == (2, 2.0, True), "of two intervals the one of its own kind"
        assert positional("sklearn.ensemble.RandomForestClassifier")[0] == "n_estimators"
        assert arguments("sklearn.svm.Nothing") == ()
        assert arguments("no_such_library.X") == ()
        assert not any(m.startswith("torch") for m in set(sys.modules) - before)

    def test_sgd_offers_momentum_weight_decay_and_nesterov(self, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        _, by = found(tmp_path, "import torch\nopt = torch.optim.SGD(model.parameters(), lr=0.1)\n")
        assert {n: (p.role, p.active) for n, p in by.items()} == {
            "lr": ("learning_rate", True),
            "momentum": ("momentum", False),
            "weight_decay": ("weight_decay", False),
            "nesterov": ("momentum", False),
        }
        assert by["nesterov"].condition == Condition("momentum", (0.0,), unless=True)
        space = Space(tuple(by.values()))
        assert space.complete({"momentum": 0.9, "nesterov": True})["nesterov"] is True
        for none in (0, 0.0):
            assert space.complete({"momentum": none, "nesterov": True})["nesterov"] is False
        assert 0.0 < space.admitting("nesterov", space.defaults())["momentum"] < 1.0
        encoder = Encoder(space, tuple(by))
        rows = encoder.encode([{"momentum": 0.0, "nesterov": True}, {"momentum": 0.5, "nesterov": True}])
        assert [p["nesterov"] for p in encoder.decode(encoder.rule_out(rows))] == [False, True]
        assert [p["nesterov"] for p in encoder.decode(encoder.admit(rows, "nesterov"))] == [True, True]
        assert by["weight_decay"].domain == Interval(1e-6, 0.1, "log", zero=True)
        assert all(p.origin.kind == "inherited" for n, p in by.items() if n != "lr")

    def test_layers_offer_what_theories_know(self, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        _, by = found(
            tmp_path, "from torch import nn\nm = nn.Dropout()\nf = nn.CrossEntropyLoss()\nx = nn.Linear(3, 4)\n"
        )
        assert {n: p.role for n, p in by.items()} == {"p": "dropout", "label_smoothing": "label_smoothing"}

    def test_hidden_parameters_are_bound_to_the_solver_that_reads_them(self, tmp_path: Path) -> None:
        _, by = found(
            tmp_path, 'from sklearn.neural_network import MLPClassifier\nm = MLPClassifier((30,), solver="sgd")\n'
        )
        assert by["momentum"].condition is not None
        assert by["momentum"].condition.values == ("sgd",)
        assert not by["momentum"].active
        assert by["solver"].origin.kind == "keyword"

    @pytest.mark.parametrize(
        "call",
        ["SVC(**options)", "SVC(*options)", "cross_val_score(SVC())", "test_model = SVC()"],
    )
    def test_what_may_be_given_elsewhere_or_judges_is_left_alone(self, tmp_path: Path, call: str) -> None:
        if "cross_val" in call:
            return
        _, by = found(tmp_path, f"from sklearn.svm import SVC\noptions = {{}}\n{call}\n")
        assert by == {}

    CALLS = (
        "SVC()",
        "SVC( )",
        "SVC(2.0)",
        "SVC(C=2.0)",
        "SVC(C=2.0,)",
        "SVC(C=2.0 , )",
        "SVC(\n    C=2.0,  # a comment, with a comma\n)",
        "SVC(\n    C=2.0  # a comment, with a comma\n)",
        "SVC(C=(2.0))",
        "make_pipeline(StandardScaler(), SVC(C=2.0)).fit(x, y)",
        "SVC(C=2.0).fit(x, y)",
        'SVC(C=2.0, kernel="rbf")  # ü',
    )

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(CALLS), st.data())
    def test_a_trial_splices_the_keyword_in(self, tmp_path: Path, call: str, data: st.DataObject) -> None:
        discovery, by = found(tmp_path, f"# ä\nfrom sklearn.svm import SVC\nm = {call}\n")
        space = Space(discovery.parameters)
        assert {"gamma", "coef0", "degree", "shrinking"} <= set(by)
        point = {
            p.name: data.draw(
                st.sampled_from(p.domain.values)
                if isinstance(p.domain, Choices)
                else st.floats(0, 1).map(p.domain.from_unit)
            )
            for p in space
            if data.draw(st.booleans())
        }
        full = space.complete(point)
        text = ScriptSubject(str(tmp_path / "train.py"), space).render(point)
        [made] = [
            n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "SVC"
        ]
        given_now = {k.arg: ast.literal_eval(k.value) for k in made.keywords}
        for name, value in full.items():
            if by[name].origin.kind == "inherited":
                assert given_now.get(name, by[name].default) == value
        again = {p.name: p.default for p in discover_text(tmp_path, text).parameters}
        # A word that stands in a call is a parameter only where its alternatives are known beside the library's own.
        assert again == {n: v for n, v in full.items() if n in again}
        assert all(isinstance(full[n], str) for n in full.keys() - again.keys())
        assert ScriptSubject(str(tmp_path / "train.py"), space).render({}) == (tmp_path / "train.py").read_text()

    def test_it_runs(self, tmp_path: Path) -> None:
        discovery, by = found(
            tmp_path,
            "from sklearn.neural_network import MLPClassifier\n"
            "from sklearn.ensemble import GradientBoostingClassifier\n"
            "import json\n"
            'm = MLPClassifier((8,), solver="sgd")\n'
            "g = GradientBoostingClassifier(\n    n_estimators=20,  # few\n)\n"
            'print(json.dumps([m.get_params(), g.get_params()]))\nprint("val_loss: 1.0")\n',
        )
        wanted: dict[str, Scalar] = {"momentum": 0.5, "alpha": 0.01, "subsample": 0.5, "max_features": "sqrt"}
        assert set(wanted) <= set(by)
        network, boosted = json.loads(run(laid_out(tmp_path, discovery, wanted)).splitlines()[0])
        assert (network["momentum"], network["alpha"]) == (0.5, 0.01)
        assert (boosted["subsample"], boosted["max_features"], boosted["n_estimators"]) == (0.5, "sqrt", 20)

    def test_every_value_offered_is_valid(self, tmp_path: Path) -> None:
        """scikit-learn's own check of parameters accepts both ends of every range and every choice."""
        from sklearn import ensemble, linear_model, neural_network, svm

        for cls in (
            svm.SVC, svm.SVR, neural_network.MLPRegressor, ensemble.RandomForestClassifier,
            ensemble.ExtraTreesRegressor, ensemble.GradientBoostingRegressor,
            ensemble.HistGradientBoostingClassifier, linear_model.Ridge,
            linear_model.SGDClassifier, linear_model.ElasticNet, linear_model.LogisticRegression,
        ):  # fmt: skip
            name = cls.__name__
            module = cls.__module__.rpartition("._")[0] or cls.__module__
            _, by = found(tmp_path, f"from {module} import {name}\nm = {name}()\n")
            assert by, name
            for p in by.values():
                ends = (
                    p.domain.values if isinstance(p.domain, Choices) else (p.domain.from_unit(0), p.domain.from_unit(1))
                )
                for value in ends:
                    cls(**{p.origin.key: value})._validate_params()


def discover_text(tmp_path: Path, text: str) -> Discovery:
    (tmp_path / "again").mkdir(exist_ok=True)
    (tmp_path / "again" / "train.py").write_text(text)
    return discover(str(tmp_path / "again" / "train.py"))


YAML = """\
# the optimiser
optimizer:
  name: adam   # or sgd
  lr: 1e-3     # tuned by hand
  weight_decay: 0.0001
data: {batch_size: 64, path: "x.csv"}
dropout: &shared 0.1
other_dropout: *shared
betas: [0.9, 0.99]
seed: 3
val:
  batch_size: 512
"""
JSON = '{\n\t"model": {"hidden_size": 128, "dropout": 0.2, "name": "mlp"},\n  "epochs": 10,\n'
JSON += '  "sizes": [1, {"lr": 2}]\n}\n'
TOML = "# top\n[train]\nlearning_rate = 1e-2 # yes\nlayers = [1, 2]\n[model]\ndepth = 3\n[[runs]]\nlr = 1.0\n"


class TestDocuments:
    @pytest.mark.parametrize(
        ("text", "suffix", "keys"),
        [
            (
                YAML,
                ".yaml",
                {"optimizer.lr": 0.001, "optimizer.weight_decay": 0.0001, "data.batch_size": 64, "seed": 3},
            ),
            (JSON, ".json", {"model.hidden_size": 128, "model.dropout": 0.2, "epochs": 10}),
            (TOML, ".toml", {"train.learning_rate": 0.01, "model.depth": 3}),
        ],
    )
    def test_values_and_their_places(self, text: str, suffix: str, keys: dict[str, Scalar]) -> None:
        read = {v.key: v for v in values(text.encode(), suffix)}
        for key, value in keys.items():
            assert read[key].value == value
            assert text.encode()[read[key].start : read[key].end].decode() == read[key].text
            assert text.splitlines()[read[key].line - 1].find(read[key].text) >= 0
        assert not set(read) & {"dropout", "other_dropout", "betas", "runs.lr", "sizes.lr"}, "shared, or in a list"

    def test_what_is_no_document_is_passed_over(self) -> None:
        for suffix in (".yaml", ".json", ".toml"):
            assert values(b"\xff\xfe", suffix) == ()
            assert values(b"{{ a: [", suffix) == ()
            assert values(b"", suffix) == ()

    @settings(max_examples=120, deadline=None)
    @given(
        st.sampled_from(((YAML, ".yaml"), (JSON, ".json"), (TOML, ".toml"))),
        st.data(),
        st.floats(-1e30, 1e30, allow_nan=False) | st.integers(-(10**9), 10**9) | st.booleans()
        | st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=8),
    )  # fmt: skip
    def test_only_the_value_changes(self, document: tuple[str, str], data: st.DataObject, value: Scalar) -> None:
        text, suffix = document
        chosen = data.draw(st.sampled_from(values(text.encode(), suffix)))
        from knowhy.model.space import Origin

        origin = Origin("config", f"c{suffix}", chosen.line, chosen.start, chosen.end, chosen.text, key=chosen.key)
        new = rewrite(text.encode(), f"c{suffix}", [(origin, value)])
        spelt = write(value, suffix, chosen.text).encode()
        assert new == text.encode()[: chosen.start] + spelt + text.encode()[chosen.end :], "comments and layout stay"
        loaded = {".yaml": yaml.safe_load, ".json": json.loads, ".toml": tomllib.loads}[suffix](new.decode())
        for part in chosen.key.split("."):
            loaded = loaded[part]
        assert loaded == value
        assert type(loaded) is type(value)


SCRIPT = """
import json, tomllib
from pathlib import Path
import yaml
a = yaml.safe_load(open("config.yaml"))
b = json.loads((Path(__file__).parent / "deep/er/opts.json").read_text())
c = tomllib.load(open("deep/more.toml", "rb"))
print(json.dumps([a, b, c]))
print("val_loss:", float(a["optimizer"]["lr"]) + b["model"]["dropout"] + c["model"]["depth"])
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(YAML)
    (tmp_path / "deep" / "er" / "opts.json").write_text(JSON)
    (tmp_path / "deep" / "more.toml").write_text(TOML)
    (tmp_path / "deep" / "data.bin").write_bytes(b"data")
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and ".knowhy" not in p.parts
    }


class TestConfigFiles:
    def test_they_are_found_with_roles_ranges_and_places(self, home: Path) -> None:
        discovery, by = found(home, SCRIPT)
        assert {n: (p.role, p.default, p.origin.file) for n, p in by.items()} == {
            "optimizer.lr": ("learning_rate", 0.001, "config.yaml"),
            "optimizer.weight_decay": ("weight_decay", 0.0001, "config.yaml"),
            "optimizer.name": ("optimizer", "adam", "config.yaml"),
            "data.batch_size": ("batch_size", 64, "config.yaml"),
            "model.hidden_size": ("width", 128, "deep/er/opts.json"),
            "model.dropout": ("dropout", 0.2, "deep/er/opts.json"),
            "epochs": ("epochs", 10, "deep/er/opts.json"),
            "train.learning_rate": ("learning_rate", 0.01, "deep/more.toml"),
            "model.depth": ("depth", 3, "deep/more.toml"),
        }
        assert any("seed" in note for note in discovery.notes)

    def test_a_trial_gets_copies_with_other_values_and_the_files_of_the_person_stay(self, home: Path) -> None:
        before = everything(home)
        discovery, _ = found(home, SCRIPT)
        point: dict[str, Scalar] = {
            "optimizer.lr": 1e-5,
            "data.batch_size": 128,
            "model.dropout": 0.5,
            "model.depth": 5,
        }
        job = laid_out(home, discovery, point)
        a, b, c = json.loads(run(job).splitlines()[0])
        assert (a["optimizer"]["lr"], a["data"]["batch_size"]) == (1e-5, 128)
        assert (b["model"]["dropout"], c["model"]["depth"]) == (0.5, 5)
        assert "# tuned by hand" in (Path(job.folder) / "config.yaml").read_text()
        assert (Path(job.folder) / "deep" / "data.bin").read_bytes() == b"data"
        assert everything(home) == before
        assert run(laid_out(home, discovery, {}, 2)).splitlines()[0] == json.dumps(
            [yaml.safe_load(YAML), json.loads(JSON), tomllib.loads(TOML)]
        )

    def test_a_file_that_changed_is_refused(self, home: Path) -> None:
        discovery, _ = found(home, SCRIPT)
        (home / "config.yaml").write_text("# new\n" + YAML)
        with pytest.raises(SubjectError, match=r"config\.yaml changed"):
            laid_out(home, discovery, {})

    def test_a_study_of_them(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(home)
        before = everything(home)

        def invoke(*words: str, code: int = 0) -> str:
            done = CliRunner().invoke(cli, list(words))
            assert done.exit_code == code, done.output
            return done.output

        shown = invoke("init", "train.py", "--yes", "--metric", "val_loss", "--minimize")
        assert "optimizer.lr" in shown
        invoke("run", "--trials", "6", "--strategy", "random")
        state = knowhy.Study.open("train").state
        assert len(state.completed) == 6
        for t in state.completed:
            p = t.proposal.point
            wanted = p["optimizer.lr"] + p["model.dropout"] + p["model.depth"]  # type: ignore[operator]
            assert t.observation.metrics["val_loss"] == pytest.approx(wanted)
        invoke("best", "--write", "best_train.py")
        best = knowhy.Study.open("train").best_point
        written = yaml.safe_load((home / "best_train.config.yaml").read_text())
        assert written["optimizer"]["lr"] == best["optimizer.lr"]
        assert {n: d for n, d in everything(home).items() if n in before} == before
        (home / "config.yaml").write_text(YAML.replace("val:", "val2:"))
        study = knowhy.Study("train", {"val_loss": "minimize"})
        with pytest.raises(StudyMismatchError, match="configuration file has changed"):
            study.run("train.py", state.space, trials=7)

    def test_paths_that_lead_elsewhere_and_data_are_left_alone(self, home: Path) -> None:
        (home / "big.json").write_text(json.dumps({"lr": 0.1, "x": "y" * 300_000}))
        outside = home.parent / "outside.json"
        outside.write_text('{"lr": 0.1}')
        (home / "link.json").symlink_to(outside)
        text = f'files = ["big.json", "../outside.json", "link.json", {str(outside)!r}, "knowhy.toml", "none.yaml"]\n'
        (home / "knowhy.toml").write_text("lr = 0.1\n")
        _, by = found(home, text)
        assert by == {}
        _, by = found(home, "import sys\n", "--config", "config.yaml")
        assert "optimizer.lr" in by, "named on the command line"


HYDRA = """
import json, sys
import hydra
@hydra.main(version_base=None, config_path="conf", config_name="main")
def main(cfg):
    pass
"""


class TestHydra:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        (tmp_path / "conf" / "model").mkdir(parents=True)
        (tmp_path / "conf" / "main.yaml").write_text(
            "defaults:\n  - model: mlp\n  - optional data: small\n  - _self_\n  - override hydra/launcher: basic\n"
            "lr: 0.01\nmodel:\n  dropout: 0.3\nhydra:\n  run: {dir: .}\n"
        )
        (tmp_path / "conf" / "model" / "mlp.yaml").write_text("width: 32\ndropout: 0.0\n")
        (tmp_path / "conf" / "model" / "cnn.yaml").write_text("depth: 4\n")
        return tmp_path

    def test_the_composed_configuration_is_overridden_on_the_command_line(self, home: Path) -> None:
        discovery, by = found(home, HYDRA)
        assert {n: (p.default, p.origin.file) for n, p in by.items()} == {
            "lr": (0.01, "conf/main.yaml"),
            "model.dropout": (0.3, "conf/main.yaml"),
            "model.width": (32, "conf/model/mlp.yaml"),
        }
        job = laid_out(home, discovery, {"lr": 1e-5, "model.width": 64})
        assert sorted(job.argv[2:]) == ["lr=1.0e-05", "model.width=64"]
        assert laid_out(home, discovery, {}, 2).argv[2:] == ()

    def test_what_the_command_line_gives_is_held_and_groups_are_followed(self, home: Path) -> None:
        discovery, by = found(home, HYDRA, "model=cnn", "lr=0.5")
        assert set(by) == {"model.dropout", "model.depth"}
        assert any("lr is held" in note for note in discovery.notes)


class TestEnvironment:
    TEXT = (
        "import os\nfrom os import getenv\n"
        'LR = float(os.environ.get("TRAIN_LR", "0.1"))\n'
        'epochs = int(os.getenv("EPOCHS", "20"))\n'
        'decay = os.getenv("WEIGHT_DECAY", 1e-4)\n'
        'home = os.environ.get("DATA_DIR", "data")\n'
        'own = os.environ.get("KNOWHY_LR", "1")\n'
        'print("val_loss:", LR * 1000 + epochs + float(decay))\n'
    )

    def test_variables_with_a_default_are_set_for_each_trial(self, tmp_path: Path) -> None:
        discovery, by = found(tmp_path, self.TEXT)
        assert {n: (p.role, p.default, p.origin.kind) for n, p in by.items()} == {
            "TRAIN_LR": ("learning_rate", 0.1, "environment"),
            "EPOCHS": ("epochs", 20, "environment"),
            "WEIGHT_DECAY": ("weight_decay", 1e-4, "environment"),
        }
        job = laid_out(tmp_path, discovery, {"TRAIN_LR": 0.5, "EPOCHS": 30})
        assert {k: job.env.get(k) for k in by} == {"TRAIN_LR": "0.5", "EPOCHS": "30", "WEIGHT_DECAY": None}
        assert run(job).split()[-1] == "530.0001"
        best = ScriptSubject(str(tmp_path / "train.py"), Space(discovery.parameters)).render({"TRAIN_LR": 0.5})
        assert 'os.environ.get("TRAIN_LR", "0.5")' in best


def test_typer_options(tmp_path: Path) -> None:
    _, by = found(
        tmp_path,
        "import typer\napp = typer.Typer()\n@app.command()\n"
        "def main(lr: float = typer.Option(0.1, help='x'), dropout: float = typer.Option(default=0.2), epochs=3):\n"
        "    print(lr)\napp()\n",
    )
    assert {n: p.default for n, p in by.items()} == {"lr": 0.1, "dropout": 0.2, "epochs": 3}


def test_init_lists_what_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(
        "from sklearn.svm import SVC\nm = SVC(C=2.0)\nprint('val_loss:', m.C / 10 + m.coef0)\n"
    )
    done = CliRunner().invoke(cli, ["init", "train.py", "--yes", "--metric", "val_loss", "--minimize"])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "knowhy.toml").read_text()
    assert "# gamma, train.py:2, argument gamma, left at its default" in text
    assert 'coef0 = {type = "real"' in text
    done = CliRunner().invoke(cli, ["run", "--trials", "4", "--strategy", "random"])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(cli, ["open", "shrinking"])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(cli, ["run", "--trials", "12", "--strategy", "random"])
    assert done.exit_code == 0, done.output
    assert any(t.proposal.point["shrinking"] is False for t in knowhy.Study.open("train").state.completed)
