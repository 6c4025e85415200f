"""Commits for the person: the one place where the person's repository is written to, and only when asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from knowhy.errors import SubjectError, UsageError
from knowhy.subjects.repo.git import attempt, git, text
from knowhy.subjects.repo.store import Home, Store


def write(
    home: Home,
    store: Store,
    name: str,
    head: str,
    steps: Sequence[tuple[Mapping[str, bytes | None], str]],
    *,
    dirty: bool,
) -> tuple[str, ...]:
    """Make the branch ``name`` with a commit for each of ``steps`` (files, message); the subject of each commit.

    It grows from ``head``, the commit on which the study began; what was not committed then comes first, in a commit
    of its own. Work tree, index, checked-out branch and other refs stay as they are. Raises UsageError for a bad name
    or one that exists, SubjectError where ``head`` is gone.
    """
    if attempt(home.root, ["check-ref-format", "--branch", name]).returncode or name.startswith("-"):
        raise UsageError(f"{name!r} is no name for a branch", "write one such as best-patches")
    ref = f"refs/heads/{name}"
    if not attempt(home.root, ["rev-parse", "-q", "--verify", ref]).returncode:
        raise UsageError(f"the branch {name} exists already", "choose another name, or delete it first")
    if head and attempt(home.root, ["cat-file", "-e", f"{head}^{{commit}}"]).returncode:
        raise SubjectError(
            f"the commit {head[:12]}, on which the study began, is gone", "bring it back with git reflog"
        )
    base = text(store.path, "rev-parse", f"{store.base}^{{tree}}")
    trees = [base] if dirty or not head else []
    messages = ["What was not committed when the study began\n"] if trees else []
    for files, message in steps:
        trees.append(store.tree(files))
        messages.append(message)
    wanted = "".join(f"{tree}\n" for tree in trees).encode()
    packed = git(store.path, "pack-objects", "--revs", "--stdout", "-q", data=wanted)
    git(home.root, "unpack-objects", "-q", data=packed)
    parent = head
    for tree, message in zip(trees, messages, strict=True):
        above = ("-p", parent) if parent else ()
        data = message.encode("utf-8", "replace")
        who = _who(home)
        parent = (
            git(home.root, "commit-tree", tree, *above, "-F", "-", data=data, signed=True, env=who).decode().strip()
        )
    git(home.root, "update-ref", "-m", "knowhy: the best configuration", ref, parent, "0" * 40)
    return tuple(message.split("\n")[0] for message in messages)


def _who(home: Home) -> dict[str, str]:
    """The person's name where git knows it, else knowhy's."""
    if not attempt(home.root, ["var", "GIT_COMMITTER_IDENT"], signed=True).returncode:
        return {}
    return {
        "GIT_AUTHOR_NAME": "knowhy",
        "GIT_AUTHOR_EMAIL": "knowhy@localhost",
        "GIT_COMMITTER_NAME": "knowhy",
        "GIT_COMMITTER_EMAIL": "knowhy@localhost",
    }
