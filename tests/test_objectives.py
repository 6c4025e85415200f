"""Several objectives: volumes, gains, a front that knows what it does not know, weights, picks, and trades."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from benchmarks.objectives.problems import PROBLEMS
from benchmarks.objectives.runs import Task, perform
from benchmarks.objectives.summary import summarise, tables
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import knowhy
from knowhy.engine import claims, front, verification
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.hypervolume import directions, hypervolume, log_expected_gain, on_front, reach, reference, volume
from knowhy.engine.mind import Mind
from knowhy.engine.predicates import Judge
from knowhy.engine.response import IDENTITY
from knowhy.engine.surface import Surface
from knowhy.errors import MetricError, SentenceError, SettingsError, UsageError
from knowhy.faces.cli import cli
from knowhy.model.events import Record, RunStarted, StudyCreated, TrialCompleted, TrialProposed
from knowhy.model.objective import Constraint, Objective
from knowhy.model.observation import Observation
from knowhy.model.space import Space, choice, real
from knowhy.model.state import State, fold
from knowhy.model.theory import Effect, Scope, Theory, Trades
from knowhy.model.trial import Proposal
from knowhy.settings.goals import parse_weights
from knowhy.theorists.builtin import Builtin
from knowhy.views import picked, standings, weighed

SPACE = Space(
    (real("width", 0.0, 1.0, 0.5, role="width"), real("noise", 0.0, 1.0, 0.5), choice("kind", ["a", "b"], "a"))
)
GOALS = (Objective("loss"), Objective("time"))

points = st.lists(
    st.tuples(st.floats(0, 1, width=16), st.floats(0, 1, width=16), st.floats(0, 1, width=16)), min_size=1, max_size=7
)


# Volumes


@settings(max_examples=60, deadline=None)
@given(points)
def test_the_volume_is_that_of_a_fine_sample(found: list[tuple[float, float, float]]) -> None:
    costs, point = np.array(found), np.ones(3)
    sample = np.random.default_rng(0).uniform(size=(4000, 3))
    covered = np.any(np.all(sample[:, None] >= costs[None], axis=2), axis=1).mean()
    assert hypervolume(costs, point) == pytest.approx(covered, abs=0.04)
    assert hypervolume(costs, point) == pytest.approx(hypervolume(costs[on_front(costs)], point))
    assert hypervolume(np.vstack([costs, costs[:1] + 0.1]), point) == pytest.approx(hypervolume(costs, point))
    assert hypervolume(costs, np.zeros(3)) == 0.0


@settings(max_examples=40, deadline=None)
@given(points)
def test_nothing_on_the_front_is_beaten_and_all_else_is(found: list[tuple[float, float, float]]) -> None:
    costs = np.array(found)
    kept = on_front(costs)
    assert kept.any()
    for i, row in enumerate(costs):
        beaten = any(np.all(o <= row) and np.any(o < row) for o in costs)
        assert kept[i] != beaten
    assert np.all(reference(costs) >= costs[kept].max(axis=0))


def test_the_expected_gain_is_that_of_a_simulation() -> None:
    rng = np.random.default_rng(1)
    for size in (0, 1, 5):
        known = rng.uniform(size=(size, 2))
        point = np.array([1.1, 1.0])
        before = hypervolume(known, point)
        mean, sd = rng.uniform(-0.3, 1.3, (6, 2)), rng.uniform(0.05, 0.4, (6, 2))
        made = np.exp(log_expected_gain(mean, sd, known, point))
        for m, s, value in zip(mean, sd, made, strict=True):
            there = m + s * rng.standard_normal((1500, 2))
            gains = [hypervolume(np.vstack([known, y]), point) - before for y in there]
            assert value == pytest.approx(np.mean(gains), abs=4 * np.std(gains) / np.sqrt(1500) + 1e-6)


def test_far_from_the_front_a_better_point_still_promises_more() -> None:
    known, point = np.array([[0.2, 0.8], [0.8, 0.2]]), np.ones(2)
    mean = np.column_stack([np.linspace(2.0, 4.0, 9)] * 2)
    gain = log_expected_gain(mean, np.full((9, 2), 0.1), known, point)
    assert np.all(np.isfinite(gain))
    assert np.all(np.diff(gain) < 0)


def test_reaches_average_to_the_volume() -> None:
    rng = np.random.default_rng(2)
    for size in (2, 3, 4):
        costs, point = rng.uniform(size=(8, size)), np.full(size, 1.1)
        ways = directions(60_000, size, rng)
        assert np.allclose(np.linalg.norm(ways, axis=1), 1)
        found = volume(size) * reach(costs, point, ways).max(axis=0).mean()
        assert found == pytest.approx(hypervolume(costs, point), rel=0.05)


# The front and what is known of it


def study(
    values: Array, points_: list[dict[str, object]], constraints: tuple[Constraint, ...] = (), trials: int = 60
) -> State:
    """A study whose trials ran at ``points_`` and showed ``values`` (loss, time)."""
    events = [StudyCreated("s", GOALS, SPACE, 0, {"kind": "test"}, "0", constraints), RunStarted(trials, None, 1, "x")]
    for i, (value, point) in enumerate(zip(values, points_, strict=True), 1):
        proposal = Proposal(i, SPACE.complete(point), i, "learn", "")  # type: ignore[arg-type]
        metrics = {"loss": float(value[0]), "time": float(value[1])}
        events += [TrialProposed(proposal), TrialCompleted(i, Observation(metrics, 1.0))]  # type: ignore[list-item]
    return fold(Record(i, float(i), e, "") for i, e in enumerate(events, 1))  # type: ignore[arg-type]


def trade(n: int = 16, noise: float = 0.02, constraints: tuple[Constraint, ...] = ()) -> State:
    """Width lowers the loss and costs time; the other parameters do nothing."""
    rng = np.random.default_rng(3)
    where = [
        {"width": float(w), "noise": float(rng.uniform()), "kind": "ab"[i % 2]}
        for i, w in enumerate(np.r_[0.5, 0.5, np.linspace(0, 1, n - 2)])
    ]
    width = np.array([float(str(p["width"])) for p in where])
    values = np.column_stack([(1 - width) ** 2, width]) + noise * rng.standard_normal((n, 2))
    return study(values, where, constraints)  # type: ignore[arg-type]


def test_along_a_trade_all_may_be_on_the_front_and_what_is_beaten_is_not() -> None:
    state = trade()
    found = standings(state, Mind())
    assert len(found) >= 6
    assert [p.estimates[0].middle for p in found] == sorted(p.estimates[0].middle for p in found)
    worse = study(
        np.array([[0.5, 0.5], [0.5, 0.52], [0.1, 0.1], [0.9, 0.9], [0.12, 0.85], [0.8, 0.15], [0.3, 0.3], [0.7, 0.6]]),
        [{"width": w} for w in (0.5, 0.5, 0.1, 0.9, 0.2, 0.7, 0.3, 0.6)],
    )
    chances = {p.trial: p.front for p in Mind().placed(worse)}
    assert chances[3] > 0.8
    assert chances[4] < 0.5 * chances[3]


def test_of_pure_noise_no_estimate_is_as_lucky_as_the_luckiest_run() -> None:
    rng = np.random.default_rng(4)
    values = rng.standard_normal((24, 2))
    state = study(values, [{"width": float(rng.uniform()), "noise": float(rng.uniform())} for _ in range(24)])
    found = Mind().placed(state)
    lucky = values.min(axis=0)
    for k in range(2):
        assert min(p.estimates[k].middle for p in found) > lucky[k] + 0.5
    assert max(p.front for p in found) < 0.9  # nobody can tell who is on it


def test_a_bound_keeps_configurations_off_the_front() -> None:
    state = trade(constraints=(Constraint("time", "<=", 0.45),))
    found = Mind().placed(state)
    assert found
    assert all(e.middle < 0.55 for p in found for e in p.estimates if e.metric == "time")
    assert all(p.front == 0 for p in found if next(e for e in p.estimates if e.metric == "time").low > 0.45)


def test_weights_choose_along_the_front() -> None:
    state, mind = trade(), Mind()
    fast = weighed(state, mind, {"loss": 1.0, "time": 20.0})
    good = weighed(state, mind, {"loss": 20.0, "time": 1.0})
    assert float(str(fast.point["width"])) < 0.3 < 0.7 < float(str(good.point["width"]))
    assert good.chosen is not None
    assert 0 < good.chosen <= 1
    only = weighed(state, mind, {"time": 1.0})
    assert float(str(only.point["width"])) < 0.2
    for wrong, error in (({"memory": 1.0}, MetricError), ({"loss": -1.0}, UsageError), ({"loss": 0.0}, UsageError)):
        with pytest.raises(error):
            weighed(state, mind, wrong)
    assert picked(state, mind, 5).trial == 5
    assert picked(state, mind, 2).trial in (1, 2)
    with pytest.raises(UsageError, match="no trial 99"):
        picked(state, mind, 99)
    assert parse_weights("loss=1, time = 0.1,") == {"loss": 1.0, "time": 0.1}
    for text in ("", "loss", "=1", "loss=much"):
        with pytest.raises(SettingsError):
            parse_weights(text)


def test_a_front_of_hundreds_is_placed_in_time() -> None:
    rng = np.random.default_rng(5)
    n = 300
    width = rng.uniform(size=n)
    values = np.column_stack([(1 - width) ** 2, width]) + 0.05 * rng.standard_normal((n, 2))
    state = study(values, [{"width": float(w), "noise": float(rng.uniform())} for w in width])
    posterior = Beliefs().posterior(state)
    assert len(front.placed(posterior)) == front._MOST


# Trades


def judged(claim: Trades, loss: float, time: float) -> bool:
    """The claim on one known function: slopes of loss and time in width."""
    encoder = Encoder.covering(SPACE, [])
    default = encoder.encode([SPACE.defaults()])[0]
    at = encoder.slices[0].start

    def sloped(slope: float) -> Surface:
        return Surface(lambda rows: slope * rows[None, :, at], IDENTITY, 0.01)

    judge = Judge(encoder, {"loss": sloped(loss), "time": sloped(time)}, {"loss": 1.0, "time": 1.0}, default, default)
    return bool(judge.answer(claim).holds[0])


def test_a_trade_is_a_gain_and_a_price() -> None:
    claim = claims.parse("raising width from 0.2 to 0.8 trades loss against time", SPACE, ("loss", "time"))
    assert claim == Trades("width", 0.2, 0.8, "loss", "time")
    assert claims.render(claim) == "raising width from 0.2 to 0.8 trades loss against time"
    assert claims.mentions(claim) == (("width",), ("loss", "time"))
    down = claims.parse("lowering width from 0.8 to 0.2 trades time against loss everywhere", SPACE, ("loss", "time"))
    assert down == Trades("width", 0.2, 0.8, "loss", "time", Scope("everywhere"))
    switched = claims.parse("switching kind from a to b trades loss against time", SPACE, ("loss", "time"))
    assert claims.parse(claims.render(switched), SPACE, ("loss", "time")) == switched
    with pytest.raises(SentenceError, match="against itself"):
        claims.parse("raising width trades loss against loss", SPACE, ("loss", "time"))
    assert isinstance(claim, Trades)
    assert judged(claim, -1.0, 1.0)
    assert not judged(claim, -1.0, 0.0)
    assert not judged(claim, -1.0, -1.0)
    assert not judged(claim, 1.0, 1.0)


def test_trades_are_proposed_believed_and_can_be_certified() -> None:
    state, beliefs = trade(), Beliefs()
    proposed = [t for t in Builtin().propose(state) if isinstance(t, Theory) and "trade" in t.question]
    assert len(proposed) == 3
    assert proposed[0].refuted_by
    sentence = "raising width from 0.1 to 0.9 trades loss against time"
    assert beliefs.belief(state, [sentence]) > 0.9
    assert beliefs.belief(state, ["raising width from 0.1 to 0.9 trades time against loss"]) < 0.1
    theory = Theory("T1", "", "", (sentence,))
    made = verification.contrasts_for(beliefs, state, beliefs.posterior(state), theory, 0)
    assert [(c.metric, c.direction) for c in made] == [("loss", -1), ("time", 1)]
    assert [c.id for c in made] == ["C1", "C2"]
    alone = Theory("T2", "", "", (sentence, "width matters for loss"))
    assert verification.contrasts_for(beliefs, state, beliefs.posterior(state), alone, 0) == ()
    assert Effect("width", 0.1, 0.9, "lowers", "loss") != claims.parse(sentence, SPACE, ("loss", "time"))


# The commands and the benchmark

TRAIN = """\
import random
WIDTH = 64
DROPOUT = 0.1
SEED = 0
random.seed(SEED)
print(f"val_loss: {(DROPOUT - 0.4) ** 2 + 8 / WIDTH + random.gauss(0, 0.005)}")
print(f"cost: {WIDTH + random.gauss(0, 0.5)}")
"""


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KNOWHY_")]:
        monkeypatch.delenv(name)
    (tmp_path / "train.py").write_text(TRAIN)
    study_ = knowhy.Study("s", {"val_loss": "minimize", "cost": "minimize"}, folder=tmp_path / ".knowhy")
    study_.run(tmp_path / "train.py", trials=9)
    assert study_.front
    listed = json.loads(call("front", "--json").stdout)
    assert [p["trial"] for p in listed] == [p.trial for p in study_.front]
    assert "on the front" in call("front").stdout
    cheap = json.loads(call("best", "--weights", "val_loss=0.001,cost=1", "--json").stdout)
    assert cheap["estimates"][1]["middle"] <= min(p["estimates"][1]["middle"] for p in listed) + 2
    trial = listed[0]["trial"]
    taken = call("best", "--pick", str(trial), "--write", "picked.py")
    assert taken.exit_code == 0, taken.output
    assert f"trial {trial}," in taken.stdout
    assert f"WIDTH = {listed[0]['point']['WIDTH']}" in (tmp_path / "picked.py").read_text()
    assert "knowhy front" in call("best").stdout
    for wrong in (
        ("best", "--pick", "1", "--weights", "cost=1"),
        ("best", "--weights", "x=1"),
        ("best", "--pick", "77"),
    ):
        refused = call(*wrong)
        assert refused.exit_code == 2, wrong
        assert [line.split(":")[0] for line in refused.stderr.splitlines()] == ["error", "hint"]
    page = study_.report(tmp_path / "r.md").read_text()
    assert "What may be on the front" in page
    assert study_.pick(weights={"cost": 1.0}).weights == {"cost": 1.0}
    with pytest.raises(UsageError):
        study_.pick()


def test_the_benchmark_measures_what_was_reported_at_its_true_value() -> None:
    results = [perform(Task("elastic_net", s, 0, 10)) for s in ("random", "nsga2")]
    again = perform(Task("elastic_net", "nsga2", 0, 10))
    assert again["volumes"] == results[1]["volumes"]
    for r in results:
        volumes = r["volumes"]
        assert isinstance(volumes, dict)
        assert 0 < volumes["10"] < 1
    made = summarise(results, [10])
    assert set(made["10"]["mean"]) == {"random", "nsga2"}
    assert "| random |" in tables(made, results)
    for name in ("elastic_net", "boosting"):
        truth = PROBLEMS[name].truth(PROBLEMS[name].space.defaults())
        assert truth is not None
        assert all(0 < t < 1 for t in truth), (name, truth)
