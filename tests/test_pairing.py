"""Runs on one seed err alike: the share is found, and a patch that draws other numbers is told apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy.engine.encoding import Encoder
from knowhy.engine.fitting import Data, Target, covariances, fit
from knowhy.engine.kernels import Additive, Ard
from knowhy.engine.looks import looks
from knowhy.engine.mind import Mind
from knowhy.engine.pairing import Luck, known_seed, luck
from knowhy.engine.settling import next_repeat
from knowhy.engine.surrogate import condition, draw, moments
from knowhy.engine.switches import SwitchEffect
from knowhy.model.objective import Objective
from knowhy.model.observation import Failure, Observation
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Choices, Parameter, Point, Space
from knowhy.model.state import State
from knowhy.model.trial import Completed, Failed, Proposal
from knowhy.theorists.patches import Patches
from planted import minded

NAMES = tuple("abcdefgh")
SPACE = Space(tuple(Parameter(n, Choices((False, True)), False, PATCH_ROLE) for n in NAMES))
ENCODER = Encoder(SPACE, NAMES)
COLUMNS = tuple(s.start for s in ENCODER.slices)


def blocks(changed: dict[str, float], seeds: int, draw_of: int, noise: float = 0.2) -> Data:
    """The default and each patch alone on the same ``seeds``; ``changed`` is the share of the noise a patch changes."""
    rng = np.random.default_rng(draw_of)
    points = [frozenset[str](), *(frozenset(n) for n in NAMES)]
    shared = rng.standard_normal(seeds)
    rows, values, labels = [], [], []
    for p in points:
        share = max((changed.get(n, 0.02) for n in p), default=0.0)
        own = rng.standard_normal(seeds)
        for s in range(seeds):
            rows.append([float(n in p) for n in NAMES])
            values.append(noise * (np.sqrt(1 - share) * shared[s] + np.sqrt(share) * own[s]) + 0.3 * ("a" in p))
            labels.append(s)
    return Data(np.array(rows), np.array(values), seeds=np.array(labels))


def test_what_seeds_share_is_found_and_a_patch_that_draws_other_numbers_is_told_apart() -> None:
    kept = []
    for seed in range(30):
        found = luck(blocks({"h": 1.0}, 4, seed), COLUMNS)
        assert found is not None
        kept.append(found.kept)
    usual = np.median(kept, axis=0)
    assert usual[:-1].min() > 0.85
    assert usual[-1] < 0.45


def test_where_seeds_say_nothing_little_is_taken_to_be_shared() -> None:
    kept = [found.kept for s in range(30) if (found := luck(blocks(dict.fromkeys(NAMES, 1.0), 4, s), COLUMNS))]
    assert np.mean(kept) < 0.4


def test_nothing_is_said_where_nothing_tells() -> None:
    once = blocks({}, 1, 0)
    assert luck(once, COLUMNS) is None  # one seed: what it does to a difference cannot be seen
    assert luck(replace(blocks({}, 3, 0), seeds=None), COLUMNS) is None
    assert luck(blocks({}, 3, 0), ()) is None
    apart = blocks({}, 3, 0)
    assert luck(replace(apart, seeds=np.arange(len(apart))), COLUMNS) is None


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 3)), min_size=1, max_size=12),
    st.lists(st.floats(0, 1), min_size=8, max_size=8),
)
@settings(max_examples=60, deadline=None)
def test_correlations_are_a_covariance_and_end_with_the_seed(runs: list[tuple[int, int]], kept: list[float]) -> None:
    rows = np.array([[float(bits >> i & 1) for i in range(8)] for bits, _ in runs])
    seeds = np.array([s for _, s in runs])
    out = Luck(COLUMNS, np.array(kept))(Data(rows, np.zeros(len(runs)), seeds=seeds)).alike
    assert out is not None
    assert np.array_equal(out, out.T)
    assert np.all(np.diag(out) == 1.0)
    assert np.linalg.eigvalsh(out).min() > 0
    assert np.all(out[seeds[:, None] != seeds[None]] == 0.0)


def test_a_parameter_that_is_no_patch_leaves_nothing_in_common() -> None:
    data = Data(np.array([[0.0, 0.1], [1.0, 0.1], [1.0, 0.2]]), np.zeros(3), seeds=np.zeros(3, dtype=int))
    out = Luck((0,), np.array([0.9]))(data).alike
    assert out is not None
    assert out[0, 1] == pytest.approx(0.9 * 0.99)
    assert out[0, 2] == out[1, 2] == 0.0


def paired() -> Data:
    data = blocks({}, 2, 5)
    found = luck(data, COLUMNS)
    assert found is not None
    return replace(found(data), louder=np.linspace(0.5, 2.0, len(data)))


def test_the_gradient_and_the_curvature_of_a_fit_know_of_it() -> None:
    data = paired()
    rng = np.random.default_rng(1)
    for family in (Ard("smooth", ENCODER.slices), Additive(ENCODER.slices)):
        target = Target(family, data)
        theta = target.mean + 0.4 * target.sd * rng.standard_normal(len(target.mean))
        numeric = [(target(theta + 1e-5 * e)[0] - target(theta - 1e-5 * e)[0]) / 2e-5 for e in np.eye(len(theta))]
        assert target(theta)[1] == pytest.approx(numeric, rel=1e-4, abs=1e-5)
        k = covariances(family, theta[None], data, family.distances(data.rows, data.rows))[0]
        values = np.linalg.cholesky(k) @ rng.standard_normal((len(data), 300))
        total = 0.0
        first = np.eye(len(theta))[0]
        for one in values.T:
            at = Target(family, replace(data, values=one))
            total += (at(theta + 1e-4 * first)[1][0] - at(theta - 1e-4 * first)[1][0]) / 2e-4
        assert total / 300 == pytest.approx(target.curvature(theta)[0, 0], rel=0.15)


def test_the_covariance_of_runs_is_what_their_noise_is_drawn_from() -> None:
    data = replace(paired(), extra=np.r_[0.3, np.zeros(17)])
    drawn = data.noise(0.04, np.random.default_rng(2), 40_000)
    assert data.between is not None
    assert np.cov(drawn) == pytest.approx(0.04 * data.between + np.diag(data.variance(0.04)), abs=0.006)


def test_draws_have_the_moments() -> None:
    data = paired()
    family = Ard("smooth", ENCODER.slices)

    particles = condition([fit(family, data, None, np.random.default_rng(0))], [1.0], len(data), data)
    at = data.rows[:9]
    w, mean, var = moments(particles, data, at)
    middle = w @ mean
    drawn = draw(particles, data, 4096, 1)(at)
    assert drawn.mean(axis=0) == pytest.approx(middle, abs=0.02)
    assert drawn.std(axis=0) == pytest.approx(np.sqrt(w @ (var + mean**2) - middle**2), abs=0.02)


def test_parts_and_additions_keep_what_is_shared() -> None:
    data = paired()
    part = data.at(np.array([0, 1, 2]))
    assert data.alike is not None
    assert part.alike is not None
    assert np.array_equal(part.alike, data.alike[:3, :3])
    more = data.with_expected(np.zeros((2, 8)), np.zeros(2))
    assert more.alike is not None
    assert np.array_equal(more.alike[:-2, :-2], data.alike)
    assert np.array_equal(more.alike[-2:, -2:], np.eye(2))


# Seeds that trials run on


def completed(number: int, on: str, seed: int, loss: float, purpose: str = "learn") -> Completed:
    point = {n: n in on for n in NAMES}
    return Completed(Proposal(number, point, seed, purpose, ""), Observation({"loss": loss}, 0.1), 0.0)  # type: ignore[arg-type]


def state_of(*trials: Completed | Failed) -> State:
    by_number = {t.proposal.trial: t for t in trials}
    return State(
        "s",
        (Objective("loss"),),
        space=SPACE,
        trials=dict(by_number),
        order=list(by_number),
        next_trial=len(trials) + 1,
    )


def test_a_known_seed_is_one_that_the_default_ran_on_and_the_point_did_not() -> None:
    a: Point = {n: n == "a" for n in NAMES}
    first, second = completed(1, "", 11, 1.0), completed(2, "", 12, 1.0)
    failed = Failed(Proposal(3, dict(SPACE.defaults()), 13, "learn", ""), Failure("timeout", "", 0.0), 0.0)
    assert known_seed(state_of(), a) is None
    assert known_seed(state_of(first, second, failed), a) == 11
    assert known_seed(state_of(first, second, failed), a, turn=1) == 12
    assert known_seed(state_of(first, second, completed(3, "a", 11, 1.0)), a) == 12
    assert known_seed(state_of(first, completed(2, "a", 11, 1.0)), a) is None
    assert known_seed(state_of(first, second), SPACE.defaults()) is None
    imported = completed(1, "", 0, 1.0, "observe")
    assert known_seed(state_of(imported), a) is None  # nobody knows on which seed it ran


def test_runs_that_were_imported_without_a_seed_share_none() -> None:
    found = looks([completed(1, "", 0, 1.0, "observe"), completed(2, "a", 0, 1.0, "observe")], "loss")
    assert len({look.seed for look in found}) == 2
    told = looks([completed(1, "", 7, 1.0, "observe"), completed(2, "a", 7, 1.0)], "loss")
    assert {look.seed for look in told} == {7}


def effect(name: str) -> SwitchEffect:
    return SwitchEffect(name, "loss", 0.0, -1.0, 1.0, 0.5, 0.0, 0.5, 0.1)


class TestRepeats:
    BASE = (completed(1, "", 11, 1.0), completed(2, "", 12, 1.5))

    def wanted(self, *trials: Completed, names: str = "ab") -> str | None:
        point = next_repeat(state_of(*self.BASE, *trials), {n: effect(n) for n in names}, names)
        return None if point is None else next(n for n in NAMES if point[n] is True)

    def test_the_largest_difference_on_one_seed_comes_first(self) -> None:
        assert self.wanted(completed(3, "a", 11, 0.8), completed(4, "b", 11, 1.4)) == "b"

    def test_differences_are_between_runs_on_one_seed(self) -> None:
        # On its own seed b differs by nothing, although it is far from the mean of the default.
        assert self.wanted(completed(3, "a", 11, 0.8), completed(4, "b", 12, 1.5)) == "a"

    def test_who_has_run_on_fewer_seeds_comes_first(self) -> None:
        third = completed(6, "", 13, 1.0)
        seen = (completed(3, "a", 11, 0.2), completed(4, "a", 12, 0.7), completed(5, "b", 11, 0.8))
        assert self.wanted(*seen, third) == "b"
        assert self.wanted(*seen[:2], third, names="a") == "a"

    def test_what_shows_nothing_or_ran_on_every_seed_is_left(self) -> None:
        assert self.wanted(completed(3, "a", 11, 0.95)) is None
        assert self.wanted(completed(3, "a", 11, 0.2), completed(4, "a", 12, 0.7)) is None
        assert self.wanted() is None


# In a study


def study(shared: bool, seed: int) -> tuple[State, Mind]:
    gains = dict(zip(NAMES, (-2.5, -2.5, 2.5, 2.2, 0.0, 0.0, 0.0, 0.0), strict=True))

    def train(point: Point, seed: int) -> dict[str, float]:
        on = [n for n in NAMES if point[n] is True]
        # One patch that does nothing draws other numbers.
        key: list[int] = [seed, "h" in on] if shared else [seed, *(ord(n) for n in on)]
        value = sum(gains[n] for n in on) + float(np.random.default_rng(key).standard_normal())
        return {"loss": 1.0 + 0.01 * value}

    return minded(SPACE, train, 32, seed, [Patches()])


def _found(state: State, mind: Mind) -> tuple[int, int]:
    """How many of the four large effects are believed, with the right sign; how many of the others are."""
    alone, average = (mind.switches(state, NAMES, where) for where in ("default", "average"))
    helps = {n for n in NAMES if max(alone[n].helps, average[n].helps) > 0.95}
    hurts = {n for n in NAMES if max(alone[n].hurts, average[n].hurts) > 0.95}
    return len(helps & set("ab")) + len(hurts & set("cd")), len((helps - set("ab")) | (hurts - set("cd")))


def test_patches_are_sorted_sooner_where_seeds_are_shared_and_nothing_false_is_said_where_not() -> None:
    sorted_, false = zip(*(_found(*study(True, seed)) for seed in range(8)), strict=True)
    assert sum(sorted_) >= 30
    assert sum(false) <= 2
    _, false = zip(*(_found(*study(False, seed)) for seed in range(8)), strict=True)
    assert sum(false) <= 2


def test_the_first_trials_of_patches_run_on_the_seed_of_the_default() -> None:
    state, _ = study(True, 0)
    proposals = [state.trials[i].proposal for i in range(1, 11)]
    assert proposals[0].seed != proposals[1].seed
    assert {p.seed for p in proposals[2:]} == {proposals[0].seed}
    done = [(tuple(sorted(p.point.items())), p.seed) for p in (t.proposal for t in state.trials.values())]
    assert len(done) == len(set(done))
