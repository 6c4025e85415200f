"""Strategies side by side, and advice: equal budgets, fresh seeds, nothing run twice, reasons that fit the facts."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import knowhy
from knowhy import comparing, reports, views
from knowhy.engine.mind import Mind
from knowhy.engine.repeats import RepeatPolicy
from knowhy.errors import MetricError, StudyMismatchError, UsageError
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.faces.cli import cli
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import StudyCreated
from knowhy.model.objective import Constraint, Objective
from knowhy.model.space import Point, Space, choice, integer, power_of_two, real, same_point, switch
from knowhy.model.state import State
from knowhy.views import AdviceView, ComparisonView, advise

SPACE = [real("lr", 1e-4, 1.0, 0.01, log=True), real("dropout", 0.0, 0.8, 0.1), switch("fast", False)]


def _noisy() -> Callable[..., dict[str, float]]:
    """A function that is sent as it is."""

    def train(params: dict[str, float]) -> dict[str, float]:
        import random

        loss = (params["dropout"] - 0.4) ** 2 + params["lr"] + 0.1 * params["fast"] + random.gauss(0, 0.01)
        return {"val_loss": loss, "memory": 100 * params["dropout"]}

    return train


noisy = _noisy()


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ComparisonView]:
    folder = tmp_path_factory.mktemp("compare")
    view = knowhy.compare(
        noisy,
        SPACE,
        objectives={"val_loss": "minimize"},
        name="c",
        folder=folder,
        strategies=("theory", "random", "tpe"),
        trials=10,
        fresh=3,
    )
    return folder, view


def test_budgets_are_equal_and_judgement_is_on_fresh_seeds(compared: tuple[Path, ComparisonView]) -> None:
    folder, view = compared
    assert view.finished
    assert [s.strategy for s in view.strategies] == ["theory", "random", "tpe"]
    assert {s.trials for s in view.strategies} == {10}
    home = folder / "c" / "compare"
    seen = set()
    for name in ("theory-0", "random-0", "tpe-0"):
        state = knowhy.Study.open(name, folder=home).state
        assert len(state.trials) == 10
        seen |= {t.proposal.seed for t in state.trials.values()}
    judged = knowhy.Study.open("fresh", folder=home).state
    seeds = {t.proposal.seed for t in judged.trials.values()}
    assert len(seeds) == 3
    assert not seeds & seen
    for s in view.strategies:
        assert len(s.chosen[0].fresh) == 3
        values = [
            t.observation.metrics["val_loss"]
            for t in judged.completed
            if same_point(t.proposal.point, s.chosen[0].point)
        ]
        assert s.value == pytest.approx(sum(values) / 3)
        assert s.wall > 0
        assert s.training > 0
    assert {d.strategy for d in view.duels} == {"random", "tpe"}
    assert view.default is not None
    assert view.verdict
    assert not (home / "theory-0").samefile(home / "random-0")


def test_a_classic_strategy_chooses_its_best_single_run(compared: tuple[Path, ComparisonView]) -> None:
    folder, view = compared
    state = knowhy.Study.open("random-0", folder=folder / "c" / "compare").state
    best = min(state.completed, key=lambda t: t.observation.metrics["val_loss"])
    chosen = view.strategies[1].chosen[0]
    assert chosen.trial == best.proposal.trial
    assert chosen.promised == best.observation.metrics["val_loss"]


def test_what_is_there_is_not_run_again(compared: tuple[Path, ComparisonView]) -> None:
    folder, view = compared
    told: list[str] = []
    again = knowhy.compare(
        noisy,
        SPACE,
        objectives={"val_loss": "minimize"},
        name="c",
        folder=folder,
        strategies=("theory", "random", "tpe"),
        trials=10,
        fresh=3,
        watch=lambda study, state: told.append(f"{study} {len(state.trials)}"),
    )
    assert [s.value for s in again.strategies] == [s.value for s in view.strategies]
    assert set(told) <= {"theory-0 10", "random-0 10", "tpe-0 10", *(f"fresh {n}" for n in (9, 12))}
    assert comparing.compared("c", folder=folder, fresh=3).verdict[0] == view.verdict[0]
    assert views.as_json(comparing.compared("c", folder=folder, fresh=3)) is not None
    with pytest.raises(StudyMismatchError, match="another seed"):
        knowhy.compare(noisy, SPACE, objectives={"val_loss": "minimize"}, name="c", folder=folder, seed=5)


def test_a_comparison_that_was_stopped_goes_on(tmp_path: Path) -> None:
    calls = iter(range(100000))

    def go(stop: Callable[[], bool] = lambda: False) -> ComparisonView:
        return knowhy.compare(
            noisy,
            SPACE,
            objectives={"val_loss": "minimize"},
            folder=tmp_path,
            strategies=("random", "tpe"),
            trials=4,
            fresh=1,
            stop=stop,
        )

    cut = go(lambda: next(calls) > 3)
    assert not cut.finished
    assert "has not finished" in cut.verdict[0]
    assert sum(s.trials for s in cut.strategies) < 8
    whole = go()
    assert whole.finished
    assert {s.trials for s in whole.strategies} == {4}


def test_what_cannot_run_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowhy.samplers.classic.find_spec", lambda name: None)
    view = knowhy.compare(
        noisy,
        SPACE,
        objectives={"val_loss": "minimize"},
        folder=tmp_path,
        strategies=("random", "gp"),
        trials=3,
        fresh=1,
    )
    gp = next(s for s in view.strategies if s.strategy == "gp")
    assert "torch" in gp.left_out
    assert not gp.chosen
    assert view.finished
    assert "left out" in reports.write_comparison(view, "md")
    bads: tuple[Callable[[], ComparisonView], ...] = (
        lambda: knowhy.compare(noisy, SPACE, objectives={}, folder=tmp_path),
        lambda: knowhy.compare(noisy, SPACE, objectives={"val_loss": "minimize"}, folder=tmp_path, trials=0),
        lambda: knowhy.compare(
            noisy,
            SPACE,
            objectives={"val_loss": "minimize"},
            folder=tmp_path,
            strategies=("best",),  # type: ignore[arg-type]
        ),
    )
    for bad in bads:
        with pytest.raises((UsageError, MetricError)) as told:
            bad()
        assert told.value.hint


def test_the_report_is_whole_and_escaped(compared: tuple[Path, ComparisonView]) -> None:
    _, view = compared
    page = reports.write_comparison(view)
    for strategy in ("theory", "random", "tpe"):
        assert f">{strategy}<" in page
    assert page.count("<section") == 5
    assert 'http-equiv="Content-Security-Policy"' in page
    text = reports.write_comparison(view, "md")
    assert "| strategy | val\\_loss, fresh |" in text
    assert text.count("\n## ") == 5


def test_points_that_have_run_on_a_seed_are_not_run_on_it_again() -> None:
    space = Space((real("x", 0.0, 1.0, 0.5),))
    journal = MemoryJournal()
    journal.append([StudyCreated("r", (Objective("y"),), space, 3, {"kind": "test"}, "0")])

    def go(points: list[Point], runs: int) -> State:
        def train(point: Point, seed: int) -> dict[str, float]:
            return {"y": float(str(point["x"])) + seed % 5}

        return run(
            journal,
            InlineSubject(),
            InlineExecutor(train),
            RepeatPolicy(points, runs),
            [],
            Mind().beliefs,
            limits=Limits(0),
            folder="",
        )

    assert len(go([{"x": 0.1}, {"x": 0.2}], 2).trials) == 4
    state = go([{"x": 0.1}, {"x": 0.3}], 3)
    assert len(state.trials) == 4 + 1 + 3
    runs = {(t.proposal.point["x"], t.proposal.seed) for t in state.trials.values()}
    assert len(runs) == 8


# Advice


def size(count: int) -> Space:
    return Space(tuple(real(f"p{i}", 0.0, 1.0, 0.5) for i in range(count)))


def told(view: AdviceView, about: str) -> views.ReasonView:
    return next(r for r in view.reasons if r.about == about)


def test_advice_follows_the_facts() -> None:
    goal = (Objective("loss"),)
    small = advise(size(2), goal, (), 200, why=False, cost=0.1)
    assert small.verdict == "classic"
    assert small.strategy in ("tpe", "cmaes", "random")
    large = advise(size(10), goal, (), 60, why=True, cost=600)
    assert (large.verdict, large.strategy) == ("theory", "theory")
    assert told(large, "wish").speaks_for == "theory"
    assert told(large, "cost").fact.startswith("a trial takes 10 min")
    wish = advise(size(2), goal, (), 200, why=True, cost=0.1)
    assert wish.verdict == "either"
    assert wish.strategy == "theory"
    listed = Space((choice("a", ["x", "y", "z"], "x"), integer("n", 1, 4, 2), power_of_two("w", 8, 32, 8)))
    grid = advise(listed, goal, (), 40, why=False)
    assert grid.strategy == "grid"
    assert "36 configurations" in told(grid, "space").fact
    several = advise(size(6), (*goal, Objective("time")), (Constraint("memory", "<=", 1.0),), 60)
    assert told(several, "objectives").speaks_for == "theory"
    assert told(several, "constraints").weight == 0
    assert several.score == sum(
        r.weight * {"theory": 1, "classic": -1, "neither": 0}[r.speaks_for] for r in several.reasons
    )


@pytest.mark.parametrize(("noise", "side"), [(1.0, "theory"), (0.001, "classic")])
def test_noise_is_read_from_the_study(tmp_path: Path, noise: float, side: str) -> None:
    study = knowhy.Study("a", {"loss": "minimize"}, folder=tmp_path)
    space = size(4)
    for _ in range(14):
        trial = study.ask(space, trials=40, strategy="random")
        assert trial is not None
        x = [float(str(trial.point[f"p{i}"])) for i in range(4)]
        study.tell(trial.trial, metrics={"loss": x[0] + x[1] + noise * ((trial.seed % 1000) / 500 - 1)}, duration=20.0)
    state = study.state
    view = advise(state.space, state.objectives, (), 40, state=state, mind=study.mind)
    assert view.from_data == 14
    assert told(view, "noise").speaks_for == side
    assert "20 s" in told(view, "cost").fact


# The commands

TRAIN = """\
import random
LEARNING_RATE = 0.01
DROPOUT = 0.1
SEED = 0
random.seed(SEED)
print(f"val_loss: {(DROPOUT - 0.4) ** 2 + abs(LEARNING_RATE - 0.02) + random.gauss(0, 0.01)}")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KNOWHY_")]:
        monkeypatch.delenv(name)
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_the_commands(here: Path) -> None:
    advice = call("advise", "train.py", "--json", "--trials", "80", "--no-why", "--cost", "0.1s")
    assert advice.exit_code == 0, advice.output
    assert json.loads(advice.stdout)["verdict"] == "classic"
    assert "A classic strategy would do" in call("advise", "train.py", "--no-why", "--cost", "0.1s").stdout
    for wrong in (("advise", "train.py", "--cost", "soon"), ("advise",), ("compare", "train.py")):
        refused = call(*wrong)
        assert refused.exit_code == 2, wrong
        assert [line.split(":")[0] for line in refused.stderr.splitlines()][-2:] == ["error", "hint"]
    asked = (
        "compare",
        "train.py",
        "--metric",
        "val_loss",
        "--trials",
        "3",
        "--fresh",
        "1",
        "--strategies",
        "random,tpe",
    )
    done = call(*asked, "--out", "versus.md")
    assert done.exit_code == 0, done.output
    assert re.search(r"^random .*\n^tpe ", done.stdout, re.MULTILINE)
    assert (here / "versus.md").read_text().startswith("# train: strategies compared")
    again = call(*asked, "--json")
    assert json.loads(again.stdout)["finished"]
    assert (here / ".knowhy" / "train" / "compare" / "compare.html").is_file()
    assert call("trials", "--folder", ".knowhy/train/compare", "--study", "tpe-0").exit_code == 0
