"""Thoughts of an earlier study, given again at the same point of another: a study replayed without its model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from knowhy.model.events import Record, ThoughtEnded, TrialCompleted, TrialFailed
from knowhy.model.state import State
from knowhy.model.thought import Thought, Usage


def recorded(records: Iterable[Record]) -> tuple[tuple[int, Thought], ...]:
    """Each thought of a journal with the number of trials that had ended when it came out."""
    ended = 0
    found = []
    for record in records:
        if isinstance(record.event, (TrialCompleted, TrialFailed)):
            ended += 1
        elif isinstance(record.event, ThoughtEnded):
            found.append((ended, record.event.thought))
    return tuple(found)


class Replayed:
    """Says again what was said, when as many trials have ended; costs nothing. Pure in the state."""

    def __init__(self, thoughts: Sequence[tuple[int, Thought]]) -> None:
        """``thoughts`` as ``recorded`` gives them."""
        self._thoughts = tuple(thoughts)
        self.name = self._thoughts[0][1].by if self._thoughts else "replay"

    def propose(self, state: State) -> Sequence[Thought]:
        """The thoughts that had come out by now and that this study does not have yet."""
        known = {(t.by, t.after, t.moment, t.prompt) for t in state.thoughts}
        return [
            replace(thought, usage=Usage(), model=thought.model or "replayed")
            for ended, thought in self._thoughts
            if ended <= len(state.order) and (thought.by, thought.after, thought.moment, thought.prompt) not in known
        ]
