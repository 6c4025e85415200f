"""Commands about the space: see it, open, widen and freeze parameters, also while a run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click
from rich.text import Text

from knowhy.cases.parameters import ParameterView
from knowhy.errors import SpaceError
from knowhy.faces import render
from knowhy.faces.options import existing, json_option, print_json, which_study
from knowhy.faces.text import one_line
from knowhy.model.space import Scalar
from knowhy.settings.file import describe_role

_HEADINGS = {
    "active": "Varied",
    "held": "Held at their default until a theory or you ask for them",
    "frozen": "Frozen",
    "offered": "Offered by the script, not in the study (knowhy open NAME)",
    "reserved": "Defines the evaluation: not varied unless you say so (knowhy open NAME --low X --high Y)",
}


@click.command()
@which_study
@json_option
def space(study: str | None, folder: str | None, config: str | None, as_data: bool) -> None:
    """List the parameters of the study: varied, held, frozen, and what else the script has."""
    found = list(existing(study, folder, config).parameters)
    if as_data:
        print_json(found)
        return
    for standing, heading in _HEADINGS.items():
        members = [view for view in found if view.standing == standing]
        if members:
            render.show([Text(heading, style="bold"), *(line for view in members for line in _lines(view))])


@click.command("open")
@click.argument("parameter")
@click.option("--low", type=float, metavar="X", help="The lowest value to try.")
@click.option("--high", type=float, metavar="X", help="The highest value to try.")
@click.option("--log/--linear", "log", default=None, help="On which scale distances count.")
@click.option("--integer/--real", "integer", default=None, help="Whole numbers only, or real ones.")
@click.option("--values", metavar="A,B,...", help="The values of a choice.")
@click.option("--default", metavar="X", help="Its default, where the study does not know it.")
@click.option("--when", metavar="NAME=A,B", help="The parameter counts only where NAME is one of these.")
@click.option("--because", default="", help="Why, in your words.")
@which_study
@json_option
def open_(
    parameter: str,
    low: float | None,
    high: float | None,
    log: bool | None,
    integer: bool | None,
    values: str | None,
    default: str | None,
    when: str | None,
    because: str,
    study: str | None,
    folder: str | None,
    config: str | None,
    as_data: bool,
) -> None:
    """Let trials vary PARAMETER from now on; a run that goes on takes it up.

    Such as: knowhy open weight_decay --low 1e-6 --high 1e-1 --log
    """
    chosen = existing(study, folder, config)
    view = chosen.parameters.open(
        parameter,
        low=low,
        high=high,
        log=log,
        integer=integer,
        values=None if values is None else _values(values),
        default=None if default is None else _value(default),
        when=_when(when),
        because=because,
    )
    _told(view, as_data)


@click.command()
@click.argument("parameter")
@click.option("--low", type=float, metavar="X", help="A lower low end.")
@click.option("--high", type=float, metavar="X", help="A higher high end.")
@click.option("--add", metavar="A,B,...", help="Values to add to a choice.")
@click.option("--because", default="", help="Why, in your words.")
@which_study
@json_option
def widen(
    parameter: str,
    low: float | None,
    high: float | None,
    add: str | None,
    because: str,
    study: str | None,
    folder: str | None,
    config: str | None,
    as_data: bool,
) -> None:
    """Give PARAMETER a wider range, or add values to a choice."""
    chosen = existing(study, folder, config)
    added = () if add is None else _values(add)
    _told(chosen.parameters.widen(parameter, low=low, high=high, add=added, because=because), as_data)


@click.command()
@click.argument("parameter")
@click.option("--because", default="", help="Why, in your words.")
@which_study
@json_option
def freeze(
    parameter: str, because: str, study: str | None, folder: str | None, config: str | None, as_data: bool
) -> None:
    """Hold PARAMETER at its default from now on; knowhy open takes that back."""
    _told(existing(study, folder, config).parameters.freeze(parameter, because=because), as_data)


def _told(view: ParameterView, as_data: bool) -> None:
    if as_data:
        print_json(view)
    else:
        render.show([Text(_HEADINGS[view.standing].partition(" (")[0], style="bold"), *_lines(view)])


def _lines(view: ParameterView) -> Iterable[render.Line]:
    words = [view.range, f"default {view.default}", describe_role(view.role)]
    if view.condition:
        words.append(f"counts where {view.condition}")
    if view.where:
        words.append(view.where)
    yield Text(f"  {one_line(view.name)}  {one_line(', '.join(words))}")
    if view.reason:
        yield Text(f"      {one_line(view.reason)} ({one_line(view.by)})", style="dim")


def _values(text: str) -> tuple[Scalar, ...]:
    return tuple(_value(part.strip()) for part in text.split(","))


def _value(text: str) -> Scalar:
    """A number, true, false or null as JSON has it; every other word is text."""
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, (bool, int, float, str)) or found is None else text


def _when(text: str | None) -> tuple[str, tuple[Scalar, ...]] | None:
    if text is None:
        return None
    parent, equals, values = text.partition("=")
    if not equals or not values:
        raise SpaceError(f"{text!r} is no condition", "write --when optimizer=sgd")
    return parent.strip(), _values(values)
