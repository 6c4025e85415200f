"""The house keeps its shape: who may import whom, how long a module may be, and what stays fenced."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "knowhy"
LONGEST = 350

ADAPTERS = {"journal", "samplers", "subjects", "execution", "histories"}

# Room -> rooms that it may import (besides itself). A new room or root module needs a line here.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "redaction": set(),
    "writing": {"errors"},
    "silence": set(),
    "model": {"errors"},
    "ports": {"model"},
    "engine": {"errors", "model"},
    "views": {"errors", "model", "engine"},
    "theorists": {"errors", "model", "ports", "engine", "views", "redaction"},
    "journal": {"errors", "model"},
    "samplers": {"errors", "model", "ports", "silence"},
    "subjects": {"errors", "model", "ports", "redaction"},
    "execution": {"errors", "model", "redaction"},
    "histories": {"errors", "model", "silence"},
    "demo": set(),
    "settings": {"errors", "model"},
    "reflection": {"errors", "model", "engine", "ports"},
    "retries": {"model"},
    "baseline": {"errors", "model"},
    "ledger": {"model", "ports"},
    "thinking": {"model", "engine", "ports", "reflection"},
    "watching": {"model", "engine", "ports"},
    "loop": {"errors", "model", "engine", "ports", "baseline", "ledger", "retries", "thinking", "watching"},
    "guarding": {"errors", "model", "ports", "subjects", "execution"},
    "reports": {"errors", "model", "views", "writing"},
    "compose": {"errors", "model", "ports", "engine", "theorists", "demo", "guarding", "settings"} | ADAPTERS,
    "cases": {"errors", "model", "ports", "engine", "views", "settings", "compose", "loop", "ledger", "thinking"}
    | {"watching", "guarding", "reflection", "redaction", "reports", "writing"}
    | ADAPTERS,
    "study": {"errors", "model", "ports", "engine", "views", "loop", "settings", "compose", "cases", "reports"}
    | {"baseline", "writing"}
    | ADAPTERS,
    "background": {"errors", "model", "settings", "compose", "journal", "cases", "study", "redaction"},
    "comparing": {"errors", "model", "views", "loop", "settings", "compose", "cases", "study"},
    "optuna": {"errors", "model", "engine", "views", "reports", "compose", "reflection", "histories", "thinking"},
    "faces": {"errors", "model", "views", "reports", "settings", "compose", "cases", "study", "background", "comparing"}
    | {"baseline", "demo", "loop", "redaction", "writing"},
    "__init__": {"errors", "model", "execution", "cases", "study", "comparing"},
    "__main__": {"faces"},
}

# Libraries that only some rooms may import.
FENCED: dict[str, set[str]] = {
    "optuna": {"samplers", "silence", "histories", "optuna"},
    "pydantic_ai": {"theorists"},
    "mcp": {"faces"},
    "ray": {"execution"},
    "submitit": {"execution"},
    "sqlite3": {"journal", "histories"},
    "click": {"faces"},
    "lark": {"engine"},
    "torch": set(),
}

# The engine is pure: no clock, no processes, no files, no hidden randomness.
IMPURE = {"time", "datetime", "subprocess", "multiprocessing", "threading", "socket", "random", "os", "shutil"}

LAZY_ROOMS = {
    "cases",
    "study",
    "guarding",
    "compose",
    "faces",
    "__init__",
}  # may import slow rooms late

# What single modules may do beyond their room, and why. A line that is no longer needed fails a test.
EXCEPTIONS: dict[tuple[str, str], str] = {
    (
        "samplers/classic.py",
        "within a function",
    ): "Optuna takes a third of a second to import, and random search needs none",
    (
        "theorists/llm/theorist.py",
        "within a function",
    ): "the LLM library takes seconds to import, and only a study that asks a model needs it",
}


@dataclass(frozen=True)
class Import:
    """One import: the dotted module, its line, whether it is within a function, whether only for type checkers."""

    module: str
    line: int
    lazy: bool
    typing_only: bool


def room_of(path: Path) -> str:
    """The room of a module: the first folder below the package, or the stem of a root module."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def first_party(module: str) -> str | None:
    """The room that ``module`` belongs to; None for other packages and for the bare package."""
    parts = module.split(".")
    return parts[1] if parts[0] == "knowhy" and len(parts) > 1 else None


def imports(source: str) -> Iterator[Import]:
    """All imports of a module. ``from knowhy import x`` counts as ``knowhy.x`` where x is a room."""

    def visit(node: ast.AST, lazy: bool, typing_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inside = lazy or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            guarded = typing_only or (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"))
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, child.lineno, lazy, typing_only)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"line {child.lineno}: relative import"
                for alias in child.names if child.module == "knowhy" else ():
                    if alias.name in MAY_IMPORT:
                        yield Import(f"knowhy.{alias.name}", child.lineno, lazy, typing_only)
                yield Import(child.module or "", child.lineno, lazy, typing_only)
            yield from visit(child, inside, guarded)

    yield from visit(ast.parse(source), False, False)


def excused(path: Path, violation: str) -> tuple[str, str] | None:
    """The exception that covers ``violation``."""
    name = path.relative_to(PACKAGE).as_posix()
    return next((key for key in EXCEPTIONS if key[0] == name and key[1] in violation), None)


def violations(room: str, source: str) -> list[str]:
    """What the imports of a module of ``room`` break."""
    found = []
    for item in imports(source):
        target, top = first_party(item.module), item.module.split(".")[0]
        if target is not None:
            if target != room and target not in MAY_IMPORT[room]:
                found.append(f"line {item.line}: {room} may not import {item.module}")
            if item.lazy and room not in LAZY_ROOMS:
                found.append(f"line {item.line}: first-party import of {item.module} within a function")
        if top in FENCED and room not in FENCED[top] and not item.typing_only:
            found.append(f"line {item.line}: {top} may be imported in {sorted(FENCED[top]) or 'no room'} only")
        if room == "engine" and top in IMPURE:
            found.append(f"line {item.line}: the engine is pure and may not import {top}")
    return found


MODULES = sorted(PACKAGE.rglob("*.py"))


def test_the_package_is_there() -> None:
    assert len(MODULES) > 20


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module(path: Path) -> None:
    room, source = room_of(path), path.read_text(encoding="utf-8")
    assert room in MAY_IMPORT, f"{room} is a new room: give it a line in MAY_IMPORT"
    assert [v for v in violations(room, source) if excused(path, v) is None] == []
    assert path.stem not in {"utils", "util", "helpers", "common", "misc"}, "name the module by what it is for"
    assert source.count("\n") <= LONGEST, f"{source.count(chr(10))} lines: split it by reason to change"


def test_exceptions_are_still_needed() -> None:
    used = {excused(path, v) for path in MODULES for v in violations(room_of(path), path.read_text(encoding="utf-8"))}
    assert set(EXCEPTIONS) - used == set()


def test_the_table_has_no_cycles() -> None:
    seen: set[str] = set()

    def visit(room: str, path: tuple[str, ...]) -> None:
        assert room not in path, f"cycle: {' -> '.join((*path, room))}"
        if room not in seen:
            for other in MAY_IMPORT[room]:
                visit(other, (*path, room))
            seen.add(room)

    for room in MAY_IMPORT:
        visit(room, ())


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("model", "from knowhy.engine.encoding import Encoder"),
        ("subjects", "import knowhy.execution.local"),
        ("engine", "from knowhy import study"),
        ("engine", "import time"),
        ("engine", "import optuna"),
        ("loop", "def f():\n    from knowhy.model.space import Space"),
        ("reports", "class A:\n    def f(self):\n        import sqlite3"),
    ],
)
def test_violations_are_seen(room: str, source: str) -> None:
    assert violations(room, source)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("study", "def f():\n    from knowhy import loop"),
        ("engine", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from knowhy.model.space import Space"),
        ("engine", "def f():\n    from lark import Lark"),
        ("faces", "from knowhy import __version__"),
    ],
)
def test_what_is_allowed_passes(room: str, source: str) -> None:
    assert violations(room, source) == []
