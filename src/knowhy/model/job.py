"""What an executor is asked to run; the meeting point of subjects and executors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Job:
    """A child process to run to its end.

    ``argv`` runs in ``folder`` (which exists) with the variables of ``env`` added to the allow-list
    that the executor passes on. The child may write JSON lines to ``result_path``; what it prints goes to ``log_path``.
    ``required`` metrics must be there and finite for the trial to count. ``timeout`` is in seconds,
    ``memory`` in bytes for the whole process tree; None is no limit. ``locked`` are files (absolute paths) that the
    child must leave as they are, with the SHA-256 of their content
    (of large ones, which are only linked to, ``size:mtime_ns``); ``scratch`` is a folder that nobody needs
    once the job has ended.
    """

    trial: int
    argv: tuple[str, ...]
    folder: str
    result_path: str
    log_path: str
    required: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    memory: int | None = None
    locked: Mapping[str, str] = field(default_factory=dict)
    scratch: str = ""
