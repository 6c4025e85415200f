"""From the text of a claim to syntax trees: words are cut to fit the grammar in ``claims.lark``.

A parameter may have the name of a keyword, and a metric may have blanks in its name, so what a word is
depends on where it stands. The LALR parser says which terminals can come next; where several fit
(a keyword, a known name, any other word), each is followed up, keywords first, long names before short ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.parsers.lalr_interactive_parser import InteractiveParser

LONGEST = 1000
"""Characters that a claim may have."""

_STEPS = 2000
_SKIP = re.compile(r"(?:\s|,(?=\s))*")
_END = re.compile(r"\.?\s*\Z")
_EDGE = re.compile(r"\Z|[\s/*=<>≤≥()]|[.,;](?=\s|\Z)")
_NUMBER = re.compile(r"[+-]?(?:2\*\*\d{1,3}|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'', re.DOTALL)
_WORD = re.compile(r"(?:(?![.,;](?:\s|\Z))[^\s/*=<>≤≥()\"'])+")
_LETTERS = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")
_SYMBOL = re.compile(r">=|<=|==|[/*=<>≤≥()]")
_SHOWN = {"NAME": "a name", "WORD": "", "NUMBER": "a value", "STRING": "", "$END": "the end"}


class MisfitError(Exception):
    """No reading of the text fits the grammar.

    ``position`` is where the longest attempt ends, ``expected`` what could stand there, for people.
    """

    def __init__(self, position: int, expected: tuple[str, ...]) -> None:
        """Keep the place and what fits there."""
        super().__init__(position, expected)
        self.position = position
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it was written; a quoted text is never a number, a switch or None."""

    text: str
    quoted: bool = False


@cache
def grammar() -> Lark:
    """The LALR parser (built once, about 20 ms)."""
    from lark import Lark  # slow to import, and most commands never read a sentence

    text = files("knowhy.engine").joinpath("claims.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer="basic", maybe_placeholders=True)


@cache
def keywords() -> dict[str, str]:
    """Each keyword and symbol of the grammar, with the name of its terminal."""
    return {str(t.pattern.value): t.name for t in grammar().terminals if t.pattern is not None}


def literal(token: Token) -> Literal:
    """What a NUMBER, STRING or WORD token says."""
    text = str(token)
    if token.type != "STRING":
        return Literal(text)
    if text[0] == '"':
        try:
            return Literal(str(json.loads(text, strict=False)), quoted=True)
        except ValueError:
            pass
    return Literal(re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL), quoted=True)


def trees(text: str, names: Iterable[str]) -> Iterator[Tree[Token]]:
    """Readings of ``text``, the likeliest first; ``names`` are the known parameters and metrics.

    Raises MisfitError at the end when there is none. Takes time in proportion to the text; how many
    readings are followed up is bounded.
    """
    from lark.exceptions import UnexpectedToken

    known = sorted(set(names), key=len, reverse=True)
    furthest, stuck, found = -1, grammar().parse_interactive(""), False
    stack: list[tuple[InteractiveParser, int, Token | None]] = [(_copy(stuck), 0, None)]
    for _ in range(_STEPS):
        if not stack:
            break
        parser, position, token = stack.pop()
        try:
            tree = parser.feed_token(token) if token is not None else None
        except UnexpectedToken:
            continue
        if token is not None and token.type == "$END":
            found = True
            yield cast("Tree[Token]", tree)
            continue
        position = _skip(text, position)
        choices = parser.choices()  # type: ignore[no-untyped-call]
        if position > furthest:
            furthest, stuck = position, _copy(parser, deep=False)
        branches = [(t, end) for t, end in _tokens(text, position, known) if t.type in choices]
        named = {end for t, end in branches if t.type == "NAME"}
        branches = [(t, end) for t, end in branches if t.type != "WORD" or end not in named]
        for index in range(len(branches) - 1, -1, -1):
            # the last one pushed is followed up first
            token, end = branches[index]
            stack.append((parser if len(branches) == 1 else _copy(parser), end, token))
    if not found:
        accepted = stuck.accepts()  # type: ignore[no-untyped-call]
        raise MisfitError(max(furthest, 0), _in_words(sorted(accepted)))


def _copy(parser: InteractiveParser, *, deep: bool = True) -> InteractiveParser:
    """A parser that goes on from here on its own: ``deep``, because lark fills the lists of repeated rules in place."""
    return cast("InteractiveParser", parser.copy(deepcopy_values=deep))  # type: ignore[no-untyped-call]


def _skip(text: str, position: int) -> int:
    match = _SKIP.match(text, position)
    return match.end() if match else position


def _tokens(text: str, position: int, known: list[str]) -> Iterator[tuple[Token, int]]:
    """What can be cut from ``text`` at ``position``, with where it ends; the likeliest first."""
    from lark import Token

    if _END.match(text, position):
        yield Token("$END", ""), len(text)
    if (match := _LETTERS.match(text, position)) and _EDGE.match(text, match.end()):
        terminal = keywords().get(match.group().lower().replace("’", "'"))
        if terminal:
            yield Token(terminal, match.group()), match.end()
    elif (match := _SYMBOL.match(text, position)) and (terminal := keywords().get(match.group())):
        yield Token(terminal, match.group()), match.end()
    for name in known:
        if name and text.startswith(name, position) and _EDGE.match(text, position + len(name)):
            yield Token("NAME", name), position + len(name)
    for kind, pattern in (("NUMBER", _NUMBER), ("STRING", _STRING), ("WORD", _WORD)):
        if (match := pattern.match(text, position)) and _EDGE.match(text, match.end()):
            yield Token(kind, match.group()), match.end()
            return


def _in_words(terminals: Iterable[str]) -> tuple[str, ...]:
    """Terminals as people know them: keywords in quotes, symbols, "a name", "a value"."""
    spelt = {name: text for text, name in keywords().items()}
    words = [f"'{spelt[t]}'" if t in spelt else _SHOWN.get(t, "") for t in terminals]
    return tuple(dict.fromkeys(w for w in words if w))
