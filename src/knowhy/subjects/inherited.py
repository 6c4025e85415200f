"""Constructor arguments that a script leaves at a library's default: ``SGD(lr=0.1)`` offers momentum and weight decay.

They are held from the start, whatever their confidence: nobody has thought of them, until a theory points there. A
trial splices the keyword in.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from knowhy.errors import SpaceError
from knowhy.model.space import Choices, Domain, Interval, Origin, Scalar
from knowhy.subjects.candidates import Candidate, Findings
from knowhy.subjects.exclusions import excluded_call, exclusion
from knowhy.subjects.keywords import for_evaluation
from knowhy.subjects.library import Argument, arguments, positional
from knowhy.subjects.ranges import domain_of
from knowhy.subjects.roles import Role, guess
from knowhy.subjects.source import Source, calls

_ESTIMATORS = re.compile(
    r"sklearn\.(svm|neural_network|ensemble|tree|linear_model|neighbors|naive_bayes|gaussian_process|kernel_ridge"
    r"|discriminant_analysis|decomposition|cluster|semi_supervised)\.[A-Z]\w+|lightgbm\.LGBM\w+"
)
_OPTIMISERS = re.compile(r"torch\.optim\.[A-Z]\w+")
_LAYERS = re.compile(r"torch\.nn\.[A-Z]\w+")
_LAYER_ROLES = frozenset(("dropout", "label_smoothing"))
_UNROLED = frozenset(("criterion", "class_weight", "bootstrap", "shrinking", "fit_intercept", "coef0"))
_NOT_OFFERED = frozenset(("dual", "intercept_scaling", "max_fun", "maximize", "dampening", "dim", "max_bins"))
_LIKELY = 0.8  # of the confidence that the same argument would have where it is written
_MOST = 12
# Where None, or a word, stands for "no limit" or "work it out": the settings that are worth trying beside it.
_BESIDE: dict[str, tuple[Scalar, ...]] = {
    "max_depth": (3, 6, 12),
    "max_leaf_nodes": (8, 31, 127),
    "max_samples": (0.3, 0.6, 0.9),
    "max_features": (0.25, 0.5, 1.0),
    "gamma": (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0),
    "class_weight": (),
}


def find_inherited(source: Source, findings: Findings) -> None:
    """Add what constructors of known libraries would take, and the script does not give."""
    names = _imported(source.tree)
    judging = for_evaluation(source.tree)
    for name, call in calls(source.tree):
        head, dot, rest = name.partition(".")
        full = f"{names[head]}{dot}{rest}" if head in names else name
        last = full.rpartition(".")[2]
        if id(call) in judging or excluded_call(last) or not _open_ended(call):
            continue
        layer = bool(_LAYERS.fullmatch(full))
        if layer or _ESTIMATORS.fullmatch(full) or _OPTIMISERS.fullmatch(full):
            found = [c for a in _left(full, call) if (c := _candidate(source, call, last, a, layer)) is not None]
            findings.candidates += sorted(found, key=lambda c: -c.weight)[:_MOST]


def _imported(tree: ast.Module) -> dict[str, str]:
    """What names of the script stand for: ``nn`` for ``torch.nn``, ``SVC`` for ``sklearn.svm.SVC``."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    found[alias.asname] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _open_ended(call: ast.Call) -> bool:
    """Whether a keyword can be added, and would be the only one of its name."""
    starred = any(isinstance(a, (ast.Starred, ast.GeneratorExp)) for a in call.args)
    return not starred and all(k.arg for k in call.keywords)


def _left(name: str, call: ast.Call) -> Iterator[Argument]:
    """The arguments of ``name`` that ``call`` leaves alone."""
    given = {k.arg for k in call.keywords} | set(positional(name)[: len(call.args)])
    yield from (a for a in arguments(name) if a.name not in given)


def _candidate(source: Source, call: ast.Call, last: str, argument: Argument, layer: bool) -> Candidate | None:
    name, value = argument.name, argument.default
    if name in _NOT_OFFERED or value == "deprecated" or exclusion(name, value):
        return None
    known = guess(name, value if value is not None else 1.0, last)
    role: Role = known.role if known is not None else _role(name, last)
    if (layer and role not in _LAYER_ROLES) or (role == "other" and name not in _UNROLED):
        return None
    domain = _domain(argument, role, last)
    if domain is None:
        return None
    likely = _LIKELY * (known.confidence if known is not None else 0.5)
    return Candidate(
        name, value, _origin(source, call, name), owner=last, call=last, domain=domain, role=role, weight=likely
    )


def _role(name: str, call: str) -> Role:
    known = guess(name, 1.0, call) or guess(name, True, call)
    return known.role if known is not None else "other"


def _domain(argument: Argument, role: Role, call: str) -> Domain | None:
    """Where to search an argument, within what is valid; None where nothing sensible is known."""
    value = argument.default
    if isinstance(value, bool):
        return Choices((False, True))
    texts = tuple(c for c in argument.choices if c not in ("precomputed", "deprecated"))
    if value is None or isinstance(value, str):
        if value is None and not argument.none:
            return None
        beside = _BESIDE.get(argument.name, ()) if argument.numbers else ()
        none: tuple[Scalar, ...] = (None,) if argument.none else ()
        values = tuple(dict.fromkeys((value, *none, *texts, *beside)))
        wanted = argument.name in _BESIDE or (isinstance(value, str) and not argument.numbers)
        return Choices(values) if wanted and len(values) >= 2 else None
    if value < 0:
        return None
    domain = domain_of(role, value, call, whole=argument.whole and isinstance(value, int), name=argument.name)
    if value == 0 and role in ("weight_decay", "regularization"):
        domain = Interval(1e-6, 1.0 if role == "regularization" else 0.1, "log", zero=True)
    return _valid(domain, argument, value) if isinstance(domain, Interval) else domain


def _valid(domain: Interval, argument: Argument, value: int | float) -> Interval | None:
    """``domain`` within the bounds that the library sets."""
    low, high = domain.low, domain.high
    nudge = 0.0 if domain.integer else 0.01
    if argument.low is not None and (low < argument.low or (low == argument.low and argument.open_low)):
        low = min(argument.low + (nudge * (high - argument.low) if argument.open_low else 0.0), value)
    if argument.high is not None and (high > argument.high or (high == argument.high and argument.open_high)):
        high = max(argument.high - (nudge * (argument.high - low) if argument.open_high else 0.0), value)
    try:
        return replace(domain, low=low, high=high)
    except SpaceError:
        return None


def _origin(source: Source, call: ast.Call, name: str) -> Origin:
    """The place before the closing bracket, where the keyword would stand."""
    end = source.span(call)[1] - 1
    file, line = source.origin("keyword", call).file, source.data[:end].count(b"\n") + 1
    return Origin("inherited", file, line, end, end, key=name)
