"""Hostile output, result files, records and names; ``python -m benchmarks.faults output`` runs ten thousand."""

from __future__ import annotations

import math

import pytest
from benchmarks.faults import output

from knowhy.execution.collect import Report, judge
from knowhy.model.observation import LARGEST, Failure, Observation


@pytest.mark.parametrize("seed", range(3))
def test_nothing_crashes_and_no_number_is_made_up(seed: int) -> None:
    tally = output.fuzz(60, 200, 0, seed)
    assert tally.cases == 260
    assert tally.problems == []


def test_everything_is_escaped_where_it_is_shown() -> None:
    tally = output.fuzz(40, 0, 1, 7)
    assert tally.problems == []


@pytest.mark.parametrize("value", [2 * LARGEST, -1e308])
def test_numbers_that_no_training_measures_are_infinite(value: float) -> None:
    outcome = judge(("loss",), Report({"loss": value, "other": 1.0}), 1.0)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "inf"
    assert outcome.metrics == {"other": 1.0}
    kept = judge(("other",), Report({"loss": value, "other": 1.0}), 1.0)
    assert isinstance(kept, Observation)
    assert "loss" not in kept.metrics
    assert math.isfinite(kept.metrics["other"])


def test_the_fuzzer_would_notice() -> None:
    assert output.number_in([b'{"loss": 2}', b'{"loss": "0.1"}', b'{"loss": true}']) == 2.0
    assert output.number_in([b'{"loss": 1e400}']) == math.inf
