"""Ranges as knowhy.toml writes them: a line for a parameter, applied to what the script has."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from knowhy.errors import SettingsError, SpaceError
from knowhy.model.space import FIDELITY_ROLE, Choices, Condition, Domain, Interval, Parameter, Scalar

_KEYS = ("type", "low", "high", "scale", "values", "default", "active", "when", "widen", "fidelity")


def changed(parameter: Parameter, entry: Mapping[str, Any]) -> Parameter:
    """``parameter`` as its line in the file changes it; raises ValueError, SettingsError, SpaceError."""
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        raise SettingsError(f"there is no {unknown[0]}", instead(unknown[0], _KEYS, "key"))
    active = entry.get("active", parameter.active)
    if not isinstance(active, bool):
        raise ValueError(f"active must be true or false, not {active!r}")
    widen = entry.get("widen", None)
    if widen is not None and not isinstance(widen, bool):
        raise ValueError(f"widen must be true or false, not {widen!r}")
    domain = _domain(parameter, entry)
    default = _default(parameter, domain, entry.get("default", parameter.default))
    if not domain.contains(default):
        raise SpaceError(
            f"the default {default!r} is outside the range", "widen the range, or change the default (or the script)"
        )
    # A range that somebody has written is meant; one that stands as it was guessed may widen by itself.
    guessed = widen if widen is not None else parameter.guessed and domain == parameter.domain
    condition = _condition(entry["when"]) if "when" in entry else parameter.condition
    fidelity = entry.get("fidelity", False)
    if not isinstance(fidelity, bool):
        raise ValueError(f"fidelity must be true or false, not {fidelity!r}")
    if fidelity:
        if not isinstance(domain, Interval) or condition is not None:
            raise SettingsError("a fidelity is a number that always counts", "leave out fidelity here")
        # Held at its full value, whatever the line says of active, as init has written it.
        parameter, active, guessed = replace(parameter, role=FIDELITY_ROLE), False, False
    return replace(parameter, domain=domain, default=default, active=active, guessed=guessed, condition=condition)


def _condition(raw: Any) -> Condition | None:
    """``{ optimizer = "sgd" }`` or ``{ optimizer = ["sgd", "adam"] }``; ``{}`` for a parameter that always counts."""
    if not isinstance(raw, Mapping) or len(raw) > 1:
        raise SettingsError(f"when must name one parameter, not {raw!r}", 'write when = { optimizer = ["sgd"] }')
    for parent, values in raw.items():
        listed = values if isinstance(values, list) else [values]
        if not listed or any(isinstance(value, (list, dict)) for value in listed):
            raise SettingsError(f"when lacks the values of {parent}", f'write when = {{ {parent} = ["..."] }}')
        return Condition(str(parent), tuple(None if value == "None" else cast(Scalar, value) for value in listed))
    return None


def _domain(parameter: Parameter, entry: Mapping[str, Any]) -> Domain:
    old = parameter.domain
    if isinstance(old, Choices):
        kinds, kind = ("switch",) if set(map(type, old.values)) == {bool} else ("choice",), entry.get("type")
        if kind is not None and kind not in kinds:
            raise SettingsError(f"a {kinds[0]} cannot become {kind!r}", f'write type = "{kinds[0]}"')
        for key in ("low", "high", "scale"):
            if key in entry:
                raise SettingsError(f"a {kinds[0]} has no {key}", "list its values instead")
        values = entry.get("values", list(old.values))
        if not isinstance(values, list) or any(isinstance(value, (list, dict)) for value in values):
            raise ValueError(f"values must be a list, not {values!r}")
        return Choices(tuple(_member(old, value) for value in values))
    if "values" in entry:
        raise SettingsError("a number has a range, no values", "write low and high instead")
    low, high = (_number(key, entry.get(key, getattr(old, key))) for key in ("low", "high"))
    scale = entry.get("scale", old.scale)
    if scale not in ("linear", "log"):
        raise SettingsError(f"there is no scale {scale!r}", 'write scale = "linear" or "log"')
    kind = entry.get("type", "power_of_two" if old.power_of_two else "integer" if old.integer else "real")
    if kind not in ("real", "integer", "power_of_two"):
        raise SettingsError(f"a number cannot become {kind!r}", 'write type = "real", "integer" or "power_of_two"')
    zero = scale == "log" and entry.get("default", parameter.default) == 0  # beside a range that cannot hold it
    if kind == "real":
        return Interval(low, high, scale, zero=zero)
    if kind == "integer":
        return Interval(low, high, scale, integer=True, zero=zero)
    return Interval(low, high, "log", integer=True, power_of_two=True)


def _default(parameter: Parameter, domain: Domain, raw: Any) -> Scalar:
    if isinstance(domain, Choices):
        return _member(cast(Choices, parameter.domain), raw)
    value = _number("default", raw)
    if domain.integer or domain.power_of_two:
        if value != int(value):
            raise ValueError(f"the default {value:g} is no whole number")
        return int(value)
    return value


def _member(old: Choices, value: Any) -> Scalar:
    """A value of a choice as Python has it: TOML has no null, so None is written as a text."""
    if value == "None" and None in old.values and "None" not in old.values:
        return None
    return cast(Scalar, value)


def _number(key: str, raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        raise ValueError(f"{key} must be a number, not {raw!r}")
    return raw


def instead(name: str, known: Mapping[str, object] | Sequence[str], what: str) -> str:
    """A hint that names the nearest of the names that exist."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    return f"choose a {what} of: {', '.join(known)}" if known else f"there is no {what} to choose from"
