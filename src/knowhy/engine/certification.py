"""Certification on demand: trials spent on one theory until its claims are certified, refuted, or out of reach.

The contrasts are registered before their first pair and are never registered again: pairs that were lost count for
ever. Each pair is two fresh trials on one new seed. The betting e-process may be watched after every pair, so a run may
stop as soon as it says enough, and go on later from where it stands (optional continuation; Ramdas et al. 2023).
What it will take is computed beforehand: on each posterior draw a pair is won with some probability, and the chance
that the e-process crosses a bar within so many pairs follows by dynamic programming over wins and losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from knowhy.engine import evidence
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.encoding import Array
from knowhy.engine.posterior import Posterior
from knowhy.engine.verification import contrast_of, contrasts_for, fresh_round, width
from knowhy.errors import UsageError
from knowhy.model.belief import CertificationForecast
from knowhy.model.decision import Budget, Decision
from knowhy.model.state import State
from knowhy.model.theory import Better, Effect, Theory
from knowhy.model.trial import Contrast, Evidence

Standing = Literal["certified", "refuted", "hopeless", "open"]

HOPELESS = 0.05  # chance of an answer within the budget below which more pairs are not worth running
_MOST_PAIRS = 200
_GRID = np.linspace(0.005, 0.995, 34)
_BACKGROUNDS, _NOISES = 8, 32


@dataclass(frozen=True)
class Chances:
    """For win probabilities ``_GRID``: chances to cross each bar within the pairs allowed, and the pairs that takes."""

    certified: Array
    refuted: Array
    pairs: Array


def theory_of(state: State, name: str) -> Theory:
    """The theory with the id ``name`` (in any case); raises UsageError."""
    for theory in state.theories.values():
        if theory.id.lower() == name.lower():
            return theory
    known = ", ".join(list(state.theories)[:12])
    raise UsageError(f"there is no theory {name}", f"the theories are {known}" if known else "run the study first")


def own_contrasts(state: State, theory: str) -> list[Contrast]:
    """The contrasts registered for ``theory``, in order."""
    return [c for c in state.contrasts.values() if c.theory == theory]


def planned(beliefs: Beliefs, state: State, theory: Theory, allowance: int) -> list[Contrast]:
    """The contrasts of ``theory``, registered or to be; raises UsageError where pairs cannot tell.

    Of the bets that there are, each makes the one that is likelier to certify it within ``allowance`` trials, or
    sooner where both are as likely to.
    """
    there = own_contrasts(state, theory.id)
    if there:
        return there
    posterior = beliefs.posterior(state)
    made = contrasts_for(beliefs, state, posterior, theory, len(state.contrasts))
    if made:
        pairs = allowance // width(state, list(made))
        return [_with_bet(state, posterior, c, pairs) for c in made]
    parsed = beliefs.claims(state, theory.claims)
    if len(parsed) < len(theory.claims):
        raise UsageError(f"a claim of {theory.id} does not fit the space any more", "choose another theory")
    for number, claim in enumerate(parsed, len(state.contrasts) + 1):
        if contrast_of(state, posterior, theory, claim, f"C{number}") is None:
            held = getattr(claim, "parameter", None)
            if isinstance(held, str) and isinstance(claim, (Effect, Better)) and not state.space[held].active:
                why = f"{held} is held at its default"
                raise UsageError(f"{theory.id} cannot be tested: {why}", f"set active = true for {held}, and run again")
            sentence = theory.claims[parsed.index(claim)]
            break
    else:
        sentence = "; ".join(theory.claims)
    candidates = [
        t.id for t in state.theories.values() if contrasts_for(beliefs, state, posterior, t, len(state.contrasts))
    ]
    raise UsageError(
        f"{theory.id} cannot be certified by pairs of trials: “{sentence}” is no claim of a difference between two "
        "settings",
        f"those that can: {', '.join(candidates[:12])}" if candidates else "add one: knowhy suppose 'raising ...'",
    )


def _with_bet(state: State, posterior: Posterior, contrast: Contrast, pairs: int) -> Contrast:
    wins = win_probabilities(posterior, contrast)

    def worth(made: Contrast) -> tuple[float, float]:
        chances = _chances(state, made, pairs)
        certified, expected = (np.interp(wins, _GRID, each).mean() for each in (chances.certified, chances.pairs))
        return round(float(certified), 2), -float(expected)

    return max((contrast, replace(contrast, bold=evidence.BOLD)), key=worth)


def standing(state: State, contrast: Contrast) -> Literal["certified", "refuted", "open"]:
    """Where the evidence of one contrast stands; refuted where its pairs certify the opposite on their own."""
    found = state.evidence.get(contrast.id)
    if found is None:
        return "open"
    if found.certified:
        return "certified"
    bar = evidence.bars(state.evidence, tuple(state.contrasts))[contrast.id]
    return "refuted" if evidence.e_against(contrast, found) >= bar / evidence.ALPHA else "open"


def theory_standing(state: State, contrasts: Sequence[Contrast]) -> Literal["certified", "refuted", "open"]:
    """Where a theory stands by its ``contrasts``: certified where all are, refuted where one is."""
    each = [standing(state, c) for c in contrasts]
    if "refuted" in each:
        return "refuted"
    return "certified" if each and all(s == "certified" for s in each) else "open"


def spent_on(state: State, contrasts: Sequence[Contrast]) -> int:
    """Trials that are (or were) arms of one of ``contrasts``, lost workers aside."""
    names = {c.id for c in contrasts}
    return sum(any(a.contrast in names for a in t.proposal.arms) for t in state.trials.values())


class CertifyPolicy:
    """Spends at most ``allowance`` trials in all on the contrasts of one theory; pure in the state."""

    def __init__(self, beliefs: Beliefs, theory: str, allowance: int) -> None:
        """``theory`` is an id, as the state has it."""
        self.name = f"certify {theory}"
        self._beliefs, self._theory, self._allowance = beliefs, theory, allowance

    def reflects(self, state: State) -> bool:
        """After every trial: evidence is what decides whether there is another."""
        return True

    def decide(self, state: State, budget: Budget) -> Decision:
        """Another round of fresh pairs, or a stop with what was found."""
        theory = state.theories[self._theory]
        contrasts = planned(self._beliefs, state, theory, self._allowance)
        new = tuple(c for c in contrasts if c.id not in state.contrasts)
        where = theory_standing(state, contrasts)
        if where != "open":
            return Decision((), f"{theory.id} is {where} by its contrast")
        open_ = [c for c in contrasts if standing(state, c) == "open"]
        waiting = {a.pair for t in state.pending for a in t.proposal.arms if a.contrast in {c.id for c in open_}}
        left = (self._allowance - spent_on(state, contrasts)) // width(state, open_)
        posterior = self._beliefs.posterior(state)
        if _settled_by_one(posterior, open_) and (waiting or any(c.id in state.evidence for c in open_)):
            return Decision(
                (), "the subject gives the same number on every seed: a pair that is run again says nothing"
            )
        if left < 1:
            return Decision((), f"the trials for {theory.id} are spent")
        if waiting:
            if len(waiting) >= min(_fewest(state, c) for c in open_):
                return Decision((), "what is running may settle it")
        elif left < min(_fewest(state, c) for c in open_):
            return Decision((), f"the trials left for {theory.id} are too few to settle it")
        elif _reach(state, open_, left) < HOPELESS:
            return Decision((), f"{theory.id} has lost too often: the trials left are not likely to settle it")
        return fresh_round(self._beliefs, state, posterior, open_, new)


def forecast(beliefs: Beliefs, state: State, name: str, allowance: int) -> CertificationForecast:
    """What certifying theory ``name`` with at most ``allowance`` trials in all will take; raises UsageError.

    Chances are averages over the posterior's draws: what is believed about the claim goes in.
    """
    theory = theory_of(state, name)
    contrasts = planned(beliefs, state, theory, allowance)
    where = theory_standing(state, contrasts)
    open_ = [c for c in contrasts if standing(state, c) == "open"] or list(contrasts)
    posterior = beliefs.posterior(state)
    arms = width(state, open_)
    used = spent_on(state, contrasts)
    pairs = max(0, allowance - used) // arms
    certified = np.ones(1)
    rounds, refuted_by_none = np.zeros(1), np.ones(1)
    for contrast in open_:
        chances = _chances(state, contrast, pairs)
        wins = win_probabilities(posterior, contrast)
        certified = certified * np.interp(wins, _GRID, chances.certified)
        refuted_by_none = refuted_by_none * (1.0 - np.interp(wins, _GRID, chances.refuted))
        rounds = np.maximum(rounds, np.interp(wins, _GRID, chances.pairs))
    fewest = max(_to_certify(state, c) for c in open_)
    one = _settled_by_one(posterior, open_)
    return CertificationForecast(
        theory.id,
        tuple(contrasts),
        where,
        allowance,
        used,
        arms,
        0 if where != "open" else fewest * arms,
        0.0 if where != "open" else float(rounds.mean()) * arms,
        float(where == "certified") if where != "open" else 0.0 if one else float(certified.mean()),
        float(where == "refuted") if where != "open" else 0.0 if one else float(1.0 - refuted_by_none.mean()),
        float(np.median([_seconds(posterior, c) for c in open_])),
        one,
    )


def win_probabilities(posterior: Posterior, contrast: Contrast) -> Array:
    """For each posterior draw, the probability that a fresh pair comes out as ``contrast`` claims (draws).

    The noise of the two arms is taken as independent: where a seed moves both alike, pairs are won more surely.
    """
    state = posterior.state
    response = posterior.response(contrast.metric)
    rng = np.random.default_rng([state.seed, 43])
    bases = [dict(state.space.defaults())]
    if contrast.background == "random":
        bases = posterior.encoder.decode(posterior.encoder.snap(posterior.encoder.typical(_BACKGROUNDS, state.seed)))
    ends = [
        posterior.rows([state.space.complete({**base, **end}) for base in bases])
        for end in (contrast.control, contrast.treatment)
    ]
    control, treatment = (response.draws(rows) for rows in ends)  # draws by backgrounds
    noise = max(response.noise, 1e-6)
    shocks = noise * rng.standard_normal((2, _NOISES, 1, control.shape[1]))
    back = response.transform.back
    ahead = contrast.direction * (back(treatment + shocks[0]) - back(control + shocks[1])) > contrast.margin
    chance = ahead.mean(axis=(0, 2))
    return np.asarray(chance * float(np.mean(posterior.success(ends[1]))))


def _settled_by_one(posterior: Posterior, contrasts: Sequence[Contrast]) -> bool:
    return posterior.deterministic and all(c.background == "fixed" for c in contrasts)


def _seconds(posterior: Posterior, contrast: Contrast) -> float:
    """Expected seconds of one arm of a contrast."""
    if "duration" not in posterior.metrics:
        return posterior.cost["median"]
    points = [posterior.state.space.complete(end) for end in (contrast.control, contrast.treatment)]
    mean, _ = posterior.expected("duration", posterior.rows(points))
    return float(np.mean(np.maximum(posterior.response("duration").transform.back(mean), 0.0)))


def _counts(state: State, contrast: Contrast) -> tuple[int, int]:
    """Pairs won and lost so far."""
    found = state.evidence.get(contrast.id)
    if found is None:
        return 0, 0
    return found.wins, _against(contrast, found)


def _against(contrast: Contrast, found: Evidence) -> int:
    lost = sum(contrast.direction * d - contrast.margin < 0 for d in found.differences)
    return lost + found.pairs - len(found.differences)


def _bars(state: State, contrast: Contrast) -> tuple[float, float]:
    """The e-values that certify and refute ``contrast``."""
    order = tuple(dict.fromkeys([*state.contrasts, contrast.id]))
    up = evidence.threshold(contrast.id, state.evidence, order)
    fresh = Evidence(contrast.id, 0, 0, 1.0, 0.0, None, None, False)
    down = evidence.bars({contrast.id: fresh, **state.evidence}, order)[contrast.id] / evidence.ALPHA
    return up, down


def _to_certify(state: State, contrast: Contrast) -> int:
    """Pairs in a row that would certify ``contrast``."""
    wins, losses = _counts(state, contrast)
    up, _ = _bars(state, contrast)
    return evidence.in_a_row(wins, losses, up, contrast.bold, _MOST_PAIRS)


def _fewest(state: State, contrast: Contrast) -> int:
    """The least number of pairs after which ``contrast`` may be settled either way."""
    wins, losses = _counts(state, contrast)
    up, down = _bars(state, contrast)
    for more in range(1, _MOST_PAIRS):
        up_now = evidence.sign_e_value(wins + more, losses, contrast.bold)
        if up_now >= up or evidence.sign_e_value(losses + more, wins) >= down:
            return more
    return _MOST_PAIRS


def _chances(state: State, contrast: Contrast, pairs: int) -> Chances:
    """Chances of ``contrast`` within ``pairs`` more, by win probability."""
    pairs = min(pairs, _MOST_PAIRS)
    won, lost = _counts(state, contrast)
    up, down = _bars(state, contrast)
    size = len(_GRID)
    alive = np.zeros((size, pairs + 1))  # by wins among the new pairs
    alive[:, 0] = 1.0
    certified, refuted, expected = np.zeros(size), np.zeros(size), np.zeros(size)
    for n in range(1, pairs + 1):
        expected += alive.sum(axis=1)
        moved = np.zeros_like(alive)
        moved[:, 1:] += alive[:, :-1] * _GRID[:, None]
        moved += alive * (1.0 - _GRID[:, None])
        for wins in range(n + 1):
            losses = n - wins
            if evidence.sign_e_value(won + wins, lost + losses, contrast.bold) >= up:
                certified += moved[:, wins]
                moved[:, wins] = 0.0
            elif evidence.sign_e_value(lost + losses, won + wins) >= down:
                refuted += moved[:, wins]
                moved[:, wins] = 0.0
        alive = moved
    return Chances(certified, refuted, expected)


def _reach(state: State, contrasts: Sequence[Contrast], pairs: int) -> float:
    """The chance of an answer within ``pairs`` more by the pairs so far alone (a uniform prior on their share)."""
    best = 0.0
    for contrast in contrasts:
        wins, losses = _counts(state, contrast)
        weights = _GRID**wins * (1.0 - _GRID) ** losses
        chances = _chances(state, contrast, pairs)
        settled = weights @ (chances.certified + chances.refuted) / weights.sum()
        best = max(best, float(settled))
    return best
