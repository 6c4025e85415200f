"""Trades between two metrics, as the two effects that each is made of."""

from __future__ import annotations

from collections.abc import Mapping

from knowhy.model.theory import Effect, Trades, Verb


def parts(claim: Trades, signs: Mapping[str, float]) -> tuple[Effect, Effect]:
    """The two effects that a trade is made of: one metric gets better, the other worse."""
    gains: Verb = "lowers" if signs[claim.metric] > 0 else "raises"
    pays: Verb = "raises" if signs[claim.against] > 0 else "lowers"
    change = (claim.parameter, claim.start, claim.end)
    return (
        Effect(*change, gains, claim.metric, None, claim.scope),
        Effect(*change, pays, claim.against, None, claim.scope),
    )
