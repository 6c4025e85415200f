"""Who runs again, how often, and where: bounded, and never silently."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from knowhy.model.events import NoteAdded
from knowhy.model.observation import Failure
from knowhy.model.state import State
from knowhy.model.trial import Running

ATTEMPTS = 3
"""How often a trial is started at most where what ended it can pass."""
CUT_OFF = 10
"""How often a trial is started at most where its controller ended with it each time: it may be what ends it."""


@dataclass
class Retries:
    """Which trials run again. ``alone`` holds those that had no memory beside others: nothing runs beside them now."""

    alone: set[int] = field(default_factory=set)

    def again(self, number: int, failure: Failure, attempt: int) -> NoteAdded | None:
        """The note that says so if trial ``number`` is to run again after ``attempt`` starts, None where it is not."""
        if not (failure.can_pass or failure.kind == "lost") or attempt >= ATTEMPTS:
            return None
        how = ""
        if failure.kind == "out_of_memory":
            self.alone.add(number)
            how = ", alone"
        text = f"trial {number} runs again{how} (start {attempt + 1} of at most {ATTEMPTS}): {failure.message}"
        return NoteAdded(text, "loop", number)

    def holds_back(self, number: int, running: set[int]) -> bool:
        """Whether trial ``number`` has to wait for a trial that is to run alone, or is that trial beside others."""
        return bool(self.alone) and bool(running or number not in self.alone)


def cut_off(state: State) -> list[NoteAdded]:
    """What there is to say of trials that ran when the run before was cut off, which start again."""
    numbers = [str(t.proposal.trial) for t in state.pending if isinstance(t, Running)]
    if not numbers:
        return []
    which = f"trials {', '.join(numbers)} run" if numbers[1:] else f"trial {numbers[0]} runs"
    return [NoteAdded(f"the run before was cut off; {which} again from the start", "loop")]


def poisonous(number: int, attempt: int) -> Failure | None:
    """The failure of a trial whose ``attempt`` starts were all cut off together with their controller."""
    if attempt < CUT_OFF:
        return None
    return Failure("lost", f"its run was cut off {attempt} times while trial {number} ran; it may be the cause", 0.0)


def fresh_folder(home: str, number: int) -> str:
    """A path below ``home`` for trial ``number`` at which there is nothing yet.

    Every start gets a folder of its own: no checkpoint, number or link that an earlier one left there counts for it.
    """
    path = os.path.join(home, f"{number:05d}")
    start = 1
    while os.path.lexists(path):
        start += 1
        path = os.path.join(home, f"{number:05d}-{start}")
    return path
