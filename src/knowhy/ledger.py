"""A journal together with the state that it folds to: the only way in which a study's state ever changes."""

from __future__ import annotations

from collections.abc import Callable

from knowhy.model.events import Event
from knowhy.model.state import State, fold
from knowhy.ports import Journal


class Ledger:
    """Appends to ``journal`` and keeps ``state`` its fold; ``watch`` sees every new state."""

    def __init__(self, journal: Journal, watch: Callable[[State], None] = lambda state: None) -> None:
        """Fold the journal as it stands."""
        self.journal = journal
        self.state = fold(journal.read())
        self._watch = watch

    def append(self, *events: Event) -> None:
        """Write events, then let the state be their fold. The state is refolded where others have written too."""
        if not events:
            return
        records = self.journal.append(events)
        if records[0].seq != self.state.seq + 1:
            records = [*self.journal.read(self.state.seq)]
        self.state = fold(records, self.state)
        self._watch(self.state)

    def catch_up(self) -> None:
        """Take in what others have written."""
        records = [*self.journal.read(self.state.seq)]
        if records:
            self.state = fold(records, self.state)
            self._watch(self.state)
