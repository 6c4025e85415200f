"""Constants of the module, of its main guard and of ``main``: names that are given a literal once."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from knowhy.subjects.bindings import Scope, changed_inside
from knowhy.subjects.candidates import Candidate, Findings, spread, unset
from knowhy.subjects.exclusions import defines_evaluation, exclusion
from knowhy.subjects.roles import guess, snake
from knowhy.subjects.source import Source, dotted, elements, read_literal

_BOOSTING = frozenset(
    ("num_leaves", "boosting", "boosting_type", "booster", "objective", "tree_method", "n_estimators")
)


def find_constants(source: Source, scope: Scope, findings: Findings) -> None:
    """Add the constants of ``scope`` that a new literal would change, and say of the others why not."""
    changed = changed_inside(scope.node)
    uses = _uses(scope.node)
    for name, value in _assignments(scope):
        if isinstance(value, ast.Dict):
            _dictionary(source, scope, name, value, findings)
            continue
        if read_literal(value) is None and not elements(value):
            continue
        literal = read_literal(value)
        reason = exclusion(name, literal)
        if reason:
            if reason not in ("bookkeeping", "seed"):
                findings.leave_out(name, reason, value.lineno)
            if defines_evaluation(name, literal) and not _problem(scope, name, changed):
                candidate = Candidate(name, None, unset(), owner=scope.name)
                findings.reserved += spread(source, "constant", value, candidate)
            continue
        if not _matters(name, value, scope, uses):
            continue
        problem = _problem(scope, name, changed if elements(value) else frozenset())
        if problem:
            findings.note(f"{name} at line {value.lineno} is left out: {problem}")
            continue
        keyword, call = uses.get(name, ("", ""))
        unknown = guess(name, literal if literal is not None else 1.0, "") is None or _role(name) == "other"
        base = Candidate(
            name,
            None,
            unset(),
            owner=scope.name,
            call=call if unknown else "",
            weight=_weight(name, scope),
        )
        for candidate in spread(source, "constant", value, base):
            if unknown and keyword and not exclusion(keyword):
                place = candidate.name.removeprefix(name)
                known = guess(keyword + place, candidate.value, call)
                if known is not None and known.role != "other":
                    findings.candidates.append(_as(candidate, keyword + place, call))
                    continue
            findings.candidates.append(candidate)


def _as(candidate: Candidate, meaning: str, call: str) -> Candidate:
    """``candidate`` judged as the keyword that it is passed as, and shown by its own name."""
    return Candidate(
        meaning, candidate.value, candidate.origin, owner=candidate.owner, call=call, alias=candidate.name,
        weight=candidate.weight,
    )  # fmt: skip


def _role(name: str) -> str:
    known = guess(name, 1.0)
    return known.role if known else "other"


def _weight(name: str, scope: Scope) -> float:
    if scope.name:
        return 0.95
    return 1.0 if name.isupper() else 0.97


def _matters(name: str, value: ast.expr, scope: Scope, uses: Mapping[str, tuple[str, str]]) -> bool:
    """Whether a name without a known role is worth showing: upper-case ones are, working variables are not."""
    if name.isupper() or name[:1].isupper():
        return not name.startswith("_")
    literal = read_literal(value)
    known = guess(name, literal if literal is not None else 1.0)
    if isinstance(literal, str):
        return known is not None or name in uses
    if known is not None and known.role != "other":
        return True
    return len(snake(name)) > 2 and (not scope.name or name in uses) and literal not in (0, None)


def _problem(scope: Scope, name: str, changed: frozenset[str]) -> str:
    if scope.bound[name] > 1:
        return "it is assigned more than once, so a new value at this place may not take effect"
    if name in scope.augmented and _role(name) == "other":
        return "it is counted up or changed in place"
    if name in changed:
        return "its contents are changed later"
    if not scope.used(name):
        return "nothing in the script reads it"
    return ""


def _assignments(scope: Scope) -> Iterator[tuple[str, ast.expr]]:
    for statement in scope.statements:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        if len(targets) > 1 and not all(isinstance(t, ast.Name) and scope.bound[t.id] == 1 for t in targets):
            continue
        target = targets[0]
        if isinstance(target, ast.Name):
            yield target.id, value
        elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
            names = [t.id for t in target.elts if isinstance(t, ast.Name)]
            if len(names) == len(target.elts) == len(value.elts):
                yield from zip(names, value.elts, strict=True)


def _dictionary(source: Source, scope: Scope, name: str, node: ast.Dict, findings: Findings) -> None:
    """The entries of a dictionary of settings; one whose entries are literals under string keys."""
    pairs = [(k.value, v) for k, v in zip(node.keys, node.values, strict=True)
             if isinstance(k, ast.Constant) and isinstance(k.value, str)]  # fmt: skip
    literal = [(k, v) for k, v in pairs if read_literal(v) is not None or elements(v)]
    if not literal or not any(_role(key) != "other" for key, _ in literal) or "grid" in name.lower():
        return
    if scope.bound[name] > 1 or not scope.used(name):
        findings.note(f"{name} at line {node.lineno} is left out: it is assigned more than once, or never read")
        return
    call = "boosting" if _BOOSTING & {key for key, _ in pairs} else ""
    rewritten = _rewritten_keys(scope.node, name)
    for key, value in literal:
        if rewritten is None or key in rewritten:
            findings.note(f"{name}[{key!r}] at line {value.lineno} is left out: its contents are changed later")
            continue
        reason = exclusion(key, read_literal(value))
        if reason == "seed" and isinstance(read_literal(value), int):
            findings.seeds.append(source.origin("constant", value))
        elif reason:
            findings.leave_out(f"{name}.{key}", reason, value.lineno)
        else:
            findings.candidates += spread(
                source, "constant", value, Candidate(key, None, unset(), owner=name, call=call, weight=0.97)
            )


def _rewritten_keys(tree: ast.AST, name: str) -> frozenset[str] | None:
    """Keys of the dictionary ``name`` that are assigned later; None where that cannot be told."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) and dotted(node.value) == name:
            if not isinstance(node.slice, ast.Constant):
                return None
            found.add(str(node.slice.value))
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("update", "clear", "pop", "popitem")
            and dotted(node.func.value) == name
        ):
            return None
    return frozenset(found)


def _uses(tree: ast.AST) -> dict[str, tuple[str, str]]:
    """For names that are passed to calls: the keyword and the call's last name, which tell the role."""
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        call = dotted(node.func).rpartition(".")[2]
        for keyword in node.keywords:
            if keyword.arg and isinstance(keyword.value, ast.Name):
                found.setdefault(keyword.value.id, (keyword.arg, call))
        if call.endswith("Dropout") and len(node.args) == 1 and isinstance(node.args[0], ast.Name):
            found.setdefault(node.args[0].id, ("p", call))
    return found
