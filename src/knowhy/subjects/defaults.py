"""Default arguments of functions and of ``__init__`` that the script's own calls leave alone."""

from __future__ import annotations

import ast
from collections import Counter

from knowhy.subjects.candidates import Candidate, Findings, spread, unset
from knowhy.subjects.exclusions import excluded_call, exclusion
from knowhy.subjects.roles import guess
from knowhy.subjects.source import Source, calls, dotted, elements, left_at_default, read_literal

# What makes a command line of a function that it is handed.
_COMMAND_LINES = frozenset(
    ("fire.Fire", "Fire", "typer.run", "tyro.cli", "defopt.run", "jsonargparse.CLI", "CLI", "auto_cli", "cyclopts.run")
)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def find_defaults(source: Source, findings: Findings) -> None:
    """Add default arguments of a known role where some call, or a command line made from it, leaves them alone."""
    body = source.tree.body
    functions: list[tuple[str, _Function, bool]] = []
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions.append((node.name, node, False))
        elif isinstance(node, ast.ClassDef):
            made = [s for s in node.body if isinstance(s, ast.FunctionDef) and s.name == "__init__"]
            functions += [(node.name, s, True) for s in made]
    times = Counter(name for name, _, _ in functions)
    for name, node, method in functions:
        if times[name] == 1 and excluded_call(name) != "evaluation":
            _arguments(source, name, node, method, findings)


def _arguments(source: Source, owner: str, node: _Function, method: bool, findings: Findings) -> None:
    positional = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    names = positional[1:] if method else positional
    given = [(a, d) for a, d in zip(reversed(positional), reversed(node.args.defaults), strict=False)]
    given += [(a.arg, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None]
    bound = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for name, written in given:
        value = _option_default(written)
        literal = read_literal(value)
        if (literal is None and not elements(value)) or name in bound or exclusion(name, literal):
            continue
        known = guess(name, literal if literal is not None else 1.0, owner)
        if known is None or known.role == "other" or not _reached(source.tree, owner, node, names, name):
            continue
        base = Candidate(name, None, unset(), owner=owner, weight=0.9)
        findings.candidates += spread(source, "keyword", value, base)


def _option_default(node: ast.expr) -> ast.expr:
    """What stands for the default: ``0.1`` in ``lr: float = typer.Option(0.1, help="...")``."""
    if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in ("Option", "Argument"):
        named = next((k.value for k in node.keywords if k.arg == "default"), None)
        return named or (node.args[0] if node.args else node)
    return node


def _reached(tree: ast.Module, owner: str, node: _Function, names: list[str], name: str) -> bool:
    """Whether some call leaves ``name`` at its default: in the script, or in a library that is handed the function."""
    for called, call in calls(tree):
        if called.rpartition(".")[2] == owner and left_at_default(call, names, name):
            return True
        if called in _COMMAND_LINES and any(dotted(a) == owner for a in call.args):
            return True
    decorators = {dotted(d.func if isinstance(d, ast.Call) else d).rpartition(".")[2] for d in node.decorator_list}
    return bool(decorators & {"command", "main", "automain"}) and not decorators & {"option"}
