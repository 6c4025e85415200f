"""The command that runs strategies side by side."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from knowhy.compose import discovered
from knowhy.errors import MetricError, UsageError
from knowhy.faces import render, render_versus
from knowhy.faces.commands.run import file_for, script_of
from knowhy.faces.options import json_option, print_json, settings_path, which_study
from knowhy.faces.running import shown, stoppable
from knowhy.faces.text import one_line
from knowhy.model.objective import Direction
from knowhy.model.state import State
from knowhy.settings.options import load


@click.command()
@click.argument("script", required=False)
@click.argument("arguments", nargs=-1)
@click.option("--metric", multiple=True, metavar="NAME", help="The objective; NAME:min or NAME:max.")
@click.option("--minimize", "direction", flag_value="minimize", help="A small metric is good.")
@click.option("--maximize", "direction", flag_value="maximize", help="A large metric is good.")
@click.option("--constraint", multiple=True, metavar="TEXT", help='A bound to keep, such as "peak_memory < 8000".')
@click.option("--strategies", metavar="NAMES", default="theory,random,tpe,gp,cmaes", show_default=True)
@click.option("--trials", metavar="N", help="Trials for each strategy (60).")
@click.option("--repeats", default=1, show_default=True, metavar="N", help="Studies of each strategy.")
@click.option("--fresh", default=5, show_default=True, metavar="N", help="Runs of what each chose, on new seeds.")
@click.option("--workers", metavar="N", help="Trials side by side (2).")
@click.option("--timeout", metavar="TIME", help="For one trial.")
@click.option("--memory", metavar="SIZE", help="For one trial, such as 4GB.")
@click.option("--seed", metavar="N", help="From which random choices come (0).")
@click.option("--out", metavar="FILE", help="Where the report goes: .html or .md (compare.html beside the studies).")
@which_study
@json_option
def compare(
    script: str | None,
    arguments: tuple[str, ...],
    metric: tuple[str, ...],
    direction: Direction | None,
    constraint: tuple[str, ...],
    strategies: str,
    trials: str | None,
    repeats: int,
    fresh: int,
    workers: str | None,
    timeout: str | None,
    memory: str | None,
    seed: str | None,
    out: str | None,
    study: str | None,
    folder: str | None,
    config: str | None,
    as_data: bool,
) -> None:
    """Run classic strategies and theory on SCRIPT with equal budgets, and show quality, knowledge and cost.

    Each strategy has a study of its own under FOLDER/NAME/compare; the same command goes on where it stopped.
    """
    from knowhy.comparing import compare as run_all  # with all adapters: of no use to --help

    options = {
        "script": script,
        "metric": metric,
        "direction": direction,
        "constraint": constraint,
        "trials": trials,
        "workers": workers,
        "timeout": timeout,
        "memory": memory,
        "seed": seed,
        "name": study,
        "folder": folder,
    }
    settings = load(options, os.environ, file_for(script, settings_path(config), named=config is not None))
    if arguments:
        settings = replace(settings, arguments=arguments)
    path = script_of(settings)
    if not settings.objectives:
        raise MetricError("no objective is named", "name one, as in --metric val_loss --minimize")
    target = Path(out) if out else settings.folder / settings.name / "compare" / "compare.html"
    with stoppable() as stop:
        found = discovered(path, settings.arguments)
        view = run_all(
            path,
            settings.space(found.parameters, found.reserved),
            objectives={o.metric: o.direction for o in settings.objectives},
            name=settings.name,
            folder=settings.folder,
            strategies=[s.strip() for s in strategies.split(",") if s.strip()],  # type: ignore[misc]
            trials=settings.trials,
            repeats=repeats,
            fresh=fresh,
            workers=settings.workers,
            timeout=settings.timeout,
            memory=settings.memory,
            arguments=settings.arguments,
            constraints=settings.constraints,
            seed=settings.seed,
            trust=settings.trust,
            watch=Progress(settings.trials),
            stop=stop,
        )
    if as_data:
        print_json(view)
    else:
        render.show(render_versus.comparison_lines(view))
    if stop.asked and not view.finished:
        click.echo("stopped; run again to go on", err=True)
        raise click.exceptions.Exit(130)
    from knowhy.reports import write_comparison

    try:
        target.write_text(
            write_comparison(view, "md" if target.suffix.lower() in (".md", ".markdown") else "html"), encoding="utf-8"
        )
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}", "name another file with --out") from None
    if not as_data:
        render.show([render.row("report", shown(target.absolute()))])


class Progress:
    """A line for each tenth of a sub-study, on standard error."""

    def __init__(self, trials: int) -> None:
        """Each sub-study has ``trials`` trials."""
        self._trials, self._told = trials, dict[str, int]()

    def __call__(self, study: str, state: State) -> None:
        """Tell what has been done, where it is worth a line."""
        total = state.run.trials if state.run is not None else self._trials
        tenth = 10 * state.finished // max(total, 1)
        if tenth == self._told.get(study):
            return
        self._told[study] = tenth
        print(f"{one_line(study)}: {state.finished} of {total} trials", file=sys.stderr, flush=True)
