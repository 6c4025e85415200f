"""The command that writes the report."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import click

from knowhy.faces.options import existing, json_option, print_json, which_study


@click.command()
@which_study
@click.option("--format", "form", type=click.Choice(["html", "md"]), help="html where --out does not tell.")
@click.option("--out", metavar="FILE", help="Where to write it (report.html or report.md in the study's folder).")
@json_option
def report(
    study: str | None, folder: str | None, config: str | None, form: str | None, out: str | None, as_data: bool
) -> None:
    """Write the report; its path goes to standard output."""
    chosen = existing(study, folder, config)
    target = Path(out) if out else chosen.path / f"report.{form or 'html'}"
    written = chosen.report(target, form=cast(Literal["html", "md"] | None, form))
    if as_data:
        print_json({"path": str(written)})
    else:
        click.echo(str(written))
