"""Settings of coding agents: merged, never spoiled."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest
import tomlkit
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy.errors import SettingsError
from knowhy.faces.agents.merging import merged_json, merged_toml
from knowhy.faces.agents.places import AGENTS
from knowhy.faces.cli import cli

PROJECT = {
    "claude": (".mcp.json", ".claude/skills/knowhy/SKILL.md"),
    "codex": (".codex/config.toml", ".agents/skills/knowhy/SKILL.md"),
    "cursor": (".cursor/mcp.json", ".cursor/skills/knowhy/SKILL.md"),
    "gemini": (".gemini/settings.json", ".gemini/skills/knowhy/SKILL.md"),
}
USER = {**PROJECT, "claude": (".claude.json", ".claude/skills/knowhy/SKILL.md")}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CODEX_HOME", raising=False)
    return tmp_path


def install(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["agent", "install", *arguments], catch_exceptions=False)


def entry(path: Path) -> dict[str, object]:
    text = path.read_text(encoding="utf-8")
    data = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    found = data["mcp_servers" if path.suffix == ".toml" else "mcpServers"]["knowhy"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("scope", ["project", "user"])
def test_files_are_where_the_agent_looks_for_them(here: Path, agent: str, scope: str) -> None:
    done = install(agent, f"--{scope}")
    assert done.exit_code == 0
    base = here / ("project" if scope == "project" else "home")
    found, skill = (base / name for name in (PROJECT if scope == "project" else USER)[agent])
    started = entry(found)
    assert os.path.isabs(str(started["command"]))
    assert started["args"][:3] == ["-m", "knowhy", "mcp"]  # type: ignore[index]
    text = skill.read_text(encoding="utf-8")
    assert text.startswith("---\nname: knowhy\ndescription: ")
    assert len(text.splitlines()[2]) < 1024
    assert {p for p in here.rglob("*") if p.is_file()} == {found, skill}


@pytest.mark.parametrize("agent", AGENTS)
def test_doing_it_again_changes_nothing(here: Path, agent: str) -> None:
    install(agent)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in here.rglob("*") if p.is_file()}
    done = install(agent, "--json")
    assert json.loads(done.stdout)["changed"] == []
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in here.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("agent", AGENTS)
def test_a_dry_run_shows_the_change_and_writes_nothing(here: Path, agent: str) -> None:
    done = install(agent, "--dry-run")
    assert "+" in done.stdout
    assert "knowhy" in done.stdout
    assert not [p for p in here.rglob("*") if p.is_file()]


def test_other_servers_and_settings_stay_and_the_file_as_it_was_is_kept(here: Path) -> None:
    path = here / "project" / ".mcp.json"
    text = '{\n    "other": [1, 2],\n    "mcpServers": {\n        "é": {"command": "x"}\n    }\n}\n'
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    install("claude")
    data = json.loads(path.read_text(encoding="utf-8"))
    assert list(data) == ["other", "mcpServers"]
    assert list(data["mcpServers"]) == ["é", "knowhy"]
    assert '\n    "other"' in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    kept = path.with_name(".mcp.json.before-knowhy")
    assert kept.read_text(encoding="utf-8") == text
    assert kept.stat().st_mode & 0o777 == 0o600


def test_comments_of_toml_stay(here: Path) -> None:
    path = here / "home" / ".codex" / "config.toml"
    path.parent.mkdir()
    text = '# mine\nmodel = "m" # me\n\n[mcp_servers.other]\ncommand = "o" # keep\n\n[profiles.a]\nx = 1\n# the end\n'
    path.write_text(text, encoding="utf-8")
    install("codex", "--user")
    after = path.read_text(encoding="utf-8")
    for line in text.splitlines():
        assert line in after.splitlines()
    data = tomllib.loads(after)
    assert data["mcp_servers"]["other"] == {"command": "o"}
    assert data["profiles"] == {"a": {"x": 1}}
    assert data["mcp_servers"]["knowhy"]["tool_timeout_sec"] >= 60


def test_codex_home_counts(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_HOME", str(here / "elsewhere"))
    install("codex", "--user")
    assert entry(here / "elsewhere" / "config.toml")


def test_what_a_person_added_to_the_entry_stays(here: Path) -> None:
    path = here / "project" / ".mcp.json"
    path.write_text('{"mcpServers": {"knowhy": {"command": "old", "env": {"A": "1"}}}}')
    install("claude", "--portable")
    assert entry(path) == {"command": "knowhy", "args": ["mcp"], "type": "stdio", "env": {"A": "1"}}


@pytest.mark.parametrize(
    ("agent", "name", "text"),
    [
        ("claude", ".mcp.json", "{ // a comment\n}"),
        ("claude", ".mcp.json", "[]"),
        ("gemini", ".gemini/settings.json", '{"mcpServers": 7}'),
        ("cursor", ".cursor/mcp.json", "{"),
        ("codex", ".codex/config.toml", "model = "),
        ("codex", ".codex/config.toml", "mcp_servers = 3"),
        ("codex", ".codex/config.toml", "a = 1\na = 2"),
    ],
)
def test_a_file_that_cannot_be_read_is_left_as_it_is(here: Path, agent: str, name: str, text: str) -> None:
    path = here / "project" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    done = install(agent)
    assert done.exit_code == 2
    assert "left as it is" in done.stderr
    assert "hint:" in done.stderr
    assert path.read_text() == text
    assert [p for p in here.rglob("*") if p.is_file()] == [path]


def test_bytes_that_are_no_text_and_a_folder_that_may_not_be_written(here: Path) -> None:
    path = here / "project" / ".mcp.json"
    path.write_bytes(b"\xff\xfe{}")
    assert install("claude").exit_code == 2
    assert path.read_bytes() == b"\xff\xfe{}"
    path.unlink()
    (here / "project" / ".cursor").write_text("a file where a folder is needed")
    done = install("cursor")
    assert done.exit_code == 2
    assert "cannot be" in done.stderr


def test_a_link_is_followed(here: Path) -> None:
    real = here / "dotfiles.json"
    real.write_text("{}")
    link = here / "project" / ".mcp.json"
    link.symlink_to(real)
    install("claude")
    assert link.is_symlink()
    assert entry(real)


def test_an_unknown_agent_is_refused(here: Path) -> None:
    done = CliRunner().invoke(cli, ["agent", "install", "vim"])
    assert done.exit_code == 2
    assert "claude" in done.stderr


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
ENTRY = {"command": "c", "args": ["a"]}


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_json_keeps_everything_else(rest: dict[str, object], servers: dict[str, object]) -> None:
    data = {**rest, "mcpServers": servers}
    after = merged_json(Path("x"), json.dumps(data), "mcpServers", "knowhy", ENTRY)
    found = json.loads(after)
    assert found["mcpServers"].pop("knowhy")["command"] == "c"
    servers.pop("knowhy", None)
    assert found == {**rest, "mcpServers": servers}
    assert merged_json(Path("x"), after, "mcpServers", "knowhy", ENTRY) == after


NAMES = st.text("abcdef", min_size=1, max_size=4)


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(NAMES, st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2), max_size=3),
    st.dictionaries(NAMES, st.dictionaries(NAMES, st.integers(), max_size=2), max_size=3),
    st.booleans(),
)
def test_toml_keeps_everything_else(plain: dict[str, object], servers: dict[str, dict[str, int]], end: bool) -> None:
    document = tomlkit.parse(tomlkit.dumps({**plain, **({"mcp_servers": servers} if servers else {})}))
    text = "# first\n" + tomlkit.dumps(document) + ("# last" if end else "")
    after = merged_toml(Path("x"), text, "mcp_servers", "knowhy", ENTRY)
    found = tomllib.loads(after)
    assert found["mcp_servers"].pop("knowhy") == ENTRY
    assert {k: v for k, v in found.items() if k != "mcp_servers"} == plain
    assert found["mcp_servers"] == servers
    assert "# first" in after
    assert ("# last" in after) == end
    assert merged_toml(Path("x"), after, "mcp_servers", "knowhy", ENTRY) == after


@pytest.mark.parametrize(
    "text", ["mcp_servers = {a = {command = 'x'}}", "[mcp_servers]\n", "mcp_servers.a.command = 'x'\n"]
)
def test_other_ways_to_write_the_table(text: str) -> None:
    after = merged_toml(Path("x"), text, "mcp_servers", "knowhy", ENTRY)
    found = tomllib.loads(after)["mcp_servers"]
    assert found["knowhy"] == ENTRY
    if "x" in text:
        assert found["a"] == {"command": "x"}


def test_nothing_is_written_where_the_file_changed_meanwhile(tmp_path: Path) -> None:
    from knowhy.faces.agents.installing import Change, apply

    path = tmp_path / "x.json"
    path.write_text("{}")
    change = Change(path, "{}", '{"a": 1}')
    path.write_text('{"b": 2}')
    with pytest.raises(SettingsError, match="another program"):
        apply(change)
    assert path.read_text() == '{"b": 2}'
