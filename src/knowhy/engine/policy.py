"""The policy: from a state to the next trials, with a reason.

A study has three purposes. *Learn*: the experiment that tells most about the open theories per cost. *Improve*: the
configuration with most expected improvement under the whole mixture. *Verify*: fresh pairs of trials that certify.
The share of learning falls as the budget is spent, and the end of the budget is kept for verification. Where two
experiments serve their purpose about equally, the one that also serves the other purpose is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from knowhy.engine import design, improvement, opinions
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.elsewhere import abroad
from knowhy.engine.encoding import Array
from knowhy.engine.factorial import TWICE, all_known, every, next_run
from knowhy.engine.posterior import Posterior
from knowhy.engine.proposals import improve_reason, learn_reason, propose, repeat_reason, trial_seed
from knowhy.engine.replicates import Again, again
from knowhy.engine.tried import place
from knowhy.engine.verification import verify
from knowhy.engine.wishes import Wished, wished
from knowhy.model.decision import Budget, Decision, Option
from knowhy.model.space import Point
from knowhy.model.state import State
from knowhy.model.trial import Failed, Proposal, Purpose

LEARN_FIRST = 0.4  # the part of a study in which all that is not verified is to learn
LEARN_LATER = 0.125  # and the share of learning after it
LATE = 0.8  # of the search: from here on, what may have been lucky is run again where that is worth more
ROUNDS = 5  # as many wins in a row certify
TWO_THEORIES = (60, 100)  # budgets from which one and two theories are verified beside the incumbent
MENDABLE = ("exit", "no_metric", "setup", "patch", "tampered")
AT_MOST = 0.34  # of a study is verification
FACTORIAL = 0.5  # of the search at most: a full factorial design, where there are few configurations
_DULL = 0.02  # bits below which an experiment is not worth running to learn
_PROMPT = -1.0  # log of the share of the best expected improvement at which a trusted proposer's experiment is run
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
        left = budget.trials - state.planned
        if left <= 0:
            return Decision((), "the budget of trials is spent")
        if not state.trials or (broken(state) and not state.pending):
            point = state.space.defaults()
            first = propose(state, point, "learn", "the default configuration is what all else is measured against")
            return Decision((first,), first.reason)
        if not state.space.active:
            return Decision((), "no parameter is open: nothing can be varied")
        if len(state.trials) == 1 and budget.trials >= 12:
            point = state.space.defaults()
            again = propose(state, point, "learn", "the default again on another seed shows how large the noise is", 1)
            return Decision((again,), again.reason)
        posterior = self.beliefs.posterior(state)
        points = every(state.space)
        known = points is not None and all_known(
            posterior.rows(points),
            posterior.runs,
            posterior.trial_rows([t.proposal.point for t in posterior.failed]),
            1 if posterior.deterministic else TWICE,
        )
        early = None if known else self._early(state, posterior, budget, points)
        if early is not None:
            return early
        if not posterior.completed:
            return self._blind(state, posterior)
        kept = reserve(budget, deterministic=posterior.deterministic)
        if left <= kept or _progress(state, budget) > 1.0 - kept / budget.trials or known:
            verification = verify(self.beliefs, state, posterior, left)
            if verification is not None:
                return verification
        return self._explore(state, posterior, budget)

    # Learn and improve

    def _early(
        self, state: State, posterior: Posterior, budget: Budget, points: Sequence[Point] | None
    ) -> Decision | None:
        """A few spread-out trials before models can say much; all configurations (``points``) where they are few."""
        kept = reserve(budget, deterministic=posterior.deterministic)
        if points is not None and TWICE * len(points) <= FACTORIAL * (budget.trials - kept):
            rows = posterior.rows(points)
            at = next_run(rows, posterior.rows([t.proposal.point for t in state.trials.values()]))
            if at is None:
                return None
            reason = f"each of the {len(points)} configurations that there are runs twice"
            made = propose(state, points[at], "learn", reason, row=rows[at], posterior=posterior)
            return Decision((made,), reason)
        count = max(3, min(len(state.space.active) // 2 + 1, 6, budget.trials // 6))
        number = len(state.trials) - (2 if budget.trials >= 12 else 1)
        if number >= count:
            return None
        return self._spread(state, posterior, "spread over the space, before any model can say where to look")

    def _blind(self, state: State, posterior: Posterior) -> Decision:
        return self._spread(state, posterior, "no trial has finished with numbers yet: looking elsewhere")

    def _spread(self, state: State, posterior: Posterior, reason: str) -> Decision:
        rows = posterior.encoder.snap(posterior.encoder.sample(64, state.seed + 17))
        tried = {place(r) for r in posterior.rows([t.proposal.point for t in state.trials.values()])}
        new = [r for r in rows if place(r) not in tried] or list(rows)
        likely = [r for r, p in zip(new, posterior.success(np.array(new)), strict=True) if p >= 0.5]
        row = (likely or new)[0]
        made = propose(state, posterior.encoder.decode(row)[0], "learn", reason, row=row, posterior=posterior)
        return Decision((made,), reason)

    def _explore(self, state: State, posterior: Posterior, budget: Budget) -> Decision:
        seed = state.seed + 1009 * state.next_trial
        rng = np.random.default_rng([state.seed, state.next_trial])
        pending = [t.proposal.point for t in state.pending]
        open_ = design.open_theories(self.beliefs, posterior)
        score = improvement.acquisition(posterior, pending, rng, opinions.weights(self.beliefs, posterior))
        asked = wished(posterior)
        rows, gains = improvement.maximise(posterior, score, improvement.starts(posterior), seed, rng, asked.rows)
        rows, gains = _fresh(posterior, rows, gains, pending)
        # What those ask for who were right so far does not wait for the time of learning to end.
        heeded = {place(r) for r in asked.heeded(state)}
        prompt = next((i for i, r in enumerate(rows) if place(r) in heeded and gains[i] >= gains[0] + _PROMPT), None)
        if prompt is not None:
            rows, gains = rows[prompt : prompt + 1], gains[prompt : prompt + 1]
        considered: list[Option] = []
        improve_lesson = self._lesson(posterior, open_, rows[:12], pending, seed)
        # Of points that promise about the same improvement, the one that teaches most.
        close = np.flatnonzero(gains[:12] >= gains[0] - 0.1)
        at = int(close[np.argmax(improve_lesson.total[close])])
        gain = float(np.exp(gains[at]))
        option = _option("improve", posterior, rows[at], float(improve_lesson.total[at]), gain)
        considered.append(option)
        wants = prompt is None and self._wants_to_learn(state, budget)
        if wants and (away := abroad(self.beliefs, posterior, open_, pending, budget.trials, seed)) is not None:
            return replace(away, considered=tuple(considered))
        learn = self._best_lesson(posterior, open_, pending, seed, budget, score, asked)
        if learn is not None:
            chosen_rows, bits, per_theory = learn
            chances = np.exp(score(chosen_rows))
            each = bits / len(chosen_rows)
            considered.extend(
                _option("learn", posterior, row, each, float(chance))
                for row, chance in zip(chosen_rows, chances, strict=True)
            )
            if (wants and bits / len(chosen_rows) > _DULL) or gain < _NOTHING < bits:
                return self._learn(state, posterior, open_, chosen_rows, per_theory, considered, asked)
        lucky = again(posterior, rows[at], pending) if _late(state, budget, posterior) else None
        if lucky is not None:
            return self._repeat(state, posterior, open_, lucky, pending, seed, considered)
        stakes_bits = improve_lesson.bits[:, at] if len(open_.theories) else np.zeros(0)
        middle, sd = posterior.expected(state.objective.metric, rows[at : at + 1])
        reason = improve_reason(posterior, float(middle[0]), float(sd[0]))
        made = propose(
            state,
            posterior.encoder.decode(rows[at])[0],
            "improve",
            reason,
            row=rows[at],
            posterior=posterior,
            bits=stakes_bits,
            open_=open_,
        )
        made = replace(made, proposer=asked.proposer(rows[at]))
        return Decision((made,), reason, (), tuple(considered))

    def _repeat(
        self,
        state: State,
        posterior: Posterior,
        open_: design.Open,
        lucky: Again,
        pending: Sequence[Point],
        seed: int,
        considered: Sequence[Option],
    ) -> Decision:
        """Another run of a configuration that may have been lucky."""
        bits = self._lesson(posterior, open_, lucky.row[None], pending, seed).bits[:, 0]
        reason = repeat_reason(posterior, lucky.trial, lucky.gain, lucky.fresh)
        made = propose(
            state,
            dict(lucky.trial.proposal.point),
            "improve",
            reason,
            row=lucky.row,
            posterior=posterior,
            bits=bits,
            open_=open_,
        )
        return Decision((made,), reason, (), tuple(considered))

    def _lesson(
        self, posterior: Posterior, open_: design.Open, rows: Array, pending: Sequence[Point], seed: int
    ) -> design.Lesson:
        if not len(open_.theories):
            return design.Lesson(rows, np.zeros((0, len(rows))), np.zeros(len(rows)))
        return design.lessons(posterior, open_, rows, pending, seed)

    def _wants_to_learn(self, state: State, budget: Budget) -> bool:
        """Whether learning is behind its share, which falls over the budget."""
        made = [t.proposal for t in state.trials.values()]
        learned = sum(p.purpose == "learn" for p in made)
        improved = sum(p.purpose == "improve" for p in made)
        progress = _progress(state, budget)
        target = learning_share(progress)
        return learned + 0.5 <= target * (learned + improved + 1)

    def _best_lesson(
        self,
        posterior: Posterior,
        open_: design.Open,
        pending: Sequence[Point],
        seed: int,
        budget: Budget,
        score: Callable[[Array], Array],
        asked: Wished,
    ) -> tuple[Array, float, Array] | None:
        """The rows (one, or two for a contrast) that teach most per cost, their bits in all, and bits by theory.

        Of rows that teach about the same, the one that ``score`` promises most improvement for.
        """
        if not len(open_.theories):
            return None
        rows = asked.among(design.candidates(self.beliefs, posterior, open_, seed))
        lesson = design.lessons(posterior, open_, rows, pending, seed)
        worth = lesson.total / self._cost(posterior, rows, budget)
        close = np.flatnonzero(worth >= 0.8 * worth.max())
        at = int(close[np.argmax(score(rows[close]))])
        if budget.trials - posterior.state.planned < 2:
            return rows[at : at + 1], float(lesson.total[at]), lesson.bits[:, at]
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
        asked: Wished,
    ) -> Decision:
        made: list[Proposal] = []
        for i, row in enumerate(rows):
            proposal = propose(
                state,
                posterior.encoder.decode(row)[0],
                "learn",
                "",
                offset=i,
                row=row,
                posterior=posterior,
                bits=bits / len(rows),
                open_=open_,
                seed=trial_seed(state, state.next_trial),
            )
            made.append(replace(proposal, proposer=asked.proposer(row)))
        reason = learn_reason(state, open_, bits, len(rows))
        made = [replace(p, reason=reason) for p in made]
        return Decision(tuple(made), reason, (), tuple(considered))


def reserve(budget: Budget, *, deterministic: bool = False) -> int:
    """Trials kept for verification: rounds for the incumbent, and in a longer study for theories beside it.

    A study too short for them keeps a third: nothing is certified then, but fresh runs tell which is best. Where seeds
    change nothing, one round says all that more would.
    """
    if budget.trials < 10:
        return 0
    if deterministic:
        return 2
    arms = 2 + (budget.trials >= TWO_THEORIES[0]) + (budget.trials >= TWO_THEORIES[1])
    most = AT_MOST * budget.trials
    return ROUNDS * arms if ROUNDS * arms <= most else int(most) // 2 * 2


def learning_share(progress: float) -> float:
    """The share of learning up to ``progress`` (0 to 1): all of it at first; who knows more improves faster."""
    if progress <= LEARN_FIRST:
        return 1.0
    return (LEARN_FIRST + LEARN_LATER * (progress - LEARN_FIRST)) / progress


def _progress(state: State, budget: Budget) -> float:
    share = state.planned / max(budget.trials, 1)
    if budget.seconds:
        share = max(share, (state.spent + state.time - state.run_started) / budget.seconds)
    return min(share, 1.0)


def _late(state: State, budget: Budget, posterior: Posterior) -> bool:
    """Whether the search is about to end: what is found now can hardly be followed up, only chosen or not."""
    kept = reserve(budget, deterministic=posterior.deterministic)
    return _progress(state, budget) >= LATE * (1.0 - kept / budget.trials)


def broken(state: State) -> bool:
    """Whether nothing has worked yet and the default itself failed for a reason that a person can mend."""
    ended = [state.trials[i] for i in state.order]
    return bool(ended) and all(isinstance(t, Failed) and t.failure.kind in MENDABLE for t in ended)


def _fresh(posterior: Posterior, rows: Array, gains: Array, pending: Sequence[Point]) -> tuple[Array, Array]:
    """Leave out configurations that are pending or have run often enough; keep all if nothing else is left."""
    most = 1 if posterior.deterministic else 3
    waiting = {place(r) for r in posterior.rows(list(pending))} if pending else set()
    keep = [i for i, r in enumerate(rows) if place(r) not in waiting and posterior.runs.get(place(r), 0) < most]
    _, first = np.unique(rows[keep].round(9), axis=0, return_index=True)
    chosen = np.array(keep)[np.sort(first)] if keep else np.arange(len(rows))
    return rows[chosen], gains[chosen]


def _option(purpose: Purpose, posterior: Posterior, row: Array, bits: float, gain: float) -> Option:
    point = posterior.encoder.decode(row)[0]
    scale = posterior.response(posterior.state.objective.metric).transform.scale
    reason = "most expected improvement" if purpose == "improve" else "most information about the open theories"
    return Option(purpose, point, reason, bits, gain * scale, posterior.cost["median"])
