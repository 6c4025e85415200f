"""The command that says whether classic optimisation would do."""

from __future__ import annotations

import os

import click

from knowhy.compose import discovered
from knowhy.errors import StudyMissingError, UsageError
from knowhy.faces import render
from knowhy.faces.commands.run import file_for, script_of
from knowhy.faces.options import existing, json_option, print_json, settings_path, which_study
from knowhy.faces.render import Line, hanging, row
from knowhy.faces.text import one_line
from knowhy.settings.options import load
from knowhy.settings.quantities import seconds
from knowhy.views import AdviceView
from knowhy.views import advise as advice

_STRENGTH = {1: "a little", 2: "clearly", 3: "strongly"}


@click.command()
@click.argument("script", required=False)
@click.option("--trials", metavar="N", help="Trials that you would spend in all (60).")
@click.option("--cost", metavar="TIME", help="What a trial takes, such as 30s; from the study where there is one.")
@click.option("--why/--no-why", default=None, help="Whether you want to know why, or only a good configuration.")
@which_study
@json_option
def advise(
    script: str | None,
    trials: str | None,
    cost: str | None,
    why: bool | None,
    study: str | None,
    folder: str | None,
    config: str | None,
    as_data: bool,
) -> None:
    """Say whether classic optimisation would do for SCRIPT, or for the study so far, and why.

    Nothing is run. With some trials in a study, its noise, structure and open theories count as well.
    """
    options = {"script": script, "trials": trials, "name": study, "folder": folder}
    settings = load(options, os.environ, file_for(script, settings_path(config), named=config is not None))
    try:
        each = None if cost is None else seconds(cost)
    except ValueError as error:
        raise UsageError(f"--cost: {error}", "write a duration such as 0.5s, 30s or 2m") from None
    chosen = None
    try:
        if script is None or study is not None:
            chosen = existing(study, folder, config)
    except StudyMissingError:
        if settings.script is None:
            raise
    if chosen is not None and chosen.state.objectives:
        state = chosen.state
        total = settings.trials if "trials" in settings.given else state.run.trials if state.run else 60
        view = advice(
            state.space,
            state.objectives,
            state.constraints,
            total,
            why=why,
            cost=each,
            state=state,
            mind=chosen.mind,
        )
    else:
        path = script_of(settings)
        found = discovered(path, settings.arguments)
        space = settings.space(found.parameters, found.reserved)
        view = advice(space, settings.objectives, settings.constraints, settings.trials, why=why, cost=each)
    if as_data:
        print_json(view)
    else:
        render.show(advice_lines(view))


def advice_lines(view: AdviceView) -> list[Line]:
    """The advice, then each reason with the side that it speaks for."""
    lines: list[Line] = [hanging(view.sentence, 0, style="bold")]
    sides = {"classic": "for classic", "theory": "for theory", "neither": "for neither"}
    for reason in view.reasons:
        strength = f", {_STRENGTH[reason.weight]}" if reason.weight else ""
        lines.append(row(reason.about, f"{one_line(reason.fact)}  ({sides[reason.speaks_for]}{strength})"))
    basis = "the space and the budget alone; ten trials or more of a study would tell of noise and structure"
    return [*lines, row("basis", f"{view.from_data} trials of the study" if view.from_data else basis)]
