"""A subject whose jobs are shut in and whose results are measured by somebody else: wraps any other subject."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

from knowhy.model.job import Confinement, Evaluation, Job
from knowhy.model.space import Point
from knowhy.model.trial import Proposal
from knowhy.ports import Subject

# Beside a script, these hold keys more often than data.
_SECRET = [
    ".env",
    ".env.*",
    ".envrc",
    ".netrc",
    ".pypirc",
    ".npmrc",
    ".git",
    ".git-credentials",
    ".hg",
    ".svn",
    ".ssh",
    ".aws",
    ".azure",
    ".gcp",
    ".gnupg",
    ".docker",
    ".kube",
    ".config",
    ".pgpass",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "credentials",
    "credentials.*",
    "secrets",
    "secrets.*",
    ".streamlit",
]


@dataclass(frozen=True)
class Guard:
    """What is asked of every job of a subject; all paths are absolute.

    ``home`` is the folder of the script, ``studies`` that of the studies (with the journal). ``confined`` asks for a
    sandbox, ``required`` for nothing less. ``read`` and ``hide`` are paths beside and within ``home``, as ``network``,
    ``disk`` and ``processes`` are for ``model.job.Confinement``. ``evaluate`` is the evaluator's command ("" for none),
    ``locked`` the fingerprints of files that must not change, ``maximized`` the metrics of which more is better,
    ``longest`` how many seconds a trial may take. ``inspect`` gives reasons for which a point's numbers are not to be
    believed, whatever they are (what an edit does to the code, say).
    """

    home: str
    studies: str = ""
    confined: bool = False
    required: bool = False
    network: bool = False
    read: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    disk: int | None = None
    processes: int = 0
    evaluate: tuple[str, ...] = ()
    locked: Mapping[str, str] = field(default_factory=dict)
    maximized: tuple[str, ...] = ()
    longest: float | None = None
    inspect: Callable[[Point], Sequence[str]] = lambda point: ()


class GuardedSubject:
    """``subject``, its jobs as ``guard`` asks."""

    def __init__(self, subject: Subject, guard: Guard) -> None:
        """Wrap ``subject``."""
        self.subject = subject
        self.guard = guard

    def prepare(self, proposal: Proposal, required: Sequence[str], folder: str) -> Job:
        """The job of the wrapped subject, with a sandbox and an evaluation; raises SubjectError."""
        guard, target = self.guard, os.path.abspath(folder)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(target)  # what an earlier attempt left there is no part of this one
        job = self.subject.prepare(proposal, required, folder)
        secrets = _secrets(guard.home)
        hidden = tuple(dict.fromkeys((*guard.hide, *secrets, *filter(None, (guard.studies,)))))
        if guard.confined or guard.hide:
            _take_away((*guard.hide, *(secrets if guard.confined else ())), guard.home, target)
        confinement = None
        if guard.confined:
            confinement = Confinement(
                (guard.home, *guard.read),
                hidden,
                None,
                guard.network,
                guard.processes,
                guard.disk,
                guard.required,
            )
        return replace(
            job,
            disk=guard.disk,
            confinement=confinement,
            evaluation=self._evaluation(job, target, secrets),
            flags=tuple(guard.inspect(proposal.point)),
        )

    def _evaluation(self, job: Job, folder: str, secrets: Sequence[str]) -> Evaluation | None:
        guard = self.guard
        if not guard.evaluate and not guard.locked and guard.longest is None:
            return None
        scratch = f"{folder}.evaluation"
        confinement = None
        if guard.confined:
            readable = (guard.home, *guard.read, *guard.hide)
            hidden = (*secrets, *filter(None, (guard.studies,)))
            confinement = Confinement(readable, hidden, (scratch,), False, guard.processes, guard.disk, guard.required)
        names = ("KNOWHY_SEED", "KNOWHY_TRIAL")
        env = {name: job.env[name] for name in names if name in job.env}
        # Bytecode beside the sources could have been put there by a trial, and so could packages in the user's folder.
        env |= {
            "PYTHONPATH": guard.home,
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPYCACHEPREFIX": f"{scratch}/bytecode",
        }
        copies = {}
        for path, digest in guard.locked.items():
            copy = os.path.join(folder, os.path.relpath(path, guard.home))
            inside = not os.path.relpath(path, guard.home).startswith("..") and os.path.isfile(copy)
            if inside and os.path.realpath(copy) != os.path.realpath(path):
                copies[copy] = digest
        return Evaluation(
            guard.evaluate,
            env,
            guard.locked,
            guard.longest,
            job.timeout,
            confinement,
            guard.maximized,
            copies,
        )


def _secrets(home: str) -> tuple[str, ...]:
    """What lies in ``home`` and holds keys by its name."""
    try:
        names = sorted(os.listdir(home))
    except OSError:
        return ()
    return tuple(os.path.join(home, n) for n in names if any(fnmatch(n.lower(), pattern) for pattern in _SECRET))


def _take_away(hidden: Sequence[str], home: str, folder: str) -> None:
    """Remove copies of ``hidden`` files, and links to them, from a trial's folder."""
    for path in hidden:
        inside = os.path.relpath(path, home)
        copy = Path(folder, inside)
        if inside.startswith("..") or not os.path.lexists(copy):
            continue
        if copy.is_symlink() or (
            copy.is_file() and os.path.realpath(copy).startswith(os.path.realpath(folder) + os.sep)
        ):
            copy.unlink()
