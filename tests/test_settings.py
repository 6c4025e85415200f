from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhy.errors import KnowhyError, MetricError, SettingsError, SpaceError
from knowhy.model.objective import Constraint, Objective
from knowhy.model.space import Choices, Interval, Origin, Parameter, choice, integer, power_of_two, real, switch
from knowhy.settings.file import find_line, read_settings_file, write_settings
from knowhy.settings.goals import guess_direction, guess_objective, parse_constraint, parse_objective
from knowhy.settings.options import Settings, load
from knowhy.settings.quantities import seconds, size

FOUND = (
    Parameter(
        "LR", Interval(1e-4, 1e-1, "log"), 1e-3, "learning_rate", origin=Origin("constant", "t.py", 3, text="1e-3")
    ),
    integer("DEPTH", 1, 8, 2),
    power_of_two("BATCH", 8, 256, 32),
    choice("ACT", ["relu", "tanh", None], "relu"),
    switch("NESTEROV", False),
    Parameter("model.dropout", Interval(0.0, 0.8), 0.1, "dropout", active=False),
)


def written(tmp_path: Path, **changes: object) -> Path:
    text = write_settings(
        name="s",
        script="t.py",
        objectives=[Objective("val_loss")],
        parameters=FOUND,
        run={"trials": 60, "budget": None, "workers": 2, "strategy": "theory", "timeout": None, "memory": None},
    )
    for old, new in changes.items():
        assert isinstance(new, tuple)
        assert new[0] in text, old
        text = text.replace(new[0], new[1])
    path = tmp_path / "knowhy.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90", 90),
        ("90s", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1d", 86400),
        ("500ms", 0.5),
    ],
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "x", "30x", "m", "-3m", "0", "1h x", "nan", "inf"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"), [("4GB", 4 * 10**9), ("4GiB", 2**32), ("512 MB", 512 * 10**6), ("2g", 2 * 10**9), ("7", 7)]
)
def test_sizes(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "GB", "4XB", "-1GB", "0", "four"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        size(text)


@given(st.text(max_size=12))
def test_no_text_breaks_the_parsers(text: str) -> None:
    for parse in (seconds, size):
        with contextlib.suppress(ValueError):
            assert parse(text) > 0


def test_a_written_file_gives_back_the_space(tmp_path: Path) -> None:
    settings = load({}, {}, written(tmp_path))
    space = settings.space(FOUND)
    assert tuple(space) == FOUND
    assert settings.objectives == (Objective("val_loss"),)
    assert settings.script == tmp_path / "t.py"
    assert settings.folder == tmp_path / ".knowhy"


def test_a_written_file_explains_each_parameter(tmp_path: Path) -> None:
    text = written(tmp_path).read_text()
    assert "# learning rate, t.py:3, written 1e-3" in text
    assert text.index("-- Varied --") < text.index("LR =") < text.index("-- Held") < text.index("dropout")
    assert '# budget = "30m"' in text


_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.\[\]]{0,20}", fullmatch=True)


@given(
    st.lists(
        st.tuples(_names, st.floats(1e-8, 1e3), st.floats(1.01, 1e4), st.booleans(), st.booleans()),
        min_size=1,
        max_size=6,
        unique_by=lambda item: item[0],
    )
)
def test_any_space_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, float, float, bool, bool]]
) -> None:
    parameters = tuple(
        Parameter(name, Interval(low, low * ratio, "log" if log else "linear"), low, active=active or place == 0)
        for place, (name, low, ratio, log, active) in enumerate(drawn)
    )
    path = tmp_path_factory.mktemp("s") / "knowhy.toml"
    path.write_text(
        write_settings(name="s", script="t.py", objectives=[Objective("m")], parameters=parameters, run={"trials": 3})
    )
    found = {p.name: p for p in load({}, {}, path).space(parameters)}
    assert found == {p.name: p for p in parameters}


def test_precedence_is_option_then_environment_then_file(tmp_path: Path) -> None:
    path = written(tmp_path)
    environment = {"KNOWHY_TRIALS": "7", "KNOWHY_BUDGET": "2m", "KNOWHY_WORKERS": "3", "KNOWHY_STRATEGY": ""}
    settings = load({"trials": "9", "budget": None, "metric": ()}, environment, path)
    assert (settings.trials, settings.budget, settings.workers, settings.strategy) == (9, 120.0, 3, "theory")
    assert load({}, environment, path).trials == 7
    assert load({}, {}, path).trials == 60
    assert load({"metric": ("acc:max", "duration")}, {"KNOWHY_OBJECTIVE": "x:min"}, path).objectives == (
        Objective("acc", "maximize"),
        Objective("duration"),
    )
    assert load({}, {"KNOWHY_OBJECTIVE": "acc,loss"}, path).objectives == (
        Objective("acc", "maximize"),
        Objective("loss"),
    )


def test_a_direction_turns_the_objective_of_the_file(tmp_path: Path) -> None:
    assert load({"direction": "maximize"}, {}, written(tmp_path)).objectives == (Objective("val_loss", "maximize"),)
    with pytest.raises(SettingsError, match="of which metric"):
        load({"direction": "maximize"}, {}, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("trials = 60", "trails = 60"), ["no setting trails", "did you mean trials?"]),
        (("trials = 60", 'trials = "many"'), ["'many' is no whole number"]),
        (("trials = 60", "trials = 0"), ["less than 1"]),
        (("trials = 60", "trials = true"), ["True is no whole number"]),
        (('strategy = "theory"', 'strategy = "magic"'), ["no strategy 'magic'", "tpe"]),
        (('# budget = "30m"', 'budget = "30x"'), ["'30x' is no duration"]),
        (('# memory = "4GB"', 'memory = "lots"'), ["'lots' is no size"]),
        (("[run]", "[runs]"), ["no section runs", "did you mean run?"]),
        (('val_loss = "minimize"', 'val_loss = "down"'), ["'down' is no direction"]),
        (('val_loss = "minimize"', "val_loss = 3"), ["needs a text, not 3"]),
        (('name = "s"', 'name = "../s"'), ["'../s' is no name"]),
        (("low = 0.0001, high = 0.1", "low = 0.1, high = 0.0001"), ["LR", "inverted"]),
        (("low = 0.0001, high = 0.1", "low = 0.0, high = 0.1"), ["LR", "positive low bound"]),
        (("low = 0.0001, high = 0.1", 'low = "a", high = 0.1'), ["low must be a number"]),
        (("LR = {", "LRR = {"), ["no parameter LRR", "did you mean LR?"]),
        (("default = 0.001, active", "default = 5.0, active"), ["LR", "outside"]),
        (("default = 0.001, active", "default = 0.001, aktive"), ["no aktive", "did you mean active?"]),
        (('values = ["relu", "tanh", "None"]', 'values = ["relu"]'), ["ACT", "at least two"]),
        (('type = "switch", default', 'type = "switch", low = 1, default'), ["a switch has no low"]),
        (('scale = "log"', 'scale = "loga"'), ["no scale 'loga'"]),
    ],
)
def test_wrong_settings_name_the_file_and_the_line(tmp_path: Path, change: tuple[str, str], words: list[str]) -> None:
    path = written(tmp_path, it=change)
    where = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if change[1].splitlines()[0] in text)
    with pytest.raises(SettingsError) as caught:
        load({}, {}, path).space(FOUND)
    told = f"{caught.value.message} | {caught.value.hint}"
    assert f"knowhy.toml, line {where}:" in told
    assert caught.value.hint
    for word in words:
        assert word in told


def test_active_must_be_a_switch(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace("active = true}", 'active = "yes"}', 1))
    with pytest.raises(SettingsError, match="active must be true or false"):
        load({}, {}, path).space(FOUND)


def test_torn_toml_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "knowhy.toml"
    path.write_text('[study]\nname = "s"\nscript = t.py\n')
    with pytest.raises(SettingsError, match=r"knowhy\.toml, line 3"):
        load({}, {}, path)
    path.write_text("[study]\nseed = 1\nseed = 2\n")
    with pytest.raises(SettingsError, match=r"knowhy\.toml"):
        load({}, {}, path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        load({}, {}, path)
    with pytest.raises(SettingsError, match="there is no file"):
        read_settings_file(tmp_path / "none.toml")


def test_options_and_variables_are_named_in_errors() -> None:
    with pytest.raises(SettingsError, match="--trials: 'x' is no whole number"):
        load({"trials": "x"}, {})
    with pytest.raises(SettingsError, match="environment variable KNOWHY_WORKERS: 0 is less than 1"):
        load({}, {"KNOWHY_WORKERS": "0"})
    with pytest.raises(SettingsError, match="--study"):
        load({"name": "a/b"}, {})


def test_an_empty_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="empty"):
        Settings().space(())
    path = written(tmp_path)
    path.write_text(path.read_text().replace("active = true", "active = false"))
    with pytest.raises(SpaceError, match="no parameter is active"):
        load({}, {}, path).space(FOUND)
    path.write_text(path.read_text().partition("[parameters]")[0] + "[parameters]\n")
    with pytest.raises(SpaceError, match="empty"):
        load({}, {}, path).space(FOUND)


def test_a_deleted_line_leaves_the_parameter_alone_and_none_survives(tmp_path: Path) -> None:
    path = written(tmp_path)
    kept = [line for line in path.read_text().splitlines() if not line.startswith("DEPTH")]
    path.write_text("\n".join(kept))
    space = load({}, {}, path).space(FOUND)
    assert "DEPTH" not in space
    assert space["ACT"].domain == Choices(("relu", "tanh", None))


def test_a_real_may_become_whole_and_a_table_may_be_a_section(tmp_path: Path) -> None:
    path = tmp_path / "knowhy.toml"
    path.write_text('[parameters.LR]\nlow = 1e-5\nhigh = 1\n[parameters."model.dropout"]\nactive = true\nhigh = 0.5\n')
    space = load({}, {}, path).space(FOUND)
    assert space["LR"].domain == Interval(1e-5, 1, "log")
    assert space["model.dropout"].active
    assert space["model.dropout"].domain == Interval(0.0, 0.5)
    path.write_text("[parameters.LR]\nlow = 2.0\nhigh = 1\n")
    with pytest.raises(SettingsError, match=r"line 1: LR"):
        load({}, {}, path).space(FOUND)


def test_lines_are_found_in_sections_only() -> None:
    text = 'trials = 1\n[a]\nx = 1\n[b]\n# trials = 4\nx = 2\n"q r" = 3\n[parameters.LR]\nlow = 3\n'
    assert find_line(text, "b", "x") == 6
    assert find_line(text, "b", "q r") == 7
    assert find_line(text, "b") == 4
    assert find_line(text, "b", "trials") == 0
    assert find_line(text, "", "trials") == 1
    assert find_line(text, "parameters", "LR") == 8


@pytest.mark.parametrize(
    ("name", "toward"),
    [("val_loss", "minimize"), ("valAcc", "maximize"), ("test/f1", "maximize"), ("val_bpb", "minimize"),
     ("r2", "maximize"),
     ("perplexity", "minimize"), ("roc_auc", "maximize"), ("steps", None), ("loss_scale_accuracy", "maximize")],
)  # fmt: skip
def test_directions_are_guessed_from_names(name: str, toward: str | None) -> None:
    assert guess_direction(name) == toward


def test_the_likeliest_objective() -> None:
    assert guess_objective(["train_loss", "val_acc", "val_loss", "duration"]) == Objective("val_loss")
    assert guess_objective(["accuracy", "seconds"]) == Objective("accuracy", "maximize")
    assert guess_objective(["train_loss", "test_acc"]) == Objective("test_acc", "maximize")
    assert guess_objective(["loss", "test_accuracy"]) == Objective("test_accuracy", "maximize")
    assert guess_objective(["steps", "val_gap", "train_time"]) is None


def test_objectives_and_constraints_are_parsed() -> None:
    assert parse_objective("val_loss:max") == Objective("val_loss", "maximize")
    assert parse_objective("ns:loss") == Objective("ns:loss")
    assert parse_objective("steps", "maximize") == Objective("steps", "maximize")
    with pytest.raises(MetricError, match="does not tell"):
        parse_objective("steps")
    assert parse_constraint("m", "<= 8e3") == Constraint("m", "<=", 8000.0)
    for text in ("8000", "== 3", "<= x", "<= --"):
        with pytest.raises(SettingsError, match="no constraint"):
            parse_constraint("m", text)


def test_a_name_comes_from_the_script() -> None:
    assert load({"script": "some dir/train model.py"}, {}).name == "train-model"
    assert load({"script": "__.py"}, {}).name == "__" or load({"script": "__.py"}, {}).name == "study"


def test_every_settings_error_is_a_usage_error_with_exit_code_2() -> None:
    assert SettingsError("x").exit_code == 2
    assert issubclass(SettingsError, KnowhyError)


def test_real_is_the_constructor_people_use() -> None:
    assert real("a", 0, 1, 0.5).default == 0.5
