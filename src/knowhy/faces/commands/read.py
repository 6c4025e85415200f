"""Commands that show what is known: status, best, theories, explain, next, trials."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import click

from knowhy.errors import StudyError, UsageError
from knowhy.faces import render, render_front, render_theories, render_theorists
from knowhy.faces.options import existing, json_option, print_json, which_study
from knowhy.faces.text import one_line
from knowhy.model.space import Point
from knowhy.settings.goals import parse_weights
from knowhy.study import Study
from knowhy.views import proposers
from knowhy.writing import write_whole


@click.command()
@which_study
@json_option
def status(study: str | None, folder: str | None, config: str | None, as_data: bool) -> None:
    """Show where a study stands: the best, the trials, the theories."""
    view = existing(study, folder, config).status
    if as_data:
        print_json(view)
    else:
        render.show(render.overview_lines(view))


@click.command()
@which_study
@click.option("--write", metavar="FILE", help="Write the script with the best parameters in it to FILE.")
@click.option("--branch", metavar="NAME", help="For a repository: write it as a new branch, a commit for each patch.")
@click.option("--pick", metavar="TRIAL", type=int, help="With several objectives: the configuration of TRIAL.")
@click.option("--weights", metavar="TEXT", help='What a unit of each is worth, as in "val_loss=1,time=0.1".')
@json_option
def best(
    study: str | None,
    folder: str | None,
    config: str | None,
    write: str | None,
    branch: str | None,
    pick: int | None,
    weights: str | None,
    as_data: bool,
) -> None:
    """Show the best configuration, or write it into a copy of the script.

    For a function, --write takes a file that ends in .json; for a repository, one that ends in .diff as well.
    With several objectives the first one decides, unless --pick or --weights choose a point (see: knowhy front).
    """
    chosen = existing(study, folder, config)
    if pick is not None and weights is not None:
        raise UsageError("--pick and --weights choose in two ways", "give one of them")
    if pick is None and weights is None:
        view = chosen.best
        if branch is not None:
            _branch(chosen, branch, chosen.best_point)
        if write is not None:
            _write(chosen, Path(write), chosen.best_point)
        if as_data:
            print_json(view)
        else:
            render.show(render.best_lines(view))
            render.show(render_front.hint_lines(chosen.front))
        return
    point = chosen.pick(pick) if pick is not None else chosen.pick(weights=parse_weights(weights or ""))
    if branch is not None:
        _branch(chosen, branch, point.point)
    if write is not None:
        _write(chosen, Path(write), point.point)
    if as_data:
        print_json(point)
    else:
        render.show(render_front.pick_lines(point))


@click.command()
@which_study
@json_option
def front(study: str | None, folder: str | None, config: str | None, as_data: bool) -> None:
    """With several objectives: what may be on the front, each with its probability and estimates."""
    chosen = existing(study, folder, config)
    if len(chosen.state.objectives) < 2:
        raise UsageError(
            f"the study {chosen.name} has one objective", "the answer is the best configuration: knowhy best"
        )
    if as_data:
        print_json(chosen.front)
    else:
        render.show(render_front.front_lines(chosen.front, chosen.state.objectives))


def _branch(study: Study, branch: str, point: Point) -> None:
    written = study.patches.write_branch(branch, point)
    for subject in written.commits:
        click.echo(f"  {one_line(subject)}", err=True)
    click.echo(f"wrote the branch {written.branch}; nothing is checked out", err=True)
    if written.run:
        click.echo(f"no file holds all of its settings; run it as: {one_line(written.run, 2_000)}", err=True)


def _write(study: Study, target: Path, point: Point) -> None:
    files, words = ({}, ()) if target.suffix == ".json" else study.beside_best(point)
    if target.suffix == ".json":
        text = json.dumps(dict(point), indent=2) + "\n"
    elif study.state.subject.get("kind") == "repo":
        text = study.patches.diff(point)
    else:
        text = study.script_with_best(point)
    if target.is_file() and sha256(target.read_bytes()).hexdigest() == study.state.subject.get("sha256"):
        raise UsageError(f"{target} is the script under study", "write to another file, such as train_best.py")
    write_whole(target, text.encode("utf-8", "surrogateescape"))
    for name, data in files.items():
        write_whole(target.with_name(f"{target.stem}.{Path(name).name}"), data)
    click.echo(f"wrote {target}", err=True)
    for name in files:
        click.echo(
            f"wrote {target.with_name(f'{target.stem}.{Path(name).name}')}: it takes the place of {name}", err=True
        )
    if words:
        click.echo(f"run it with: {' '.join(words)}", err=True)


@click.command()
@which_study
@json_option
def theories(study: str | None, folder: str | None, config: str | None, as_data: bool) -> None:
    """List the theories with belief, prior and status; rivals stand together."""
    chosen = existing(study, folder, config)
    views = chosen.theories
    if as_data:
        print_json(views)
        return
    lines = render_theories.theories_lines(views)
    records = proposers(chosen.state)
    if any(record.name != "builtin" for record in records):
        lines += ["", "Who proposed them", *render_theorists.record_lines(records)]
    render.show(lines)


@click.command()
@click.argument("theory")
@which_study
@json_option
def explain(theory: str, study: str | None, folder: str | None, config: str | None, as_data: bool) -> None:
    """Tell all that is known about THEORY, such as T3."""
    view = existing(study, folder, config).explain(theory)
    if as_data:
        print_json(view)
    else:
        render.show(render_theories.explanation_lines(view))


@click.command("next")
@which_study
@click.option("--limit", default=5, show_default=True, help="How many to show.")
@json_option
def next_(study: str | None, folder: str | None, config: str | None, limit: int, as_data: bool) -> None:
    """Show what runs, or would run next, and why."""
    views = existing(study, folder, config).next()[: max(1, limit)]
    if as_data:
        print_json(views)
    else:
        render.show(render.next_lines(views))


@click.command()
@which_study
@json_option
def trials(study: str | None, folder: str | None, config: str | None, as_data: bool) -> None:
    """List every trial: purpose, result, what was expected, and what it taught."""
    chosen = existing(study, folder, config)
    if not chosen.state.objectives:
        raise StudyError(f"the study {chosen.name} has not begun", "run it first")
    if as_data:
        print_json(chosen.trials)
    else:
        width = render.console().width
        render.show(render.trials_lines(chosen.trials, chosen.state.objective.metric, width))
