"""Which column of a table is what: parameter, metric, status, name, seed, seconds, remark, or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from knowhy.errors import UsageError
from knowhy.histories.history import Request, number, renamed, tidy
from knowhy.model.space import Scalar

Use = Literal["parameter", "metric", "status", "name", "seed", "seconds", "failure", "note", "purpose", "left out"]

_PARAMETER = re.compile(r"(params?|parameters|config|configs|hparams?|hyperparameters?|hp|args?)[._/:](.+)", re.I)
_METRIC = re.compile(r"(metrics?|summary|values?|results?|scores?)[._/:](.+)", re.I)
_KNOWN: dict[str, Use] = {
    **dict.fromkeys(("state", "status", "outcome"), "status"),
    **dict.fromkeys(
        ("trial", "trial_id", "number", "id", "run", "run_id", "run_name", "uuid", "name", "commit"), "name"
    ),
    **dict.fromkeys(("seed", "random_state", "random_seed"), "seed"),
    **dict.fromkeys(("seconds", "duration", "runtime", "elapsed", "duration_seconds", "_runtime"), "seconds"),
    **dict.fromkeys(("failure", "error", "exception", "message"), "failure"),
    **dict.fromkeys(("description", "note", "notes", "comment", "comments", "reason"), "note"),
    "purpose": "purpose",
    **dict.fromkeys(("index", "", "unnamed: 0", "row", "created", "updated", "tags", "user", "hostname"), "left out"),
    **dict.fromkeys(("start_time", "end_time", "timestamp", "date", "time", "_timestamp", "_step"), "left out"),
    **dict.fromkeys(("experiment_id", "artifact_uri", "sweep", "group", "proposer", "curves"), "left out"),
}
_FOREIGN = re.compile(r"(datetime|system_attrs|tags|artifacts?)[._/].*|unnamed: \d+|_wandb.*", re.I)
_FEW = 20


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: how it is called there, what it is used for, under which name, and why."""

    title: str
    use: Use
    name: str
    why: str


def columns(titles: Sequence[str], cells: Mapping[str, Sequence[Scalar]], request: Request) -> list[Column]:
    """What each column is, by what the person says, then by its prefix, its name, and its values.

    ``cells`` are the values of each column where there are any. Raises UsageError for columns that are not there.
    """
    _check(titles, request)
    prefixed = any(_PARAMETER.fullmatch(t) or t.startswith("params_") for t in titles)
    found: list[Column] = []
    for title in titles:
        found.append(_judge(title, cells[title], request, prefixed=prefixed, found=found))
    short = renamed(c.name for c in found if c.use == "parameter")
    taken = {c.name for c in found if c.use == "metric"}
    return [_named(c, short, taken) for c in found]


def _named(column: Column, short: Mapping[str, str], metrics: set[str]) -> Column:
    if column.use != "parameter":
        return column
    name = short[column.name]
    return Column(column.title, column.use, f"{name}_set" if name in metrics else name, column.why)


def _check(titles: Sequence[str], request: Request) -> None:
    stripped = {_bare(t) for t in titles}
    for name in (*request.metrics, *request.parameters):
        if name not in titles and name not in stripped:
            raise UsageError(
                f"there is no column {name}", f"the columns are: {', '.join(t[:40] for t in titles[:30]) or 'none'}"
            )


def _bare(title: str) -> str:
    match = _PARAMETER.fullmatch(title) or _METRIC.fullmatch(title)
    return tidy(match.group(2)) if match else title


def _judge(
    title: str, values: Sequence[Scalar], request: Request, *, prefixed: bool, found: Sequence[Column]
) -> Column:
    bare = _bare(title)
    if title in request.metrics or (bare in request.metrics and not _PARAMETER.fullmatch(title)):
        return Column(title, "metric", bare, "as you say")
    if title in request.parameters or (bare in request.parameters and not _METRIC.fullmatch(title)):
        return Column(title, "parameter", bare, "as you say")
    plain = title.strip().lower()
    numeric = bool(values) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    if plain in _KNOWN and not (plain in ("time", "error", "message") and numeric):
        return Column(title, _KNOWN[plain], plain, "by its name")
    if _FOREIGN.fullmatch(title):
        return Column(title, "left out", title, "of another tool's own use")
    match = _PARAMETER.fullmatch(title) or re.fullmatch(r"(params)_(.+)", title)
    if match:
        if request.parameters:
            return Column(title, "left out", match.group(2), "not among the parameters that you name")
        return Column(title, "parameter", match.group(2), f"by its prefix {match.group(1)}")
    match = _METRIC.fullmatch(title) or re.fullmatch(r"(user_attrs|values?)_(.+)", title)
    if match and numeric:
        name = match.group(2) if not match.group(1).startswith("value") or not match.group(2).isdigit() else title
        return Column(title, "metric", name, f"by its prefix {match.group(1)}")
    if not values:
        return Column(title, "left out", title, "empty")
    distinct = len({(type(v), v) for v in values})
    if numeric and (request.direction_of(title) is not None or plain == "value"):
        return Column(title, "metric", title, "by its name")
    if request.parameters:
        return Column(title, "left out", title, "not among the parameters that you name")
    if distinct < 2:
        return Column(title, "left out", title, "it has one value only")
    if prefixed:
        return Column(title, "left out", title, "it has no prefix, where parameters have one")
    if not numeric:
        few = distinct <= _FEW and (distinct <= 6 or distinct <= len(values) / 2)
        if few:
            return Column(title, "parameter", tidy(title), f"{distinct} different values")
        return Column(title, "left out", title, f"{distinct} different texts")
    if request.is_setting(title, values[0]):
        return Column(title, "parameter", tidy(title), "by its name")
    after = any(c.use == "metric" for c in found)
    if _looks_measured(values, distinct) and (after or len(found) == 0):
        return Column(title, "metric", title, "it looks measured: a new number in nearly every row")
    if _looks_measured(values, distinct) and distinct == len(values) and not _set_by_hand(values):
        why = "a number that differs between rows, before the metrics"
        return Column(title, "parameter", tidy(title), why)
    return Column(title, "parameter", tidy(title), f"{distinct} different numbers")


def _looks_measured(values: Sequence[Scalar], distinct: int) -> bool:
    return len(values) >= 4 and distinct > 0.8 * len(values) and not _set_by_hand(values)


def _set_by_hand(values: Sequence[Scalar]) -> bool:
    """Whether nearly all numbers are short: people (and grids) choose 0.03, runs measure 0.029817."""
    short = sum(
        len(f"{number(v):.12g}".replace(".", "").strip("-0")) <= 3 for v in values if isinstance(v, (int, float))
    )
    return short > 0.8 * len(values)
