"""Studies of repositories: how one begins, the patches that join it, and what it hands over to git at the end."""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from knowhy.errors import PatchError, StudyMismatchError, SubjectError, UsageError
from knowhy.model.events import Event, ExclusionAdded, ParameterChanged, PatchAdded
from knowhy.model.exclusion import Exclusion
from knowhy.model.patch import PATCH_ROLE, Patch, PatchForm
from knowhy.model.space import Condition, Parameter, Scalar, Space
from knowhy.model.state import State
from knowhy.redaction import HIDDEN, redact_command, remember
from knowhy.subjects.repo import contract, literals, neighbours
from knowhy.subjects.repo.scope import Scope
from knowhy.subjects.repo.store import Home, Store
from knowhy.subjects.repo.subject import RepoSubject

MOST_VARIED = 8
"""How many switches and literals are varied from the start at most; patches come first."""

_STORE, _SHELF = "repo.git", "shelf"
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,59}")


@dataclass(frozen=True)
class Repo:
    """A repository to study: its folder, which files may be edited (globs), and the command that trains.

    What is left out is found out: ``knowhy.subjects.repo.contract`` says how. ``protect`` are globs of files that are
    never edited, ``writes`` of versioned files that training itself writes to. ``adapt`` makes the space from the
    parameters that were found; without it they are taken as they are.
    """

    path: str | Path = "."
    edit: tuple[str, ...] = ()
    command: str = ""
    protect: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    adapt: Callable[[Sequence[Parameter]], Space] | None = None

    def recognised(self) -> contract.Contract:
        """What the repository itself says of how it is studied."""
        return contract.recognise(Home.find(self.path).folder)

    def whole(self) -> Repo:
        """The same with everything filled in; raises SubjectError where no command can be found out."""
        said = self.recognised()
        edit, command = self.edit or said.edit, self.command or said.command
        if not command:
            raise SubjectError(f"nothing says how {self.path} is trained", 'say it: --command "python train.py"')
        return replace(self, edit=tuple(edit), command=command)

    @property
    def scope(self) -> Scope:
        """What may be edited."""
        return Scope(self.edit, self.protect, self.writes)


@dataclass(frozen=True)
class Beginning:
    """A study of a repository that can begin or go on: subject, space, and what joins it with the first event."""

    subject: RepoSubject
    described: Mapping[str, Scalar]
    space: Space
    events: tuple[Event, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Accepted:
    """A patch that applies, the events by which it joins (none before the study begins), and what they say."""

    patch: Patch
    events: tuple[Event, ...]
    exclusions: tuple[Exclusion, ...]
    bound: tuple[str, ...]


class Desk:
    """The repository side of the study in the folder ``path``; ``state`` gives its state as it is now."""

    def __init__(self, path: Path, state: Callable[[], State]) -> None:
        """Nothing is read or made yet."""
        self.path, self._state = path, state
        self._space: Space | None = None
        self._waiting: dict[str, Patch] = {}

    # Beginning and going on

    def begin(self, repo: Repo, timeout: float | None, memory: int | None) -> Beginning:
        """Snapshot the repository for a new study, with the patches on the shelf; or take an old one up again.

        Raises SubjectError, PatchError, StudyMismatchError.
        """
        if self._state().name:
            return self._go_on(repo, timeout, memory)
        repo = repo.whole()
        home = Home.find(repo.path)
        self.hide(home)
        store, tree, dirty = Store.create(self.path / _STORE, home, [self.path.parent])
        subject = self._subject(store, home, repo.scope, repo.command, timeout, memory)
        found = subject.found.parameters
        shelf = self.shelf()
        few = found if repo.adapt or not shelf else _fewer(found, MOST_VARIED - len(shelf))
        space = repo.adapt(found) if repo.adapt else Space(tuple(few))
        self._space = space
        for patch in shelf.values():
            try:
                space, _ = _joined(space, subject, patch)
            except PatchError as error:
                raise PatchError(f"the patch {patch.name}: {error.message}", error.hint) from None
            self._waiting[patch.name], self._space = patch, space
        described: dict[str, Scalar] = {
            "kind": "repo",
            "path": str(home.folder),
            "sha256": tree,
            "commit": home.head(),
            "dirty": dirty,
            "command": redact_command(repo.command),
            "edit": "\n".join(repo.edit),
            "protect": "\n".join(repo.protect),
            "writes": "\n".join(repo.writes),
        }
        return Beginning(
            subject, described, space, tuple(PatchAdded(p) for p in self._waiting.values()), subject.found.notes
        )

    def begun(self) -> None:
        """The journal holds the patches of the shelf now: it is cleared."""
        self._space, self._waiting = None, {}
        for name in self.shelf():
            (self.path / _SHELF / f"{name}.json").unlink(missing_ok=True)

    def _go_on(self, repo: Repo, timeout: float | None, memory: int | None) -> Beginning:
        state = self._state()
        told = state.subject
        if told.get("kind") != "repo":
            raise StudyMismatchError(
                f"the study {state.name} is not of a repository", "choose another with --study NAME"
            )
        if HIDDEN in str(told.get("command")) and not repo.command:
            raise UsageError("the study's command held a secret, which is not kept", "say --command again")
        asked = {
            "command": redact_command(repo.command),
            "edit": "\n".join(repo.edit),
            "protect": "\n".join(repo.protect),
        }
        for key, value in asked.items():
            if value and value != told.get(key):
                raise StudyMismatchError(
                    f"the study {state.name} has --{key} {str(told.get(key))!r}, not {value!r}",
                    "start another with --study NAME",
                )
        home = Home.find(repo.path)
        if str(home.folder) != told.get("path"):
            raise StudyMismatchError(
                f"the study {state.name} is of {told.get('path')}, not of {home.folder}",
                "start another with --study NAME",
            )
        subject = self.subject(timeout=timeout, memory=memory, command=repo.command)
        wanted = repo.adapt(subject.found.parameters) if repo.adapt else state.space
        patches = [p for p in state.space if p.role == PATCH_ROLE and p.name not in wanted]
        return Beginning(subject, told, Space((*wanted.parameters, *patches)), ())

    def subject(self, *, timeout: float | None = None, memory: int | None = None, command: str = "") -> RepoSubject:
        """The subject of the study that exists, which runs ``command`` where it is given; raises SubjectError."""
        told = self._state().subject
        if told.get("kind") != "repo":
            raise UsageError("this study is not of a repository", "begin one with: knowhy run --repo .")
        store = Store(self.path / _STORE)
        if not store.exists:
            raise SubjectError(f"the study's copy of the repository, {store.path}, is gone", "start another study")
        lists = {key: tuple(str(told.get(key, "")).split("\n")) for key in ("edit", "protect", "writes")}
        scope = Scope(*(tuple(filter(None, lists[key])) for key in ("edit", "protect", "writes")))
        home = Home.find(str(told["path"]))
        return self._subject(store, home, scope, command or str(told["command"]), timeout, memory)

    def _subject(
        self, store: Store, home: Home, scope: Scope, command: str, timeout: float | None, memory: int | None
    ) -> RepoSubject:
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise SubjectError(f"the command {command!r} cannot be read: {error}", "close its quotes") from None
        remember(words)
        return RepoSubject(
            store,
            home,
            scope,
            words,
            patches=lambda: {**self._state().patches, **self._waiting},
            space=lambda: self._state().space if self._space is None else self._space,
            outside=neighbours.unversioned(home, [self.path.parent]),
            timeout=timeout,
            memory=memory,
        )

    def hide(self, home: Home) -> None:
        """Keep the folder of the studies out of the person's ``git status``."""
        folder = self.path.parent
        if home.root in folder.resolve().parents:
            folder.mkdir(parents=True, exist_ok=True)
            ignore = folder / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="ascii")

    # Patches

    def accept(
        self, text: str, because: str, name: str, *, repo: Repo | None = None, target: str = "", by: str = "person"
    ) -> Accepted:
        """``text`` as a patch of the study that exists.

        Before a study exists the patch is put on a shelf, from which the first run takes it. Raises PatchError.
        """
        state = self._state()
        if not _NAME.fullmatch(name):
            raise PatchError(f"{name!r} is no name for a patch", "use letters, digits, '_', '.', '-', from a letter on")
        if state.name:
            if name in state.space:
                raise PatchError(f"there is a parameter {name} already", "give the patch another name with --name")
            subject = self.subject()
            patch, *_ = subject.accept(text, name, because, by=by, target=target)
            space, changed = _joined(state.space, subject, patch)
            found = tuple(e for e in space.exclusions if e not in state.space.exclusions)
            events: tuple[Event, ...] = (PatchAdded(patch), *changed, *(ExclusionAdded(e) for e in found))
            return Accepted(patch, events, found, tuple(c.parameter.name for c in changed[1:]))
        if name in self.shelf():
            raise PatchError(f"there is a patch {name} already", "give this one another name with --name")
        chosen = (repo or Repo()).whole()
        home = Home.find(chosen.path)
        with tempfile.TemporaryDirectory(prefix="knowhy-base-") as folder:
            store, _, _ = Store.create(Path(folder) / _STORE, home, [self.path.parent])
            self._space, self._waiting = Space(()), self.shelf()
            subject = self._subject(store, home, chosen.scope, chosen.command, None, None)
            patch, _, found, _ = subject.accept(text, name, because, by=by, target=target)
            bound = literals.rewritten(subject.found.parameters, subject.change(patch), subject.read)
            if name in {p.name for p in subject.found.parameters}:
                raise PatchError(f"there is a parameter {name} already", "give the patch another name with --name")
        self._space, self._waiting = None, {}
        self.hide(home)
        (self.path / _SHELF).mkdir(parents=True, exist_ok=True)
        (self.path / _SHELF / f"{name}.json").write_text(json.dumps(asdict(patch), indent=1), encoding="ascii")
        return Accepted(patch, (), found, bound)

    def shelf(self) -> dict[str, Patch]:
        """Patches that were added before the study began, by name, in the order in which they came."""
        files = sorted((self.path / _SHELF).glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        found = (_read_patch(path) for path in files)
        return {patch.name: patch for patch in found}

    def unshelve(self, name: str) -> None:
        """Take a patch off the shelf."""
        (self.path / _SHELF / f"{name}.json").unlink(missing_ok=True)


def _joined(space: Space, subject: RepoSubject, patch: Patch) -> tuple[Space, list[ParameterChanged]]:
    """``space`` with the switch of ``patch``, its exclusions, and the literals that it rewrites bound to it."""
    _, switch, exclusions, rewritten = subject.accept(patch.diff, patch.name, patch.because, by=patch.by)
    if patch.name in space:
        raise PatchError(f"there is a parameter {patch.name} already", "give the patch another name with --name")
    changes = [ParameterChanged(switch, "added", patch.because or "a patch to be tried", patch.by)]
    for name in rewritten:
        parameter = space[name]
        if parameter.condition is None:
            bound = replace(parameter, condition=Condition(patch.name, (False,)))
            words = f"the patch {patch.name} says what stands in its place: it counts where that is off"
            changes.append(ParameterChanged(bound, "bound", words, "engine"))
        elif parameter.active:
            held = replace(parameter, active=False)
            words = (
                f"the patch {patch.name} says what stands in its place, and it depends on {parameter.condition.parent}"
            )
            changes.append(ParameterChanged(held, "frozen", words, "engine"))
    for change in changes:
        space = space.with_parameter(change.parameter)
    for exclusion in exclusions:
        space = space.with_exclusion(exclusion)
    return space, changes


def dropped(state: State, name: str, reason: str) -> ParameterChanged:
    """The event that holds a patch off from now on; raises PatchError."""
    if name not in state.patches:
        raise PatchError(f"there is no patch {name}", f"choose one of: {', '.join(state.patches) or 'none was added'}")
    parameter = state.space[name]
    if not parameter.active:
        raise PatchError(f"the patch {name} was dropped before", "see: knowhy patch list")
    return ParameterChanged(replace(parameter, active=False), "frozen", reason or "dropped by the person", "person")


def name_for(text_name: str, taken: Iterable[str]) -> str:
    """A name for the patch in the file ``text_name`` that none of ``taken`` has."""
    stem = re.sub(r"[^\w.-]+", "-", Path(text_name).stem).strip("-.")[:50] or "patch"
    stem = stem if _NAME.fullmatch(stem) else f"p-{stem}"
    names, number, chosen = set(taken), 2, stem
    while chosen in names:
        chosen, number = f"{stem}-{number}", number + 1
    return chosen


def _fewer(found: Sequence[Parameter], most: int) -> tuple[Parameter, ...]:
    """``found``, of which the ``most`` likeliest that were active stay so."""
    active = [p.name for p in found if p.active][: max(0, most)]
    return tuple(replace(p, active=p.name in active) for p in found)


def _read_patch(path: Path) -> Patch:
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
        form: PatchForm = raw["form"] if raw["form"] in get_args(PatchForm) else "diff"
        name, because, diff = (str(raw[key]) for key in ("name", "because", "diff"))
        return Patch(name, because, diff, tuple(str(f) for f in raw["files"]), form, str(raw["by"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PatchError(
            f"the patch in {path} cannot be read: {error}", "remove the file and add the patch again"
        ) from None


def excluded(state: State) -> dict[str, tuple[Exclusion, ...]]:
    """For each patch, the exclusions that it is part of."""
    return {name: tuple(e for e in state.space.exclusions if name in e.parameters) for name in state.patches}
