"""Certifying one theory: what it costs is said, what it spends is bounded, and luck does not pass for evidence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import knowhy
from knowhy.engine import certification, evidence
from knowhy.engine.mind import Mind
from knowhy.errors import UsageError
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.faces.cli import cli
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import StudyCreated, TheoryProposed
from knowhy.model.objective import Objective
from knowhy.model.space import Point, Space, real
from knowhy.model.state import State
from knowhy.model.theory import Theory
from knowhy.model.trial import Contrast, Evidence
from knowhy.views import certification as view_of

SPACE = Space((real("lr", 0.001, 1.0, 0.1, log=True), real("dropout", 0.0, 0.8, 0.1)))
UP, DOWN = (
    "raising dropout from 0.1 to 0.5 raises loss at the default",
    ("raising dropout from 0.1 to 0.5 lowers loss at the default"),
)


def found(name: str, e_value: float, *, pairs: int = 8, certified: bool = False) -> Evidence:
    return Evidence(name, pairs, pairs, e_value, -1.0, None, None, certified)


# Multiplicity


def test_weights_by_order_of_registration_are_bounded_in_all() -> None:
    weights = [evidence.weight(k) for k in range(1, 4000)]
    assert weights[: evidence.OWN] == [1 / k for k in range(1, evidence.OWN + 1)]
    assert sum(weights[evidence.OWN :]) < 1 / 7
    assert all(a > b for a, b in pairwise(weights))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.0, 3000.0), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_threshold_is_where_the_certificate_is(values: list[float], random: object) -> None:
    order = tuple(f"C{i + 1}" for i in range(len(values)))
    everything = {name: found(name, value) for name, value in zip(order, values, strict=True)}
    certified = evidence.certify(everything, order=order)
    for name, value in zip(order, values, strict=True):
        bar = evidence.threshold(name, everything, order)
        if not np.isclose(value, bar, rtol=1e-9):
            assert certified[name].certified == (value > bar), (name, values)


def test_contrasts_that_a_study_does_not_need_for_itself_need_more() -> None:
    order = tuple(f"C{i}" for i in range(1, 9))
    everything = {name: found(name, 25.0 if name == "C8" else 1.0) for name in order}
    assert not evidence.certify(everything, order=order)["C8"].certified
    assert evidence.threshold("C8", everything, order) == pytest.approx(72 / evidence.ALPHA)
    assert evidence.certify({"C1": found("C1", 25.0)}, order=("C1",))["C1"].certified


def test_the_best_configuration_and_two_theories_certify_together_in_six_rounds() -> None:
    order = ("C1", "C2", "C3", "C4")
    everything = {name: found(name, evidence.sign_e_value(6, 0)) for name in order}
    assert all(e.certified for e in evidence.certify(everything, order=order).values())


def test_pairs_that_all_went_the_other_way_are_evidence_against() -> None:
    contrast = Contrast("C1", "T1", "loss", -1, {"dropout": 0.1}, {"dropout": 0.5})
    weighed = evidence.weigh(contrast, [(2.0, 1.0 + 0.01 * i) for i in range(8)])
    assert weighed.e_value < 0.1
    assert evidence.e_against(contrast, weighed) == pytest.approx(evidence.sign_e_value(8, 0))
    for_it = evidence.weigh(contrast, [(1.0, 2.0 + 0.01 * i) for i in range(8)])
    assert evidence.e_against(contrast, for_it) < 0.1


# What is forecast


def planned_study(effect: float, noise: float, trials: int = 14, seed: int = 0) -> tuple[MemoryJournal, Mind, State]:
    """A study of two parameters in which dropout has a linear ``effect`` over its range."""
    journal, mind = MemoryJournal(), Mind()
    journal.append([StudyCreated("s", (Objective("loss"),), SPACE, seed, {"kind": "test"}, "0")])
    journal.append(
        [
            TheoryProposed(Theory("T1", "up", "", (UP,), "q"), 0.33),
            TheoryProposed(Theory("T2", "down", "", (DOWN,), "q"), 0.33),
            TheoryProposed(Theory("T3", "optimum", "", ("loss is best with lr near 0.1",)), 0.3),
        ]
    )
    state = go(journal, mind, subject(effect, noise), None, trials)
    return journal, mind, state


def subject(effect: float, noise: float) -> Callable[[Point, int], Mapping[str, float]]:
    def train(point: Point, seed: int) -> Mapping[str, float]:
        rng = np.random.default_rng([seed, int(1000 * float(str(point["dropout"])))])
        return {"loss": 1.0 + effect * float(str(point["dropout"])) + noise * float(rng.standard_normal())}

    return train


def go(
    journal: MemoryJournal,
    mind: Mind,
    train: Callable[[Point, int], Mapping[str, float]],
    theory: str | None,
    trials: int,
    stop: Callable[[], bool] = lambda: False,
) -> State:
    policy = certification.CertifyPolicy(mind.beliefs, theory, trials) if theory else mind.policy
    return run(
        journal,
        InlineSubject(),
        InlineExecutor(train),
        policy,
        [],
        mind.beliefs,
        limits=Limits(trials),
        folder="",
        stop=stop,
    )


@pytest.mark.parametrize("chance", [0.5, 0.7, 0.9])
def test_the_chances_are_those_of_a_simulation(chance: float) -> None:
    state = State()
    contrast = Contrast("C1", "T1", "loss", -1, {"dropout": 0.1}, {"dropout": 0.5})
    made = certification._chances(state, contrast, 20)
    at = int(np.argmin(np.abs(certification._GRID - chance)))
    p = float(certification._GRID[at])
    rng = np.random.default_rng(3)
    ended = {"up": 0, "down": 0}
    pairs = 0
    for _ in range(3000):
        wins = losses = 0
        for _ in range(20):
            pairs += 1
            won = rng.random() < p
            wins, losses = wins + won, losses + (not won)
            if evidence.sign_e_value(wins, losses) >= 20:
                ended["up"] += 1
                break
            if evidence.sign_e_value(losses, wins) >= 20:
                ended["down"] += 1
                break
    assert made.certified[at] == pytest.approx(ended["up"] / 3000, abs=0.03)
    assert made.refuted[at] == pytest.approx(ended["down"] / 3000, abs=0.03)
    assert made.pairs[at] == pytest.approx(pairs / 3000, rel=0.05)


def test_the_bet_is_the_one_that_is_likelier_to_certify() -> None:
    """Where nearly every pair will be won few are needed; where many pairs may be lost, a bet spread out wins more."""
    for effect, noise, bold in [(2.0, 0.05, evidence.BOLD), (1.0, 0.3, 0.0)]:
        _, mind, state = planned_study(effect, noise)
        made = certification.planned(mind.beliefs, state, state.theories["T1"], 80)
        assert [c.bold for c in made] == [bold]


@pytest.mark.parametrize("bold", [0.0, evidence.BOLD])
def test_without_an_effect_the_chance_of_a_certificate_is_below_alpha(bold: float) -> None:
    contrast = Contrast("C1", "T1", "loss", -1, {"dropout": 0.1}, {"dropout": 0.5}, bold=bold)
    made = certification._chances(State(), contrast, 150)
    below = certification._GRID <= 0.5
    assert np.all(made.certified[below] <= evidence.ALPHA)
    assert np.all(np.diff(made.certified) >= -1e-9)


def test_the_cost_is_known_before_anything_runs() -> None:
    _, mind, state = planned_study(1.0, 0.05)
    view = view_of(state, mind, "t1", 40)
    assert (view.standing, view.arms, view.most) == ("open", 2, 40)
    assert view.least % 2 == 0
    assert 12 <= view.least <= view.expected <= view.most
    assert view.certified > 0.9 > 0.05 > view.refuted
    opposite = view_of(state, mind, "T2", 40)
    assert opposite.refuted > 0.9
    assert mind.certification(state, "T1", 40) == mind.certification(state, "T1", 40)


# What is run


def test_a_true_claim_is_certified_and_its_opposite_refuted_within_the_allowance() -> None:
    journal, mind, _ = planned_study(1.0, 0.1)
    state = go(journal, mind, subject(1.0, 0.1), "T1", 40)
    assert "T1" in state.certified
    assert state.ended == "T1 is certified by its contrast"
    own = certification.own_contrasts(state, "T1")
    assert len(own) == 1
    assert certification.spent_on(state, own) <= 40
    pairs = [t.proposal for t in state.trials.values() if t.proposal.arms]
    assert {p.purpose for p in pairs} == {"verify"}
    seeds = {p.seed for t in state.trials.values() if not (p := t.proposal).arms}
    assert not seeds & {p.seed for p in pairs}  # fresh, and the same within a pair
    assert all(len({p.seed for p in pairs if p.arms[0].pair == k}) == 1 for k in {p.arms[0].pair for p in pairs})
    state = go(journal, mind, subject(1.0, 0.1), "T2", 40)
    assert certification.theory_standing(state, certification.own_contrasts(state, "T2")) == "refuted"
    assert view_of(state, mind, "T2", 40).certificates[0].refuted


def test_the_allowance_counts_all_runs_and_lost_pairs_are_never_forgotten() -> None:
    journal, mind, _ = planned_study(0.0, 0.1)
    state = go(journal, mind, subject(0.0, 0.1), "T1", 16)
    first = certification.own_contrasts(state, "T1")
    used = certification.spent_on(state, first)
    assert used <= 16
    assert "T1" not in state.certified
    again = go(journal, mind, subject(0.0, 0.1), "T1", used)
    assert certification.own_contrasts(again, "T1") == first
    assert certification.spent_on(again, first) == used
    more = go(journal, mind, subject(0.0, 0.1), "T1", used + 6)
    assert used <= certification.spent_on(more, first) <= used + 6
    assert certification.own_contrasts(more, "T1") == first


def test_a_certification_that_was_cut_off_goes_on() -> None:
    def after(count: int) -> Callable[[], bool]:
        calls = iter(range(1000))
        return lambda: next(calls) >= count

    whole = go(*planned_study(1.0, 0.1)[:2], subject(1.0, 0.1), "T1", 40)
    journal, mind, _ = planned_study(1.0, 0.1)
    go(journal, mind, subject(1.0, 0.1), "T1", 40, after(5))
    resumed = go(journal, Mind(), subject(1.0, 0.1), "T1", 40)
    assert "T1" in resumed.certified
    pairs = {c: e.differences for c, e in resumed.evidence.items()}
    assert pairs == {c: e.differences for c, e in whole.evidence.items()}


def test_without_an_effect_false_certificates_are_rare() -> None:
    certified = 0
    for seed in range(8):
        journal, mind, _ = planned_study(0.0, 0.1, trials=6, seed=seed)
        state = go(journal, mind, subject(0.0, 0.1), "T1", 24)
        certified += "T1" in state.certified
    assert certified <= 2  # at most 5% each: more than two in eight has a chance below 1%


def test_a_subject_without_noise_is_not_run_again_and_again() -> None:
    journal, mind, _ = planned_study(1.0, 0.0)
    state = go(journal, mind, subject(1.0, 0.0), "T1", 40)
    assert certification.spent_on(state, certification.own_contrasts(state, "T1")) <= 2
    assert "T1" not in state.certified
    assert view_of(state, mind, "T1", 40).repeats


def test_claims_that_pairs_cannot_settle_are_refused_with_those_that_they_can() -> None:
    _, mind, state = planned_study(1.0, 0.1, trials=6)
    with pytest.raises(UsageError, match="no claim of a difference") as told:
        mind.certification(state, "T3", 40)
    assert "T1, T2" in told.value.hint
    with pytest.raises(UsageError, match="no theory T9"):
        mind.certification(state, "T9", 40)


# The command and Python

TRAIN = """\
import random
LEARNING_RATE = 0.01
DROPOUT = 0.1
SEED = 0
random.seed(SEED)
print(f"val_loss: {1 - DROPOUT + abs(LEARNING_RATE - 0.02) + random.gauss(0, 0.02)}")
"""


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certify")
    (folder / "train.py").write_text(TRAIN)
    study = knowhy.Study("s", {"val_loss": "minimize"}, folder=folder / ".knowhy")
    study.run(folder / "train.py", trials=6)
    study.suppose("raising DROPOUT from 0.1 to 0.4 lowers val_loss at the default")
    return folder


@pytest.fixture
def here(studied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(studied / ".knowhy", tmp_path / ".knowhy")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KNOWHY_")]:
        monkeypatch.delenv(name)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_the_command_says_what_it_costs_then_certifies(here: Path) -> None:
    name = next(t.id for t in knowhy.Study.open("s", folder=".knowhy").theories if "0.1 to 0.4 lowers" in t.claims[0])
    before = knowhy.Study.open("s", folder=".knowhy").state.seq
    asked = call("certify", name, "--cost")
    assert asked.exit_code == 0, asked.output
    assert "at least 12 and at most 40 more trials" in asked.stdout
    assert knowhy.Study.open("s", folder=".knowhy").state.seq == before
    few = call("certify", name, "--trials", "4", "--yes")
    assert "4 trials are too few" in few.stdout
    assert knowhy.Study.open("s", folder=".knowhy").state.seq == before
    done = call("certify", name, "--trials", "24", "--yes", "--json")
    assert done.exit_code == 0, done.output
    view = json.loads(done.stdout)
    assert view["standing"] == "certified"
    assert view["used"] <= 24
    assert "at least 10" in done.stderr  # said before it ran
    assert "certified: no more trials are needed" in call("certify", name).stdout


def test_the_command_refuses_in_two_lines(here: Path) -> None:
    for arguments in (("T99",), ("T1", "--trials", "0")):
        told = call("certify", *arguments)
        assert told.exit_code == 2
        assert [line.split(":")[0] for line in told.stderr.splitlines()] == ["error", "hint"]


def test_a_study_told_by_hand_says_that_nothing_can_be_run(tmp_path: Path) -> None:
    study = knowhy.Study("hand", {"loss": "minimize"}, folder=tmp_path)
    for _ in range(5):
        trial = study.ask(SPACE, trials=20)
        assert trial is not None
        study.tell(trial.trial, metrics={"loss": float(str(trial.point["dropout"])) + 0.01 * (trial.seed % 97)})
    theory = study.suppose(UP)
    with pytest.raises(UsageError, match="by hand"):
        study.certify(theory.id)
