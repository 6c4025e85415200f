"""Which held parameters to open, and when: so that the space grows where the trials point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from knowhy.engine.diagnostics import Diagnosis
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import EVALUATION_ROLE, FIDELITY_ROLE, Parameter
from knowhy.model.state import State
from knowhy.model.theory import ParameterRequest
from knowhy.theorists.lore import CURES, ROLE_WORDS, Cure
from knowhy.theorists.reading import Reading

_MOST, _MOST_WHERE_FEW = 2, 3
_FEW = 8  # parameters that vary: a space below this has room for several at once
_AT_LEAST = 6
_PER_ACTIVE = 2
_PER_OPENED, _PER_OPENED_WHERE_FEW = 6, 3
_LATEST = 0.6
_STRONG, _VERY_STRONG = 0.3, 0.5
_AGAIN = 10
_LEAST_CONFIDENCE = 0.3
_LEAST_WEIGHT, _LEAST_WHERE_FEW = 0.25, 0.15
_TRIALS_EACH = 5  # trials that a study should have for each parameter that it varies from early on
_BASELINE = 2  # the default, and the default again
_CLOSED = (EVALUATION_ROLE, FIDELITY_ROLE, PATCH_ROLE)


def requests(reading: Reading) -> tuple[ParameterRequest, ...]:
    """What to open: once the default has run, all that the budget has room for; later at most two or three at a time.

    There is room for one parameter in five trials, and for eight. Later requests wait for two trials for each that
    varies, for what was opened last to be tried, and end with 60% of the budget.
    """
    state = reading.state
    if not state.space.held:
        return ()
    early = _at_once(reading)
    if early or not _ripe(reading):
        return early
    found: list[ParameterRequest] = []
    taken: set[str] = set()
    few = len(state.space.active) < _FEW
    most = min(_MOST_WHERE_FEW, _FEW - len(state.space.active)) if few else _MOST
    for parameter, reason in _wanted(reading, 2 if few else 1):
        if parameter.name not in taken and len(found) < most:
            taken.add(parameter.name)
            found.append(ParameterRequest(parameter.name, reason))
    return tuple(found)


def _at_once(reading: Reading) -> tuple[ParameterRequest, ...]:
    """The likeliest to matter, together and before any model is fitted, while nothing has been opened yet.

    What is opened late is never learned about, and what counts only together with it is missed: a surrogate whose
    length scales are sparse by prior pays little for a parameter that does nothing.
    """
    state = reading.state
    if state.run is None or state.run.strategy != "theory":
        return ()  # who chose a classic strategy chose its space
    if len(state.completed) < _BASELINE or any(c.change == "opened" for _, c in state.changes):
        return ()
    if _late(state):
        return ()
    limit = min(_FEW, state.run.trials // _TRIALS_EACH)
    count = len(state.space.active)
    frozen = _frozen(state)
    likely = [
        p
        for p in state.space.held
        if p.name not in frozen
        and p.role not in _CLOSED
        and p.confidence >= _LEAST_CONFIDENCE
        and reading.weight(p) >= _LEAST_WHERE_FEW
    ]
    likely.sort(key=lambda p: (-reading.weight(p), -p.confidence))
    chosen: list[Parameter] = []
    for parameter in likely:
        wanted = [p for p in _with_parents(state, parameter, likely) if p not in chosen]
        if wanted and count + len(chosen) + len(wanted) <= limit:
            chosen += wanted
    others = f"{count} parameter{' varies' if count == 1 else 's vary'} so far, and {state.run.trials} trials"
    return tuple(
        ParameterRequest(
            p.name,
            _pointed(reading, p)
            or f"Only {others} have room for {limit}; {p.name}{_words(p)} is held, and may matter as much.",
        )
        for p in chosen
    )


def _with_parents(state: State, parameter: Parameter, likely: Sequence[Parameter]) -> list[Parameter]:
    """``parameter`` after what must be open for it to count; empty where that is not among the ``likely``."""
    if _counts(state, parameter):
        return [parameter]
    parent = next((p for p in likely if parameter.condition and p.name == parameter.condition.parent), None)
    above = [] if parent is None else _with_parents(state, parent, likely)
    return [*above, parameter] if above else []


def _pointed(reading: Reading, parameter: Parameter) -> str:
    """Why the strongest diagnosis that points to ``parameter`` does; empty where none does."""
    for diagnosis in reading.diagnoses:
        cure = CURES.get(diagnosis.kind)
        if cure is not None and diagnosis.strength >= _STRONG and parameter.role in cure.roles:
            return _because(diagnosis, cure, parameter)
    return ""


def _because(diagnosis: Diagnosis, cure: Cure, parameter: Parameter) -> str:
    return f"The trials show {diagnosis.sentence}; {parameter.name}{_words(parameter)} is held, and {cure.reason}."


def _late(state: State) -> bool:
    """Whether too little of the budget is left to learn about what would be opened."""
    return state.run is not None and state.finished - len(state.observed) > _LATEST * state.run.trials


def _ripe(reading: Reading) -> bool:
    state = reading.state
    if _late(state):
        return False
    if state.finished < max(_AT_LEAST, _PER_ACTIVE * len(state.space.active)):
        return False
    opened = [time for time, change in state.changes if change.change == "opened"]
    if not opened:
        return True
    last = max(opened)
    together = sum(time >= last - 1.0 for time in opened)
    since = sum(t.ended > last for t in state.completed) + sum(t.ended > last for t in state.failed)
    return since >= together * (_PER_OPENED_WHERE_FEW if len(state.space.active) < _FEW else _PER_OPENED)


def _wanted(reading: Reading, each: int) -> Iterator[tuple[Parameter, str]]:
    """Held parameters by how much points to them: diagnoses first (at most ``each``), then a stalled search."""
    state = reading.state
    frozen = _frozen(state)
    held = [p for p in state.space.held if p.name not in frozen and _counts(state, p)]
    for diagnosis in reading.diagnoses:
        cure = CURES.get(diagnosis.kind)
        if cure is None or diagnosis.strength < _STRONG:
            continue
        again = [] if diagnosis.strength < _VERY_STRONG else [state.space[n] for n, since in frozen.items() if since]
        fit = [p for p in (*held, *again) if p.role in cure.roles and p.confidence >= _LEAST_CONFIDENCE]
        fit.sort(key=lambda p: (cure.roles.index(p.role), -p.confidence))
        for parameter in fit[:each]:
            yield parameter, _because(diagnosis, cure, parameter)
    if any(d.kind == "stalled" for d in reading.diagnoses):
        stalled = next(d for d in reading.diagnoses if d.kind == "stalled")
        least = _LEAST_WEIGHT if each == 1 else _LEAST_WHERE_FEW
        likely = sorted(
            (p for p in held if reading.weight(p) >= least), key=lambda p: (-reading.weight(p), -p.confidence)
        )
        for parameter in likely[:each]:
            yield (
                parameter,
                f"The search has {stalled.sentence.replace('stalled: ', 'stalled, ')}; of what is held, "
                f"{parameter.name}{_words(parameter)} is the likeliest to matter.",
            )


def _frozen(state: State) -> dict[str, bool]:
    """Frozen parameters, and whether they may be asked for again.

    Those may that data froze (not a person) at least ten trials ago: what seemed not to matter then may now.
    """
    found: dict[str, bool] = {}
    for time, change in state.changes:
        name = change.parameter.name
        found.pop(name, None)
        if change.change == "frozen":
            since = sum(t.ended > time for t in state.completed) + sum(t.ended > time for t in state.failed)
            found[name] = change.belief is not None and since >= _AGAIN
    return found


def _counts(state: State, parameter: Parameter) -> bool:
    """Whether opening ``parameter`` would do anything: its parent is open, or is held where it counts."""
    condition = parameter.condition
    return condition is None or state.space[condition.parent].active or condition.holds(state.space.defaults())


def _words(parameter: Parameter) -> str:
    """What the parameter is, in brackets, where its name does not say it."""
    words = ROLE_WORDS.get(parameter.role, parameter.role.replace("_", " "))
    plain = parameter.name.lower().replace("_", " ").replace("-", " ")
    return "" if parameter.role == "other" or words.removeprefix("the ") in plain or plain in words else f" ({words})"
