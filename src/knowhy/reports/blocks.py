"""What a report is made of: data that HTML and Markdown both render, and nothing of either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from knowhy.views import Explanation, TrialView


@dataclass(frozen=True, slots=True)
class Strong:
    """Emphasised text."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Text to be read letter by letter: a name, a command, a value."""

    text: str


@dataclass(frozen=True, slots=True)
class TrialLink:
    """A trial's number, leading to its row."""

    number: int


@dataclass(frozen=True, slots=True)
class TheoryLink:
    """A theory's id, leading to its card."""

    id: str


Span = str | Strong | Code | TrialLink | TheoryLink
Text = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Prose. "lead" is the answer, "note" an aside, "warning" what the reader must not miss."""

    text: Text
    tone: Literal["lead", "plain", "note", "warning"] = "plain"


@dataclass(frozen=True, slots=True)
class Items:
    """A list of points."""

    items: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """One number to be seen at a glance, what it is, and a word about it."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """A row of facts."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; ``numeric`` are the columns that hold numbers."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart: a Vega-Lite ``spec`` with its data inside, and what it shows in words (for those who cannot see it)."""

    id: str
    title: str
    caption: str
    spec: Mapping[str, object]
    small: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """Charts side by side where there is room."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Theories:
    """The theories that answer one question."""

    question: str
    explanations: tuple[Explanation, ...]


@dataclass(frozen=True, slots=True)
class Trials:
    """Every trial, to be sorted and searched."""

    metric: str
    trials: tuple[TrialView, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """Text that a program printed, or a command, kept as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Fold:
    """Detail that is closed at first."""

    summary: str
    blocks: tuple[Block, ...]


Block = Paragraph | Items | Facts | Table | Figures | Theories | Trials | Log | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A part with a heading; ``short`` is its name where there is little room."""

    id: str
    title: str
    short: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A report."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    footer: Text
