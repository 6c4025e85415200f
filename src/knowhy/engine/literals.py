"""The values in a claim: what a number, a word or a quoted text means for a parameter."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import cast

from knowhy.engine.syntax import Literal
from knowhy.errors import SentenceError
from knowhy.model.space import Choices, Interval, Parameter, Scalar, describe
from knowhy.model.theory import Bound, Verb

_SWITCHES = {"on": True, "off": False, "true": True, "false": False, "yes": True, "no": False}
_NONE = ("none", "null")


def number(token: Literal) -> int | float | None:
    """The finite number that ``token`` says, or None."""
    if token.quoted:
        return None
    try:
        if "**" in token.text:
            base, exponent = token.text.split("**")
            value = float(base) ** int(exponent)
        else:
            value = float(token.text)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def plain_number(token: Literal) -> float:
    """The number that ``token`` says; raises SentenceError."""
    value = number(token)
    if value is None:
        raise SentenceError(f"a number is needed, not {token.text!r}", "write it as 0.1, 4096 or 1e-5")
    return float(value)


def margin(token: Literal, verb: Verb) -> float:
    """The size of a change; raises SentenceError for one that no change can have."""
    size = plain_number(token)
    if size < 0 or (size == 0 and verb == "does not change"):
        raise SentenceError(f"a change of {size:g} is no size", "give a positive number, in the metric's units")
    return size


def chosen(token: Literal, name: Parameter) -> Scalar:
    """The value of a choice that ``token`` means: itself as a text, a number, a switch or None."""
    values = cast("Choices", name.domain).values
    texts = [v for v in values if isinstance(v, str)]
    if token.text in texts and (token.quoted or number(token) is None):
        return token.text
    if not token.quoted:
        word, size = token.text.lower(), number(token)
        for value in values:
            if isinstance(value, bool):
                if _SWITCHES.get(word) is value:
                    return value
            elif value is None:
                if word in _NONE:
                    return None
            elif isinstance(value, (int, float)) and size is not None and value == size:
                return value
        if token.text in texts:
            return token.text
        alike = [v for v in texts if v.lower() == word]
        if len(alike) == 1:
            return alike[0]
    close = difflib.get_close_matches(token.text, [str(v) for v in values], 1, 0.6)
    hint = f"its values are {describe(name)}" + (f"; did you mean {close[0]}?" if close else "")
    raise SentenceError(f"{token.text!r} is not a value of {name.name}", hint)


def value(token: Literal, name: Parameter, *, whole: bool = True) -> Scalar:
    """The value of ``name`` that ``token`` says; raises SentenceError.

    ``whole`` refuses fractions where the parameter takes whole numbers only.
    """
    if isinstance(name.domain, Choices):
        return chosen(token, name)
    said = number(token)
    if said is None:
        raise SentenceError(f"{name.name} takes numbers, not {token.text!r}", f"its range is {describe(name)}")
    if not name.domain.contains(said):
        raise SentenceError(f"{token.text} is outside the range of {name.name}", f"its range is {describe(name)}")
    if not name.domain.integer:
        return float(said)
    if said != int(said) and whole:
        raise SentenceError(f"{name.name} takes whole numbers, not {token.text}", f"its range is {describe(name)}")
    return int(said) if said == int(said) else float(said)


def ends(domain: Interval) -> tuple[int | float, int | float]:
    """The lowest and the highest value of a range."""
    if domain.power_of_two:
        return domain.from_unit(0.0), domain.from_unit(1.0)
    if domain.integer:
        return math.ceil(domain.low), math.floor(domain.high)
    return float(domain.low), float(domain.high)


def is_number(value: Scalar) -> bool:
    """Whether ``value`` is a number (switches are none)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def switch(domain: Interval | Choices) -> bool:
    """Whether the values are False and True."""
    return isinstance(domain, Choices) and all(isinstance(v, bool) for v in domain.values)


def ordered(domain: Interval | Choices) -> bool:
    """Whether some values are numbers, and so go up and down."""
    return isinstance(domain, Interval) or any(is_number(v) for v in domain.values)


def same(one: Scalar, two: Scalar) -> bool:
    """Whether two values are one (1, 1.0 and True are three)."""
    return type(one) is type(two) and one == two


def check_bounds(bounds: Sequence[Bound]) -> None:
    """Raise SentenceError for ``bounds``, all on one parameter, that no value meets."""
    lows = [cast(float, b.value) for b in bounds if b.op == ">="]
    highs = [cast(float, b.value) for b in bounds if b.op == "<="]
    equals = [b.value for b in bounds if b.op == "="]
    numbers = [cast(float, v) for v in equals if is_number(v)]
    clash = any(not same(equals[0], v) for v in equals[1:])
    if clash or max([*lows, *numbers], default=-math.inf) > min([*highs, *numbers], default=math.inf):
        raise SentenceError(f"no value of {bounds[0].parameter} is left by the scope", "give bounds that leave a range")
