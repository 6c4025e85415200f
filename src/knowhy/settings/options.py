"""What a run is asked to do: options, then the environment, then knowhy.toml, then defaults."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

from knowhy.errors import KnowhyError, SettingsError, SpaceError
from knowhy.model.objective import Constraint, Objective
from knowhy.model.space import EVALUATION_ROLE, Parameter, Space
from knowhy.model.trust import OPEN, Trust
from knowhy.settings.file import SettingsFile, read_settings_file
from knowhy.settings.goals import constraint, direction, parse_constraint, parse_objective
from knowhy.settings.ranges import changed, instead
from knowhy.settings.values import Strategy, parsed

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
    ``given`` names the settings that somebody set (the others are defaults). ``ranges`` is the section
    ``parameters`` of the file, None where there is none.
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
    stop_early: bool | None = None
    trust: Trust = OPEN
    ranges: Mapping[str, Mapping[str, Any]] | None = None
    file: SettingsFile | None = None
    given: frozenset[str] = frozenset()

    @property
    def entrusted(self) -> Trust | None:
        """What somebody said about trust, None where nobody said anything: a study then goes on as before."""
        return self.trust if self.given.intersection(_TRUST) else None

    def space(self, found: Sequence[Parameter], reserved: Sequence[Parameter] = ()) -> Space:
        """The space: the parameters ``found`` in the script, as the file changes them.

        Of what is ``reserved``, because it defines the evaluation, only what the file names with a range.
        Raises SettingsError for names that the script does not have and ranges that no value fits, SpaceError
        where nothing is left to vary.
        """
        if self.ranges is None:
            parameters = tuple(found)
        else:
            known = {parameter.name: parameter for parameter in (*found, *reserved)}
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
        bounds = ("low", "high") if known[name].numeric else ("values",)
        if known[name].role == EVALUATION_ROLE and not all(bound in entry for bound in bounds):
            raise SettingsError(
                f"{where}: {name} defines the evaluation: trials with other values do not measure the same",
                f"take the line out, or say within what it may vary: {' and '.join(bounds)}",
            )
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
    ``llm_budget``, ``llm_tokens``, ``llm_requests``, ``stop_early``, and the fields of ``Trust``. Raises SettingsError.
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
            changes[key] = parsed(key, raw, where(key))
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
            *("theorist", "llm_budget", "llm_tokens", "llm_requests", "stop_early"),
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
                changes[key] = parsed(key, raw, file.where(section, key))
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


def _study_name(script: Path) -> str:
    """A name for the study of ``script``."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", script.stem).strip("-._")
    return words[:64] or "study"
