"""The form of an entry of lore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["net", "linear", "svm", "boosting", "forest", "any"]
Side = Literal["more", "less", "flat"]
Form = Literal["effect", "optimum", "training"]
Trend = Literal["+", "-", "0", "?"]
Part = Literal["regulariser", "capacity", "optimisation", "other"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One side of a question: a title, and the mechanism as its believers put it (templates with ``{p}``, ``{m}``)."""

    title: str
    because: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What the field says of a role in some families.

    ``more`` argues that raising the parameter betters the objective, ``less`` that it worsens it, ``flat``
    that it makes no difference (form "effect" and "training") or that the default is about right (form "optimum").
    ``favours`` is the side that most practitioners would take. ``form`` says how the rivals are told apart: by
    an effect over a contrast, by where the optimum lies, or by whether more keeps helping.
    ``train``, ``gap`` and ``cost`` say what raising it does to the training loss, the generalisation gap and the time
    ("0": nothing, "?": it depends). ``factor`` is a meaningful change on a log scale, ``reach`` one on a linear
    scale (as a fraction of the range).
    """

    role: str
    families: tuple[Family, ...]
    importance: float
    favours: Side
    more: Answer
    less: Answer
    flat: Answer
    form: Form = "effect"
    part: Part = "other"
    train: Trend = "?"
    gap: Trend = "?"
    cost: Trend = "0"
    factor: float = 10.0
    reach: float = 0.4
