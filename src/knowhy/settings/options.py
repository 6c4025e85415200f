"""What a run is asked to do: options, then the environment, then knowhy.toml, then defaults."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from knowhy.errors import KnowhyError, SettingsError, SpaceError
from knowhy.model.objective import Constraint, Objective
from knowhy.model.space import Parameter, Space
from knowhy.model.trust import OPEN, SANDBOXES, Trust
from knowhy.settings.file import SettingsFile, read_settings_file
from knowhy.settings.goals import constraint, direction, parse_constraint, parse_objective
from knowhy.settings.quantities import seconds, size
from knowhy.settings.ranges import changed, instead

Strategy = Literal["theory", "random", "grid", "tpe", "gp", "cmaes"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)

# KNOWHY_SEED is not here: it is what a trial is given, and knowhy may itself run inside one.
VARIABLES = {
    "KNOWHY_STUDY": "name",
    "KNOWHY_FOLDER": "folder",
    "KNOWHY_OBJECTIVE": "metric",
    "KNOWHY_TRIALS": "trials",
    "KNOWHY_BUDGET": "budget",
    "KNOWHY_WORKERS": "workers",
    "KNOWHY_STRATEGY": "strategy",
    "KNOWHY_TIMEOUT": "timeout",
    "KNOWHY_MEMORY": "memory",
    "KNOWHY_STUDY_SEED": "seed",
    "KNOWHY_THEORIST": "theorist",
    "KNOWHY_LLM_BUDGET": "llm_budget",
    "KNOWHY_LLM_TOKENS": "llm_tokens",
    "KNOWHY_LLM_REQUESTS": "llm_requests",
}
_TRUST = tuple(field.name for field in fields(Trust))


@dataclass(frozen=True)
class Settings:
    """Everything that a run needs, checked.

    ``budget`` and ``timeout`` are in seconds, ``memory`` in bytes. ``theorist`` are language models to ask,
    ``llm_budget`` (US dollars), ``llm_tokens`` and ``llm_requests`` what they may use over the study.
    ``given`` names the settings that somebody
    set (the others are defaults). ``ranges`` is the section ``parameters`` of the file, None where there is none.
    """

    name: str = ""
    folder: Path = Path(".knowhy")
    script: Path | None = None
    repo: Path | None = None
    edit: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    command: str = ""
    arguments: tuple[str, ...] = ()
    objectives: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    trials: int = 60
    budget: float | None = None
    workers: int = 2
    strategy: Strategy = "theory"
    timeout: float | None = None
    memory: int | None = None
    seed: int = 0
    theorist: tuple[str, ...] = ()
    llm_budget: float = 2.0
    llm_tokens: int = 2_000_000
    llm_requests: int = 200
    trust: Trust = OPEN
    ranges: Mapping[str, Mapping[str, Any]] | None = None
    file: SettingsFile | None = None
    given: frozenset[str] = frozenset()

    def space(self, found: Sequence[Parameter]) -> Space:
        """The space: the parameters ``found`` in the script, as the file changes them.

        Raises SettingsError for names that the script does not have and ranges that no value fits, SpaceError
        where nothing is left to vary.
        """
        if self.ranges is None:
            parameters = tuple(found)
        else:
            known = {parameter.name: parameter for parameter in found}
            parameters = tuple(self._parameter(name, entry, known) for name, entry in self.ranges.items())
        if not any(parameter.active for parameter in parameters):
            raise SpaceError(
                "the space is empty: no parameter is active" if parameters else "the space is empty: no parameters",
                "set active = true for the parameters to vary in knowhy.toml"
                if parameters
                else "give the script constants at its top or command-line options with defaults",
            )
        return Space(parameters)

    def _parameter(self, name: str, entry: object, known: Mapping[str, Parameter]) -> Parameter:
        where = self.file.where("parameters", name) if self.file else "parameters"
        if name not in known:
            raise SettingsError(
                f"{where}: {self.script or 'the script'} has no parameter {name}", instead(name, known, "parameter")
            )
        if not isinstance(entry, Mapping):
            raise SettingsError(f"{where}: {name} is no table", "write { low = ..., high = ..., active = true }")
        try:
            return changed(known[name], entry)
        except (ValueError, KnowhyError) as error:
            hint = error.hint if isinstance(error, KnowhyError) else ""
            raise SettingsError(f"{where}: {name}: {error}", hint or "correct this line") from None


def load(
    options: Mapping[str, object],
    environment: Mapping[str, str],
    path: Path | None = None,
) -> Settings:
    """The settings of a call: ``options`` (None counts as absent), then ``environment``, then the file at ``path``.

    Options are ``name``, ``folder``, ``script``, ``repo``, ``command``, ``edit``, ``protect``, ``writes``,
    ``metric`` and ``constraint`` (sequences of texts), ``direction``,
    ``trials``, ``budget``, ``workers``, ``strategy``, ``timeout``, ``memory``, ``seed``, ``theorist`` (a sequence),
    ``llm_budget``, ``llm_tokens``, ``llm_requests``, and the fields of ``Trust``. Raises SettingsError.
    """
    settings = Settings()
    if path is not None:
        settings = _from_file(settings, read_settings_file(path))
    variables = {key: environment[name] for name, key in VARIABLES.items() if environment.get(name)}
    names = {key: name for name, key in VARIABLES.items()}
    settings = _apply(settings, variables, lambda key: f"the environment variable {names[key]}")
    settings = _apply(settings, options, lambda key: f"--{'study' if key == 'name' else key.replace('_', '-')}")
    if not settings.name and settings.script is not None:
        settings = replace(settings, name=_study_name(settings.script))
    if not settings.name and settings.repo is not None:
        settings = replace(settings, name=_study_name(Path(settings.repo.resolve().name + "/")))
    return settings


def _apply(settings: Settings, values: Mapping[str, object], where: Callable[[str], str]) -> Settings:
    """``settings`` with the texts in ``values`` parsed and set."""
    changes: dict[str, Any] = {}
    for key, raw in values.items():
        if raw is None or raw == ():
            continue
        if key == "metric":
            texts = raw.split(",") if isinstance(raw, str) else cast(Sequence[str], raw)
            toward = values.get("direction")
            changes["objectives"] = tuple(
                parse_objective(text, direction(str(toward)) if toward else None) for text in texts
            )
        elif key == "constraint":
            changes["constraints"] = tuple(constraint(text) for text in cast(Sequence[str], raw))
        elif key == "direction":
            if not values.get("metric"):
                changes["objectives"] = _turned(settings.objectives, str(raw))
        else:
            changes[key] = _parsed(key, raw, where(key))
    return _replaced(settings, changes)


def _replaced(settings: Settings, changes: dict[str, Any]) -> Settings:
    """``settings`` with ``changes``, those about trust among them."""
    about = {key: changes.pop(key) for key in _TRUST if key in changes}
    trust = replace(settings.trust, **about)
    return replace(settings, **changes, trust=trust, given=settings.given | changes.keys() | about.keys())


def _turned(objectives: tuple[Objective, ...], word: str) -> tuple[Objective, ...]:
    """The one objective of the file, in the direction of an option."""
    if len(objectives) != 1:
        raise SettingsError(
            f"--{word} needs to know of which metric", f"add --metric NAME, as in --metric val_loss --{word}"
        )
    return (Objective(objectives[0].metric, direction(word)),)


def _from_file(settings: Settings, file: SettingsFile) -> Settings:
    """``settings`` with what ``file`` says."""
    sections = {
        "study": ("name", "script", "arguments", "folder", "seed", "repo", "edit", "protect", "writes", "command"),
        "run": (
            *("trials", "budget", "workers", "strategy", "timeout", "memory"),
            *("theorist", "llm_budget", "llm_tokens", "llm_requests"),
        ),
        "trust": _TRUST,
    }
    changes: dict[str, Any] = {}
    for section, content in file.values.items():
        if section not in (*sections, "objectives", "constraints", "parameters"):
            raise SettingsError(
                f"{file.where(section) if isinstance(content, Mapping) else file.where('', section)}: "
                f"there is no section {section}",
                instead(section, (*sections, "objectives", "constraints", "parameters"), "section"),
            )
        if not isinstance(content, Mapping):
            raise SettingsError(f"{file.where('', section)}: {section} is no section", f"write [{section}]")
        if section == "parameters":
            changes["ranges"] = content
        elif section in ("objectives", "constraints"):
            changes[section] = tuple(_goals(file, section, content))
        else:
            for key, raw in content.items():
                if key not in sections[section]:
                    raise SettingsError(
                        f"{file.where(section, key)}: [{section}] has no setting {key}",
                        instead(key, sections[section], "setting"),
                    )
                changes[key] = _parsed(key, raw, file.where(section, key))
    for key in ("script", "folder", "repo"):
        if key in changes:
            changes[key] = file.path.parent / changes[key]
    changes.setdefault("folder", file.path.parent / settings.folder)
    return _replaced(replace(settings, file=file), changes)


def _goals(file: SettingsFile, section: str, content: Mapping[str, Any]) -> Iterator[Objective | Constraint]:
    for metric, word in content.items():
        try:
            if not isinstance(word, str):
                raise SettingsError(
                    f"{metric} needs a text, not {word!r}",
                    'write "minimize" or "maximize"' if section == "objectives" else 'write a bound such as "<= 8000"',
                )
            yield Objective(metric, direction(word)) if section == "objectives" else parse_constraint(metric, word)
        except SettingsError as error:
            raise SettingsError(f"{file.where(section, metric)}: {error.message}", error.hint) from None


def _parsed(key: str, raw: object, where: str) -> Any:
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
    **dict.fromkeys(("allow_unsandboxed", "network"), "write true or false"),
    **dict.fromkeys(("read", "hide", "lock"), 'write a list of paths such as ["data"]'),
    "env": 'write a list of names such as ["WANDB_MODE"]',
    "evaluate": 'write a command such as "python evaluate.py"',
    "longest": "write a duration such as 90s, 30m or 2h",
    "disk": "write a size such as 512MB or 4GB",
    "processes": "write a whole number such as 256",
}


def _study_name(script: Path) -> str:
    """A name for the study of ``script``."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", script.stem).strip("-._")
    return words[:64] or "study"
