"""What a configuration sets in a repository besides patches: literals, library arguments, files, words, variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from knowhy.errors import SubjectError
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Interval, Origin, Point, Scalar, Space
from knowhy.subjects.documents import rewrite
from knowhy.subjects.repo.hunks import Hunk
from knowhy.subjects.repo.literals import moved
from knowhy.subjects.script import literal_change, option, override, written
from knowhy.subjects.source import Source, same_value, splice, write_literal

_LARGEST_SEED = 2**32


@dataclass
class Settings:
    """Values by where they go: ``python`` and ``documents`` by file, ``options`` and ``variables`` of the command."""

    options: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    python: dict[str, list[tuple[Origin, Scalar]]] = field(default_factory=dict)
    documents: dict[str, list[tuple[Origin, Scalar]]] = field(default_factory=dict)


def settings(point: Point, space: Space, seeds: Iterable[Origin], seed: int | None) -> Settings:
    """Where the values of the complete ``point`` go that are not what stands there, and ``seed`` at ``seeds``."""
    found = Settings()
    values: list[tuple[Origin, Scalar]] = []
    for parameter in space:
        origin, value = parameter.origin, point[parameter.name]
        if parameter.role == PATCH_ROLE or origin.kind == "declared":
            continue
        if isinstance(parameter.domain, Interval) and parameter.domain.integer and isinstance(value, float):
            value = round(value)
        same = same_value(parameter.default, value)
        if origin.kind == "environment":
            if not same:
                found.variables[origin.key] = value if isinstance(value, str) else write_literal(value)
        elif origin.kind == "override":
            if not same:
                found.options.append(override(origin, value))
        elif origin.kind == "config":
            if not same:
                found.documents.setdefault(origin.file, []).append((origin, value))
        elif origin.kind != "inherited" or not same:
            values.append((origin, value))
    if seed is not None:
        values += [(origin, seed % _LARGEST_SEED) for origin in seeds]
    for origin, value in values:
        if origin.flag:
            if origin.end <= origin.start or not same_value(written(origin.text), value):
                found.options += option(origin, value)
        else:
            found.python.setdefault(origin.file, []).append((origin, value))
    return found


def placed(
    wanted: Settings,
    files: Mapping[str, bytes | None],
    read: Callable[[str], bytes | None],
    changed: Mapping[str, Sequence[Hunk]],
) -> dict[str, bytes | None]:
    """``files`` (those that patches change) with the values of ``wanted`` in them; raises SubjectError.

    ``read`` gives a file of the base and ``changed`` what patches change in it. Values whose place a patch has
    rewritten are left out: there the patch says what stands.
    """
    out = dict(files)
    for path, values in wanted.python.items():
        base, current = read(path), out.get(path, read(path))
        if base is None or current is None:
            continue
        source = Source.parse(current, path)
        here = []
        for origin, value in values:
            now = moved(origin, base, changed.get(path, ()))
            if now is not None and (made := _change(source, now, value)) is not None:
                here.append(made)
        out[path] = splice(source, here) if here else current
    for path, values in wanted.documents.items():
        base, current = read(path), out.get(path, read(path))
        if base is None or current is None:
            raise SubjectError(f"{path} is not in the base of the study", "restore it, or begin another study")
        shifted = [(now, v) for o, v in values if (now := moved(o, base, changed.get(path, ()))) is not None]
        out[path] = rewrite(current, path, shifted)
    return out


def _change(source: Source, origin: Origin, value: Scalar) -> tuple[Origin, str, Scalar] | None:
    """The splice that gives ``origin`` its ``value``; None where it stands there, or where the call is gone."""
    if origin.kind != "inherited":
        return literal_change(origin, value)
    comma = source.call_ends.get(origin.start)
    if comma is None:
        return None
    word = f"{origin.key}={write_literal(value)}"
    return origin, f", {word}" if comma else f"{word}, ", value
