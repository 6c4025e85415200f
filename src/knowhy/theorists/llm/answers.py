"""The shape of an answer: what a language model may propose, and nothing else.

Bounds on lengths and counts are checked afterwards: an answer that says too much is cut, not sent back.
"""

from __future__ import annotations

from pydantic import BaseModel, Field


class TheoryAnswer(BaseModel):
    """A theory: a mechanism, and the claims by which it can fail."""

    title: str = Field(description="one short sentence")
    because: str = Field(description="the mechanism: why it would be so")
    claims: list[str] = Field(description="one to four sentences in the given forms; all must hold for the theory")
    refuted_by: str = Field(default="", description="what outcome would refute it")
    question: str = Field(default="", description="the question it answers; rivals share a question word for word")
    probability: float = Field(description="the probability that all claims hold together, 0 to 1")


class ParameterAnswer(BaseModel):
    """A held parameter that should be opened."""

    name: str
    reason: str
    low: float | None = Field(default=None, description="lower end of the range, where another is wanted")
    high: float | None = Field(default=None, description="upper end of the range, where another is wanted")


class SettingAnswer(BaseModel):
    """One parameter and its value."""

    parameter: str
    value: bool | int | float | str


class ExperimentAnswer(BaseModel):
    """An experiment worth considering; parameters left out stay at their default."""

    settings: list[SettingAnswer]
    reason: str


class OpinionAnswer(BaseModel):
    """How probable a claim is that is no theory of yours, such as one that is listed."""

    claims: list[str]
    probability: float = Field(description="0 to 1")
    reason: str


class Answer(BaseModel):
    """Proposals; every list may be empty."""

    critique: str = Field(default="", description="what is wrong with, or missing in, the present picture")
    theories: list[TheoryAnswer] = Field(default_factory=list)
    parameters: list[ParameterAnswer] = Field(default_factory=list)
    experiments: list[ExperimentAnswer] = Field(default_factory=list)
    opinions: list[OpinionAnswer] = Field(default_factory=list)
