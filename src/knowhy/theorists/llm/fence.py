"""Fences around text that others wrote: in a prompt it is data, and can neither end its fence nor steer a terminal."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_TAG = re.compile(r"<(\s*/?\s*data\b)", re.IGNORECASE)


def clean(text: str, longest: int = 0) -> str:
    """``text`` without characters that steer, cut in its middle to about ``longest`` characters where positive."""
    plain = "".join(c if c in "\n\t" or unicodedata.category(c) not in _STEERING else "\ufffd" for c in text)
    if longest and len(plain) > longest:
        half = longest // 2
        plain = f"{plain[:half]}\n[... {len(plain) - 2 * half} characters left out ...]\n{plain[-half:]}"
    return plain


def one_line(text: str, longest: int = 200) -> str:
    """``text`` in one line, cut to ``longest`` characters."""
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def fenced(name: str, text: str, longest: int = 0) -> str:
    """``text`` as data called ``name``; the mark that closes it hangs on the text, so no text can hold its own."""
    body = _TAG.sub("\u2039\\1", clean(text, longest))
    label = re.sub(r"[^\w .,:/#()-]", "_", name)
    mark = hashlib.sha256(f"{label}\n{body}".encode()).hexdigest()[:10]
    return f'<data name="{label}" mark="{mark}">\n{body}\n</data mark="{mark}">'
