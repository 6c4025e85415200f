"""Planted worlds: labels are right, observations are what they should be, and results are read correctly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.worlds import summary
from benchmarks.worlds.__main__ import main
from benchmarks.worlds.catalogue import WORLDS
from benchmarks.worlds.labels import check
from benchmarks.worlds.runs import Task, perform
from benchmarks.worlds.world import World, random_points

from knowhy.model.observation import Failure, Observation

each_world = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)


def test_there_are_enough_of_every_kind() -> None:
    assert len(WORLDS) >= 12
    assert {w.kind for w in WORLDS.values()} == {"mechanism", "nothing", "outside"}
    assert any(w.objective.direction == "maximize" for w in WORLDS.values())
    assert any(w.failing for w in WORLDS.values())
    assert any(w.noise.tail for w in WORLDS.values())


@each_world
def test_shape(world: World) -> None:
    assert 6 <= len(world.space) <= 14
    assert sum(t.true for t in world.theories) >= 2
    assert sum(not t.true for t in world.theories) >= 2
    assert len({t.claims for t in world.theories}) == len(world.theories)
    points = random_points(world.space, 50, np.random.default_rng(3))
    truth = world.truth(points)
    assert all(v.shape == (50,) and np.isfinite(v).all() for v in truth.values())
    assert world.objective.metric in truth
    alone = world.truth(points[7:8])
    assert all(alone[name][0] == pytest.approx(values[7]) for name, values in truth.items())


@each_world
def test_labels_hold_on_the_true_function(world: World) -> None:
    wrong = [(label.theory.claims, label.theory.true, label.votes) for label in check(world) if not label.right]
    assert wrong == []


def test_a_wrong_label_is_noticed() -> None:
    world = WORLDS["overfitting"]
    upside_down = tuple(type(t)(t.title, t.because, t.claims, not t.true) for t in world.theories)
    flipped = World(world.name, "", world.space, world.formula, world.noise, upside_down)
    assert not any(label.right for label in check(flipped))


@each_world
def test_the_optimum_beats_a_large_sample(world: World) -> None:
    point, best = world.optimum
    values = world.truth(world.sample)[world.objective.metric][world.latent(world.sample) >= 0]
    assert all(world.space[name].domain.contains(value) for name, value in point.items())  # type: ignore[arg-type]
    assert world.objective.sign * best <= world.objective.sign * np.min(world.objective.sign * values) * 1.0 + 1e-9 or (
        world.objective.direction == "maximize" and best >= values.max() - 1e-9
    )
    assert world.regret(point) == pytest.approx(0.0, abs=1e-6)  # type: ignore[arg-type]
    if world.kind != "nothing":
        assert world.regret(world.space.defaults()) > 0.5


@each_world
def test_observations(world: World) -> None:
    points = random_points(world.space, 200, np.random.default_rng(5))
    one, two, other = (world.observe(points[0], seed) for seed in (1, 1, 2))
    assert one == two
    failing = world.latent(points) < 0
    for point, fails in zip(points[:40], failing[:40], strict=True):
        outcome = world.observe(point, 3)
        assert isinstance(outcome, Failure) == bool(fails)
        if isinstance(outcome, Observation):
            assert all(np.isfinite(v) for v in outcome.metrics.values())
            for name, curve in outcome.curves.items():
                assert curve.values[-1] == pytest.approx(outcome.metrics[name])
    if isinstance(one, Observation):
        assert one != other


@each_world
def test_noise_is_centred_and_as_large_as_declared(world: World) -> None:
    point = world.space.defaults()
    metric = world.objective.metric
    seen = [o.metrics[metric] for s in range(300) if isinstance(o := world.observe(point, s), Observation)]
    true = float(world.truth([point])[metric][0])
    assert len(seen) == 300
    if world.noise.tail is None:
        assert np.mean(seen) == pytest.approx(true, abs=4 * world.noise.sd / 300**0.5)
        assert np.std(seen) == pytest.approx(world.noise.sd, rel=0.2)
    else:
        assert np.median(seen) == pytest.approx(true, abs=4 * world.noise.sd)
        assert np.max(np.abs(np.array(seen) - true)) > 5 * world.noise.sd


def test_a_study_runs_and_repeats() -> None:
    task = Task("memory_boundary", "random", 0, 7)
    one, two = perform(task), perform(task)
    assert one["trials"] == 7
    assert [c["beliefs"] for c in one["courses"]] == [c["beliefs"] for c in two["courses"]]  # type: ignore[attr-defined]
    assert all(len(c["beliefs"]) > 0 for c in one["courses"])  # type: ignore[attr-defined]
    assert one["regrets"] == two["regrets"]
    assert json.loads(json.dumps(one))["world"] == "memory_boundary"


def test_the_command_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"worlds --quick --worlds memory_boundary --strategies random --trials 5 --out {tmp_path} --seeds"
    for seeds, said in (("1", "1 studies, 0 there already"), ("2", "2 studies, 1 there already")):
        monkeypatch.setattr("sys.argv", [*command.split(), seeds])
        assert main() == 0
        shown = capsys.readouterr()
        assert said in shown.err
    assert shown.out.strip() == (tmp_path / "table.md").read_text().strip()
    assert json.loads((tmp_path / "summary.json").read_text())["rows"][0]["studies"] == 2
    assert len(list((tmp_path / "runs").iterdir())) == 2


def _result(strategy: str, seed: int, courses: list[dict[str, object]], **other: object) -> dict[str, object]:
    base: dict[str, object] = {
        "world": "w",
        "strategy": strategy,
        "seed": seed,
        "courses": courses,
        "regret": 0.5,
        "regret_lucky": 1.0,
        "best_certified": False,
        "best_better": True,
        "expected_bits": 2.0,
        "gained_bits": 1.0,
        "inside_50": 0.5,
        "inside_90": 1.0,
        "predictions": 10,
        "decision_seconds": [0.1, 0.3],
    }
    return {**base, **other}


def _course(true: bool, beliefs: list[float], certified: bool = False) -> dict[str, object]:
    first = next((i for i, b in enumerate(beliefs, 1) if b > 0.95), None)
    return {"claims": ["c"], "true": true, "beliefs": beliefs, "first": first, "certified": certified}


def test_summary_counts() -> None:
    results = [
        _result("theory", 0, [_course(True, [0.5, 0.97, 0.99], True), _course(False, [0.5, 0.96, 0.2])]),
        _result("theory", 1, [_course(True, [0.5, 0.6, 0.7]), _course(False, [0.5, 0.2, 0.1], True)], regret=1.5),
        _result("theory", 2, [_course(True, [0.5, 0.6, 0.96])], best_certified=True, best_better=False),
    ]
    row, every = summary.rows(results)
    assert every.world == "all"
    assert row.learned_at == 3
    assert row.learned == pytest.approx(2 / 3)
    assert row.misled_ever == pytest.approx(1 / 2)
    assert row.misled == 0
    assert (row.certified_true, row.certified_false, row.studies_certifying_false) == (1, 2, 2)
    assert row.best_certified == 1
    assert row.brier == pytest.approx((0.01**2 + 0.2**2 + 0.3**2 + 0.1**2 + 0.04**2) / 5)
    assert row.sure_and_right == 1.0
    assert row.regret == 0.5
    assert row.decision == pytest.approx(0.2)
    assert "| w | theory | 3 | 3 | 67% |" in summary.table([row], 40)
    never = summary.rows([_result("tpe", 0, [_course(True, [0.5])])])[0]
    assert "> 40" in summary.table([never], 40)
    json.dumps(summary.as_data([row, never]), allow_nan=False)
    assert summary.calibration(results)[-1] == {
        "strategy": "theory",
        "tenth": 9,
        "claims": 2,
        "mean": pytest.approx(0.975),
        "true": 1.0,
    }


def test_chart_is_plain_data() -> None:
    spec = summary.chart([_result("theory", 0, [_course(True, [0.5, 0.97])])], 3)
    values = json.loads(json.dumps(spec))["data"]["values"]
    assert [v["share"] for v in values] == [0.0, 1.0, 1.0]
