"""The policy: from a state to the next trials, with a reason.

A study has three purposes. *Learn*: the experiment that tells most about the open theories per cost. *Improve*: the
configuration with most expected improvement under the whole mixture. *Verify*: fresh pairs of trials that certify.
The share of learning falls as the budget is spent, and the end of the budget is kept for verification. Where two
experiments serve their purpose about equally, the one that also serves the other purpose is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from knowhy.engine import design, evidence, improvement
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.encoding import Array
from knowhy.engine.posterior import Posterior
from knowhy.model.decision import Budget, Decision, Option
from knowhy.model.space import Point, Scalar, same_point
from knowhy.model.state import State
from knowhy.model.theory import Better, Effect, Theory
from knowhy.model.trial import Arm, Contrast, Failed, Predictive, Proposal, Purpose, Stake

LEARN_FIRST, LEARN_LAST = 0.6, 0.15
PAIRS = 7
MENDABLE = ("exit", "no_metric", "setup")
_DULL = 0.02  # bits below which an experiment is not worth running to learn
_NOTHING = 0.003  # expected improvement, in spreads, below which the search is over


class TheoryPolicy:
    """Theory-driven study; pure in the state."""

    name = "theory"

    def __init__(self, beliefs: Beliefs) -> None:
        """Use the beliefs of ``beliefs``."""
        self.beliefs = beliefs

    def reflects(self, state: State) -> bool:
        """After every trial: beliefs are what the next one is chosen by."""
        return True

    def decide(self, state: State, budget: Budget) -> Decision:
        """The next trial or contrast pair; an empty decision means stop."""
        left = budget.trials - len(state.trials)
        if left <= 0:
            return Decision((), "the budget of trials is spent")
        if not state.trials or (_broken(state) and not state.pending):
            point = state.space.defaults()
            first = self._proposal(
                state, point, "learn", "the default configuration is what all else is measured against"
            )
            return Decision((first,), first.reason)
        if not state.space.active:
            return Decision((), "no parameter is open: nothing can be varied")
        if len(state.trials) == 1 and budget.trials >= 12:
            point = state.space.defaults()
            again = self._proposal(
                state, point, "learn", "the default again on another seed shows how large the noise is", 1
            )
            return Decision((again,), again.reason)
        posterior = self.beliefs.posterior(state)
        early = self._early(state, posterior, budget)
        if early is not None:
            return early
        if not posterior.completed:
            return self._blind(state, posterior)
        if left <= reserve(state, budget) or _progress(state, budget) > 1.0 - reserve(state, budget) / budget.trials:
            verification = self._verify(state, posterior, left)
            if verification is not None:
                return verification
        return self._explore(state, posterior, budget)

    # Learn and improve

    def _early(self, state: State, posterior: Posterior, budget: Budget) -> Decision | None:
        """A few spread-out trials before models can say much."""
        count = max(3, min(len(state.space.active) // 2 + 1, 6, budget.trials // 6))
        number = len(state.trials) - (2 if budget.trials >= 12 else 1)
        if number >= count:
            return None
        return self._spread(state, posterior, number, "spread over the space, before any model can say where to look")

    def _blind(self, state: State, posterior: Posterior) -> Decision:
        return self._spread(
            state, posterior, len(state.trials), "no trial has finished with numbers yet: looking elsewhere"
        )

    def _spread(self, state: State, posterior: Posterior, number: int, reason: str) -> Decision:
        rows = posterior.encoder.snap(posterior.encoder.sample(64, state.seed + 17))
        if posterior.failed:
            rows = rows[np.argsort(-posterior.success(rows), kind="stable")]
        point = posterior.encoder.decode(rows[number % len(rows)])[0]
        made = self._proposal(state, point, "learn", reason, row=rows[number % len(rows)], posterior=posterior)
        return Decision((made,), reason)

    def _explore(self, state: State, posterior: Posterior, budget: Budget) -> Decision:
        seed = state.seed + 1009 * state.next_trial
        rng = np.random.default_rng([state.seed, state.next_trial])
        pending = [t.proposal.point for t in state.pending]
        open_ = design.open_theories(self.beliefs, posterior)
        score = improvement.acquisition(posterior, pending, rng)
        tried = posterior.candidates[1]
        mean, _ = posterior.expected(state.objective.metric, tried)
        starts = tried[np.argsort(state.objective.sign * mean)] if len(tried) else tried
        rows, gains = improvement.maximise(posterior, score, starts, seed, rng)
        rows, gains = _fresh(posterior, rows, gains, pending)
        considered: list[Option] = []
        improve_lesson = self._lesson(posterior, open_, rows[:12], pending, seed)
        # Of points that promise about the same improvement, the one that teaches most.
        close = np.flatnonzero(gains[:12] >= gains[0] - 0.1)
        at = int(close[np.argmax(improve_lesson.total[close])])
        gain = float(np.exp(gains[at]))
        option = self._option("improve", posterior, rows[at], float(improve_lesson.total[at]), gain)
        considered.append(option)
        wants = self._wants_to_learn(state, budget)
        learn = self._best_lesson(posterior, open_, pending, seed, budget)
        if learn is not None:
            chosen_rows, bits, per_theory = learn
            chances = np.exp(score(chosen_rows))
            each = bits / len(chosen_rows)
            considered.extend(
                self._option("learn", posterior, row, each, float(chance))
                for row, chance in zip(chosen_rows, chances, strict=True)
            )
            if (wants and bits / len(chosen_rows) > _DULL) or gain < _NOTHING < bits:
                return self._learn(state, posterior, open_, chosen_rows, per_theory, considered)
        stakes_bits = improve_lesson.bits[:, at] if len(open_.theories) else np.zeros(0)
        middle, sd = posterior.expected(state.objective.metric, rows[at : at + 1])
        reason = _improve_reason(posterior, float(middle[0]), float(sd[0]))
        made = self._proposal(
            state,
            posterior.encoder.decode(rows[at])[0],
            "improve",
            reason,
            row=rows[at],
            posterior=posterior,
            bits=stakes_bits,
            open_=open_,
        )
        return Decision((made,), reason, None, tuple(considered))

    def _lesson(
        self, posterior: Posterior, open_: design.Open, rows: Array, pending: Sequence[Point], seed: int
    ) -> design.Lesson:
        if not len(open_.theories):
            return design.Lesson(rows, np.zeros((0, len(rows))), np.zeros(len(rows)))
        return design.lessons(posterior, open_, rows, pending, seed)

    def _wants_to_learn(self, state: State, budget: Budget) -> bool:
        """Whether learning is behind its share, which falls linearly over the budget."""
        done = [t.proposal.purpose for t in state.trials.values()]
        learned, improved = done.count("learn"), done.count("improve")
        progress = _progress(state, budget)
        target = LEARN_FIRST + (LEARN_LAST - LEARN_FIRST) * 0.5 * progress
        return learned + 0.5 <= target * (learned + improved + 1)

    def _best_lesson(
        self, posterior: Posterior, open_: design.Open, pending: Sequence[Point], seed: int, budget: Budget
    ) -> tuple[Array, float, Array] | None:
        """The rows (one, or two for a contrast) that teach most per cost, their bits in all, and bits by theory."""
        if not len(open_.theories):
            return None
        rows = design.candidates(self.beliefs, posterior, open_, seed)
        lesson = design.lessons(posterior, open_, rows, pending, seed)
        worth = lesson.total / self._cost(posterior, rows, budget)
        close = np.flatnonzero(worth >= 0.85 * worth.max())
        mean, _ = posterior.expected(posterior.state.objective.metric, rows[close])
        at = int(close[np.argmin(posterior.state.objective.sign * mean)])
        pairs, totals, pair_bits = design.contrasts(self.beliefs, posterior, open_, seed)
        if len(pairs):
            costs = self._cost(posterior, pairs.reshape(-1, pairs.shape[2]), budget).reshape(-1, 2).sum(axis=1)
            best = int(np.argmax(totals / costs))
            if totals[best] / costs[best] > worth[at]:
                return pairs[best], float(totals[best]), pair_bits[:, best]
        return rows[at : at + 1], float(lesson.total[at]), lesson.bits[:, at]

    def _cost(self, posterior: Posterior, rows: Array, budget: Budget) -> Array:
        """Expected duration over the median one where time is the budget, else 1 a trial."""
        if budget.seconds is None or "duration" not in posterior.metrics:
            return np.ones(len(rows))
        response = posterior.response("duration")
        mean, _ = posterior.expected("duration", rows)
        seconds = response.transform.back(mean)
        return np.asarray(np.clip(seconds / max(posterior.cost["median"], 1e-9), 0.1, 20.0))

    def _learn(
        self,
        state: State,
        posterior: Posterior,
        open_: design.Open,
        rows: Array,
        bits: Array,
        considered: Sequence[Option],
    ) -> Decision:
        made: list[Proposal] = []
        for i, row in enumerate(rows):
            proposal = self._proposal(
                state,
                posterior.encoder.decode(row)[0],
                "learn",
                "",
                offset=i,
                row=row,
                posterior=posterior,
                bits=bits / len(rows),
                open_=open_,
                seed=_seed(state, state.next_trial),
            )
            made.append(proposal)
        reason = _learn_reason(state, open_, bits, len(rows))
        made = [_with_reason(p, reason) for p in made]
        return Decision(tuple(made), reason, None, tuple(considered))

    # Verify

    def _verify(self, state: State, posterior: Posterior, left: int) -> Decision | None:
        """A fresh pair for the incumbent against the default, then for a theory that is nearly settled."""
        if left < 2:
            return None
        best = posterior.incumbent
        default = state.space.defaults()
        tested = len(state.contrasts)
        if best is not None and not same_point(best.proposal.point, default):
            contrast = next(
                (c for c in state.contrasts.values() if not c.theory and same_point(c.treatment, best.proposal.point)),
                None,
            )
            found = state.evidence.get(contrast.id) if contrast else None
            if (found is None or not found.certified) and not _hopeless(found):
                reason = f"is trial {best.proposal.trial} truly better than the default? A fresh pair on a new seed"
                if contrast is None:
                    objective = state.objective
                    direction = -1 if objective.direction == "minimize" else 1
                    name = f"C{tested + 1}"
                    contrast = Contrast(name, "", objective.metric, direction, default, best.proposal.point)
                    return self._pair(state, posterior, contrast, reason, register=True)
                return self._pair(state, posterior, contrast, reason, register=False)
        return self._verify_theory(state, posterior, left, tested)

    def _verify_theory(self, state: State, posterior: Posterior, left: int, tested: int) -> Decision | None:
        certified = set(state.certified)
        open_contrasts = [c for c in state.contrasts.values() if c.theory and c.theory not in certified]
        for contrast in open_contrasts:
            found = state.evidence.get(contrast.id)
            if not _hopeless(found) and 2 * evidence.needed(found, 0) <= left:
                return self._pair(
                    state, posterior, contrast, self._certify_reason(state, contrast.theory), register=False
                )
        if 2 * evidence.needed(None, 0) > left:
            return None
        ranked = sorted(
            (t for t in state.theories.values() if t.id not in certified and state.beliefs.get(t.id, 0.0) >= 0.9),
            key=lambda t: (-(t.by == "person"), -state.beliefs[t.id] + 0.5 * state.priors.get(t.id, 0.5)),
        )
        tried = {c.theory for c in state.contrasts.values()}
        for theory in ranked:
            if theory.id in tried:
                continue
            made = self.contrast(state, posterior, theory, f"C{tested + 1}")
            if made is not None:
                return self._pair(state, posterior, made, self._certify_reason(state, theory.id), register=True)
        return None

    def contrast(self, state: State, posterior: Posterior, theory: Theory, name: str) -> Contrast | None:
        """The contrast that would certify ``theory``; None where pairs cannot (several claims, no direction)."""
        parsed = self.beliefs.claims(state, theory.claims)
        if len(parsed) != 1 or not isinstance(parsed[0], (Effect, Better)):
            return None
        claim = parsed[0]
        if claim.scope.kind == "everywhere" or claim.scope.bounds or not state.space[claim.parameter].active:
            return None
        if isinstance(claim, Better):
            direction = -1 if posterior.judge([claim.metric]).signs[claim.metric] > 0 else 1
            ends: tuple[Scalar, Scalar] = (claim.loser, claim.winner)
            margin = 0.0
        else:
            if claim.verb == "does not change":
                return None
            direction = 1 if claim.verb == "raises" else -1
            ends, margin = (claim.start, claim.end), claim.margin or 0.0
        if claim.scope.kind == "average":
            control, treatment = ({claim.parameter: v} for v in ends)
            return Contrast(name, theory.id, claim.metric, direction, control, treatment, "random", margin)
        base = state.space.defaults()
        if claim.scope.kind == "best" and posterior.incumbent is not None:
            base = dict(posterior.incumbent.proposal.point)
        points = [state.space.complete({**base, claim.parameter: v}) for v in ends]
        return Contrast(name, theory.id, claim.metric, direction, points[0], points[1], "fixed", margin)

    def _certify_reason(self, state: State, theory: str) -> str:
        title, belief = state.theories[theory].title, state.beliefs.get(theory, 0.5)
        return f"a fresh pair towards certifying {theory}, \u201c{title}\u201d (belief {belief:.2f})"

    def _pair(self, state: State, posterior: Posterior, contrast: Contrast, reason: str, *, register: bool) -> Decision:
        pair = 1 + max(
            (
                t.proposal.arm.pair
                for t in state.trials.values()
                if t.proposal.arm and t.proposal.arm.contrast == contrast.id
            ),
            default=0,
        )
        rng = np.random.default_rng([state.seed, 7, state.next_trial])
        base: Point = {}
        if contrast.background == "random":
            rows = posterior.encoder.snap(posterior.encoder.sample(32, state.seed + 31 * state.next_trial))
            likely = rows[posterior.success(rows) >= 0.5]
            pool = likely if len(likely) else rows
            base = posterior.encoder.decode(pool[int(rng.integers(len(pool)))])[0]
        seed = _seed(state, state.next_trial)
        made = []
        order = [True, False] if rng.random() < 0.5 else [False, True]
        for i, treatment in enumerate(order):
            point = state.space.complete({**base, **(contrast.treatment if treatment else contrast.control)})
            row = posterior.rows([point])[0]
            made.append(
                self._proposal(
                    state,
                    point,
                    "verify",
                    reason,
                    i,
                    row=row,
                    posterior=posterior,
                    seed=seed,
                    arm=Arm(contrast.id, pair, treatment),
                )
            )
        return Decision(tuple(made), reason, contrast if register else None)

    # Putting a proposal together

    def _option(self, purpose: Purpose, posterior: Posterior, row: Array, bits: float, gain: float) -> Option:
        point = posterior.encoder.decode(row)[0]
        scale = posterior.response(posterior.state.objective.metric).transform.scale
        reason = "most expected improvement" if purpose == "improve" else "most information about the open theories"
        return Option(purpose, point, reason, bits, gain * scale, posterior.cost["median"])

    def _proposal(
        self,
        state: State,
        point: Point,
        purpose: Purpose,
        reason: str,
        offset: int = 0,
        *,
        row: Array | None = None,
        posterior: Posterior | None = None,
        bits: Array | None = None,
        open_: design.Open | None = None,
        seed: int | None = None,
        arm: Arm | None = None,
    ) -> Proposal:
        trial = state.next_trial + (offset if row is not None else 0)
        if seed is None:
            seed = _seed(state, trial)
        predictions: tuple[Predictive, ...] = ()
        made: tuple[Stake, ...] = ()
        success, expected = 1.0, 0.0
        if row is not None and posterior is not None:
            predictions = design.predictions(posterior, row)
            success = float(posterior.success(row[None])[0])
            if bits is not None and open_ is not None and len(open_.theories):
                made = design.stakes(posterior, open_, row, bits)
                expected = float(bits.sum())
        return Proposal(trial, point, seed, purpose, reason, "engine", expected, success, predictions, made, arm)


def reserve(state: State, budget: Budget) -> int:
    """Trials kept for verification: pairs for the incumbent, and for theories in a longer study."""
    if budget.trials < 10:
        return 0
    wanted = 2 * PAIRS + (budget.trials // 8 if budget.trials >= 60 else 0)
    return min(wanted, int(0.34 * budget.trials)) // 2 * 2


def _progress(state: State, budget: Budget) -> float:
    share = len(state.trials) / max(budget.trials, 1)
    if budget.seconds:
        share = max(share, (state.spent + state.time - state.run_started) / budget.seconds)
    return min(share, 1.0)


def _seed(state: State, trial: int) -> int:
    return int(np.random.default_rng([state.seed, 3, trial]).integers(2**31 - 1))


def _broken(state: State) -> bool:
    """Whether nothing has worked yet and the default itself failed for a reason that a person can mend."""
    ended = [state.trials[i] for i in state.order]
    return bool(ended) and all(isinstance(t, Failed) and t.failure.kind in MENDABLE for t in ended)


def _hopeless(found: object) -> bool:
    """Whether a contrast has lost so often that more pairs would be a waste."""
    pairs, wins = getattr(found, "pairs", 0), getattr(found, "wins", 0)
    return bool(pairs >= 4 and pairs - wins >= 0.4 * pairs)


def _fresh(posterior: Posterior, rows: Array, gains: Array, pending: Sequence[Point]) -> tuple[Array, Array]:
    """Leave out configurations that are pending or have run three times; keep all if nothing else is left."""
    counts: dict[bytes, int] = {}
    for p in [*(t.proposal.point for t in posterior.completed), *pending, *pending, *pending]:
        key = posterior.rows([p]).round(9).tobytes()
        counts[key] = counts.get(key, 0) + 1
    keep = [i for i, r in enumerate(rows) if counts.get(r.round(9).tobytes(), 0) < 3]
    _, first = np.unique(rows[keep].round(9), axis=0, return_index=True)
    chosen = np.array(keep)[np.sort(first)] if keep else np.arange(len(rows))
    return rows[chosen], gains[chosen]


def _improve_reason(posterior: Posterior, mean: float, sd: float) -> str:
    objective = posterior.state.objective
    t = posterior.response(objective.metric).transform
    low, high = sorted(float(v) for v in t.back(np.array([mean - 1.645 * sd, mean + 1.645 * sd])))
    return f"most expected improvement: {objective.metric} between {low:.4g} and {high:.4g}"


def _learn_reason(state: State, open_: design.Open, bits: Array, arms: int) -> str:
    order = [i for i in np.argsort(-bits)[:3] if bits[i] > 0.005]
    named = [f"{open_.theories[i].id} (belief {open_.bits[i].mean():.2f}, {bits[i]:.2f} bits)" for i in order]
    if not order:
        return "what is left to learn is little; this tells most"
    first = open_.theories[order[0]].title
    lead = "a contrast to settle" if arms == 2 else "to settle"
    rest = f"; also {', '.join(named[1:])}" if len(named) > 1 else ""
    return f"{lead} {named[0]}: \u201c{first}\u201d{rest}"


def _with_reason(p: Proposal, reason: str) -> Proposal:
    return Proposal(
        p.trial,
        p.point,
        p.seed,
        p.purpose,
        reason,
        p.proposer,
        p.expected_bits,
        p.success,
        p.predictions,
        p.stakes,
        p.arm,
    )
