"""Processes that an earlier controller left behind in a study's folder of trials, and their end.

A controller that is killed takes its trials with it, within a second or two; one that is stopped (SIGSTOP, a debugger)
and loses its lease does not. Either way nothing of it may still run when its trials start again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import signal
import time
from typing import Any

import psutil

from knowhy.execution import tree

_SECONDS = 2.0


def place(folder: str) -> str:
    """What the tokens of all jobs start with whose folders lie beside ``folder`` (see ``tree.TOKEN``)."""
    home = os.path.dirname(os.path.realpath(folder))
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:16]


def new_token(folder: str) -> str:
    """A token for a job in ``folder``, as no other has it."""
    return f"{place(folder)}-{secrets.token_hex(16)}"


def end_leftovers(folder: str) -> int:
    """End the processes of jobs beside ``folder``, all of which are of another controller; how many there were."""
    start, seen = f"{place(folder)}-", set()
    give_up = time.monotonic() + _SECONDS
    while found := [p for p in psutil.process_iter() if p.pid != os.getpid() and _token(p).startswith(start)]:
        seen |= {p.pid for p in found}
        tree.send(found, (signal.SIGSTOP, signal.SIGKILL))
        psutil.wait_procs(found, timeout=0.2)
        if time.monotonic() > give_up:
            break
    return len(seen)


def _token(process: Any) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        if process.status() != psutil.STATUS_ZOMBIE:
            return str(process.environ().get(tree.TOKEN, ""))
    return ""
