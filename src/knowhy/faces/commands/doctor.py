"""The command that looks after the journal and what it rests on."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from knowhy import __version__, compose
from knowhy.errors import JournalDamagedError, JournalFormatError, StudyMissingError
from knowhy.faces import render
from knowhy.faces.options import json_option, missing, print_json, settings_path, which_study
from knowhy.faces.text import one_line
from knowhy.settings.options import load
from knowhy.study import study_names
from knowhy.views import words

if TYPE_CHECKING:
    from knowhy.compose import Check, Report

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "optuna", "rich", "click", "psutil", "torch", "cmaes")


@dataclass(frozen=True)
class Checkup:
    """What the doctor found. ``free`` is the space left on the disk of the studies, in bytes."""

    knowhy: str
    python: str
    platform: str
    cores: int
    libraries: dict[str, str]
    folder: str
    writable: bool
    free: int
    sandboxes: tuple[Check, ...]
    journals: tuple[Report, ...]


@click.command()
@which_study
@click.option(
    "--recover",
    metavar="[FILE]",
    is_flag=False,
    flag_value="",
    help="Go on from the good records of a damaged journal, which is kept; with FILE, only copy them there.",
)
@json_option
def doctor(study: str | None, folder: str | None, config: str | None, recover: str | None, as_data: bool) -> None:
    """Check the journals (every record's hash), the folder, and the versions of what knowhy rests on."""
    settings = load({"name": study, "folder": folder}, os.environ, settings_path(config))
    names = study_names(settings.folder)
    if study is not None and not (settings.folder / study / "journal.db").exists():
        raise StudyMissingError(f"there is no study {study} in {settings.folder}", "knowhy doctor checks all there are")
    chosen = [study] if study is not None else names
    if recover is not None:
        if not chosen:
            raise missing(settings)
        paths = [settings.folder / name / "journal.db" for name in chosen]
        _recover(next((path for path in paths if not compose.check_journal(path).ok), paths[0]), recover)
    found = _look(
        settings.folder, tuple(compose.check_journal(settings.folder / name / "journal.db") for name in chosen)
    )
    if as_data:
        print_json(found)
    else:
        render.show(_lines(found))
    bad = [report for report in found.journals if not report.ok]
    if bad:
        path = Path(bad[0].path)
        if bad[0].newer:
            raise JournalFormatError(
                f"the journal {path} is of a newer knowhy: {bad[0].reason}",
                "upgrade knowhy (pip install -U knowhy); the journal is not damaged",
            )
        good = f"its first {words.plural(bad[0].records, 'record')} are good; " if bad[0].records else ""
        hint = f"{good}copy out what is good with: "
        hint += f"knowhy doctor --study {path.parent.name} --recover FILE; leave out FILE to go on from it"
        if recover:
            hint = f"to go on from the good records: knowhy doctor --study {path.parent.name} --recover"
        raise JournalDamagedError(f"the journal {path} is damaged: {bad[0].reason}", hint)


def _recover(path: Path, target: str) -> None:
    """Copy the good records to ``target``; where it is empty, let the study go on from them."""
    if target:
        saved = compose.recover_journal(path, Path(target))
        click.echo(f"{words.plural(saved.records, 'good record')} are in {target}", err=True)
        return
    if compose.check_journal(path).ok:
        click.echo(f"{path} is whole: there is nothing to recover", err=True)
        return
    saved, kept = compose.restore_journal(path)
    click.echo(
        f"the study goes on from {words.plural(saved.records - 1, 'good record')}; the damaged journal is {kept}",
        err=True,
    )


def _look(folder: Path, journals: tuple[Report, ...]) -> Checkup:
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    home = folder if folder.is_dir() else folder.absolute().parent
    return Checkup(
        knowhy=__version__,
        python=f"{platform.python_version()} ({sys.executable})",
        platform=platform.platform(),
        cores=os.cpu_count() or 1,
        libraries=versions,
        folder=str(folder),
        writable=os.access(home, os.W_OK),
        free=shutil.disk_usage(home).free if home.exists() else 0,
        sandboxes=compose.sandboxes(),
        journals=journals,
    )


def _lines(found: Checkup) -> list[render.Line]:
    lines: list[render.Line] = [
        render.row("knowhy", f"{found.knowhy}, Python {found.python}, {found.cores} cores, {found.platform}"),
        render.row("libraries", ", ".join(f"{name} {version}" for name, version in found.libraries.items())),
        render.row(
            "folder",
            f"{found.folder}: {'writable' if found.writable else 'NOT writable'}, {_size(found.free)} free",
        ),
    ]
    lines += _sandboxes(found.sandboxes)
    for report in found.journals:
        name = Path(report.path).parent.name
        state = "whole" if report.ok else f"DAMAGED: {one_line(report.reason)}"
        if report.newer:
            state = f"of a newer knowhy: {one_line(report.reason)}"
        lines.append(
            render.row(
                "study",
                f"{name}: {report.records} records, the chain is {state} (SQLite {report.sqlite}, mode {report.mode})",
            )
        )
    if not found.journals:
        lines.append(render.row("study", "none yet"))
    return lines


def _sandboxes(found: tuple[Check, ...]) -> list[render.Line]:
    """The sandboxes, which of them would be taken, and what that one leaves open."""
    lines: list[render.Line] = []
    taken = next((check for check in found if not check.problem), None)
    for check in found:
        state = f"does not work here: {one_line(check.problem, 200)}" if check.problem else "works"
        lines.append(render.row("sandbox", f"{check.name} {state}" + (", and is taken" if check is taken else "")))
    if taken is None:
        lines.append(
            render.row("", "NO SANDBOX: edited code runs only with --allow-unsandboxed, and with all your rights")
        )
        return lines
    lines += [render.row("", f"leaves open: {point}") for point in taken.open]
    for check in found:
        if check is not taken and not check.problem:
            lines += [
                render.row("", f"{check.name} leaves open as well: {p}") for p in check.open if p not in taken.open
            ]
    return lines


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
