"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from knowhy.errors import UsageError


def write_whole(target: Path, text: str | bytes, *, folders: bool = False) -> None:
    """Put ``text`` (as UTF-8) at ``target``, with ``folders`` after making its folder; raises UsageError.

    What stood there stays until the new file is on disk: a full disk or a loss of power costs neither. A link is
    followed, a device or pipe is written to as it is.
    """
    data = text.encode("utf-8") if isinstance(text, str) else text
    part = ""
    try:
        place = Path(os.path.realpath(target))
        if os.path.lexists(place) and not stat.S_ISREG(place.stat().st_mode):
            place.write_bytes(data)  # a folder raises what there is to say
            return
        if folders:
            place.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=place.parent, prefix=".knowhy-", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), _mode(place))
        os.replace(part, place)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        if part:
            with suppress(OSError):
                os.unlink(part)
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{target} cannot be written: {why}", "name another file") from None


def _mode(place: Path) -> int:
    """The permissions that the file has, or that a new one gets."""
    with suppress(OSError):
        return stat.S_IMODE(place.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
