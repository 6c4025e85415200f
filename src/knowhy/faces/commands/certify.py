"""The command that spends trials on one claim."""

from __future__ import annotations

import os
import sys

import click

from knowhy import loop
from knowhy.cases import certifying
from knowhy.cases.conduct import ran_before
from knowhy.errors import UsageError
from knowhy.faces import live, render, render_theories
from knowhy.faces.options import existing, json_option, print_json, settings_path, which_study
from knowhy.faces.running import stoppable
from knowhy.faces.text import one_line
from knowhy.settings.options import load
from knowhy.views import CertificationView


@click.command()
@click.argument("theory")
@click.option("--trials", default=40, show_default=True, metavar="N", help="At most so many for this theory in all.")
@click.option("--workers", metavar="N", help="Trials side by side (2).")
@click.option("--timeout", metavar="TIME", help="For one trial.")
@click.option("--memory", metavar="SIZE", help="For one trial, such as 4GB.")
@click.option("--cost", is_flag=True, help="Only say what it will cost.")
@click.option("--yes", is_flag=True, help="Run without asking.")
@which_study
@json_option
def certify(
    theory: str,
    trials: int,
    workers: str | None,
    timeout: str | None,
    memory: str | None,
    cost: bool,
    yes: bool,
    study: str | None,
    folder: str | None,
    config: str | None,
    as_data: bool,
) -> None:
    """Spend trials on THEORY, such as T3: fresh pairs on new seeds, until it is certified or refuted.

    What is claimed is registered before the first pair, and what it will cost is said before anything runs.
    The same command goes on where it stopped.
    """
    if trials < 1:
        raise UsageError(f"{trials} trials are too few", "write --trials 40")
    chosen = existing(study, folder, config)
    asked = load({"workers": workers, "timeout": timeout, "memory": memory}, os.environ, settings_path(config))
    ahead = chosen.certification(theory, trials=trials)
    if cost or ahead.standing != "open" or ahead.repeats or ahead.most < ahead.least:
        _tell(ahead, asked.workers, as_data=as_data)
        return
    render.show(render_theories.certification_lines(ahead, asked.workers), stderr=True)
    if not yes and sys.stdin.isatty() and not click.confirm("run them?", default=True, err=True):
        raise click.Abort
    with stoppable() as stop, live.watcher() as view:
        done = certifying.certify(
            chosen,
            ahead.theory.id,
            ran_before(chosen.state.subject, asked.timeout, asked.memory, asked.entrusted),
            trials=trials,
            workers=asked.workers,
            watch=view.watch,
            judged=view.judged,
            stop=stop,
        )
    _tell(done, asked.workers, as_data=as_data)
    if stop.asked and chosen.state.ended == loop.STOPPED:
        click.echo("stopped; run again to go on", err=True)
        raise click.exceptions.Exit(130)


def _tell(view: CertificationView, workers: int, *, as_data: bool) -> None:
    if as_data:
        print_json(view)
        return
    render.show(render_theories.certification_lines(view, workers))
    if view.reason:
        render.show([render.row("ended", one_line(view.reason))])
