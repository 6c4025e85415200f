"""Where each coding agent looks for MCP servers and skills, and in which form (documented places, November 2026)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Form = Literal["json", "toml"]
SERVER = "knowhy"


@dataclass(frozen=True)
class Place:
    """The files of one agent in one scope: its settings, the section that names servers, and the skill's file."""

    agent: str
    settings: Path
    form: Form
    section: str
    skill: Path
    extra: Mapping[str, object]
    arguments: tuple[str, ...] = ()
    note: str = ""


AGENTS = ("claude", "codex", "cursor", "gemini")


def place(agent: str, root: Path, home: Path, *, user: bool, codex_home: Path | None = None) -> Place:
    """The files of ``agent`` for the project in ``root``, or for the person at ``home`` where ``user``."""
    base = home if user else root
    match agent:
        case "claude":
            settings = home / ".claude.json" if user else root / ".mcp.json"
            skill = base / ".claude" / "skills" / SERVER / "SKILL.md"
            note = "" if user else "Claude Code asks once before it uses a server of the project"
            return Place(agent, settings, "json", "mcpServers", skill, {"type": "stdio"}, (), note)
        case "codex":
            folder = codex_home or home / ".codex"
            settings = (folder if user else root / ".codex") / "config.toml"
            skill = base / ".agents" / "skills" / SERVER / "SKILL.md"
            # A call of wait takes up to 50 s, and the program gives one up after 60 s otherwise.
            timeouts = {"startup_timeout_sec": 30, "tool_timeout_sec": 120}
            note = "" if user else "Codex reads a project's settings once the project is trusted"
            return Place(agent, settings, "toml", "mcp_servers", skill, timeouts, (), note)
        case "cursor":
            skill = base / ".cursor" / "skills" / SERVER / "SKILL.md"
            # Cursor need not start servers in the project's folder.
            where = ("--project", "${workspaceFolder}")
            return Place(agent, base / ".cursor" / "mcp.json", "json", "mcpServers", skill, {"type": "stdio"}, where)
        case "gemini":
            skill = base / ".gemini" / "skills" / SERVER / "SKILL.md"
            timeout = {"timeout": 120_000}
            return Place(agent, base / ".gemini" / "settings.json", "json", "mcpServers", skill, timeout)
    raise ValueError(agent)
