"""How a study begins that a coding agent asks for: of a script or a repository, trusted as far as the person says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from knowhy import background, compose
from knowhy.background import Launch
from knowhy.cases.repository import Repo
from knowhy.errors import MetricError, StudyError, StudyMismatchError, UsageError
from knowhy.faces.mcp.project import Project
from knowhy.faces.repositories import recognised, repo_of
from knowhy.model.space import Space
from knowhy.model.trust import OPEN, Trust
from knowhy.settings.file import FILE_NAME
from knowhy.settings.options import Settings, load
from knowhy.study import Study


class Beginning:
    """Begins studies in ``project``; the first trial runs in the background."""

    def __init__(self, project: Project) -> None:
        """Begin in ``project``."""
        self.project = project

    def begin(
        self, options: Mapping[str, Any], mode: str | None, arguments: tuple[str, ...], entries: dict[str, Any]
    ) -> Study:
        """The study that ``options`` ask for, begun.

        ``arguments`` are those of a script, ``entries`` its parameters where they are to differ from what was found.
        Raises UsageError, MetricError, SubjectError, SpaceError, SandboxError, StudyError.
        """
        file = self.project.inside(FILE_NAME)
        named = options["script"] or options["repo"]
        settings = load(options, {}, file if not named and file.is_file() else None)
        trust = self._trust(settings)
        if settings.repo is not None and settings.script is None:
            return self._begin_repo(settings, mode, trust)
        if settings.script is None:
            raise UsageError("no script is named", "give script (a path in the project folder) and metric")
        path = self.project.script(str(settings.script))
        settings = dataclasses.replace(settings, arguments=arguments or settings.arguments)
        found = compose.discovered(path, settings.arguments).parameters
        if settings.ranges is None and entries:
            settings = dataclasses.replace(settings, ranges={**{p.name: {} for p in found}, **entries})
        if not settings.objectives:
            raise MetricError("no metric is named", "give metric; inspect_script lists what the script reports")
        return self._begun(settings, _launch(settings, mode, script=str(path)), settings.space(found), None, trust)

    def check_trust(self, study: Study, options: Mapping[str, Any]) -> None:
        """Refuse to have trials of a study that exists run or measured otherwise; raises UsageError."""
        had = study.state.trust
        for key, before in (("evaluate", had.evaluate), ("sandbox", had.sandbox or "")):
            if options[key] and options[key] != before:
                raise UsageError(
                    f"trials of {study.name} ran with {key} = {before or 'nothing'!r}, not {options[key]!r}",
                    f"leave {key} out, or start a study with another name",
                )

    def _trust(self, settings: Settings) -> Trust:
        """What the agent asks for, within what the person says in the project's settings."""
        file = self.project.inside(FILE_NAME)
        said = load({}, {}, file).entrusted if file.is_file() else None
        asked = settings.trust
        if said is None:
            return asked
        for key in ("evaluate", "sandbox"):
            one, other = getattr(said, key), getattr(asked, key)
            if one and other and one != other:
                raise UsageError(f"{FILE_NAME} says {key} = {one!r}, not {other!r}", f"leave {key} out")
        return dataclasses.replace(
            said, evaluate=said.evaluate or asked.evaluate, sandbox=said.sandbox or asked.sandbox
        )

    def _begin_repo(self, settings: Settings, mode: str | None, trust: Trust) -> Study:
        place = self.project.inside(str(settings.repo))
        settings = dataclasses.replace(settings, repo=place)
        repo = repo_of(settings)
        settings = recognised(settings, repo)
        if not settings.objectives:
            raise MetricError("no metric is named, and nothing in the repository says it", "give metric and direction")
        return self._begun(settings, _launch(settings, mode, repo=str(place)), None, repo, trust)

    def _begun(self, settings: Settings, launch: Launch, space: Space | None, repo: Repo | None, trust: Trust) -> Study:
        name = settings.name
        if name in self.project.names() and background.running(self.project.study(name)):
            raise StudyError(f"the study {name} exists and is running", "call overview, or give another name as study")
        asked = None if trust == OPEN else trust
        try:
            background.begin(self._new(settings), launch, space, repo=repo, trust=asked)
        except StudyMismatchError:
            old = self.project.study(name)
            if old.state.completed or not old.state.order:
                raise
            old.set_aside()
            self.project.forget(name)
            background.begin(self._new(settings), launch, space, repo=repo, trust=asked)
        self.project.forget(name)
        return self.project.study(name)

    def _new(self, settings: Settings) -> Study:
        goals = {o.metric: o.direction for o in settings.objectives}
        return Study(
            settings.name, goals, folder=self.project.folder, constraints=settings.constraints, seed=settings.seed
        )


def _launch(settings: Settings, mode: str | None, *, script: str = "", repo: str = "") -> Launch:
    return Launch(
        script=script,
        arguments=settings.arguments,
        trials=settings.trials,
        budget=settings.budget,
        workers=settings.workers,
        strategy=settings.strategy,
        timeout=settings.timeout,
        memory=settings.memory,
        only_asked=mode != "knowhy",
        repo=repo,
        stop_early=settings.stop_early,
    )
