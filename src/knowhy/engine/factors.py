"""The policy of a study with patches: each alone, then many together, then what is undecided, then fresh pairs.

First each switch is on by itself once: where patches saturate beside others, their effects are seen alone only. Trials
that are there to learn run on seeds that the default has run on, as runs on one seed err alike (see ``pairing``). Then
they are screened many at a time, which shows what they do on average and which only count together. What is still
undecided is settled by the trials that tell most about it. Where there is time, theories of what single patches do are
registered as contrasts and tested in mirrored pairs, one pair a round for all of them. What is left of the budget
goes to the ``TheoryPolicy``: improvement at tuned settings, and fresh pairs for the winner.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowhy.engine import evidence
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.foresight import foresee
from knowhy.engine.pairing import known_seed
from knowhy.engine.policy import TheoryPolicy, reserve
from knowhy.engine.posterior import Posterior
from knowhy.engine.screening import ON, breaking, mirrored, next_screening
from knowhy.engine.settling import next_repeat, next_settling, undecided
from knowhy.engine.switches import SwitchEffect, switch_effects
from knowhy.model.decision import Budget, Decision
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Point, Scalar
from knowhy.model.state import State
from knowhy.model.theory import Effect, Theory
from knowhy.model.trial import Arm, Completed, Contrast, Evidence

FEWEST = 2
_SCREENED = 1.5  # trials in which switches vary, for each switch, before single ones are tested
_TUNING = 4
_LOUD = 0.8
_ALONE = 2.5  # trials in all, for each switch, from which each is run by itself first
_SHARE = 0.5  # of the budget, at most, for screening
_POSSIBLE, _DOUBTFUL, _HARMFUL = 0.35, 0.15, 0.8  # beliefs: worth a test, not worth more of it, left off


class FactorPolicy:
    """Screening and mirrored pairs for patches around ``inner``; without patches it is ``inner``. Pure in the state."""

    def __init__(self, beliefs: Beliefs) -> None:
        """Use the beliefs of ``beliefs``."""
        self.beliefs = beliefs
        self.inner = TheoryPolicy(beliefs)
        self.name = self.inner.name

    def reflects(self, state: State) -> bool:
        """As the inner policy has it."""
        return self.inner.reflects(state)

    def decide(self, state: State, budget: Budget) -> Decision:
        """The next trial, or a mirrored pair; an empty decision means stop."""
        names = [p.name for p in state.space.active if p.role == PATCH_ROLE]
        left = budget.trials - state.planned
        first = 2 if budget.trials >= 12 else 1
        if len(names) < FEWEST or len(state.trials) < first or left <= 0 or not _any_completed(state):
            return self.inner.decide(state, budget)
        broken = {n for n, chance in breaking(names, state).items() if chance > 0.9}
        names = [n for n in names if n not in broken]
        posterior = self.beliefs.posterior(state)
        effects = switch_effects(self.beliefs, state, names, "average")
        kept = reserve(budget)
        if len(names) >= FEWEST:
            untried = self._untried(state, names, budget)
            if untried:
                return self._alone(state, untried)
            alone = switch_effects(self.beliefs, state, names, "default")
            if self._screened(state, names) < screening_trials(len(names), budget):
                return self._screen(state, names, effects, alone)
            if left > kept + _TUNING:
                open_ = undecided(names, effects, alone)
                harmless = [n for n in names if n not in effects or effects[n].hurts < _HARMFUL]
                point = next_repeat(state, alone, open_)
                if point is not None:
                    return self._learn(
                        state, point, "a patch by itself again, on another seed that the default has run on"
                    )
                point = next_settling(self.beliefs, state, posterior, harmless, open_) if open_ else None
                if point is not None:
                    reason = f"tells most about the patches that are still undecided: {', '.join(open_)}"
                    return self._learn(state, point, reason)
        if left > kept + 1 and not posterior.deterministic:
            tested = self._test(state, posterior, names, effects, left - kept)
            if tested is not None:
                return tested
        if left > kept + _TUNING and len(names) >= FEWEST:
            return self._screen(state, names, effects, alone)
        return self.inner.decide(state, budget)

    def _untried(self, state: State, names: list[str], budget: Budget) -> list[str]:
        """Switches that no trial has had on by itself, where the budget is long enough for that."""
        if budget.trials < _ALONE * len(names):
            return []
        defaults = state.space.defaults()
        tried = {
            on[0]
            for t in state.trials.values()
            if len(on := [n for n in names if t.proposal.point.get(n) is True]) == 1
            and all(t.proposal.point.get(k) == v for k, v in defaults.items() if k not in on)
        }
        return [n for n in names if n not in tried and state.space.complete({**defaults, n: True})[n] is True]

    def _alone(self, state: State, untried: list[str]) -> Decision:
        rng = np.random.default_rng([state.seed, 59, state.next_trial])
        name = str(rng.choice(untried))
        point = state.space.complete({**state.space.defaults(), name: True})
        return self._learn(state, point, f"the patch {name} by itself: what it does alone may not show beside others")

    def _learn(self, state: State, point: Point, reason: str, turn: int = 0) -> Decision:
        """A trial at ``point`` on a seed that the default has run on: what both share of luck says nothing then."""
        seed = known_seed(state, point, turn)
        return Decision(foresee(self.beliefs, state, [point], purpose="learn", reason=reason, seed=seed), reason)

    def _screened(self, state: State, names: list[str]) -> int:
        """Trials of the screening, those that failed for the machine's sake left out."""
        return sum(any(t.proposal.point.get(n) is True for n in names) for t in state.trials.values())

    def _screen(
        self,
        state: State,
        names: list[str],
        effects: Mapping[str, SwitchEffect],
        alone: Mapping[str, SwitchEffect],
    ) -> Decision:
        """Several patches at once: in turn of all that do not surely hurt, and of those that show nothing alone.

        The latter, with all that help off, are where two that only count together are seen best.
        """
        rng = np.random.default_rng([state.seed, 61, state.next_trial])
        turn = self._screened(state, names)
        # What surely hurts has been told, and would only drown the others.
        among = [n for n in names if n not in effects or effects[n].hurts < _HARMFUL] or names
        share = ON
        quiet = [n for n in among if n in alone and max(alone[n].helps, alone[n].hurts) < _LOUD]
        if len(quiet) > 2 and turn % 2:
            among, share = quiet, 0.5
        point = next_screening(state, names, state.space.defaults(), rng, among, share)
        count = sum(point[n] is True for n in names)
        reason = f"screening: {count} of {len(names)} patches on at once, chosen to tell their effects apart"
        return self._learn(state, point, reason, turn)

    # Mirrored pairs

    def _test(
        self, state: State, posterior: Posterior, names: list[str], effects: Mapping[str, SwitchEffect], left: int
    ) -> Decision | None:
        mirrors = [c for c in state.contrasts.values() if c.background == "mirrored"]
        live = {c.id: c for c in mirrors if self._alive(state, c, effects)}
        # A contrast that could not be certified any more only makes it harder for the others.
        new = self._register(state, names, effects) if left >= 2 * evidence.needed(None, 0, bold=evidence.BOLD) else []
        live |= {c.id: c for c in new}
        under_test = {c.id: _switch(c) for c in live.values()}
        if not under_test or left < 2 * min(
            evidence.needed(state.evidence.get(i), 0, bold=c.bold) for i, c in live.items()
        ):
            return None
        base: Point = posterior.incumbent.proposal.point if posterior.incumbent else state.space.defaults()
        rng = np.random.default_rng([state.seed, 67, state.next_trial])
        settings = {k: v for k, v in base.items() if k not in names}
        # What is not under test is the same in both, and different from pair to pair: so pairs tell of it as well.
        # What surely hurts is off: it would only drown the others.
        harmful = {n for n, e in effects.items() if e.hurts >= _HARMFUL}
        others = {n: n not in harmful and bool(rng.random() < 0.5) for n in names if n not in under_test.values()}
        one, two, told = mirrored(state.space, list(under_test.values()), {**settings, **others}, rng)
        if not told:
            return None
        pair = 1 + max((a.pair for t in state.trials.values() for a in t.proposal.arms), default=0)
        points = [one, two] if rng.random() < 0.5 else [two, one]
        arms = [
            tuple(self._arm(state, posterior, live[i], pair, point) for i, n in under_test.items() if n in told)
            for point in points
        ]
        reason = f"a mirrored pair: {', '.join(told)} each on in one of the two, by a coin of its own"
        proposals = foresee(self.beliefs, state, points, purpose="verify", reason=reason, arms=arms)
        return Decision(proposals, reason, tuple(new))

    def _arm(self, state: State, posterior: Posterior, contrast: Contrast, pair: int, point: Point) -> Arm:
        """The side of ``contrast`` that ``point`` is, with what all but its own switch are expected to make of it."""
        name = _switch(contrast)
        without: dict[str, Scalar] = {**point, name: False}
        mean, _ = posterior.expected(contrast.metric, posterior.rows([without]))
        expected = float(posterior.response(contrast.metric).transform.back(mean)[0])
        return Arm(contrast.id, pair, point.get(name) is contrast.treatment[name], expected)

    def _register(self, state: State, names: list[str], effects: Mapping[str, SwitchEffect]) -> list[Contrast]:
        """A contrast for each patch that may help and that had none: that it helps is what it was proposed for."""
        found: list[Contrast] = []
        tested = {_switch(c) for c in state.contrasts.values() if c.background == "mirrored"}
        names = [n for n in names if n not in tested]
        for theory in state.theories.values():
            claim = self._about_one(state, theory)
            if claim is None or claim.parameter not in names or claim.parameter not in effects:
                continue
            if effects[claim.parameter].helps < _POSSIBLE:
                continue
            direction = 1 if claim.verb == "raises" else -1
            if direction * state.objective.sign > 0:
                continue
            name = f"C{len(state.contrasts) + len(found) + 1}"
            ends = ({claim.parameter: claim.start}, {claim.parameter: claim.end})
            made = Contrast(name, theory.id, claim.metric, direction, *ends, "mirrored", bold=evidence.BOLD)
            found.append(made)
        return found

    def _about_one(self, state: State, theory: Theory) -> Effect | None:
        """The claim of a theory that says what one switch does on average to the objective, and no more."""
        parsed = self.beliefs.claims(state, theory.claims)
        claim = parsed[0] if len(parsed) == 1 == len(theory.claims) else None
        if not isinstance(claim, Effect) or claim.verb == "does not change" or claim.metric != state.objective.metric:
            return None
        plain = claim.scope.kind == "average" and not claim.scope.bounds and not claim.margin
        return claim if plain and state.space[claim.parameter].role == PATCH_ROLE else None

    def _alive(self, state: State, contrast: Contrast, effects: Mapping[str, SwitchEffect]) -> bool:
        found = state.evidence.get(contrast.id)
        if not state.space[_switch(contrast)].active or (found is not None and (found.certified or hopeless(found))):
            return False
        effect = effects.get(_switch(contrast))
        return effect is not None and effect.helps >= _DOUBTFUL


def screening_trials(switches: int, budget: Budget) -> int:
    """How many trials are for screening ``switches``."""
    return min(max(4, round(_SCREENED * switches) + 1), int(_SHARE * budget.trials))


def hopeless(found: Evidence) -> bool:
    """Whether a contrast has lost so often that more pairs would be a waste."""
    losses = found.pairs - found.wins
    return found.pairs >= 5 and losses >= 0.4 * found.pairs


def _switch(contrast: Contrast) -> str:
    return next(iter(contrast.treatment))


def _any_completed(state: State) -> bool:
    return any(isinstance(t, Completed) for t in state.trials.values())
