"""Text that other programs wrote, made safe to show."""

from __future__ import annotations

import unicodedata

# Letters that steer a terminal or turn the direction of writing: a log must not be able to rewrite the screen.
_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def safe(text: str) -> str:
    """``text`` in which every character but a line break is printed as itself and steers nothing."""
    return "".join(
        c
        if c == "\n" or unicodedata.category(c) not in _STEERING
        else " "
        if c == "\t"
        else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def one_line(text: str, width: int = 0) -> str:
    """``safe`` text in one line, cut to ``width`` where that is positive."""
    flat = " ".join(safe(text).split())
    return flat if not width or len(flat) <= width else flat[: max(0, width - 1)] + "…"
