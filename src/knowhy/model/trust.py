"""How far a subject is trusted: its sandbox, its environment, and who measures its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

SandboxKind = Literal["auto", "bubblewrap", "landlock", "off"]
SANDBOXES: tuple[str, ...] = get_args(SandboxKind)


@dataclass(frozen=True, slots=True)
class Trust:
    """What trials may do, and how their numbers are checked.

    ``sandbox`` is "auto" (bubblewrap where it works, else Landlock), one of these by name, "off", or None: off for
    what a person wrote, "auto" for edited code. ``allow_unsandboxed`` lets edited code run where there is no sandbox.
    In a sandbox there is no network without ``network``, files beside the script's folder are there only where
    ``read`` names them, and what ``hide`` names is not there at all (an evaluator sees it).

    ``env`` names variables that trials get beside the allow-list. ``disk`` bounds the bytes in a trial's folder,
    ``processes`` its processes and threads (0: by the number of cores).

    ``evaluate`` is a command that measures what a trial left behind: its metrics are the trial's. ``lock`` names files
    and folders that must not change; the evaluator's file always is one. ``longest`` is how many seconds a trial may
    take before its number stops counting (for subjects that train for a fixed time).
    """

    sandbox: SandboxKind | None = None
    allow_unsandboxed: bool = False
    network: bool = False
    read: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    disk: int | None = None
    processes: int = 0
    evaluate: str = ""
    lock: tuple[str, ...] = ()
    longest: float | None = None


OPEN = Trust()
"""Nothing is asked: trials run as the person would run them."""
