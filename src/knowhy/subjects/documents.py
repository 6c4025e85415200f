"""YAML, TOML and JSON files as text: values with their place, and new values written where the old ones stood.

Comments and layout are kept, because only the bytes of a value are replaced. What is written is read back: a file in
which anything else would change is refused.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from knowhy.errors import SubjectError
from knowhy.model.space import Origin, Scalar

SUFFIXES = (".yaml", ".yml", ".toml", ".json")

_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "null", "y", "n", "none"))
_JSON_PLAIN = re.compile(r"[-+0-9.eE]+|true|false|null|NaN|Infinity")
_SECTION = re.compile(r"\s*\[([^\[\]]+)\]\s*(#.*)?$")
_ENTRY = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]+\")(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=\s*")
_TOML_VALUE = re.compile(r"\"[^\"\\\n]*\"|'[^'\n]*'|true\b|false\b|[-+]?[0-9][0-9_]*(\.[0-9_]+)?([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Value:
    """One plain value of a document: its dotted ``key``, and byte offsets of ``text``, which spells it."""

    key: str
    value: Scalar
    start: int
    end: int
    line: int
    text: str


def values(data: bytes, suffix: str) -> tuple[Value, ...]:
    """The plain values (numbers, truths, texts) under the keys of a document, in order; empty where it is not read.

    Members of lists are left out, and so is what an anchor shares between several places.
    """
    try:
        text = data.decode("utf-8")
        parse(text, suffix)
        found = {".toml": _toml, ".json": _json}.get(suffix, _yaml)
        return tuple(_in_bytes(text, v) for v in found(text))
    except (ValueError, RecursionError):
        return ()


def parse(text: str, suffix: str) -> Any:
    """The content of a document; raises ValueError where it is none."""
    if suffix == ".json":
        return json.loads(text)
    if suffix == ".toml":
        return tomllib.loads(text)
    import yaml  # a tenth of a second that scripts without such files do not need

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def rewrite(data: bytes, file: str, changes: Sequence[tuple[Origin, Scalar]]) -> bytes:
    """``data`` with new values at the origins; raises SubjectError where the result does not say just that."""
    suffix = "." + file.rpartition(".")[2]
    out, position = [], 0
    for origin, value in sorted(changes, key=lambda c: c[0].start):
        out += [data[position : origin.start], write(value, suffix, origin.text).encode()]
        position = origin.end
    result = b"".join((*out, data[position:]))
    before, after = dict(_flat(parse(data.decode(), suffix))), dict(_flat(parse(result.decode(), suffix)))
    wanted = before | {origin.key: value for origin, value in changes}
    if before.keys() != after.keys() or any(not _same(after[key], value) for key, value in wanted.items()):
        raise SubjectError(
            f"new values could not be written into {file}",
            "leave its parameters out, and report this mistake of knowhy",
        )
    return result


def write(value: Scalar, suffix: str, like: str) -> str:
    """``value`` in the notation of a document, quoted as ``like`` is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, str):
        plain = suffix in (".yaml", ".yml") and not like.startswith(('"', "'"))
        if plain and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
            return value
        quote = "'" if like.startswith("'") and "'" not in value and value.isprintable() else ""
        return f"'{value}'" if quote else json.dumps(value)
    number = repr(value)
    # YAML 1.1 takes 1e-05 for a text: it wants a point.
    return re.sub(r"^(-?\d+)e", r"\1.0e", number)


def _yaml(text: str) -> Iterator[Value]:
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return
    seen: dict[int, int] = {}
    found: list[tuple[int, Value]] = []

    def walk(node: Any, path: tuple[str, ...]) -> None:
        seen[id(node)] = seen.get(id(node), 0) + 1
        if seen[id(node)] > 1:
            return
        if isinstance(node, yaml.MappingNode):
            for key, member in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    walk(member, (*path, str(key.value)))
        elif isinstance(node, yaml.ScalarNode) and path:
            start, end = node.start_mark.index, node.end_mark.index
            spelt = text[start:end]
            if spelt[:1] not in ("&", "!", "|", ">", ""):
                value = _read(node.value, node.tag, quoted=spelt[:1] in ('"', "'"))
                if value is not None:
                    found.append((id(node), Value(".".join(path), value, start, end, node.start_mark.line + 1, spelt)))

    walk(root, ())
    yield from (value for node, value in found if seen[node] == 1)


def _read(word: str, tag: str, *, quoted: bool) -> Scalar:
    kind = tag.rpartition(":")[2]
    if kind == "bool":
        return word.lower() in ("true", "yes", "on")
    if not quoted and _NUMBER.fullmatch(word):
        plain = word.replace("_", "")
        return int(plain) if re.fullmatch(r"[-+]?\d+", plain) else float(plain)
    return word if kind == "str" else None


def _json(text: str) -> Iterator[Value]:
    """Values of a document that ``json`` has read already, so that its form can be relied on."""
    found: list[Value] = []

    def skip(at: int) -> int:
        while text[at] in " \t\r\n,:":
            at += 1
        return at

    def walk(at: int, path: tuple[str, ...], *, listed: bool) -> int:
        at = skip(at)
        if text[at] in "{[":
            within, at = text[at] == "[", skip(at + 1)
            while text[at] not in "}]":
                key = path
                if not within:
                    name, at = scanstring(text, at + 1)
                    key = (*path, name)
                at = skip(walk(at, key, listed=listed or within))
            return at + 1
        token = _JSON_PLAIN.match(text, at)
        end = token.end() if token else scanstring(text, at + 1)[1]
        value = json.loads(text[at:end])
        if path and not listed and value is not None:
            found.append(Value(".".join(path), value, at, end, text.count("\n", 0, at) + 1, text[at:end]))
        return end

    walk(0, (), listed=False)
    yield from found


def _toml(text: str) -> Iterator[Value]:
    """Values that stand on one line with their key, in plain tables."""
    content = tomllib.loads(text)
    prefix: tuple[str, ...] = ()
    usable, at = True, 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        section = _SECTION.match(line)
        if section:
            prefix, usable = tuple(part.strip().strip("\"'") for part in section[1].split(".")), True
        elif line.lstrip().startswith("[["):
            usable = False
        entry = _ENTRY.match(line) if usable and not section else None
        found = _TOML_VALUE.match(line, entry.end()) if entry else None
        if entry and found and re.fullmatch(r"\s*(#.*)?", line[found.end() :].rstrip("\r\n")):
            path = (*prefix, *(part.strip().strip('"') for part in entry[1].split(".")))
            inner: Any = content
            for part in path:
                inner = inner.get(part) if isinstance(inner, dict) else None
            if isinstance(inner, (bool, int, float, str)):
                yield Value(".".join(path), inner, at + found.start(), at + found.end(), number, found[0])
        at += len(line)


def _in_bytes(text: str, value: Value) -> Value:
    start = len(text[: value.start].encode())
    return Value(value.key, value.value, start, start + len(value.text.encode()), value.line, value.text)


def _flat(content: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """All that stands in a document by dotted key, members of lists by their place."""
    if isinstance(content, Mapping):
        for key, member in content.items():
            yield from _flat(member, (*path, str(key)))
    elif isinstance(content, list):
        for place, member in enumerate(content):
            yield from _flat(member, (*path, f"[{place}]"))
    else:
        yield ".".join(path), content


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) != isinstance(wanted, bool):
        return False
    return bool(found == wanted) or (found != found and wanted != wanted)
