"""Cells of tables: from text to values, and from values to text that no spreadsheet runs.

A spreadsheet takes a cell that starts with ``=``, ``+``, ``-`` or ``@`` for a formula. A number may start with a sign,
a text may not: it gets a leading apostrophe, and so does a text that would be read back as something else ("1",
"true"). Characters that steer a terminal or turn the direction of writing are never written: a text with one stands
as JSON after the apostrophe. Reading takes all of that off again.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata

from knowhy.model.space import Scalar

FORMULA = ("=", "+", "-", "@", "\t", "\r")
_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "none": None, "null": None}
_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "infinity": math.inf, "-infinity": -math.inf}


def read_cell(text: str) -> tuple[bool, Scalar]:
    """Whether a cell holds anything, and its value: a number, a switch, None, or text."""
    if text.startswith("'\"") and (said := _unquoted(text[1:])) is not None:
        return True, said
    if text.startswith("'") and _guarded(text[1:]):
        return True, text[1:]
    plain = text.strip()
    return (True, _plain(plain)) if plain else (False, None)


def _plain(text: str) -> Scalar:
    lowered = text.lower()
    if lowered in _WORDS:
        return _WORDS[lowered]
    if lowered in _NUMBERS:
        return _NUMBERS[lowered]
    if _WHOLE.fullmatch(text):
        return int(text)
    if len(text) <= 400 and _NUMBER.fullmatch(text):
        return float(text.replace("_", ""))
    return text


def _guarded(text: str) -> bool:
    """Whether the writer puts an apostrophe before ``text``."""
    return not text or text.startswith((*FORMULA, "'")) or text != text.strip() or not isinstance(_plain(text), str)


def write_cell(value: Scalar) -> str:
    """``value`` as a cell."""
    if value is None:
        return "None"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if steers(value):
        return "'" + json.dumps(value)
    return "'" + value if _guarded(value) else value


def steers(text: str) -> bool:
    """Whether ``text`` holds a character that steers a terminal or turns the direction of writing."""
    plain = text.replace("\n", "").replace("\t", "")
    return not plain.isprintable() and any(unicodedata.category(c) in _STEERING for c in plain)


def _unquoted(text: str) -> str | None:
    """The text that ``text`` is the JSON of, where it steers; None for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, str) and steers(found) else None


def write_header(name: str) -> str:
    """A column's name that no spreadsheet runs, and that steers nothing."""
    if steers(name):
        return "'" + json.dumps(name)
    return "'" + name if name.startswith((*FORMULA, "'")) else name


def read_header(name: str) -> str:
    """The name that ``write_header`` was given."""
    if name.startswith("'\"") and (said := _unquoted(name[1:])) is not None:
        return said
    return name[1:] if name.startswith("'") and name[1:].startswith((*FORMULA, "'")) else name


def scalar(value: object) -> Scalar:
    """A value of a parameter from decoded JSON; lists and objects become their JSON text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return json.dumps(value, sort_keys=True, default=str)[:200]
