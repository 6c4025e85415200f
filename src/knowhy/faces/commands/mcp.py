"""The command that serves a project to coding agents."""

from __future__ import annotations

from pathlib import Path

import click

from knowhy.errors import UsageError


@click.command()
@click.option("--project", metavar="DIR", default=".", help="The folder that no path may leave (the current one).")
@click.option("--folder", metavar="DIR", help="Where studies are kept (.knowhy in the project).")
def mcp(project: str, folder: str | None) -> None:
    """Serve the project to a coding agent, over standard input and output (MCP).

    It is started by the agent's program; see: knowhy agent install
    """
    try:
        from knowhy.faces.mcp.server import serve  # the SDK is an extra
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("mcp", "mcp_types", "pydantic", "anyio"):
            raise UsageError("the MCP server needs the extra mcp", "pip install 'knowhy[mcp]'") from None
        raise
    serve(Path(project), Path(folder) if folder else None)
