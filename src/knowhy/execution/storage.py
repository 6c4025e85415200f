"""Whether the disk is to blame for a failure."""

from __future__ import annotations

import os
import re
import tempfile

from knowhy.errors import can_pass
from knowhy.model.observation import Failure

_PROBE = 1 << 16
_WORDS = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|Input/output error|Errno (?:28|122|30|5)\b",
    re.IGNORECASE,
)


def blamed(failure: Failure) -> bool:
    """Whether a script's last words blame the disk; whether they are right is for ``short`` to say."""
    return bool(_WORDS.search(failure.message) or _WORDS.search(failure.log_tail))


def short(folder: str) -> bool:
    """Whether 64 KiB cannot be written to the disk of ``folder`` now, for want of space or permissions."""
    home = folder if os.path.isdir(folder) else os.path.dirname(os.path.abspath(folder))
    try:
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(bytes(_PROBE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return can_pass(error)
    return False
