"""The command that shows knowhy at work on a small, real training."""

from __future__ import annotations

from pathlib import Path

import click

from knowhy.compose import discovered
from knowhy.demo import SCRIPT
from knowhy.errors import StudyMismatchError, UsageError
from knowhy.faces.commands.run import begin
from knowhy.faces.running import shown
from knowhy.model.objective import Objective
from knowhy.settings.file import FILE_NAME, write_settings
from knowhy.settings.options import load
from knowhy.study import Study, study_names
from knowhy.writing import write_whole


@click.command()
@click.argument("folder", default="knowhy-demo")
@click.option("--trials", metavar="N", default="60", show_default=True, help="Trials in all.")
@click.option("--workers", metavar="N", default="2", show_default=True, help="Trials side by side.")
def demo(folder: str, trials: str, workers: str) -> None:
    """Study a small neural network on handwritten digits, in FOLDER (./knowhy-demo).

    A demo that was stopped goes on; after one that has finished, a new study begins beside it.
    """
    home = Path(folder)
    script = home / SCRIPT.name
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not script.exists():
            write_whole(script, SCRIPT.read_bytes())
    except OSError as error:
        raise UsageError(f"{home} cannot be written: {error.strerror}", "name another: knowhy demo FOLDER") from None
    asked = load({"trials": trials, "workers": workers}, {})
    found = discovered(script)
    name, goes_on = _name(home / ".knowhy")
    text = write_settings(
        name=name,
        script=script.name,
        objectives=[Objective("val_loss")],
        parameters=found.parameters,
        run={"trials": asked.trials, "workers": asked.workers, "strategy": asked.strategy},
        notes=found.notes,
    )
    if not goes_on:
        write_whole(home / FILE_NAME, text)
    settings = load({"trials": trials, "workers": workers, "name": name}, {}, home / FILE_NAME)
    verb = "going on with" if goes_on else "studying"
    click.echo(f"{verb} {shown(script.absolute())}, a small neural network that reads digits ({name})", err=True)
    try:
        begin(settings, script, found)
    except StudyMismatchError as error:
        raise StudyMismatchError(
            error.message,
            f"undo what was changed in {folder}, or try the change in a demo of its own: knowhy demo OTHER-FOLDER; "
            f"to study the script as it is now: cd {folder} && knowhy run --study my-{name}",
        ) from None
    click.echo(f'look around: cd {folder} && knowhy theories (or explain T1, believe "...", next, best)', err=True)


def _name(folder: Path) -> tuple[str, bool]:
    """The name of the study to run, and whether it exists and has not finished."""
    there = [name for name in study_names(folder) if name == "demo" or name.startswith("demo-")]
    if not there:
        return "demo", False
    last = Study.open(there[0], folder=folder).state
    if last.run is None or last.finished < last.run.trials:
        return there[0], True
    number = 2
    while f"demo-{number}" in there:
        number += 1
    return f"demo-{number}", False
