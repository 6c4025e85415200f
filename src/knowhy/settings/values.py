"""The value of each setting, from a text of the command line or the environment, or a value of the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from knowhy.errors import SettingsError
from knowhy.model.trust import SANDBOXES
from knowhy.settings.quantities import seconds, size

Strategy = Literal["theory", "random", "grid", "tpe", "gp", "cmaes"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)


def parsed(key: str, raw: object, where: str) -> Any:
    """The value of setting ``key``; raises SettingsError that begins with ``where``."""
    try:
        return _PARSERS[key](raw)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}", _HINTS[key]) from None


def _count(raw: object) -> int:
    value = _whole(raw)
    if value < 1:
        raise ValueError(f"{value} is less than 1")
    return value


def _whole(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, (int, str)) or not re.fullmatch(r"[-+]?\d+", str(raw).strip()):
        raise ValueError(f"{raw!r} is no whole number")
    return int(raw)


def _seed(raw: object) -> int:
    value = _whole(raw)
    if not 0 <= value < 2**31:
        raise ValueError(f"{value} is no seed")
    return value


def _duration(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        raise ValueError(f"{raw!r} is no duration")
    return seconds(str(raw))


def _memory(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, (int, str)):
        raise ValueError(f"{raw!r} is no size")
    return size(str(raw))


def _strategy(raw: object) -> str:
    if raw not in STRATEGIES:
        raise ValueError(f"there is no strategy {raw!r}")
    return str(raw)


def _text(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError(f"{raw!r} is no text")
    return raw


def _texts(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, (list, tuple)) or not all(isinstance(item, str) for item in raw):
        raise ValueError(f"{raw!r} is no list of texts")
    return tuple(raw)


def _globs(raw: object) -> tuple[str, ...]:
    return (raw,) if isinstance(raw, str) else _texts(raw)


def _dollars(raw: object) -> float:
    try:
        value = float(str(raw).strip().removeprefix("$")) if not isinstance(raw, bool) else -1.0
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise ValueError(f"{raw!r} is no sum of dollars")
    return value


def _names(raw: object) -> tuple[str, ...]:
    found = _texts([part.strip() for part in raw.split(",")] if isinstance(raw, str) else raw)
    if not all(re.fullmatch(r"[a-z]+:\S+", name) for name in found):
        raise ValueError("a theorist is written provider:model")
    return found


def _listed(raw: object) -> tuple[str, ...]:
    return _texts([raw] if isinstance(raw, str) else raw)


def _switch(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise ValueError(f"{raw!r} is neither true nor false")
    return raw


def _sandbox(raw: object) -> str:
    if raw not in SANDBOXES:
        raise ValueError(f"there is no sandbox {raw!r}")
    return str(raw)


def check_name(raw: object) -> str:
    """``raw`` if it can name a study (and its folder); raises ValueError."""
    if not isinstance(raw, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", raw):
        raise ValueError(f"{raw!r} is no name for a study")
    return raw


_PARSERS: dict[str, Callable[[object], Any]] = {
    "name": check_name,
    "folder": lambda raw: Path(_text(raw)),
    "script": lambda raw: raw if isinstance(raw, Path) else Path(_text(raw)),
    "arguments": _texts,
    "repo": lambda raw: Path(_text(raw)),
    "edit": _globs,
    "protect": _globs,
    "writes": _globs,
    "command": _text,
    "trials": _count,
    "budget": _duration,
    "workers": _count,
    "strategy": _strategy,
    "timeout": _duration,
    "memory": _memory,
    "seed": _seed,
    "theorist": _names,
    "llm_budget": _dollars,
    "llm_tokens": _whole,
    "llm_requests": _whole,
    "stop_early": _switch,
    "sandbox": _sandbox,
    "allow_unsandboxed": _switch,
    "network": _switch,
    "read": _listed,
    "hide": _listed,
    "env": _listed,
    "lock": _listed,
    "evaluate": _text,
    "longest": _duration,
    "disk": _memory,
    "processes": _count,
}
_HINTS = {
    "name": "use up to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit",
    "folder": "name a folder",
    "script": "name a Python file",
    "arguments": 'write a list such as ["--data", "data.csv"]',
    "repo": "name the folder of a git repository",
    "edit": 'write globs such as "src/**/*.py"',
    "protect": 'write globs such as "evaluate.py"',
    "writes": 'write globs such as "results/*.json"',
    "command": 'write a command such as "python train.py"',
    "trials": "write a whole number such as 60",
    "budget": "write a duration such as 90s, 30m or 2h",
    "workers": "write a whole number such as 2",
    "strategy": f"choose one of: {', '.join(STRATEGIES)}",
    "timeout": "write a duration such as 90s, 30m or 2h",
    "memory": "write a size such as 512MB or 4GB",
    "seed": "write a whole number from 0 to 2147483647",
    "theorist": "such as anthropic:NAME, openai:NAME, google:NAME, ollama:NAME, or replay:STUDY",
    "llm_budget": "write US dollars such as 2.00",
    "llm_tokens": "write a whole number such as 2000000",
    "llm_requests": "write a whole number such as 200",
    "sandbox": f"choose one of: {', '.join(SANDBOXES)}",
    **dict.fromkeys(("allow_unsandboxed", "network", "stop_early"), "write true or false"),
    **dict.fromkeys(("read", "hide", "lock"), 'write a list of paths such as ["data"]'),
    "env": 'write a list of names such as ["WANDB_MODE"]',
    "evaluate": 'write a command such as "python evaluate.py"',
    "longest": "write a duration such as 90s, 30m or 2h",
    "disk": "write a size such as 512MB or 4GB",
    "processes": "write a whole number such as 256",
}
