"""Whether a trial that runs is worth its end.

It is stopped where it can neither win nor teach any more: where its end, as its curve and the response model foretell
it together, beats the best configuration with a probability of less than ``LOSING``, and where the end would tell
little about the open theories beyond what its curve tells now: less than ``SHARE`` of what a new trial is expected to
tell in the time that is left. Pairs need their ends, so that no trial
is stopped that is half of a pair, that verifies, repeats a configuration or was asked for by somebody; nor the default.

What is kept of a stopped trial is what its curves alone say of their ends. The response model did not enter there, so
that nothing counts twice; each such end is weighed by its own spread beside the noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from knowhy.engine import design
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.courses import course, foretelling, wholes, with_gaps
from knowhy.engine.extrapolation import chance_below, converted, extrapolate, together
from knowhy.engine.information import information
from knowhy.engine.posterior import Posterior
from knowhy.model.observation import Curve
from knowhy.model.space import same_point
from knowhy.model.state import State
from knowhy.model.trial import Completed, Predictive, Running, Stop

LOSING = 0.1
"""A chance to win below which a trial is given up; its tails are wide, so that this is on the safe side."""
SHARE, LITTLE = 0.5, 0.01
"""The share of what the time left would tell in a new trial; bits that are little in any case."""
FEWEST_ENDED = 8
"""Trials that must have completed before any is stopped."""
EARLIEST, LATEST = 0.1, 0.9
"""Shares of the course between which a trial may be stopped: before, curves say too little, after, little is saved."""
_RECENT = 10


def may_stop(state: State, trial: Running) -> bool:
    """Whether ``trial`` is of a kind that may be stopped at all."""
    proposal = trial.proposal
    if len(state.objectives) != 1 or proposal.purpose not in ("learn", "improve") or proposal.arms or proposal.request:
        return False
    if same_point(proposal.point, state.space.defaults()):
        return False
    others = [t.proposal for n, t in state.trials.items() if n != proposal.trial]
    paired = any(o.seed == proposal.seed for o in others)
    return not paired and not any(same_point(o.point, proposal.point) for o in others)


def consider(beliefs: Beliefs, state: State, number: int, curves: Mapping[str, Curve], seconds: float) -> Stop | None:
    """The reasons to stop the trial ``number``, of which ``curves`` are known after ``seconds``; None: it goes on.

    Pure in its arguments. The posterior is asked only where the curve has given the trial up.
    """
    trial = state.trials.get(number)
    if not isinstance(trial, Running) or not may_stop(state, trial):
        return None
    objective = state.objective
    ended = [t for t in state.completed if objective.metric in t.observation.metrics]
    name = foretelling(ended, objective.metric, tuple(curves)) if len(ended) >= FEWEST_ENDED else None
    whole = None if name is None else course(ended, name, trial.proposal.point)
    if name is None or whole is None or not curves[name].steps:
        return None
    step, first = curves[name].steps[-1], min(0.0, curves[name].steps[0])
    if not EARLIEST <= (step - first) / max(whole - first, 1e-12) <= LATEST:
        return None
    alone = extrapolate(curves[name], step, wholes(ended, objective.metric, name, whole), objective.metric)
    if alone is None:
        return None
    expected = next((p for p in trial.proposal.predictions if p.metric == objective.metric), None)
    predicted = alone if expected is None else together(alone, expected)
    best = min(objective.sign * t.observation.metrics[objective.metric] for t in ended)
    # The best single value is better than the best mean, as a rule: who has a chance against it needs no more thought.
    if max(_winning(p, objective.sign, objective.sign * best) for p in (alone, predicted)) > LOSING:
        return None
    posterior = beliefs.posterior(state)
    incumbent = posterior.incumbent
    if incumbent is None:
        return None
    target, spread = _target(posterior, incumbent)
    winning = max(_winning(p, objective.sign, target, spread) for p in (alone, predicted))
    if winning > LOSING:
        return None
    ends = _ends(ended, curves, objective.metric, alone, whole, step)
    bits = left_to_teach(beliefs, posterior, trial, {e.metric: e for e in ends})
    elsewhere = _usual_bits(state) * (1.0 - (step - first) / (whole - first))
    if bits > max(LITTLE, SHARE * elsewhere):
        return None
    low, high = sorted(predicted.quantile_at(z) for z in (-1.645, 1.645))
    reason = (
        f"at step {step:g} of {whole:g} its {objective.metric} is expected to end between {low:.4g} and {high:.4g}: "
        f"it beats {target:.4g} with a probability of {_percent(winning)}, "
        f"and its end would tell {bits:.2g} bits about the open theories, where a new trial would tell {elsewhere:.2g} "
        "in the time left"
    )
    kept = {n: c for n, c in curves.items() if n in {e.metric for e in ends} | {name}}
    return Stop(step, whole, predicted, target, winning, bits, reason, seconds, tuple(ends), kept)


def _usual_bits(state: State) -> float:
    """What a trial is expected to tell: the median of the last few that were chosen by a model."""
    told = [t.proposal.expected_bits for _, t in sorted(state.trials.items()) if t.proposal.expected_bits > 0]
    return float(np.median(told[-_RECENT:])) if told else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%" if share >= 0.001 else "less than 0.1%"


def _winning(found: Predictive, sign: float, target: float, spread: float = 0.0) -> float:
    below = chance_below(found, target, spread)
    return below if sign > 0 else 1.0 - below


def _target(posterior: Posterior, incumbent: Completed) -> tuple[float, float]:
    """The posterior mean of the best configuration, and its standard deviation, in the units of the objective."""
    metric = posterior.state.objective.metric
    mean, sd = posterior.expected(metric, posterior.rows([incumbent.proposal.point]))
    t = posterior.response(metric).transform
    middle = float(t.back(mean)[0])
    return middle, float(sd[0]) * t.scale * (abs(middle) if t.log else 1.0)


def _ends(
    ended: Sequence[Completed], curves: Mapping[str, Curve], main: str, alone: Predictive, whole: float, step: float
) -> list[Predictive]:
    """What the curves say of their own ends, that of the metric ``main`` first."""
    found = [alone]
    for name, curve in sorted(with_gaps(curves).items()):
        # A curve on other steps is at another place of its own course, and may be behind.
        if name != main and curve.steps and curve.steps[-1] == step:
            end = extrapolate(curve, step, wholes(ended, name, name, whole), name)
            found += [end] if end is not None else []
    return found


def left_to_teach(beliefs: Beliefs, posterior: Posterior, trial: Running, ends: Mapping[str, Predictive]) -> float:
    """Bits that the end of ``trial`` would still tell about the open theories, once ``ends`` are known.

    A foretold end is a noisy look at the end itself, so that the rest is what the end tells more than such a look, on
    average over what may come. Metrics of which no end is foretold count in full.
    """
    open_ = design.open_theories(beliefs, posterior)
    if not len(open_.theories):
        return 0.0
    row = posterior.rows([trial.proposal.point])
    left = np.zeros(len(open_.theories))
    for metric in dict.fromkeys(m for named in open_.metrics for m in named):
        if metric == "duration":
            continue  # how long it would have taken is known by now
        about = [i for i, named in enumerate(open_.metrics) if metric in named]
        response = posterior.response(metric)
        values, noise = response.draws(row), max(response.noise, 0.02) * float(response.louder(row)[0])
        told = np.zeros(len(about))
        if metric in ends:
            t = response.transform
            blurred = float(np.hypot(noise, converted(ends[metric], t.log)[1] / t.scale))
            told = information(open_.bits[about], values, blurred, _same(posterior, trial), None)[:, 0]
        found = information(open_.bits[about], values, noise, _same(posterior, trial), None)[:, 0]
        left[about] = np.maximum(left[about], found - told)
    return float(left.sum())


def _same(posterior: Posterior, trial: Running) -> np.random.Generator:
    """The same random numbers each time: two looks at one trial differ by nothing else."""
    return np.random.default_rng([posterior.state.seed, 41, trial.proposal.trial])
