"""The command that tells a coding agent that knowhy is there."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from knowhy.faces.agents.installing import apply, plan
from knowhy.faces.agents.places import AGENTS, place
from knowhy.faces.options import json_option, print_json


@click.group()
def agent() -> None:
    """Teach a coding agent (Claude Code, Codex, Cursor, Gemini CLI) to use knowhy."""


@agent.command()
@click.argument("name", metavar="AGENT", type=click.Choice(AGENTS))
@click.option("--project", "scope", flag_value="project", default="project", help="For this project (the default).")
@click.option("--user", "scope", flag_value="user", help="For all projects of this person.")
@click.option("--portable", is_flag=True, help="Start the knowhy of the PATH, not the one that is running now.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@json_option
def install(name: str, scope: str, portable: bool, dry_run: bool, as_data: bool) -> None:
    """Write the settings and a skill for AGENT (claude, codex, cursor or gemini), keeping what is there.

    What a file held before the first change is kept beside it, as FILE.before-knowhy.
    """
    home = Path(os.path.expanduser("~"))
    codex = os.environ.get("CODEX_HOME")
    where = place(name, Path.cwd(), home, user=scope == "user", codex_home=Path(codex) if codex else None)
    command = ("knowhy", "mcp") if portable else (sys.executable, "-m", "knowhy", "mcp")
    changes = plan(where, command)
    written = [c for c in changes if c.needed]
    kept = [] if dry_run else [k for c in written if (k := apply(c))]
    if as_data:
        print_json(
            {
                "agent": name,
                "scope": scope,
                "dry_run": dry_run,
                "changed": [str(c.path) for c in written],
                "unchanged": [str(c.path) for c in changes if not c.needed],
                "kept": [str(k) for k in kept],
            }
        )
    else:
        for change in changes:
            if dry_run and change.needed:
                click.echo(change.diff(), nl=False)
            else:
                click.echo(f"{'wrote' if change.needed else 'is so already:'} {change.path}")
        for path in kept:
            click.echo(f"before: {path}", err=True)
        if where.note:
            click.echo(f"note: {where.note}", err=True)
    if find_spec("mcp") is None:
        click.echo("the server needs the extra mcp: pip install 'knowhy[mcp]'", err=True)
