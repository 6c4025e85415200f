"""Scripts and functions as subjects: what a trial runs is what was meant, and nothing else changes."""

from __future__ import annotations

import ast
import functools
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sample_scripts
from knowhy.errors import SubjectError
from knowhy.model.job import Job
from knowhy.model.space import Choices, Origin, Parameter, Point, Scalar, Space, real
from knowhy.model.trial import Proposal
from knowhy.subjects.discovery import Discovery, discover
from knowhy.subjects.function import FunctionSubject
from knowhy.subjects.script import ScriptSubject
from knowhy.subjects.source import Source, read_literal, splice, write_literal

SPLICED = ("autoresearch", "dataclass", "sklearn", "awkward", "reassigned")


def proposal(point: Point, seed: int = 7, trial: int = 1) -> Proposal:
    return Proposal(trial, dict(point), seed, "learn", "a test")


def script(folder: Path, text: str, arguments: tuple[str, ...] = ()) -> tuple[ScriptSubject, Discovery, Path]:
    path = folder / "train.py"
    path.write_bytes(text.encode())
    discovery = discover(str(path), arguments)
    return ScriptSubject(str(path), Space(discovery.parameters), discovery.seeds, arguments=arguments), discovery, path


def run(job: Job) -> str:
    done = subprocess.run(
        job.argv, cwd=job.folder, env={**os.environ, **job.env}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def values(parameter: Parameter) -> st.SearchStrategy[Scalar]:
    if isinstance(parameter.domain, Choices):
        return st.sampled_from(parameter.domain.values)
    return st.floats(0, 1).map(parameter.domain.from_unit)


@st.composite
def points(draw: st.DrawFn, space: Space) -> dict[str, Scalar]:
    return {p.name: draw(values(p)) for p in space if draw(st.booleans())}


@pytest.mark.parametrize("name", sorted(sample_scripts.ALL))
def test_default_configuration_is_the_script_itself(tmp_path: Path, name: str) -> None:
    subject, discovery, path = script(tmp_path, sample_scripts.ALL[name])
    space = Space(discovery.parameters)
    assert subject.render(space.defaults()) == path.read_text()
    bare = ScriptSubject(str(path), space)
    job = bare.prepare(proposal(space.defaults()), ("loss",), str(tmp_path / ".knowhy" / "1"))
    assert (Path(job.folder) / "train.py").read_bytes() == path.read_bytes()
    assert job.argv == (sys.executable, "train.py")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("name", SPLICED)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), seed=st.one_of(st.none(), st.integers(0, 2**40)))
def test_spliced_values_are_found_again_and_nothing_else_changes(
    tmp_path: Path, name: str, ending: str, data: st.DataObject, seed: int | None
) -> None:
    subject, discovery, path = script(tmp_path, sample_scripts.ALL[name].replace("\n", ending))
    space = Space(discovery.parameters)
    # What stands nowhere yet is added, not replaced: tests/test_sources.py.
    point = {n: v for n, v in data.draw(points(space)).items() if space[n].origin.kind != "inherited"}
    full = space.complete(point)
    written = tmp_path / "best.py"
    written.write_bytes(subject.render_bytes(point, seed))
    again = discover(str(written))
    assert {p.name: p.default for p in again.parameters} == full
    if seed is not None:
        assert {s.text for s in again.seeds} == {str(seed % 2**32)}
    assert without_literals(written, again) == without_literals(path, discovery)


def without_literals(path: Path, discovery: Discovery) -> bytes:
    data = path.read_bytes()
    for origin in sorted((*(p.origin for p in discovery.parameters), *discovery.seeds), key=lambda o: -o.start):
        data = data[: origin.start] + b"@" + data[origin.end :]
    return data


@pytest.mark.parametrize("name", ["argparse", "click"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_rendered_defaults_of_options_are_found_again(
    tmp_path: Path, name: str, data: st.DataObject, seed: int
) -> None:
    subject, discovery, _ = script(tmp_path, sample_scripts.ALL[name])
    space = Space(discovery.parameters)
    # An option that is switched on by default offers nothing to vary, so it is not found again.
    point = {**data.draw(points(space)), "augment": False}
    written = tmp_path / "best.py"
    written.write_text(subject.render(point, seed))
    again = discover(str(written))
    assert {p.name: p.default for p in again.parameters} == space.complete(point)
    assert [s.text for s in again.seeds] == [str(seed)]


def test_a_copy_takes_effect_when_it_runs(tmp_path: Path) -> None:
    subject, _, _ = script(tmp_path, sample_scripts.AWKWARD)
    point = {"LR": 0.02, "HIDDEN_SIZE": 128, "BATCH_SIZE": 64, "BETAS[1]": 0.99, "WEIGHT_DECAY": 0.3, "SHIFT": -0.25}
    job = subject.prepare(proposal(point, seed=11), (), str(tmp_path / ".knowhy" / "1"))
    assert run(job) == "é|0.02|0.1|128|64|(0.9, 0.99)|0.3|-0.25|0.0001|0.0002|11\n"
    copy = (Path(job.folder) / "train.py").read_text()
    assert "BATCH_SIZE = 2 ** 6\t# 2 ** 5\n" in copy
    assert "LR = 0.02; DROPOUT = 0.1  # größe → 0.1 0.1 0.1\n" in copy


def test_other_encodings_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_bytes("# -*- coding: latin-1 -*-\r\ns = 'äöü'; LR = 0.25\r\nprint(len(s), LR)\r\n".encode("latin-1"))
    subject = ScriptSubject(str(path), Space(discover(str(path)).parameters))
    assert subject.render_bytes({"LR": 0.5}) == path.read_bytes().replace(b"0.25", b"0.5")
    assert run(subject.prepare(proposal({"LR": 0.5}), (), str(tmp_path / ".knowhy" / "1"))) == "3 0.5\n"


def test_options_are_passed_on_the_command_line(tmp_path: Path) -> None:
    subject, _, path = script(tmp_path, sample_scripts.ARGPARSE, ("--log-interval", "5"))
    point = {
        "lr": 0.25,
        "batch_size": 8,
        "optimizer": "sgd",
        "augment": True,
        "nesterov": False,
        "shift": -0.75,
        "hidden[1]": 8,
        "EPOCHS": 20,
        "weight_decay": 0.01,
        "dropout": 0.0,
    }
    job = subject.prepare(proposal(point, seed=5), (), str(tmp_path / "trials" / "1"))
    assert job.argv[1:4] == ("train.py", "--log-interval", "5")
    assert set(job.argv[4:]) == {
        *("--lr=0.25", "--batch-size=8", "--optimizer=sgd", "--augment", "--no-nesterov", "--shift=-0.75", "--seed=5")
    }
    shown = dict(line.rsplit(" ", 1)[0].split("=", 1) for line in run(job).splitlines())
    assert shown == {
        "augment": "True",
        "batch_size": "8",
        "data_dir": "'data'",
        "dropout": "0",
        "epochs": "20",
        "hidden": "[64, 8]",
        "log_interval": "5",
        "lr": "0.25",
        "momentum": "0.5",
        "nesterov": "False",
        "no_cuda": "False",
        "optimizer": "'sgd'",
        "seed": "5",
        "shift": "-0.75",
        "weight_decay": "0.01",
    }
    rendered = tmp_path / "best.py"
    rendered.write_text(subject.render(point, 5))
    assert 'action="store_true", default=True' in rendered.read_text()
    alone = subprocess.run(
        [sys.executable, str(rendered), "--log-interval=5"], capture_output=True, text=True, check=True
    )
    assert dict(line.rsplit(" ", 1)[0].split("=", 1) for line in alone.stdout.splitlines()) == shown
    assert path.read_text() == sample_scripts.ARGPARSE


def test_click_options_are_passed(tmp_path: Path) -> None:
    subject, _, _ = script(tmp_path, sample_scripts.CLICK)
    point = {"learning_rate": 0.5, "n_layers": 4, "activation": "tanh", "amsgrad": True, "augment": True}
    shown = run(subject.prepare(proposal(point, seed=3), (), str(tmp_path / "trials" / "1"))).split()
    assert shown == [
        *("activation='tanh'", "amsgrad=True", "augment=True", "learning_rate=0.5", "n_layers=4"),
        *("output='model.bin'", "seed=3"),
    ]
    rendered = tmp_path / "best.py"
    rendered.write_text(subject.render(point, 3))
    assert (
        subprocess.run([sys.executable, str(rendered)], capture_output=True, text=True, check=True).stdout.split()
        == shown
    )


def test_neighbours_keep_working_and_are_not_written_to(tmp_path: Path) -> None:
    home = tmp_path / "project"
    (home / "data").mkdir(parents=True)
    (home / "data" / "numbers.txt").write_text("1 2 3")
    (home / "package").mkdir()
    (home / "package" / "__init__.py").write_text("SCALE = 10\n")
    (home / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    (home / "model.json").write_text("the person's own")
    (home / "big.bin").write_bytes(b"x" * 300_000)
    (home / "out").mkdir()
    (home / "out" / "old").write_text("old")
    for skipped in (".git", ".knowhy", "__pycache__", "myenv"):
        (home / skipped).mkdir()
    (home / "myenv" / "pyvenv.cfg").write_text("home = /usr")
    text = (
        "import os, pathlib, helper, package\nLR = 0.5\n"
        "numbers = open('data/numbers.txt').read().split()\n"
        "beside = (pathlib.Path(__file__).parent / 'big.bin').stat().st_size\n"
        "open('model.json', 'w').write('a trial')\nopen('out/new', 'w').write('a trial')\n"
        "print(helper.double(LR) * package.SCALE, len(numbers), beside, os.listdir('out'))\n"
        "env = os.environ\n"
        "print(env['KNOWHY_SEED'], env['KNOWHY_TRIAL'], os.path.dirname(env['KNOWHY_RESULT']) == os.getcwd())\n"
    )
    subject, _, _ = script(home, text)
    job = subject.prepare(proposal({"LR": 0.25}, seed=9, trial=4), ("loss",), str(home / ".knowhy" / "trials" / "4"))
    assert run(job) == "5.0 3 300000 ['new']\n9 4 True\n"
    assert (home / "model.json").read_text() == "the person's own"
    assert os.listdir(home / "out") == ["old"]
    there = set(os.listdir(job.folder))
    assert there & {".git", ".knowhy", "myenv"} == set()
    assert job.env["PYTHONUNBUFFERED"] == "1"
    assert (job.trial, job.required) == (4, ("loss",))


def test_trials_run_what_stood_there_when_the_study_began(tmp_path: Path) -> None:
    subject, discovery, path = script(tmp_path, "LR = 0.5\nprint(LR)\n")
    path.write_text("import sys\nLR = 0.5\nprint('edited', LR)\n")
    assert run(subject.prepare(proposal({"LR": 0.25}), (), str(tmp_path / "trials" / "1"))) == "0.25\n"
    with pytest.raises(SubjectError, match="changed since the study began") as caught:
        ScriptSubject(str(path), Space(discovery.parameters), discovery.seeds)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "LR = 0.1", 'LR = "0.5"', "LR = 10.5", "XX = 5.0", "# LR 0.5\n"])
def test_a_changed_script_is_refused(tmp_path: Path, text: str) -> None:
    _, discovery, path = script(tmp_path, "LR = 0.5\nprint(LR)\n")
    path.write_text(text)
    with pytest.raises(SubjectError, match="changed since"):
        ScriptSubject(str(path), Space(discovery.parameters))


def test_what_a_script_cannot_be_given_is_refused(tmp_path: Path) -> None:
    subject, discovery, path = script(tmp_path, sample_scripts.ARGPARSE)
    space = Space(discovery.parameters)
    with pytest.raises(SubjectError, match="no parameter"):
        subject.render({"nothing": 1})
    with pytest.raises(SubjectError, match="no value that a script can be given"):
        subject.render({"lr": float("nan")})
    with pytest.raises(SubjectError, match="in the arguments as well"):
        ScriptSubject(str(path), space, arguments=("--lr=0.1",))
    with pytest.raises(SubjectError, match="nothing says where"):
        ScriptSubject(str(path), Space((*space, real("mystery", 0, 1, 0.5))))
    with pytest.raises(SubjectError, match="no script"):
        ScriptSubject(str(tmp_path / "nowhere.py"), space)


def test_a_default_that_a_person_edited_is_spliced(tmp_path: Path) -> None:
    _, discovery, path = script(tmp_path, "LR = 0.5\nWIDTH = 64\nprint(LR, WIDTH)\n")
    edited = tuple(replace(p, default=0.125) if p.name == "LR" else p for p in discovery.parameters)
    subject = ScriptSubject(str(path), Space(edited))
    assert subject.render({}) == "LR = 0.125\nWIDTH = 64\nprint(LR, WIDTH)\n"


def test_whole_numbers_and_strings_are_written_as_such(tmp_path: Path) -> None:
    text = "WIDTH = 64\nACT = 'relu'\nif ACT == 'it\\'s': pass\nprint(WIDTH, ACT)\n"
    _, discovery, path = script(tmp_path, text)
    by_name = {p.name: p for p in discovery.parameters}
    act = Parameter("ACT", Choices(("relu", 'it\'s \\ "né"\n')), "relu", origin=by_name_origin(path, "'relu'"))
    subject = ScriptSubject(str(path), Space((by_name["WIDTH"], act)))
    spliced = subject.render({"WIDTH": 128.0, "ACT": 'it\'s \\ "né"\n'})
    scope: dict[str, Any] = {}
    exec(spliced, scope)
    assert (scope["WIDTH"], scope["ACT"]) == (128, 'it\'s \\ "né"\n')
    assert isinstance(scope["WIDTH"], int)


def by_name_origin(path: Path, text: str) -> Origin:
    start = path.read_text().index(text)
    return Origin("constant", path.name, 2, start, start + len(text), text)


def test_description_of_a_script(tmp_path: Path) -> None:
    subject, _, path = script(tmp_path, sample_scripts.ARGPARSE, ("--log-interval", "5"))
    one = subject.describe()
    assert (one["kind"], one["path"], one["arguments"]) == ("script", str(path), "--log-interval 5")
    path.write_text(sample_scripts.ARGPARSE + "\n")
    other = ScriptSubject(str(path), subject.space, subject.seeds).describe()
    assert one["sha256"] != other["sha256"]


# Functions.


def train(params: dict[str, Any]) -> float:
    return float(params["x"])


def train_and_report(params: dict[str, Any], report: Callable[..., None]) -> dict[str, float]:
    report(step=1, loss=params["x"])
    return {"loss": params["x"]}


class Trainer:
    def __call__(self, params: dict[str, Any]) -> float:
        return 1.0

    def method(self, params: dict[str, Any], report: object = None) -> float:
        return 2.0


def prepared(function: Callable[..., Any], folder: Path) -> tuple[Job, dict[str, Any]]:
    job = FunctionSubject(function, timeout=5.0, memory=10**9).prepare(
        proposal({"x": 0.5, "k": "a"}), ("loss",), str(folder)
    )
    return job, json.loads((folder / "job.json").read_text())


@pytest.mark.parametrize("function", [train, train_and_report])
def test_functions_of_a_module_are_imported_from_their_file(tmp_path: Path, function: Callable[..., Any]) -> None:
    job, written = prepared(function, tmp_path / "1")
    assert written == {
        "function": {"file": str(Path(__file__).resolve()), "module": __name__, "qualname": function.__name__},
        "params": {"x": 0.5, "k": "a"},
        "seed": 7,
    }
    assert job.argv == (sys.executable, "-m", "knowhy.execution.worker", "job.json")
    assert (job.timeout, job.memory, job.required) == (5.0, 10**9, ("loss",))
    assert job.env["KNOWHY_SEED"] == "7"
    assert str(Path(__file__).parent) in job.env["PYTHONPATH"].split(os.pathsep)


@pytest.mark.parametrize(
    "function",
    [lambda params: params["x"], functools.partial(train), Trainer(), Trainer().method],
    ids=["lambda", "partial", "object", "method"],
)
def test_other_functions_are_pickled(tmp_path: Path, function: Callable[..., Any]) -> None:
    job, written = prepared(function, tmp_path / "1")
    assert written["function"] == {"pickle": "function.pkl"}
    again = pickle.loads((Path(job.folder) / "function.pkl").read_bytes())
    assert again({"x": 0.5}) == function({"x": 0.5})


MAIN = """
import json, sys
from pathlib import Path
from knowhy.model.trial import Proposal
from knowhy.subjects.function import FunctionSubject

def train(params):
    return params["x"]

def start():
    FunctionSubject(train).prepare(Proposal(1, {"x": 1}, 0, "learn", ""), (), sys.argv[1])

"""


@pytest.mark.parametrize(
    ("tail", "key"),
    [("if __name__ == '__main__':\n    start()\n", "file"), ("start()\n", "pickle"), ("x = start\nx()\n", "pickle")],
)
def test_a_main_script_is_imported_only_if_that_does_not_begin_the_study_again(
    tmp_path: Path, tail: str, key: str
) -> None:
    path = tmp_path / "study.py"
    path.write_text(MAIN + tail)
    subprocess.run([sys.executable, str(path), str(tmp_path / "1")], check=True, timeout=60)
    written = json.loads((tmp_path / "1" / "job.json").read_text())
    assert key in written["function"]


async def asynchronous(params: object) -> None: ...


def generator(params: object) -> Any:
    yield 1


@pytest.mark.parametrize(
    "function",
    [3, "train", None, lambda: 1, lambda a, b, c: 1, lambda params, *, needed: 1, asynchronous, generator],
)
def test_what_cannot_be_called_is_refused(function: Any) -> None:
    with pytest.raises(SubjectError) as caught:
        FunctionSubject(function)
    assert "train(params" in caught.value.hint


def test_what_cannot_be_sent_is_refused(tmp_path: Path) -> None:
    lock = (tmp_path / "f").open("w")
    with lock, pytest.raises(SubjectError, match="cannot be sent"):
        FunctionSubject(lambda params: lock.name)
    with pytest.raises(SubjectError, match="JSON cannot hold"):
        FunctionSubject(train).prepare(proposal({"x": float("nan")}), (), str(tmp_path / "1"))


def test_description_of_a_function() -> None:
    assert FunctionSubject(train).describe()["name"] == "train"
    assert FunctionSubject(train).describe()["sha256"] != FunctionSubject(train_and_report).describe()["sha256"]
    assert FunctionSubject(Trainer()).describe()["path"] == ""


def test_a_splice_that_does_not_read_back_is_refused() -> None:
    source = Source.parse(b"x = 1\n", "train.py")
    origin = Origin("constant", "train.py", 1, 4, 5, "1")
    assert splice(source, [(origin, "2", 2)]) == b"x = 2\n"
    for text, value in (("2", 3), ("2 + y", 2.5), ("2; y = 3", 3), ("(", 2), ("True", 1)):
        with pytest.raises(SubjectError):
            splice(source, [(origin, text, value)])
    with pytest.raises(SubjectError, match="two parameters"):
        splice(source, [(origin, "2", 2), (origin, "3", 3)])


@given(
    st.one_of(
        st.text(),
        st.integers(-(10**12), 10**12),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.none(),
    )
)
def test_every_scalar_is_written_so_that_python_reads_it(value: Scalar) -> None:
    for like in ("1", '"relu"', "'relu'", "2**4"):
        written = write_literal(value, like)
        assert written.isascii()
        assert read_literal(ast.parse(written, mode="eval").body) == value


@pytest.mark.parametrize(
    "function", [train_and_report, lambda params: {"loss": params["x"] * 2}], ids=["file", "pickle"]
)
def test_the_worker_runs_what_was_prepared(tmp_path: Path, function: Callable[..., Any]) -> None:
    subject = FunctionSubject(function)
    job = subject.prepare(proposal({"x": 0.5}), ("loss",), str(tmp_path / "1"))
    run(job)
    lines = [json.loads(line) for line in Path(job.result_path).read_text().splitlines()]
    assert lines[-1]["loss"] == (0.5 if function is train_and_report else 1.0)


def test_a_function_under_the_guard_of_its_script_reaches_the_child(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "import knowhy\n"
        "def plain(params, report):\n"
        "    return {'val_loss': params['x'] + OFFSET}\n"
        "if __name__ == '__main__':\n"
        "    OFFSET = 0.5\n"
        "    def inner(params, report):\n"
        "        return {'val_loss': params['x']}\n"
        "    space = [knowhy.real('x', 0, 1, 0.25)]\n"
        "    for name, train in (('inner', inner), ('plain', plain)):\n"
        "        study = knowhy.Study(name, {'val_loss': 'minimize'})\n"
        "        study.run(train, space, trials=1, workers=1)\n"
        "        print(name, study.trials[0].value)\n"
    )
    ran = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.stdout.splitlines() == ["inner 0.25", "plain 0.75"], ran.stderr
