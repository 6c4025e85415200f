"""The optimisation and decision benchmarks: problems are what they say, commands run and go on, sums are right."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from benchmarks import studies
from benchmarks.decision import __main__ as decision
from benchmarks.decision import measure
from benchmarks.decision.subject import SPACE, observe, points
from benchmarks.optimisation import __main__ as optimisation
from benchmarks.optimisation import functions, summary
from benchmarks.optimisation.catalogue import PROBLEMS
from benchmarks.optimisation.peers import optimise
from benchmarks.optimisation.problem import Problem
from benchmarks.optimisation.runs import Task, perform

from knowhy.model.objective import Objective
from knowhy.model.observation import Failure
from knowhy.model.space import Choices, Interval, Space, real

each_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)


@each_problem
def test_problem(problem: Problem) -> None:
    defaults = problem.space.defaults()
    one, two, other = (problem.run(defaults, seed) for seed in (1, 1, 6))
    assert not isinstance(one, Failure)
    assert not isinstance(other, Failure)
    assert one == two
    assert math.isfinite(one[problem.objective.metric])
    assert problem.source
    noisy = problem.exact is None or "noisy" in problem.name
    assert (one != other) == noisy


def test_suite_is_varied() -> None:
    trainings = [p for p in PROBLEMS.values() if p.kind == "training"]
    assert len(trainings) >= 5
    assert all(6 <= len(p.space) <= 12 for p in trainings)
    assert sum(any(q.condition for q in p.space) for p in trainings) >= 4
    assert all(any(isinstance(q.domain, Choices) for q in p.space) for p in trainings)
    for name in ("svm", "pressure_vessel"):
        problem, rng = PROBLEMS[name], np.random.default_rng(1)
        seen = []
        for _ in range(40):
            point = {
                p.name: p.domain.from_unit(rng.random())
                if isinstance(p.domain, Interval)
                else p.domain.values[rng.integers(len(p.domain.values))]
                for p in problem.space
            }
            seen.append(problem.run(problem.space.complete(point), 1))
        assert 4 <= sum(isinstance(s, Failure) for s in seen) <= 36
        assert not isinstance(problem.run(problem.space.defaults(), 1), Failure)


def test_functions_have_their_published_minima() -> None:
    branin = [{"x1": -math.pi, "x2": 12.275}, {"x1": math.pi, "x2": 2.275}, {"x1": 9.42478, "x2": 2.475}]
    assert [functions.branin(p) for p in branin] == pytest.approx([0.397887] * 3, abs=1e-5)
    best = (0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573)
    assert functions.hartmann({f"x{i}": v for i, v in enumerate(best)}) == pytest.approx(-3.32237, abs=1e-4)
    assert functions.rosenbrock({f"x{i}": 1.0 for i in range(5)}) == 0.0
    shift = 32.768 * np.array([0.31, -0.22, 0.15, 0.38, -0.41, -0.12])
    assert functions.ackley({f"x{i}": float(v) for i, v in enumerate(shift)}) == pytest.approx(0.0, abs=1e-12)
    camel = {"first": "camel", "second": "camel", "x1": 0.0449, "x2": -0.3563}
    assert functions.func2c(camel) == pytest.approx(-0.2063, abs=1e-4)
    vessel = {"shell": 13, "head": 7, "radius": 42.0984455, "length": 176.638}
    assert functions.pressure_vessel(vessel) == pytest.approx(6059.714, abs=0.1)
    with pytest.raises(ValueError, match="too thin"):
        functions.pressure_vessel({**vessel, "shell": 12})
    rng = np.random.default_rng(0)
    for name in ("branin", "hartmann6", "func2c"):
        problem = PROBLEMS[name]
        for _ in range(300):
            point = {
                p.name: p.domain.from_unit(rng.random())
                if isinstance(p.domain, Interval)
                else p.domain.values[rng.integers(len(p.domain.values))]
                for p in problem.space
            }
            assert problem.truth(point) >= problem.best - 1e-6


def test_noise_is_independent_between_points() -> None:
    problem = PROBLEMS["hartmann6_noisy"]
    points = [problem.space.defaults(), {**problem.space.defaults(), "x1": 0.6}]
    luck = np.array(
        [[problem.evaluate(p, seed)["loss"] - functions.hartmann(p) for p in points] for seed in range(300)]
    )
    assert luck.std(axis=0) == pytest.approx([0.3, 0.3], rel=0.15)
    assert abs(np.corrcoef(luck.T)[0, 1]) < 0.2


def test_regret_is_0_at_the_best_and_1_at_the_default() -> None:
    for problem in PROBLEMS.values():
        assert math.isfinite(problem.best), problem.name
        assert problem.regret(problem.best) == 0.0
        assert problem.regret(problem.truth(problem.space.defaults())) == 1.0
    space = Space((real("x", 0, 1, 0.5),))
    larger = Problem("m", "", "s", space, Objective("m", "maximize"), lambda p, s: {"m": float(p["x"])}, 1.0)  # type: ignore[arg-type]
    assert larger.regret(0.75) == 0.5
    assert larger.regret(0.25) == 1.5


def test_the_true_value_is_the_mean_of_fresh_seeds_or_infinitely_bad() -> None:
    space = Space((real("x", 0, 1, 0.5),))
    asked = []

    def evaluate(point: object, seed: int) -> dict[str, float]:
        asked.append(seed)
        return {"m": float(seed % 2)}

    problem = Problem("m", "", "s", space, Objective("m"), evaluate, 0.0)
    assert problem.truth({"x": 0.5}) == 0.5
    assert problem.truth({"x": 0.5}) == 0.5
    assert len(asked) == len(set(asked)) == 12
    vessel = PROBLEMS["pressure_vessel"]
    assert vessel.truth({"shell": 1, "head": 1, "radius": 200.0, "length": 10.0}) == math.inf


def _result(strategy: str, seed: int, incumbents: list[float | None], problem: str = "branin") -> dict[str, object]:
    return {
        "problem": problem,
        "strategy": strategy,
        "seed": seed,
        "trials": len(incumbents),
        "incumbents": incumbents,
    }


def test_summary() -> None:
    branin = PROBLEMS["branin"]
    default = branin.truth(branin.space.defaults())

    def value(regret: float) -> float:
        return branin.best + regret * (default - branin.best)

    results = [
        _result("theory", 0, [value(1.0), value(0.5)]),
        _result("theory", 0, [value(1.0), value(0.9), value(0.0), value(0.0)]),
        _result("theory", 1, [value(1.0), value(0.25)]),
        _result("tpe", 0, [value(1.0), value(0.5), value(0.25), value(0.1)]),
        _result("tpe", 1, [None, None, value(0.3), value(0.2)]),
        _result("random", 0, [value(1.0), value(0.8)]),
        _result("random", 1, [value(1.0), value(50.0)]),
    ]
    made = summary.summarise(results, (2, 4))
    short = made["2"]
    assert short["studies"] == 2
    assert short["problems"]["branin"]["theory"] == pytest.approx((0.5 + 0.25) / 2)
    theory, tpe, random = (short["strategies"][s] for s in ("theory", "tpe", "random"))
    # Ranks by seed: (1.5, 1.5, 3), and (1, 2.5, 2.5) as both others are at the worst that counts.
    assert (theory["rank"], tpe["rank"], random["rank"]) == (1.25, 2.0, 2.75)
    assert tpe["mean"] == pytest.approx((0.5 + summary.WORST) / 2)
    assert (tpe["theory_wins"], tpe["theory_losses"]) == (1, 0)
    assert (random["theory_wins"], random["theory_losses"]) == (2, 0)
    long = made["4"]
    assert long["studies"] == 1  # a study of two trials says nothing about four
    assert set(long["strategies"]) == {"theory", "tpe"}
    assert long["strategies"]["theory"]["mean"] == pytest.approx(0.0)
    assert long["strategies"]["tpe"]["theory_p"] == 1.0
    text = summary.tables(made)
    assert "| theory | 1.25 |" in text
    assert json.loads(json.dumps(made)) == made
    data = summary.chart(results)["data"]["values"]  # type: ignore[index]
    assert {d["strategy"] for d in data} == {"theory", "tpe", "random"}


def test_a_study_that_finds_better_than_was_known_sets_the_mark() -> None:
    known = PROBLEMS["elastic_net"].best
    results = [_result("theory", 0, [known - 1.0], "elastic_net"), _result("tpe", 0, [known], "elastic_net")]
    made = summary.summarise(results, (1,))["1"]["strategies"]
    assert made["theory"]["mean"] == 0.0
    assert 0.0 < made["tpe"]["mean"] < 1.0


@pytest.mark.parametrize("strategy", ["theory", "tpe", "cmaes", "optuna-tpe"])
def test_a_study_starts_at_the_default_and_repeats(strategy: str) -> None:
    problem = PROBLEMS["pressure_vessel"]
    one, two = perform(Task("pressure_vessel", strategy, 3, 6)), perform(Task("pressure_vessel", strategy, 3, 6))
    assert one["course"] == two["course"]
    assert one["incumbents"] == two["incumbents"]
    course: list[dict[str, object]] = one["course"]  # type: ignore[assignment]
    assert len(course) == len(one["incumbents"]) == 6  # type: ignore[arg-type]
    assert course[0]["point"] == problem.space.defaults()
    assert one["default"] == problem.truth(problem.space.defaults())
    if strategy != "theory":
        seen = [t["value"] for t in course if t["value"] is not None]
        assert one["incumbents"][-1] == min(seen)  # type: ignore[index,type-var]
    json.dumps(one, allow_nan=False)


def test_optuna_runs_without_knowhy_in_between() -> None:
    problem = PROBLEMS["svm"]
    done = optimise(problem, "optuna-tpe", 0, 12, lambda n: n)
    assert len(done) == 12
    assert done[0][0] == problem.space.defaults()
    assert all(problem.space.check(point) == point for point, _ in done)
    assert any(value is None for _, value in done) or all(value is not None for _, value in done)


def test_the_command_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"o --quick --problems branin --strategies theory random --trials 6 --out {tmp_path} --seeds"
    for seeds, said in (("1", "2 studies, 0 there already"), ("2", "4 studies, 2 there already")):
        monkeypatch.setattr("sys.argv", [*command.split(), seeds])
        assert optimisation.main() == 0
        shown = capsys.readouterr()
        assert said in shown.err
    assert shown.out.strip() == (tmp_path / "table.md").read_text().strip()
    made = json.loads((tmp_path / "summary.json").read_text())
    assert made["6"]["studies"] == 2
    assert {p.name for p in (tmp_path / "runs").iterdir()} == {
        f"branin-{s}-6-{seed}.json" for s in ("theory", "random") for seed in (0, 1)
    }
    assert json.loads((tmp_path / "chart.vl.json").read_text())["data"]["values"]


def test_theory_has_a_study_for_each_budget_and_the_others_one() -> None:
    made = optimisation.tasks(["branin"], ["theory", "tpe"], 1, (25, 50), 150)
    assert {(t.strategy, t.trials) for t in made} == {("theory", 25), ("theory", 50), ("tpe", 150)}


def test_decision_subject_varies_everything() -> None:
    assert len(SPACE) == 10
    made = points(60, 0)
    assert made[0] == SPACE.defaults()
    assert made == points(60, 0)
    assert all(SPACE.check(point) == point for point in made)
    assert all(len({point[p.name] for point in made}) >= 2 for p in SPACE)
    assert math.isfinite(observe(made[5], np.random.default_rng(0)).metrics["val_loss"])


def test_the_cost_of_a_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(decision, "alone", measure.perform)  # a process of its own costs seconds
    command = f"d --quick --lengths 12 --strategies theory tpe --idle-trials 0 --out {tmp_path}"
    for said in ("2 studies, 0 there already", "2 studies, 2 there already"):
        monkeypatch.setattr("sys.argv", command.split())
        assert decision.main() == 0
        shown = capsys.readouterr()
        assert said in shown.err
    costs = json.loads((tmp_path / "summary.json").read_text())["costs"]
    assert [c["strategy"] for c in costs] == ["theory", "tpe"]
    for c in costs:
        assert all(s >= 0 for s in (*c["decide"], *c["update"]))
        assert c["peak"] >= c["added"] >= 0
    assert max(costs[0]["decide"]) > 0
    assert "| 12 | theory |" in shown.out
    waiting = {"trials": 8, "mean_trial": 1.0, "idle": 0.015, "handed": 0.01}
    assert "idle 1.5% of the time" in decision.table(costs, waiting)


def test_what_the_commands_of_benchmarks_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = studies.command("benchmarks.x", "About.", quick="little", full="all")
    told = parser.parse_args(["--full", "--out", str(tmp_path), "--seeds", "3"])
    assert (told.quick, told.full, told.out, told.seeds, told.jobs) == (False, True, tmp_path, 3, 1)
    with pytest.raises(SystemExit):
        parser.parse_args(["--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        studies.command("benchmarks.x", "", quick="", full="", several=False).parse_args(
            ["--full", "--out", str(tmp_path), "--seeds", "3"]
        )
    assert studies.written(tmp_path, "| a |\n", {"a": [1]}, 0) == 0
    assert studies.written(tmp_path, "| b |\n", {"a": [2]}, 1) == 1
    assert (tmp_path / "table.md").read_text() == "| b |\n"
    assert json.loads((tmp_path / "summary.json").read_text()) == {"a": [2]}
    assert "| b |" in capsys.readouterr().out
