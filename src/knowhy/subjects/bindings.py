"""Which names of a script are bound once, changed later, or used: whether a new literal takes effect."""

from __future__ import annotations

import ast
import symtable
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from knowhy.errors import SubjectError
from knowhy.subjects.source import Source, dotted

_Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef
_CHANGES = frozenset(
    ("append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse", "update", "setdefault", "popitem")
)
_DYNAMIC = frozenset(("globals", "locals", "vars", "exec", "eval"))


@dataclass(frozen=True)
class Scope:
    """The module, or a function whose body sets up the training, and the statements that it runs in order."""

    name: str
    node: _Scope
    table: symtable.SymbolTable
    dynamic: bool
    statements: tuple[ast.stmt, ...]

    @cached_property
    def bound(self) -> Counter[str]:
        """How often each name is bound in this scope; ``lr *= 0.9`` does not count, for it starts from the literal."""
        found: Counter[str] = Counter()
        for statement in self.node.body:
            found.update(_bound(statement))
        if isinstance(self.node, ast.Module):
            for inner in ast.walk(self.node):
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    declared = {n for s in ast.walk(inner) if isinstance(s, ast.Global) for n in s.names}
                    found.update(n for s in inner.body for n in _bound(s) if n in declared)
        else:
            for inner in ast.walk(self.node):
                if isinstance(inner, ast.Nonlocal):
                    found.update(inner.names)
            arguments = self.node.args
            found.update(a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))
        return found

    @cached_property
    def augmented(self) -> frozenset[str]:
        """Names that are changed in place, as counters and sums are."""
        nodes = (n.target for n in ast.walk(self.node) if isinstance(n, ast.AugAssign))
        return frozenset(target.id for target in nodes if isinstance(target, ast.Name))

    def used(self, name: str) -> bool:
        """Whether anything reads ``name`` (always, where the script looks names up at run time)."""
        if self.dynamic:
            return True
        try:
            if self.table.lookup(name).is_referenced():
                return True
        except KeyError:
            return False
        return _read_inside(self.table, name, module=isinstance(self.node, ast.Module))


def scopes(source: Source) -> Iterator[Scope]:
    """The module, then its ``main`` and functions like it that the module calls; raises SubjectError."""
    try:
        table = symtable.symtable(source.text, source.path, "exec")
    except (SyntaxError, ValueError) as error:
        raise SubjectError(f"{source.path} is not valid Python: {error}", "run the script by itself first") from None
    dynamic = any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _DYNAMIC
        for node in ast.walk(source.tree)
    )
    yield Scope("", source.tree, table, dynamic, tuple(_in_order(source.tree.body)))
    called = {
        node.func.id for node in ast.walk(source.tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    for node in source.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in (
            "main", "train", "run", "training", "train_model", "run_training", "fit", "experiment"
        ):  # fmt: skip
            if node.name not in called and not node.decorator_list:
                continue
            for child in table.get_children():
                if child.get_name() == node.name and child.get_lineno() in range(
                    min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.lineno + 1
                ):
                    yield Scope(node.name, node, child, dynamic, tuple(_in_order(node.body)))
                    break


def _in_order(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run once each: those of the body, of ``with`` and ``try``, and of the main guard."""
    for statement in body:
        yield statement
        if isinstance(statement, (ast.With, ast.AsyncWith)) or (
            isinstance(statement, ast.If) and _is_main(statement.test)
        ):
            yield from _in_order(statement.body)
        elif isinstance(statement, ast.Try):
            yield from _in_order([*statement.body, *statement.orelse, *statement.finalbody])


def _is_main(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and any(isinstance(side, ast.Name) and side.id == "__name__" for side in (test.left, *test.comparators))
        and isinstance(test.ops[0], ast.Eq)
    )


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that ``node`` binds in its own scope, once for each place."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
        yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
        return
    elif isinstance(node, ast.Lambda):
        return
    elif isinstance(node, ast.AugAssign):
        yield from _bound(node.value)
        return
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr) and isinstance(inner.target, ast.Name):
                yield inner.target.id
        return
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).split(".")[0]
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
    for child in ast.iter_child_nodes(node):
        yield from _bound(child)


def _read_inside(table: symtable.SymbolTable, name: str, *, module: bool) -> bool:
    for child in table.get_children():
        try:
            symbol = child.lookup(name)
        except KeyError:
            pass
        else:
            if symbol.is_referenced() and (symbol.is_global() if module else symbol.is_free()):
                return True
        if _read_inside(child, name, module=module):
            return True
    return False


def changed_inside(tree: ast.AST) -> frozenset[str]:
    """Names whose contents the script changes: ``betas[0] = ...``, ``sizes.append(...)``."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found.add(dotted(node.value))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGES:
            found.add(dotted(node.func.value))
    return frozenset(found - {""})


def stored_attributes(tree: ast.AST) -> frozenset[str]:
    """Attributes that are assigned on anything but ``self``: ``args.lr = ...``, ``config.lr = ...`` (not ``*=``)."""
    augmented = {id(n.target) for n in ast.walk(tree) if isinstance(n, ast.AugAssign)}
    return frozenset(
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, (ast.Store, ast.Del))
        and id(node) not in augmented
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    )


def compared_strings(tree: ast.AST) -> frozenset[str]:
    """Strings that the script compares with, matches or looks up: alternatives that it understands."""
    found: set[str] = set()
    for node in ast.walk(tree):
        parts: list[ast.expr | None] = []
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                parts += side.elts if isinstance(side, (ast.Tuple, ast.List, ast.Set)) else [side]
        elif isinstance(node, ast.Dict):
            parts += node.keys
        elif isinstance(node, ast.MatchValue):
            parts.append(node.value)
        found.update(p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str))
    return frozenset(found)


def passed_attributes(tree: ast.AST) -> dict[str, str]:
    """Attributes passed on under their own name, and the last name of the call: ``StepLR(gamma=args.gamma)``."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg and isinstance(keyword.value, ast.Attribute) and keyword.value.attr == keyword.arg:
                    found.setdefault(keyword.arg, dotted(node.func).rpartition(".")[2])
    return found
