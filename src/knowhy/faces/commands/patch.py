"""Commands about changes of code: add one as a parameter, list them, show one, drop one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click
from rich.text import Text

from knowhy.cases.repository import Repo, name_for
from knowhy.errors import UsageError
from knowhy.faces import render
from knowhy.faces.options import json_option, print_json, settings_path, which_study, which_study_of_named
from knowhy.faces.repositories import repo_of
from knowhy.faces.text import one_line, safe
from knowhy.settings.options import load
from knowhy.study import Study, study_names
from knowhy.views import PatchView, words


@click.group()
def patch() -> None:
    """Changes of code as parameters: each is on or off, and its effect is measured."""


@patch.command()
@click.argument("file")
@click.option("--because", default="", help="Why it should help; the first line of its commit later.")
@click.option("--name", "wanted", default="", metavar="NAME", help="Its name; else that of the file.")
@click.option("--file", "target", default="", metavar="PATH", help="Which file a whole one is a version of.")
@click.option("--repo", metavar="DIR", help="The repository, before the first run (this folder).")
@click.option("--edit", multiple=True, metavar="GLOB", help="What may be edited, before the first run.")
@click.option("--command", metavar="TEXT", help="What will be run, before the first run.")
@which_study_of_named
@json_option
def add(
    file: str,
    because: str,
    wanted: str,
    target: str,
    repo: str | None,
    edit: tuple[str, ...],
    command: str | None,
    study: str | None,
    folder: str | None,
    config: str | None,
    as_data: bool,
) -> None:
    """Add FILE (a diff, search/replace blocks, or a whole file; - for standard input) as a patch.

    It must apply to the files as they were when the study began. Before the first run it waits for it.
    """
    given = {"repo": repo, "edit": edit, "command": command}
    chosen, where = _study(study, folder, config, given)
    text = _read(file)
    taken = {view.name for view in chosen.patches} | {p.name for p in chosen.state.space}
    name = wanted or name_for(file if file != "-" else target or "patch", taken)
    added = chosen.patches.add(text, because, name, target=target or (file if file != "-" else ""), repo=where)
    if as_data:
        print_json(added)
        return
    made = added.patch
    click.echo(f"patch {safe(made.name)} changes {', '.join(safe(f) for f in made.files)}")
    for exclusion in added.exclusions:
        others = ", ".join(safe(n) for n in exclusion.parameters if n != made.name)
        click.echo(f"it cannot be on together with {others}: {safe(exclusion.reason)}")
    for name in added.bound:
        click.echo(f"it sets {safe(name)}, which is varied only where the patch is off")
    if added.waits:
        click.echo("it joins the study when that begins: knowhy run --repo .")


@patch.command("list")
@which_study
@json_option
def list_(study: str | None, folder: str | None, config: str | None, as_data: bool) -> None:
    """List the patches with their effects."""
    chosen, _ = _study(study, folder, config, {})
    found = list(chosen.patches)
    if as_data:
        print_json(found)
    elif not found:
        click.echo("there are no patches; add one with: knowhy patch add fix.diff --because ...")
    else:
        render.show([line for view in found for line in _lines(view)])


@patch.command()
@click.argument("name")
@which_study
@json_option
def show(name: str, study: str | None, folder: str | None, config: str | None, as_data: bool) -> None:
    """Show the patch NAME as a diff."""
    chosen, _ = _study(study, folder, config, {})
    found = chosen.patches[name]
    if as_data:
        print_json(found)
        return
    click.echo("\n".join(safe(line) for line in found.diff.encode("utf-8", "replace").decode().split("\n")), nl=False)


@patch.command()
@click.argument("name")
@click.option("--because", default="", help="Why it is dropped.")
@which_study
def drop(name: str, because: str, study: str | None, folder: str | None, config: str | None) -> None:
    """Hold the patch NAME off from now on; what was learned of it is kept."""
    chosen, _ = _study(study, folder, config, {})
    chosen.patches.drop(name, because)
    click.echo(f"{safe(name)} stays off")


def _study(
    study: str | None, folder: str | None, config: str | None, given: Mapping[str, object]
) -> tuple[Study, Repo]:
    """The study that is meant, which may not have begun, and its repository."""
    path = settings_path(config)
    settings = load({"name": study, "folder": folder, **given}, os.environ, path)
    names = study_names(settings.folder)
    if not settings.name and settings.repo is None and not names:
        settings = load({"name": study, "folder": folder, **given, "repo": "."}, os.environ, path)
    name = settings.name or (names[0] if names else "study")
    if not settings.given & {"name", "repo"} and name not in names and names:
        name = names[0]
    return Study(name, folder=settings.folder), repo_of(settings)


def _read(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}", "name the file of a patch, or - for standard input"
        ) from None
    return data.decode("utf-8", "surrogateescape")


def _lines(view: PatchView) -> list[render.Line]:
    head = Text(f"{safe(view.name)}  ", style="bold")
    if view.status == "waiting":
        head.append("waits for the first run", style="dim")
    else:
        word = f"{view.verdict}{' (certified)' if view.certified else ''}"
        if view.status != "open":
            word = "dropped: it breaks the run" if view.verdict == "breaks the run" else "dropped"
        head.append(word + (", in the best configuration" if view.kept else ""))
    lines: list[render.Line] = [head]
    if view.because:
        lines.append(render.row("because", one_line(view.because, 200)))
    for label, effect in (("near best", view.effect), ("alone", view.alone)):
        if effect is not None:
            change = words.estimate(effect.middle, effect.low, effect.high)
            lines.append(
                render.row(
                    label,
                    f"change of {safe(effect.metric)} {change}; helps {words.percent(effect.helps)}, "
                    f"hurts {words.percent(effect.hurts)}",
                )
            )
    if view.trials:
        failed = f", {view.failed} failed" if view.failed else ""
        lines.append(render.row("trials", f"{view.trials} with it{failed}"))
    if view.excludes:
        lines.append(render.row("excludes", ", ".join(safe(n) for n in view.excludes)))
    return lines
