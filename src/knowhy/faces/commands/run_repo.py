"""Running a study of a repository for a person."""

from __future__ import annotations

from dataclasses import replace

import click

from knowhy.cases.repository import Repo
from knowhy.errors import MetricError
from knowhy.faces.running import carry_out
from knowhy.faces.text import one_line
from knowhy.settings.goals import parse_objective
from knowhy.settings.options import Settings
from knowhy.study import Study


def repo_of(settings: Settings) -> Repo:
    """The repository that the settings name."""
    adapt = settings.space if settings.ranges is not None else None
    return Repo(settings.repo or ".", settings.edit, settings.command, settings.protect, settings.writes, adapt)


def begin_repo(settings: Settings) -> None:
    """Open or start the study of the repository that ``settings`` name and run it; raises MetricError, SubjectError."""
    repo = repo_of(settings)
    said = repo.recognised()
    if not settings.objectives and said.objective:
        settings = replace(settings, objectives=(parse_objective(said.objective),))
    if settings.timeout is None and said.timeout:
        settings = replace(settings, timeout=said.timeout)
    if "workers" not in settings.given and said.workers:
        settings = replace(settings, workers=said.workers)
    wanted = {o.metric: o.direction for o in settings.objectives} or None
    study = Study(settings.name, wanted, folder=settings.folder, constraints=settings.constraints, seed=settings.seed)
    if not study.state.objectives:
        if wanted is None:
            raise MetricError(
                f"no objective is named, and nothing in {settings.repo} says it",
                "name one, as in --metric val_loss --minimize",
            )
        whole = repo.whole()
        if said.told:
            click.echo(f"{settings.name}: {said.told}", err=True)
        goals = ", ".join(f"{o.direction} {o.metric}" for o in study.objectives)
        patches = ", ".join(one_line(name) for name in study.desk.shelf())
        click.echo(
            f"{settings.name}: {goals} of {one_line(whole.command)}; patches: {patches or 'none (knowhy patch add)'}",
            err=True,
        )
    carry_out(study, settings, repo, None)
