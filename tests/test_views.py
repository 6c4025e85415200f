import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhy import views
from knowhy.errors import SentenceError, UsageError
from knowhy.model.controller import Controller
from knowhy.model.events import (
    BeliefsUpdated,
    Record,
    RunStarted,
    StudyCreated,
    TheoryProposed,
    TrialCompleted,
    TrialProposed,
)
from knowhy.model.objective import Constraint, Objective
from knowhy.model.observation import Observation
from knowhy.model.state import State, fold
from knowhy.model.theory import Theory
from knowhy.model.trial import Proposal
from knowhy.views import words
from report_story import SPACE, FromData, completed, records, story

MIND = FromData()


@pytest.fixture(scope="module")
def state():
    return story()


LOSS = (Objective("loss"),)


def tiny(values, objectives=LOSS, purposes=None, constraints=()):
    """A study of the default point with the given metrics, one trial each."""
    events = [
        StudyCreated("tiny", tuple(objectives), SPACE, 1, {}, "0", tuple(constraints)),
        RunStarted(len(values), None, 1, "random"),
    ]
    for i, metrics in enumerate(values, 1):
        purpose = purposes[i - 1] if purposes else "improve"
        events.append(TrialProposed(Proposal(i, {**SPACE.defaults(), "epochs": 5 + i}, i, purpose, "because")))
        events.append(TrialCompleted(i, Observation(metrics, 1.0)))
    return fold(Record(i, float(i), e, "") for i, e in enumerate(events, 1))


class TestOverview:
    def test_counts_agree_with_the_state(self, state):
        view = views.overview(state, MIND)
        assert (view.done, view.failed) == (len(state.completed), len(state.failed))
        assert sum(view.purposes.values()) == len(state.trials)
        assert sum(view.theories.values()) == view.considered == len(state.theories)
        assert view.exploratory == sum(t.after > 0 for t in state.theories.values()) == 3
        assert view.phase == "ended"
        assert view.reason == state.ended
        assert view.spent == state.spent > 0

    def test_a_running_study_has_spent_time_up_to_its_last_record(self):
        state = story(ended=False)
        assert views.overview(state, MIND).phase == "cut off"
        view = views.overview(state, MIND, Controller("here", 7, state.created, 1.0, True, True))
        assert (view.phase, view.running) == ("running", 1)
        gone = Controller("here", 7, state.created, 1.0, False, False)
        assert views.overview(state, MIND, gone).phase == "cut off"
        assert view.spent == pytest.approx(state.time - state.run_started)
        assert view.next[0].status == "running"
        assert view.next[0].trial == 901

    def test_improvement_comes_from_the_fresh_pairs(self, state):
        best = views.best(state, MIND)
        contrast = state.contrasts["C2"]
        arms = {a: t for t in state.completed for a in t.proposal.arms if a.contrast == contrast.id}
        treated = {a.pair: t.observation.metrics["val_loss"] for a, t in arms.items() if a.treatment}
        control = {a.pair: t.observation.metrics["val_loss"] for a, t in arms.items() if not a.treatment}
        gains = [control[p] - treated[p] for p in sorted(treated)]
        assert best.pairs == len(gains) == 5
        assert best.improvement == pytest.approx(sum(gains) / 5)
        assert best.fresh_value == pytest.approx(sum(treated.values()) / 5)
        assert best.improvement_low < best.improvement < best.improvement_high
        # Where the Bayes factor of five pairs reaches 20: wider than Student's 2.776, valid at every look.
        sd = math.sqrt(sum((g - best.improvement) ** 2 for g in gains) / 4)
        level = (20 * math.sqrt(6)) ** (2 / 5)
        reach = math.sqrt(4 * (level - 1) / (1 - level / 6))
        assert best.improvement_high - best.improvement == pytest.approx(reach * sd / math.sqrt(5), rel=1e-6)
        assert best.certified
        assert best.certificate.contrast == "C2"

    def test_improvement_is_positive_for_a_higher_maximised_metric(self, state):
        flipped = replace(state, objectives=(Objective("accuracy", "maximize"),))
        best = views.best(flipped, MIND)
        assert best.improvement > 0
        assert best.fresh_value > best.fresh_default

    def test_an_empty_study(self):
        view = views.overview(State(), MIND)
        assert (view.phase, view.best, view.done, view.next) == ("not started", None, 0, ())
        assert views.trials(State()) == views.theories(State()) == views.front(State()) == ()
        assert views.history(State()).best == ()


class TestTheories:
    @pytest.mark.parametrize(
        ("belief", "expected"),
        [
            (1.0, "supported"), (0.95, "supported"), (0.949, "leaning for"), (0.8, "leaning for"), (0.79, "open"),
            (0.21, "open"), (0.2, "leaning against"), (0.051, "leaning against"), (0.05, "refuted"), (0.0, "refuted"),
            (None, "open"),
        ],
    )  # fmt: skip
    def test_status(self, belief, expected):
        assert views.status(belief) == expected
        assert views.status(belief, certified=True) == "certified"

    def test_trend_is_the_journal(self, state):
        for view in views.theories(state):
            told = [(u.trial, u.beliefs[view.id]) for u in state.updates if view.id in u.beliefs]
            assert list(view.trend) == told
            assert view.belief == state.beliefs[view.id]
            assert view.prior == state.priors[view.id]

    def test_rivals_share_the_question(self, state):
        by_id = {v.id: v for v in views.theories(state)}
        assert by_id["T1"].rivals == ("T2", "T3")
        assert by_id["T9"].rivals == ()

    def test_certified_theory_names_its_pairs(self, state):
        view = next(v for v in views.theories(state) if v.id == "T1")
        assert view.status == "certified"
        (certificate,) = view.certificates
        assert (certificate.pairs, certificate.wins, certificate.e_value) == (6, 6, pytest.approx(24))
        assert [s.parameter for s in certificate.differing] == ["dropout"]

    def test_evidence_is_the_verdicts_with_what_was_predicted(self, state):
        found = views.explain(state, MIND, "t4")
        told = {u.trial: v.bayes_factor for u in state.updates for v in u.verdicts if v.theory == "T4"}
        listed = {e.trial: e for e in (*found.evidence_for, *found.evidence_against)}
        assert {n: e.bayes_factor for n, e in listed.items()}.items() <= told.items()
        assert len(listed) + found.neutral == len(told)
        assert [e.bayes_factor for e in found.evidence_for] == sorted(
            (e.bayes_factor for e in found.evidence_for), reverse=True
        )
        for e in found.evidence_for:
            stake = next(s for s in state.trials[e.trial].proposal.stakes if s.theory == "T4")
            assert e.if_true.middle == stake.if_true.mean
            assert e.belief_before == stake.belief
            if not e.failure:
                assert e.observed == completed(state, e.trial).observation.metrics["val_loss"]

    def test_scope_in_words(self, state):
        assert views.explain(state, MIND, "T1").claims[0].scope == "on average over typical settings"
        assert views.explain(state, MIND, "T9").claims[0].scope == ""

    def test_a_claim_that_cannot_be_judged_is_said_so(self, state):
        class Mute(FromData):
            def judge(self, state, sentence):
                raise SentenceError("there is no parameter dropout")

        found = views.explain(state, Mute(), "T1")
        assert found.claims[0].judgement is None
        assert "dropout" in found.claims[0].problem
        assert views.questions(state, Mute())[0].bits == 0

    def test_unknown_theory(self, state):
        with pytest.raises(UsageError, match="T99") as caught:
            views.explain(state, MIND, "T99")
        assert "T1" in caught.value.hint

    def test_questions_hold_only_what_is_not_settled_and_are_ranked(self, state):
        found = views.questions(state, MIND)
        status = {v.id: v.status for v in views.theories(state)}
        assert {t for q in found for t in q.theories} == {
            t for t, s in status.items() if s in ("open", "leaning for", "leaning against")
        }
        rates = [q.bits_per_minute for q in found]
        assert rates == sorted(rates, reverse=True)
        assert found[0].bits_per_minute == pytest.approx(60 * found[0].bits / found[0].cost)


class TestTrials:
    def test_rows_are_the_journal(self, state):
        rows = views.trials(state)
        assert [r.number for r in rows] == sorted(state.trials)
        bits = {u.trial: u.bits for u in state.updates}
        for row in rows:
            proposal = state.trials[row.number].proposal
            assert (row.reason, row.seed, row.expected_bits) == (proposal.reason, proposal.seed, proposal.expected_bits)
            assert row.gained_bits == bits[row.number]
            assert row.predicted.low < row.predicted.middle < row.predicted.high
            for setting in row.changed:
                assert proposal.point[setting.parameter] == setting.value != setting.default
            assert (row.value is None) == (row.failure is not None)

    def test_failures_by_kind(self, state):
        found = views.failures(state)
        assert sum(f.count for f in found) == len(state.failed)
        assert found[0].count == max(f.count for f in found)
        assert all(e.failure.kind == f.kind for f in found for e in f.examples)

    def test_surprises_are_beyond_the_bound(self, state):
        found = views.surprises(state)
        told = {u.trial: u.surprise for u in state.updates if u.surprise is not None and abs(u.surprise) > 2.5}
        assert {s.trial: s.size for s in found} == told != {}

    def test_changes_say_when_and_why(self, state):
        assert [(c.parameter, c.change, c.after) for c in views.changes(state)] == [
            ("label_smoothing", "opened", 11),
            ("learning_rate", "widened", 14),
        ]

    def test_history_of_the_best(self):
        losses = [3.0, 2.0, 2.5, 1.0]
        past = views.history(tiny([{"loss": x} for x in losses]))
        assert [p.raw for p in past.best] == [3.0, 2.0, 2.0, 1.0]
        assert {p.verified for p in past.best} == {None}

    def test_verified_best_is_a_mean_of_at_least_two_runs_made_to_verify(self, state):
        past = views.history(state)
        verified = [p for p in past.best if p.verified is not None]
        runs = [
            t.observation.metrics["val_loss"]
            for t in state.completed
            if t.proposal.purpose == "verify" and t.proposal.point == state.contrasts["C2"].treatment
        ]
        assert len(runs) == 5
        assert verified[-1].verified == pytest.approx(sum(runs) / 5)
        assert verified[-1].raw <= min(runs)

    def test_constraints_bind_the_best_and_the_front(self):
        state = tiny(
            [{"loss": 1.0, "size": 9.0}, {"loss": 2.0, "size": 3.0}], constraints=[Constraint("size", "<=", 5)]
        )
        assert [p.raw for p in views.history(state).best] == [2.0]
        assert [r.number for r in views.front(state)] == [2]

    def test_beliefs_count_ended_trials_in_the_order_of_the_journal(self):
        theory = Theory("T1", "t", "b", ("c",))
        base = tiny([{"loss": 1.0}, {"loss": 2.0}])
        more = [
            TheoryProposed(theory, 0.5),
            BeliefsUpdated(2, {"T1": 0.6}, {}, 0.0),
            BeliefsUpdated(1, {"T1": 0.7}, {}, 0.0),
        ]
        state = replace(fold((Record(10 + i, 0.0, e, "") for i, e in enumerate(more)), base), order=[2, 1])
        points = [(p.ended, p.trial, p.belief) for p in views.history(state).beliefs]
        assert points == [(0, None, 0.5), (1, 2, 0.6), (2, 1, 0.7)]

    @given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25))
    def test_front_is_the_pareto_set(self, pairs):
        objectives = (Objective("a"), Objective("b", "maximize"))
        state = tiny([{"a": float(a), "b": float(b)} for a, b in pairs], objectives)
        kept = [(r.values["a"], r.values["b"]) for r in views.front(state)]

        def beats(one, two):
            return one != two and one[0] <= two[0] and one[1] >= two[1]

        best = {p for p in pairs if not any(beats(q, p) for q in pairs)}
        assert {(int(a), int(b)) for a, b in kept} == best
        assert len(kept) == len(best)


class TestCalibration:
    @pytest.mark.parametrize(
        ("trials", "inside_50", "inside_90", "expected", "gained", "verdict"),
        [
            (40, 0.5, 0.9, 5, 4.5, "good"),
            (40, 0.5, 0.7, 5, 4.5, "too sure"),
            (40, 0.2, 0.9, 5, 4.5, "too sure"),
            (40, 0.9, 1.0, 5, 4.5, "too careful"),
            (40, 0.5, 0.9, 5, 1.0, "too sure"),
            (6, 0.0, 0.1, 5, 1.0, "too early to say"),
        ],
    )
    def test_verdict(self, trials, inside_50, inside_90, expected, gained, verdict):
        class Says(FromData):
            def calibration(self, state):
                return replace(super().calibration(state), trials=trials, inside_50=inside_50, inside_90=inside_90,
                               expected_bits=expected, gained_bits=gained)  # fmt: skip

        assert views.calibration(State(objectives=(Objective("a"),)), Says()).verdict == verdict


class TestJson:
    def test_every_view_is_json(self, state):
        parts = [
            views.overview(state, MIND), views.theories(state), views.explain(state, MIND, "T1"), views.trials(state),
            views.questions(state, MIND), views.history(state), views.surprises(state), views.changes(state),
            views.failures(state), views.front(state),
        ]  # fmt: skip
        for part in parts:
            json.dumps(views.as_json(part), allow_nan=False)

    def test_numbers_that_json_lacks_become_null(self):
        assert views.as_json({"a": math.inf, "b": (math.nan, 1.5), "c": None}) == {
            "a": None,
            "b": [None, 1.5],
            "c": None,
        }


class TestWords:
    @pytest.mark.parametrize(
        ("value", "noise", "expected"),
        [
            (0.12344, 0.0021, "0.1234 ± 0.0021"), (12345.0, 230.0, "12340 ± 230"), (0.5, None, "0.5"),
            (2e-7, 3e-8, "(2.00 ± 0.30)e-7"), (-0.0004, 0.02, "0.000 ± 0.020"), (0.5, math.nan, "0.5"),
        ],
    )  # fmt: skip
    def test_digits_follow_the_noise(self, value, noise, expected):
        assert words.plus_minus(value, noise) == expected

    @pytest.mark.parametrize(
        ("duration", "expected"),
        [
            (0.0421, "0.042 s"), (1.0, "1.0 s"), (9.96, "10 s"), (59.7, "1 min 00 s"), (200, "3 min 20 s"),
            (7500, "2 h 05 min"), (math.inf, "–"),
        ],
    )  # fmt: skip
    def test_seconds(self, duration, expected):
        assert words.seconds(duration) == expected

    @pytest.mark.parametrize(
        ("share", "expected"), [(0.0, "<1%"), (1.0, ">99%"), (0.5, "50%"), (0.994, "99%"), (None, "–")]
    )
    def test_percent_never_claims_certainty(self, share, expected):
        assert words.percent(share) == expected

    @pytest.mark.parametrize(
        ("factor", "expected"),
        [
            (2.9, "not worth more than a bare mention"), (1 / 2.9, "not worth more than a bare mention"),
            (19, "positive evidence for"), (1 / 30, "strong evidence against"), (151, "very strong evidence for"),
            (0.0, "very strong evidence against"), (math.inf, "very strong evidence for"),
        ],
    )  # fmt: skip
    def test_bayes_factor_words(self, factor, expected):
        assert words.strength(factor) == expected

    @given(st.floats(0, 1), st.floats(0, 1))
    def test_bayes_factors_are_finite_and_invert(self, prior, belief):
        ratio = words.bayes_factor(prior, belief)
        assert 0 < ratio < math.inf
        assert words.bayes_factor(belief, prior) == pytest.approx(1 / ratio)

    def test_intervals_over_magnitudes_keep_their_small_end(self):
        assert words.estimate(0.0123, 0.0003, 3.0) == "0.012 (90%: 0.0003 to 3)"
        assert words.between(0.241, 0.259) == "0.2410 to 0.2590"

    @given(st.floats(allow_nan=True, allow_infinity=True), st.none() | st.floats(allow_nan=True, allow_infinity=True))
    def test_any_number_can_be_written(self, value, noise):
        assert words.number(value, noise)
        assert words.seconds(abs(value))
        assert words.percent(value)


def test_the_story_is_the_same_every_time():
    assert records() == records()
