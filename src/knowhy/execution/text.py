"""What a trial printed, made fit to be read and kept: bounded, without control characters, secrets blacked out."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import unicodedata

from knowhy.redaction import redact

__all__ = ["clean", "read_bounded", "redact_file", "settled", "shorten", "tail"]

TAIL_CHARACTERS = 2000
LINE_CHARACTERS = 400

_ANSI = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|[@-Z\\^_-~])")


def clean(text: str) -> str:
    """``text`` without ANSI sequences and control, format and private-use characters (new line and tab stay)."""
    text = _ANSI.sub("", text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs", "Cn"))


def settled(line: str) -> str:
    """What a terminal shows of ``line`` at the end, where carriage returns write over it."""
    for part in reversed(line.split("\r")):
        if part.strip():
            return part
    return ""


def tail(text: str, characters: int = TAIL_CHARACTERS) -> str:
    """The end of a log for people: cleaned, redacted, long lines shortened, at most ``characters`` long."""
    lines = [settled(line) for line in text[-16 * characters :].split("\n")]
    safe = redact(clean("\n".join(lines))).strip()
    return "\n".join(shorten(line) for line in safe.split("\n"))[-characters:].strip()


def shorten(line: str, characters: int = LINE_CHARACTERS) -> str:
    """``line``, its middle left out where it is longer than ``characters``."""
    if len(line) <= characters:
        return line
    half = (characters - 5) // 2
    return f"{line[:half]} ... {line[-half:]}"


def read_bounded(path: str, head: int, last: int) -> bytes:
    """The first ``head`` and the ``last`` bytes of a regular file (empty: there is none), whole lines at the cut.

    The file belongs to the trial: links, pipes and devices in its place are not followed.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        os.close(fd)
        return b""
    with os.fdopen(fd, "rb") as file:
        if info.st_size <= head + last:
            return file.read(head + last)
        start = file.read(head)
        file.seek(info.st_size - last)
        end = file.read(last)
        return start[: start.rfind(b"\n") + 1] + end[end.find(b"\n") + 1 :]


def redact_file(path: str, size: int) -> None:
    """Black out secrets in a text file that nobody writes to any more; links, and files above ``size``, stay."""
    with contextlib.suppress(OSError):
        if os.lstat(path).st_size > size:
            return
        data = read_bounded(path, size, 0)
        text = data.decode("utf-8", errors="surrogateescape")
        safe = redact(text)
        if safe != text:
            with open(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC), "wb") as file:
                file.write(safe.encode("utf-8", errors="surrogateescape"))
