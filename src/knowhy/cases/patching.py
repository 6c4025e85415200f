"""Trying a change of code before it joins a study: it must apply, be read by Python, and not fail at once."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from knowhy import compose
from knowhy.cases import trusting
from knowhy.cases.repository import Desk
from knowhy.errors import PatchError
from knowhy.model.events import ExclusionAdded, ParameterChanged, PatchAdded
from knowhy.model.observation import Failure, Outcome
from knowhy.model.patch import Patch
from knowhy.model.state import State, foreseen
from knowhy.model.trial import Proposal
from knowhy.redaction import HIDDEN

SECONDS = 20.0
_STORE = "repo.git"
_TAIL = 1_500


class Workbench:
    """Tries patches on a copy of a study's own repository; neither the study's nor the person's is touched."""

    def __init__(self, path: Path, *, seconds: float = SECONDS) -> None:
        """The study lies in the folder ``path``; a dry run takes ``seconds`` at most."""
        self._path, self._seconds = path, seconds

    def check(self, state: State, text: str, because: str, name: str, by: str) -> Patch:
        """``text`` as a patch that applies, can be read by Python, and does not fail at once; raises PatchError."""
        accepted = Desk(self._path, lambda: state).accept(text, because, name, by=by)
        outcome = self._dry_run(foreseen(state, accepted.events), name)
        if isinstance(outcome, Failure) and outcome.kind != "timeout":
            raise PatchError(
                f"with the change the program fails after {outcome.duration:.1f} s ({outcome.kind}): {outcome.message}",
                outcome.log_tail[-_TAIL:],
            )
        return accepted.patch

    def joining(self, state: State, patch: Patch) -> Sequence[PatchAdded | ParameterChanged | ExclusionAdded]:
        """The events by which ``patch`` joins ``state``; raises PatchError where it does not fit any more."""
        events = Desk(self._path, lambda: state).accept(patch.diff, patch.because, patch.name, by=patch.by).events
        return [e for e in events if isinstance(e, (PatchAdded, ParameterChanged, ExclusionAdded))]

    def _dry_run(self, state: State, name: str) -> Outcome | None:
        """The default configuration with the patch ``name`` on, for some seconds.

        None where it still runs then, and where the command held a secret, which is not known here.
        """
        if HIDDEN in str(state.subject.get("command")):
            return None
        with tempfile.TemporaryDirectory(prefix="knowhy-dry-run-") as folder:
            place = Path(folder) / "study"
            shutil.copytree(self._path / _STORE, place / _STORE)
            edited = Desk(place, lambda: state).subject(timeout=self._seconds)
            # As a trial runs, but for the evaluator: what was handed in has no more rights here than there.
            trust = replace(state.trust, evaluate="")
            subject = trusting.guarded(edited, trust, edited, state, state.objectives, self._path.parent)
            point = {**state.space.defaults(), name: True}
            job = subject.prepare(Proposal(1, point, 0, "learn", "a dry run"), (), str(place / "trials" / "00001"))
            runner = compose.executor(1, trust, edited=True)
            try:
                runner.submit(job)
                deadline = time.monotonic() + 2 * self._seconds
                while time.monotonic() < deadline:
                    ended = runner.wait(0.25)
                    if ended:
                        return ended[0][1]
            finally:
                runner.close()
        return None
