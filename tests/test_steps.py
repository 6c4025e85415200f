"""Kept changes, judged by all runs: on histories with known effects, made by keeping or discarding greedily."""

from __future__ import annotations

import numpy as np
import pytest

from knowhy.engine.steps import Step, effects


def greedy(seed: int, count: int, again: int) -> tuple[list[Step], dict[str, float], list[str]]:
    """Steps, true effects, and what was kept: 15% of the changes are large, the others nearly nothing."""
    rng = np.random.default_rng(seed)
    level, best, value = {"c0": 10.0}, "c0", 10 + rng.normal()
    steps = [Step("c0", "", value), *(Step("c0", "", 10 + rng.normal()) for _ in range(again))]
    truth: dict[str, float] = {}
    kept: list[str] = []
    for i in range(1, count):
        name = f"c{i}"
        truth[name] = float(rng.normal() * (3 if rng.random() < 0.15 else 0.2))
        level[name] = level[best] + truth[name]
        seen = level[name] + rng.normal()
        steps.append(Step(name, best, seen))
        if seen < value:
            value, best = seen, name
            kept.append(name)
    return steps, truth, kept


def test_beliefs_in_kept_changes_are_calibrated() -> None:
    beliefs, truths, inside = [], [], []
    for seed in range(8):
        steps, truth, kept = greedy(seed, 40, 3 if seed % 2 else 0)
        found = effects(steps, 1.0)
        assert found is not None
        assert found.measured == bool(seed % 2)
        for e in found.effects:
            if e.node in kept:
                beliefs.append(e.helps)
                truths.append(truth[e.node] < 0)
                inside.append(e.low <= truth[e.node] <= e.high)
    p, t = np.array(beliefs), np.array(truths)
    assert len(p) > 50
    assert abs(p.mean() - t.mean()) < 0.15, "as many are real as it says"
    assert t[p > 0.95].mean() > 0.9
    assert np.mean(inside) > 0.8
    assert np.mean((p - t) ** 2) < t.mean() * (1 - t.mean()) + 0.01, "better than one belief for all"


def test_a_known_noise_decides() -> None:
    steps = [Step("a", "", 1.0), Step("b", "a", 0.9), Step("c", "b", 0.95), Step("d", "b", 0.93)]
    quiet, loud = effects(steps, 1.0, 0.001), effects(steps, 1.0, 0.3)
    assert quiet is not None
    assert loud is not None
    first = {e.node: e for e in quiet.effects}["b"]
    assert first.helps > 0.99
    assert first.mean == pytest.approx(-0.1, abs=0.01)
    assert first.pairs == 6
    other = {e.node: e for e in loud.effects}["b"]
    assert other.helps < 0.9
    assert other.pairs > first.pairs
    assert (quiet.noise_low, quiet.noise_high) == (0.001, 0.001)


def test_larger_can_be_better_and_crashes_are_no_numbers() -> None:
    steps = [Step("a", "", 0.5), Step("b", "a", 0.9), Step("x", "b", None), Step("c", "b", 0.88)]
    up, down = effects(steps, -1.0, 0.01), effects(steps, 1.0, 0.01)
    assert up is not None
    assert down is not None
    assert {e.node for e in up.effects} == {"b", "c"}
    assert {e.node: e.helps for e in up.effects}["b"] > 0.99
    assert {e.node: e.helps for e in down.effects}["b"] < 0.01


def test_too_short_a_history_says_nothing() -> None:
    assert effects([Step("a", "", 1.0), Step("b", "a", 0.9)], 1.0) is None
    assert effects([Step("a", "", 1.0)] * 3 + [Step("b", "a", None)], 1.0) is None


def test_runs_that_are_all_alike_do_not_break_it() -> None:
    found = effects([Step("a", "", 1.0), Step("b", "a", 1.0), Step("c", "b", 1.0)], 1.0)
    assert found is not None
    assert all(np.isfinite([e.mean, e.low, e.high, e.helps]).all() for e in found.effects)
