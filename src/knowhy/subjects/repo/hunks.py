"""Changes of files as replaced lines of the base: what a patch is, whether two combine, and what they make together.

All hunks are relative to the same base, so a set of patches combines exactly if each two of them do, and what they
make does not hang on their order. Lines that touch do not conflict, lines that overlap do; two insertions at the same
place conflict as well. What two patches both do in the same way is done once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

Contents = Mapping[str, bytes | None]
"""Files by path; None is a file that is not there."""


@dataclass(frozen=True, slots=True, order=True)
class Hunk:
    """Lines ``start`` up to (not including) ``end`` of the base become ``lines``; ``gone``: the file is removed."""

    start: int
    end: int
    lines: tuple[bytes, ...]
    gone: bool = False

    def clashes(self, other: Hunk) -> bool:
        """Whether the two want different things of the same lines."""
        if self == other:
            return False
        if self.gone or other.gone:
            return True
        if self.start == self.end and other.start == other.end:
            return self.start == other.start
        if self.start == self.end:
            return other.start < self.start < other.end
        if other.start == other.end:
            return self.start < other.start < self.end
        return max(self.start, other.start) < min(self.end, other.end)


Change = Mapping[str, tuple[Hunk, ...]]
"""What a patch does: hunks by path."""


def lines_of(data: bytes) -> list[bytes]:
    """The lines of ``data`` with their ends, split at line feeds only."""
    parts = data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


def hunks(base: bytes | None, after: bytes | None) -> tuple[Hunk, ...]:
    """What turns ``base`` into ``after``, line by line."""
    old = lines_of(base or b"")
    if after is None:
        return () if base is None else (Hunk(0, len(old), (), gone=True),)
    new = lines_of(after)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    matcher = SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail], autojunk=False)
    found = [
        Hunk(head + i1, head + i2, tuple(new[head + j1 : head + j2]))
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
    ]
    if base is None and not found:
        return (Hunk(0, 0, ()),)  # an empty file is made
    return tuple(found)


def change(base: Contents, after: Contents) -> dict[str, tuple[Hunk, ...]]:
    """The hunks that turn ``base`` into ``after``; files that stay as they are do not appear."""
    found = {path: hunks(base.get(path), data) for path, data in sorted(after.items()) if data != base.get(path)}
    return {path: made for path, made in found.items() if made}


def clash(one: Change, two: Change) -> str:
    """Where two changes cannot be combined, in words ("train.py, line 12"); "" where they can."""
    for path in sorted(one.keys() & two.keys()):
        for a in one[path]:
            for b in two[path]:
                if a.clashes(b):
                    return f"{path}, line {max(a.start, b.start) + 1}" if not (a.gone or b.gone) else path
    return ""


def merged(base: bytes | None, sets: Iterable[Sequence[Hunk]]) -> bytes | None:
    """``base`` with all hunks of ``sets``, which do not clash; None where the file is removed."""
    everything = sorted({hunk for one in sets for hunk in one})
    if any(hunk.gone for hunk in everything):
        return None
    if not everything:
        return base
    old = lines_of(base or b"")
    out: list[bytes] = []
    at = 0
    for hunk in everything:
        out += old[at : hunk.start]
        out += hunk.lines
        at = max(at, hunk.end)
    return b"".join([*out, *old[at:]])


def shifted(offset: int, length: int, base: bytes, found: Sequence[Hunk]) -> int | None:
    """Where the ``length`` bytes at ``offset`` of ``base`` stand once ``found`` are applied; None if they changed."""
    starts = [0]
    for line in lines_of(base):
        starts.append(starts[-1] + len(line))
    moved = offset
    for hunk in sorted(found):
        if hunk.gone:
            return None
        low, high = starts[hunk.start], starts[hunk.end]
        if high <= offset:
            moved += sum(map(len, hunk.lines)) - (high - low)
        elif low < offset + length and offset < high:
            return None
    return moved


def unified(base: Contents, after: Contents) -> str:
    """A unified diff of text files that ``git apply`` reads back exactly; bytes that are no UTF-8 as surrogates."""
    out: list[str] = []
    for path in sorted(after):
        old, new = base.get(path), after[path]
        if old == new:
            continue
        out += [f"diff --git a/{path} b/{path}\n"]
        if old is None:
            out += ["new file mode 100644\n"]
        if new is None:
            out += ["deleted file mode 100644\n"]
        if old or new:
            tab = "\t" if " " in path else ""  # as git writes it: where else would the name end
            out += [f"--- {f'a/{path}{tab}' if old is not None else '/dev/null'}\n"]
            out += [f"+++ {f'b/{path}{tab}' if new is not None else '/dev/null'}\n"]
            out += _body(lines_of(old or b""), lines_of(new or b""))
    return "".join(out)


def _body(old: list[bytes], new: list[bytes]) -> list[str]:
    out: list[str] = []
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(3):
        first, last = group[0], group[-1]
        out.append(f"@@ -{_span(first[1], last[2])} +{_span(first[3], last[4])} @@\n")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                out += [_line(" ", line) for line in old[i1:i2]]
                continue
            out += [_line("-", line) for line in old[i1:i2]]
            out += [_line("+", line) for line in new[j1:j2]]
    return out


def _span(start: int, stop: int) -> str:
    count = stop - start
    return f"{start + 1 if count else start},{count}"


def _line(mark: str, line: bytes) -> str:
    text = mark + line.decode("utf-8", "surrogateescape")
    return text if text.endswith("\n") else f"{text}\n\\ No newline at end of file\n"
