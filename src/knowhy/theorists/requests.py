"""Which held parameters to open, and when: so that the space grows where the trials point."""

from __future__ import annotations

from collections.abc import Iterator

from knowhy.model.space import Parameter
from knowhy.model.state import State
from knowhy.model.theory import ParameterRequest
from knowhy.theorists.lore import CURES, ROLE_WORDS
from knowhy.theorists.reading import Reading

_MOST = 2
_AT_LEAST = 6
_PER_ACTIVE = 2
_PER_OPENED = 6
_LATEST = 0.6
_STRONG, _VERY_STRONG = 0.3, 0.5
_AGAIN = 10
_LEAST_CONFIDENCE = 0.3
_LEAST_WEIGHT = 0.25


def requests(reading: Reading) -> tuple[ParameterRequest, ...]:
    """At most two requests; none before two trials for each active parameter, soon after the last, or late."""
    state = reading.state
    if not state.space.held or not _ripe(reading):
        return ()
    found: list[ParameterRequest] = []
    taken: set[str] = set()
    for parameter, reason in _wanted(reading):
        if parameter.name not in taken and len(found) < _MOST:
            taken.add(parameter.name)
            found.append(ParameterRequest(parameter.name, reason))
    return tuple(found)


def _ripe(reading: Reading) -> bool:
    state = reading.state
    if state.run is not None and state.finished > _LATEST * state.run.trials:
        return False
    if state.finished < max(_AT_LEAST, _PER_ACTIVE * len(state.space.active)):
        return False
    opened = [time for time, change in state.changes if change.change == "opened"]
    if not opened:
        return True
    last = max(opened)
    together = sum(time >= last - 1.0 for time in opened)
    since = sum(t.ended > last for t in state.completed) + sum(t.ended > last for t in state.failed)
    return since >= _PER_OPENED * together


def _wanted(reading: Reading) -> Iterator[tuple[Parameter, str]]:
    """Held parameters by how much points to them: diagnoses first, then a stalled search."""
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
        for parameter in fit[:1]:
            yield (
                parameter,
                f"The trials show {diagnosis.sentence}; {parameter.name}{_words(parameter)} is held, and "
                f"{cure.reason}.",
            )
    if any(d.kind == "stalled" for d in reading.diagnoses):
        stalled = next(d for d in reading.diagnoses if d.kind == "stalled")
        likely = sorted(
            (p for p in held if reading.weight(p) >= _LEAST_WEIGHT), key=lambda p: (-reading.weight(p), -p.confidence)
        )
        for parameter in likely[:1]:
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
