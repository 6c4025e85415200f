"""Literals by which a script seeds its random numbers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from knowhy.subjects.bindings import Scope
from knowhy.subjects.candidates import Findings
from knowhy.subjects.exclusions import excluded_call, exclusion
from knowhy.subjects.source import Source, calls, dotted, read_literal

SEEDING = re.compile(
    r"(\w+\.)*(manual_seed(_all)?|seed|seed_everything|set_(random_)?seed|seed_all|fix_seed|setup_seed|default_rng"
    r"|RandomState|PRNGKey|SeedSequence|PCG64|MT19937|Philox|enable_full_determinism|set_global_seed|random\.Random"
    r"|random\.key|Random|Generator)"
)
_KEYWORD = re.compile(r"(random_|rng_|global_|torch_|np_|data_)?(seed|random_state)")
_FOR_DATA = re.compile(r"(?i)(\w*_)?(eval|evaluate|evaluation|val|valid|test|split|holdout|data|dataset)(_\w*)?")
DATA_FUNCTION = re.compile(r"(?i)(load|read|fetch|prepare|split|download)(_\w+)?|_(load|read|split)(_\w+)?")
_OWN_GENERATOR = ("default_rng", "RandomState", "Random", "Generator", "PCG64", "SeedSequence", "Philox", "MT19937")


def find_seeds(source: Source, scopes: tuple[Scope, ...], findings: Findings) -> None:
    """Add seeds that stand in constants and in calls; those that fix the data are told and kept."""
    for scope in scopes:
        _constants(source, scope, findings)
    named = bool(findings.seeds)
    fixed = _fixed_for_data(source.tree)
    for name, call in calls(source.tree):
        last = name.rpartition(".")[2]
        for node in _seeded_by(name, call):
            literal, what = _whole_number(node), ast.unparse(node)
            if excluded_call(last) in ("evaluation", "the data") or id(call) in fixed:
                if literal is not None or isinstance(node, ast.Name):
                    findings.note(
                        f"{last}(... {what}) at line {node.lineno} draws the data or the split"
                        + (
                            ": its seed is kept"
                            if literal is not None
                            else f", so a trial's seed in {what} varies them too"
                        )
                    )
                continue
            if literal is not None and named and last in _OWN_GENERATOR:
                findings.note(f"{last}({what}) at line {node.lineno} is kept: the script names its seed elsewhere")
            elif literal is not None:
                findings.seeds.append(source.origin("keyword", literal))
    unique = {(seed.start, seed.end, seed.flag): seed for seed in findings.seeds}
    findings.seeds[:] = sorted(unique.values(), key=lambda seed: (seed.line, seed.start))


def _constants(source: Source, scope: Scope, findings: Findings) -> None:
    for statement in scope.statements:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        named = [t.id for t in targets if isinstance(t, ast.Name)]
        for name in named:
            number = _whole_number(value)
            if exclusion(name) != "seed" or number is None:
                continue
            if _FOR_DATA.fullmatch(name.lower().removesuffix("_seed").removesuffix("seed") or "-"):
                findings.note(f"{name} at line {value.lineno} fixes the data or the evaluation: it is kept")
            else:
                findings.seeds.append(source.origin("constant", number))


def _seeded_by(name: str, call: ast.Call) -> Iterator[ast.expr]:
    if SEEDING.fullmatch(name) and call.args:
        yield call.args[0]
    elif not name.rpartition(".")[2].startswith("add_argument"):
        for keyword in call.keywords:
            if keyword.arg and _KEYWORD.fullmatch(keyword.arg):
                yield keyword.value


def _whole_number(node: ast.expr) -> ast.expr | None:
    """The whole number that ``node`` is, or the only one in a sum such as ``1337 + rank``."""
    value = read_literal(node)
    if isinstance(value, int) and not isinstance(value, bool):
        return node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        numbers = [n for n in (_whole_number(node.left), _whole_number(node.right)) if n is not None]
        return numbers[0] if len(numbers) == 1 else None
    return None


def _fixed_for_data(tree: ast.AST) -> frozenset[int]:
    """Calls whose random numbers make the data or the split: ``val_rng = default_rng(0)``, or inside ``load_data``."""
    found: set[int] = set()
    for node in ast.walk(tree):
        named: list[str] = []
        if isinstance(node, ast.Assign):
            named = [dotted(t) for t in node.targets]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            named = [node.name] if _FOR_DATA.fullmatch(node.name) or DATA_FUNCTION.fullmatch(node.name) else []
        if isinstance(node, ast.Assign) and not any(_FOR_DATA.fullmatch(name or "-") for name in named):
            continue
        if named:
            found.update(id(n) for n in ast.walk(node) if isinstance(n, ast.Call))
    return frozenset(found)
