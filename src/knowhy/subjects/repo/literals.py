"""What a repository's scripts and configuration offer as parameters, and where it stands once patches are on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from knowhy.errors import SubjectError
from knowhy.model.space import Origin, Parameter
from knowhy.subjects.discovery import ACTIVE_FROM, MOST_ACTIVE, discover_source
from knowhy.subjects.repo.hunks import Hunk, shifted
from knowhy.subjects.source import Source

_MOST_FILES = 40
OUTSIDE = frozenset(("config", "override", "environment"))
"""Kinds of origin that are set without a change of the script."""


@dataclass(frozen=True, slots=True)
class Literals:
    """What was found: parameters (their origins name the file, from the root), seeds, and notes for people."""

    parameters: tuple[Parameter, ...]
    seeds: tuple[Origin, ...]
    notes: tuple[str, ...]


def find(
    script: str,
    files: Sequence[str],
    read: Callable[[str], bytes | None],
    arguments: Sequence[str] = (),
    configs: Callable[[str], bytes | None] = lambda path: None,
) -> Literals:
    """Parameters of ``script`` (with its command-line ``arguments``; "" for none) and of the other Python ``files``.

    Beside literals: what constructors leave at a library's default, environment variables, and the values of files that
    the script names (``configs`` gives those that may be set). What stands in other Python files is held unless the
    script has nothing to vary. A name that several files have is prefixed by its file's. Files that are no Python are
    left out.
    """
    parameters: list[Parameter] = []
    seeds: list[Origin] = []
    notes: list[str] = []
    taken: set[str] = set()
    others = [path for path in files if path.endswith(".py") and path != script][:_MOST_FILES]
    for path in ([script] if script else []) + others:
        data = read(path)
        if data is None:
            continue
        try:
            found = discover_source(
                Source.parse(data, path),
                arguments if path == script else (),
                beyond=True,
                read=configs if path == script else lambda _: None,
            )
        except SubjectError:
            notes.append(f"{path} is no Python that can be read: it is left alone")
            continue
        stem = path.removesuffix(".py").replace("/", ".").replace(" ", "_")
        for parameter in found.parameters:
            outside = bool(parameter.origin.flag) or parameter.origin.kind in OUTSIDE
            if (path != script and parameter.origin.flag) or (path not in files and not outside):
                continue  # only the script has a command line, and what is locked has nothing else
            name = parameter.name if parameter.name not in taken else f"{stem}.{parameter.name}"
            if name in taken:
                continue
            taken.add(name)
            condition = parameter.condition
            if name != parameter.name and condition is not None:
                condition = replace(condition, parent=f"{stem}.{condition.parent}")
            beside = parameter.origin.kind in ("config", "override")
            origin = parameter.origin if beside else replace(parameter.origin, file=path)
            active = parameter.active and path == script
            parameters.append(replace(parameter, name=name, origin=origin, active=active, condition=condition))
        seeds += [replace(o, file=path) for o in found.seeds if path in files or (o.flag and path == script)]
        notes += [f"{path}: {note}" for note in found.notes]
    known = {p.name for p in parameters}
    parameters = [
        p if p.condition is None or p.condition.parent in known else replace(p, condition=None) for p in parameters
    ]
    if not any(p.active for p in parameters):
        likely = [p.name for p in parameters if p.confidence >= ACTIVE_FROM][:MOST_ACTIVE]
        parameters = [replace(p, active=p.name in likely) for p in parameters]
    return Literals(tuple(parameters), tuple(seeds), tuple(notes))


def moved(origin: Origin, base: bytes, hunks: Sequence[Hunk]) -> Origin | None:
    """``origin`` in its file once ``hunks`` are applied to ``base``; None where they rewrite its line."""
    if origin.end <= origin.start and origin.kind != "inherited":
        return origin
    start = shifted(origin.start, origin.end - origin.start, base, hunks)
    return None if start is None else replace(origin, start=start, end=start + origin.end - origin.start)


def rewritten(
    parameters: Sequence[Parameter], change: Mapping[str, Sequence[Hunk]], read: Callable[[str], bytes | None]
) -> tuple[str, ...]:
    """Names of the ``parameters`` whose literal the ``change`` rewrites: with it, the patch says what stands there."""
    found = []
    for parameter in parameters:
        hunks = change.get(parameter.origin.file)
        if hunks and moved(parameter.origin, read(parameter.origin.file) or b"", hunks) is None:
            found.append(parameter.name)
    return tuple(found)
