"""The command line: names of commands, and errors as two lines.

Nothing heavy is imported before a command runs, so that ``knowhy --help`` answers at once.
"""

from __future__ import annotations

import errno
import importlib
import sys
from typing import Any

import click

from knowhy import __version__
from knowhy.errors import KnowhyError, SentenceError
from knowhy.faces.text import safe

# name: (module, attribute, help). The help stands here so that listing commands imports none of them.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("demo", "demo", "Study a small neural network on digits; takes about a minute."),
    "init": ("init", "init", "Run a script once, list what was found, write knowhy.toml."),
    "run": ("run", "run", "Learn, improve, verify; goes on where it stopped."),
    "patch": ("patch", "patch", "Changes of code as parameters: add, list, show, drop."),
    "status": ("read", "status", "Show where a study stands."),
    "best": ("read", "best", "Show the best configuration, or write it into a script."),
    "front": ("read", "front", "With several objectives: what may be on the front."),
    "theories": ("read", "theories", "List the theories with their beliefs, rivals together."),
    "theorists": ("theorists", "theorists", "Show who proposed what, how it fared, and what it cost."),
    "explain": ("read", "explain", "Tell all that is known about one theory."),
    "next": ("read", "next_", "Show what runs, or would run next, and why."),
    "trials": ("read", "trials", "List every trial."),
    "space": ("space", "space", "List the parameters: varied, held, frozen, and what else there is."),
    "open": ("space", "open_", "Let trials vary a parameter from now on."),
    "widen": ("space", "widen", "Give a parameter a wider range, or more values."),
    "freeze": ("space", "freeze", "Hold a parameter at its default from now on."),
    "believe": ("claims", "believe", "Judge any claim by the data so far."),
    "suppose": ("claims", "suppose", "Add a theory of your own."),
    "certify": ("certify", "certify", "Spend trials on one theory until it is certified or refuted."),
    "compare": ("compare", "compare", "Run classic strategies and theory side by side on a script."),
    "advise": ("advise", "advise", "Say whether classic optimisation would do, and why."),
    "import": ("histories", "import_", "Take in trials from Optuna, CSV, MLflow, W&B, results.tsv or a study."),
    "export": ("histories", "export", "Write the trials for Optuna, pandas or a spreadsheet."),
    "report": ("report", "report", "Write the report as HTML or Markdown."),
    "mcp": ("mcp", "mcp", "Serve the project to a coding agent (MCP)."),
    "agent": ("agent", "agent", "Teach a coding agent to use knowhy."),
    "doctor": ("doctor", "doctor", "Check the journal, the folders and the versions."),
}


class Told(click.ClickException):
    """An error for people: what happened, and what to do."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep both lines."""
        super().__init__(message)
        self.hint = hint

    def show(self, file: Any = None) -> None:
        """Write the lines to standard error."""
        click.echo(f"error: {safe(self.message)}", err=True)
        if self.hint:
            click.echo(f"hint: {safe(self.hint)}", err=True)


class Commands(click.Group):
    """A group that imports a command when it is used, and turns errors into two lines and exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"knowhy.faces.commands.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; raises Told for every error that is knowhy's or the caller's."""
        try:
            return super().invoke(ctx)
        except SentenceError as error:
            nearest = f'the nearest claim that can be read: "{error.nearest}"' if error.nearest else ""
            raise Told(error.message, "; ".join(filter(None, (nearest, error.hint)))) from None
        except KnowhyError as error:
            raise Told(error.message, error.hint) from None
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else "knowhy"
            raise Told(error.format_message(), f"see: {path} --help") from None
        except (KeyboardInterrupt, click.Abort):
            click.echo("stopped", err=True)
            ctx.exit(130)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise Told(
                f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}",
                "free some space and run again; every finished trial is kept"
                if full
                else "check the path and its permissions",
            ) from None


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: knowhy demo, or knowhy init train.py",
)
@click.version_option(__version__, prog_name="knowhy")
def cli() -> None:
    """Find the best configuration of a training script, and know why it is the best."""


def main() -> None:
    """The program ``knowhy``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal in Latin-1 must not end a study
    cli(prog_name="knowhy")
