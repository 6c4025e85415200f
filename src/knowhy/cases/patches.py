"""The changes of code of a study, for people and programs: list, add, drop, and keep the best as a branch."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from knowhy import views
from knowhy.cases.repository import Desk, Repo, dropped, name_for
from knowhy.engine.mind import Mind
from knowhy.errors import UsageError
from knowhy.model.events import Event
from knowhy.model.exclusion import Exclusion
from knowhy.model.patch import PATCH_ROLE, Patch
from knowhy.model.space import Point, Scalar
from knowhy.model.state import State
from knowhy.redaction import redact
from knowhy.subjects.repo import branch
from knowhy.subjects.repo.hunks import unified
from knowhy.subjects.repo.store import Home
from knowhy.subjects.repo.subject import Plan
from knowhy.views import PatchView, words


@dataclass(frozen=True)
class Written:
    """A branch that was written: its name, and the subject line of each commit, the first first.

    ``run`` is the command with the variables and options that no file holds; "" where the files hold all.
    """

    branch: str
    commits: tuple[str, ...]
    run: str = ""


@dataclass(frozen=True)
class Added:
    """A patch that was added.

    ``exclusions`` say with which others it cannot be on, ``bound`` which parameters it sets itself; ``waits`` says that
    the study has yet to begin.
    """

    patch: Patch
    exclusions: tuple[Exclusion, ...]
    bound: tuple[str, ...]
    waits: bool


class Patches:
    """The patches of one study; iterate to see each with what is known of it."""

    def __init__(
        self, desk: Desk, state: Callable[[], State], append: Callable[[Sequence[Event]], None], mind: Mind
    ) -> None:
        """``desk`` is the study's side of the repository, ``append`` writes to its journal."""
        self._desk, self._state, self._append, self._mind = desk, state, append, mind

    def __iter__(self) -> Iterator[PatchView]:
        """Every patch, in the order added."""
        state = self._state()
        return iter(views.patch_views(state, self._mind, {} if state.name else self._desk.shelf()))

    def __getitem__(self, name: str) -> Patch:
        """The patch ``name`` with its diff; raises UsageError."""
        state = self._state()
        known = state.patches if state.name else self._desk.shelf()
        if name not in known:
            raise UsageError(f"there is no patch {name}", f"choose one of: {', '.join(known) or 'none was added'}")
        return known[name]

    def add(
        self,
        text: str,
        because: str = "",
        name: str = "",
        *,
        by: str = "person",
        target: str = "",
        repo: Repo | None = None,
    ) -> Added:
        """Add a change of code as a parameter that is on or off: a diff, search/replace blocks, or a whole file.

        ``target`` is the file that a whole one is a version of. Before the first run the patch waits on a shelf, and
        ``repo`` says of which repository. A run that goes on takes it in. Raises PatchError where it does not apply.
        """
        taken = [*(p.name for p in self._state().space), *self._desk.shelf()]
        chosen = name or name_for(target or "patch", taken)
        waits = not self._state().name
        accepted = self._desk.accept(text, redact(because), chosen, repo=repo, target=target, by=by)
        if accepted.events:
            self._append(accepted.events)
        return Added(accepted.patch, accepted.exclusions, accepted.bound, waits)

    def drop(self, name: str, reason: str = "") -> None:
        """Hold a patch off from now on (its trials stay evidence), or take it off the shelf; raises PatchError."""
        state = self._state()
        if not state.name and name in self._desk.shelf():
            self._desk.unshelve(name)
        else:
            self._append([dropped(state, name, reason)])

    # Handing over

    def diff(self, point: Point) -> str:
        """The whole change of ``point`` (patches and literals) as a unified diff against the base of the study."""
        subject = self._desk.subject()
        files = subject.plan(point).files
        return unified({path: subject.read(path) for path in files}, files)

    def write_branch(self, name: str, point: Point) -> Written:
        """Write ``point`` to the person's repository as a new branch, one commit for each patch that is on.

        Each message holds the effect and the evidence. Literals that differ are a last commit. Nothing is checked out,
        and nothing else in the repository changes. Raises UsageError, SubjectError.
        """
        state, subject = self._state(), self._desk.subject()
        on = [n for n, p in state.patches.items() if point.get(n) is True]
        known = {view.name: view for view in views.patch_views(state, self._mind, {})}
        off = {p.name: p.default for p in state.space}
        steps: list[tuple[dict[str, Scalar], str]] = []
        so_far: dict[str, Scalar] = dict(off)
        for patch in on:
            so_far = {**so_far, patch: True}
            steps.append((dict(so_far), _message(state.patches[patch], known[patch], state)))
        rest = {p.name: point[p.name] for p in state.space if p.role != PATCH_ROLE and point[p.name] != off[p.name]}
        if rest:
            lines = [f"{n} = {words.scalar(v)}   (was {words.scalar(off[n])})" for n, v in rest.items()]
            told = "\n".join(lines)
            steps.append(
                ({**so_far, **rest}, f"Settings of the best configuration\n\n{told}\n\n{_best(state, self._mind)}")
            )
        if not steps:
            raise UsageError("the best configuration is the default: there is nothing to commit", "run more trials")
        home = Home.find(str(state.subject["path"]))
        plans = [(subject.plan(p), message) for p, message in steps]
        # The last holds all settings; what stands in no file belongs to the command.
        run = _command(str(state.subject.get("command", "")), plans[-1][0]) if plans[-1][0].words else ""
        files = [({subject.whole(path): data for path, data in plan.files.items()}, message) for plan, message in plans]
        if run:
            last_files, message = files[-1]
            files[-1] = (last_files, f"{message}\nNo file holds some of these settings. Run it as:\n\n    {run}\n")
        made = branch.write(
            home,
            subject.store,
            name,
            str(state.subject.get("commit", "")),
            files,
            dirty=bool(state.subject.get("dirty")),
        )
        return Written(name, made, run)

    @property
    def home(self) -> Path:
        """The folder under study."""
        return Path(str(self._state().subject.get("path", ".")))


def _command(command: str, plan: Plan) -> str:
    """``command`` as a person would type it, with the variables and options of ``plan``."""
    variables = [f"{name}={shlex.quote(value)}" for name, value in plan.variables.items()]
    return " ".join([*variables, command, *(shlex.quote(option) for option in plan.options)])


def _message(patch: Patch, view: PatchView, state: State) -> str:
    first = " ".join((patch.because or f"Apply {patch.name}").split())
    subject = first if len(first) <= 72 else first[:71].rsplit(" ", 1)[0] + " ..."
    lines = [subject, ""]
    if subject != first:
        lines += [first, ""]
    lines.append(f"Patch {patch.name} of the study {state.name}.")
    for effect, where in ((view.effect, "near the best configuration"), (view.alone, "on its own, at the default")):
        if effect is not None:
            change = words.estimate(effect.middle, effect.low, effect.high)
            lines.append(
                f"Effect on {effect.metric} {where}: {change}; belief that it helps {words.percent(effect.helps)}."
            )
    count = words.plural(view.trials, "trial")
    lines.append(f"Evidence: {count} with it{f', {view.failed} of which failed' if view.failed else ''}.")
    if view.certified:
        lines.append(f"Certified on fresh pairs of runs: it {view.certified}.")
    else:
        lines.append("Not certified: no contrast of fresh pairs has settled it.")
    return "\n".join(lines) + "\n"


def _best(state: State, mind: Mind) -> str:
    best = views.best(state, mind)
    if best is None:
        return ""
    value = best.fresh_value if best.fresh_value is not None else best.value
    default = best.fresh_default if best.fresh_default is not None else best.default_value
    certified = "; certified" if best.certified else ""
    return f"{best.metric} {words.number(value)}, default {words.number(default)}{certified}.\n"
