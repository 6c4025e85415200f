"""Source code as bytes and as a tree: literals read, written and spliced at byte offsets."""

from __future__ import annotations

import ast
import io
import math
import re
import sys
import tokenize
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from knowhy.errors import SubjectError
from knowhy.model.space import Origin, OriginKind, Scalar

_LINE_END = re.compile(r"\r\n|\r|\n")
_POWER_OF_TWO = re.compile(r"2(\s*)\*\*(\s*)\d+")


@dataclass(frozen=True)
class Source:
    """A Python file: its ``data`` as on disk, the ``text`` decoded from it, and the ``tree`` parsed from that."""

    path: str
    data: bytes
    text: str
    encoding: str
    tree: ast.Module

    @staticmethod
    def read(path: str) -> Source:
        """The script at ``path``; raises SubjectError where it cannot be read or is no Python."""
        try:
            data = Path(path).read_bytes()
        except FileNotFoundError:
            raise SubjectError(f"there is no script {path}", "check the path; it is relative to this folder") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise SubjectError(f"cannot read {path}: {reason}", "give the path of a Python script") from None
        return Source.parse(data, path)

    @staticmethod
    def parse(data: bytes, path: str) -> Source:
        """``data`` as the content of ``path``; raises SubjectError where it is no Python."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        hint = f"run it with Python {version} first; knowhy needs a script that runs"
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            text = data.decode(encoding)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text, path)
        except SyntaxError as error:
            where = f", line {error.lineno}" if error.lineno else ""
            raise SubjectError(f"{path} is not valid Python{where}: {error.msg}", hint) from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise SubjectError(f"{path} is not valid Python: {error}", hint) from None
        return Source(path, data, text, encoding, tree)

    @property
    def codec(self) -> str:
        """The encoding, without the mark that may stand at the start of the file."""
        return self.encoding.removesuffix("-sig")

    @cached_property
    def _lines(self) -> tuple[tuple[int, str], ...]:
        """Byte offset and text of each line, as Python's tokenizer counts lines."""
        mark = len(self.data) - len(self.text.encode(self.codec))
        found, offset, start = [], mark, 0
        ends = [match.end() for match in _LINE_END.finditer(self.text)]
        for end in (*ends, len(self.text)):
            line = self.text[start:end]
            found.append((offset, line))
            offset += len(line.encode(self.codec))
            start = end
        return tuple(found)

    def _offset(self, line: int, column: int) -> int:
        """Byte offset of a position that ``ast`` gives as a line and a column in UTF-8 bytes."""
        start, text = self._lines[line - 1]
        before = text.encode()[:column].decode()
        return start + len(before.encode(self.codec))

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Byte offsets at which ``node`` starts and ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset)

    def origin(self, kind: OriginKind, node: ast.expr, flag: str = "") -> Origin:
        """Where ``node`` stands, as an origin."""
        start, end = self.span(node)
        text = self.data[start:end].decode(self.codec)
        return Origin(kind, Path(self.path).name, node.lineno, start, end, text, flag)

    @cached_property
    def literals(self) -> Mapping[tuple[int, int], Scalar]:
        """Every literal of the file by its byte offsets."""
        found: dict[tuple[int, int], Scalar] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.expr):
                value = read_literal(node)
                if value is not None or (isinstance(node, ast.Constant) and node.value is None):
                    found[self.span(node)] = value
        return found

    @cached_property
    def call_ends(self) -> Mapping[int, bool]:
        """The offset of each call's closing bracket, and whether a comma must come before one more argument."""
        found: dict[int, bool] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                end = self.span(node)[1] - 1
                given = [self.span(n)[1] for n in (*node.args, *(k.value for k in node.keywords))]
                between = self.data[max(given, default=end) : end].decode(self.codec, "replace")
                found[end] = bool(given) and "," not in re.sub(r"#[^\r\n]*", "", between)
        return found


def splice(source: Source, changes: Sequence[tuple[Origin, str, Scalar]]) -> bytes:
    """The bytes of ``source`` with new literals; every other byte is kept.

    Each change is an origin, the text to stand there, and the value that Python must read from the
    start of that text. Raises SubjectError where spots overlap or the result does not read back.
    """
    pieces: list[bytes] = []
    expected: list[tuple[int, Origin, Scalar]] = []
    position = written = 0
    for origin, text, value in sorted(changes, key=lambda change: change[0].start):
        if origin.start < position:
            raise SubjectError(f"two parameters stand at line {origin.line} of {source.path}", "keep one of them")
        before = source.data[position : origin.start]
        new = text.encode("ascii")
        pieces += (before, new)
        lead = text.index("=") + 1 if origin.kind == "inherited" else 0
        expected.append((written + len(before) + lead, origin, value))
        written += len(before) + len(new)
        position = origin.end
    result = b"".join((*pieces, source.data[position:]))
    if changes:
        _read_back(source.path, result, expected)
    return result


def _read_back(path: str, data: bytes, expected: Sequence[tuple[int, Origin, Scalar]]) -> None:
    """Refuse a copy in which Python reads something else than was meant."""
    copy = Source.parse(data, path)
    at: dict[int, list[Scalar]] = {}
    for (start, _), value in copy.literals.items():
        at.setdefault(start, []).append(value)
    for start, origin, value in expected:
        if not any(same_value(value, found) for found in at.get(start, ())):
            raise SubjectError(
                f"{value!r} could not be spliced in at line {origin.line} of {path}",
                "leave the parameter out; this is a mistake in knowhy, please report it",
            )


def same_value(one: Scalar, two: Scalar) -> bool:
    """Whether two values are one to a script: 1 and 1.0 are, 1 and True are not."""
    return isinstance(one, bool) == isinstance(two, bool) and one == two


def read_literal(node: ast.expr) -> Scalar:
    """The number, boolean or string that ``node`` spells out, or None.

    Arithmetic on numbers (``-1``, ``2**19``, ``4 * 64``) counts as spelt out.
    """
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, (bool, int, str)):
            return value
        return value if isinstance(value, float) and math.isfinite(value) else None
    return _read_number(node)


def _read_number(node: ast.expr) -> int | float | None:
    if isinstance(node, ast.Constant):
        number = isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
        return node.value if number and math.isfinite(node.value) else None  # type: ignore[arg-type, return-value]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _read_number(node.operand)
        return inner if inner is None or isinstance(node.op, ast.UAdd) else -inner
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _read_number(node.left), _read_number(node.right)
    if left is None or right is None or max(abs(left), abs(right)) > 1e15:
        return None
    try:
        return _calculate(node.op, left, right)
    except (ArithmeticError, ValueError):
        return None


def _calculate(op: ast.operator, left: int | float, right: int | float) -> int | float | None:
    result: int | float
    match op:
        case ast.Add():
            result = left + right
        case ast.Sub():
            result = left - right
        case ast.Mult():
            result = left * right
        case ast.Div():
            result = left / right
        case ast.FloorDiv():
            result = left // right
        case ast.Pow() if abs(right) <= 64 and (left >= 0 or isinstance(right, int)):
            result = left**right
        case _:
            return None
    return result if math.isfinite(result) and abs(result) < 1e30 else None


def write_literal(value: Scalar, like: str = "") -> str:
    """ASCII Python for ``value``, in the manner of the literal ``like`` that it replaces.

    A power of two stays one (``2**19`` becomes ``2**20``), a string keeps its quotes.
    Raises SubjectError for numbers that are not finite.
    """
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, str):
        plain = value.isascii() and value.isprintable() and not set(value) & {'"', "'", "\\"}
        return f'"{value}"' if plain and like.startswith('"') else ascii(value)
    if isinstance(value, int):
        power = _POWER_OF_TWO.fullmatch(like)
        if power and value > 0 and value & (value - 1) == 0:
            return f"2{power[1]}**{power[2]}{value.bit_length() - 1}"
        return int.__repr__(value)
    if not math.isfinite(value):
        raise SubjectError(f"{value} is no value that a script can be given", "keep ranges finite")
    return float.__repr__(float(value))


def elements(node: ast.expr) -> tuple[ast.expr, ...]:
    """The members of a tuple or list in which every member is a number, or nothing."""
    if not isinstance(node, (ast.Tuple, ast.List)):
        return ()
    numbers = [value for member in node.elts if (value := read_literal(member)) is not None]
    plain = len(numbers) == len(node.elts) and not any(isinstance(v, (bool, str)) for v in numbers)
    return tuple(node.elts) if plain else ()


def dotted(node: ast.expr) -> str:
    """``a.b.c`` for a chain of attributes, or only its last names where it starts with something else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else node.attr
    return ""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the dotted name of what is called, in the order of the file."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for node in sorted(found, key=lambda call: (call.lineno, call.col_offset)):
        yield dotted(node.func), node


def left_at_default(call: ast.Call, names: Sequence[str], name: str) -> bool:
    """Whether ``call`` surely gives no value to ``name``, one of the arguments ``names`` in their order."""
    if any(k.arg in (name, None) for k in call.keywords) or any(isinstance(a, ast.Starred) for a in call.args):
        return False
    return name not in names[: len(call.args)]
