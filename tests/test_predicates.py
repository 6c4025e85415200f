"""Claims on known functions: each form in a case where it is true and in one where it is not."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy.engine import claims
from knowhy.engine.encoding import Array, Encoder
from knowhy.engine.predicates import Judge
from knowhy.engine.response import IDENTITY, Transform
from knowhy.engine.structure import isoline
from knowhy.engine.surface import Remembered, Surface
from knowhy.model.space import Point, Space, choice, power_of_two, real
from knowhy.model.theory import Bound, Claim, Effect, OnlyThrough, Scope

SPACE = Space(
    (
        real("lr", 1e-4, 1e-1, 1e-2, log=True),
        real("batch", 8.0, 512.0, 64.0, log=True),
        real("dropout", 0.0, 0.8, 0.2),
        choice("act", ["relu", "tanh", "gelu"], "relu"),
        power_of_two("width", 16, 256, 64),
    )
)
ENCODER = Encoder.covering(SPACE, [])
DEFAULT = ENCODER.encode([SPACE.defaults()])[0]

Function = Callable[[Point], float]


def _lr(p: Point) -> float:
    return math.log10(float(p["lr"]))  # type: ignore[arg-type]


def _surface(functions: Sequence[Function], noise: float = 0.02, transform: Transform = IDENTITY) -> Surface:
    def draws(rows: Array) -> Array:
        points = ENCODER.decode(rows)
        return np.array([[f(p) for p in points] for f in functions])

    return Surface(draws, transform, noise)


def _judge(*functions: Function, best: Point | None = None, sign: float = 1.0, fails: Function | None = None) -> Judge:
    """A judge of known functions as draws of the metric ``loss``; ``fails`` is negative where trials fail."""
    at = DEFAULT if best is None else ENCODER.encode([{**SPACE.defaults(), **best}])[0]
    failure = None if fails is None else _surface([fails])
    return Judge(ENCODER, {"loss": _surface(functions)}, {"loss": sign}, DEFAULT, at, failure)


def _claim(sentence: str) -> Claim:
    return claims.parse(sentence, SPACE, ["loss"])


def _holds(sentence: str, function: Function, **options: object) -> bool:
    return bool(_judge(function, **options).answer(_claim(sentence)).holds[0])  # type: ignore[arg-type]


def _bowl(p: Point) -> float:
    return (_lr(p) + 2.5) ** 2


def _moving(p: Point) -> float:
    """The best lr falls as width grows, by a sixth of its range for each doubling."""
    return (_lr(p) + 2.5 + 0.5 * math.log2(float(p["width"]) / 64)) ** 2  # type: ignore[arg-type]


def _flat(p: Point) -> float:
    return 1.0


def _down(p: Point) -> float:
    return -float(p["dropout"])  # type: ignore[arg-type]


def _ratio(p: Point) -> float:
    return (math.log(float(p["lr"]) / float(p["batch"])) + 9.0) ** 2  # type: ignore[arg-type]


def _act(p: Point) -> float:
    return {"relu": 0.0, "tanh": 0.5, "gelu": -0.5}[str(p["act"])]


def _joint(p: Point) -> float:
    return (_lr(p) + 2.5) * (float(p["dropout"]) - 0.4) * 5.0  # type: ignore[arg-type]


TRUE: list[tuple[str, Function]] = [
    ("raising dropout from 0.1 to 0.5 lowers loss", _down),
    ("raising dropout from 0.1 to 0.5 lowers loss by at least 0.39", _down),
    ("raising dropout from 0.1 to 0.5 lowers loss everywhere", _down),
    ("raising dropout from 0.1 to 0.5 does not change loss", _bowl),
    ("raising lr from 0.0001 to 0.003 lowers loss", _bowl),
    ("raising lr from 0.003 to 0.1 raises loss", _bowl),
    ("loss is best with lr near 0.003", _bowl),
    ("loss is best with lr below 0.01", _bowl),
    ("loss is best with lr above 0.001", _bowl),
    ("loss is best with lr between 0.001 and 0.01", _bowl),
    ("the best lr for loss falls with width", _moving),
    ("the best lr for loss does not move with width", _bowl),
    ("the best lr for loss does not move with width", _flat),
    ("lr matters more than dropout for loss", _bowl),
    ("dropout does not matter for loss", _bowl),
    ("lr matters for loss", _bowl),
    ("act matters for loss", _act),
    ("lr and dropout interact on loss", _joint),
    ("lr and dropout act on their own on loss", _bowl),
    ("lr and width interact on loss", _moving),
    ("loss depends on lr and batch only through lr / batch", _ratio),
    ("act = gelu is better than act = tanh for loss", _act),
    ("more dropout keeps improving loss beyond 0.4", _down),
]
FALSE: list[tuple[str, Function]] = [
    ("raising dropout from 0.1 to 0.5 raises loss", _down),
    ("raising dropout from 0.1 to 0.5 lowers loss by at least 0.41", _down),
    ("raising dropout from 0.1 to 0.5 does not change loss", _down),
    ("raising dropout from 0.1 to 0.5 lowers loss", _bowl),
    ("raising lr from 0.0001 to 0.1 lowers loss everywhere", _moving),
    ("raising dropout from 0.1 to 0.7 lowers loss everywhere", _joint),
    ("loss is best with lr near 0.0003", _bowl),
    ("loss is best with lr above 0.01", _bowl),
    ("loss is best with lr below 0.001", _bowl),
    ("loss is best with lr between 0.01 and 0.1", _bowl),
    ("loss is best with lr below 0.01", _flat),
    ("the best lr for loss rises with width", _moving),
    ("the best lr for loss does not move with width", _moving),
    ("the best lr for loss falls with width", _bowl),
    ("the best lr for loss rises with width", _flat),
    ("dropout matters more than lr for loss", _bowl),
    ("lr does not matter for loss", _bowl),
    ("dropout matters for loss", _bowl),
    ("lr and dropout act on their own on loss", _joint),
    ("lr and dropout interact on loss", _bowl),
    ("loss depends on lr and batch only through lr * batch", _ratio),
    ("loss depends on lr and batch only through lr / batch", _bowl),
    ("loss depends on lr and batch only through lr / batch", _flat),
    ("act = tanh is better than act = relu for loss", _act),
    ("act = gelu is better than act = tanh for loss", _flat),
    ("more dropout keeps improving loss beyond 0.4", _bowl),
]


@pytest.mark.parametrize(("sentence", "function"), TRUE)
def test_true_claims_hold(sentence: str, function: Function) -> None:
    assert _holds(sentence, function)


@pytest.mark.parametrize(("sentence", "function"), FALSE)
def test_false_claims_do_not_hold(sentence: str, function: Function) -> None:
    assert not _holds(sentence, function)


def test_what_is_best_turns_round_with_the_sign_of_the_metric() -> None:
    assert _holds("loss is best with lr near 0.003", lambda p: -_bowl(p), sign=-1.0)
    assert _holds("act = tanh is better than act = gelu for loss", _act, sign=-1.0)
    assert _holds("more dropout keeps improving loss beyond 0.4", lambda p: -_down(p), sign=-1.0)
    assert _holds("raising dropout from 0.1 to 0.5 lowers loss", _down, sign=-1.0)


def _turning(p: Point) -> float:
    """Dropout helps wide networks and harms narrow ones."""
    return (float(p["dropout"]) - 0.4) * (1.0 if float(p["width"]) < 100 else -1.0)  # type: ignore[arg-type]


def test_scopes_decide_where_a_claim_is_meant() -> None:
    lowers, raises = (f"raising dropout from 0.1 to 0.5 {verb} loss" for verb in ("lowers", "raises"))
    assert _holds(f"{raises} at the default", _turning)
    assert not _holds(f"{lowers} at the default", _turning)
    assert _holds(f"{lowers} near the best", _turning, best={"width": 256})
    assert not _holds(f"{raises} near the best", _turning, best={"width": 256})
    assert not _holds(f"{lowers} everywhere", _turning)
    assert not _holds(f"{raises} everywhere", _turning)
    assert _holds(f"{lowers} where width >= 128", _turning)
    assert _holds(f"{raises} where width <= 64", _turning)


def test_bounds_on_categories_and_on_both_sides() -> None:
    def only_tanh(p: Point) -> float:
        return _down(p) if p["act"] == "tanh" else 0.0

    assert _holds("raising dropout from 0.1 to 0.5 lowers loss where act = tanh", only_tanh)
    assert not _holds("raising dropout from 0.1 to 0.5 lowers loss where act = relu", only_tanh)

    def band(p: Point) -> float:
        return _down(p) if 0.0009 < float(p["lr"]) < 0.011 else 0.0  # type: ignore[arg-type]

    assert _holds("raising dropout from 0.1 to 0.5 lowers loss everywhere where lr >= 0.001 and lr <= 0.01", band)
    assert not _holds("raising dropout from 0.1 to 0.5 lowers loss everywhere where lr >= 0.001", band)


def test_a_bound_that_the_default_keeps_leaves_it_where_it_is() -> None:
    judge = _judge(_flat)
    kept = judge.backgrounds(Scope("default", (Bound("width", ">=", 32),)))
    assert kept == pytest.approx(DEFAULT[None])
    moved = judge.backgrounds(Scope("default", (Bound("width", ">=", 128),)))
    assert ENCODER.decode(moved)[0] == {**SPACE.defaults(), "width": 128}


@pytest.mark.parametrize("kind", ["average", "best", "everywhere", "default"])
@pytest.mark.parametrize("bounds", ["where lr >= 0.01", "where lr <= 0.001", "where act = gelu and width <= 32"])
def test_backgrounds_keep_their_bounds(kind: str, bounds: str) -> None:
    claim = _claim(f"dropout matters for loss {bounds}")
    scope = Scope(kind, claim.scope.bounds)  # type: ignore[arg-type, union-attr]
    for point in ENCODER.decode(_judge(_flat).backgrounds(scope)):
        for b in scope.bounds:
            v = point[b.parameter]
            assert v == b.value if b.op == "=" else (v >= b.value - 1e-9 if b.op == ">=" else v <= b.value + 1e-9)  # type: ignore[operator]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([None, 0.05, 0.5]), st.sampled_from(["average", "best", "default"]))
def test_raises_lowers_and_does_not_change_share_out_every_draw(seed: int, margin: float | None, kind: str) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((20, ENCODER.columns)) * rng.choice([0.05, 1.0], (20, 1))
    judge = Judge(
        ENCODER, {"loss": Surface(lambda r: weights @ r.T, IDENTITY, 0.3)}, {"loss": 1.0}, DEFAULT, DEFAULT, None
    )
    effects = [
        Effect("lr", 1e-3, 1e-2, verb, "loss", margin, Scope(kind))  # type: ignore[arg-type]
        for verb in ("raises", "lowers", "does not change")
    ]
    held = np.array([judge.answer(e).holds for e in effects])
    assert np.all(held.sum(axis=0) == 1)


def test_rivals_of_other_forms_share_out_every_draw() -> None:
    judge = _judge(_flat, _bowl, _moving, _down, _joint, _ratio, _act)
    for rivals in (
        ["lr matters for loss", "lr does not matter for loss"],
        ["lr and width interact on loss", "lr and width act on their own on loss"],
        [f"the best lr for loss {v} with width" for v in ("rises", "falls", "does not move")],
    ):
        held = np.array([judge.answer(_claim(s)).holds for s in rivals])
        assert np.all(held.sum(axis=0) == 1)


def test_an_effect_tells_its_size_in_the_units_of_the_metric() -> None:
    transform = Transform(True, math.log(2.0), 0.5, -np.inf, np.inf)
    surface = _surface([lambda p: float(p["dropout"])], 0.02, transform)  # type: ignore[arg-type]
    judge = Judge(ENCODER, {"loss": surface}, {"loss": 1.0}, DEFAULT, DEFAULT)
    answer = judge.answer(_claim("raising dropout from 0.1 to 0.5 raises loss"))
    expected = 2.0 * (math.exp(0.25) - math.exp(0.05))
    assert answer.quantity is not None
    assert answer.quantity[0] == pytest.approx(expected, rel=1e-6)
    at_least = "raising dropout from 0.1 to 0.5 raises loss by at least"
    assert judge.answer(_claim(f"{at_least} {expected - 0.01:.4f}")).holds[0]
    assert not judge.answer(_claim(f"{at_least} {expected + 0.01:.4f}")).holds[0]


def test_the_margin_grows_with_the_noise() -> None:
    small = Judge(ENCODER, {"loss": _surface([lambda p: 0.8 * _down(p)], 0.02)}, {"loss": 1.0}, DEFAULT, DEFAULT)
    large = Judge(ENCODER, {"loss": _surface([lambda p: 0.8 * _down(p)], 1.0)}, {"loss": 1.0}, DEFAULT, DEFAULT)
    claim = _claim("raising dropout from 0.1 to 0.5 lowers loss")
    assert small.answer(claim).holds[0]
    assert not large.answer(claim).holds[0]


def test_failure_claims() -> None:
    def diverges(p: Point) -> float:
        return 1.0 if float(p["lr"]) < 0.01 else -1.0  # type: ignore[arg-type]

    def together(p: Point) -> float:
        return 1.0 if float(p["lr"]) * float(p["batch"]) < 1.0 else -1.0  # type: ignore[arg-type]

    assert _holds("trials fail when lr is above 0.01", _flat, fails=diverges)
    assert not _holds("trials fail when lr is above 0.0005", _flat, fails=diverges)
    assert not _holds("trials fail when lr is below 0.01", _flat, fails=diverges)
    assert not _holds("trials fail when dropout is above 0.4", _flat, fails=diverges)
    assert _holds("trials fail when lr * batch is above 1", _flat, fails=together)
    assert not _holds("trials fail when lr * batch is below 1", _flat, fails=together)
    assert not _holds("trials fail when lr is above 0.01", _flat)


def test_answers_are_the_same_when_they_are_prepared() -> None:
    functions = (_flat, _bowl, _moving, _down, _joint, _ratio, _act)
    direct = _judge(*functions, best={"width": 256})
    calls = []

    def count(rows: Array) -> Array:
        calls.append(len(rows))
        return direct.surfaces["loss"].draws(rows)

    prepared = Judge(
        ENCODER, {"loss": Surface(Remembered(count), IDENTITY, 0.02)}, {"loss": 1.0}, DEFAULT, direct.best, None
    )
    sentences = [_claim(s) for s in dict.fromkeys(s for s, _ in TRUE + FALSE)]
    sentences.append(_claim("raising dropout from 0.1 to 0.5 lowers loss near the best where width >= 128"))
    prepared.prepare(sentences)
    assert len(calls) == 1
    for claim in sentences:
        one, two = direct.answer(claim), prepared.answer(claim)
        assert np.array_equal(one.holds, two.holds), claim
        if one.quantity is not None and two.quantity is not None:
            assert one.quantity == pytest.approx(two.quantity)
    assert len(calls) == 1


@pytest.mark.parametrize(("op", "power"), [("/", -1.0), ("*", 1.0), ("/sqrt", -0.5)])
def test_an_isoline_keeps_the_combination_and_moves_along_it(op: str, power: float) -> None:
    rows = ENCODER.sample(16, 3)
    along = isoline(ENCODER, OnlyThrough("loss", "lr", "batch", op), rows)  # type: ignore[arg-type]
    assert along is not None
    moved = 0.0
    for i, row in enumerate(rows):
        points = ENCODER.decode(along[:, i])
        combined = [float(p["lr"]) * float(p["batch"]) ** power for p in points]
        start = ENCODER.decode(row)[0]
        assert combined == pytest.approx([float(start["lr"]) * float(start["batch"]) ** power] * 5, rel=1e-4)
        first, last = points[0], points[-1]
        moved += abs(math.log(float(last["batch"]) / float(first["batch"])))
        assert all(p["act"] == start["act"] and p["width"] == start["width"] for p in points)
    assert moved / len(rows) > 0.5
