"""Patches as people and models hand them in: a diff, search/replace blocks, or a whole file; and what they make.

Nothing here is written to the person's repository. Every path is checked before anything is read or made.
"""

from __future__ import annotations

import ast
import re
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from knowhy.errors import PatchError
from knowhy.model.patch import PatchForm
from knowhy.subjects.repo.git import attempt
from knowhy.subjects.repo.scope import Scope

Read = Callable[[str], bytes | None]
"""Reads a file of the base by its path; None where there is none."""

_SEARCH = re.compile(r"^[ \t]*<{5,9}[ \t]*(?:SEARCH|search|ORIGINAL)?[ \t]*$")
_MIDDLE = re.compile(r"^[ \t]*={5,9}[ \t]*$")
_REPLACE = re.compile(r"^[ \t]*>{5,9}[ \t]*(?:REPLACE|replace|UPDATED)?[ \t]*$")
_DIFF = re.compile(r"^(?:diff --git |--- \S.*\n\+\+\+ \S)", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)")
_MOST_BYTES = 4 << 20


def form_of(text: str) -> PatchForm:
    """What kind of patch ``text`` is."""
    if any(_SEARCH.match(line) for line in text.splitlines()) and any(_REPLACE.match(x) for x in text.splitlines()):
        return "edit"
    return "diff" if _DIFF.search(text) else "file"


def applied(
    text: str, scope: Scope, read: Read, *, form: PatchForm | None = None, target: str = "", known: Sequence[str] = ()
) -> dict[str, bytes | None]:
    """The files that the patch ``text`` changes, as they are with it; None is a file that it removes.

    ``target`` names the file that a whole-file version stands for; ``known`` are the editable files of the base.
    Raises PatchError where it does not apply, changes nothing, or changes what it may not.
    """
    if len(text.encode("utf-8", "surrogateescape")) > _MOST_BYTES:
        raise PatchError("the patch is larger than 4 MiB", "hand in the change of code only")
    if "\0" in text:
        raise PatchError("the patch is not text", "patches of binary files cannot be taken")
    chosen = form or form_of(text)
    if chosen == "edit":
        made = _edited(text, scope, read, known)
    elif chosen == "diff":
        made = _patched(text, scope, read)
    else:
        made = _whole(text, scope, read, target, known)
    changed = {path: data for path, data in made.items() if data != read(path)}
    if not changed:
        raise PatchError("the patch changes nothing", "compare it with the files as they were when the study began")
    for path, data in changed.items():
        _check_python(path, read(path), data)
    return changed


def _edited(text: str, scope: Scope, read: Read, known: Sequence[str]) -> dict[str, bytes | None]:
    made: dict[str, bytes | None] = {}
    for number, (named, old, new) in enumerate(_blocks(text), start=1):
        path = named or (known[0] if len(known) == 1 else "")
        if not path:
            raise PatchError(
                f"block {number} does not say which file it changes",
                "write the path on the line before <<<<<<< SEARCH",
            )
        scope.check(path)
        if path not in made:
            made[path] = read(path)
        there = made[path]
        if there is None:
            if old.strip():
                raise PatchError(f"block {number}: there is no file {path} to search in", "check the path")
            made[path] = new.encode("utf-8", "surrogateescape")
            continue
        made[path] = _replaced(there, old, new, f"block {number} in {path}")
    return made


def _blocks(text: str) -> list[tuple[str, str, str]]:
    """Path ("" where none is named), searched and replacing text of each block."""
    found: list[tuple[str, str, str]] = []
    path, last = "", ""
    state, old, new = "outside", [""], [""]
    for line in text.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        if state == "outside" and _SEARCH.match(bare):
            path = _path_in(last) or path
            state, old, new = "search", [], []
        elif state == "search" and _MIDDLE.match(bare):
            state = "replace"
        elif state == "replace" and _REPLACE.match(bare):
            found.append((path, "".join(old), "".join(new)))
            state, last = "outside", ""
        elif state == "search":
            old.append(line)
        elif state == "replace":
            new.append(line)
        elif bare.strip() and not _FENCE.match(bare):
            last = bare
    if state != "outside" or not found:
        raise PatchError(
            f"block {len(found) + 1} is not closed",
            "write <<<<<<< SEARCH, =======, >>>>>>> REPLACE on lines of their own",
        )
    return found


def _path_in(line: str) -> str:
    """The path that a line before a block names, or ""."""
    word = re.sub(r"^(?:#+|//|\*+|file:|path:)\s*", "", line.strip(), flags=re.IGNORECASE).strip("`*: ")
    return word.removeprefix("./") if re.fullmatch(r"[^\s:*?<>|]+(?: [^\s:*?<>|]+)*", word) and "." in word else ""


def _replaced(data: bytes, old: str, new: str, where: str) -> bytes:
    ends = b"\r\n" if b"\r\n" in data else b"\n"
    old_bytes, new_bytes = (
        text.replace("\r\n", "\n").encode("utf-8", "surrogateescape").replace(b"\n", ends) for text in (old, new)
    )
    if not old.strip():
        raise PatchError(f"{where} searches for nothing", "quote the lines that are to be replaced")
    count = data.count(old_bytes)
    if count == 0 and not data.endswith(b"\n") and data.endswith(old_bytes.removesuffix(ends)):
        old_bytes, count = old_bytes.removesuffix(ends), 1
        new_bytes = new_bytes.removesuffix(ends)
    if count != 1:
        first = next(line for line in old.splitlines() if line.strip()).strip()[:80]
        raise PatchError(
            f"{where} does not apply: its text ({first!r} ...) stands there {count} times, and must stand there once",
            "quote the lines exactly as they are in the file" if not count else "quote more lines around the change",
        )
    return data.replace(old_bytes, new_bytes)


def _patched(text: str, scope: Scope, read: Read) -> dict[str, bytes | None]:
    if re.search(r"^(?:rename|copy) (?:from|to) |^GIT binary patch|^Binary files ", text, re.MULTILINE):
        raise PatchError("the diff renames files or is binary", "make it with: git diff --no-renames --text")
    if re.search(r"^(?:new|old|deleted) (?:file )?mode (?!100)", text, re.MULTILINE):
        raise PatchError("the diff makes a link or a submodule", "patches change plain files only")
    data = text.encode("utf-8", "surrogateescape")
    with tempfile.TemporaryDirectory(prefix="knowhy-patch-") as folder:
        outside = {"GIT_CEILING_DIRECTORIES": str(Path(folder).parent), "GIT_DIR": str(Path(folder) / "none")}
        whole = _levels(folder, data, outside)
        words = ""
        for level in whole:
            paths = _touched(folder, data, level, outside)
            for path in paths:
                scope.check(path)
            base = Path(folder) / f"p{level}"
            base.mkdir()
            for path in paths:
                content = read(path)
                if content is not None:
                    (base / path).parent.mkdir(parents=True, exist_ok=True)
                    (base / path).write_bytes(content)
            done = attempt(
                base, ["apply", "--recount", "--whitespace=nowarn", f"-p{level}", "-"], env=outside, data=data
            )
            if not done.returncode:
                return {path: _plain(base / path) for path in paths}
            words = done.stderr.decode("utf-8", "replace").strip()
    said = next((line for line in words.splitlines() if line.startswith("error")), words).removeprefix("error: ")
    raise PatchError(
        f"the diff does not apply: {said[:300] or 'git apply refuses it'}",
        "make it against the files as they were when the study began",
    )


def _levels(folder: str, data: bytes, env: dict[str, str]) -> list[int]:
    """How many leading names of its paths to strip: one where they begin with a/ and b/."""
    heads = re.findall(rb"^(?:---|\+\+\+) ([^\t\r\n]+)", data, re.MULTILINE)
    prefixed = all(head.startswith((b"a/", b"b/")) or head == b"/dev/null" for head in heads)
    return [1] if prefixed else [0]


def _touched(folder: str, data: bytes, level: int, env: dict[str, str]) -> list[str]:
    done = attempt(folder, ["apply", "--numstat", "-z", "--recount", f"-p{level}", "-"], env=env, data=data)
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        said = words[0].removeprefix("error: ") if words else "git cannot read it"
        raise PatchError(f"this is no diff that can be read: {said[:200]}", "make it with: git diff > fix.diff")
    rows = [entry for entry in done.stdout.split(b"\0") if entry]
    return [row.split(b"\t", 2)[-1].decode("utf-8", "surrogateescape") for row in rows]


def _plain(path: Path) -> bytes | None:
    if path.is_symlink():
        raise PatchError(f"{path.name} becomes a link", "patches change plain files only")
    return path.read_bytes() if path.is_file() else None


def _whole(text: str, scope: Scope, read: Read, target: str, known: Sequence[str]) -> dict[str, bytes | None]:
    path = target.removeprefix("./")
    if path not in known and "/" not in path:
        same = [name for name in known if PurePosixPath(name).name == path]
        path = same[0] if len(same) == 1 else path
    # A version under a name of its own is one of the only file; the name of another file is not.
    if path not in known and len(known) == 1 and "/" not in path and (not path or read(path) is None):
        path = known[0]
    if path not in known:
        raise PatchError(
            "this is neither a diff nor search/replace blocks, and nothing says which file it is a version of",
            f"name the file with --file, one of: {', '.join(known[:8]) or 'no file is editable'}",
        )
    scope.check(path)
    data = text.encode("utf-8", "surrogateescape")
    base = read(path) or b""
    if b"\r\n" in base and b"\r\n" not in data:
        data = data.replace(b"\n", b"\r\n")
    return {path: data}


def _check_python(path: str, before: bytes | None, after: bytes | None) -> None:
    """Refuse a Python file that was valid and no longer is."""
    if after is None or not path.endswith(".py") or (before is not None and _mistake(before)):
        return
    mistake = _mistake(after)
    if mistake:
        raise PatchError(f"with the patch {path} is no valid Python: {mistake}", "correct the patch")


def _mistake(data: bytes) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(data)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error)
    return ""
