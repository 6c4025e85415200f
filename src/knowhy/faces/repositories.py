"""Repositories as settings name them, with what they say themselves filled in."""

from __future__ import annotations

from dataclasses import replace

from knowhy.cases.repository import Repo
from knowhy.settings.goals import parse_objective
from knowhy.settings.options import Settings


def repo_of(settings: Settings) -> Repo:
    """The repository that the settings name."""
    adapt = settings.space if settings.ranges is not None else None
    return Repo(settings.repo or ".", settings.edit, settings.command, settings.protect, settings.writes, adapt)


def recognised(settings: Settings, repo: Repo) -> Settings:
    """``settings``, and where they are silent what ``repo`` says of objective, time-out and workers."""
    said = repo.recognised()
    if not settings.objectives and said.objective:
        settings = replace(settings, objectives=(parse_objective(said.objective),))
    if settings.timeout is None and said.timeout:
        settings = replace(settings, timeout=said.timeout)
    if "workers" not in settings.given and said.workers:
        settings = replace(settings, workers=said.workers)
    return settings
