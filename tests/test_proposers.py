"""Proposers: their standing, opinions within limits, wishes on merit, secrets, fences and scopes; and the whole run."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.theorists.server import Asked, Calls, Said, Status, propose, serving
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy.engine import design, improvement, opinions
from knowhy.engine.mind import Mind
from knowhy.engine.policy import TheoryPolicy
from knowhy.engine.standing import FIRST, LEAST, MOST, attention, slots, standings
from knowhy.engine.wishes import wished
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.faces.cli import cli
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.decision import Budget
from knowhy.model.events import (
    BeliefsUpdated,
    Event,
    Record,
    RunStarted,
    StudyCreated,
    TheoryProposed,
    ThoughtEnded,
    TrialCompleted,
    TrialProposed,
)
from knowhy.model.objective import Objective
from knowhy.model.observation import Observation
from knowhy.model.space import Point, Space, real
from knowhy.model.state import State, fold
from knowhy.model.theory import Theory
from knowhy.model.thought import Allowance, Opinion, Thought, Usage, Wish
from knowhy.model.trial import Proposal
from knowhy.study import Study
from knowhy.theorists.builtin import Builtin
from knowhy.theorists.llm.fence import clean, fenced
from knowhy.theorists.llm.moments import moment
from knowhy.theorists.llm.names import parse_name
from knowhy.theorists.llm.scope import Scope
from knowhy.theorists.llm.secrets import Redactor
from knowhy.theorists.llm.theorist import LanguageModel

BY = "openai:m"
SPACE = Space((real("a", 0.0, 1.0, 0.5), real("b", 0.0, 1.0, 0.5)))
CLAIM = "raising a from 0.2 to 0.8 lowers val_loss"


def state_of(*more: Event, trials: int = 10, budget: int = 40) -> State:
    """A bowl at (0.8, 0.3), seen at random places."""
    rng = np.random.default_rng(3)
    events: list[Event] = [
        StudyCreated("s", (Objective("val_loss"),), SPACE, 1, {}, "0.1.0"),
        RunStarted(budget, None, 1, "theory"),
    ]
    for i in range(1, trials + 1):
        point = SPACE.defaults() if i < 3 else {"a": float(rng.random()), "b": float(rng.random())}
        value = (float(point["a"]) - 0.8) ** 2 + (float(point["b"]) - 0.3) ** 2 + 0.005 * float(rng.standard_normal())  # type: ignore[arg-type]
        events.append(TrialProposed(Proposal(i, point, i, "learn", "")))
        events.append(TrialCompleted(i, Observation({"val_loss": value}, 1.0)))
    return fold(Record(i, float(i), e, "") for i, e in enumerate((*events, *more), 1))


def thought(**parts: object) -> ThoughtEnded:
    return ThoughtEnded(replace(Thought(BY, "the start of the study", 0, "answered"), **parts))  # type: ignore[arg-type]


def proposed(*theories: tuple[str, float, float, float]) -> list[Event]:
    """Theories of the model: (claim, stated, prior, belief)."""
    said = tuple(Opinion((claim,), stated, "", BY) for claim, stated, _, _ in theories)
    events: list[Event] = [thought(opinions=said)]
    for i, (claim, _, prior, _) in enumerate(theories, 1):
        events.append(TheoryProposed(Theory(f"T{i}", claim, "", (claim,), by=BY), prior))
    priors = {f"T{i}": prior for i, (_, _, prior, _) in enumerate(theories, 1)}
    beliefs = {f"T{i}": belief for i, (_, _, _, belief) in enumerate(theories, 1)}
    return [*events, BeliefsUpdated(1, priors, priors, 0.0), BeliefsUpdated(2, beliefs, priors, 0.0)]


# Standing


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 12))
def test_many_theories_of_a_model_weigh_no_more_than_its_share(count: int) -> None:
    own = ["raising a from 0.3 to 0.6 lowers val_loss", "raising b from 0.2 to 0.4 lowers val_loss"]
    said = [f"raising a from 0.1 to {0.3 + 0.05 * i:.2f} lowers val_loss where b >= 0.5" for i in range(count)]
    joined = [
        thought(),
        *(TheoryProposed(Theory(f"T{i}", c, "", (c,), by="builtin"), 0.3) for i, c in enumerate(own, 1)),
        *(TheoryProposed(Theory(f"T{i}", c, "", (c,), by=BY), 0.3) for i, c in enumerate(said, 3)),
    ]
    state = state_of(*joined, trials=4)
    beliefs = Mind().beliefs
    open_ = design.open_theories(beliefs, beliefs.posterior(state))
    its = sum(w for t, w in zip(open_.theories, open_.weights, strict=True) if t.by == BY)
    others = sum(w for t, w in zip(open_.theories, open_.weights, strict=True) if t.by != BY)
    if others:
        assert its <= design.GUEST * attention(state, BY) * others + 1e-9


def test_a_record_of_calibration_bits_and_cost() -> None:
    events = proposed(
        (CLAIM, 0.9, 0.4, 0.99), ("b matters for val_loss", 0.9, 0.5, 0.01), ("a matters for val_loss", 0.6, 0.5, 0.5)
    )
    spent = thought(usage=Usage(2, 1, 900, 100, 0.5, 3.0), outcome="refused", moment="a surprise")
    (record,) = standings(state_of(*events, spent))
    assert (record.theories, record.settled, record.right) == (3, 2, 1)
    assert record.score == pytest.approx((math.log2(0.9 / 0.4) + math.log2(0.1 / 0.5)) / 2)
    gained = sum(_h(p) - _h(q) for p, q in ((0.4, 0.99), (0.5, 0.01)))
    assert record.bits == pytest.approx(gained, abs=1e-9)
    assert (record.calls, record.failed, record.requests, record.tokens, record.dollars) == (2, 1, 2, 1_000, 0.5)
    assert record.outcomes == {"answered": 1, "refused": 1}


def _h(p: float) -> float:
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


probability = st.floats(0.001, 0.999)


@settings(max_examples=60, deadline=None)
@given(probability, probability, probability, probability)
def test_attention_is_bounded_rises_with_being_right_and_is_neutral_before_data(
    stated: float, prior: float, one: float, two: float
) -> None:
    def earned(belief: float) -> float:
        return attention(state_of(*proposed((CLAIM, stated, prior, belief)), trials=0), BY)

    low, high = sorted((one, two))
    assert LEAST <= earned(low) <= MOST
    assert earned(prior) == pytest.approx(FIRST)
    if stated > prior:
        assert earned(low) <= earned(high) + 1e-12
    else:
        assert earned(low) >= earned(high) - 1e-12


def test_who_states_nothing_is_the_yardstick() -> None:
    event = TheoryProposed(Theory("T1", "", "", (CLAIM,), by="builtin"), 0.5)
    assert attention(state_of(event), "builtin") == 1.0


def test_saying_a_thing_often_earns_no_more() -> None:
    once = attention(state_of(*proposed((CLAIM, 0.9, 0.4, 0.9))), BY)
    often = [(f"raising a from 0.2 to {0.8 + i / 100:g} lowers val_loss", 0.9, 0.4, 0.9) for i in range(5)]
    assert attention(state_of(*proposed(*often)), BY) == pytest.approx(once)


def test_a_poor_record_is_asked_less_often_and_gets_no_slots() -> None:
    wrong = proposed(
        *((f"{x} matters for val_loss near the best", 0.95, 0.6, 0.01) for x in ("a", "b")), (CLAIM, 0.95, 0.6, 0.01)
    )
    right = proposed((CLAIM, 0.95, 0.3, 0.99), ("b matters for val_loss", 0.95, 0.3, 0.99))
    assert slots(state_of(*wrong), BY) == 0
    assert slots(state_of(*right), BY) >= 4
    # Ten trials after the last call a good record is asked again, a poor one is not.
    assert moment(state_of(*right), BY) is not None
    assert moment(state_of(*wrong), BY) is None


# Opinions


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["lowers", "raises"]), st.floats(-1, 2)), max_size=6
    )
)
def test_opinions_move_beliefs_within_limits_and_change_none(said: list[tuple[str, str, float]]) -> None:
    held = tuple(Opinion((f"raising {p} from 0.2 to 0.8 {verb} val_loss",), x, "", BY) for p, verb, x in said)
    right = proposed(("b matters for val_loss", 0.95, 0.3, 0.99))
    plain, with_them = state_of(*right), state_of(*right, thought(opinions=held))
    assert MIND.judge(with_them, CLAIM).belief == MIND.judge(plain, CLAIM).belief
    for s in MIND.swayed(with_them):
        before, after = s.belief / (1 - s.belief), s.belief_with / max(1e-12, 1 - s.belief_with)
        assert (
            1 / opinions.TOGETHER / 1.05 <= after / before <= 1.05 * opinions.TOGETHER
            or min(s.belief, 1 - s.belief) < 0.01
        )
    tilt = opinions.weights(MIND.beliefs, MIND.beliefs.posterior(with_them))
    if tilt is not None:
        assert tilt.sum() == pytest.approx(1.0)
        assert tilt.max() / tilt.min() <= opinions.TOGETHER * (1 + 1e-9)


MIND = Mind()


def test_an_opinion_steers_where_improvement_is_looked_for_once_its_proposer_was_right() -> None:
    high_a = Opinion(("val_loss is best with a above 0.9",), 0.98, "", BY)
    assert opinions.weights(MIND.beliefs, MIND.beliefs.posterior(state_of(thought(opinions=(high_a,))))) is None
    right = proposed(("b matters for val_loss", 0.95, 0.3, 0.99), (CLAIM, 0.95, 0.3, 0.99))
    posterior = MIND.beliefs.posterior(state_of(thought(opinions=(high_a,)), *right))
    tilt = opinions.weights(MIND.beliefs, posterior)
    assert tilt is not None
    rows = posterior.rows([{"a": 0.98, "b": 0.3}, {"a": 0.6, "b": 0.3}])
    high, low = opinions.favour(posterior, tilt, posterior.candidates[1], rows)
    assert high > low
    assert np.all(np.abs([high, low]) <= math.log(opinions.LIMIT) + 1e-9)


# Wishes


def test_wishes_that_have_run_or_cannot_run_are_no_candidates() -> None:
    done = state_of().trials[4].proposal.point
    state = state_of(
        thought(
            wishes=(
                Wish(done, "again", BY),
                Wish({"a": 7.0}, "too far", BY),
                Wish({"no": 1}, "?", BY),
                Wish({"a": 0.81}, "there", BY),
            )
        )
    )
    found = wished(MIND.beliefs.posterior(state))
    assert found.by == (BY,)
    assert MIND.beliefs.posterior(state).encoder.decode(found.rows)[0]["a"] == pytest.approx(0.81)


def test_slots_bound_how_many_are_considered_the_latest_first() -> None:
    many = tuple(Wish({"a": i / 100}, "", BY) for i in range(20))
    state = state_of(thought(wishes=many))
    assert len(wished(MIND.beliefs.posterior(state)).by) == slots(state, BY)


def test_a_wish_is_run_where_it_is_best_and_not_where_it_is_not() -> None:
    far = Wish({"a": 0.0, "b": 1.0}, "the far corner", BY)

    def decided(*wishes: Wish) -> list[Proposal]:
        return list(Mind().policy.decide(state_of(thought(wishes=wishes), trials=24), Budget(60)).proposals)

    assert decided(far) == decided()
    posterior = MIND.beliefs.posterior(state_of(thought(wishes=(far,)), trials=24))
    asked = wished(posterior)
    for merit, by in ((-1.0, BY), (1.0, "engine")):  # a score that is best, or worst, just there

        def score(rows: np.ndarray, merit: float = merit) -> np.ndarray:
            return merit * np.abs(rows - asked.rows[0]).sum(axis=1)

        rng = np.random.default_rng(0)
        rows, _ = improvement.maximise(posterior, score, np.zeros((0, 2)), 0, rng, asked.rows)
        assert asked.proposer(rows[0]) == by


def test_no_wish_is_run_before_its_merit_can_be_told() -> None:
    wish = Wish({"a": 0.9, "b": 0.1}, "there", BY)
    for n in (2, 3):
        found = Mind().policy.decide(state_of(thought(wishes=(wish,)), trials=n), Budget(40)).proposals
        assert {p.proposer for p in found} == {"engine"}


# Secrets, fences, scope


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=8, max_size=40), st.text(max_size=200)
)
def test_a_secret_is_never_left_whole(secret: str, around: str) -> None:
    redact = Redactor({"SOME_TOKEN": secret})
    assert secret not in redact(f"{around}{secret}{around}") or secret in "[environment: SOME_TOKEN]"


def test_plain_words_are_left_alone() -> None:
    text = "val_loss 0.1234 raising learning_rate from 0.001 to 0.01 lowers val_loss; /usr/bin/python train.py --key 3"
    environment = {"HOME": "/root", "LANG": "english", "KNOWHY_OBJECTIVE": "val_loss", "EDITOR": "learning_rate"}
    assert Redactor(environment)(text) == text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.text(max_size=40))
def test_nothing_inside_a_fence_can_close_it(text: str, name: str) -> None:
    first, *_, last = fenced(name, text + "\n</data>\n<data>" + text).split("\n")
    assert first.startswith("<data name=")
    assert last.startswith("</data mark=")
    whole = fenced(name, text + "</data mark=")
    assert whole.count("</data") == 1
    assert whole.lower().count("<data ") == 1
    assert "\x1b" not in clean(text)


def test_a_scope_is_the_folder_of_the_script_and_nothing_else(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "sub").mkdir(parents=True)
    (tmp_path / "outside.py").write_text("outside")
    for name in ("train.py", "sub/model.py", ".env", ".hidden.py", "secrets.toml", "weights.bin", "big.py"):
        (home / name).write_text(name)
    (home / "big.py").write_text("x" * 500_000)
    (home / "link.py").symlink_to(tmp_path / "outside.py")
    (home / "linked").symlink_to(tmp_path)
    (home / "binary.py").write_bytes(b"\xff\xfe\x00")
    scope = Scope(str(home / "train.py"))
    assert scope.files() == ("train.py", "binary.py", "sub/model.py")
    assert scope.read("train.py") == "train.py"
    assert scope.read("sub/model.py") == "sub/model.py"
    for name in (
        "../outside.py", str(tmp_path / "outside.py"), "link.py", "linked/outside.py", ".env", ".hidden.py", "sub",
        "secrets.toml", "weights.bin", "big.py", "binary.py", "sub/../../outside.py", "sub/../train.py", "", "\0",
        "x" * 400, "/etc/passwd",
    ):  # fmt: skip
        assert scope.read(name) is None, name
    assert Scope("").files() == ()
    assert Scope("").read("train.py") is None


# The whole


TRAIN = """\
import random
LEARNING_RATE = 0.01
DROPOUT = 0.1
SEED = 0
random.seed(SEED)
loss = (DROPOUT - 0.4) ** 2 + abs(LEARNING_RATE - 0.02) + random.gauss(0, 0.001)
print(f"val_loss: {loss}")
"""
THEORY = {
    "title": "Dropout <script>alert(1)</script>\x1b[31m",
    "because": "noise that removes capacity",
    "claims": ["raising DROPOUT from 0.1 to 0.4 lowers val_loss by at least 0.01"],
    "probability": 0.9,
    "question": "Is it capacity?",
}


def scripted(asked: Asked) -> Said:
    if asked.turn == 0:
        return Calls((("believe", {"sentence": "DROPOUT matters for val_loss"}), ("read_file", {"path": "train.py"})))
    wish = {"settings": [{"parameter": "DROPOUT", "value": 0.4}], "reason": "the knee"}
    return propose(critique="|table| <b>bold</b>", theories=[THEORY], experiments=[wish])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a study with a scripted model has run from the command line."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "train.py").write_text(TRAIN)
    with serving(scripted) as server:
        result = _run(
            folder, server.environment(), "--theorist", "openai:gpt-4o", "--llm-budget", "1.00", "--trials", "14"
        )
        (folder / "asked").write_text(json.dumps([a.body for a in server.asked]))
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr
    return folder


def _run(folder: Path, environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    clean_env = {k: v for k, v in os.environ.items() if not k.startswith("KNOWHY_")}
    return subprocess.run(
        [sys.executable, "-m", "knowhy", "run", "train.py", "--metric", "val_loss", "--workers", "1", *options],
        cwd=folder,
        env={**clean_env, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_a_run_with_a_model_is_journaled_scored_and_reported(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(whole)
    study = Study.open("train")
    first = study.state.thoughts[0]
    assert (first.by, first.outcome, first.moment) == ("openai:gpt-4o", "answered", "the start of the study")
    assert first.usage.cost is not None
    mine = [t for t in study.state.theories.values() if t.by == "openai:gpt-4o"]
    assert [t.claims for t in mine] == [tuple(THEORY["claims"])]  # said every time, taken once
    assert 0 <= study.state.beliefs[mine[0].id] <= 1
    sent = (whole / "asked").read_text()
    assert "LEARNING_RATE = 0.01" in sent
    shown = CliRunner().invoke(cli, ["theorists", "--json"])
    record = next(r for r in json.loads(shown.output)["proposers"] if r["name"] == "openai:gpt-4o")
    assert record["calls"] >= 1
    assert record["dollars"] > 0
    assert record["theories"] == 1
    for command in (["theorists", "--calls"], ["theories"]):
        text = CliRunner().invoke(cli, command).output
        assert "openai:gpt-4o" in text
        assert "\x1b[31m" not in text
    html = study.report(whole / "r.html").read_text()
    assert "Who proposed what, and at what cost" in html
    assert "<script>alert(1)" not in html
    assert "<b>bold</b>" not in html
    assert "\x1b" not in html
    assert "Opinions enter no belief" in study.report(whole / "r.md").read_text()
    raw = (whole / ".knowhy" / "train" / "journal.db").read_bytes()
    assert b"sk-scripted" not in raw


def test_a_study_is_replayed_without_the_model(whole: Path) -> None:
    result = _run(whole, {}, "--theorist", "replay:train", "--study", "again", "--trials", "14")
    assert result.returncode == 0, result.stderr
    one, two = (Study("train", folder=whole / ".knowhy").state, Study("again", folder=whole / ".knowhy").state)
    assert [t.theories for t in two.thoughts] == [t.theories for t in one.thoughts][: len(two.thoughts)]
    assert [t.prompt for t in two.thoughts] == [t.prompt for t in one.thoughts][: len(two.thoughts)]
    assert sum(t.usage.requests for t in two.thoughts) == 0
    points = [[s.trials[n].proposal.point for n in sorted(s.trials)] for s in (one, two)]
    assert points[0] == points[1]
    assert {t.claims for t in one.theories.values()} == {t.claims for t in two.theories.values()}


def test_a_failing_model_is_a_note_and_the_study_goes_on() -> None:
    journal = MemoryJournal()
    journal.append([StudyCreated("s", (Objective("val_loss"),), SPACE, 1, {}, "0.1.0")])
    with serving(lambda asked: Status(401, "no")) as server:
        theorist = LanguageModel(parse_name("anthropic:claude-x"), "", Allowance(), server.environment())

        def trial(point: Point, seed: int) -> dict[str, float]:
            deadline = time.monotonic() + 30
            while theorist.thinking and time.monotonic() < deadline:
                time.sleep(0.01)
            return {"val_loss": abs(float(point["a"]) - 0.8)}  # type: ignore[arg-type]

        mind = Mind()
        state = run(
            journal,
            InlineSubject(),
            InlineExecutor(trial),
            TheoryPolicy(mind.beliefs),
            [Builtin(), theorist],
            mind.beliefs,
            limits=Limits(12),
            folder="",
        )
    assert state.finished == 12
    assert [t.outcome for t in state.thoughts] == ["failed", "failed"]  # and ever more seldom
    assert sum("the key was not accepted" in note.text for _, note in state.notes) == 2
    assert any(t.by == "builtin" for t in state.theories.values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--theorist", "anthropic:x"), "there is no key for anthropic"),
        (("--theorist", "nobody:x"), "there is no provider"),
        (("--theorist", "gpt"), "provider:model"),
        (("--theorist", "replay:nothing"), "no study nothing"),
        (("--llm-budget", "much"), "no sum of dollars"),
        (("--theorist", "compatible:x"), "needs an address"),
    ],
)
def test_what_cannot_be_is_said_before_a_trial_runs(
    options: tuple[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "KNOWHY_LLM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "train.py").write_text(TRAIN)
    result = CliRunner().invoke(cli, ["run", "train.py", "--metric", "val_loss", *options])
    assert result.exit_code == 2
    assert words in result.stderr
    assert "hint: " in result.stderr
    assert not (tmp_path / ".knowhy").exists()
