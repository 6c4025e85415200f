"""Command-line options: argparse's ``add_argument`` and click's ``option``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from knowhy.model.space import Origin, Scalar
from knowhy.subjects.bindings import Scope, stored_attributes
from knowhy.subjects.candidates import Candidate, Findings, spread, unset
from knowhy.subjects.exclusions import defines_evaluation, exclusion
from knowhy.subjects.source import Source, calls, dotted, elements, read_literal


@dataclass(frozen=True)
class _Option:
    """One declaration; ``keywords`` are its arguments by name."""

    names: tuple[str, ...]
    dest: str
    keywords: Mapping[str, ast.expr]
    node: ast.Call
    click: bool

    @property
    def flag(self) -> str:
        """The first long option, or else the first."""
        return next((n for n in self.names if n.startswith("--")), self.names[0])

    def text(self, keyword: str) -> str:
        """The string that ``keyword`` is given, or ""."""
        value = read_literal(self.keywords[keyword]) if keyword in self.keywords else None
        return value if isinstance(value, str) else ""

    def true(self, keyword: str) -> bool:
        return keyword in self.keywords and read_literal(self.keywords[keyword]) is True


def find_flags(source: Source, module: Scope, arguments: Sequence[str], findings: Findings) -> frozenset[str]:
    """Add the options that have a default; returns the constants that only give an option its default."""
    tree = source.tree
    given = {a.partition("=")[0] for a in arguments if a.startswith("-")}
    stored = stored_attributes(tree)
    parsed = _command_line_counts(tree)
    later = {
        k.arg: k.value for name, call in calls(tree) if name.endswith("set_defaults") for k in call.keywords if k.arg
    }
    constants: set[str] = set()
    for option in _options(tree):
        line = option.node.lineno
        default = later.get(option.dest, option.keywords.get("default"))
        reason = exclusion(option.dest, read_literal(default) if default is not None else None)
        if reason == "seed":
            _seed(source, option, default, parsed, findings)
            continue
        if reason:
            if reason != "bookkeeping" or default is not None:
                findings.leave_out(option.flag, reason, line)
            free = not given & set(option.names) and (option.click or option.dest not in stored)
            if default is not None and free and defines_evaluation(option.dest, read_literal(default)):
                findings.reserved += _candidates(source, option, default, parsed, findings)
            continue
        if given & set(option.names):
            findings.note(f"{option.flag} is held at the value that the command line gives")
            continue
        if option.dest in stored and not option.click:
            findings.note(f"{option.flag} at line {line} is left out: the script assigns {option.dest} after parsing")
            continue
        if isinstance(default, ast.Name):
            node = _constant_of(module, default.id)
            loads = _loads(tree, default.id)
            if node is None:
                findings.note(f"{option.flag} at line {line} is left out: its default {default.id} is not one literal")
                continue
            if loads > 1 or not parsed:
                continue
            constants.add(default.id)
            default = node
        findings.candidates += _candidates(source, option, default, parsed, findings)
    return frozenset(constants)


def _candidates(
    source: Source, option: _Option, default: ast.expr | None, parsed: bool, findings: Findings
) -> Iterator[Candidate]:
    base = _declared(option, Candidate(option.dest, None, unset()))
    switch = _switch(source, option, default)
    if switch is not None:
        if parsed:
            yield replace(base, value=switch[0], origin=switch[1], choices=(False, True))
        return
    if default is None or _is_none(default):
        if option.true("required"):
            findings.note(f"{option.flag} is required: give it a value on the command line")
        return
    if elements(default):
        yield from spread(source, "keyword", default, base)
        return
    value = read_literal(default)
    if isinstance(value, bool) and not option.click:
        # ``type=bool`` reads "False" as true, and ``store_true`` cannot say no: only the default can be changed.
        yield replace(base, value=value, origin=source.origin("keyword", default), choices=(False, True))
        return
    if value is None or option.text("action") not in ("", "store") or option.true("multiple"):
        return
    if "nargs" in option.keywords and read_literal(option.keywords["nargs"]) not in ("?", None):
        return
    kind = dotted(option.keywords["type"]) if "type" in option.keywords else ""
    if isinstance(value, str) and kind in ("int", "float"):
        return
    yield replace(base, value=value, origin=source.origin("flag", default, option.flag if parsed else ""))


def _declared(option: _Option, base: Candidate) -> Candidate:
    """``base`` with the type, choices and bounds that the option declares."""
    kind = option.keywords.get("type")
    choices = option.keywords.get("choices")
    low = high = None
    whole: bool | None = None
    if isinstance(kind, ast.Call):
        name = dotted(kind.func).rpartition(".")[2]
        if name == "Choice" and kind.args:
            choices = kind.args[0]
        if name in ("IntRange", "FloatRange"):
            whole = name == "IntRange"
            bounds = dict(zip(("min", "max"), kind.args, strict=False)) | {k.arg or "": k.value for k in kind.keywords}
            low, high = (_number(bounds.get(side)) for side in ("min", "max"))
    elif kind is not None:
        whole = {"int": True, "INT": True, "float": False, "FLOAT": False}.get(dotted(kind).rpartition(".")[2])
    values: tuple[Scalar, ...] = ()
    if isinstance(choices, (ast.List, ast.Tuple, ast.Set)):
        read = tuple(read_literal(c) for c in choices.elts)
        values = read if None not in read else ()
    elif isinstance(choices, ast.Call) and dotted(choices.func) == "range" and len(choices.args) in (1, 2):
        ends = [_number(a) for a in choices.args]
        if None not in ends:
            low, high = (0.0, ends[0]) if len(ends) == 1 else (ends[0], ends[1])
            high = high - 1 if high is not None else None
    return replace(base, choices=values, low=low, high=high, whole=whole)


def _number(node: ast.expr | None) -> float | None:
    value = read_literal(node) if node is not None else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _switch(source: Source, option: _Option, default: ast.expr | None) -> tuple[bool, Origin] | None:
    """The default and origin of an option that is switched on or off.

    The origin's text is the literal of the default or, where none is written, ``"store_true"`` or
    click's ``"--name"``: the place where a default can be added.
    """
    pair = next((n for n in option.names if "/" in n), "")
    value = read_literal(default) if default is not None else None
    action = option.text("action")
    if action in ("store_true", "store_false"):
        base = action == "store_false"
        if default is None:
            return base, source.origin("flag", option.keywords["action"], option.flag)
        return (base, source.origin("flag", default, option.flag)) if value is base else None
    boolean = (
        dotted(option.keywords["action"]).endswith("BooleanOptionalAction") if "action" in option.keywords else False
    )
    if boolean and default is not None and isinstance(value, bool):
        return value, source.origin("flag", default, f"{option.flag}/--no-{option.flag.removeprefix('--')}")
    if pair and default is not None and isinstance(value, bool):
        on, _, off = pair.replace(" ", "").partition("/")
        return (
            (value, source.origin("flag", default, f"{on}/{off}"))
            if on.startswith("-") and off.startswith("-")
            else None
        )
    if option.click and option.true("is_flag") and not pair:
        if default is not None:
            return (False, source.origin("flag", default, option.flag)) if value is False else None
        last = option.node.args[-1] if option.node.args else None
        if last is not None and read_literal(last) == option.flag:
            return False, source.origin("flag", last, option.flag)
    return None


def _seed(source: Source, option: _Option, default: ast.expr | None, parsed: bool, findings: Findings) -> None:
    flag = option.flag if parsed else ""
    value = read_literal(default) if default is not None else None
    if default is not None and ((isinstance(value, int) and not isinstance(value, bool)) or _is_none(default)):
        findings.seeds.append(source.origin("flag" if flag else "keyword", default, flag))
    elif default is None and flag and "action" not in option.keywords:
        findings.seeds.append(Origin("flag", source.origin("flag", option.node).file, option.node.lineno, flag=flag))


def _options(tree: ast.Module) -> Iterator[_Option]:
    for name, call in calls(tree):
        last = name.rpartition(".")[2]
        is_click = last == "option" and name in ("click.option", "option")
        if last != "add_argument" and not is_click:
            continue
        words = [value for argument in call.args if isinstance(value := read_literal(argument), str)]
        names = tuple(word for word in words if word.startswith("-"))
        if not names:
            continue
        keywords = {k.arg: k.value for k in call.keywords if k.arg}
        named = next((word for word in words if not word.startswith("-")), "")
        explicit = read_literal(keywords["dest"]) if "dest" in keywords else None
        longest = next((n for n in names if n.startswith("--")), names[0])
        dest = explicit if isinstance(explicit, str) else named or longest.partition("/")[0].strip()
        yield _Option(names, dest.lstrip("-").replace("-", "_"), keywords, call, is_click)


def _command_line_counts(tree: ast.Module) -> bool:
    """Whether options can be passed: not where ``parse_args`` is given a list of its own."""
    for name, call in calls(tree):
        if name.rpartition(".")[2] in ("parse_args", "parse_known_args"):
            own = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "args")]
            if any(isinstance(a, (ast.List, ast.Tuple)) or (isinstance(a, ast.Call) and not dotted(a)) for a in own):
                return False
    return True


def _constant_of(module: Scope, name: str) -> ast.expr | None:
    """The literal of a module constant that is assigned once."""
    if module.bound[name] != 1:
        return None
    for statement in module.statements:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        if [dotted(t) for t in targets] != [name]:
            continue
        if read_literal(value) is not None or elements(value):
            return value
    return None


def _loads(tree: ast.AST, name: str) -> int:
    return sum(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in ast.walk(tree))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
