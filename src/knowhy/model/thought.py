"""What a theorist that is asked (a language model, an agent) says in one go, and what asking it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from knowhy.model.space import Point
from knowhy.model.theory import ParameterRequest, Theory

ThoughtOutcome = Literal["answered", "refused", "failed", "no budget", "timed out", "cancelled"]


@dataclass(frozen=True, slots=True)
class Wish:
    """An experiment that somebody would like to see: a candidate like any other, chosen on its merit.

    ``point`` may leave parameters out: those stay at their default.
    """

    point: Point
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """How probable somebody says it is that ``claims`` (canonical sentences) hold together, and why.

    An opinion never enters a belief. It steers where improvement is looked for, within set limits.
    """

    claims: tuple[str, ...]
    probability: float
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call took: requests and tool calls, tokens, US dollars (None: no price is known), seconds."""

    requests: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Thought:
    """One call of a theorist: why it was asked, how it ended, what it took and all that it proposed.

    ``by`` names the proposer, ``model`` is the name that the provider reported. ``after`` is the number of trials that
    had ended when it was asked. ``prompt`` is the SHA-256 of what it was told first. ``rejected`` holds the sentences
    that could not be read, ``critique`` what it finds wrong with the present picture, ``message`` what went wrong.
    """

    by: str
    moment: str
    after: int
    outcome: ThoughtOutcome
    message: str = ""
    model: str = ""
    prompt: str = ""
    usage: Usage = Usage()
    critique: str = ""
    theories: tuple[Theory, ...] = ()
    requests: tuple[ParameterRequest, ...] = ()
    wishes: tuple[Wish, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Allowance:
    """What theorists that cost money may use over a whole study: US dollars, tokens, requests (None: no limit)."""

    dollars: float | None = 2.0
    tokens: int | None = 2_000_000
    requests: int | None = 200
