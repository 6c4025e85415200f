import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from knowhy import views
from knowhy.model.belief import Calibration
from knowhy.model.events import (
    BeliefsUpdated,
    NoteAdded,
    Record,
    RunStarted,
    StudyCreated,
    TheoryProposed,
    TrialCompleted,
    TrialFailed,
    TrialProposed,
)
from knowhy.model.objective import Objective
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import Space, choice, real
from knowhy.model.state import State, fold, foreseen
from knowhy.model.theory import Theory
from knowhy.model.trial import Proposal
from knowhy.reports import figures, write_html, write_markdown
from knowhy.reports.blocks import Figures, Fold
from knowhy.reports.document import document
from knowhy.reports.html import LIBRARIES, policy, script_json
from knowhy.reports.spans import anchor, clean
from report_story import SPACE, FromData, completed, records, story

GOLDEN = Path(__file__).parent / "golden" / "report.md"
MIND = FromData()
EVIL = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    "\x1b[31mred\x1b[0m\u202e & | `x` [a](javascript:1) *b* \u2028 \"q\" \\\\ 's' a.b[c]"
)


class Page(HTMLParser):
    """Elements, attributes and the texts of scripts; checks that what is opened is closed."""

    EMPTY = frozenset(("meta", "input", "br", "img", "link", "line", "polyline", "circle"))

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.stack, self.tags, self.ids, self.links, self.scripts, self.handlers = [], [], [], [], [], []
        self.text = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.handlers += [name for name in found if name.startswith("on")]
        if tag == "script":
            self.scripts.append("")
        if tag not in self.EMPTY:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "script":
            self.scripts[-1] += data
        else:
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def state():
    return story()


@pytest.fixture(scope="module")
def page(state):
    return Page(write_html(state, MIND, journal="study/journal.db"))


def charts(page):
    return {c["id"]: c["spec"] for c in json.loads(page.scripts[0])}


def study(trials, objectives=(("loss", "minimize"),), space=SPACE, name="s", subject=None):
    """A study in which each trial's outcome is given."""
    events = [
        StudyCreated(name, tuple(Objective(*o) for o in objectives), space, 1, subject or {}, "0.1.0"),
        RunStarted(9, None, 1, "theory"),
    ]
    for i, outcome in enumerate(trials, 1):
        events.append(TrialProposed(Proposal(i, space.defaults(), i, "learn", f"reason {i}")))
        ended = TrialFailed(i, outcome) if isinstance(outcome, Failure) else TrialCompleted(i, outcome)
        events.append(ended)
    return fold(Record(i, float(i), e, "") for i, e in enumerate(events, 1))


class TestGolden:
    def test_markdown_is_stable(self, state):
        """Renew on purpose with: python tests/test_reports.py."""
        assert write_markdown(state, MIND, journal="study/journal.db") == GOLDEN.read_text(encoding="utf-8")

    def test_html_is_the_same_every_time(self, state):
        assert write_html(state, MIND) == write_html(story(), FromData())


class TestPage:
    def test_is_whole_and_every_link_leads_somewhere(self, page):
        assert page.stack == []
        assert len(page.ids) == len(set(page.ids))
        assert {link[1:] for link in page.links} <= set(page.ids)
        assert all(link.startswith("#") for link in page.links)

    def test_needs_nothing_from_outside(self, page):
        assert not [a for _, a in page.tags if "src" in a]
        assert not [t for t, _ in page.tags if t in ("link", "iframe", "object", "base", "form")]
        assert "@import" not in page.words
        own = [s for s in page.scripts if "vega" not in s[:400]]
        assert not [s for s in own if "fetch(" in s or "XMLHttpRequest" in s]

    def test_only_its_own_scripts_may_run(self, page):
        content = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
        assert content == policy(page.scripts[1:])
        assert "unsafe-eval" not in content
        assert "'unsafe-inline'" not in content.split("style-src")[0]
        assert content.startswith("default-src 'none'")
        assert len(page.scripts) == 1 + len(LIBRARIES) + 1

    def test_every_chart_has_a_place_and_a_description(self, page):
        places = [a["data-chart"] for t, a in page.tags if "data-chart" in a]
        assert sorted(places) == sorted(charts(page))
        assert all(spec["description"] for spec in charts(page).values())

    def test_every_trial_and_theory_has_its_place(self, page, state):
        assert {f"trial-{n}" for n in state.trials} <= set(page.ids)
        assert {anchor(t) for t in state.theories} <= set(page.ids)

    def test_tables_have_headers(self, page):
        heads = [a for t, a in page.tags if t == "th"]
        assert heads
        assert all(a.get("scope") in ("col", "row") for a in heads)

    def test_the_answer_stands_first_and_is_verified(self, page):
        start = page.words.index("The best configuration")
        assert start < page.words.index("Best against default", start)
        assert "This is certified by 5 pairs of fresh runs (e-value 21)" in page.words

    def test_refuted_theories_get_the_same_room(self, page):
        for theory in ("T1", "T2"):
            card = next(i for i, (t, a) in enumerate(page.tags) if a.get("id") == anchor(theory))
            until = next((i for i in range(card + 1, len(page.tags)) if page.tags[i][0] == "article"), None)
            kinds = {a.get("class") for _, a in page.tags[card:until]}
            assert {"because", "claims", "belief", "about", "evidence"} <= kinds

    def test_questions_with_an_answer_come_before_open_ones(self):
        def after(*beliefs):
            theories = [Theory(f"T{i}", "t", "b", (), f"Question {i}") for i in range(1, 4)]
            joined = [TheoryProposed(t, 0.5, b) for t, b in zip(theories, beliefs, strict=True)]
            state = foreseen(study([Observation({"loss": 1.0}, 1.0)]), joined)
            return re.findall("### Question (.)", write_markdown(state, MIND))

        assert after(0.5, 0.9, 0.99) == ["3", "2", "1"]
        assert after(0.01, 0.5, 0.1) == ["1", "3", "2"]
        assert after(0.5, 0.5, 0.5) == ["1", "2", "3"]

    def test_rows_beyond_the_first_are_held_back(self):
        many = study([Observation({"loss": 1 + i / 1000}, 1.0) for i in range(450)])
        found = Page(write_html(many, MIND))
        rows = [a for t, a in found.tags if t == "tr" and a.get("id", "").startswith("trial-")]
        assert len(rows) == 450
        assert sum(a.get("class") == "later" for a in rows) == 250


class TestFiguresAreTheJournal:
    def values(self, spec):
        return [layer["data"]["values"] for layer in spec["layer"] if "data" in layer]

    def test_history(self, page, state):
        points = next(v for v in self.values(charts(page)["history"]) if v and "purpose" in v[0])
        assert {p["trial"]: p["value"] for p in points} == {
            t.proposal.trial: t.observation.metrics["val_loss"] for t in state.completed
        }
        crosses = next(v for v in self.values(charts(page)["history"]) if v and "kind" in v[0])
        assert {c["trial"]: c["kind"] for c in crosses} == {t.proposal.trial: t.failure.kind for t in state.failed}

    def test_beliefs(self, page, state):
        points = [p for v in self.values(charts(page)["beliefs"]) for p in v if "theory" in p]
        told = {(u.trial, name): b for u in state.updates for name, b in u.beliefs.items()}
        drawn = {(p["trial"], p["theory"]): p["belief"] for p in points if p["trial"] is not None}
        assert drawn == told
        assert {p["theory"]: p["belief"] for p in points if p["trial"] is None} == state.priors

    def test_effects(self, page, state):
        for effect in MIND.effects(state, "val_loss"):
            spec = charts(page)[f"effect-val_loss-{effect.parameter}"]
            assert [v["mean"] for v in spec["data"]["values"]] == list(effect.mean)
            assert [(v["low"], v["high"]) for v in spec["data"]["values"]] == list(
                zip(effect.low, effect.high, strict=True)
            )

    def test_information_adds_up(self, page, state):
        sums = charts(page)["information-total"]["data"]["values"]
        scored = [u.bits for u in state.updates if state.trials[u.trial].proposal.expected_bits > 0]
        assert sums[-1]["bits"] == pytest.approx(sum(scored))
        assert sums[-2]["bits"] == pytest.approx(sum(t.proposal.expected_bits for t in state.trials.values()))

    def test_duration(self, page, state):
        for point in charts(page)["duration"]["data"]["values"]:
            seen = completed(state, point["trial"]).observation
            assert (point["seconds"], point["value"]) == (seen.duration, seen.metrics["val_loss"])

    def test_fresh_runs(self, page, state):
        runs = next(v for v in self.values(charts(page)["fresh"]) if "pair" in v[0])
        best = views.best(state, MIND)
        assert [r["value"] for r in runs if r["which"] == "best"] == list(best.fresh)
        assert [r["value"] for r in runs if r["which"] == "default"] == list(best.default_fresh)

    def test_values_far_apart_stand_on_a_log_scale(self):
        for values, expected in (([1.0, 3.0], None), ([1.0, 30.0], "log"), ([-1.0, 30.0], None)):
            state = study([Observation({"loss": v}, 1.0) for v in values])
            found = figures.history(views.trials(state), views.history(state), state.objective, None)
            assert found.spec["layer"][0]["encoding"]["y"]["scale"].get("type") == expected
            assert ("log scale" in found.caption) == (expected == "log")

    def test_only_the_theories_that_moved_most_are_drawn(self):
        theories = [Theory(f"T{i}", "t", "b", ("c",)) for i in range(40)]
        events = [TheoryProposed(t, 0.5) for t in theories]
        events.append(BeliefsUpdated(1, {t.id: 0.5 + i / 100 for i, t in enumerate(theories)}, {}, 0.0))
        state = fold(
            (Record(9 + i, 0.0, e, "") for i, e in enumerate(events)), study([Observation({"loss": 1.0}, 1.0)])
        )
        figure = figures.beliefs(views.theories(state), views.history(state))
        drawn = {v["theory"] for v in figure.spec["layer"][1]["data"]["values"]}
        assert drawn == {f"T{i}" for i in range(28, 40)}
        assert "12 of 40" in figure.caption

    def test_categories_are_drawn_as_points_with_bars(self):
        space = Space((choice("kind", ["a", "b"], "a"),))
        known = FromData().effects(story(), "val_loss")[0]
        effect = replace(known, parameter="kind", values=("a", "b"), mean=(1.0, 2.0), low=(0.5, 1.5), high=(1.5, 2.5))
        figure = figures.effect(effect, space["kind"], (0.5, 2.5))
        assert [layer["mark"]["type"] for layer in figure.spec["layer"]] == ["rule", "point"]
        assert [v["setting"] for v in figure.spec["data"]["values"]] == ["a", "b"]


class TestUntrustedText:
    @pytest.fixture
    def evil(self):
        name = "p</script><b>"  # parameter names have no blanks or quotes, and may have anything else
        space = Space((real(name, 0, 1, 0.5), choice("c", [EVIL, "b"], EVIL)))
        failure = Failure("exit", EVIL, 1.0, EVIL, 1)
        state = study(
            [Observation({EVIL: 1.0}, 1.0), failure], [(EVIL, "minimize")], space, EVIL, {"path": EVIL, EVIL: EVIL}
        )
        theory = Theory(EVIL, EVIL, EVIL, (EVIL,), EVIL, EVIL, EVIL, 1)
        more = [
            TrialProposed(Proposal(3, {name: 0.7, "c": "b"}, 3, "learn", EVIL, EVIL)),
            TrialCompleted(3, Observation({EVIL: 2.0}, 1.0)),
            TheoryProposed(theory, 0.5),
            BeliefsUpdated(1, {EVIL: 0.7}, {}, 0.1, 4.0),
            NoteAdded(EVIL, EVIL, 1),
        ]
        return fold((Record(50 + i, 0.0, e, "") for i, e in enumerate(more)), state)

    def test_in_html_it_is_only_text(self, evil):
        text = write_html(evil, MIND, journal=EVIL)
        found = Page(text)
        assert found.stack == []
        assert not found.handlers
        assert not [t for t, _ in found.tags if t in ("img", "b")]
        assert len(found.scripts) == 1 + len(LIBRARIES) + 1
        assert "alert(1)" in found.words
        assert not [link for link in found.links if not link.startswith("#")]
        for forbidden in ("\x1b", "\u202e"):
            assert forbidden not in text

    def test_in_markdown_it_is_only_text(self, evil):
        text = write_markdown(evil, MIND, journal=EVIL)
        assert "\x1b" not in text
        prose = re.sub(r"(?ms)^(```+)text$.*?^\1$", "", text)
        prose = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", prose)
        assert not re.search(r"(?<!\\)<", prose)
        assert not re.search(r"(?<!\\)\[a(?<!\\)\]\(", prose)
        for line in prose.splitlines():
            if line.startswith("| ") and "---" not in line and "alert" in line:
                assert line.endswith(" |")

    def test_tables_in_markdown_keep_their_columns(self, evil):
        width = None
        for line in write_markdown(evil, MIND).splitlines():
            if not line.startswith("| "):
                width = None
                continue
            cells = len(re.findall(r"(?<!\\)\|", line))
            assert width in (None, cells), line
            width = cells

    def test_json_in_a_script_cannot_end_it(self):
        text = script_json({"a": EVIL, "b": "<!--"})
        assert not set("<>&\u2028\u2029") & set(text)
        assert json.loads(text) == {"a": EVIL, "b": "<!--"}

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("\x1b[1;31mred\x1b[0m", "red"), ("\x1b]0;title\x07x", "x"), ("a\rb", "a\nb"), ("a\x00b\u202ec\tü", "abc\tü")],
    )
    def test_terminal_escapes_are_dropped(self, text, expected):
        assert clean(text) == expected

    def test_anchors_are_distinct_and_plain(self):
        names = ["T1", "T 1", "T_1", "T<1", "T_3c_1"]
        anchors = [anchor(n) for n in names]
        assert all(re.fullmatch(r"[A-Za-z0-9_-]+", a) for a in anchors)
        assert len(set(anchors)) == len(names)


class TestUnusualStudies:
    @pytest.mark.parametrize("write", [write_html, write_markdown])
    def test_empty(self, write):
        assert "No trial has completed yet" in write(State(), MIND)

    @pytest.mark.parametrize("write", [write_html, write_markdown])
    def test_before_the_first_trial(self, write):
        assert "No trial has completed yet" in write(study([]), MIND)

    @pytest.mark.parametrize("write", [write_html, write_markdown])
    def test_only_failures(self, write):
        text = write(
            study([Failure("nan", "loss is NaN", 1.0, "tail of the log"), Failure("exit", "code 3", 2.0, "", 3)]), MIND
        )
        assert "all 2 trials that ended failed" in text
        assert "tail of the log" in text
        assert "exit code 3" in text

    def test_one_trial(self):
        text = write_markdown(study([Observation({"loss": 0.25}, 1.0)]), MIND)
        assert "Nothing was found that beats the default" in text
        assert "too early to say" in text
        assert Page(write_html(study([Observation({"loss": 0.25}, 1.0)]), MIND)).stack == []

    def test_several_objectives(self):
        seen = [(1.0, 9.0), (2.0, 5.0), (3.0, 6.0)]
        state = study(
            [Observation({"loss": a, "size": b}, 1.0) for a, b in seen], [("loss", "minimize"), ("size", "minimize")]
        )
        found = Page(write_html(state, MIND))
        drawn = charts(found)["front"]["data"]["values"]
        kinds = {kind: {p["trial"] for p in drawn if p["kind"] == kind} for kind in {p["kind"] for p in drawn}}
        assert kinds == {"single run": {1, 2, 3}, "may be on the front": {1, 2}}
        assert "Trade-offs between the objectives" in write_markdown(state, MIND)

    def test_a_study_that_goes_on_says_so(self):
        text = write_markdown(fold(records(ended=False)), MIND)
        assert "The study has not ended" in text
        assert "\\#901 (running)" in text

    def test_unverified_and_certified_are_told_apart(self):
        early = fold(records(verify=0))
        assert "This is not verified: no fresh runs" in write_markdown(early, MIND)

    def test_fresh_runs_that_show_nothing_are_admitted(self, state):
        class Unlucky(FromData):
            def incumbent(self, state):
                return replace(
                    super().incumbent(state), fresh=(0.3, 0.2), default_fresh=(0.2, 0.3), certified=False, better=0.5
                )

        assert "do not show that it is better than the default" in write_markdown(state, Unlucky())

    def test_bad_calibration_is_said_aloud(self, state):
        class Off(FromData):
            def calibration(self, state):
                return Calibration(40, 0.2, 0.5, 5.0, 4.0)

        assert "> Verdict: too sure" in write_markdown(state, Off())
        assert 'class="warning"' in write_html(state, Off())

    def test_quick_with_two_thousand_trials(self):
        many = study([Observation({"loss": 1 + (i * 37 % 101) / 100}, 1.0) for i in range(2000)])
        text = write_html(many, MIND)
        assert len(text) < 3_500_000


def test_the_document_holds_the_parts_in_order(state):
    found = document(state, MIND)
    assert [s.id for s in found.sections] == [
        "answer", "best", "theories", "surprises", "space", "effects", "history", "calibration", "proposers",
        "questions", "trials", "failures", "reproduce",
    ]  # fmt: skip
    blocks = [b for s in found.sections for b in s.blocks]
    ids = [f.id for b in blocks if isinstance(b, Figures) for f in b.figures]
    assert len(ids) == len(set(ids))
    assert any(isinstance(b, Fold) for b in blocks)


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(write_markdown(story(), FromData(), journal="study/journal.db"), encoding="utf-8")
