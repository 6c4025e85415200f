"""Claims: sentences to data and back, errors that help, and text that nobody meant."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from knowhy.engine import claims
from knowhy.engine.syntax import LONGEST, keywords
from knowhy.errors import SentenceError
from knowhy.model.space import Choices, Interval, Parameter, Scalar, Space, choice, integer, power_of_two, real, switch
from knowhy.model.theory import (
    Better,
    Bound,
    Claim,
    Effect,
    FailsWhen,
    Interacts,
    KeepsImproving,
    Lies,
    Matters,
    MattersMore,
    OnlyThrough,
    Optimum,
    OptimumMoves,
    Scope,
)

SPACE = Space(
    (
        real("lr", 1e-4, 1.0, 0.01, log=True),
        real("dropout", 0.0, 0.8, 0.1),
        real("weight_decay", 1e-6, 0.1, 1e-4, log=True),
        real("momentum", 0.0, 0.99, 0.9),
        power_of_two("batch_size", 8, 512, 32),
        integer("epochs", 1, 100, 20),
        integer("width", 8, 1024, 64, log=True),
        integer("depth", 1, 8, 2),
        choice("activation", ("relu", "gelu", "leaky relu", "on", "3", None), "relu"),
        choice("degree", (1, 2, 3.5), 1),
        switch("augment", False),
    )
)
METRICS = ("val_loss", "gap", "train/loss", "val acc")

# names that are keywords, operators inside names, names that start other names
ODD = Space(
    (
        real("best", -5.0, 5.0, 1.0),
        real("near", 0.5, 2.0, 1.0),
        integer("raising", -3, 9, 1),
        real("the", 0.1, 0.9, 0.5),
        real("more", 1.0, 9.0, 5.0),
        real("trials", 1.0, 9.0, 5.0),
        real("a", 1.0, 2.0, 1.0),
        real("a/b", 1.0, 2.0, 1.0),
        real("opt.param-groups[0].lr", 1e-7, 1e-2, 1e-3, log=True),
        real("größe", 1.0, 2.0, 1.5),
        choice("and", ("and", "to", "where", "lowers", 'say "no"', "a\nb", "it's", "1e3", "", "True"), "to"),
        switch("on", True),
        choice("from", (None, True, 2), True),
    )
)
ODD_METRICS = ("is", "a", "best", "val loss", "loss.", "by", "every thing")


def read(sentence: str) -> Claim:
    return claims.parse(sentence, SPACE, METRICS)


@pytest.mark.parametrize(
    ("sentence", "claim"),
    [
        (
            "raising dropout from 0.1 to 0.4 lowers gap by at least 0.01",
            Effect("dropout", 0.1, 0.4, "lowers", "gap", 0.01),
        ),
        ("lowering dropout from 0.4 to 0.1 raises gap", Effect("dropout", 0.1, 0.4, "lowers", "gap")),
        ("lowering dropout lowers gap", Effect("dropout", 0.0, 0.8, "raises", "gap")),
        (
            "raising momentum from .8 to 9e-1 does not change val_loss by more than 1e-05",
            Effect("momentum", 0.8, 0.9, "does not change", "val_loss", 1e-5),
        ),
        ("Raising  batch_size raises\tval_loss.", Effect("batch_size", 8, 512, "raises", "val_loss")),
        ("raising width from 8 to 2**9 increases val_loss", Effect("width", 8, 512, "raises", "val_loss")),
        ("switching activation from relu to gelu lowers gap", Effect("activation", "relu", "gelu", "lowers", "gap")),
        (
            'switching activation from "leaky relu" to none lowers val acc',
            Effect("activation", "leaky relu", None, "lowers", "val acc"),
        ),
        ("switching activation from 'on' to \"3\" lowers gap", Effect("activation", "on", "3", "lowers", "gap")),
        ("turning augment on lowers gap", Effect("augment", False, True, "lowers", "gap")),
        ("turning augment off doesn't change gap", Effect("augment", True, False, "does not change", "gap")),
        ("switching augment from off to on lowers gap", Effect("augment", False, True, "lowers", "gap")),
        ("switching degree from 3.5 to 1 lowers gap", Effect("degree", 1, 3.5, "raises", "gap")),
        ("raising degree from 1 to 2 lowers gap", Effect("degree", 1, 2, "lowers", "gap")),
        ("switching lr from 0.1 to 0.01 lowers gap", Effect("lr", 0.01, 0.1, "raises", "gap")),
        ("val_loss is best with lr near 0.01", Optimum("val_loss", "lr", "near", 0.01, 0.01)),
        ("val_loss is best with epochs below 30", Optimum("val_loss", "epochs", "below", 30.0, 30.0)),
        ("val_loss is best with lr above 1e-3", Optimum("val_loss", "lr", "above", 1e-3, 1e-3)),
        ("train/loss is best with lr between 0.1 and 0.01", Optimum("train/loss", "lr", "between", 0.01, 0.1)),
        ("the best gap lies where lr >= 0.01", Lies("gap", (Bound("lr", ">=", 0.01),))),
        (
            "The best val_loss lies where lr > 0.01 and activation = gelu",
            Lies("val_loss", (Bound("lr", ">=", 0.01), Bound("activation", "=", "gelu"))),
        ),
        ("the best lr for val_loss rises with width", OptimumMoves("lr", "val_loss", "rises", "width")),
        (
            "the best lr for gap does not move with augment",
            OptimumMoves("lr", "gap", "does not move", "augment"),
        ),
        ("lr matters more than dropout for gap", MattersMore("lr", "dropout", "gap")),
        ("LR MATTERS FOR VAL_LOSS", Matters("lr", "val_loss", True)),
        ("momentum does not matter for gap", Matters("momentum", "gap", False)),
        ("lr and depth interact on gap", Interacts("lr", "depth", "gap", True)),
        ("lr and depth act on their own on gap", Interacts("lr", "depth", "gap", False)),
        (
            "gap depends on lr and batch_size only through lr/batch_size",
            OnlyThrough("gap", "lr", "batch_size", "/"),
        ),
        ("gap depends on lr and width only through width * lr", OnlyThrough("gap", "width", "lr", "*")),
        (
            "gap depends on lr and batch_size only through lr / sqrt( batch_size )",
            OnlyThrough("gap", "lr", "batch_size", "/sqrt"),
        ),
        ("activation = gelu is better than activation = relu for gap", Better("activation", "gelu", "relu", "gap")),
        ("activation = gelu is worse than relu for gap", Better("activation", "relu", "gelu", "gap")),
        ("epochs = 30 is better than epochs = 10 for gap", Better("epochs", 30, 10, "gap")),
        ("trials fail when depth*width is above 4096", FailsWhen(("depth", "width"), "above", 4096.0)),
        ("trials fail when lr is below 0.001", FailsWhen(("lr",), "below", 0.001)),
        ("more epochs keeps improving gap beyond 20", KeepsImproving("epochs", "gap", 20.0)),
        ("lr matters for gap everywhere", Matters("lr", "gap", True, Scope("everywhere"))),
        ("lr matters for gap on average", Matters("lr", "gap", True)),
        (
            "lr matters for gap at the default, where depth <= 4.5",
            Matters("lr", "gap", True, Scope("default", (Bound("depth", "<=", 4.5),))),
        ),
        (
            "lr matters for gap near the best where epochs > 20 and augment = on and width ≤ 100",
            Matters(
                "lr",
                "gap",
                True,
                Scope("best", (Bound("epochs", ">=", 21), Bound("augment", "=", True), Bound("width", "<=", 100))),
            ),
        ),
        (
            "val_loss is best with lr near 0.01 near the best",
            Optimum("val_loss", "lr", "near", 0.01, 0.01, Scope("best")),
        ),
    ],
)
def test_sentences(sentence: str, claim: Claim) -> None:
    got = read(sentence)
    assert got == claim
    assert repr(got) == repr(claim)  # 1, 1.0 and True are equal, but not the same value
    assert read(claims.render(got)) == got


def test_forms_parse_and_cover_every_claim() -> None:
    kinds = {type(read(example.removeprefix("... "))) for _, example in claims.forms()}
    assert kinds == set(Claim.__args__)  # type: ignore[attr-defined]


def test_numbers_print_shortest() -> None:
    assert claims.render(read("raising weight_decay from 0.00001 to 0.100 lowers gap")) == (
        "raising weight_decay from 1e-5 to 0.1 lowers gap"
    )
    assert claims.render(read("raising dropout lowers gap")) == "raising dropout from 0 to 0.8 lowers gap"
    assert claims.render(read("trials fail when width is above 524.0")) == "trials fail when width is above 524"


@pytest.mark.parametrize(
    ("sentence", "message", "nearest"),
    [
        (
            "raising droput from 0.1 to 0.4 lowers gap",
            "no parameter 'droput'",
            "raising dropout from 0.1 to 0.4 lowers gap",
        ),
        ("lr matters for val_los", "no metric 'val_los'", "lr matters for val_loss"),
        (
            "rasing dropout from 0.1 to 0.4 lowers gap",
            "none starts with 'rasing'",
            "raising dropout from 0.1 to 0.4 lowers gap",
        ),
        (
            "raising dropout from 0.1 to 0.9 lowers gap",
            "0.9 is outside the range of dropout",
            "raising dropout from 0.1 to 0.8 lowers gap",
        ),
        (
            "raising activation lowers gap",
            "activation cannot be raised",
            "switching activation from relu to gelu lowers gap",
        ),
        (
            "switching activation from relu to gleu lowers gap",
            "'gleu' is not a value of activation",
            "switching activation from relu to gelu lowers gap",
        ),
        ("val_loss best with lr near 0.1", "does not fit after 'val_loss'", "val_loss is best with lr near 0.1"),
        ("lr interacts with depth on gap", "does not fit after 'lr'", "lr and depth interact on gap"),
        ("more epochs improves val_loss", "does not fit", "more epochs keeps improving val_loss beyond 20"),
        ("raising epochs from 1.5 to 3 lowers gap", "whole numbers", "raising epochs from 2 to 3 lowers gap"),
        ("lr and lr interact on gap", "both sides", None),
        ("raising gap lowers lr", "gap is a metric, not a parameter", None),
        ("lr matters for depth", "depth is a parameter, not a metric", "lr matters for gap"),
        ("raising lr from 0.1 to 0.01 lowers gap", "goes down", "raising lr from 0.01 to 0.1 raises gap"),
        ("lowering lr from 0.01 to 0.1 lowers gap", "goes up", None),
        ("raising lr from 0.1 to 0.1 lowers gap", "does not change from", None),
        ("activation = relu is better than depth = 3 for gap", "two parameters", None),
        ("activation = relu is better than relu for gap", "with itself", None),
        ("gap is best with activation near relu", "activation is not a number", None),
        ("gap is best with lr between 0.1 and 0.1", "between", None),
        ("the best activation for gap rises with lr", "activation is not a number", None),
        ("the best lr for gap rises with activation", "activation is not a number", None),
        ("gap depends on lr and depth only through lr/width", "not made of", None),
        ("gap depends on lr and depth only through lr/lr", "both sides", None),
        ("trials fail when depth*width is above 1e9", "never gets past", "trials fail when depth*width is above 8192"),
        ("trials fail when depth*depth is above 9", "with itself", None),
        ("trials fail when depth is above many", "a number is needed", None),
        ("more epochs keeps improving gap beyond 100", "nothing of epochs is beyond 100", None),
        ("turning lr on lowers gap", "cannot be turned on or off", None),
        ("switching activation lowers gap", "no low and high end", None),
        ("raising lr lowers gap by at least -1", "is no size", None),
        ("raising lr lowers gap where lr >= 0.1", "the scope bounds lr", None),
        ("lr matters for gap where depth >= 5 and depth <= 2", "no value of depth", "lr matters for gap"),
        ("lr matters for gap where activation >= relu", "have no order", None),
        ("lr matters for gap where depth > 8", "no value of depth", None),
        ("lr matters for gap where depth >= 9", "outside the range of depth", None),
        ("lr matters for", "stops too soon", "lr matters for gap"),
        ("raising lr from nan to inf lowers gap", "takes numbers", None),
        ("", "empty", None),
        ("lr " * LONGEST, "too long", None),
    ],
)
def test_errors_say_what_why_and_the_nearest(sentence: str, message: str, nearest: str | None) -> None:
    with pytest.raises(SentenceError) as caught:
        read(sentence)
    error = caught.value
    assert message in error.message
    assert error.hint
    assert claims.render(read(error.nearest)) == error.nearest  # every error has a way out here
    if nearest is not None:
        assert error.nearest == nearest


def test_unknown_names_are_told_apart_and_listed() -> None:
    with pytest.raises(SentenceError, match="no parameter 'foo'") as caught:
        read("foo matters for gap")
    assert "lr, dropout" in caught.value.hint
    with pytest.raises(SentenceError) as caught:
        claims.parse("lr matters for gap", SPACE, ())
    assert "no metric yet" in caught.value.hint
    with pytest.raises(SentenceError) as caught:
        claims.parse("lr matters for gap", Space(()), ())
    assert caught.value.nearest == ""


def test_mentions() -> None:
    claim = read("raising lr lowers gap where depth >= 2 and augment = on and depth <= 4")
    assert claims.mentions(claim) == (("lr", "depth", "augment"), ("gap",))
    assert claims.mentions(read("trials fail when depth*width is above 100")) == (("depth", "width"), ())
    assert claims.mentions(read("the best lr for gap falls with width")) == (("lr", "width"), ("gap",))
    through = read("gap depends on lr and width only through width*lr")
    assert claims.mentions(through) == (("width", "lr"), ("gap",))


def test_names_that_are_keywords() -> None:
    claim = claims.parse("the best best for best rises with near near the best", ODD, ODD_METRICS)
    assert claim == OptimumMoves("best", "best", "rises", "near", Scope("best"))
    claim = claims.parse("raising raising from 1 to 2 lowers is by at least 3", ODD, ODD_METRICS)
    assert claim == Effect("raising", 1, 2, "lowers", "is", 3.0)
    assert claims.parse("a/b matters for a", ODD, ODD_METRICS) == Matters("a/b", "a", True)
    assert claims.parse("the and and interact on is.", ODD, ODD_METRICS) == Interacts("the", "and", "is", True)
    assert claims.parse("turning on on lowers loss.", ODD, ODD_METRICS) == Effect("on", False, True, "lowers", "loss.")


# The law, on claims drawn from both spaces.


def _scalar(parameter: Parameter) -> st.SearchStrategy[Scalar]:
    domain = parameter.domain
    if isinstance(domain, Choices):
        return st.sampled_from(domain.values)
    if domain.integer:
        return st.integers(int(domain.low), int(domain.high))
    return _real(domain)


def _real(domain: Interval) -> st.SearchStrategy[float]:
    return st.floats(domain.low, domain.high).map(lambda v: v + 0.0)


@st.composite
def _scopes(draw: st.DrawFn, space: Space, free: set[str]) -> Scope:
    kind = draw(st.sampled_from(("average", "best", "default", "everywhere")))
    chosen = draw(st.lists(st.sampled_from([p for p in space if p.name not in free]), max_size=3, unique=True))
    bounds = []
    for parameter in chosen:
        op = draw(st.sampled_from((">=", "<=", "="))) if parameter.numeric else "="
        bounds.append(Bound(parameter.name, op, draw(_scalar(parameter))))  # type: ignore[arg-type]
    return Scope(kind, tuple(bounds))  # type: ignore[arg-type]


@st.composite
def _claims(draw: st.DrawFn, space: Space, metrics: tuple[str, ...]) -> Claim:
    metric = draw(st.sampled_from(metrics))
    numeric = [p for p in space if p.numeric]
    a = draw(st.sampled_from(space.parameters))
    n, m = draw(st.lists(st.sampled_from(numeric), min_size=2, max_size=2, unique=True))
    b = draw(st.sampled_from([p for p in space if p.name != a.name]))
    scope = draw(_scopes(space, set()))
    assert isinstance(n.domain, Interval)
    kind = draw(st.sampled_from(Claim.__args__))  # type: ignore[attr-defined]
    if kind in (Effect, Better):
        scope = draw(_scopes(space, {a.name}))
        one, two = draw(st.tuples(_scalar(a), _scalar(a)).filter(lambda t: repr(t[0]) != repr(t[1]) and t[0] != t[1]))
        if kind is Better:
            return Better(a.name, one, two, metric, scope)
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (one, two)) and one > two:  # type: ignore[operator]
            one, two = two, one
        verb = draw(st.sampled_from(("raises", "lowers", "does not change")))
        margin = draw(st.none() | st.floats(1e-9, 1e9))
        return Effect(a.name, one, two, verb, metric, margin, scope)  # type: ignore[arg-type]
    if kind is Optimum:
        relation = draw(st.sampled_from(("near", "below", "above", "between")))
        low, high = sorted(draw(st.lists(_real(n.domain), min_size=2, max_size=2, unique=True)))
        return Optimum(metric, n.name, relation, low, high if relation == "between" else low, scope)  # type: ignore[arg-type]
    if kind is Lies:
        op = draw(st.sampled_from((">=", "<=")))
        return Lies(metric, (Bound(n.name, op, draw(_scalar(n))),))  # type: ignore[arg-type]
    if kind is OptimumMoves:
        return OptimumMoves(n.name, metric, draw(st.sampled_from(("rises", "falls", "does not move"))), m.name, scope)  # type: ignore[arg-type]
    if kind is MattersMore:
        return MattersMore(a.name, b.name, metric, scope)
    if kind is Matters:
        return Matters(a.name, metric, draw(st.booleans()), scope)
    if kind is Interacts:
        return Interacts(a.name, b.name, metric, draw(st.booleans()), scope)
    if kind is OnlyThrough:
        return OnlyThrough(metric, n.name, m.name, draw(st.sampled_from(("/", "*", "/sqrt"))))  # type: ignore[arg-type]
    if kind is FailsWhen:
        side = draw(st.sampled_from(("above", "below")))
        return FailsWhen((n.name,), side, draw(_real(n.domain)))  # type: ignore[arg-type]
    beyond = draw(_real(n.domain).filter(lambda v: v < n.domain.high))
    return KeepsImproving(n.name, metric, beyond, scope)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_the_law(data: st.DataObject) -> None:
    space, metrics = data.draw(st.sampled_from([(SPACE, METRICS), (ODD, ODD_METRICS)]))
    claim = data.draw(_claims(space, metrics))
    sentence = claims.render(claim)
    assert claims.parse(sentence, space, metrics) == claim
    assert claims.parse(f"  {sentence} . ", space, metrics) == claim


WORDS = st.sampled_from(
    [
        *keywords(),
        *(p.name for p in SPACE),
        *METRICS,
        "0.1",
        "1e-3",
        "2**9",
        "-3",
        "9" * 400,
        "1e999",
        "nan",
        '"a b"',
        "gelu",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.lists(WORDS, max_size=25).map(" ".join))
@example("raising lr from 2**999 to 2**1 lowers gap")
@example('switching activation from "\\ud800" to "\\x" lowers gap')
def test_any_text_parses_or_is_a_sentence_error(text: str) -> None:
    for space, metrics in ((SPACE, METRICS), (ODD, ODD_METRICS)):
        try:
            claim = claims.parse(text, space, metrics)
        except SentenceError as error:
            if not error.nearest:
                continue
            claim = claims.parse(error.nearest, space, metrics)
        assert claims.parse(claims.render(claim), space, metrics) == claim


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "gap depends on lr and lr only through " + "lr/" * 300,
        "trials fail when " + "*".join(["best"] * 150),
        "best best " * 100,
        "the the and and " * 60,
        "the matters for is where " + " and ".join(["near >= 1"] * 60) + " and",
        "the matters for is where " + "and and " * 100,
        '"' * 900,
        "'\\" * 450,
    ],
)
def test_hostile_input_is_bounded(text: str) -> None:
    start = time.process_time()
    with pytest.raises(SentenceError):
        claims.parse(text, ODD, ODD_METRICS)
    assert time.process_time() - start < 5.0


def test_reading_a_sentence_is_quick_and_importing_does_not_load_the_parser() -> None:
    sentence = "raising dropout from 0.1 to 0.4 lowers gap near the best where epochs >= 20 and augment = False"
    read(sentence)
    start = time.process_time()
    for _ in range(50):
        read(sentence)
    assert (time.process_time() - start) / 50 < 0.01
    code = "import knowhy.engine.claims, sys; raise SystemExit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
