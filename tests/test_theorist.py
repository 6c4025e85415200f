"""The built-in theorist on four kinds of study, folded from hand-made records."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowhy.engine.claims import parse, render
from knowhy.engine.diagnostics import derive
from knowhy.model.events import (
    BeliefsUpdated,
    Event,
    ParameterChanged,
    Record,
    RunStarted,
    StudyCreated,
    TheoryProposed,
    TrialCompleted,
    TrialFailed,
    TrialProposed,
    TrialStarted,
)
from knowhy.model.objective import Objective
from knowhy.model.observation import Curve, Failure, Observation
from knowhy.model.space import Interval, Parameter, Scalar, Space, choice, integer, power_of_two, real, switch
from knowhy.model.state import State, fold
from knowhy.model.theory import (
    Better,
    Effect,
    FailsWhen,
    Interacts,
    KeepsImproving,
    Matters,
    OnlyThrough,
    Optimum,
    OptimumMoves,
    ParameterRequest,
    Theory,
)
from knowhy.model.trial import Proposal
from knowhy.ports import Theorist
from knowhy.subjects.roles import ROLES
from knowhy.theorists.builtin import Builtin
from knowhy.theorists.lore import CURES, entry_for
from knowhy.theorists.lore_pairs import PAIRS
from knowhy.theorists.questions import parameter_question
from knowhy.theorists.reading import Reading, family_of, nice, says, sense

Point = Mapping[str, Scalar]
Result = tuple[dict[str, float], dict[str, Curve]] | None


@dataclass(frozen=True)
class Case:
    space: Space
    objectives: tuple[Objective, ...]
    subject: str
    train: Callable[[dict[str, float], random.Random], Result]


def mlp_result(p: dict[str, float], rng: random.Random) -> Result:
    """A network that memorises the more the wider it is and the longer it trains."""
    train = 0.6 - 0.1 * math.log10(p["hidden"]) + 0.05 * math.log10(p["lr"] / 2e-3) ** 2 + 0.1 * p["dropout"]
    train = max(0.02, train - 0.05 * math.log(p["epochs"]))
    excess = max(0.0, 0.1 * math.log2(p["hidden"] / 32) * p["epochs"] / 20 * (1 - p["dropout"]))
    falling = [0.5 * math.exp(-i) for i in range(8)]
    val = [train + 0.1 + f + 0.02 * excess * max(0, i - 3) for i, f in enumerate(falling)]
    val[-1] += rng.gauss(0, 0.002)
    steps = tuple(float(i) for i in range(1, 9))
    curves = {"val_loss": Curve(steps, tuple(val)), "train_loss": Curve(steps, tuple(train + f for f in falling))}
    return {"val_loss": val[-1] + excess, "train_loss": train}, curves


def svm_result(p: dict[str, float], rng: random.Random) -> Result:
    accuracy = 0.95 - 0.02 * (math.log10(p["C"]) + math.log10(p["gamma"]) + 1) ** 2 + rng.gauss(0, 0.003)
    return {"val_accuracy": accuracy, "train_accuracy": min(1.0, accuracy + 0.03)}, {}


def boosting_result(p: dict[str, float], rng: random.Random) -> Result:
    walk = p["learning_rate"] * p["n_estimators"]
    rmse = 55 + 2 * math.log(walk / 8) ** 2 + (p["max_depth"] - 2) ** 2 + rng.gauss(0, 0.3)
    return {"val_rmse": rmse, "train_rmse": rmse - 10}, {}


def unknown_result(p: dict[str, float], rng: random.Random) -> Result:
    if p["ALPHA_X"] * p["K"] > 90:
        return None
    return {"score": p["ALPHA_X"] - 0.1 * (p["K"] - 8) ** 2 + rng.gauss(0, 0.2)}, {}


LOSS = (Objective("val_loss"),)
CASES = {
    "mlp": Case(
        Space(
            (
                real("lr", 1e-5, 1e-1, 1e-3, log=True, role="learning_rate"),
                power_of_two("batch_size", 8, 512, 32, role="batch_size"),
                integer("hidden", 16, 512, 256, log=True, role="width"),
                integer("epochs", 2, 60, 30, log=True, role="epochs"),
                choice("activation", ("relu", "tanh", "gelu"), "relu", role="activation"),
                replace(real("dropout", 0, 0.8, 0.0, role="dropout"), active=False, confidence=0.8),
                replace(real("weight_decay", 1e-6, 1e-1, 1e-4, log=True, role="weight_decay"), active=False),
            )
        ),
        LOSS,
        "train_mlp.py",
        mlp_result,
    ),
    "svm": Case(
        Space(
            (
                real("C", 1e-3, 1e3, 1.0, log=True, role="regularization"),
                real("gamma", 1e-4, 10, 0.01, log=True, role="gamma"),
                choice("kernel", ("rbf", "linear", "poly"), "rbf", role="kernel"),
                real("tol", 1e-5, 1e-1, 1e-3, log=True, role="epsilon"),
            )
        ),
        (Objective("val_accuracy", "maximize"),),
        "digits.py",
        svm_result,
    ),
    "boosting": Case(
        Space(
            (
                real("learning_rate", 0.01, 1, 0.1, log=True, role="learning_rate"),
                integer("n_estimators", 20, 1000, 200, log=True, role="trees"),
                integer("max_depth", 1, 10, 3, role="tree_depth"),
                integer("min_samples_leaf", 1, 50, 1, log=True, role="leaf"),
                real("subsample", 0.3, 1, 1.0, role="subsample"),
                choice("loss", ("squared_error", "absolute_error", "huber"), "squared_error"),
            )
        ),
        (Objective("val_rmse"),),
        "diabetes.py",
        boosting_result,
    ),
    "unknown": Case(
        Space(
            (
                real("ALPHA_X", 0, 10, 2.0),
                integer("K", 1, 20, 5),
                real("RATE", 1e-4, 1, 0.01, log=True),
                switch("FAST", False),
            )
        ),
        (Objective("score", "maximize"),),
        "thing.py",
        unknown_result,
    ),
}


class Notebook:
    """A study under way: appends events and keeps the fold."""

    def __init__(self, case: Case, trials: int = 120, seed: int = 0) -> None:
        self.case, self.rng, self.state = case, random.Random(seed), State()
        self.add(
            StudyCreated("s", case.objectives, case.space, 0, {"kind": "script", "path": case.subject}, "0"),
            RunStarted(trials, None, 1, "theory"),
        )

    def add(self, *events: Event) -> None:
        start = self.state.seq + 1
        self.state = fold([Record(start + i, float(start + i), e, "") for i, e in enumerate(events)], self.state)

    def point(self) -> dict[str, Scalar]:
        point = self.state.space.defaults()
        if self.state.trials:
            for p in self.state.space.active:
                unit = self.rng.random()
                if isinstance(p.domain, Interval):
                    point[p.name] = p.domain.from_unit(unit)
                else:
                    point[p.name] = p.domain.values[int(unit * len(p.domain.values))]
        return point

    def trial(self, point: Point | None = None) -> None:
        number = self.state.next_trial
        point = self.point() if point is None else point
        self.add(TrialProposed(Proposal(number, point, number, "learn", "test")), TrialStarted(number, 1))
        result = self.case.train({k: v for k, v in point.items() if isinstance(v, (int, float))}, self.rng)
        if result is None:
            self.add(TrialFailed(number, Failure("nan", "loss is nan", 1.0)))
        else:
            metrics, curves = result
            self.add(TrialCompleted(number, Observation(derive(metrics, curves, 1.0), 1.0, curves)))

    def hear(self, theorist: Theorist) -> list[Theory | ParameterRequest]:
        """What the theorist says, added to the study as the loop does."""
        said = list(theorist.propose(self.state))
        for one in said:
            if isinstance(one, ParameterRequest):
                opened = replace(self.state.space[one.parameter], active=True)
                self.add(ParameterChanged(opened, "opened", one.reason, one.by))
            else:
                self.add(TheoryProposed(replace(one, id=f"T{len(self.state.theories) + 1}"), 0.3))
        return said

    def settle(self, belief: Callable[[int], float]) -> None:
        beliefs = {name: belief(i) for i, name in enumerate(self.state.theories)}
        self.add(BeliefsUpdated(self.state.order[-1], beliefs, {}, 0.1))


def run(name: str, trials: int) -> Iterator[tuple[Notebook, list[Theory | ParameterRequest]]]:
    """A study in which old theories settle, so that there is room for new ones."""
    book = Notebook(CASES[name], trials)
    yield book, book.hear(Builtin())
    for _ in range(trials):
        book.trial()
        old = book.state.finished - 3
        book.settle(lambda i, old=old: 0.5 if i >= 3 * old else (0.95 if i % 3 == 0 else 0.01))  # type: ignore[misc]
        yield book, book.hear(Builtin())


@pytest.mark.parametrize("name", CASES)
def test_laws_while_trials_are_added(name: str) -> None:
    claims: set[frozenset[str]] = set()
    rivals: dict[str, set[str]] = {}
    for book, said in run(name, 36):
        theories = [t for t in said if isinstance(t, Theory)]
        assert len(theories) <= (24 if book.state.finished <= 1 else 5)
        assert sum(isinstance(r, ParameterRequest) for r in said) <= 2
        metrics = Reading(book.state).metrics
        for theory in theories:
            assert theory.id == ""
            assert theory.by == "builtin"
            assert theory.after == book.state.finished
            assert 1 <= len(theory.claims) <= 3
            for claim in theory.claims:
                assert render(parse(claim, book.state.space, metrics)) == claim
            for text in (theory.title, theory.because, theory.refuted_by, theory.question):
                assert text.strip()
                assert "{" not in text
                assert "  " not in text
            assert theory.because.endswith(".")
            assert theory.refuted_by.endswith(".")
            assert theory.question.endswith("?")
            assert len(theory.title) < 110
            assert frozenset(theory.claims) not in claims
            claims.add(frozenset(theory.claims))
            rivals.setdefault(theory.question, set()).add(theory.title)
        live = [t for t in book.state.theories if 0.1 < book.state.beliefs.get(t, 0.5) < 0.9]
        assert len(live) <= 24
    assert all(len(titles) >= 2 for titles in rivals.values()), rivals
    assert len(rivals) >= 5


@pytest.mark.parametrize("name", CASES)
def test_pure_and_deterministic(name: str) -> None:
    one, two = (list(run(name, 14))[-1][0].state for _ in range(2))
    assert [t.title for t in one.theories.values()] == [t.title for t in two.theories.values()]
    theorist = Builtin()
    assert list(theorist.propose(one)) == list(theorist.propose(one)) == list(Builtin().propose(two))


def test_says_nothing_new_when_there_is_nothing_new() -> None:
    book = Notebook(CASES["svm"])
    assert len(book.hear(Builtin())) >= 8
    assert book.hear(Builtin()) == []
    book.trial()
    assert book.hear(Builtin())
    assert book.hear(Builtin()) == []
    assert Builtin().propose(State()) == ()


def test_fast_enough_for_every_trial() -> None:
    book = Notebook(CASES["mlp"], 120)
    book.hear(Builtin())
    for _ in range(100):
        book.trial()
    theorist = Builtin()
    theorist.propose(book.state)
    times = []
    for _ in range(7):
        start = time.process_time()
        theorist.propose(book.state)
        times.append(time.process_time() - start)
    assert sorted(times)[3] < 0.1  # about 0.01 s on an idle machine


def parsed(book: Notebook, theory: Theory) -> list[object]:
    return [parse(c, book.state.space, Reading(book.state).metrics) for c in theory.claims]


def test_opening_of_a_network() -> None:
    book = Notebook(CASES["mlp"])
    first = [t for t in book.hear(Builtin()) if isinstance(t, Theory)]
    kinds = {type(c) for t in first for c in parsed(book, t)}
    assert {Optimum, Effect, OnlyThrough, Interacts} <= kinds
    assert first[0].question == "where is the best lr for val_loss?"
    assert len({t.question for t in first}) == 4
    book.trial()
    second = [t for t in book.hear(Builtin()) if isinstance(t, Theory)]
    limits = [t for t in second if t.question == "what limits val_loss?"]
    assert len(limits) == 4
    assert {Matters} == {type(c) for c in parsed(book, limits[-1])}
    overfit = parsed(book, limits[0])
    assert {c.metric for c in overfit if isinstance(c, Effect)} == {"gap", "val_loss"}
    assert any("duration" in claim for t in second for claim in t.claims)
    assert len(first) + len(second) <= 20


def test_opening_of_an_svm_reads_c_as_the_inverse_of_a_penalty() -> None:
    book = Notebook(CASES["svm"])
    first = [t for t in book.hear(Builtin()) if isinstance(t, Theory)]
    assert first[0].claims == ("val_accuracy is best with C above 3 at the default",)
    assert "too small" in first[0].title
    assert any(isinstance(c, OptimumMoves) and c.verb == "falls" for t in first for c in parsed(book, t))
    assert any(isinstance(c, Better) for t in first for c in parsed(book, t))
    book.trial()
    over = next(t for t in book.hear(Builtin()) if isinstance(t, Theory) and "overfits" in t.title)
    assert "smaller C" in over.title
    assert over.claims[:2] == (
        "raising C from 0.03 to 1 raises gap_accuracy at the default",
        "raising C from 0.03 to 1 lowers val_accuracy at the default",
    )


def test_opening_of_boosting_knows_shrinkage() -> None:
    book = Notebook(CASES["boosting"])
    first = [t for t in book.hear(Builtin()) if isinstance(t, Theory)]
    assert family_of(book.state) == "boosting"
    claims = [c for t in first for c in parsed(book, t)]
    assert OnlyThrough("val_rmse", "learning_rate", "n_estimators", "*") in claims
    assert any(isinstance(c, KeepsImproving) and c.parameter == "n_estimators" for c in claims)


def test_unknown_roles_get_neutral_rivals() -> None:
    book = Notebook(CASES["unknown"])
    first = [t for t in book.hear(Builtin()) if isinstance(t, Theory)]
    question = "what does raising K from 5 to 13 do to score?"
    assert {t.claims[0] for t in first if t.question == question} == {
        "K does not matter for score at the default",
        "raising K from 5 to 13 raises score at the default",
        "raising K from 5 to 13 lowers score at the default",
    }
    assert any(t.question.startswith("should FAST be on") for t in first)


def test_failures_suggest_the_boundary_and_later_a_better_one() -> None:
    said = [
        (b.state.finished, parsed(b, t)[0], t) for b, now in run("unknown", 40) for t in now if isinstance(t, Theory)
    ]
    found = [(after, claim, t) for after, claim, t in said if isinstance(claim, FailsWhen)]
    assert {t.question for _, _, t in found} == {"when do trials fail?"}
    assert sum(after == found[0][0] for after, _, _ in found) >= 2
    assert any(
        claim.parameters == ("ALPHA_X", "K") and claim.side == "above" and 60 < claim.threshold < 120
        for _, claim, _ in found
    )
    assert len(found) <= 6


def test_a_boundary_from_below_is_found_too() -> None:
    def result(p: dict[str, float], rng: random.Random) -> Result:
        return None if p["K"] <= 6 and p["ALPHA_X"] != 2.0 else unknown_result({**p, "ALPHA_X": 0.0}, rng)

    book = Notebook(replace(CASES["unknown"], train=result))
    book.hear(Builtin())
    for _ in range(20):
        book.trial()
    said = [t for t in book.hear(Builtin()) if isinstance(t, Theory)]
    assert parsed(book, next(t for t in said if "trials fail?" in t.question))[0] == FailsWhen(("K",), "below", 7)
    assert "training blows up (nan)" in next(t for t in said if "trials fail?" in t.question).because


def test_failures_by_nan_are_blamed_on_steps_before_batches() -> None:
    def result(p: dict[str, float], rng: random.Random) -> Result:
        return None if p["lr"] > 0.02 else mlp_result({"dropout": 0.0, **p}, rng)

    book = Notebook(replace(CASES["mlp"], train=result))
    book.hear(Builtin())
    for lr, batch in [(0.001, 32), (0.05, 256), (0.08, 512), (0.01, 64), (0.002, 16), (0.015, 32)]:
        book.trial({**book.state.space.defaults(), "lr": lr, "batch_size": batch})
    said = [t for t in book.hear(Builtin()) if isinstance(t, Theory) and "trials fail?" in t.question]
    assert parsed(book, said[0]) == [FailsWhen(("lr",), "above", 0.03)]


def test_overfitting_opens_what_restrains() -> None:
    # 29 trials have room for five parameters, which vary already: what else is opened waits for the trials.
    requests = [(b, b.state.finished, r) for b, now in run("mlp", 29) for r in now if isinstance(r, ParameterRequest)]
    assert requests
    assert requests[0][2].parameter == "dropout"
    assert "overfitting" in requests[0][2].reason
    after = [finished for _, finished, _ in requests]
    assert after[0] >= 2 * 5
    assert all(two == one or two - one >= 3 for one, two in pairwise(after))
    book = requests[-1][0]
    assert any("dropout" in t.question for t in book.state.theories.values())


def test_frozen_parameters_are_not_asked_for_again() -> None:
    book = Notebook(CASES["mlp"])
    for name in ("dropout", "weight_decay"):
        book.add(ParameterChanged(book.state.space[name], "frozen", "by hand", "person"))
    for _ in range(14):
        book.trial()
        assert not any(isinstance(r, ParameterRequest) for r in book.hear(Builtin()))


def test_what_hardly_counts_stays_held() -> None:
    space = CASES["mlp"].space
    doubtful = Space(tuple(p if p.active else replace(p, confidence=0.1, role="epsilon") for p in space))
    book = Notebook(replace(CASES["mlp"], space=doubtful))
    for _ in range(30):
        book.trial()
        assert not any(isinstance(r, ParameterRequest) for r in book.hear(Builtin()))


def test_no_request_before_two_trials_for_each_active_parameter() -> None:
    book = Notebook(CASES["mlp"], 29)
    for _ in range(9):
        book.trial()
        assert not any(isinstance(r, ParameterRequest) for r in Builtin().propose(book.state))


def test_the_best_region_is_suggested_from_the_trials() -> None:
    book = Notebook(CASES["boosting"])
    for _ in range(30):
        book.trial()
    said = []
    for _ in range(12):
        book.settle(lambda i: 0.01)
        said += [t for t in book.hear(Builtin()) if isinstance(t, Theory)]
    region = next(t for t in said if t.question.startswith("in which range of max_depth"))
    (claim,) = parsed(book, region)
    assert isinstance(claim, Optimum)
    assert 2 <= claim.high <= 5
    assert claim.relation == "below" or claim.low <= 2
    assert region.exploratory
    together = [t for t in said if "learning_rate and n_estimators act together" in t.question]
    assert len(together) >= 2


def test_a_supported_effect_raises_the_question_of_its_knee() -> None:
    book = Notebook(CASES["unknown"])
    book.hear(Builtin())
    book.trial()
    sentence = "raising K from 5 to 13 raises score at the default"
    place = [t.claims for t in book.state.theories.values()].index((sentence,))
    book.trial()
    book.settle(lambda i: 0.97 if i == place else 0.5)
    said = [t for t in book.hear(Builtin()) if isinstance(t, Theory)]
    knee = [t for t in said if "how far" in t.question]
    assert {c.verb for t in knee for c in parsed(book, t) if isinstance(c, Effect)} == {
        "raises",
        "lowers",
        "does not change",
    }
    assert all(c.start == 13 for t in knee for c in parsed(book, t) if isinstance(c, Effect))


def test_a_surprise_suggests_an_interaction() -> None:
    book = Notebook(CASES["svm"])
    book.hear(Builtin())
    for _ in range(12):
        book.trial({**book.state.space.defaults(), "C": 1.0 + 0.01 * book.state.next_trial})
    book.trial({**book.state.space.defaults(), "gamma": 10.0, "tol": 0.1})
    last = book.state.order[-1]
    book.add(BeliefsUpdated(last, dict.fromkeys(book.state.theories, 0.01), {}, 0.0, surprise=-4.0))
    said = [t for _ in range(4) for t in book.hear(Builtin()) if isinstance(t, Theory)]
    odd = [t for t in said if "act together" in t.question and f"Trial {last}" in t.because]
    assert {c.together for t in odd for c in parsed(book, t) if isinstance(c, Interacts)} == {True, False}
    assert "4.0 standard deviations lower" in odd[0].because


def test_late_in_the_study_questions_go_near_the_best() -> None:
    theories = [t for _, now in run("boosting", 30) for t in now if isinstance(t, Theory)]
    near = [t for t in theories if all(c.endswith("near the best") for c in t.claims)]
    assert near
    assert all(t.after >= 12 for t in near)


def test_several_objectives_each_get_their_questions() -> None:
    case = replace(CASES["mlp"], objectives=(Objective("val_loss"), Objective("duration")))
    book = Notebook(case)
    book.hear(Builtin())
    book.trial()
    book.hear(Builtin())
    text = " ".join(t.question for t in book.state.theories.values())
    assert "for val_loss" in text
    assert "duration" in text
    assert len(book.state.theories) <= 24


def test_a_single_parameter_is_enough() -> None:
    case = replace(
        CASES["mlp"], space=Space(CASES["mlp"].space.parameters[:1]), train=lambda p, rng: ({"val_loss": p["lr"]}, {})
    )
    book = Notebook(case)
    for _ in range(12):
        book.trial()
        book.hear(Builtin())
    questions = {t.question for t in book.state.theories.values()}
    assert "where is the best lr for val_loss?" in questions


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("family", ["net", "linear", "svm", "boosting", "forest", "any"])
def test_every_role_has_lore_in_every_family(role: str, family: str) -> None:
    senses = {"regularization": ("strength", "inverse"), "leaf": ("leaves", "min_samples")}.get(role, (role,))
    for one in senses:
        entry = entry_for(one, family)  # type: ignore[arg-type]
        assert (entry.role == "other") == (one == "other"), one
        for answer in (entry.more, entry.less, entry.flat):
            assert answer.because.endswith(".")
            assert not answer.title.endswith(".")


def test_roles_named_by_lore_exist() -> None:
    known = {*ROLES, "strength", "inverse", "leaves"}
    assert {r for cure in CURES.values() for r in cure.roles} <= known
    assert {s for pair in PAIRS for s in (pair.first, pair.second)} <= known
    assert all(len(pair.answers) >= 2 for pair in PAIRS)


@pytest.mark.parametrize(
    ("name", "role", "expected"),
    [
        ("C", "regularization", "inverse"),
        ("svc.C", "regularization", "inverse"),
        ("SVM_C", "regularization", "inverse"),
        ("alpha", "regularization", "strength"),
        ("reg_lambda", "regularization", "strength"),
        ("l2", "regularization", "strength"),
        ("num_leaves", "leaf", "leaves"),
        ("max_leaf_nodes", "leaf", "leaves"),
        ("min_samples_leaf", "leaf", "min_samples"),
        ("l1_ratio", "regularization", "mixture"),
        ("n_neighbors", "kernel", "neighbours"),
        ("poly.degree", "kernel", "degree"),
        ("negative_slope", "activation", "other"),
        ("keep_prob", "dropout", "keep"),
        ("min_impurity_decrease", "min_samples", "gamma"),
        ("min_samples_split", "min_samples", "min_samples"),
        ("dropout", "dropout", "dropout"),
    ],
)
def test_sense_of_ambiguous_roles(name: str, role: str, expected: str) -> None:
    assert sense(real(name, 0.1, 10, 1.0, role=role)) == expected


def test_contrasts_stay_in_range_and_start_or_end_at_the_default() -> None:
    for case in CASES.values():
        state = Notebook(case).state
        reading = Reading(state)
        for p in state.space:
            lever = reading.lever(p)
            if lever is None:
                continue
            assert p.domain.contains(lever.start)
            assert p.domain.contains(lever.end)
            assert lever.start < lever.end
            assert p.default in (lever.start, lever.end)
            assert parameter_question(reading, state.objective, p) is not None


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    found = []
    for i in range(draw(st.integers(1, 7))):
        role = draw(st.sampled_from(sorted(ROLES)))
        name = draw(st.sampled_from(["C", "p", "LR", "num_leaves", "keep_prob", "n_neighbors", "a.b"])) + str(i) * (
            i > 0
        )
        kind = draw(st.sampled_from(["linear", "log", "integer", "log integer", "power", "choice", "switch"]))
        low = draw(st.sampled_from([1e-6, 0.01, 1.0, 7.0]))
        unit = draw(st.sampled_from([0.0, 0.1, 0.5, 0.93, 1.0]))
        if kind == "choice":
            values = draw(st.sampled_from([("relu", "near"), (1, 2, 3), ("a", None, "b", "c d", "e")]))
            parameter = choice(name, values, values[0])
        elif kind == "switch":
            parameter = switch(name, draw(st.booleans()))
        else:
            whole = kind in ("integer", "log integer", "power")
            low = max(low, 1.0) if whole else draw(st.sampled_from([low, -2.0])) if kind == "linear" else low
            high = low + draw(st.sampled_from([1.0, 3.0, 100.0, 5000.0]))
            scale = "linear" if kind in ("linear", "integer") else "log"
            domain = Interval(low, high, scale, integer=whole, power_of_two=kind == "power" and high >= 2 * low)
            default = domain.from_unit(unit)
            if not domain.contains(default):
                continue
            parameter = Parameter(name, domain, default)
        found.append(replace(parameter, role=role, active=draw(st.booleans()) or i == 0, confidence=unit))
    return Space(tuple(found))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spaces(), st.sampled_from(["val_loss", "acc", "train_loss", "duration", "x"]), st.booleans(), st.integers(0, 9))
def test_whatever_the_space_claims_parse_and_questions_have_rivals(
    space: Space, metric: str, maximize: bool, seed: int
) -> None:
    def result(p: dict[str, float], rng: random.Random) -> Result:
        if rng.random() < 0.3:
            return None
        value = rng.choice([0.0, 1.0, rng.gauss(0, 1), 1e9 * rng.random()])
        steps = tuple(float(i) for i in range(9))
        curves = {metric: Curve(steps, tuple(rng.gauss(0, 1) for _ in steps))} if rng.random() < 0.5 else {}
        return {metric: value, "train_loss": value - 0.5, "val_acc": 0.9, "train_acc": 0.99}, curves

    goal = Objective(metric, "maximize" if maximize else "minimize")
    book = Notebook(Case(space, (goal,), "x.py", result), 12, seed)
    questions: dict[str, int] = {}
    for _ in range(14):
        for said in book.hear(Builtin()):
            if isinstance(said, Theory):
                questions[said.question] = questions.get(said.question, 0) + 1
                assert [render(c) for c in parsed(book, said)] == list(said.claims)  # type: ignore[arg-type]
        book.trial()
        if book.state.theories:
            book.settle(lambda i: (0.99, 0.01, 0.5)[i % 3])
    assert all(count >= 2 for count in questions.values())


@pytest.mark.parametrize(
    ("roles", "path", "family"),
    [
        ("regularization gamma kernel epochs epsilon", "train.py", "svm"),
        ("learning_rate batch_size dropout width", "train.py", "net"),
        ("learning_rate epochs", "train.py", "net"),
        ("regularization epochs optimizer", "train.py", "linear"),
        ("regularization epochs optimizer epsilon", "ridge.py", "linear"),
        ("trees tree_depth learning_rate", "train.py", "boosting"),
        ("trees tree_depth min_samples", "train.py", "forest"),
        ("trees tree_depth learning_rate", "random_forest.py", "forest"),
        ("other", "train.py", "any"),
    ],
)
def test_family_by_roles_and_words(roles: str, path: str, family: str) -> None:
    space = Space(tuple(real(f"p{i}", 0.1, 10, 1.0, role=role) for i, role in enumerate(roles.split())))
    assert family_of(Notebook(replace(CASES["svm"], space=space, subject=path)).state) == family


def test_words_name_the_parameter_where_two_have_a_role() -> None:
    width = integer("hidden", 16, 512, 64, log=True, role="width")
    one = Reading(Notebook(replace(CASES["mlp"], space=Space((width,)))).state)
    two = Reading(Notebook(replace(CASES["mlp"], space=Space((width, replace(width, name="ratio"))))).state)
    titles = [[r.title for q in [parameter_question(x, LOSS[0], width)] if q for r in q.rivals] for x in (one, two)]
    assert "A wider network helps" in titles[0]
    assert "A wider network helps (hidden)" in titles[1]
    assert [x.levers[0].pull(True) for x in (one, two)] == ["a wider network", "a wider network (hidden)"]


def test_round_settings_and_number_agreement() -> None:
    lr = Interval(1e-5, 1e-1, "log")
    assert nice(lr, lr.to_unit(0.00318)) == 0.003
    assert nice(Interval(8, 512, "log", integer=True, power_of_two=True), 0.5) in (64, 32, 128)
    assert says("deeper trees", "helps") == "deeper trees help"
    assert says("a larger bias", "helps") == "a larger bias helps"
    assert says("longer training", "closes") == "longer training closes"


def test_a_failure_is_blamed_on_a_mechanism_that_fits_its_parameter() -> None:
    space = Space(
        (real("lr", 1e-3, 10.0, 0.1, log=True, role="learning_rate"), power_of_two("width", 8, 256, 32, role="width"))
    )
    goal = (Objective("val_loss"),)
    case = Case(space, goal, "x.py", lambda point, rng: ({"val_loss": float(point["lr"])}, {}))
    book = Notebook(case)
    book.hear(Builtin())
    for number, (lr, width, kind) in enumerate(
        [
            (0.1, 32, ""),
            (0.05, 16, ""),
            (0.2, 64, ""),
            (5.0, 32, "nan"),
            (0.02, 8, ""),
            (4.0, 16, "nan"),
            (0.1, 256, "out_of_memory"),
        ],
        start=1,
    ):
        book.add(TrialProposed(Proposal(number, {"lr": lr, "width": width}, 0, "learn", "")), TrialStarted(number, 1))
        ended = Failure(kind, kind, 1.0) if kind else None  # type: ignore[arg-type]
        book.add(TrialFailed(number, ended) if ended else TrialCompleted(number, Observation({"val_loss": lr}, 1.0)))
    book.settle(lambda i: 0.01)
    heard = [t for _ in range(3) for t in book.hear(Builtin()) if isinstance(t, Theory)]
    said = [t for t in heard if t.question == "when do trials fail?"]
    rate = next(t for t in said if "lr is above" in t.title)
    assert "blows up (nan)" in rate.because
    assert all("Memory grows with lr" not in t.because for t in said)
