"""A repository as the subject: each trial is a commit of the base and its patches, in a worktree of its own."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from knowhy.errors import PatchError, SubjectError
from knowhy.model.exclusion import Exclusion
from knowhy.model.job import Job
from knowhy.model.patch import PATCH_ROLE, Patch
from knowhy.model.space import Choices, Parameter, Point, Space
from knowhy.model.trial import Proposal
from knowhy.subjects.repo import hunks, literals, neighbours
from knowhy.subjects.repo.handed import applied, form_of
from knowhy.subjects.repo.scope import Scope
from knowhy.subjects.repo.settings import placed, settings
from knowhy.subjects.repo.store import Home, Store, remove
from knowhy.subjects.surroundings import LOG, RESULT, environment

CHECKOUT = "repo"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a trial runs: the ``files`` that differ from the base (None: removed), ``options`` and ``variables``.

    The options are words of the command line, the variables those of the environment.
    """

    files: Mapping[str, bytes | None]
    options: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> tuple[str, ...]:
        """What is set in no file, as a person would type it."""
        return (*(f"{name}={shlex.quote(value)}" for name, value in self.variables.items()), *self.options)


class RepoSubject:
    """The base of a study's ``store``, with patches and literals as its parameters.

    ``prefix`` is the folder under study relative to the root of the repository; the paths of ``scope``, of patches and
    of the script are relative to it. ``command`` runs there; its word "python" is this Python, or that of the folder's
    own environment (.venv, venv). ``patches`` gives the patches of the study as they are now, ``space`` its space.
    ``outside`` are files and folders of the person's that trials get links to. ``timeout`` is in seconds, ``memory`` in
    bytes. Raises SubjectError.
    """

    def __init__(
        self,
        store: Store,
        home: Home,
        scope: Scope,
        command: Sequence[str],
        *,
        patches: Callable[[], Mapping[str, Patch]],
        space: Callable[[], Space],
        outside: Sequence[Path] = (),
        timeout: float | None = None,
        memory: int | None = None,
    ) -> None:
        """Index the base; nothing is checked out before a trial."""
        self.store, self.home, self.scope = store, home, scope
        self.command = tuple(command)
        if not self.command:
            raise SubjectError("there is no command to run", 'give one: --command "python train.py"')
        self.timeout, self.memory = timeout, memory
        self._patches, self._space = patches, space
        self._outside = tuple(outside)
        self._changes: dict[str, hunks.Change] = {}
        self._locked: dict[str, str] = {}
        self._clean = False
        self._found: literals.Literals | None = None

    # What there is

    @property
    def editable(self) -> tuple[str, ...]:
        """The files of the base that patches may change."""
        return tuple(p for p, (mode, _) in self._entries().items() if self.scope.editable(p) and mode[:3] == "100")

    @property
    def script(self) -> str:
        """The Python file that the command runs, "" where it names none."""
        entries = self._entries()
        return next(
            (word for w in self.command if (word := w.removeprefix("./")) in entries and word[-3:] == ".py"), ""
        )

    @property
    def found(self) -> literals.Literals:
        """Parameters and seeds in the editable files."""
        if self._found is None:
            at = self.command.index(self.script) if self.script in self.command else len(self.command)
            arguments = self.command[at + 1 :]
            self._found = literals.find(self.script, self.editable, self.read, arguments, self._config)
        return self._found

    def _config(self, path: str) -> bytes | None:
        """A configuration file of the base whose values may be set; None for others."""
        entry = self._entries().get(path)
        settable = entry is not None and entry[0][:3] == "100" and self.scope.settable(path)
        return self.read(path) if settable else None

    def read(self, path: str) -> bytes | None:
        """A file of the base, by its path from the folder under study."""
        return self.store.read(self.whole(path))

    def change(self, patch: Patch) -> hunks.Change:
        """What ``patch`` changes; raises PatchError where it does not apply to the base."""
        if patch.sha256 not in self._changes:
            after = applied(patch.diff, self.scope, self.read, form="diff")
            base = {path: self.read(path) for path in after}
            self._changes[patch.sha256] = hunks.change(base, after)
        return self._changes[patch.sha256]

    def accept(
        self, text: str, name: str, because: str, *, by: str = "person", target: str = ""
    ) -> tuple[Patch, Parameter, tuple[Exclusion, ...], tuple[str, ...]]:
        """``text`` (a diff, search/replace blocks or a whole file) as a patch of the study.

        With its switch, the patches of the study that it cannot be combined with, and the parameters whose literals
        it rewrites. Raises PatchError.
        """
        after = applied(text, self.scope, self.read, target=target, known=self.editable)
        base = {path: self.read(path) for path in after}
        diff = hunks.unified(base, after)
        patch = Patch(name, because, diff, tuple(sorted(after)), form_of(text), by)
        made = hunks.change(base, after)
        if self.change(patch) != made:
            raise PatchError(f"{name} cannot be kept as a diff", "split it, or hand it in as search/replace blocks")
        for other in self._patches().values():
            if other.name != name and self.change(other) == made:
                raise PatchError(f"{name} is the same change as {other.name}", f"see: knowhy patch show {other.name}")
        switch = Parameter(name, Choices((False, True)), False, PATCH_ROLE, confidence=0.9)
        found = [
            Exclusion((other.name, name), f"both change {where}")
            for other in self._patches().values()
            if other.name != name and (where := hunks.clash(self.change(other), made))
        ]
        own = [p for p in self._space() if p.role != PATCH_ROLE]
        return patch, switch, tuple(found), literals.rewritten(own, made, self.read)

    # What a trial runs

    def plan(self, point: Point, seed: int | None = None) -> Plan:
        """The files and options of ``point``; raises PatchError where its patches cannot be combined."""
        space, patches = self._space(), self._patches()
        on = [patches[name] for name, value in point.items() if value is True and name in patches]
        changes = [self.change(patch) for patch in on]
        for i, one in enumerate(changes):
            for j in range(i):
                if where := hunks.clash(changes[j], one):
                    raise PatchError(f"{on[j].name} and {on[i].name} both change {where}", "run them apart")
        per_file: dict[str, list[Sequence[hunks.Hunk]]] = {}
        for one in changes:
            for path, found in one.items():
                per_file.setdefault(path, []).append(found)
        files = {path: hunks.merged(self.read(path), found) for path, found in per_file.items()}
        flat = {path: sorted({hunk for found in lists for hunk in found}) for path, lists in per_file.items()}
        wanted = settings(space.complete(point), space, self.found.seeds, seed)
        made = placed(wanted, files, self.read, flat)
        return Plan(
            {p: data for p, data in made.items() if data != self.read(p)}, tuple(wanted.options), wanted.variables
        )

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        """Commit what ``proposal`` is made of and check it out below ``folder``; raises SubjectError, PatchError."""
        plan = self.plan(proposal.point, proposal.seed)
        target = Path(folder).absolute()
        checkout = target / CHECKOUT
        if not self._clean:
            self._sweep(target.parent)
        try:
            target.mkdir(parents=True, exist_ok=True)
            tree = self.store.tree({self.whole(path): data for path, data in plan.files.items()})
            commit = self.store.commit(tree, self._message(proposal), self.store.base)
            self.store.worktree(commit, checkout, f"refs/knowhy/trials/{proposal.trial}")
            linked = neighbours.lay_out(self.home, self._outside, checkout)
            locked = self._lock(checkout, linked, {self.whole(path) for path in plan.files})
        except OSError as error:
            reason = error.strerror or str(error)
            raise SubjectError(
                f"cannot lay out trial {proposal.trial} in {folder}: {reason}", "free space or permissions"
            ) from None
        place = checkout / self.home.prefix
        # First on the path, so that a package that is installed from the person's folder is taken from here.
        search = [str(path) for path in (place, place / "src") if path.is_dir()]
        search.append(os.environ.get("PYTHONPATH", ""))
        return Job(
            trial=proposal.trial,
            argv=(*self._argv(), *plan.options),
            folder=str(place),
            result_path=str(target / RESULT),
            log_path=str(target / LOG),
            required=tuple(required),
            env={**environment(proposal, target, search), "PYTHONDONTWRITEBYTECODE": "1", **plan.variables},
            timeout=self.timeout,
            memory=self.memory,
            locked=locked,
            scratch=str(checkout),
        )

    def _argv(self) -> tuple[str, ...]:
        """The command with "python" as the Python that is meant."""
        if self.command[0] not in ("python", "python3"):
            return self.command
        for name in (".venv", "venv"):
            for folder in (self.home.folder, self.home.root):
                own = folder / name / "bin" / "python"
                if own.exists():
                    return (str(own), *self.command[1:])
        return (sys.executable, *self.command[1:])

    def _message(self, proposal: Proposal) -> str:
        defaults = self._space().defaults()
        changed = [f"{k} = {v!r}" for k, v in proposal.point.items() if k in defaults and v != defaults[k]]
        return f"trial {proposal.trial}: {', '.join(changed) or 'the default'}\n\nseed {proposal.seed}\n"

    def _sweep(self, trials: Path) -> None:
        """Remove what a run that was killed has left checked out."""
        for left in trials.glob(f"*/{CHECKOUT}") if trials.is_dir() else ():
            remove(left)
        self.store.forget()
        self._clean = True

    def _lock(self, checkout: Path, linked: Iterable[Path], set_here: Container[str]) -> dict[str, str]:
        """Make locked files read-only; their hashes, which are the same for every trial (raises SubjectError).

        Those of configuration files that this trial sets (``set_here``) are its own.
        """
        found: dict[str, str] = {}
        head = f"{self.home.prefix}/" if self.home.prefix else ""
        for path, (mode, _) in self.store.entries.items():
            inside = path.startswith(head)
            if not mode.startswith("100") or (inside and not self.scope.locked(path.removeprefix(head))):
                continue
            file = checkout / path
            known = digest(file) if path in set_here else self._locked.setdefault(path, digest(file))
            found[str(file)] = known
            os.chmod(file, stat.S_IMODE(file.stat().st_mode) & ~0o222)
        for file in linked:
            found[str(file)] = signature(file)
        return found

    def _entries(self) -> dict[str, tuple[str, str]]:
        """The files of the base below the folder under study."""
        head = f"{self.home.prefix}/" if self.home.prefix else ""
        return {p.removeprefix(head): entry for p, entry in self.store.entries.items() if p.startswith(head)}

    def whole(self, path: str) -> str:
        """A path from the folder under study, from the root of the repository."""
        return f"{self.home.prefix}/{path}" if self.home.prefix else path


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def signature(path: Path) -> str:
    """Size and time of a file that may be too large to be read twice a trial."""
    found = path.stat()
    return f"{found.st_size}:{found.st_mtime_ns}"
