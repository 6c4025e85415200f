"""Diagnostics: derived numbers with their signs and bounds, and what they say in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy.engine.diagnostics import Diagnosis, derive, diagnose
from knowhy.engine.metric_names import gap_name, metric_kind, partner, split_name
from knowhy.model.events import Event, Record, StudyCreated, TrialCompleted, TrialFailed, TrialProposed, TrialStarted
from knowhy.model.objective import Objective
from knowhy.model.observation import Curve, Failure, Observation
from knowhy.model.space import Space, real
from knowhy.model.state import State, fold
from knowhy.model.trial import Proposal

SPACE = Space((real("lr", 1e-4, 1e-1, 1e-2, log=True, role="learning_rate"),))
STEPS = tuple(range(1, 21))


def curve(of: Callable[[float], float]) -> Curve:
    return Curve(STEPS, tuple(of(s) for s in STEPS))


def study(outcomes: list[Observation | Failure], lrs: list[float] | None = None, objective: str = "val_loss") -> State:
    events: list[Event] = [StudyCreated("s", (Objective(objective),), SPACE, 0, {}, "0")]
    for i, outcome in enumerate(outcomes, 1):
        lr = lrs[i - 1] if lrs else 0.01 * (1 + 0.01 * i)
        events += [TrialProposed(Proposal(i, {"lr": lr}, i, "learn", "test")), TrialStarted(i, 1)]
        events.append(TrialFailed(i, outcome) if isinstance(outcome, Failure) else TrialCompleted(i, outcome))
    return fold(Record(i, float(i), e, "") for i, e in enumerate(events, 1))


def observed(metrics: Mapping[str, float], curves: Mapping[str, Curve] | None = None) -> Observation:
    return Observation(derive(metrics, curves or {}, 1.0), 1.0, curves or {})


def kinds(state: State) -> dict[str, Diagnosis]:
    return {d.kind: d for d in diagnose(state)}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("val_loss", "loss"),
        ("val_bpb", "loss"),
        ("test_mse", "loss"),
        ("mean_squared_error", "loss"),
        ("crossentropy", "loss"),
        ("accuracy", "score"),
        ("val_auc", "score"),
        ("test/r2", "score"),
        ("balanced_accuracy_score", "score"),
        ("duration", "time"),
        ("num_params", "size"),
        ("gap", "diagnostic"),
        ("gap_acc", "diagnostic"),
        ("power", "other"),
        ("improvement", "other"),
    ],
)
def test_kind_of_metric_by_name(name: str, kind: str) -> None:
    assert metric_kind(name) == kind


def test_names_split_into_data_and_stem() -> None:
    assert split_name("val_loss")[::2] == ("val", "loss")
    assert split_name("loss/valid")[::2] == ("val", "loss")
    assert split_name("train_top5_acc")[::2] == ("train", "top5_acc")
    assert split_name("value")[::2] == ("plain", "value")
    assert split_name("test")[::2] == ("plain", "test")
    assert partner("val_loss", ["train_loss", "val_loss"]) == "train_loss"
    assert partner("val_loss", ["loss", "val_loss"]) == "loss"
    assert partner("train_loss", ["loss", "train_loss"]) is None
    assert gap_name("val_acc", ["val_acc", "train_acc", "val_loss", "train_loss"]) == "gap_acc"
    assert gap_name("val_bpb", ["val_bpb", "train_bpb"]) == "gap"
    assert gap_name("val_bpb", ["val_bpb", "train_loss"]) is None


def test_a_positive_gap_means_overfitting_for_losses_and_scores() -> None:
    found = derive({"val_loss": 0.5, "train_loss": 0.2, "val_acc": 0.8, "train_acc": 0.95}, {}, 2.5)
    assert found["gap"] == pytest.approx(0.3)
    assert found["gap_acc"] == pytest.approx(0.15)
    assert found["duration"] == 2.5
    assert found["val_loss"] == 0.5


def test_other_names_of_validation_and_training() -> None:
    assert derive({"loss_val": 3.0, "loss_train": 1.0}, {}, 1.0)["gap"] == 2.0
    assert derive({"eval/loss": 3.0, "training/loss": 1.0}, {}, 1.0)["duration"] == 1.0
    assert derive({"eval_loss": 3.0, "training_loss": 1.0}, {}, 1.0)["gap"] == 2.0
    assert derive({"test_loss": 9.0, "val_loss": 3.0, "train_loss": 1.0}, {}, 1.0)["gap"] == 2.0
    assert "gap" not in derive({"val_loss": 3.0}, {}, 1.0)


def test_a_reported_metric_is_never_overwritten() -> None:
    found = derive({"val_loss": 0.5, "train_loss": 0.2, "gap": 7.0, "duration": 9.0}, {}, 1.0)
    assert (found["gap"], found["duration"]) == (7.0, 9.0)


def test_curve_of_an_overfitting_run() -> None:
    found = derive({}, {"val_loss": curve(lambda s: 1 + (s - 6) ** 2 / 100)}, 1.0)
    assert found["best_at"] == pytest.approx(5 / 19)
    assert found["rebound"] == pytest.approx(1.96)
    assert found["slope"] < 0
    assert found["oscillation"] < 0.001


def test_slope_is_the_relative_gain_per_doubling() -> None:
    found = derive({}, {"val_loss": Curve(STEPS, tuple(10 - math.log2(s) for s in STEPS))}, 1.0)
    assert found["slope"] == pytest.approx(1 / (10 - math.log2(20)), rel=1e-6)
    assert found["best_at"] == 1.0
    assert found["rebound"] == 0.0


def test_a_score_is_turned_round() -> None:
    rising = derive({}, {"val_acc": curve(lambda s: s / 20)}, 1.0)
    falling = derive({}, {"val_acc": curve(lambda s: 1 - s / 40)}, 1.0)
    assert rising["slope"] > 0 > falling["slope"]
    assert rising["rebound"] == 0.0 < falling["rebound"]


def test_a_saw_oscillates_and_a_spike_jumps() -> None:
    saw = derive({}, {"val_loss": curve(lambda s: 1.0 + s % 2)}, 1.0)
    spike = derive({}, {"val_loss": curve(lambda s: 8.0 if s == 12 else 2.0 - s / 40)}, 1.0)
    assert saw["oscillation"] == pytest.approx(1.0, abs=0.06)
    assert spike["jump"] > 3
    assert derive({}, {"val_loss": curve(lambda s: 1 / s)}, 1.0)["jump"] == 0.0


def test_training_curve_gives_no_rebound() -> None:
    found = derive({}, {"train_loss": curve(lambda s: 1 / s)}, 1.0)
    assert "slope" in found
    assert "rebound" not in found
    assert "best_at" not in found


VALUE = st.floats(allow_nan=True, allow_infinity=True, width=64)
NAMES = st.sampled_from(["val_loss", "train_loss", "loss", "val_acc", "train_acc", "loss/test", "x", "val_", "_val"])


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(NAMES, st.floats(-1e300, 1e300)),
    st.dictionaries(NAMES, st.lists(st.tuples(VALUE, VALUE), max_size=12)),
)
def test_what_is_derived_is_finite_and_keeps_what_was_reported(
    metrics: dict[str, float], points: dict[str, list[tuple[float, float]]]
) -> None:
    curves = {n: Curve(tuple(s for s, _ in p), tuple(v for _, v in p)) for n, p in points.items()}
    found = derive(metrics, curves, 1.0)
    assert {k: found[k] for k in metrics} == metrics
    assert all(math.isfinite(v) for v in found.values())
    for name in ("rebound", "jump"):
        assert 0 <= found.get(name, 0.0) <= 10.0 + 1e-6
    assert 0 <= found.get("best_at", 0.0) <= 1
    assert 0 <= found.get("oscillation", 0.0) <= 1 + 1e-9


def test_no_trials_say_nothing() -> None:
    assert diagnose(State()) == ()
    assert diagnose(study([])) == ()


def test_overfitting_names_the_step_and_its_trials() -> None:
    turned = curve(lambda s: 1 + (s - 6) ** 2 / 400)
    state = study([observed({"val_loss": turned.values[-1], "train_loss": 0.3}, {"val_loss": turned})] * 3)
    found = kinds(state)["overfitting"]
    assert found.trials == (1, 2, 3)
    assert "step 6" in found.sentence
    assert 0.3 < found.strength <= 1
    assert "underfitting" not in kinds(state)


def test_underfitting_and_too_short() -> None:
    falling = curve(lambda s: 5 - 0.7 * math.log2(s))
    last = falling.values[-1]
    state = study([observed({"val_loss": last, "train_loss": last * 0.99}, {"val_loss": falling})] * 3)
    found = kinds(state)
    assert found["underfitting"].trials == (1, 2, 3)
    assert "doubling" in found["too_short"].sentence
    assert "overfitting" not in found
    assert "plateau" not in found


def test_a_high_score_with_a_large_share_of_its_error_in_the_gap_overfits() -> None:
    state = study([observed({"val_acc": 0.96, "train_acc": 1.0})] * 2, objective="val_acc")
    assert "overfitting" in kinds(state)


def test_plateau_and_oscillation() -> None:
    flat = curve(lambda s: 1.0 + math.exp(-s))
    saw = curve(lambda s: 1.0 + 0.3 * (s % 2))
    assert "plateau" in kinds(study([observed({"val_loss": 1.0}, {"val_loss": flat})] * 2))
    assert "oscillation" in kinds(study([observed({"val_loss": 1.0}, {"val_loss": saw})] * 2))
    assert "oscillation" not in kinds(study([observed({"val_loss": 1.0}, {"val_loss": flat})] * 2))


def test_divergence_counts_nan_and_jumps() -> None:
    spike = curve(lambda s: 9.0 if s == 12 else 2.0)
    broken = Failure("nan", "loss is nan", 1.0)
    state = study([observed({"val_loss": 2.0}, {"val_loss": spike}), broken, broken])
    found = kinds(state)["divergence"]
    assert found.trials == (1, 2, 3)
    assert "2 of 3 trials ended with nan or inf" in found.sentence


def test_noise_is_the_pooled_sd_of_replicates() -> None:
    values = [1.0, 1.2, 3.0, 3.4]
    state = study([observed({"val_loss": v}) for v in values], [0.01, 0.01, 0.02, 0.02])
    found = kinds(state)["noise"]
    assert found.trials == (1, 2, 3, 4)
    assert f"{math.sqrt((0.02 + 0.08) / 2):.2g}" in found.sentence
    assert "noise" not in kinds(study([observed({"val_loss": v}) for v in values]))


def test_a_stalled_search_says_since_when() -> None:
    values = [2.0, 1.0, *[1.5] * 9]
    found = kinds(study([observed({"val_loss": v}) for v in values]))["stalled"]
    assert "trial 2" in found.sentence
    assert "stalled" not in kinds(study([observed({"val_loss": v}) for v in reversed(values)]))
