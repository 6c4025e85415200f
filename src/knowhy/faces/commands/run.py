"""The command that runs a study."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from knowhy.compose import discovered
from knowhy.errors import MetricError, StudyMismatchError, SubjectError
from knowhy.faces.commands.run_repo import begin_repo
from knowhy.faces.options import limit_options, settings_path, trust_options, which_study
from knowhy.faces.running import carry_out
from knowhy.faces.text import one_line
from knowhy.model.objective import Direction
from knowhy.model.space import Parameter, Space
from knowhy.settings.file import SettingsFile, read_settings_file
from knowhy.settings.options import Settings, load
from knowhy.study import Study

if TYPE_CHECKING:
    from knowhy.compose import Discovery


@click.command()
@click.argument("script", required=False)
@click.argument("arguments", nargs=-1)
@click.option("--metric", multiple=True, metavar="NAME", help="The objective; NAME:min or NAME:max for several.")
@click.option("--minimize", "direction", flag_value="minimize", help="A small metric is good.")
@click.option("--maximize", "direction", flag_value="maximize", help="A large metric is good.")
@limit_options
@click.option("--repo", metavar="DIR", help="Study a git repository: patches and literals are the parameters.")
@click.option("--edit", multiple=True, metavar="GLOB", help='With --repo: what may be edited, such as "src/**/*.py".')
@click.option("--protect", multiple=True, metavar="GLOB", help="With --repo: what may not, such as the evaluator.")
@click.option("--writes", multiple=True, metavar="GLOB", help="With --repo: versioned files that training writes to.")
@click.option("--command", metavar="TEXT", help='With --repo: what to run, such as "python train.py".')
@click.option("--theorist", multiple=True, metavar="NAME", help="A language model to ask, such as anthropic:MODEL.")
@click.option("--llm-budget", metavar="DOLLARS", help="What language models may cost over the study (2.00).")
@click.option("--llm-tokens", metavar="N", help="Tokens that they may use over the study (2000000).")
@click.option("--llm-requests", metavar="N", help="Requests that they may make over the study (200).")
@trust_options
@which_study
def run(
    script: str | None,
    arguments: tuple[str, ...],
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
    repo: str | None,
    edit: tuple[str, ...],
    protect: tuple[str, ...],
    writes: tuple[str, ...],
    command: str | None,
    theorist: tuple[str, ...],
    llm_budget: str | None,
    llm_tokens: str | None,
    llm_requests: str | None,
    stop_early: bool | None,
    sandbox: str | None,
    network: bool | None,
    allow_unsandboxed: bool | None,
    read: tuple[str, ...],
    hide: tuple[str, ...],
    env: tuple[str, ...],
    disk: str | None,
    processes: str | None,
    evaluate: str | None,
    lock: tuple[str, ...],
    longest: str | None,
    study: str | None,
    folder: str | None,
    config: str | None,
) -> None:
    """Study SCRIPT, a repository (--repo), or what knowhy.toml names, until the trials or the budget are spent.

    The same command goes on where it stopped. Arguments for the script itself go after --.
    """
    options = {
        "script": script,
        "metric": metric,
        "direction": direction,
        "constraint": constraint,
        "trials": trials,
        "budget": budget,
        "workers": workers,
        "strategy": strategy,
        "timeout": timeout,
        "memory": memory,
        "seed": seed,
        "repo": repo,
        "edit": edit,
        "protect": protect,
        "writes": writes,
        "command": command,
        "theorist": theorist,
        "llm_budget": llm_budget,
        "llm_tokens": llm_tokens,
        "llm_requests": llm_requests,
        "stop_early": stop_early,
        "sandbox": sandbox,
        "network": network,
        "allow_unsandboxed": allow_unsandboxed,
        "read": read,
        "hide": hide,
        "env": env,
        "disk": disk,
        "processes": processes,
        "evaluate": evaluate,
        "lock": lock,
        "longest": longest,
        "name": study,
        "folder": folder,
    }
    settings = load(options, os.environ, file_for(script, settings_path(config), named=config is not None))
    if settings.repo is not None and script is None:
        begin_repo(settings)
        return
    if repo is not None:
        raise SubjectError(
            "a script and a repository are both named", "give the script in --command, or leave out --repo"
        )
    if arguments:
        settings = replace(settings, arguments=arguments)
    path = script_of(settings)
    found = discovered(path, settings.arguments)
    begin(settings, path, found)


def begin(settings: Settings, path: Path, discovery: Discovery) -> None:
    """Open or start the study of the script at ``path`` and run it."""
    found = discovery.parameters
    space = settings.space(found, discovery.reserved)
    study = _study(settings)
    _tell(settings, path, space, (*found, *discovery.reserved), known=bool(study.state.objectives))
    try:
        carry_out(study, settings, path, space)
    except StudyMismatchError:
        if study.state.completed or not study.state.trials:
            raise
        aside = study.set_aside()
        click.echo(f"no trial of {settings.name} had completed: it is kept as {aside.name}, and begins anew", err=True)
        carry_out(_study(settings), settings, path, space)


def _study(settings: Settings) -> Study:
    """The study, with the objectives that are asked for, or its own where none are; raises MetricError."""
    wanted = {o.metric: o.direction for o in settings.objectives} or None
    study = Study(settings.name, wanted, folder=settings.folder, constraints=settings.constraints, seed=settings.seed)
    if wanted is None and not study.state.objectives:
        raise MetricError(
            "no objective is named",
            f"name one, as in --metric val_loss --minimize; knowhy init {settings.script} lists what there is",
        )
    return study


def script_of(settings: Settings) -> Path:
    """The script under study; raises SubjectError."""
    if settings.script is None:
        raise SubjectError("no script is named", "knowhy run SCRIPT --metric NAME, or first: knowhy init SCRIPT")
    if not settings.script.is_file():
        if settings.script.is_dir():
            raise SubjectError(f"{settings.script} is a folder, not a script", "give the path of a Python file")
        raise SubjectError(f"there is no script {settings.script}", "give the path of a Python file")
    return settings.script


def file_for(script: str | None, path: Path | None, *, named: bool) -> Path | None:
    """The settings file, unless it was found by chance and is about another script."""
    if script is None or path is None or named:
        return path
    file: SettingsFile = read_settings_file(path)
    about = file.values.get("study", {}).get("script") if isinstance(file.values.get("study"), dict) else None
    if isinstance(about, str) and (path.parent / about).resolve() == Path(script).resolve():
        return path
    click.echo(f"{path} is about {about or 'no script'}, not {script}: it is not used", err=True)
    return None


def _tell(settings: Settings, path: Path, space: Space, found: Sequence[Parameter], *, known: bool) -> None:
    """What is about to be varied, and what stands in the file otherwise than in the script."""
    if not known:
        names = ", ".join(one_line(p.name) for p in space.active)
        held = f"; {len(space.held)} more are held at their default" if space.held else ""
        goals = ", ".join(f"{o.direction} {o.metric}" for o in settings.objectives)
        goals += "".join(f", keep {c.metric} {c.op} {c.bound:g}" for c in settings.constraints)
        click.echo(f"{settings.name}: {goals}; varying {names}{held}", err=True)
    script = {p.name: p.default for p in found}
    for parameter in space:
        if parameter.name in script and parameter.default != script[parameter.name]:
            click.echo(
                f"note: the default of {parameter.name} is {parameter.default} in the settings, "
                f"{script[parameter.name]} in {path.name}; the settings count",
                err=True,
            )
