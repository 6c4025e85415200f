"""Who proposed what, how it fared, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass

from knowhy.engine.standing import standings
from knowhy.model.state import State
from knowhy.model.thought import Thought
from knowhy.views.mind import Mind


@dataclass(frozen=True, slots=True)
class ProposerView:
    """The record of one proposer.

    ``settled`` theories are believed above 0.95 or below 0.05 (or certified), ``right`` of them hold. ``score`` is the
    mean log score of these over the base rate, in bits: positive is better than knowing nothing. ``bits`` is what
    trials told about its theories, ``bits_per_call`` and ``bits_per_dollar`` the same over what it took. ``worth`` of
    the ``run`` experiments that it asked for set a new best value or taught at least half of what was expected.
    ``attention`` is what the record earns (1 is that of the built-in theorist). ``dollars`` is None where no price is
    known; ``outcomes`` counts how calls ended.
    """

    name: str
    theories: int
    settled: int
    right: int
    certified: int
    score: float | None
    bits: float
    wished: int
    run: int
    worth: int
    calls: int
    failed: int
    requests: int
    tokens: int
    seconds: float
    dollars: float | None
    bits_per_call: float | None
    bits_per_dollar: float | None
    dollars_per_certified: float | None
    attention: float
    outcomes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class OpinionView:
    """What somebody holds probable, and the claims' base rate and belief without opinions and with all of them."""

    by: str
    claims: tuple[str, ...]
    stated: float
    reason: str
    prior: float
    prior_with: float
    belief: float
    belief_with: float


def proposers(state: State) -> tuple[ProposerView, ...]:
    """Every proposer, in the order in which they first spoke."""
    return tuple(
        ProposerView(
            name=s.proposer,
            theories=s.theories,
            settled=s.settled,
            right=s.right,
            certified=s.certified,
            score=s.score,
            bits=s.bits,
            wished=s.wished,
            run=s.run,
            worth=s.worth,
            calls=s.calls,
            failed=s.failed,
            requests=s.requests,
            tokens=s.tokens,
            seconds=s.seconds,
            dollars=s.dollars,
            bits_per_call=s.bits / s.calls if s.calls else None,
            bits_per_dollar=s.bits / s.dollars if s.dollars else None,
            dollars_per_certified=s.dollars / s.certified if s.dollars is not None and s.certified else None,
            attention=s.attention,
            outcomes=tuple(sorted(s.outcomes.items())),
        )
        for s in standings(state)
    )


def thoughts(state: State) -> tuple[Thought, ...]:
    """Every call, in order."""
    return tuple(state.thoughts)


def opinions(state: State, mind: Mind) -> tuple[OpinionView, ...]:
    """Every opinion, with what it would do to the beliefs; empty before the first completed trial."""
    if not state.thoughts or not state.completed:
        return ()
    return tuple(
        OpinionView(
            s.opinion.by,
            s.opinion.claims,
            s.opinion.probability,
            s.opinion.reason,
            s.prior,
            s.prior_with,
            s.belief,
            s.belief_with,
        )
        for s in mind.swayed(state)
    )
