"""A study's own repository: the base as it stood when the study began, and a commit and a worktree for each trial.

It lies in the study's folder and shares nothing with the person's repository, which is only read: whatever becomes of
a run, the person's branches, refs, index, worktrees and files are what they were. The base is a snapshot of the
working tree, changes that are not committed and new files that are not ignored included.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from knowhy.errors import SubjectError
from knowhy.subjects.repo.git import attempt, git, text

BASE = "refs/knowhy/base"
_LARGE = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Home:
    """The person's repository: ``root``, the folder under study relative to it ("" for the root), its git folder."""

    root: Path
    prefix: str
    git_dir: Path

    @staticmethod
    def find(folder: str | Path) -> Home:
        """The repository that holds ``folder``; raises SubjectError."""
        path = Path(folder).resolve()
        if not path.is_dir():
            raise SubjectError(f"there is no folder {folder}", "give the folder of a git repository")
        done = attempt(path, ["rev-parse", "--show-toplevel", "--absolute-git-dir"])
        lines = done.stdout.decode("utf-8", "surrogateescape").splitlines()
        if done.returncode or len(lines) != 2:
            raise SubjectError(f"{folder} is in no git repository", "make it one with: git init")
        root = Path(lines[0]).resolve()
        prefix = path.relative_to(root).as_posix()
        return Home(root, "" if prefix == "." else prefix, Path(lines[1]))

    @property
    def folder(self) -> Path:
        """The folder under study."""
        return self.root / self.prefix

    def head(self) -> str:
        """The commit that is checked out; "" before the first."""
        done = attempt(self.root, ["rev-parse", "--verify", "-q", "HEAD^{commit}"])
        return done.stdout.decode().strip()


class Store:
    """A bare repository with the base under ``refs/knowhy/base``."""

    def __init__(self, path: Path) -> None:
        """The store at ``path``, which ``create`` has made."""
        self.path = path
        self._blobs: dict[str, bytes] = {}

    @property
    def exists(self) -> bool:
        """Whether the base is there."""
        return self.path.is_dir() and not attempt(self.path, ["rev-parse", "-q", "--verify", BASE]).returncode

    @staticmethod
    def create(path: Path, home: Home, leave_out: Sequence[Path] = ()) -> tuple[Store, str, bool]:
        """A store with a snapshot of ``home``; its tree, and whether anything was not committed.

        The folders ``leave_out`` (knowhy's own) and new files above 20 MiB are no part of it. Nothing is written to
        the person's repository: objects go to the store. Raises SubjectError.
        """
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        git(path.parent, "init", "-q", "--bare", "--template=", str(path))
        store = Store(path)
        objects = Path(text(home.root, "rev-parse", "--git-path", "objects"))
        index_file = Path(text(home.root, "rev-parse", "--git-path", "index"))
        shared = {
            "GIT_OBJECT_DIRECTORY": str(path / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(home.root / objects),
            "GIT_INDEX_FILE": str(path / "snapshot-index"),
        }
        if (home.root / index_file).is_file():
            shutil.copyfile(home.root / index_file, path / "snapshot-index")
        away = [f":(exclude,top,literal){entry}" for entry in _left_out(home, leave_out)]
        git(home.root, "add", "-A", "--", ":/", *away, env=shared)
        tree = text(home.root, "write-tree", env=shared)
        (path / "snapshot-index").unlink(missing_ok=True)
        # The store must not need the person's objects, which a clean-up there may remove.
        listed = git(home.root, "rev-list", "--objects", tree, env=shared)
        names = b"".join(line.split(b" ")[0] + b"\n" for line in listed.splitlines())
        git(home.root, "pack-objects", "-q", str(path / "objects" / "pack" / "pack"), env=shared, data=names)
        head = home.head()
        told = f"base of the study: {head or 'no commit yet'} and what was not committed"
        commit = store.commit(tree, told)
        git(path, "update-ref", BASE, commit)
        dirty = not head or text(home.root, "rev-parse", "HEAD^{tree}") != tree
        return store, tree, dirty

    @cached_property
    def base(self) -> str:
        """The base commit; raises SubjectError where the store is gone."""
        if not self.path.is_dir():
            raise SubjectError(f"the study's copy of the repository, {self.path}, is gone", "start another study")
        return text(self.path, "rev-parse", "--verify", BASE)

    @cached_property
    def entries(self) -> Mapping[str, tuple[str, str]]:
        """Mode and object of each file of the base, by path from the root of the repository."""
        found = {}
        for entry in git(self.path, "ls-tree", "-r", "-z", self.base).split(b"\0"):
            if entry:
                head, _, name = entry.partition(b"\t")
                mode, _, sha = head.decode().split(" ")
                found[name.decode("utf-8", "surrogateescape")] = (mode, sha)
        return found

    def read(self, path: str) -> bytes | None:
        """The file ``path`` of the base; None where there is no regular file."""
        mode, sha = self.entries.get(path, ("", ""))
        if not mode.startswith("100"):
            return None
        if sha not in self._blobs:
            self._blobs[sha] = git(self.path, "cat-file", "blob", sha)
        return self._blobs[sha]

    def tree(self, contents: Mapping[str, bytes | None], onto: str | None = None) -> str:
        """The tree ``onto`` (the base by default) with other ``contents`` (None: without that file)."""
        lines = []
        for path, data in contents.items():
            if data is None:
                lines.append(f"0 {'0' * 40}\t{path}")
                continue
            mode = self.entries.get(path, ("100644", ""))[0]
            sha = git(self.path, "hash-object", "-w", "--stdin", data=data).decode().strip()
            lines.append(f"{mode} {sha}\t{path}")
        with tempfile.TemporaryDirectory(prefix="knowhy-index-") as folder:
            index = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
            git(self.path, "read-tree", onto or self.base, env=index)
            if lines:
                data = "".join(line + "\0" for line in lines).encode("utf-8", "surrogateescape")
                git(self.path, "update-index", "-z", "--index-info", env=index, data=data)
            return text(self.path, "write-tree", env=index)

    def commit(self, tree: str, message: str, parent: str = "") -> str:
        """A commit of ``tree``, the same one for the same tree, message and parent."""
        above = ("-p", parent) if parent else ()
        data = message.encode("utf-8", "replace")
        return git(self.path, "commit-tree", tree, *above, "-F", "-", data=data).decode().strip()

    def worktree(self, commit: str, folder: Path, ref: str) -> None:
        """Check ``commit`` out in ``folder``, which is made anew, and keep it under ``ref``; raises SubjectError."""
        remove(folder)
        git(self.path, "update-ref", ref, commit)
        git(self.path, "worktree", "add", "-q", "-f", "--detach", str(folder), commit)

    def forget(self) -> None:
        """Drop the worktrees whose folders are gone."""
        git(self.path, "worktree", "prune", "--expire=now")


def remove(folder: Path) -> None:
    """Remove ``folder`` and all in it, what is read-only included; what links lead to stays."""
    if folder.is_symlink():
        folder.unlink()
        return

    def again(function: object, name: str, _: object) -> None:
        with contextlib.suppress(OSError):
            os.chmod(os.path.dirname(name), stat.S_IRWXU)
            os.unlink(name)

    shutil.rmtree(folder, onerror=again)


def _left_out(home: Home, folders: Sequence[Path]) -> list[str]:
    """Paths, from the root, of what is no part of the snapshot: knowhy's folders and large new files."""
    found = []
    for folder in folders:
        with contextlib.suppress(ValueError):
            inside = folder.resolve().relative_to(home.root).as_posix()
            if inside != ".":
                found.append(inside)
    return [*found, *large_new_files(home)]


def large_new_files(home: Home) -> list[str]:
    """Files, as paths from the root, that git neither tracks nor ignores and that are too large for a snapshot."""
    found = []
    new = git(home.root, "ls-files", "-z", "--others", "--exclude-standard", "--full-name", ":/")
    for entry in new.split(b"\0"):
        name = entry.decode("utf-8", "surrogateescape")
        with contextlib.suppress(OSError):
            if entry and os.lstat(home.root / name).st_size > _LARGE:
                found.append(name)
    return found
