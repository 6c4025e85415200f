"""Literal arguments of calls: ``MLPClassifier(alpha=1e-4)``, ``nn.Dropout(0.1)``, ``AdamW(lr=3e-4)``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from knowhy.subjects.candidates import Candidate, Findings, spread, unset
from knowhy.subjects.exclusions import defines_evaluation, excluded_call, exclusion
from knowhy.subjects.roles import guess
from knowhy.subjects.source import Source, calls, dotted, elements, read_literal

# Arguments that people give by position: (call, place, keyword).
_BY_PLACE: tuple[tuple[str, int, str], ...] = (
    (r"(Feature)?(Alpha)?Dropout(\d[dD])?|DropPath|SpatialDropout\dD", 0, "p"),
    (r"Adam\w*|SGD|RMSprop|Adagrad|Lion|NAdam|RAdam", 1, "lr"),
    (r"clip_grad_norm_|clip_grad_value_", 1, "max_norm"),
)

_EVALUATION = re.compile(r"(?i)(\w*[_.])?(eval|evaluation|val|valid|validation|test|holdout)(_?\w*)?")

# Libraries that show or tabulate, and keywords that mean something else in their functions and in most others.
_NO_TRAINING = frozenset(("plt", "sns", "ax", "axes", "axs", "fig", "px", "go", "pd", "df", "matplotlib", "seaborn"))
_VAGUE = frozenset(("alpha", "c", "nu", "sigma", "window", "kernel", "noise", "scale"))


def find_keywords(source: Source, findings: Findings) -> None:
    """Add literal keyword arguments of calls that build or train something."""
    skipped = _declarations(source.tree)
    judging = for_evaluation(source.tree)
    for name, call in calls(source.tree):
        last = name.rpartition(".")[2]
        if id(call) in skipped or not last or name.partition(".")[0] in _NO_TRAINING:
            continue
        why = "evaluation" if id(call) in judging else excluded_call(last)
        for keyword, node in _arguments(last, call):
            value = read_literal(node)
            if keyword.lower() in _VAGUE and not last[:1].isupper():
                continue
            if value is None and not elements(node):
                continue
            reason = exclusion(keyword, value)
            if reason == "seed":
                continue
            if why or reason:
                if why in ("", "evaluation") and reason not in ("bookkeeping", "reporting"):
                    findings.leave_out(f"{last}({keyword}=...)", reason or why, node.lineno)
                    if defines_evaluation(keyword, value):
                        findings.reserved += spread(
                            source, "keyword", node, Candidate(keyword, None, unset(), owner=last)
                        )
                continue
            known = guess(keyword, value if value is not None else 1.0, last)
            role = known.role if known else "other"
            if (
                role == "other"
                and (not last[:1].isupper() or isinstance(value, str))
                and not known_string(last, keyword, value)
            ):
                continue
            base = Candidate(
                keyword, None, unset(), owner=last, call=last, weight=0.98 if last[:1].isupper() else 0.95,
                alias="dropout" if role == "dropout" and len(keyword) == 1 else "",
            )  # fmt: skip
            findings.candidates += spread(source, "keyword", node, base)


def known_string(call: str, keyword: str, value: object) -> bool:
    """Whether ``keyword`` of ``call`` is a string with alternatives that are known."""
    found = guess(keyword, value, call) if isinstance(value, str) else None
    return found is not None and bool(found.choices)


def _arguments(last: str, call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    for keyword in call.keywords:
        if keyword.arg:
            yield keyword.arg, keyword.value
    for pattern, place, name in _BY_PLACE:
        if re.fullmatch(pattern, last) and len(call.args) > place:
            yield name, call.args[place]


def for_evaluation(tree: ast.Module) -> frozenset[int]:
    """Calls that make what results are judged on: ``test_loader = DataLoader(..., batch_size=1000)``."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(_EVALUATION.fullmatch(dotted(t) or "-") for t in node.targets):
            found.update(id(n) for n in ast.walk(node.value) if isinstance(n, ast.Call))
    return frozenset(found)


def _declarations(tree: ast.Module) -> frozenset[int]:
    """Calls that declare options or fields, which are found elsewhere: ids of their nodes."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for decorator in node.decorator_list:
                found.update(id(n) for n in ast.walk(decorator))
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("add_argument", "set_defaults", "field", "Field", "option", "Option", "Argument"):
                found.update(id(n) for n in ast.walk(node))
    return frozenset(found)
