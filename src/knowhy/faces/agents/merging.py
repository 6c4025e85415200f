"""Settings of other programs with one more server in them; everything else in the file stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from knowhy.errors import SettingsError


def merged_json(path: Path, text: str, section: str, name: str, entry: Mapping[str, object]) -> str:
    """``text`` (of the file at ``path``) with ``entry`` as member ``name`` of ``section``.

    What the entry had beside these keys is kept (an environment, say), and so are the order and the indentation.
    Raises SettingsError where the file is not JSON.
    """
    try:
        data: Any = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise SettingsError(
            f"{path} is not plain JSON ({error}); it is left as it is",
            f'add this by hand: "{section}": {json.dumps({name: dict(entry)})}',
        ) from None
    servers = _member(path, data, section)
    old = servers.get(name)
    servers[name] = {**(old if isinstance(old, dict) else {}), **entry}
    if text.strip() and json.loads(text) == data:
        return text
    indent = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    end = "\n" if text.endswith("\n") or not text.strip() else ""
    width: str | int = indent.group(1) if indent else 2
    return json.dumps(data, indent=width, ensure_ascii=False) + end


def _member(path: Path, data: Any, section: str) -> dict[str, Any]:
    if not isinstance(data, dict) or not isinstance(data.setdefault(section, {}), dict):
        raise SettingsError(f"{path} does not hold servers in {section}; it is left as it is", "correct the file first")
    found: dict[str, Any] = data[section]
    return found


def merged_toml(path: Path, text: str, section: str, name: str, entry: Mapping[str, object]) -> str:
    """As ``merged_json`` for a TOML file, whose comments are kept; raises SettingsError where it is not TOML."""
    try:
        document = tomlkit.parse(text)
        before = document.unwrap()
    except (TOMLKitError, ValueError) as error:
        raise SettingsError(
            f"{path} is not TOML ({error}); it is left as it is",
            f"correct the file, then try again; the table to be added is [{section}.{name}]",
        ) from None
    servers: Any = document.get(section)
    if servers is None:
        servers = tomlkit.table(is_super_table=True)
        document.add(section, servers)
    elif not isinstance(servers, dict):
        raise SettingsError(f"{path}: {section} is no table; the file is left as it is", "correct the file first")
    if not isinstance(servers.get(name), dict):
        servers[name] = tomlkit.inline_table() if isinstance(servers, InlineTable) else tomlkit.table()
    table: Any = servers[name]
    for key, value in entry.items():
        if table.get(key) != value:
            table[key] = value
    return text if document.unwrap() == before else tomlkit.dumps(document)
