"""Claims as sentences of a small controlled English, and back.

``parse(render(claim)) == claim`` for every claim that ``parse`` gives. The grammar is in ``claims.lark``;
what is checked here is that names exist, values are in range, and an order is only asked of numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import assert_never

from knowhy.engine.nearest import nearest
from knowhy.engine.reading import Reader
from knowhy.engine.syntax import LONGEST, MisfitError, keywords, trees
from knowhy.errors import SentenceError
from knowhy.model.space import Scalar, Space
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
)

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_RESERVED = frozenset(
    re.findall(
        "[a-z]+",
        "above act against and at average best better between beyond by default everywhere false for from improving "
        "in inf infinity interact is keeps least lies lowers matters more nan near no none not null off on only own "
        "raises sqrt than the their through to trades true when where with worse yes",
    )
)
_PLACES = {"average": "", "best": " near the best", "default": " at the default", "everywhere": " everywhere"}

_FORMS: tuple[tuple[str, str], ...] = (
    (
        "raising A from x to y lowers|raises C [by at least d]",
        "raising dropout from 0.1 to 0.4 lowers gap by at least 0.01",
    ),
    (
        "raising A from x to y does not change C [by more than d]",
        "raising momentum from 0.8 to 0.9 does not change val_loss",
    ),
    ("raising A lowers|raises|does not change C", "raising weight_decay lowers gap"),
    ("lowering A from y to x lowers|raises|does not change C", "lowering lr from 0.1 to 0.01 lowers val_loss"),
    (
        "switching A from u to v lowers|raises|does not change C",
        "switching activation from relu to gelu lowers val_loss",
    ),
    ("turning A on|off lowers|raises|does not change C", "turning augment on lowers gap"),
    ("raising A from x to y trades C against D", "raising width from 64 to 256 trades val_loss against gap"),
    ("A = u is better than A = v for C", "activation = gelu is better than activation = relu for val_loss"),
    ("C is best with A near v | below v | above v", "val_loss is best with lr near 0.01"),
    ("C is best with A between v and w", "val_loss is best with lr between 0.001 and 0.01"),
    ("the best C lies where A >= x [and B <= y]", "the best val_loss lies where lr >= 0.1"),
    ("the best A for C rises|falls|does not move with B", "the best lr for val_loss falls with width"),
    ("A matters more than B for C", "lr matters more than dropout for val_loss"),
    ("A matters for C", "lr matters for val_loss"),
    ("A does not matter for C", "momentum does not matter for val_loss"),
    ("A and B interact on C", "lr and depth interact on val_loss"),
    ("A and B act on their own on C", "dropout and lr act on their own on val_loss"),
    (
        "C depends on A and B only through A/B | A*B | A/sqrt(B)",
        "val_loss depends on lr and batch_size only through lr/batch_size",
    ),
    ("trials fail when A [*B ...] is above|below x", "trials fail when depth*width is above 4096"),
    ("more A keeps improving C beyond x", "more epochs keeps improving val_loss beyond 20"),
    ("... near the best | at the default | everywhere", "raising dropout lowers gap near the best"),
    (
        "... where B >= z [and D <= w | and E = u]",
        "raising dropout lowers gap near the best where epochs >= 20 and augment = False",
    ),
)


def forms() -> tuple[tuple[str, str], ...]:
    """Every form of sentence: a pattern (C a metric, A and B parameters, the rest values) and an example."""
    return _FORMS


def parse(sentence: str, space: Space, metrics: Collection[str]) -> Claim:
    """The claim that ``sentence`` makes about the parameters of ``space`` and the ``metrics``.

    Keywords count in any case, blanks and a final full stop do not. Raises SentenceError; its
    ``nearest`` is a sentence about the same things that does parse, or empty when there is none.
    """
    try:
        return _read(sentence, space, metrics)
    except SentenceError as error:
        close = nearest(sentence[:LONGEST], space, metrics, _attempt(space, metrics))
        hint = error.hint or "use one of the forms of claim"
        raise SentenceError(error.message, hint, close) from None


def _attempt(space: Space, metrics: Collection[str]) -> Callable[[str], str | None]:
    def attempt(sentence: str) -> str | None:
        """The canonical form of ``sentence``, or None if it does not parse."""
        try:
            return render(_read(sentence, space, metrics))
        except SentenceError:
            return None

    return attempt


def _read(sentence: str, space: Space, metrics: Collection[str]) -> Claim:
    """The first reading that makes sense; raises SentenceError for the likeliest one otherwise."""
    if len(sentence) > LONGEST:
        raise SentenceError(f"a claim of {len(sentence)} characters is too long", f"use at most {LONGEST}")
    if not sentence.strip():
        raise SentenceError("the claim is empty", f"write a sentence such as: {_FORMS[0][1]}")
    reader, names = Reader(space, metrics), [*(p.name for p in space), *metrics]
    trouble: SentenceError | None = None
    try:
        for tree in trees(sentence, names):
            try:
                return reader.claim(tree)
            except SentenceError as error:
                trouble = trouble or error
    except MisfitError as misfit:
        seen, found = sentence[: misfit.position].strip(), _clip(sentence[misfit.position :].strip())
        where = f"{found!r} does not fit after {_clip(seen, end=True)!r}" if found else "it stops too soon"
        if not seen or (len(seen.split()) == 1 and seen not in names and seen.lower() not in keywords()):
            where = f"none starts with {seen or found!r}"
        hint = "expected " + ", ".join(misfit.expected[:12]) if misfit.expected else ""
        if where.startswith("none starts"):
            hint = "start with 'raising', 'switching', 'the best', 'trials fail when', 'more', a parameter or a metric"
        trouble = SentenceError(f"no form of claim fits: {where}", hint)
    raise trouble or SentenceError("no form of claim fits")


def _clip(text: str, *, end: bool = False) -> str:
    if len(text) <= 40:
        return text
    return f"...{text[-37:]}" if end else f"{text[:37]}..."


def render(claim: Claim) -> str:
    """The canonical sentence of ``claim``."""
    match claim:
        case Effect():
            text = f"{_change(claim)} {claim.metric}"
            if claim.margin is not None:
                size = "by more than" if claim.verb == "does not change" else "by at least"
                text += f" {size} {_value(claim.margin)}"
            return text + _scope(claim.scope)
        case Trades(name, start, end, metric, against, scope):
            change = _change(Effect(name, start, end, "raises", metric)).removesuffix(" raises")
            return f"{change} trades {metric} against {against}{_scope(scope)}"
        case Better(name, winner, loser, metric, scope):
            one, two = _value(winner), _value(loser)
            return f"{name} = {one} is better than {name} = {two} for {metric}{_scope(scope)}"
        case Optimum(metric, name, relation, low, high, scope):
            where = f"{_value(low)} and {_value(high)}" if relation == "between" else _value(low)
            return f"{metric} is best with {name} {relation} {where}{_scope(scope)}"
        case Lies(metric, bounds):
            return f"the best {metric} lies where {' and '.join(map(_bound, bounds))}"
        case OptimumMoves(name, metric, verb, other, scope):
            return f"the best {name} for {metric} {verb} with {other}{_scope(scope)}"
        case MattersMore(name, other, metric, scope):
            return f"{name} matters more than {other} for {metric}{_scope(scope)}"
        case Matters(name, metric, positive, scope):
            return f"{name} {'matters' if positive else 'does not matter'} for {metric}{_scope(scope)}"
        case Interacts(name, other, metric, together, scope):
            return f"{name} and {other} {'interact' if together else 'act on their own'} on {metric}{_scope(scope)}"
        case OnlyThrough(metric, name, other, op):
            through = f"{name}/sqrt({other})" if op == "/sqrt" else f"{name}{op}{other}"
            return f"{metric} depends on {name} and {other} only through {through}"
        case FailsWhen(names, side, threshold):
            return f"trials fail when {'*'.join(names)} is {side} {_value(threshold)}"
        case KeepsImproving(name, metric, beyond, scope):
            return f"more {name} keeps improving {metric} beyond {_value(beyond)}{_scope(scope)}"
        case _:
            assert_never(claim)


def _change(claim: Effect) -> str:
    """The action and the verb; numbers that go down are told as lowering."""
    action = "switching"
    if _number(claim.start) and _number(claim.end):
        action = "raising" if claim.start < claim.end else "lowering"  # type: ignore[operator]
    return f"{action} {claim.parameter} from {_value(claim.start)} to {_value(claim.end)} {claim.verb}"


def _number(value: Scalar) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _scope(scope: Scope) -> str:
    if not scope.bounds:
        return _PLACES[scope.kind]
    return _PLACES[scope.kind] + " where " + " and ".join(map(_bound, scope.bounds))


def _bound(bound: Bound) -> str:
    return f"{bound.parameter} {bound.op} {_value(bound.value)}"


def _value(value: Scalar) -> str:
    """``value`` as people write it: numbers at their shortest, texts bare where that is plain."""
    if isinstance(value, float):
        text = repr(value).removesuffix(".0")
        return re.sub(r"e([+-])0*(\d+)$", lambda m: f"e{m[1].strip('+')}{m[2]}", text)
    if isinstance(value, str):
        plain = _BARE.fullmatch(value) and value.lower() not in _RESERVED
        return value if plain else json.dumps(value, ensure_ascii=False)
    return str(value)


def mentions(claim: Claim) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The parameters (those of the scope included) and the metrics of ``claim``, each once, in order."""
    metrics = [m for m in (getattr(claim, "metric", None), getattr(claim, "against", None)) if m is not None]
    return tuple(dict.fromkeys(_parameters(claim))), tuple(metrics)


def _parameters(claim: Claim) -> Iterator[str]:
    match claim:
        case FailsWhen(names):
            yield from names
            return
        case Lies(_, bounds):
            yield from (bound.parameter for bound in bounds)
            return
        case OnlyThrough(_, name, other):
            yield name
            yield other
            return
        case OptimumMoves() | MattersMore() | Interacts():
            yield claim.parameter
            yield claim.other
        case _:
            yield claim.parameter
    for bound in claim.scope.bounds:
        yield bound.parameter
