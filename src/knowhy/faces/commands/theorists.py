"""The command that shows who proposed what."""

from __future__ import annotations

import click

from knowhy.faces import render, render_theorists
from knowhy.faces.options import existing, json_option, print_json, which_study
from knowhy.views import opinions, proposers, thoughts


@click.command()
@which_study
@click.option("--calls", is_flag=True, help="List every call of a language model as well.")
@json_option
def theorists(study: str | None, folder: str | None, config: str | None, calls: bool, as_data: bool) -> None:
    """Show who proposed what, how it fared, and what it cost."""
    chosen = existing(study, folder, config)
    state = chosen.state
    records, made = proposers(state), thoughts(state)
    held = opinions(state, chosen.mind)
    if as_data:
        print_json({"proposers": records, "opinions": held, "calls": made if calls else len(made)})
        return
    lines = [*render_theorists.record_lines(records), *render_theorists.opinion_lines(held)]
    if calls:
        lines += render_theorists.call_lines(made)
    render.show(lines)
