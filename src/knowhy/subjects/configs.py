"""Values in configuration files beside a script: those that it names, and those of Hydra."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from knowhy.model.space import Origin, OriginKind
from knowhy.subjects.candidates import Candidate, Findings
from knowhy.subjects.documents import SUFFIXES, Value, parse, values
from knowhy.subjects.exclusions import exclusion
from knowhy.subjects.roles import guess
from knowhy.subjects.source import Source, calls, dotted, read_literal

_LARGEST = 256 * 1024  # bytes: what is larger is data
_NEVER = frozenset(("knowhy.toml", "pyproject.toml", "package.json", "package-lock.json", "tsconfig.json"))
_JUDGING = re.compile(r"(?i)(\w+_)?(val|valid|validation|test|eval|evaluation|logging|log|wandb|hydra|paths?)")


Reader = Callable[[str], bytes | None]


def find_configs(source: Source, arguments: Sequence[str], findings: Findings, read: Reader | None = None) -> None:
    """Add the values of files that the script (or its command line) names, and of its Hydra configuration.

    ``read`` gives a file by its relative path, None where there is none; without it they are looked for beside the
    script.
    """
    home = Path(source.path).absolute().parent
    read = read or (lambda name: _read(home, name))
    hydra = _hydra(source.tree)
    if hydra is not None:
        _overrides(read, *hydra, arguments, findings)
    for name in dict.fromkeys(_named(source.tree, arguments)):
        data = read(name)
        composed = hydra is not None and name.startswith(f"{hydra[0]}/") and name.endswith((".yaml", ".yml"))
        if data is None or composed:
            continue
        for value in values(data, PurePosixPath(name).suffix):
            candidate = _candidate("config", name, value, value.key)
            if candidate is not None:
                findings.candidates.append(candidate)
            elif value.key.rpartition(".")[2] in ("seed", "random_seed") and isinstance(value.value, int):
                findings.note(f"{value.key} in {name} is a seed: trials keep it; read KNOWHY_SEED to vary it")


def _named(tree: ast.AST, arguments: Sequence[str]) -> Iterator[str]:
    """Relative paths that look like configuration files."""
    words = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    for word in (*words, *(a.partition("=")[2] or a for a in arguments)):
        path = PurePosixPath(word)
        if path.suffix in SUFFIXES and not path.is_absolute() and ".." not in path.parts and path.name not in _NEVER:
            yield str(path)


def _read(home: Path, name: str) -> bytes | None:
    path = home / name
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST or home not in path.resolve().parents:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _candidate(kind: OriginKind, file: str, value: Value, key: str) -> Candidate | None:
    """A value of a known role, by its last name; None for what is no hyperparameter."""
    *groups, last = key.split(".")
    if any(_JUDGING.fullmatch(group) for group in groups) or not re.fullmatch(r"[\w.\[\]-]+", key):
        return None
    word = groups[-1] if last in ("name", "type", "kind") and groups else last
    known = guess(word, value.value)
    if exclusion(word, value.value) or known is None or known.role == "other":
        return None
    origin = Origin(kind, file, value.line, value.start, value.end, value.text, key=key)
    return Candidate(word, value.value, origin, owner=PurePosixPath(file).stem, alias=key, weight=0.98)


def _hydra(tree: ast.AST) -> tuple[str, str] | None:
    """Folder and name of the configuration that ``@hydra.main`` names."""
    for name, call in calls(tree):
        if name not in ("hydra.main", "main"):
            continue
        given = {k.arg: read_literal(k.value) for k in call.keywords}
        if name == "main" and "config_name" not in given:
            continue
        places = [read_literal(a) for a in call.args]
        folder, file = given.get("config_path", places[0] if places else None), given.get("config_name")
        if file is None and len(places) > 1:
            file = places[1]
        if isinstance(file, str):
            return (folder if isinstance(folder, str) else "."), file
    return None


def _overrides(read: Reader, folder: str, name: str, arguments: Sequence[str], findings: Findings) -> None:
    """Values of the composed configuration, each to be overridden as ``group.key=value``."""
    given = dict(a.partition("=")[::2] for a in arguments if "=" in a and not a.startswith("-"))
    main = str(PurePosixPath(folder) / (given.get("--config-name", name).removesuffix(".yaml") + ".yaml"))
    data = read(main)
    if data is None:
        findings.note(f"the Hydra configuration {main} was not found beside the script")
        return
    found: dict[str, tuple[str, Value]] = {}
    for group, option, package in _defaults(data):
        file = str(PurePosixPath(folder) / group / f"{given.get(group, option).removesuffix('.yaml')}.yaml")
        inner = read(file)
        if inner is None:
            continue
        whole = bool(re.search(rb"(?m)^#\s*@package\s+_global_", inner))
        prefix = "" if whole else package
        for value in values(inner, ".yaml"):
            found[f"{prefix}.{value.key}" if prefix else value.key] = (file, value)
    for value in values(data, ".yaml"):
        if not value.key.startswith(("defaults", "hydra.")):
            found[value.key] = (main, value)
    for key, (file, value) in found.items():
        if key in given:
            findings.note(f"{key} is held at the value that the command line gives")
            continue
        candidate = _candidate("override", file, value, key)
        if candidate is not None:
            findings.candidates.append(candidate)


def _defaults(data: bytes) -> Iterator[tuple[str, str, str]]:
    """Group, option and package of each entry of a defaults list."""
    content = parse(data.decode("utf-8", "replace"), ".yaml")
    listed = content.get("defaults") if isinstance(content, dict) else None
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict):
            continue
        for raw, option in entry.items():
            group, _, package = str(raw).removeprefix("optional ").removeprefix("override ").partition("@")
            if isinstance(option, str) and not group.startswith("hydra/"):
                yield group, option, package or group.replace("/", ".")


def find_environment(source: Source, findings: Findings) -> None:
    """Add environment variables with a default: ``float(os.environ.get("LR", "0.1"))``."""
    casts = {
        id(n.args[0]): dotted(n.func)
        for n in ast.walk(source.tree)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and len(n.args) == 1 and not n.keywords
    }
    for name, call in calls(source.tree):
        if name not in ("os.environ.get", "os.getenv", "environ.get", "getenv") or len(call.args) != 2:
            continue
        variable, raw = read_literal(call.args[0]), read_literal(call.args[1])
        if (
            not isinstance(variable, str)
            or not re.fullmatch(r"[A-Za-z_]\w*", variable)
            or variable.startswith("KNOWHY")
        ):
            continue
        value = _cast(raw, casts.get(id(call), ""))
        if value is None or exclusion(variable, value):
            continue
        origin = source.origin("environment", call.args[1])
        whole = True if casts.get(id(call)) == "int" else None
        findings.candidates.append(Candidate(variable, value, _keyed(origin, variable), whole=whole, weight=0.97))


def _cast(raw: object, cast: str) -> int | float | str | None:
    """The default as the script reads it."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        return None
    try:
        if cast == "int":
            return int(raw)
        if cast == "float" or (isinstance(raw, str) and not cast and re.fullmatch(r"-?\d*\.?\d+(e-?\d+)?", raw)):
            return float(raw)
    except ValueError:
        return None
    return raw if cast in ("", "str") else None


def _keyed(origin: Origin, key: str) -> Origin:
    return Origin(origin.kind, origin.file, origin.line, origin.start, origin.end, origin.text, key=key)
