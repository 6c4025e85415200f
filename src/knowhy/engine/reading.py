"""From a syntax tree to a claim: names are looked up, values checked, and the claim put in its normal form.

Normal form: an effect of numbers goes up ("lowering A from y to x raises C" becomes "raising A from x to y
lowers C"), "worse than" becomes "better than", ends of ranges are filled in, whole numbers are ints.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Sequence
from itertools import product
from typing import TYPE_CHECKING, NoReturn, cast
from typing import Literal as Word

from knowhy.engine import literals
from knowhy.engine.syntax import Literal, literal
from knowhy.errors import SentenceError
from knowhy.model.space import Interval, Parameter, Scalar, Space, describe
from knowhy.model.theory import (
    Better,
    Bound,
    Claim,
    Effect,
    FailsWhen,
    Interacts,
    KeepsImproving,
    Lies,
    Matters,
    MattersMore,
    OnlyThrough,
    Optimum,
    OptimumMoves,
    Scope,
    Trades,
    Verb,
)

if TYPE_CHECKING:
    from lark import Token, Tree

    Node = Tree[Token]

_VERBS: dict[str, Verb] = {"raises": "raises", "lowers": "lowers", "unchanged": "does not change"}
_OPPOSITE: dict[Verb, Verb] = {"raises": "lowers", "lowers": "raises", "does not change": "does not change"}


class Reader:
    """Reads trees of the grammar against ``space`` and ``metrics``; every method raises SentenceError."""

    def __init__(self, space: Space, metrics: Collection[str]) -> None:
        """Keep what names can mean."""
        self._space = space
        self._metrics = tuple(metrics)

    def claim(self, tree: Node) -> Claim:
        """The claim that a whole tree makes."""
        parts = [part for part in tree.children if part is not None]
        nodes = cast("list[Node]", parts)
        match tree.data:
            case "effect":
                return self._effect(cast("list[Node | None]", tree.children))
            case "trades":
                return self._trades(cast("list[Node | None]", tree.children))
            case "turning":
                return self._turning(cast("list[Node | None]", tree.children))
            case "better":
                return self._better(cast("list[Node | None]", tree.children))
            case "optimum":
                return self._optimum(nodes)
            case "lies":
                return Lies(self._metric(nodes[0]), self._bounds(nodes[1:]))
            case "moves":
                name, other = self._ordered(nodes[0], "has a best value that moves"), self._sortable(nodes[3])
                _distinct(name, other)
                verb = {"rises": "rises", "falls": "falls", "stays": "does not move"}[nodes[2].data]
                shift = cast("Word['rises', 'falls', 'does not move']", verb)
                return OptimumMoves(name.name, self._metric(nodes[1]), shift, other.name, self._scope(nodes[4]))
            case "more":
                name, other = self._parameter(nodes[0]), self._parameter(nodes[1])
                _distinct(name, other)
                return MattersMore(name.name, other.name, self._metric(nodes[2]), self._scope(nodes[3]))
            case "matters" | "matters_not":
                name, positive = self._parameter(nodes[0]), tree.data == "matters"
                return Matters(name.name, self._metric(nodes[1]), positive, self._scope(nodes[2]))
            case "interacts" | "act_alone":
                name, other = self._parameter(nodes[0]), self._parameter(nodes[1])
                _distinct(name, other)
                together = tree.data == "interacts"
                return Interacts(name.name, other.name, self._metric(nodes[2]), together, self._scope(nodes[3]))
            case "through":
                return self._through(nodes)
            case "fails":
                return self._fails(nodes)
            case _:
                name = self._ordered(nodes[0], "keeps improving a metric")
                beyond = float(cast(float, _value(nodes[2], name, whole=False)))
                if isinstance(name.domain, Interval) and beyond >= name.domain.high:
                    raise SentenceError(
                        f"nothing of {name.name} is beyond {beyond:g}", f"its range is {describe(name)}"
                    )
                return KeepsImproving(name.name, self._metric(nodes[1]), beyond, self._scope(nodes[3]))

    # Claims with checks of their own.

    def _effect(self, parts: Sequence[Node | None]) -> Effect:
        change, name_node, start_node, end_node, verb_node, metric_node, margin_node, scope_node = parts
        assert change is not None  # only the values and the margin are optional
        name = self._parameter(name_node)
        verb = _VERBS[cast("Node", verb_node).data]
        start, end, turned = _ends(change, name, start_node, end_node)
        return Effect(
            name.name,
            start,
            end,
            _OPPOSITE[verb] if turned else verb,
            self._metric(metric_node),
            _margin(margin_node, verb),
            self._scope(scope_node, sets=name.name),
        )

    def _trades(self, parts: Sequence[Node | None]) -> Trades:
        change, name_node, start_node, end_node, metric_node, against_node, scope_node = parts
        assert change is not None
        name = self._parameter(name_node)
        start, end, turned = _ends(change, name, start_node, end_node)
        metric, against = self._metric(metric_node), self._metric(against_node)
        if metric == against:
            raise SentenceError(f"{metric} is traded against itself", "name two different metrics")
        if turned:
            metric, against = against, metric
        return Trades(name.name, start, end, metric, against, self._scope(scope_node, sets=name.name))

    def _turning(self, parts: Sequence[Node | None]) -> Effect:
        name_node, state, verb_node, metric_node, margin_node, scope_node = parts
        name = self._parameter(name_node)
        if not literals.switch(name.domain):
            raise SentenceError(f"{name.name} cannot be turned on or off", f"its range is {describe(name)}")
        on, verb = cast("Node", state).data == "on", _VERBS[cast("Node", verb_node).data]
        margin, scope = _margin(margin_node, verb), self._scope(scope_node, sets=name.name)
        return Effect(name.name, not on, on, verb, self._metric(metric_node), margin, scope)

    def _better(self, parts: Sequence[Node | None]) -> Better:
        name_node, one_node, order, other_node, two_node, metric_node, scope_node = parts
        name = self._parameter(name_node)
        if other_node is not None and (other := self._parameter(other_node)) != name:
            raise SentenceError(
                f"values of two parameters, {name.name} and {other.name}, are compared",
                "compare two values of one parameter",
            )
        one, two = _value(one_node, name), _value(two_node, name)
        if literals.same(one, two):
            raise SentenceError(f"{name.name} = {one} is compared with itself", "give two different values")
        if cast("Node", order).data == "worse_than":
            one, two = two, one
        return Better(name.name, one, two, self._metric(metric_node), self._scope(scope_node, sets=name.name))

    def _optimum(self, nodes: Sequence[Node]) -> Optimum:
        metric, name = self._metric(nodes[0]), self._ordered(nodes[1], "has a best region")
        values = [float(cast(float, _value(v, name, whole=False))) for v in _nodes(nodes[2])]
        relation = cast("Word['near', 'below', 'above', 'between']", nodes[2].data)
        if relation == "between" and values[0] == values[1]:
            raise SentenceError(f"nothing lies between {values[0]:g} and itself", "give two different values")
        # near, below and above carry their one value as both low and high
        return Optimum(metric, name.name, relation, min(values), max(values), self._scope(nodes[3]))

    def _through(self, nodes: Sequence[Node]) -> OnlyThrough:
        metric = self._metric(nodes[0])
        one, two, first = (self._ordered(n, "can be combined") for n in nodes[1:4])
        second = self._ordered(_nodes(nodes[4])[0], "can be combined")
        _distinct(one, two)
        _distinct(first, second)
        if {one.name, two.name} != {first.name, second.name}:
            raise SentenceError(
                f"the combination is not made of {one.name} and {two.name}", "combine the two that are named before"
            )
        op: dict[str, Word["/", "*", "/sqrt"]] = {"ratio": "/", "product": "*", "root": "/sqrt"}
        return OnlyThrough(metric, first.name, second.name, op[nodes[4].data])

    def _fails(self, nodes: Sequence[Node]) -> FailsWhen:
        *name_nodes, side, value_node = nodes
        names = [self._ordered(n, "can be multiplied") for n in name_nodes]
        if len({p.name for p in names}) < len(names):
            raise SentenceError("a parameter is multiplied with itself", "name each parameter once")
        threshold = literals.plain_number(_literal(value_node))
        spans = [(p.domain.low, p.domain.high) for p in names if isinstance(p.domain, Interval)]
        corners = [math.prod(corner) for corner in product(*spans)] if len(spans) <= 10 else []
        if corners and not min(corners) <= threshold <= max(corners):
            what = " * ".join(p.name for p in names)
            raise SentenceError(
                f"{what} never gets past {threshold:g}", f"its range is {min(corners):g} to {max(corners):g}"
            )
        return FailsWhen(tuple(p.name for p in names), "above" if side.data == "above_it" else "below", threshold)

    def _scope(self, node: Node | None, sets: str = "") -> Scope:
        """The scope; ``sets`` is the parameter whose values the claim itself gives, which must not be bounded."""
        assert node is not None
        place, *bounds = cast("list[Node | None]", node.children)
        kind = cast("Word['average', 'best', 'default', 'everywhere']", place.data if place else "average")
        read = self._bounds([b for b in bounds if b is not None])
        if any(bound.parameter == sets for bound in read):
            raise SentenceError(f"the scope bounds {sets}, whose values the claim gives", "bound other parameters")
        return Scope(kind, read)

    def _bounds(self, nodes: Sequence[Node]) -> tuple[Bound, ...]:
        read = tuple(self._bound(b) for b in nodes)
        for name in {b.parameter for b in read}:
            literals.check_bounds([b for b in read if b.parameter == name])
        return read

    def _bound(self, node: Node) -> Bound:
        name_node, value_node = _nodes(node)
        name = self._parameter(name_node)
        if node.data == "equal":
            return Bound(name.name, "=", _value(value_node, name))
        if not isinstance(name.domain, Interval):
            raise SentenceError(f"the values of {name.name} have no order", f"write {name.name} = one of its values")
        value = cast(float, _value(value_node, name, whole=False))
        if name.domain.integer and node.data in ("greater", "smaller"):
            value = math.floor(value) + 1 if node.data == "greater" else math.ceil(value) - 1
            if not name.domain.contains(value):
                raise SentenceError(f"no value of {name.name} is left by the scope", f"its range is {describe(name)}")
        return Bound(name.name, ">=" if node.data in ("greater", "at_least") else "<=", value)

    # Names and values.

    def _parameter(self, node: Node | None) -> Parameter:
        text = _text(node)
        if text in self._space:
            return self._space[text]
        names = [p.name for p in self._space]
        if alike := [n for n in names if n.casefold() == text.casefold()]:
            return self._space[alike[0]]
        if text in self._metrics:
            raise SentenceError(f"{text} is a metric, not a parameter", _choose("parameter", text, names))
        raise SentenceError(f"there is no parameter {text!r}", _choose("parameter", text, names))

    def _metric(self, node: Node | None) -> str:
        text = _text(node)
        if text in self._metrics:
            return text
        if alike := [m for m in self._metrics if m.casefold() == text.casefold()]:
            return alike[0]
        if text in self._space:
            raise SentenceError(f"{text} is a parameter, not a metric", _choose("metric", text, self._metrics))
        raise SentenceError(f"there is no metric {text!r}", _choose("metric", text, self._metrics))

    def _ordered(self, node: Node, what: str) -> Parameter:
        name = self._parameter(node)
        if not name.numeric:
            raise SentenceError(
                f"{name.name} is not a number, and only a number {what}",
                f"its values are {describe(name)}: compare two of them with '{name.name} = ... is better than ...'",
            )
        return name

    def _sortable(self, node: Node) -> Parameter:
        """A number, or a switch (off before on)."""
        name = self._parameter(node)
        if not literals.switch(name.domain):
            self._ordered(node, "goes up")
        return name


def _ends(change: Node, name: Parameter, start_node: Node | None, end_node: Node | None) -> tuple[Scalar, Scalar, bool]:
    """From where to where a parameter is changed, numbers upwards, and whether that turned the change around."""
    ordered = literals.ordered(name.domain)
    if change.data != "switching" and not ordered:
        _no_order(name)
    if start_node is None or end_node is None:
        if not isinstance(name.domain, Interval):
            raise SentenceError(
                f"{name.name} has no low and high end", f"say from which value to which, of {describe(name)}"
            )
        low, high = literals.ends(name.domain)
        return low, high, change.data == "lowering"
    start, end = _value(start_node, name), _value(end_node, name)
    if literals.same(start, end):
        raise SentenceError(f"{name.name} does not change from {start} to {end}", "give two different values")
    if ordered and literals.is_number(start) and literals.is_number(end):
        down = cast(float, start) > cast(float, end)
        if change.data != "switching" and down != (change.data == "lowering"):
            says, way = ("raising", "down") if down else ("lowering", "up")
            raise SentenceError(
                f"from {start} to {end} {name.name} goes {way}, which is not {says} it", "swap the two values"
            )
        return (end, start, True) if down else (start, end, False)
    if change.data != "switching":
        _no_order(name)
    return start, end, False


def _nodes(node: Node) -> list[Node]:
    return cast("list[Node]", node.children)


def _literal(node: Node) -> Literal:
    return literal(cast("Token", node.children[0]))


def _value(node: Node | None, name: Parameter, *, whole: bool = True) -> Scalar:
    return literals.value(_literal(cast("Node", node)), name, whole=whole)


def _margin(node: Node | None, verb: Verb) -> float | None:
    return None if node is None else literals.margin(_literal(_nodes(node)[0]), verb)


def _text(node: Node | None) -> str:
    return str(cast("Node", node).children[0])


def _choose(kind: str, text: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(text, names, 1, 0.6)
    if close:
        return f"did you mean {close[0]}?"
    if not names:
        return f"the study has no {kind} yet"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"the {kind}s are {shown}" if len(names) > 1 else f"the only {kind} is {shown}"


def _distinct(one: Parameter, two: Parameter) -> None:
    if one.name == two.name:
        raise SentenceError(f"{one.name} stands on both sides", "name two different parameters")


def _no_order(name: Parameter) -> NoReturn:
    raise SentenceError(
        f"{name.name} cannot be raised or lowered: its values have no order",
        f"write 'switching {name.name} from ... to ...' with {describe(name)}",
    )
