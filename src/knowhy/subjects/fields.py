"""Fields of configuration classes: dataclasses, attrs, pydantic models, named tuples, plain ``class Config``."""

from __future__ import annotations

import ast
import re

from knowhy.subjects.bindings import stored_attributes
from knowhy.subjects.candidates import Candidate, Findings, spread, unset
from knowhy.subjects.exclusions import defines_evaluation, exclusion
from knowhy.subjects.source import Source, calls, dotted, elements, left_at_default, read_literal

_DECORATORS = frozenset(("dataclass", "define", "frozen", "mutable", "attrs", "attr", "s", "chz"))
_BASES = frozenset(("BaseModel", "BaseSettings", "NamedTuple", "PretrainedConfig", "Struct", "BaseConfig"))
_PLAIN = re.compile(r"(?i)\w*(cfg|conf|config|args|hparams?|hyper\w*|settings|params|opts?|options)\d?")


def find_fields(source: Source, findings: Findings) -> None:
    """Add the fields whose default is what the script uses; a field that a call overrides is left out."""
    stored = stored_attributes(source.tree)
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ClassDef) or not _configures(node):
            continue
        if not _read_anywhere(source.tree, node):
            findings.note(f"the fields of {node.name} at line {node.lineno} are left out: nothing uses the class")
            continue
        names = [s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
        for statement in node.body:
            name, value = _field(statement)
            if value is None or (read_literal(value) is None and not elements(value)):
                continue
            reason = exclusion(name, read_literal(value))
            if reason == "seed" and isinstance(read_literal(value), int):
                if not _overridden(source.tree, node.name, names, name):
                    findings.seeds.append(source.origin("field", value))
                continue
            if reason:
                findings.leave_out(f"{node.name}.{name}", reason, value.lineno)
                free = name not in stored and not _overridden(source.tree, node.name, names, name)
                if free and defines_evaluation(name, read_literal(value)):
                    candidate = Candidate(name, None, unset(), owner=node.name)
                    findings.reserved += spread(source, "field", value, candidate)
                continue
            if name in stored:
                findings.note(f"{node.name}.{name} at line {value.lineno} is left out: the script assigns it later")
                continue
            if _overridden(source.tree, node.name, names, name):
                findings.note(
                    f"{node.name}.{name} at line {value.lineno} is left out: {node.name}(...) is given another"
                )
                continue
            findings.candidates += spread(source, "field", value, Candidate(name, None, unset(), owner=node.name))


def _configures(node: ast.ClassDef) -> bool:
    decorators = {dotted(d.func if isinstance(d, ast.Call) else d).rpartition(".")[2] for d in node.decorator_list}
    bases = {dotted(b).rpartition(".")[2] for b in node.bases}
    if decorators & _DECORATORS or bases & _BASES:
        return True
    initialised = any(isinstance(s, ast.FunctionDef) and s.name in ("__init__", "forward") for s in node.body)
    return bool(_PLAIN.fullmatch(node.name)) and not initialised


def _field(statement: ast.stmt) -> tuple[str, ast.expr | None]:
    """The name of a field and the expression of its default."""
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        if "ClassVar" in ast.dump(statement.annotation):
            return statement.target.id, None
        name, value = statement.target.id, statement.value
    elif (
        isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name)
    ):
        name, value = statement.targets[0].id, statement.value
    else:
        return "", None
    if isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2].lower() in ("field", "attrib", "ib"):
        given = {k.arg: k.value for k in value.keywords}
        return name, given.get("default", value.args[0] if value.args else None)
    return name, value


def _read_anywhere(tree: ast.AST, node: ast.ClassDef) -> bool:
    return any(
        (isinstance(n, ast.Name) and n.id == node.name and isinstance(n.ctx, ast.Load))
        or (isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value == node.name)
        for n in ast.walk(tree)
    )


def _overridden(tree: ast.AST, owner: str, names: list[str], name: str) -> bool:
    """Whether every call of the class gives the field itself (or may, through ``**``), or a later ``replace`` does."""
    left = [left_at_default(call, names, name) for called, call in calls(tree) if called.rpartition(".")[2] == owner]
    replaced = any(
        called.rpartition(".")[2] in ("replace", "evolve", "_replace") and name in {k.arg for k in call.keywords}
        for called, call in calls(tree)
    )
    return replaced or (bool(left) and not any(left))
