"""Certification: what a stream of fresh pairs may and may not conclude, whatever the noise looks like."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhy.engine.encoding import Array
from knowhy.engine.evidence import ALPHA, BOLD, certify, interval, needed, sign_e_value, weigh
from knowhy.model.trial import Contrast, Evidence

PATHS, PAIRS = 4000, 40

Noise = Callable[[np.random.Generator, tuple[int, int]], Array]


def _skew_symmetric(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Two exchangeable arms of a skewed noise: their difference is symmetric."""
    return np.asarray(rng.exponential(size=shape) ** 2 - rng.exponential(size=shape) ** 2)


def _median_zero(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Skewed, with a median of zero and a mean that is not."""
    return np.asarray(rng.lognormal(sigma=1.0, size=shape) - 1.0)


def _changing(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """A spread that differs from pair to pair by a factor of up to a hundred."""
    return np.asarray(rng.standard_normal(shape) * 10.0 ** rng.uniform(-1, 1, shape))


NOISES: dict[str, Noise] = {
    "gaussian": lambda rng, shape: np.asarray(rng.standard_normal(shape)),
    "t2": lambda rng, shape: np.asarray(rng.standard_t(2, shape)),
    "heteroscedastic": _changing,
    "skew-symmetric": _skew_symmetric,
    "skewed with median zero": _median_zero,
}


def _table(bold: float) -> Array:
    """E-values by wins and losses."""
    return np.array([[sign_e_value(w, n, bold) for n in range(PAIRS + 1)] for w in range(PAIRS + 1)])


TABLES = {bold: _table(bold) for bold in (0.0, BOLD)}


def _paths(differences: Array, bold: float = 0.0) -> Array:
    """The e-process along each path (paths by pairs)."""
    wins = np.cumsum(differences > 0, axis=1)
    losses = np.cumsum(differences < 0, axis=1)
    return np.asarray(TABLES[bold][wins, losses])


@pytest.mark.parametrize("bold", TABLES)
@pytest.mark.parametrize("noise", NOISES)
def test_without_an_effect_few_paths_ever_reach_twenty(noise: str, bold: float) -> None:
    e = _paths(NOISES[noise](np.random.default_rng(1), (PATHS, PAIRS)), bold)
    assert np.mean(e.max(axis=1) >= 1 / ALPHA) <= ALPHA  # theory: at most 0.05; the process gets about 0.03
    # stopped at the first time above 5, or at the end: the expectation stays at most one
    stop = np.where((e >= 5).any(axis=1), np.argmax(e >= 5, axis=1), PAIRS - 1)
    assert np.mean(e[np.arange(PATHS), stop]) <= 1.0 + 3.0 * np.std(e[np.arange(PATHS), stop]) / np.sqrt(PATHS)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.floats(0.0, 0.5), st.floats(0.0, 1.0))
def test_one_more_pair_is_not_expected_to_raise_the_e_value(wins: int, losses: int, chance: float, bold: float) -> None:
    """The supermartingale property, exactly: under any chance of a win up to one half, however the bet is spread."""
    now = sign_e_value(wins, losses, bold)
    ahead = chance * sign_e_value(wins + 1, losses, bold) + (1 - chance) * sign_e_value(wins, losses + 1, bold)
    assert ahead <= now * (1 + 1e-12)
    assert sign_e_value(0, 0, bold) == pytest.approx(1.0)


def test_ties_are_worth_nothing_either_way() -> None:
    pairs = [(0.5, 0.5)] * 10 + [(0.4, 0.5)] * 6
    found = weigh(_contrast(), pairs)
    assert found.e_value == pytest.approx(sign_e_value(6, 0))
    assert found.pairs == 16


def test_a_treatment_that_fails_counts_against_its_claim() -> None:
    pairs: list[tuple[float | None, float]] = [(0.4, 0.5)] * 6 + [(None, 0.5)] * 2
    found = weigh(_contrast(), pairs)
    assert (found.pairs, found.wins, len(found.differences)) == (8, 6, 6)
    assert found.e_value == pytest.approx(sign_e_value(6, 2))


def test_a_treatment_that_crashes_when_it_does_badly_is_hardly_ever_certified() -> None:
    """Arms alike, but half of the treatments fail, the worse half: left out they would certify 0.4 of the studies."""
    rng = np.random.default_rng(13)
    certified = 0
    for _ in range(300):
        t, c = rng.random((2, 20))
        pairs = [(float(a) if a < 0.5 else None, float(b)) for a, b in zip(t, c, strict=True)]
        certified += any(weigh(_contrast(), pairs[:n]).e_value >= 1 / ALPHA for n in range(6, 21))
    assert certified / 300 <= ALPHA


def test_six_straight_wins_certify_one_claim_and_five_do_not() -> None:
    six = weigh(_contrast(), [(0.4, 0.5)] * 6)
    five = weigh(_contrast(), [(0.4, 0.5)] * 5)
    assert certify({"C": six})["C"].certified
    assert not certify({"C": five})["C"].certified
    assert needed(None, 0) == 6
    assert needed(five, 0) == 1


def test_a_bold_bet_certifies_five_straight_wins_and_not_four() -> None:
    bold = replace(_contrast(), bold=BOLD)
    assert certify({"C": weigh(bold, [(0.4, 0.5)] * 5)})["C"].certified
    assert not certify({"C": weigh(bold, [(0.4, 0.5)] * 4)})["C"].certified
    assert needed(None, 0, bold=BOLD) == 5


@pytest.mark.parametrize("chance", [0.6, 0.7, 0.8, 0.9, 0.97])
@pytest.mark.parametrize("pairs", range(5, 11))
def test_within_ten_pairs_a_bold_bet_is_no_less_likely_to_certify(chance: float, pairs: int) -> None:
    """Why a study takes it for what it verifies: it has five rounds for that, seldom more than ten."""
    won = np.random.default_rng([7, pairs]).random((PATHS, pairs)) < chance
    shares = [np.mean(_paths(np.where(won, 1.0, -1.0), bold).max(axis=1) >= 1 / ALPHA) for bold in (0.0, BOLD)]
    assert shares[1] >= shares[0]


def test_a_margin_is_to_be_exceeded_in_the_registered_direction() -> None:
    wins = weigh(_contrast(direction=1, margin=0.3), [(1.0, 0.6), (1.0, 0.8), (0.6, 1.0)])
    assert wins.wins == 1
    lower = weigh(_contrast(direction=-1, margin=0.3), [(0.6, 1.0), (0.8, 1.0), (1.0, 0.6)])
    assert lower.wins == 1


def test_power_is_about_what_the_method_says() -> None:
    """Six pairs for two noise sds, twenty for one: in more than half of the studies (a difference has sqrt 2 sds)."""
    rng = np.random.default_rng(3)
    for effect, pairs, least in [(2.0, 6, 0.55), (2.0, 10, 0.8), (1.0, 20, 0.5), (1.0, 40, 0.8)]:
        d = effect + np.sqrt(2.0) * rng.standard_normal((PATHS, pairs))
        power = float(np.mean(_paths(d).max(axis=1) >= 1 / ALPHA))
        print(f"effect of {effect:g} sds, {pairs} pairs: certified in {power:.2f}")
        assert power >= least


@pytest.mark.parametrize(("noise", "least"), [("gaussian", 0.95), ("t2", 0.95), ("skew-symmetric", 0.95)])
def test_the_confidence_sequence_covers_at_all_looks_together(noise: str, least: float) -> None:
    """Exact for Gaussian noise; symmetric heavier tails make it wider than it needs to be."""
    true, paths = 0.7, 1000
    d = true + NOISES[noise](np.random.default_rng(5), (paths, 30))
    covered = 0
    for row in d:
        bounds = [interval(row[:n]) for n in range(1, 31)]
        covered += all(low is None or high is None or low <= true <= high for low, high in bounds)
    assert covered / paths >= least


def test_the_confidence_sequence_narrows_and_moves_with_the_data() -> None:
    rng = np.random.default_rng(7)
    d = 1.0 + 0.5 * rng.standard_normal(60)
    widths = [
        high - low for n in (6, 15, 60) if (low := interval(d[:n])[0]) is not None and (high := interval(d[:n])[1])
    ]
    assert len(widths) == 3
    assert widths[0] > widths[1] > widths[2]
    shifted = interval(10.0 + 3.0 * d)
    plain = interval(d)
    assert shifted == pytest.approx([10.0 + 3.0 * b for b in plain if b is not None])
    assert interval(d[:1]) == (None, None)


def _contrast(name: str = "C", direction: int = -1, margin: float = 0.0) -> Contrast:
    return Contrast(name, "T1", "loss", direction, {"x": 0.0}, {"x": 1.0}, "fixed", margin)


def _evidence(name: str, e_value: float) -> Evidence:
    return Evidence(name, 6, 6, e_value, 0.0, None, None, False)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.0, 500.0), min_size=1, max_size=8), st.integers(0, 7), st.floats(1.0, 10.0))
def test_larger_e_values_never_certify_fewer(values: list[float], at: int, factor: float) -> None:
    before = certify({f"C{i}": _evidence(f"C{i}", e) for i, e in enumerate(values)})
    raised = [e * (factor if i == at % len(values) else 1.0) for i, e in enumerate(values)]
    after = certify({f"C{i}": _evidence(f"C{i}", e) for i, e in enumerate(raised)})
    assert {n for n, e in before.items() if e.certified} <= {n for n, e in after.items() if e.certified}
    # the definition of e-BH: every certified e-value is at least K / (alpha k)
    k = sum(e.certified for e in after.values())
    assert all(e.e_value >= len(values) / (ALPHA * k) for e in after.values() if e.certified)


def test_what_was_certified_stays_certified() -> None:
    first = certify({"C1": _evidence("C1", 25.0)})
    later = certify({**first, "C2": _evidence("C2", 0.1), "C3": _evidence("C3", 0.1)})
    assert later["C1"].certified


def _false_share(nulls: int, real: int, seed: int, paths: int) -> float:
    """The mean share of false certificates when all contrasts are weighed together after every pair."""
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(paths):
        d = rng.standard_normal((nulls + real, 15))
        d[nulls:] += 2.0
        e = _paths(np.pad(d, ((0, 0), (0, PAIRS - 15))))[:, :15]
        state = {f"C{i}": _evidence(f"C{i}", 1.0) for i in range(nulls + real)}
        for look in range(15):
            state = certify({n: _with(f, float(e[i, look])) for i, (n, f) in enumerate(state.items())})
        certified = [i for i in range(nulls + real) if state[f"C{i}"].certified]
        shares.append(sum(i < nulls for i in certified) / max(len(certified), 1))
    return float(np.mean(shares))


def _with(found: Evidence, e_value: float) -> Evidence:
    return Evidence(found.contrast, 6, 6, e_value, 0.0, None, None, found.certified)


@pytest.mark.parametrize(("nulls", "real"), [(10, 0), (10, 4)])
def test_few_certificates_are_false_among_many_nulls(nulls: int, real: int) -> None:
    assert _false_share(nulls, real, 11, 250) <= ALPHA
