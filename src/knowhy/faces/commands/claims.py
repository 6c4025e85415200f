"""Commands about claims: judge one, or add one."""

from __future__ import annotations

import click

from knowhy.faces import render, render_theories
from knowhy.faces.options import existing, json_option, print_json, which_study


@click.command()
@click.argument("sentence")
@which_study
@json_option
def believe(sentence: str, study: str | None, folder: str | None, config: str | None, as_data: bool) -> None:
    """Judge the claim SENTENCE by the data so far: prior, belief, effect, evidence, what would settle it.

    Such as: knowhy believe "raising dropout from 0.1 to 0.4 lowers gap"
    """
    judgement = existing(study, folder, config).believe(sentence)
    if as_data:
        print_json(judgement)
    else:
        render.show(render_theories.judgement_lines(judgement))


@click.command()
@click.argument("sentence")
@click.option("--because", default="", help="The mechanism, in your words.")
@click.option("--title", default="", help="A short title; the claim itself where it is left out.")
@which_study
@json_option
def suppose(
    sentence: str,
    because: str,
    title: str,
    study: str | None,
    folder: str | None,
    config: str | None,
    as_data: bool,
) -> None:
    """Add a theory of your own, which is tested like any other; SENTENCE is its claim."""
    chosen = existing(study, folder, config)
    known = {theory.id for theory in chosen.theories}
    view = chosen.suppose(sentence, because, title)
    if as_data:
        print_json(view)
        return
    joins = f"{view.id} says so already" if view.id in known else f"{view.id} joins the theories of {chosen.name}"
    lines: list[render.Line] = [joins]
    render.show([*lines, *render_theories.judgement_lines(chosen.believe(view.claims[0]))])
