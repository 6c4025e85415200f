"""The command that looks at a script and writes knowhy.toml."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from knowhy.baseline import metric_error, subject_error
from knowhy.compose import check, discovered, run_once
from knowhy.errors import MetricError, SettingsError, SubjectError, UsageError
from knowhy.faces import render
from knowhy.faces.commands.run import script_of
from knowhy.faces.options import limit_options, which_study
from knowhy.faces.running import stoppable
from knowhy.faces.text import one_line
from knowhy.model.objective import Direction, Objective
from knowhy.model.observation import Failure
from knowhy.model.space import Parameter, Space, describe
from knowhy.settings.file import FILE_NAME, describe_origin, write_settings
from knowhy.settings.goals import guess_objective, parse_objective
from knowhy.settings.options import Settings, load
from knowhy.views import words
from knowhy.writing import write_whole


@dataclass(frozen=True)
class Look:
    """What a run of the script as it is showed: last values, and the line that each came from."""

    metrics: dict[str, float]
    lines: dict[str, str]
    seconds: float


@click.command()
@click.argument("script")
@click.argument("arguments", nargs=-1)
@click.option("--yes", is_flag=True, help="Ask nothing; take the likeliest objective.")
@click.option("--metric", multiple=True, metavar="NAME", help="The objective; NAME:min or NAME:max for several.")
@click.option("--minimize", "direction", flag_value="minimize", help="A small metric is good.")
@click.option("--maximize", "direction", flag_value="maximize", help="A large metric is good.")
@limit_options
@click.option("--force", is_flag=True, help="Write over a knowhy.toml that is there.")
@which_study
def init(
    script: str,
    arguments: tuple[str, ...],
    yes: bool,
    metric: tuple[str, ...],
    direction: Direction | None,
    constraint: tuple[str, ...],
    trials: str | None,
    budget: str | None,
    workers: str | None,
    strategy: str | None,
    timeout: str | None,
    memory: str | None,
    seed: str | None,
    stop_early: bool | None,
    force: bool,
    study: str | None,
    folder: str | None,
    config: str | None,
) -> None:
    """Run SCRIPT once as it is, list the metrics and parameters found, and write knowhy.toml.

    What is said of trials, time, workers and the rest is written there; --timeout and --memory bound this run as well.
    Arguments for the script itself go after --.
    """
    target = Path(config or FILE_NAME)
    options = {
        "script": script,
        "name": study,
        "folder": folder,
        "constraint": constraint,
        "trials": trials,
        "budget": budget,
        "workers": workers,
        "strategy": strategy,
        "timeout": timeout,
        "memory": memory,
        "seed": seed,
        "stop_early": stop_early,
    }
    settings = load(options, {})
    check(settings.strategy, settings.stop_early)
    path = script_of(settings)
    if target.exists() and not force and (yes or not click.confirm(f"{target} exists. Write over it?", err=True)):
        raise SettingsError(f"{target} exists", "write over it with --force, or name another with --config")
    found = discovered(path, arguments)
    Space(found.parameters)
    look = _look(path, settings, arguments)
    render.show(_findings(path, found.parameters, found.notes, look))
    objectives = _objectives(metric, direction, look, ask=not yes)
    bounded = tuple(c.metric for c in settings.constraints)
    if any(name not in look.metrics for name in bounded):
        raise metric_error(tuple(look.metrics), (), bounded)
    text = write_settings(
        name=settings.name,
        script=os.path.relpath(path, target.absolute().parent),
        objectives=objectives,
        parameters=found.parameters,
        run={
            "trials": settings.trials,
            "budget": budget,
            "workers": settings.workers,
            "strategy": settings.strategy,
            "timeout": timeout,
            "memory": memory,
            **({} if settings.stop_early is None else {"stop_early": settings.stop_early}),
        },
        constraints=settings.constraints,
        arguments=arguments,
        seed=settings.seed,
        notes=found.notes,
    )
    try:
        write_whole(target, text)
    except UsageError as error:
        raise SettingsError(error.message, "choose another with --config") from None
    goals = ", ".join(f"{o.direction} {o.metric}" for o in objectives)
    click.echo(f"\nwrote {target}: {goals}. Look it over, then: knowhy run", err=True)


def _look(path: Path, settings: Settings, arguments: tuple[str, ...]) -> Look:
    """Run the script with its own values; raises SubjectError where it does not end well."""
    click.echo(f"running {path} once as it is ...", err=True)
    started = told = time.monotonic()
    with stoppable() as stop:

        def proceed() -> bool:
            nonlocal told
            if time.monotonic() - told > 10:
                told = time.monotonic()
                click.echo(f"  {words.seconds(told - started)}", err=True)
            return not stop.asked

        ran = run_once(path, timeout=settings.timeout, memory=settings.memory, arguments=arguments, proceed=proceed)
    if ran is None:
        raise KeyboardInterrupt
    outcome = ran.outcome
    if isinstance(outcome, Failure):
        raise subject_error(outcome, ()) or SubjectError(
            f"{path} did not end well: {outcome.message}", "choose a default configuration that works"
        )
    lines = {name: one_line(line, 70) for name, line in ran.lines.items()}
    return Look({**outcome.metrics, "duration": outcome.duration}, lines, outcome.duration)


def _findings(path: Path, found: Sequence[Parameter], notes: Sequence[str], look: Look) -> list[render.Line]:
    """What was found, for people."""
    lines: list[render.Line] = [f"{path.name} ran in {words.seconds(look.seconds)}", "", "metrics"]
    width = max((len(name) for name in look.metrics), default=0)
    for name, value in look.metrics.items():
        line = f"   from: {look.lines[name]}" if name in look.lines else ""
        lines.append(f"  {name:<{width}}  {words.number(value):>10}{line}")
    for title, members in (
        ("parameters to vary", [p for p in found if p.active]),
        (
            "parameters held at their default, until a theory asks for them",
            [p for p in found if not p.active],
        ),
    ):
        if members:
            lines += ["", title, *(_parameter(p) for p in members)]
    return lines + ([""] if notes else []) + [f"note: {one_line(note)}" for note in notes]


def _parameter(parameter: Parameter) -> str:
    return (
        f"  {one_line(parameter.name, 24):<24}  {words.scalar(parameter.default):>10}   "
        f"{describe(parameter)}   ({describe_origin(parameter)})"
    )


def _objectives(
    metric: tuple[str, ...], direction: Direction | None, look: Look, *, ask: bool
) -> tuple[Objective, ...]:
    """The objectives: those named, or the likeliest, or what the person says; raises MetricError."""
    if metric:
        chosen = tuple(parse_objective(text, direction) for text in metric)
        missing = tuple(o.metric for o in chosen if o.metric not in look.metrics)
        if missing:
            raise metric_error(tuple(look.metrics), missing)
        return chosen
    if not look.metrics:
        raise metric_error((), ("any metric",))
    guess = guess_objective(look.metrics)
    if not ask:
        if guess is None:
            raise MetricError(
                f"none of these looks like an objective: {', '.join(look.metrics)}", "name it with --metric NAME:min"
            )
        return (Objective(guess.metric, direction or guess.direction),)
    while True:
        said = click.prompt(
            "\nWhich metric is the objective",
            default=f"{guess.metric}:{guess.direction[:3]}" if guess else None,
            err=True,
        )
        try:
            wanted = parse_objective(str(said), direction)
        except MetricError as error:
            click.echo(f"{error.message}: {error.hint}", err=True)
            continue
        if wanted.metric in look.metrics:
            return (wanted,)
        click.echo(metric_error(tuple(look.metrics), (wanted.metric,)).message, err=True)
