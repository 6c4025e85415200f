"""Options that commands share, and the study that they mean."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from knowhy.errors import StudyMissingError
from knowhy.model.trust import SANDBOXES
from knowhy.settings.file import FILE_NAME
from knowhy.settings.options import Settings, load
from knowhy.settings.values import STRATEGIES
from knowhy.study import Study, study_names
from knowhy.views import as_json

F = TypeVar("F", bound=Callable[..., object])


def which_study(command: F) -> F:
    """Add ``--study`` (or ``--name``), ``--folder`` and ``--config``."""
    return _study(command, "--study", "--name")


def which_study_of_named(command: F) -> F:
    """Add ``--study``, ``--folder`` and ``--config`` to a command whose ``--name`` is that of something else."""
    return _study(command, "--study")


def _study(command: F, *flags: str) -> F:
    command = click.option("--config", metavar="FILE", help=f"Settings to read instead of {FILE_NAME}.")(command)
    command = click.option("--folder", metavar="DIR", help="Where studies are kept (.knowhy).")(command)
    return click.option(*flags, "study", metavar="NAME", help="The study that is meant.")(command)


def json_option(command: F) -> F:
    """Add ``--json``."""
    return click.option("--json", "as_data", is_flag=True, help="Write JSON to standard output, and nothing else.")(
        command
    )


def limit_options(command: F) -> F:
    """Add the options that say how far a study of a script goes, and how: what ``[run]`` of the settings holds."""
    options = (
        click.option("--constraint", multiple=True, metavar="TEXT", help='A bound to keep: "peak_memory < 8000".'),
        click.option("--trials", metavar="N", help="Trials in all, not per call (60)."),
        click.option("--budget", metavar="TIME", help="Wall time in all, such as 90s, 30m, 2h."),
        click.option("--workers", metavar="N", help="Trials side by side (2)."),
        click.option("--strategy", metavar="NAME", help=f"One of {', '.join(STRATEGIES)}."),
        click.option("--timeout", metavar="TIME", help="For one trial."),
        click.option("--memory", metavar="SIZE", help="For one trial, such as 4GB."),
        click.option("--seed", metavar="N", help="From which the study's random choices come (0)."),
        click.option("--stop-early/--no-stop-early", default=None, help="Stop trials that can neither win nor teach."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def trust_options(command: F) -> F:
    """Add the options about sandboxes, the trial's environment and who measures its result."""
    options = (
        click.option("--sandbox", metavar="KIND", help=f"Run trials in one: {', '.join(SANDBOXES)}."),
        click.option("--network", is_flag=True, default=None, help="Let trials in a sandbox use the network."),
        click.option("--allow-unsandboxed", is_flag=True, default=None, help="Run edited code even without a sandbox."),
        click.option("--read", multiple=True, metavar="PATH", help="Let trials in a sandbox read this as well."),
        click.option("--hide", multiple=True, metavar="PATH", help="Hide this from trials, not from the evaluator."),
        click.option("--env", multiple=True, metavar="NAME", help="Give trials this variable as well."),
        click.option("--disk", metavar="SIZE", help="For one trial's folder, such as 10GB."),
        click.option("--processes", metavar="N", help="Processes and threads that one trial in a sandbox may have."),
        click.option("--evaluate", metavar="COMMAND", help='Measures what a trial left, as in "python evaluate.py".'),
        click.option("--lock", multiple=True, metavar="PATH", help="A file or folder that no trial may change."),
        click.option("--longest", metavar="TIME", help="A trial that takes longer is not believed."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def settings_path(config: str | None) -> Path | None:
    """The settings file of this call: the one named, or knowhy.toml here where there is one."""
    if config is not None:
        return Path(config)
    return Path(FILE_NAME) if Path(FILE_NAME).is_file() else None


def existing(study: str | None, folder: str | None, config: str | None) -> Study:
    """The study named by option, environment or file, or else the one that was worked on last.

    Raises StudyMissingError, SettingsError.
    """
    settings = load({"name": study, "folder": folder}, os.environ, settings_path(config))
    names = study_names(settings.folder)
    if settings.name and (settings.name in names or "name" in settings.given):
        return Study.open(settings.name, folder=settings.folder)
    if not names:
        raise missing(settings)
    if len(names) > 1:
        click.echo(f"study {names[0]}, the one worked on last (others with --study NAME)", err=True)
    return Study.open(names[0], folder=settings.folder)


def missing(settings: Settings) -> StudyMissingError:
    """The error for a folder without studies."""
    return StudyMissingError(
        f"there is no study in {settings.folder}", "start one with: knowhy run SCRIPT --metric NAME, or: knowhy demo"
    )


def print_json(view: object) -> None:
    """Write ``view`` to standard output as JSON."""
    click.echo(json.dumps(as_json(view), indent=2, ensure_ascii=False))
