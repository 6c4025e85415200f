"""A history in the style of karpathy/autoresearch: a results.tsv, and the commits that it names.

Literals of the script that differ between commits are parameters, found by knowhy's own discovery. What else differs
is the code: each variant of it is a value of the parameter ``code``, which is held. A change of code that was tried
once and not kept says nothing about the parameters: it is no trial, but it counts when the kept changes are judged.
"""

from __future__ import annotations

import ast
import tempfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from knowhy.compose import discovered
from knowhy.engine.steps import Step, effects
from knowhy.errors import KnowhyError, UsageError
from knowhy.histories.commits import Commits
from knowhy.histories.history import History, Recorded, identified
from knowhy.histories.results import Results, Row, read_results
from knowhy.model.objective import Direction, Objective
from knowhy.model.observation import Failure, Observation, Outcome
from knowhy.model.space import Domain, Interval, Parameter, Scalar
from knowhy.model.theory import Theory

CODE = "code"
_TELL = 25


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was kept: what it did to single runs, and how likely it is to be real.

    ``seen`` is the difference of the two runs that it was judged by, ``mean`` with its 90% interval the effect that all
    runs together suggest, ``helps`` the belief that it helps at all. ``pairs`` fresh pairs of runs of ``commit`` and
    ``parent`` are expected to settle it. ``settings`` are the literals that it changed (from, to).
    """

    commit: str
    parent: str
    description: str
    seen: float
    mean: float
    low: float
    high: float
    helps: float
    pairs: int
    settings: Mapping[str, tuple[Scalar, Scalar]]
    code: bool


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The kept changes, the noise of a single run that they are judged against, and whether it was measured."""

    changes: tuple[Change, ...]
    noise: float
    noise_low: float
    noise_high: float
    measured: bool


@dataclass(frozen=True)
class _Version:
    """A row with the script at its commit: literals by name, and what is left of the code without them."""

    row: Row
    parameters: Mapping[str, Parameter]
    code: str
    parent: int | None

    @property
    def values(self) -> dict[str, Scalar]:
        """The literals."""
        return {name: p.default for name, p in self.parameters.items()}


def read_autoresearch(
    path: Path, repository: Path, script: str, toward: Direction | None, noise: float | None
) -> tuple[History, Verdicts | None, tuple[Theory, ...]]:
    """The history in ``path``, what it says of its kept changes, and theories about those that changed one literal.

    ``noise`` is the standard deviation of a run where the person knows it. Raises UsageError.
    """
    table = read_results(path)
    commits = Commits(repository)
    notes: list[str] = []
    versions = _versions(table, commits, script, notes)
    if not versions:
        raise UsageError(
            f"none of the commits in {path} has {script} in the repository {repository}",
            "name the repository with --repo, the script with --script; commits that were thrown away are not in it",
        )
    objective = Objective(table.metric, toward or "minimize")
    labels = _labels(versions)
    kept = [i for i, v in enumerate(versions) if v.row.status == "keep"]
    lineage = {versions[i].code for i in kept} | {versions[0].code}
    shared = {code for code, count in Counter(v.code for v in versions).items() if count > 1}
    names = _varying(versions)
    trials = []
    for version in versions:
        if version.code in lineage | shared:
            trials.append(_recorded(version, names, labels, table.metric))
        else:
            result = "crashed" if version.row.value is None else f"{table.metric} {version.row.value:g}"
            notes.append(f"{version.row.commit} ({result}, a change of code): {version.row.description}")
    tip = versions[kept[-1] if kept else 0]
    domains: dict[str, Domain] = {n: tip.parameters[n].domain for n in names if n in tip.parameters}
    history = History(
        "results.tsv",
        str(path),
        path.absolute().parent.name,
        tuple(trials),
        {n: d for n, d in domains.items() if isinstance(d, Interval)},
        (objective,),
        baseline=tip.row.commit,
        notes=_few(notes),
        held=(CODE,),
    )
    verdicts = _verdicts(versions, labels, objective, noise)
    return identified(history), verdicts, _theories(verdicts, objective, tip, names)


def _versions(table: Results, commits: Commits, script: str, notes: list[str]) -> list[_Version]:
    found: list[_Version] = []
    full = [commits.full(row.commit) for row in table.rows]
    place: dict[str, int] = {}
    last: int | None = None
    missing = 0
    for row, name in zip(table.rows, full, strict=True):
        source = commits.file(name, script) if name else None
        if name is None or source is None:
            missing += 1
            continue
        try:
            parameters, code = _read(source)
        except KnowhyError as error:
            notes.append(f"{row.commit} is left out: {error.message[:200]}")
            continue
        before = commits.parent(name)
        parent = place.get(before, last) if before else last
        found.append(_Version(row, parameters, code, parent))
        place[name] = len(found) - 1
        before_it = found[parent] if parent is not None else None
        if before_it is not None and (before_it.code, before_it.values) == (code, found[-1].values):
            kept = " and was kept for it" if row.status == "keep" else ""
            notes.append(f"{row.commit} only runs {before_it.row.commit} again{kept}: {row.description}")
        if row.status == "keep":
            last = len(found) - 1
    if missing:
        notes.append(f"{missing} rows are left out: their commits are not in the repository, or lack {script}")
    return found


def _read(source: bytes) -> tuple[dict[str, Parameter], str]:
    """The literals of a script that may be parameters, whatever discovery would vary from the start, and a digest.

    The digest is of the code without these literals, seeds, comments and layout: what differs in its seed only is
    another run of the same.
    """
    with tempfile.TemporaryDirectory(prefix="knowhy-commit-") as folder:
        file = Path(folder) / "script.py"
        file.write_bytes(source)
        found = discovered(file)
    parameters = {p.name: p for p in found.parameters if p.origin.end > p.origin.start}
    spots = {p.origin: p.name for p in parameters.values()} | dict.fromkeys(found.seeds, "a seed")
    data = source
    for spot in sorted((o for o in spots if o.end > o.start), key=lambda o: -o.start):
        mark = f" _{zlib.crc32(spots[spot].encode()):08x} ".encode()
        data = data[: spot.start] + mark + data[spot.end :]
    try:
        text = ast.dump(ast.parse(data))
    except (SyntaxError, ValueError, RecursionError):
        text = data.decode("utf-8", "replace")
    return parameters, f"{zlib.crc32(text.encode('utf-8', 'replace')):08x}{len(text)}"


def _labels(versions: Sequence[_Version]) -> dict[str, str]:
    """For each variant of the code, the first commit that has it."""
    found: dict[str, str] = {}
    for version in versions:
        found.setdefault(version.code, version.row.commit)
    return found


def _varying(versions: Sequence[_Version]) -> list[str]:
    seen: dict[str, set[str]] = {}
    for version in versions:
        for name, value in version.values.items():
            seen.setdefault(name, set()).add(repr(value))
    return [name for name, values in seen.items() if len(values) > 1]


def _recorded(version: _Version, names: Sequence[str], labels: Mapping[str, str], metric: str) -> Recorded:
    row = version.row
    settings = {n: version.values[n] for n in names if n in version.parameters} | {CODE: labels[version.code]}
    ended: Outcome
    if row.value is None:
        ended = Failure("exit", f"crashed: {row.description}"[:300], 0.0)
    else:
        metrics = {metric: row.value} | ({"memory_gb": row.memory} if row.memory else {})
        ended = Observation(metrics, 0.0)
    kept = row.status == "keep"
    return Recorded(row.commit, settings, ended, None, row.description, kept=kept, commit=row.commit)


def _verdicts(
    versions: Sequence[_Version], labels: Mapping[str, str], objective: Objective, noise: float | None
) -> Verdicts | None:
    """The kept changes, judged by all runs."""
    node = [f"{labels[v.code]}|{sorted((n, repr(x)) for n, x in v.values.items())}" for v in versions]
    steps = [
        Step(node[i], node[v.parent] if v.parent is not None and node[v.parent] != node[i] else "", v.row.value)
        for i, v in enumerate(versions)
    ]
    found = effects(steps, objective.sign, noise)
    if found is None:
        return None
    by_node = {e.node: e for e in found.effects}
    changes = []
    for i, version in enumerate(versions):
        effect = by_node.pop(node[i], None) if version.row.status == "keep" else None
        if effect is None or version.parent is None:
            continue
        parent = versions[version.parent]
        one, two = parent.values, version.values
        settings = {n: (one[n], two[n]) for n in two if n in one and repr(one[n]) != repr(two[n])}
        changes.append(
            Change(
                version.row.commit,
                parent.row.commit,
                version.row.description,
                effect.seen or 0.0,
                effect.mean,
                effect.low,
                effect.high,
                effect.helps,
                effect.pairs,
                settings,
                parent.code != version.code,
            )
        )
    return Verdicts(tuple(changes), found.noise, found.noise_low, found.noise_high, found.measured)


def _theories(
    verdicts: Verdicts | None, objective: Objective, tip: _Version, names: Sequence[str]
) -> tuple[Theory, ...]:
    """A theory for each kept change of a single literal: that it helps where the code stands now."""
    found: list[Theory] = []
    for change in verdicts.changes if verdicts else ():
        if change.code or len(change.settings) != 1:
            continue
        (name, (one, two)) = next(iter(change.settings.items()))
        if name not in names or name not in tip.parameters:
            continue
        better = "lowers" if objective.direction == "minimize" else "raises"
        numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (one, two))
        if numeric and isinstance(one, (int, float)) and isinstance(two, (int, float)):
            low, high, verb = (one, two, better) if one < two else (two, one, _other(better))
            claim = f"raising {name} from {low!r} to {high!r} {verb} {objective.metric} at the default"
        else:
            claim = f"{name} = {_word(two)} is better than {name} = {_word(one)} for {objective.metric} at the default"
        because = f"{change.commit} was kept after a single run: {change.description}"
        found.append(
            Theory("", f"Keeping {change.commit} was right: {name} {one} to {two}", because, (claim,), by="history")
        )
    return tuple(found)


def _other(verb: str) -> str:
    return "raises" if verb == "lowers" else "lowers"


def _word(value: Scalar) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _few(notes: Sequence[str]) -> tuple[str, ...]:
    if len(notes) <= _TELL:
        return tuple(notes)
    return (*notes[:_TELL], f"{len(notes) - _TELL} more changes of code were tried once and not kept")
