"""The project that a server serves: its folder, its studies, and the runners it started."""

from __future__ import annotations

import subprocess
from pathlib import Path
from threading import RLock

from knowhy import background
from knowhy.background import Launch
from knowhy.errors import StudyMissingError, SubjectError, UsageError
from knowhy.settings.values import check_name
from knowhy.study import Study, study_names


class Project:
    """One folder, which no path may leave, and the studies in it.

    The engine keeps caches: ``lock`` is to be held while a study is asked something. Results are computed in threads
    of the server, so that a long one never keeps ``wait`` from answering.
    """

    def __init__(self, root: Path, folder: Path | None = None) -> None:
        """Serve ``root``, with the studies in ``folder`` (``root``/.knowhy); raises UsageError."""
        self.root = root.resolve()
        if not self.root.is_dir():
            raise UsageError(f"there is no folder {root}", "start the server in the folder of your project")
        self.folder = self.inside(".knowhy") if folder is None else folder.resolve()
        self.lock = RLock()
        self._studies: dict[str, Study] = {}
        self._runners: dict[str, subprocess.Popen[bytes]] = {}

    def inside(self, path: str) -> Path:
        """``path`` (from the root) where it lies within the project, links followed; raises UsageError."""
        try:
            found = (self.root / path).resolve()
        except (OSError, ValueError, RuntimeError):
            raise UsageError(f"{path!r} is no path", "give a path within the project folder") from None
        if "\0" in path or not found.is_relative_to(self.root):
            raise UsageError(f"{path!r} is outside of the project folder", f"give a path within {self.root}")
        return found

    def script(self, path: str) -> Path:
        """The script at ``path``; raises SubjectError, UsageError."""
        found = self.inside(path)
        if not found.is_file():
            raise SubjectError(f"there is no script {path}", "give the path of a Python file in the project folder")
        return found

    def shown(self, path: Path) -> str:
        """``path`` from the root where it lies in it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def names(self) -> list[str]:
        """The studies, the one worked on last first."""
        return study_names(self.folder)

    def study(self, name: str | None = None) -> Study:
        """The study called ``name``, else the one worked on last; raises StudyMissingError, UsageError."""
        names = self.names()
        if name is None and not names:
            raise StudyMissingError(
                "there is no study in this project",
                "call inspect_script, then start_study with the script and a metric",
            )
        chosen = names[0] if name is None else name
        try:
            check_name(chosen)
        except ValueError as error:
            raise UsageError(str(error), f"the studies are: {', '.join(names) or 'none yet'}") from None
        if chosen not in names:
            self._studies.pop(chosen, None)
            raise StudyMissingError(
                f"there is no study {chosen}",
                f"choose one of: {', '.join(names)}" if names else "start one with start_study",
            )
        if chosen not in self._studies:
            self._studies[chosen] = Study.open(chosen, folder=self.folder)
        return self._studies[chosen]

    def forget(self, name: str) -> None:
        """Open the study anew when it is asked for next."""
        self._studies.pop(name, None)

    def launch(self, study: Study) -> Launch:
        """How ``study`` is run; raises UsageError where that would leave the project."""
        launch = background.read_launch(study)
        self.inside(launch.repo or launch.script)
        return launch

    def run(self, study: Study, *, again: bool) -> str:
        """See that somebody runs ``study``; what keeps it from running, or "". ``again``: also after an error."""
        if background.running(study):
            return ""
        ended, runner = background.ending(study), self._runners.get(study.name)
        if ended is None and runner is not None and runner.poll() is None:
            return ""  # it has not taken the study yet, or looks once more whether somebody asked for trials
        if ended is not None and ended.error and not again:
            return self.problem(study)
        self.launch(study)
        self._runners[study.name] = background.start(study)
        return ""

    def problem(self, study: Study) -> str:
        """What ended the last run in the background, where it was an error."""
        ended = background.ending(study)
        if ended is None or not ended.error:
            return ""
        return f"{ended.error} Next: {ended.hint}" if ended.hint else ended.error
