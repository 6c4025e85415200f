"""What a library's class takes, read from the library's source: nothing is imported, nothing is run.

scikit-learn's estimators say in ``_parameter_constraints`` which values are valid; torch's optimisers and layers say in
their signatures what they take and what its default is.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from knowhy.model.space import Scalar
from knowhy.subjects.source import dotted, read_literal

_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a constructor: its ``default`` (None where that is None) and what is known of valid values.

    ``low`` and ``high`` bound numbers (``open_low`` and ``open_high``: without the bound itself), ``whole`` says that
    only whole numbers are valid, ``choices`` are the valid texts. ``numbers`` and ``none`` say whether those are valid.
    """

    name: str
    default: Scalar
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    whole: bool | None = None
    choices: tuple[str, ...] = ()
    numbers: bool = False
    none: bool = False


@dataclass(frozen=True)
class _Class:
    module: str
    tree: ast.Module
    node: ast.ClassDef


@cache
def arguments(name: str) -> tuple[Argument, ...]:
    """The arguments with a plain default that ``name`` (``sklearn.svm.SVC``) takes; empty where it is unknown."""
    module, _, attribute = name.rpartition(".")
    found = _find(module, attribute) if module else None
    if found is None:
        return ()
    made = _initialiser(found)
    if made is None:
        return ()
    valid = _constraints(found)
    out = []
    positional = [*made.args.posonlyargs, *made.args.args]
    given = list(zip(reversed(positional), reversed(made.args.defaults), strict=False))[::-1]
    given += [(a, d) for a, d in zip(made.args.kwonlyargs, made.args.kw_defaults, strict=True) if d is not None]
    for argument, default in given:
        value = read_literal(default)
        if value is None and not (isinstance(default, ast.Constant) and default.value is None):
            continue
        out.append(_constrained(Argument(argument.arg, value), valid.get(argument.arg, ())))
    return tuple(out)


def positional(name: str) -> tuple[str, ...]:
    """The names of the arguments of ``name`` that may be given by position, in their order."""
    module, _, attribute = name.rpartition(".")
    found = _find(module, attribute) if module else None
    made = _initialiser(found) if found is not None else None
    return tuple(a.arg for a in (*made.args.posonlyargs, *made.args.args)[1:]) if made is not None else ()


@cache
def _file(module: str) -> Path | None:
    """The source file of ``module``, found on the path without importing anything."""
    head, *rest = module.split(".")
    try:
        spec = PathFinder.find_spec(head, sys.path)
    except (ImportError, ValueError, OSError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for place in spec.submodule_search_locations or ():
        folder = Path(place).joinpath(*rest)
        for path in (folder / "__init__.py", folder.with_suffix(".py")):
            if path.is_file():
                return path
    return None


@cache
def _tree(module: str) -> ast.Module | None:
    path = _file(module)
    if path is None:
        return None
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


@cache
def _find(module: str, name: str, depth: int = 0) -> _Class | None:
    """The class ``name`` of ``module``, where it is defined, through the imports that lead there."""
    tree = _tree(module)
    if tree is None or depth > _DEEPEST:
        return None
    stars: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _Class(module, tree, node)
        if not isinstance(node, ast.ImportFrom):
            continue
        source = _absolute(module, node)
        for alias in node.names:
            if alias.name == "*":
                stars.append(source)
            elif (alias.asname or alias.name) == name:
                return _find(source, alias.name, depth + 1)
    for source in stars:
        found = _find(source, name, depth + 1)
        if found is not None:
            return found
    return None


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    path = _file(module)
    package = module if path is not None and path.name == "__init__.py" else module.rpartition(".")[0]
    parts = package.split(".")[: len(package.split(".")) - (node.level - 1)]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _bases(found: _Class) -> list[_Class]:
    named = [_find(found.module, dotted(base).rpartition(".")[2], 1) for base in found.node.bases if dotted(base)]
    return [base for base in named if base is not None]


def _initialiser(found: _Class, depth: int = 0) -> ast.FunctionDef | None:
    for node in found.node.body:
        # Overloads come before the function itself.
        if isinstance(node, ast.FunctionDef) and node.name == "__init__" and not node.decorator_list:
            return node
    if depth > _DEEPEST:
        return None
    for base in _bases(found):
        made = _initialiser(base, depth + 1)
        if made is not None:
            return made
    return None


def _constraints(found: _Class, depth: int = 0) -> dict[str, tuple[ast.expr, ...]]:
    """scikit-learn's table of valid values: expressions by the name of the argument."""
    value: ast.expr | None = None
    for node in found.node.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(t, ast.Name) and t.id == "_parameter_constraints" for t in targets):
            assert isinstance(node, (ast.Assign, ast.AnnAssign))
            value = node.value
    out: dict[str, tuple[ast.expr, ...]] = {}
    if depth > _DEEPEST:
        return out
    if not isinstance(value, ast.Dict):
        for base in reversed(_bases(found)):
            out |= _constraints(base, depth + 1)
        return out
    for key, member in zip(value.keys, value.values, strict=True):
        if key is None:  # **Base._parameter_constraints
            owner = dotted(member).split(".")[0]
            parent = _find(found.module, owner, 1)
            out |= _constraints(parent, depth + 1) if parent is not None else {}
        elif isinstance(key, ast.Constant) and isinstance(key.value, str) and isinstance(member, ast.List):
            out[key.value] = tuple(member.elts)
    return out


def _constrained(argument: Argument, valid: tuple[ast.expr, ...]) -> Argument:
    """``argument`` with what ``valid`` says of it: the widest interval, and all texts."""
    low: float | None = None
    high: float | None = None
    open_low = open_high = numbers = none = False
    whole: bool | None = None
    choices: list[str] = []
    for item in valid:
        name = dotted(item.func).rpartition(".")[2] if isinstance(item, ast.Call) else ""
        if isinstance(item, ast.Constant) and item.value is None:
            none = True
        elif name == "StrOptions" and isinstance(item, ast.Call) and item.args and isinstance(item.args[0], ast.Set):
            choices += [c for e in item.args[0].elts if isinstance(c := read_literal(e), str)]
        elif name == "Interval" and isinstance(item, ast.Call) and len(item.args) >= 3:
            kind = dotted(item.args[0])
            closed = next((read_literal(k.value) for k in item.keywords if k.arg == "closed"), "both")
            if numbers and (kind == "Integral") != isinstance(argument.default, int):
                continue  # there is one for numbers like the default, or one that came first
            low, high = _number(item.args[1]), _number(item.args[2])
            open_low, open_high = closed in ("neither", "right"), closed in ("neither", "left")
            whole, numbers = kind == "Integral", True
    return Argument(
        argument.name, argument.default, low, high, open_low, open_high, whole, tuple(sorted(choices)), numbers, none
    )


def _number(node: ast.expr) -> float | None:
    value = read_literal(node)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
