"""Hostile output, result files, records and names; ``python -m benchmarks.faults output`` runs ten thousand."""

from __future__ import annotations

import math

import pytest
from benchmarks.faults import exports, output

from knowhy.execution.collect import Report, judge
from knowhy.histories import cells, tables
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


def test_exports_run_nothing_and_imports_make_nothing_up() -> None:
    tally = exports.fuzz(12, 40, 2, 3)
    assert tally.cases >= 76
    assert tally.problems == []


def test_that_fuzzer_would_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "write_cell", str)
    problems = exports.fuzz(12, 0, 0, 3).problems
    assert any("a formula" in p for p in problems)
    assert any("steers" in p for p in problems)


@pytest.mark.parametrize("text", ["\x1b[2Jx", "a\u202eb", '"\x1b"', "'\x07", "\ud800", "=\x1b", "\r", "\ufeff=1"])
def test_what_steers_is_written_as_json_and_read_back(text: str) -> None:
    cell = cells.write_cell(text)
    assert cell.isascii()
    assert cell.isprintable()
    assert cells.read_cell(cell) == (True, text)
    assert cells.read_header(cells.write_header(text)) == text
