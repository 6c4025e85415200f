"""What a trial printed, made fit to be read and kept: bounded, without control characters, secrets blacked out."""

from __future__ import annotations

import os
import re
import stat
import unicodedata

TAIL_CHARACTERS = 2000
LINE_CHARACTERS = 400

_ANSI = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|[@-Z\\^_-~])")
_HIDDEN = "[redacted]"
_SECRETS = (
    re.compile(
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,8000}?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    re.compile(r"\b(?:sk|rk|pk)-[A-Za-z0-9_-]{16,}"),
    re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_|xox[abeprs]-|npm_|pypi-|dop_v1_)[A-Za-z0-9_-]{16,}"),
    re.compile(r"\b(?:AKIA|ASIA|AROA)[0-9A-Z]{16}\b"),
    re.compile(r"\bAIza[0-9A-Za-z_-]{30,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}"),
    re.compile(r"(?<=://)[^/\s:@]{1,200}:[^/\s@]{1,200}(?=@)|(?<=://)[^/\s:@]{8,200}(?=@)"),
    re.compile(
        r"(?i)(?<=[?&])((?:access_|auth_|api_|refresh_|id_)?(?:token|key|signature|sig|secret|password)"
        r"|x-amz-[a-z-]{1,30})=[^&\s\"'#]{4,}"
    ),
    re.compile(r"(?i)\b(?:bearer|basic)\s+(?=[^\s]{0,200}[0-9+/=_-])[A-Za-z0-9+/=._-]{16,}"),
    re.compile(
        r"(?i)\b[\w-]{0,40}(?:api_?key|access_?key|secret(?:_?key|_access_key)?|passw(?:or)?d|auth_?token|access_?token"
        r"|private_?key|client_?secret)[\"']?\s{0,4}[:=]\s{0,4}[\"']?[^\s\"',;]{6,}"
    ),
)


def redact(text: str) -> str:
    """``text`` with what looks like a key, token or password replaced by ``[redacted]``."""
    for pattern in _SECRETS:
        text = pattern.sub(_HIDDEN, text)
    return text


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
