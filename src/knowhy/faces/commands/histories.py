"""The commands that take trials in from other tools, and write them for other tools."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.text import Text

from knowhy.cases.exporting import FORMATS, Format, default_target, text_of, write
from knowhy.cases.importing import Imported, name_for, verdict_lines
from knowhy.cases.wishes import Wishes
from knowhy.errors import UsageError
from knowhy.faces import render
from knowhy.faces.options import existing, json_option, print_json, settings_path, which_study
from knowhy.faces.text import one_line
from knowhy.model.objective import Direction
from knowhy.model.space import describe
from knowhy.settings.options import load
from knowhy.study import Study


@click.command("import")
@click.argument("source", metavar="PATH")
@click.option("--metric", multiple=True, metavar="NAME", help="The objective, where the guess is wrong; NAME:max too.")
@click.option("--minimize", "direction", flag_value="minimize", help="A small metric is good.")
@click.option("--maximize", "direction", flag_value="maximize", help="A large metric is good.")
@click.option("--parameter", multiple=True, metavar="NAME[=LOW:HIGH[:log]]", help="Take only these; with a range.")
@click.option("--rename", multiple=True, metavar="OLD=NEW", help="A parameter that the script calls otherwise.")
@click.option("--source", "member", metavar="NAME", help="Which study or experiment, where PATH holds several.")
@click.option("--baseline", default="", metavar="TRIAL", help="The trial whose configuration is the default.")
@click.option("--repo", default="", metavar="DIR", help="The repository with the commits of a results.tsv.")
@click.option("--script", default="", metavar="NAME", help="The script in that repository (train.py).")
@click.option("--noise", type=float, metavar="SD", help="What one run varies by, where you know it (results.tsv).")
@click.option("--look", is_flag=True, help="Only show what would be imported.")
@which_study
@json_option
def import_(
    source: str,
    metric: tuple[str, ...],
    direction: Direction | None,
    parameter: tuple[str, ...],
    rename: tuple[str, ...],
    member: str | None,
    baseline: str,
    repo: str,
    script: str,
    noise: float | None,
    look: bool,
    study: str | None,
    folder: str | None,
    config: str | None,
    as_data: bool,
) -> None:
    """Take in the trials at PATH as evidence: an Optuna storage, CSV, JSON lines, MLflow, W&B, or a study.

    Trials that are known already are not added again.
    """
    settings = load({"name": study, "folder": folder}, os.environ, settings_path(config))
    name = settings.name if "name" in settings.given else ""
    pairs = dict(_pair(text) for text in rename)
    chosen = Study(name or name_for(source, member), folder=settings.folder)
    wishes = Wishes(metric, direction, parameter, pairs, member, baseline, repo, script or "train.py", noise)
    done = chosen.import_history(source, wishes, look=look)
    if as_data:
        print_json(done)
    else:
        render.show(_lines(done))


def _pair(text: str) -> tuple[str, str]:
    old, mark, new = text.partition("=")
    if not mark or not old.strip() or not new.strip():
        raise UsageError(f"--rename {text} names no two parameters", "write it as --rename OLD=NEW")
    return old.strip(), new.strip()


def _lines(done: Imported) -> list[render.Line]:
    """What was imported, for people."""
    verb = "would be" if not done.written else "were" if done.added != 1 else "was"
    goals = ", ".join(f"{o.direction} {one_line(o.metric, 60)}" for o in done.objectives)
    lines: list[render.Line] = [Text.assemble((done.study, "bold"), f"  {goals}")]
    told = f"{done.added} of {done.trials} trials {verb} imported from {one_line(done.source, 80)} ({done.kind})"
    if done.failed:
        told += f"; {done.failed} of them failed"
    if done.known:
        told += f"; {done.known} are known already"
    lines.append(render.row("trials", told))
    for number, parameter in enumerate(done.space):
        default = one_line(str(parameter.default), 40)
        words = f"{one_line(parameter.name, 60)}: {one_line(describe(parameter), 120)}; default {default}"
        if parameter.condition is not None:
            values = ", ".join(one_line(str(v), 30) for v in parameter.condition.values[:6])
            words += f"; only where {parameter.condition.parent} is {values}"
        lines.append(render.row("varies" if not number else "", words + ("" if parameter.active else "; held")))
    lines.extend(render.row("note" if not i else "", one_line(note, 300)) for i, note in enumerate(done.notes))
    judged = [one_line(line, 600) for line in verdict_lines(done)]
    lines.extend(render.row("kept" if not i else "", line) for i, line in enumerate(judged))
    if done.written:
        lines.append(render.row("theories", f"{done.theories} new: knowhy theories --study {done.study}"))
        lines.append(render.row("go on", f"knowhy next --study {done.study}"))
    return lines


@click.command()
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="What to write.")
@click.option("--out", metavar="FILE", help="Where to write it; - is standard output (not for optuna).")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@which_study
@json_option
def export(
    form: Format,
    out: str | None,
    force: bool,
    study: str | None,
    folder: str | None,
    config: str | None,
    as_data: bool,
) -> None:
    """Write the trials of a study as an Optuna storage, CSV, JSON lines or results.tsv."""
    chosen = existing(study, folder, config)
    if out == "-" and form != "optuna":
        click.echo(text_of(chosen.state, form), nl=False)
        return
    target = Path(out) if out else Path(default_target(chosen.name, form))
    count = write(chosen.state, form, target, force=force)
    if as_data:
        print_json({"path": str(target), "format": form, "trials": count})
    else:
        click.echo(f"wrote {count} trials to {target}", err=True)
