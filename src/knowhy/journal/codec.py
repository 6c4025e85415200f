"""Events to JSON text and back, strictly and by version.

An event is one JSON object, ``{"type": "TrialStarted", "trial": 3, "attempt": 1}``; so is every member of a
nested union of dataclasses (``Interval`` or ``Choices``). Every field is written, defaults too, so that a
default that changes later does not change the past. The format number stands beside the body, in the
envelope that the journal keeps. Decoding lifts an older body through ``MIGRATIONS`` first.

The coders are compiled from the dataclasses' own annotations, once. They coerce nothing but an integer in a
field of type float: ``True`` stays apart from ``1``, and ``1`` from ``1.0``. What they refuse to read they also
refuse to write, so that whatever was appended can be read again. (A converter library would check on
reading only, and coerce by default.)
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, NoReturn, Union, get_args, get_origin, get_type_hints

from knowhy.errors import JournalDamagedError, JournalFormatError, JournalWriteError, SpaceError
from knowhy.model.events import FORMAT, Event
from knowhy.model.space import Scalar

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""How to lift a body of the format that is the key to the next one; a format without an entry needs no change."""

_UPGRADE = "upgrade knowhy (pip install -U knowhy) and try again"
_DAMAGED = "run `knowhy doctor`: it says where the journal is damaged and copies what is good"


class _WrongValueError(ValueError):
    """A value that does not fit its field; ``path`` names the field, innermost first."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.path: list[str] = []

    def __str__(self) -> str:
        where = ".".join(reversed(self.path))
        return f"{where}: {self.args[0]}" if where else str(self.args[0])


class _UnknownNameError(Exception):
    """A type or field that this version does not know."""


class _Coder(NamedTuple):
    """The two directions for one type; each raises _WrongValueError for what it cannot carry exactly."""

    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


def encode(event: Event) -> str:
    """The body of ``event`` in the current FORMAT: ASCII JSON without line breaks.

    Raises JournalWriteError for what could not be read again: numbers that are not finite, keys that are not text,
    values of another type than the field's (numpy scalars among them).
    """
    coder = _events().get(type(event).__name__)
    try:
        if coder is None:
            raise _WrongValueError("this is no event of knowhy")
        return _to_json(coder.dump(event))
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise JournalWriteError(
            f"{type(event).__name__} cannot be written to the journal: {error}",
            "this is a defect of whoever made the event: report it with this message",
        ) from error


def decode(body: str, format: int = FORMAT) -> Event:
    """The event that ``body`` holds, written in ``format``.

    Raises JournalFormatError for a newer format, an unknown event or an unknown field, and JournalDamagedError
    for every other body that ``encode`` cannot have written.
    """
    if format > FORMAT:
        raise JournalFormatError(f"the journal has format {format}; this knowhy reads up to {FORMAT}", _UPGRADE)
    if format < 1:
        raise JournalDamagedError(f"there is no journal format {format}", _DAMAGED)
    try:
        value = _from_json(body)
        if type(value) is not dict:
            raise _WrongValueError(f"an event is an object, not {_kind(value)}")
        for older in range(format, FORMAT):
            if older in MIGRATIONS:
                value = MIGRATIONS[older](value)
        event: Event = _load_tagged(_events(), value)
    except _UnknownNameError as error:
        raise JournalFormatError(f"the journal holds {error}, unknown to this knowhy", _UPGRADE) from error
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError, SpaceError) as error:
        raise JournalDamagedError(f"a record does not hold an event: {_brief(error)}", _DAMAGED) from error
    return event


_to_json = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def _refuse_constant(name: str) -> NoReturn:
    raise _WrongValueError(f"{name} is no number of JSON")


_from_json = json.JSONDecoder(parse_constant=_refuse_constant).decode


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__


def _brief(error: Exception) -> str:
    """The message of ``error``, short and printable whatever a hostile body put into it."""
    return str(error).encode("ascii", "backslashreplace").decode()[:200]


@cache
def _events() -> dict[str, _Coder]:
    """A coder for each member of the union of events, by name."""
    return _members(get_args(Event))


def _members(classes: tuple[type, ...]) -> dict[str, _Coder]:
    return {cls.__name__: _of_dataclass(cls, tagged=True) for cls in classes}


def _load_tagged(members: dict[str, _Coder], value: Any) -> Any:
    tag = value.get("type") if type(value) is dict else None
    if type(tag) is not str:
        raise _WrongValueError(f"expected an object with a type, found {_kind(value)}")
    coder = members.get(tag)
    if coder is None:
        raise _UnknownNameError(f"a {_brief(ValueError(tag))!r}")
    return coder.load(value)


@cache
def _coder(hint: Any) -> _Coder:
    """The coder for an annotation."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if hint == Scalar:
            return _SCALAR
        rest = tuple(a for a in args if a is not NoneType)
        inner = _coder(rest[0]) if len(rest) == 1 else _of_union(rest)
        return _optional(inner) if len(rest) < len(args) else inner
    if origin is Literal:
        return _of_literal(args)
    if origin is tuple and args[1:] == (...,):
        return _of_tuple(_coder(args[0]))
    if origin is Mapping and args[0] is str:
        return _of_mapping(_coder(args[1]))
    if is_dataclass(hint) and isinstance(hint, type):
        return _of_dataclass(hint)
    raise TypeError(f"the journal has no form for {hint}")


def _dump_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (float, int)):
        raise _WrongValueError(f"expected a number, found {_kind(value)}")
    number = float(value)
    if not math.isfinite(number):
        raise _WrongValueError(f"{number} is not a finite number")
    return number


def _load_float(value: Any) -> float:
    if type(value) is float and math.isfinite(value):
        return value
    return _dump_float(value)


def _dump_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _WrongValueError(f"expected an integer, found {_kind(value)}")
    return int(value)


def _load_int(value: Any) -> int:
    if type(value) is int:
        return value
    return _dump_int(value)


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    raise _WrongValueError(f"expected text, found {_kind(value)}")


def _truth(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise _WrongValueError(f"expected true or false, found {_kind(value)}")


def _scalar(value: Any) -> Any:
    if value is None or value is True or value is False or type(value) in (str, int):
        return value
    if isinstance(value, float):
        return _load_float(float(value))
    if isinstance(value, int):
        return int(value)
    return _text(value)


_PLAIN: dict[Any, _Coder] = {
    float: _Coder(_dump_float, _load_float),
    int: _Coder(_dump_int, _load_int),
    str: _Coder(_text, _text),
    bool: _Coder(_truth, _truth),
}
_SCALAR = _Coder(_scalar, _scalar)


def _of_literal(values: tuple[str, ...]) -> _Coder:
    known = {value: value for value in values}

    def check(value: Any) -> str:
        if type(value) is not str or value not in known:
            raise _WrongValueError(f"{value!r} is none of {', '.join(map(repr, values))}")
        return known[value]

    def load(value: Any) -> str:
        if type(value) is str and value not in known:
            raise _UnknownNameError(f"the word {_brief(ValueError(value))!r} where it knows {', '.join(values)}")
        return check(value)

    return _Coder(check, load)


def _optional(inner: _Coder) -> _Coder:
    def dump(value: Any) -> Any:
        return None if value is None else inner.dump(value)

    def load(value: Any) -> Any:
        return None if value is None else inner.load(value)

    return _Coder(dump, load)


def _of_union(classes: tuple[type, ...]) -> _Coder:
    members = _members(classes)

    def dump(value: Any) -> Any:
        coder = members.get(type(value).__name__)
        if coder is None:
            raise _WrongValueError(f"{_kind(value)} is none of {', '.join(members)}")
        return coder.dump(value)

    return _Coder(dump, lambda value: _load_tagged(members, value))


def _of_tuple(inner: _Coder) -> _Coder:
    inner_dump, inner_load = inner

    def dump(value: Any) -> Any:
        if not isinstance(value, (tuple, list)):
            raise _WrongValueError(f"expected a tuple, found {_kind(value)}")
        return [inner_dump(v) for v in value]

    def load(value: Any) -> Any:
        if type(value) is not list:
            raise _WrongValueError(f"expected a list, found {_kind(value)}")
        return tuple([inner_load(v) for v in value])

    return _Coder(dump, load)


def _of_mapping(inner: _Coder) -> _Coder:
    inner_dump, inner_load = inner

    def dump(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _WrongValueError(f"expected a mapping, found {_kind(value)}")
        return _each(value, inner_dump)

    def load(value: Any) -> Any:
        if type(value) is not dict:
            raise _WrongValueError(f"expected an object, found {_kind(value)}")
        return _each(value, inner_load)

    return _Coder(dump, load)


def _each(value: Mapping[Any, Any], convert: Callable[[Any], Any]) -> dict[str, Any]:
    result = {}
    key: Any = ""
    try:
        for key, member in value.items():
            result[_text(key)] = convert(member)
    except _WrongValueError as error:
        error.path.append(str(key))
        raise
    return result


def _of_dataclass(cls: type[Any], *, tagged: bool = False) -> _Coder:
    """A coder for ``cls``; ``tagged`` adds its name, for members of a union."""
    hints = get_type_hints(cls)
    plan = [
        (f.name, *_coder(hints[f.name]), f.default is MISSING and f.default_factory is MISSING) for f in fields(cls)
    ]
    known = {name for name, *_ in plan} | ({"type"} if tagged else set())
    head = {"type": cls.__name__} if tagged else {}

    def dump(value: Any) -> Any:
        if type(value) is not cls:
            raise _WrongValueError(f"expected {cls.__name__}, found {_kind(value)}")
        result: dict[str, Any] = dict(head)
        name = ""
        try:
            for name, convert, _, _ in plan:
                result[name] = convert(getattr(value, name))
        except _WrongValueError as error:
            error.path.append(name)
            raise
        return result

    def load(value: Any) -> Any:
        if type(value) is not dict:
            raise _WrongValueError(f"expected an object, found {_kind(value)}")
        arguments = {}
        name = ""
        try:
            for name, _, convert, required in plan:
                if name in value:
                    arguments[name] = convert(value[name])
                elif required:
                    raise _WrongValueError("is missing")
        except _WrongValueError as error:
            error.path.append(name)
            raise
        if len(arguments) + len(head) != len(value):
            strange = next((key for key in value if key not in known), "type")
            raise _UnknownNameError(f"the field {_brief(ValueError(strange))!r} of {cls.__name__}")
        return cls(**arguments)

    return _Coder(dump, load)
