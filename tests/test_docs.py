"""The documentation is true: what exists is documented, and what is documented exists.

``python tests/test_docs.py`` writes the forms of claim into docs/claims.md.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import click
import pytest

import knowhy
from knowhy import errors
from knowhy.compose import discovered
from knowhy.demo import SCRIPT
from knowhy.engine import evidence, fitting, policy, posterior, predicates
from knowhy.engine.claims import forms, parse, render
from knowhy.execution.emit import RESULT
from knowhy.faces.cli import COMMANDS, cli
from knowhy.model.events import FORMAT, Event
from knowhy.model.objective import Objective
from knowhy.model.observation import FailureKind
from knowhy.model.space import Space, choice, integer, power_of_two, real, switch
from knowhy.model.trust import Trust
from knowhy.settings import options as settings
from knowhy.settings import ranges, values
from knowhy.settings.file import write_settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PAGES = {
    "README.md": README,
    **{f"docs/{name}": text for name, text in DOCS.items()},
    **{name: (ROOT / name).read_text(encoding="utf-8") for name in ("CHANGELOG.md", "examples/README.md")},
    "src/knowhy/reports/vendor/README.md": (ROOT / "src/knowhy/reports/vendor/README.md").read_text(encoding="utf-8"),
}
EVERYTHING = "\n".join((README, *DOCS.values()))

BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
FORMS = "<!-- written by tests/test_docs.py: the forms -->\n"
CONSTANTS = "<!-- written by tests/test_docs.py: the constants -->\n"
END = "<!-- end -->"


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a page in ``language``."""
    return [body for name, body in BLOCK.findall(text) if name == language]


def commands() -> Iterator[tuple[str, str]]:
    """Every command in a shell block of a page, and every one after a prompt in an excerpt: (page, command)."""
    for page, text in PAGES.items():
        for language, body in BLOCK.findall(text):
            for line in body.splitlines():
                shown = line.removeprefix("$ ")
                if language == "sh" or (language == "" and (shown != line or line.startswith(("knowhy ", "pip ")))):
                    for part in shlex.join(shlex.split(shown, comments=True)).split(" '&&' "):
                        if part:
                            yield page, part


def options() -> Iterator[tuple[str, str]]:
    """Every option of every command, and of the commands within one: (command, option)."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        within = command.commands if isinstance(command, click.Group) else {}
        for path, each in ((name, command), *((f"{name} {inner}", one) for inner, one in within.items())):
            for parameter in each.params:
                if isinstance(parameter, click.Option):
                    for option in (*parameter.opts, *parameter.secondary_opts):
                        yield path, option


def subcommands() -> Iterator[tuple[str, str]]:
    """Every command within a command: (command, the one within)."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        for inner in command.commands if isinstance(command, click.Group) else ():
            yield name, inner


def forms_block() -> str:
    """The forms of claim as docs/claims.md shows them."""
    lines = [line for pattern, example in forms() for line in (pattern, f"    {example}")]
    return "\n".join(("```text", *lines, "```", ""))


def constants_block() -> str:
    """The constants of the engine as docs/method.md shows them."""
    rows = {
        "prior weight of the smooth model": posterior.SMOOTH,
        "of the sparse model": posterior.SPARSE,
        "of the additive model": posterior.ADDITIVE,
        "of the quadratic model": posterior.QUADRATIC,
        "of the idle model": posterior.IDLE,
        "of structural models, together": posterior.STRUCTURES,
        "draws": posterior.DRAWS,
        "hyperparameter particles for each model": fitting.PARTICLES,
        "settings over which an average is taken": predicates.BACKGROUNDS,
        "levels of a parameter's range": predicates.LEVELS,
        "near, as a share of the range": predicates.NEAR,
        "an optimum moves, as a share of the range": predicates.MOVES,
        "everywhere: share of the settings": predicates.AGREEMENT,
        "part of a study that is learning alone": policy.LEARN_FIRST,
        "share of learning after it": policy.LEARN_LATER,
        "fresh rounds for which trials are kept": policy.ROUNDS,
        "budget from which a theory is verified beside the incumbent": policy.TWO_THEORIES[0],
        "budget from which two are": policy.TWO_THEORIES[1],
        "alpha of certificates": evidence.ALPHA,
    }
    lines = [f"| {what} | {value:g} |" for what, value in rows.items()]
    return "\n".join(("| constant | value |", "| --- | --- |", *lines, ""))


# What exists is documented.


@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_is_in_the_readme(name: str) -> None:
    assert re.search(rf"^(pip install \. && )?knowhy {name}\b", "\n".join(blocks(README, "sh")), re.MULTILINE)


@pytest.mark.parametrize(("command", "inner"), list(subcommands()))
def test_every_command_within_a_command_is_documented(command: str, inner: str) -> None:
    assert re.search(rf"^knowhy {command} {inner}\b", "\n".join(blocks(EVERYTHING, "sh")), re.MULTILINE)


@pytest.mark.parametrize(("command", "option"), list(options()))
def test_every_option_is_documented(command: str, option: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", EVERYTHING), f"knowhy {command} {option}"


@pytest.mark.parametrize("name", knowhy.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    assert re.search(rf"\bknowhy\.{name}\b", README)


def test_every_setting_is_documented() -> None:
    told = "\n".join((*blocks(README, "toml"), *re.findall(r"`[^`\n]+`", README)))
    keys = {f.name for f in fields(settings.Settings)} & set(values._PARSERS)
    assert {"name", "script", "trials", "seed", "repo", "theorist"} <= keys
    for key in [*keys, "study", "run", "objectives", "constraints", "parameters", "trust"]:
        assert re.search(rf"(^|[`\[]){key}\b", told, re.MULTILINE), key
    with pytest.raises(errors.SettingsError) as caught:
        ranges.changed(real("x", 0, 1, 0.5), {"nonsense": 1})
    for key in re.findall(r"\w+", caught.value.hint.partition(":")[2]):
        assert re.search(rf"`{key}`|\b{key} = ", told), key
    for word in values.STRATEGIES:
        assert f"`{word}`" in README


def test_every_setting_of_trust_is_documented(tmp_path: Path) -> None:
    [shown] = blocks(DOCS["trust.md"], "toml")
    assert set(tomllib.loads(shown)["trust"]) == {f.name for f in fields(Trust)}
    path = tmp_path / "knowhy.toml"
    path.write_text(shown, encoding="utf-8")
    assert settings.load({}, {}, path).trust.sandbox == "auto"


def test_every_environment_variable_is_documented() -> None:
    for name in (*settings.VARIABLES, RESULT, "KNOWHY_SEED"):
        assert f"`{name}`" in README, name


def test_every_event_and_every_failure_is_documented() -> None:
    table = re.findall(r"^\| `(\w+)` \|", DOCS["journal.md"].partition("## Events")[2], re.MULTILINE)
    assert table == [event.__name__ for event in get_args(Event)]
    for kind in get_args(FailureKind):
        assert f"`{kind}`" in DOCS["journal.md"]
    assert f"this knowhy writes {FORMAT} |" in DOCS["journal.md"]


def test_the_constants_of_the_method_are_those_of_the_engine() -> None:
    shown = DOCS["method.md"].partition(CONSTANTS)[2].partition(END)[0]
    assert shown == constants_block(), "run: python tests/test_docs.py"


def test_this_version_has_its_changes() -> None:
    changes = PAGES["CHANGELOG.md"]
    assert knowhy.__version__ == PROJECT["project"]["version"]
    assert re.search(rf"^## {re.escape(knowhy.__version__)}\b", changes, re.MULTILINE)
    assert "Tried and dropped" in changes


# What is documented exists.


@pytest.mark.parametrize(("page", "command"), list(commands()))
def test_commands_can_be_typed(page: str, command: str) -> None:
    program, *words = shlex.split(command)
    if program == "knowhy":
        name, *rest = words
        verb = cli.get_command(click.Context(cli), name)
        assert verb is not None, f"{page}: there is no knowhy {name}"
        verb.make_context(name, rest)
    elif program == "pip":
        assert words[0] == "install"
        for word in words[1:]:
            wanted = re.fullmatch(r"\.(?:\[(\w+)\])?", word)
            assert wanted, word
            assert wanted[1] is None or wanted[1] in PROJECT["project"]["optional-dependencies"]
    elif program == "python":
        assert words[0] == "-m"
        assert importlib.util.find_spec(words[1])
    else:
        assert program in ("pytest", "sqlite3", "cd", ".ci/run"), f"{page}: {command}"


def test_commands_are_found() -> None:
    found = [command for page, command in commands() if page == "README.md"]
    assert found[:4] == ["pip install .", "knowhy demo", "pip install '.[test]'", "pytest -n 2"]
    assert len(found) > 15


def test_ci_runs_the_two_commands_of_the_readme() -> None:
    lines = [line.strip() for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()]
    for body in blocks(README, "sh")[:2]:
        assert body.strip() in lines


def test_extras_are_documented() -> None:
    for extra in PROJECT["project"]["optional-dependencies"]:
        assert f"pip install '.[{extra}]'" in README


def test_links_resolve() -> None:
    for page, text in PAGES.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", text)):
            if not target.startswith("https://"):
                path, _, anchor = target.partition("#")
                assert not anchor, f"{page} links into a page: {target}"
                assert (ROOT / page).parent.joinpath(path).exists(), f"{page}: {target}"


@pytest.mark.parametrize("name", DOCS)
def test_the_readme_links_to_every_page(name: str) -> None:
    assert f"(docs/{name})" in README


def test_the_settings_file_shown_is_what_knowhy_writes(tmp_path: Path) -> None:
    [shown] = blocks(README, "toml")
    found = discovered(SCRIPT)
    written = write_settings(
        name="demo",
        script=SCRIPT.name,
        objectives=[Objective("val_loss")],
        parameters=found.parameters,
        run={"trials": 60, "workers": 2, "strategy": "theory"},
        notes=found.notes,
    )
    at = 0
    for line in shown.splitlines():
        if line != "# ...":
            at = written.find(line + "\n", at)
            assert at >= 0, f"not written, or in another order: {line}"
    path = tmp_path / "knowhy.toml"
    path.write_text(shown, encoding="utf-8")
    space = settings.load({}, {}, path).space(found.parameters)
    assert 0 < len(space.active) < len(space)


def test_the_forms_of_claim_are_those_of_the_grammar() -> None:
    shown = DOCS["claims.md"].partition(FORMS)[2].partition(END)[0]
    assert shown == forms_block(), "run: python tests/test_docs.py"


def test_the_forms_can_be_parsed() -> None:
    space = Space(
        (
            *(real(name, 0.0, 0.95, 0.1) for name in ("dropout", "momentum", "weight_decay")),
            real("lr", 1e-4, 1.0, 0.01, log=True),
            *(integer(name, 1, 4096, 64) for name in ("width", "depth", "epochs", "batch_size")),
            choice("activation", ("relu", "gelu"), "relu"),
            switch("augment", False),
        )
    )
    for _, example in forms():
        claim = parse(example, space, ("val_loss", "gap"))
        assert parse(render(claim), space, ("val_loss", "gap")) == claim


def test_the_claims_in_the_pages_can_be_parsed() -> None:
    space = Space(
        (
            real("DROPOUT", 0.0, 0.8, 0.0),
            power_of_two("WIDTH", 16, 256, 64),
            power_of_two("BATCH_SIZE", 4, 256, 32),
            real("lr", 1e-4, 1e-1, 1e-3, log=True),
        )
    )
    found = re.findall(r"(?:believe\(|believe |suppose )\"([^\"]+)\"", EVERYTHING)
    assert len(found) >= 4
    for sentence in found:
        parse(sentence, space, ("val_loss", "gap"))


@pytest.mark.parametrize("block", blocks(README, "python"), ids=["run", "ask"])
def test_the_python_of_the_readme_runs(block: str, tmp_path: Path) -> None:
    script = tmp_path / "study.py"
    script.write_text(re.sub(r"\btrials=\d+", "trials=3", block), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "{'" in done.stdout


if __name__ == "__main__":
    for name, begin, block in (("claims.md", FORMS, forms_block()), ("method.md", CONSTANTS, constants_block())):
        before, _, rest = DOCS[name].partition(begin)
        (ROOT / "docs" / name).write_text(f"{before}{begin}{block}{END}{rest.partition(END)[2]}", encoding="utf-8")
