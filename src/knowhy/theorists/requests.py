"""Which held parameters to open, and when: so that the space grows where the trials point."""

from __future__ import annotations

from collections.abc import Iterator

from knowhy.model.space import Parameter
from knowhy.model.theory import ParameterRequest
from knowhy.theorists.lore import CURES, ROLE_WORDS
from knowhy.theorists.reading import Reading

_MOST = 2
_AT_LEAST = 6
_PER_ACTIVE = 2
_PER_OPENED = 6
_LATEST = 0.6
_STRONG = 0.3
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
    if state.run is not None and state.finished - len(state.observed) > _LATEST * state.run.trials:
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
    frozen = {change.parameter.name for _, change in state.changes if change.change == "frozen"}
    held = [p for p in state.space.held if p.name not in frozen]
    for diagnosis in reading.diagnoses:
        cure = CURES.get(diagnosis.kind)
        if cure is None or diagnosis.strength < _STRONG:
            continue
        fit = [p for p in held if p.role in cure.roles and p.confidence >= _LEAST_CONFIDENCE]
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


def _words(parameter: Parameter) -> str:
    """What the parameter is, in brackets, where its name does not say it."""
    words = ROLE_WORDS.get(parameter.role, parameter.role.replace("_", " "))
    plain = parameter.name.lower().replace("_", " ").replace("-", " ")
    return "" if parameter.role == "other" or words.removeprefix("the ") in plain or plain in words else f" ({words})"
