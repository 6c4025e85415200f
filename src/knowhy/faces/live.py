"""What people see while a study runs: a calm view on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from knowhy.faces import forecast, render, render_theories
from knowhy.faces.text import one_line, safe
from knowhy.model.state import State
from knowhy.model.trial import Completed, Failed, Stopped
from knowhy.views import BestView, Mind, TheoryView, TrialView, best, theories, trials, words

_TOLD = frozenset({"certified", "supported", "refuted"})
_BACK = 0.15
_NOTES = 2


class Watcher(AbstractContextManager["Watcher"], Protocol):
    """Somebody who is told of each new state while a study runs."""

    def watch(self, state: State) -> None:
        """Take notice of ``state``."""
        ...

    def judged(self, state: State, mind: Mind) -> None:
        """Take notice of a state whose beliefs are new; the engine may be asked here."""
        ...


def watcher() -> Watcher:
    """The view that fits where standard error goes."""
    return LiveView() if sys.stderr.isatty() else PlainLines()


class PlainLines:
    """A line for each trial that ended, and for each theory that was settled; for pipes and logs."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self._told: int | None = None
        self._status: dict[str, str] = {}
        self._fresh: dict[str, str] = {}
        self._last: State | None = None

    def __enter__(self) -> PlainLines:
        """The watcher itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell what is left to tell."""
        if self._last is not None:
            self._tell(self._last, len(self._last.order), last=True)

    def judged(self, state: State, mind: Mind) -> None:
        """Nothing: lines are printed from what the journal says."""

    def watch(self, state: State) -> None:
        """Print lines for what has ended since the last call."""
        if self._told is None:  # a study that goes on: what ended before was told before
            self._told = len(state.order)
            self._status = {view.id: view.status for view in theories(state)}
        known = 0 if self._last is None else len(self._last.notes)
        for note in [note for at, note in state.notes[known:] if at >= state.run_started]:
            print(f"note: {one_line(note.text)}", file=sys.stderr, flush=True)
        self._last = state
        self._tell(state, sum(n in state.order for n in {update.trial for update in state.updates}))

    def _tell(self, state: State, judged: int, *, last: bool = False) -> None:
        """Lines for the first ``judged`` of the trials that ended, and for theories that were settled by them.

        A verdict is told once a second trial has left it standing, or at the end: few trials make beliefs jump.
        """
        told = self._told or 0
        if judged <= told and not last:
            return
        rows = {row.number: row for row in trials(state)}
        for number in state.order[told:judged]:
            print(trial_line(rows[number], state.objective.metric), file=sys.stderr, flush=True)
        self._told = judged
        for view in theories(state):
            before = self._status.get(view.id, "open")
            if view.status not in _TOLD and before in _TOLD and not _BACK < (view.belief or 0.0) < 1 - _BACK:
                continue  # a belief that wavers about the line is not worth a line each time
            if view.status == before or not {view.status, before} & _TOLD:
                self._status[view.id] = view.status
                self._fresh.pop(view.id, None)
                continue
            verdict = view.status if view.status in _TOLD else f"no longer {before}"
            if self._fresh.get(view.id) != verdict and view.status != "certified" and not last:
                self._fresh[view.id] = verdict
                continue
            self._status[view.id] = view.status
            text = f"{view.id} {verdict} ({words.percent(view.belief)}): {one_line(view.title)}"
            print(text, file=sys.stderr, flush=True)


def trial_line(row: TrialView, metric: str) -> str:
    """A trial that ended, in a line."""
    parts = [f"#{row.number} {row.purpose}", render.settings(row.changed)]
    if row.failure is not None:
        parts.append(f"failed: {row.failure.kind.replace('_', ' ')} ({one_line(row.failure.message, 80)})")
    elif row.stop is not None:
        parts.append(f"stopped: {one_line(row.stop.reason, 240)}")
    else:
        known = f" (expected {render.expected(row.predicted)})" if row.predicted else ""
        parts.append(f"{safe(metric)} {render.outcome(row)}{known}")
    if row.gained_bits is not None:
        parts.append(f"{words.bits(row.gained_bits)} bits")
    return "  ".join(parts) + f"  – {one_line(row.reason)}"


class LiveView:
    """A view that is drawn three times a second from the last state; the engine is asked only from ``judged``."""

    def __init__(self, console: Console | None = None) -> None:
        """Prepare to draw on ``console`` (standard error)."""
        self._console = console or render.console(stderr=True)
        self._state: State | None = None
        self._started = time.monotonic()
        self._before = 0
        self._best: BestView | None = None
        self._theories: tuple[TheoryView, ...] = ()
        self._rows: tuple[TrialView, ...] = ()
        # Last: it asks for a first frame at once.
        self._live = Live(
            console=self._console, refresh_per_second=3, get_renderable=self._draw, transient=True, screen=False
        )

    def __enter__(self) -> LiveView:
        """Start drawing."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the view off the screen."""
        self._live.stop()

    def judged(self, state: State, mind: Mind) -> None:
        """Ask the engine for the best so far, while the posterior is there."""
        if state.completed:
            self._best = best(state, mind)

    def watch(self, state: State) -> None:
        """Take ``state`` as what is drawn from now on."""
        if self._state is None:
            self._before = len(state.order)
        self._theories = theories(state)
        self._rows = trials(state)
        self._state = state

    def _draw(self) -> Group:
        """The frame."""
        state = self._state
        if state is None or state.run is None:
            return Group(Text("starting", style="dim"))
        width, height = self._console.size
        rows = [row for row in self._rows if row.status not in ("running", "waiting")]
        pending = [row for row in self._rows if row.status in ("running", "waiting")]
        pending.sort(key=lambda row: row.status)
        place = {number: at for at, number in enumerate(state.order)}
        rows.sort(key=lambda row: place.get(row.number, 0))
        head = self._head(state, width)
        answer = self._answer(state, width)
        now = self._now(pending[:4], width)
        ended = enumerate(rows[-3:][::-1])
        last = [_last_line(row, state.objective.metric, width, "" if at else "last") for at, row in ended]
        last += _notes(state, width)
        room = height - len(head) - len(answer) - len(now) - len(last) - 4
        body: list[render.Line] = [*head, "", *answer, *_blank(self._theory_lines(max(4, room), width))]
        body += [*_blank(now), *_blank(last)]
        return Group(*body)

    def _head(self, state: State, width: int) -> list[render.Line]:
        """Name, progress, time."""
        assert state.run is not None
        total, ended = state.run.trials, state.finished - len(state.observed)
        elapsed = time.monotonic() - self._started
        durations = [
            t.observation.duration
            if isinstance(t, Completed)
            else t.failure.duration
            if isinstance(t, Failed)
            else t.stop.duration
            for t in state.trials.values()
            if isinstance(t, (Completed, Failed, Stopped)) and t.proposal.purpose != "observe"
        ]
        budget = None if state.run.budget is None else state.run.budget - state.spent - elapsed
        left = forecast.time_left(elapsed, len(state.order) - self._before, durations, total - ended, budget)
        goals = ", ".join(f"{o.direction} {safe(o.metric)}" for o in state.objectives)
        line = Table.grid(expand=True)
        line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        line.add_column(justify="right", no_wrap=True)
        progress = f"{ended} of {total} trials, {words.seconds(elapsed)}"
        ahead = forecast.words(left)
        line.add_row(
            Text.assemble((safe(state.name), "bold"), f"  {goals}"), progress + (f", {ahead}" if ahead else "")
        )
        return [line, ProgressBar(total=max(total, 1), completed=ended, width=width)]

    def _answer(self, state: State, width: int) -> list[render.Line]:
        """The best so far, with noise, against the default."""
        found = self._best
        if found is None:
            return [Text("best    nothing yet", style="bold")]
        half = (found.high - found.low) / 3.3
        value = found.fresh_value if found.fresh_value is not None else found.value
        text = Text.assemble(("best    ", "bold"), f"{safe(found.metric)} {words.plus_minus(value, half)}")
        if found.fresh:
            text.append(f" ({words.plural(len(found.fresh), 'fresh run')})")
        if found.noise > 0 and width >= 100:
            text.append(f", noise {words.number(found.noise, found.noise)}", style="dim")
        if found.is_default:
            return [text, Text("        the default; nothing better has been found yet")]
        base = found.fresh_default if found.fresh_default is not None else found.default_value
        text.append(f", default {words.number(base, half)}")
        sure = "certified better" if found.certified else f"better: {words.percent(found.better)} sure"
        text.append(f", {sure}", style="green" if found.better > 0.95 or found.certified else "")
        text.truncate(width, overflow="ellipsis")
        where = one_line(f"#{found.trial} {render.settings(found.changed)}", width - 8)
        return [text, Text(f"        {where}")]

    def _theory_lines(self, room: int, width: int) -> list[render.Line]:
        """The theories that fit, rivals together; questions that are still open first."""
        groups = render_theories.theory_groups(self._theories)
        groups.sort(key=lambda pair: all(view.status in ("refuted", "supported", "certified") for view in pair[1]))
        lines: list[render.Line] = []
        left = len(self._theories)
        for question, members in groups:
            if len(lines) + 2 > room - 1:
                break
            if members[0].question:
                lines.append(Text(one_line(question, width), style="bold"))
            for view in members[: max(1, room - 1 - len(lines))]:
                lines.append(render_theories.theory_line(view, width))
                left -= 1
        if left > 0 and lines:
            lines.append(Text(f"  and {words.plural(left, 'more theory', 'more theories')}", style="dim"))
        return lines

    def _now(self, pending: list[TrialView], width: int) -> list[render.Line]:
        """What runs and waits, with purpose and reason."""
        lines: list[render.Line] = []
        told = ""
        for row in pending:
            name = "next" if row.status == "waiting" else "now"
            head = f"#{row.number} {row.purpose} "
            text = Text.assemble((f"{'' if name == told else name:<8}", "bold"), (head, "cyan"))
            told = name
            text.append(one_line(render.settings(row.changed), width - 8 - len(head)))
            lines.append(text)
            lines.append(Text("        " + one_line(row.reason, width - 8), style="dim"))
        return lines


def _notes(state: State, width: int) -> list[Text]:
    """The last notes of this run: what is tried again and why, who could not be asked."""
    told = [note.text for at, note in state.notes if at >= state.run_started][-_NOTES:]
    return [
        Text(f"{'' if number else 'notes':<8}{one_line(text, max(0, width - 8))}", style="yellow")
        for number, text in enumerate(told)
    ]


def _last_line(row: TrialView, metric: str, width: int, name: str) -> Text:
    """A trial that ended, cut to the width."""
    head = f"#{row.number} {row.purpose}"
    early = row.failure is not None or row.stop is not None
    result = render.outcome(row) if early else f"{safe(metric)} {render.outcome(row)}"
    known = f" (expected {render.expected(row.predicted)})" if row.predicted and not early else ""
    bits = f"  {words.bits(row.gained_bits)} bits" if row.gained_bits is not None else ""
    text = Text.assemble(
        (f"{name:<8}", "bold"), f"{head:<12} ", (result, "red" if row.failure else ""), (f"{known}{bits}  ", "dim")
    )
    text.append(one_line(render.settings(row.changed), max(0, width - len(text))))
    text.truncate(width, overflow="ellipsis")
    return text


def _blank(lines: Sequence[render.Line]) -> list[render.Line]:
    """``lines`` with a blank one above, nothing where there are none."""
    return ["", *lines] if lines else []
