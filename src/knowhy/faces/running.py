"""Running a study for a person: signals, the live view, and the summary at the end."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click
from rich.text import Text

from knowhy import loop
from knowhy.cases.repository import Repo
from knowhy.errors import KnowhyError
from knowhy.faces import live, render, render_theories
from knowhy.model.space import Space
from knowhy.model.thought import Allowance
from knowhy.settings.options import Settings
from knowhy.study import Study
from knowhy.views import TheoryView, words


@dataclass
class Stop:
    """Whether the person has asked to stop."""

    asked: bool = False

    def __call__(self) -> bool:
        """Whether the person has asked to stop."""
        return self.asked


@contextmanager
def stoppable() -> Iterator[Stop]:
    """The first Ctrl-C (or SIGTERM) asks to stop in good order, the second interrupts."""
    stop = Stop()

    def asked(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def carry_out(study: Study, settings: Settings, script: Path | Repo, space: Space | None) -> None:
    """Run ``study`` as ``settings`` say and tell how it went; exits with 130 where the person stopped it."""
    with stoppable() as stop, live.watcher() as view:
        study.run(
            script,
            space,
            trials=settings.trials,
            workers=settings.workers,
            budget=settings.budget,
            strategy=settings.strategy,
            timeout=settings.timeout,
            memory=settings.memory,
            arguments=settings.arguments,
            theorists=settings.theorist,
            allowance=Allowance(settings.llm_budget, settings.llm_tokens, settings.llm_requests),
            trust=settings.entrusted,
            stop_early=settings.stop_early,
            watch=view.watch,
            judged=view.judged,
            stop=stop,
        )
    if stop.asked and study.state.ended == loop.STOPPED:
        click.echo("stopped; run again to go on", err=True)
        raise click.exceptions.Exit(130)
    summary(study)


def summary(study: Study) -> None:
    """The answer, the theories that stand out, and where the report is, on standard output."""
    overview = study.status
    render.show([*render.overview_lines(overview), *_standing_out(study.theories)])
    if not overview.done:
        return
    try:
        render.show([render.row("report", shown(study.report()))])
    except KnowhyError as error:
        click.echo(f"the report could not be written: {error.message}", err=True)


def _standing_out(theories: Sequence[TheoryView]) -> list[render.Line]:
    """The theories that are believed most, one for each question, and where the others are."""
    leading = [members[0] for _, members in render_theories.theory_groups(theories)]
    ranked = sorted(leading, key=lambda view: (view.status != "certified", -(view.belief or 0.0)))
    chosen = [view for view in ranked if view.status in ("certified", "supported", "leaning for")][:8]
    lines: list[render.Line] = [render_theories.theory_entry(view) for view in chosen]
    if len(theories) > len(chosen):
        rest = len(theories) - len(chosen)
        lines.append(Text(f"  {words.plural(rest, 'more theory', 'more theories')}: knowhy theories", style="dim"))
    return lines


def shown(path: Path) -> str:
    """``path`` from here where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
