"""Running a study of a repository for a person."""

from __future__ import annotations

import click

from knowhy.errors import MetricError
from knowhy.faces.repositories import recognised, repo_of
from knowhy.faces.running import carry_out
from knowhy.faces.text import one_line
from knowhy.redaction import redact_command
from knowhy.settings.options import Settings
from knowhy.study import Study


def begin_repo(settings: Settings) -> None:
    """Open or start the study of the repository that ``settings`` name and run it; raises MetricError, SubjectError."""
    repo = repo_of(settings)
    said, settings = repo.recognised(), recognised(settings, repo)
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
        command = one_line(redact_command(whole.command))
        click.echo(f"{settings.name}: {goals} of {command}; patches: {patches or 'none (knowhy patch add)'}", err=True)
    carry_out(study, settings, repo, None)
