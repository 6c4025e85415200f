"""What an executor is asked to run; the meeting point of subjects and executors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a job in a sandbox may touch. The system and the Python that runs it can always be read.

    ``readable`` are further files and folders that it may read, ``hidden`` those of them (or within them) that it may
    not. ``writable`` are the folders that it may change; None: the job's own. ``processes`` bounds processes and
    threads together (0: by the number of cores), ``disk`` the bytes in the writable folders (None: half of what is
    free). ``required``: rather fail than run where no sandbox works.
    """

    readable: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    writable: tuple[str, ...] | None = None
    network: bool = False
    processes: int = 0
    disk: int | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Who measures a job's result: a command outside of what the job can change, run on what the job left behind.

    ``argv`` runs in the job's folder, which is read-only to it in a sandbox, with the variables of ``env``; it prints
    or reports metrics as a job does, and these are the job's. ``locked`` maps files to a fingerprint (see
    ``execution.integrity``) that must hold before and after the job and its evaluation. ``longest`` is how many
    seconds the job may have taken; ``confinement`` is the evaluator's own sandbox; ``maximized`` names the metrics of
    which more is better; ``copies`` are fingerprints of copies in the job's folder, checked when it has ended. Without
    ``argv`` only files and times are checked, and the job's own metrics count.
    """

    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    locked: Mapping[str, str] = field(default_factory=dict)
    longest: float | None = None
    timeout: float | None = None
    confinement: Confinement | None = None
    maximized: tuple[str, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)


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
    ``disk`` bounds the bytes in ``folder``.
    ``confinement`` asks for a sandbox, ``evaluation`` for metrics measured by somebody else. ``flags`` are reasons for
    which whatever the job reports is not to be believed.
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
    disk: int | None = None
    confinement: Confinement | None = None
    evaluation: Evaluation | None = None
    flags: tuple[str, ...] = ()
