"""The standing of a proposer: how its theories and experiments fared, and how much attention that earns.

A theory is judged by its belief, which nobody but the data sets. Who proposes a theory and says how probable it is
is scored against the base rate, the share of prior draws in which the theory holds (log score; Good 1952). Who gives
no probability is held to the share of its own earlier theories that came true.

Attention multiplies what the theories of a proposer weigh when experiments are chosen, how far its opinions steer,
and how many of its experiments are considered. The built-in theorist and persons are the yardstick, 1; a proposer that
states probabilities starts below that, and gains or loses by a factor of two for every two bits that the data
have moved for or against it.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from knowhy.engine.information import entropy_of
from knowhy.model.state import State
from knowhy.model.theory import Theory
from knowhy.model.trial import Completed

FIRST, LEAST, MOST = 0.75, 0.05, 1.5
TRUE, FALSE = 0.95, 0.05
WISHES = 4
_SURE = 0.95  # stated probabilities count as no more extreme than this
_WORTH = 0.02
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d.]*(?:e-?\d+)?")


@dataclass
class Standing:
    """The record of one proposer in one study.

    ``settled`` theories are believed above 0.95 or below 0.05, ``right`` the former. ``score`` is the mean log score
    of the settled ones over that of the base rate, in bits (None: none is settled). ``bits`` is the information that
    trials gave about its theories since they joined. ``wished`` experiments were asked for, ``run`` were chosen,
    ``worth`` of these set a new best value or taught at least half of what was expected of them. ``dollars`` is None
    where no call has a known price.
    """

    proposer: str
    theories: int = 0
    settled: int = 0
    right: int = 0
    certified: int = 0
    score: float | None = None
    bits: float = 0.0
    wished: int = 0
    run: int = 0
    worth: int = 0
    calls: int = 0
    failed: int = 0
    requests: int = 0
    tokens: int = 0
    seconds: float = 0.0
    dollars: float | None = None
    attention: float = 1.0
    outcomes: dict[str, int] = field(default_factory=dict)


def standings(state: State) -> tuple[Standing, ...]:
    """Every proposer of ``state``, in the order in which they first spoke."""
    found: dict[str, Standing] = {}

    def of(name: str) -> Standing:
        return found.setdefault(name, Standing(name))

    for theory in state.theories.values():
        of(theory.by).theories += 1
    for thought in state.thoughts:
        s = of(thought.by)
        s.calls += 1
        s.failed += thought.outcome != "answered"
        s.outcomes[thought.outcome] = s.outcomes.get(thought.outcome, 0) + 1
        s.requests += thought.usage.requests
        s.tokens += thought.usage.input_tokens + thought.usage.output_tokens
        s.seconds += thought.usage.seconds
        if thought.usage.cost is not None:
            s.dollars = (s.dollars or 0.0) + thought.usage.cost
        s.wished += len(thought.wishes)
    for request in state.requests.values():
        of(request.by).wished += len(request.points)
    for _, change in state.changes:
        if change.by not in ("person", ""):
            of(change.by)
    for name in state.certified:
        if name in state.theories:
            of(state.theories[name].by).certified += 1
    _score(state, found)
    for name, bits in _gained(state).items():
        of(name).bits = bits
    for name, worth in _chosen(state):
        if name in found:  # a sampler that decides by itself proposes no theories and asks for nothing
            found[name].run += 1
            found[name].worth += worth
    for s in found.values():
        s.attention = attention(state, s.proposer)
    return tuple(found.values())


def attention(state: State, proposer: str) -> float:
    """What the record of ``proposer`` earns, 0.05 to 1.5; 1 for whoever states no probabilities."""
    stated = _stated(state, proposer)
    if not stated:
        return 1.0
    moved: dict[str, list[float]] = defaultdict(list)
    for theory in state.theories.values():
        belief, base = state.beliefs.get(theory.id), state.priors.get(theory.id)
        if theory.by != proposer or theory.claims not in stated or belief is None or base is None:
            continue
        # What the data have moved, times how far the proposer had leaned: zero while they have said nothing.
        leaning = _logit(_sure(stated[theory.claims])) - _logit(_sure(base))
        moved[_shape(theory)].append((belief - base) * leaning)
    # Theories that differ in their numbers only are one: saying a thing five times earns nothing more.
    total = sum(sum(values) / len(values) for values in moved.values())
    return min(MOST, max(LEAST, FIRST * math.pow(2.0, total / 2.0)))


def _shape(theory: Theory) -> str:
    """The claims without their numbers."""
    return "; ".join(_NUMBER.sub("#", claim) for claim in theory.claims)


def slots(state: State, proposer: str) -> int:
    """How many experiments that ``proposer`` asked for are considered in a decision."""
    return round(WISHES * attention(state, proposer))


def _stated(state: State, proposer: str) -> dict[tuple[str, ...], float]:
    """The probabilities that ``proposer`` gave, by claims; the first one counts."""
    found: dict[tuple[str, ...], float] = {}
    for thought in state.thoughts:
        for opinion in thought.opinions:
            if opinion.by == proposer:
                found.setdefault(opinion.claims, opinion.probability)
    return found


def _score(state: State, found: dict[str, Standing]) -> None:
    for s in found.values():
        stated = _stated(state, s.proposer)
        scores = []
        for theory, base, right in _settled(state, s.proposer):
            expected = stated.get(theory.claims)
            if expected is None:
                expected = (s.right + 2.0 * base) / (s.settled + 2.0)
            p = _sure(expected)
            scores.append(math.log2(p / base) if right else math.log2((1.0 - p) / (1.0 - base)))
            s.settled += 1
            s.right += right
        if scores:
            s.score = sum(scores) / len(scores)


def _settled(state: State, proposer: str) -> Iterable[tuple[Theory, float, bool]]:
    """Theories of ``proposer`` on which the data have spoken: each with its base rate and whether it came true."""
    certified = set(state.certified)
    for theory in state.theories.values():
        belief, base = state.beliefs.get(theory.id), state.priors.get(theory.id)
        if theory.by != proposer or belief is None or base is None:
            continue
        if theory.id in certified or belief >= TRUE or belief <= FALSE:
            yield theory, _sure(base), theory.id in certified or belief >= TRUE


def _gained(state: State) -> dict[str, float]:
    """Bits that trials gave about the theories of each proposer since these joined."""
    first: dict[str, float] = {}
    for update in state.updates:
        for name, belief in update.beliefs.items():
            first.setdefault(name, belief)
    total: dict[str, float] = defaultdict(float)
    for name, theory in state.theories.items():
        if name in first:
            total[theory.by] += entropy_of(first[name]) - entropy_of(state.beliefs[name])
    return total


def _chosen(state: State) -> Iterable[tuple[str, bool]]:
    """Each trial that somebody but the engine asked for and that ended: who, and whether it was worth running."""
    bits = {u.trial: u.bits for u in state.updates}
    best: float | None = None
    for number in state.order:
        trial = state.trials[number]
        proposal = trial.proposal
        value = None
        if isinstance(trial, Completed) and state.objectives:
            value = trial.observation.metrics.get(state.objective.metric)
        record = value is not None and (best is None or state.objective.better(value, best))
        if proposal.proposer != "engine":
            taught = bits.get(number, 0.0) >= max(_WORTH, 0.5 * proposal.expected_bits)
            yield proposal.proposer, record or taught
        if record:
            best = value


def _sure(p: float) -> float:
    return min(_SURE, max(1.0 - _SURE, p))


def _logit(p: float) -> float:
    return math.log2(p / (1.0 - p))
