"""knowhy.toml: read with line numbers, and written with a comment for every parameter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError
from tomlkit.items import InlineTable, Table

from knowhy.errors import SettingsError
from knowhy.model.objective import Constraint, Objective
from knowhy.model.space import Choices, Parameter, Scalar

FILE_NAME = "knowhy.toml"

_HEADER = """\
Written by "knowhy init": what is studied, what is wanted, and what may be varied.
Edit freely; "knowhy run" reads this file. Options and the environment (KNOWHY_TRIALS, ...) go before it.
"""
_PARAMETERS = """\
Each line is a parameter found in the script. Trials vary those with active = true; the others stay at
their default until a theory asks for them. Delete a line, and the study leaves that parameter alone.
"""


@dataclass(frozen=True)
class SettingsFile:
    """A parsed knowhy.toml: ``values`` by section, and the text to find lines in."""

    path: Path
    text: str
    values: Mapping[str, Any]

    def line(self, section: str, key: str = "") -> int:
        """The line (from 1) on which ``key`` of ``section`` (or the section) stands; 0 where it cannot be told."""
        return find_line(self.text, section, key)

    def where(self, section: str, key: str = "") -> str:
        """The place of a key for an error message: ``knowhy.toml, line 7``."""
        line = self.line(section, key)
        return f"{self.path.name}, line {line}" if line else self.path.name


def find_line(text: str, section: str, key: str = "") -> int:
    """The line (from 1) of ``key`` within ``[section]`` in ``text``, or of the section; 0 if it is not found."""
    inside, at = not section, 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        header = re.match(r"\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            parts = [part.strip().strip("\"'") for part in header.group(1).split(".", 1)]
            inside = parts[0] == section
            if inside and not at:
                at = number
            if inside and key and len(parts) == 2 and parts[1] == key:
                return number
        elif inside and key and re.match(rf"[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
            return number
    return 0 if key else at


def read_settings_file(path: Path) -> SettingsFile:
    """The settings in ``path``; raises SettingsError if it cannot be read or is no TOML."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(f"there is no file {path}", "write one with: knowhy init SCRIPT") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", "give a readable TOML file in UTF-8") from None
    try:
        values = tomlkit.parse(text).unwrap()
    except ParseError as error:
        raise SettingsError(
            f"{path.name}, line {error.line}: {error.args[0]}", "correct the line; strings need quotes in TOML"
        ) from None
    except (TOMLKitError, ValueError) as error:  # a repeated key is no ParseError
        raise SettingsError(f"{path.name}: {error}", "correct the file; each key may stand once") from None
    return SettingsFile(path, text, values)


def write_settings(
    *,
    name: str,
    script: str,
    objectives: Sequence[Objective],
    parameters: Sequence[Parameter],
    run: Mapping[str, Scalar],
    constraints: Sequence[Constraint] = (),
    arguments: Sequence[str] = (),
    seed: int = 0,
    notes: Sequence[str] = (),
) -> str:
    """The text of a knowhy.toml.

    ``run`` holds the settings of the section of that name (trials, workers, ...; None writes the key as a
    comment); ``notes`` are remarks of the discovery, written above the parameters.
    """
    document = tomlkit.document()
    for line in _HEADER.splitlines():
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())

    study = tomlkit.table()
    _put(study, "name", name, "its folder is .knowhy/<name>")
    _put(study, "script", script)
    if arguments:
        _put(study, "arguments", list(arguments), "given to the script in every trial")
    _put(study, "seed", seed, "from which every random choice of the study comes")
    document.add("study", study)

    section = tomlkit.table()
    for key, value in run.items():
        why = _RUN_COMMENTS.get(key, "")
        if value is None:
            section.add(tomlkit.comment(f"{key} = {_RUN_SAMPLES[key]}  # {why}"))
        else:
            _put(section, key, value, why)
    document.add("run", section)

    wanted = tomlkit.table()
    for objective in objectives:
        _put(wanted, objective.metric, objective.direction)
    document.add("objectives", wanted)

    if constraints:
        bounds = tomlkit.table()
        for constraint in constraints:
            _put(bounds, constraint.metric, f"{constraint.op} {constraint.bound!r}")
        document.add("constraints", bounds)

    table = tomlkit.table()
    for line in _PARAMETERS.splitlines():
        table.add(tomlkit.comment(line))
    for note in notes:
        table.add(tomlkit.comment(f"Note: {_one_line(note)}"))
    for group, active in (("Varied", True), ("Held at their default", False)):
        members = [p for p in parameters if p.active is active]
        if members:
            table.add(tomlkit.nl())
            table.add(tomlkit.comment(f"-- {group} --"))
        for parameter in members:
            table.add(tomlkit.comment(describe_origin(parameter)))
            table.add(parameter.name, _entry(parameter))
    document.add("parameters", table)
    return tomlkit.dumps(document)


def describe_role(role: str) -> str:
    """A role in words."""
    return "role unknown" if role == "other" else role.replace("_", " ")


def describe_origin(parameter: Parameter) -> str:
    """Role of ``parameter`` and where it was found, in one line: ``learning rate, train.py:12, LR = 3e-4``."""
    origin = parameter.origin
    words = [describe_role(parameter.role)]
    if origin.file:
        words.append(f"{origin.file}:{origin.line}" if origin.line else origin.file)
    if origin.kind == "inherited":
        owner = parameter.name.rpartition(".")[0]
        words.append(f"argument {origin.key}{f' of {owner}' if owner else ''}, left at its default")
    elif origin.kind == "environment":
        words.append(f"environment variable {origin.key}")
    elif origin.flag:
        words.append(f"option {origin.flag}")
    elif origin.text:
        words.append(f"written {_one_line(origin.text)}")
    if parameter.condition is not None:
        words.append(f"counts where {parameter.condition}")
    if parameter.role == "epochs":
        words.append("could be a fidelity: fidelity = true")
    return ", ".join(words)


_RUN_COMMENTS = {
    "trials": "a total for the study, not per call",
    "budget": "wall time in all, such as 90s, 30m or 2h",
    "workers": "trials that run side by side",
    "strategy": "theory, random, grid, tpe, gp or cmaes",
    "timeout": "for one trial",
    "memory": "for one trial, such as 4GB",
    "stop_early": "stop trials that can neither win nor teach",
}
_RUN_SAMPLES = {"budget": '"30m"', "timeout": '"10m"', "memory": '"4GB"'}


def _put(table: Table, key: str, value: Any, comment: str = "") -> None:
    """Add ``key = value  # comment``."""
    item = tomlkit.item(value)
    if comment:
        item.comment(comment)
    table.add(key, item)


def _entry(parameter: Parameter) -> InlineTable:
    """The range of a parameter as an inline table."""
    entry = tomlkit.inline_table()
    domain = parameter.domain
    if isinstance(domain, Choices):
        if set(map(type, domain.values)) == {bool}:
            entry.append("type", "switch")
        else:
            entry.append("type", "choice")
            entry.append("values", [_toml(value) for value in domain.values])
    else:
        kind = "power_of_two" if domain.power_of_two else "integer" if domain.integer else "real"
        whole = domain.integer or domain.power_of_two
        entry.append("type", kind)
        entry.append("low", int(domain.low) if whole else domain.low)
        entry.append("high", int(domain.high) if whole else domain.high)
        if not domain.power_of_two:
            entry.append("scale", domain.scale)
    entry.append("default", _toml(parameter.default))
    entry.append("active", parameter.active)
    if parameter.condition is not None:
        when = tomlkit.inline_table()
        when.append(parameter.condition.parent, [_toml(value) for value in parameter.condition.values])
        entry.append("when", when)
    return entry


def _toml(value: Scalar) -> Any:
    """``value`` in TOML, which has no null: None is written as the word."""
    return "None" if value is None else value


def _one_line(text: str) -> str:
    """``text`` without control characters, cut to a comment's length."""
    flat = "".join(c if c.isprintable() else " " for c in text)
    return flat if len(flat) <= 60 else flat[:57] + "..."
