"""The front of several objectives, with what is not known about it: a probability for each configuration.

Single runs are lucky or not, and the front of what was observed is made of the lucky ones. Here the objectives of all
tried configurations are drawn from the posterior together; one is on the front in the draws in which no other beats it.
What is shown for it are posterior estimates, shrunken towards what the models expect.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowhy.engine.encoding import Array
from knowhy.engine.hypervolume import on_front
from knowhy.engine.posterior import Posterior
from knowhy.engine.tried import place
from knowhy.errors import MetricError, UsageError
from knowhy.model.belief import Estimate, Placed
from knowhy.model.trial import Completed

_MOST, _DRAWS = 160, 256


def placed(posterior: Posterior, weights: Mapping[str, float] | None = None) -> tuple[Placed, ...]:
    """Every tried configuration (the best 160) with its place, the likeliest on the front first.

    ``weights`` say what a unit of each objective is worth; with them the likeliest best by them comes first, and
    ``chosen`` is filled. Raises MetricError for weights of other metrics, UsageError for weights that are not positive.
    """
    state = posterior.state
    objectives = state.objectives
    if weights is not None:
        _check(weights, [o.metric for o in objectives])
    trials, rows = _tried(posterior)
    if not trials:
        return ()
    default = posterior.rows([state.space.defaults()])
    every = np.concatenate([rows, default])
    values = np.stack(
        [posterior.response(o.metric).transform.back(posterior.response(o.metric).draws(every)) for o in objectives],
        axis=-1,
    )  # draws by configurations and the default by objectives, in the metrics' units
    signs = np.array([o.sign for o in objectives])
    costs = signs * values[:_DRAWS, :-1]
    kept = np.ones(costs.shape[:2], dtype=bool)
    for c in state.constraints:
        response = posterior.response(c.metric)
        there = response.transform.back(response.draws(rows))[:_DRAWS]
        kept &= there <= c.bound if c.op == "<=" else there >= c.bound
    # What breaks a constraint beats nobody.
    allowed = np.where(kept[..., None], costs, np.inf)
    front = (on_front(allowed) & kept).mean(axis=0)
    chosen: Array | None = None
    if weights is not None:
        each = np.array([weights.get(o.metric, 0.0) for o in objectives])
        total = np.where(kept, costs @ each, np.inf)
        chosen = np.bincount(total.argmin(axis=1), minlength=len(trials)) / len(total)
        order = np.lexsort((-front, np.where(kept.mean(axis=0) >= 0.5, 0, 1) * 1e300 + _middle(total)))
    else:
        order = np.argsort(-front, kind="stable")
    runs = [posterior.runs.get(place(r), 1) for r in rows]
    out = []
    for i in order:
        here, gain = values[:, i], values[:, i] - values[:, -1]
        out.append(
            Placed(
                trials[i].proposal.trial,
                trials[i].proposal.point,
                runs[i],
                float(front[i]),
                None if chosen is None else float(chosen[i]),
                tuple(_estimate(o.metric, here[:, k]) for k, o in enumerate(objectives)),
                tuple(_estimate(o.metric, gain[:, k]) for k, o in enumerate(objectives)),
            )
        )
    return tuple(out)


def _middle(total: Array) -> Array:
    finite = np.where(np.isfinite(total), total, np.nan)
    return np.array([np.nanmean(c) if np.isfinite(c).any() else np.inf for c in finite.T])


def _check(weights: Mapping[str, float], metrics: list[str]) -> None:
    for metric, weight in weights.items():
        if metric not in metrics:
            raise MetricError(f"{metric} is no objective of this study", f"its objectives are {', '.join(metrics)}")
        if not (np.isfinite(weight) and weight >= 0):
            raise UsageError(f"the weight of {metric} is {weight}", "a weight is a number that is not negative")
    if not any(weights.values()):
        raise UsageError("every weight is zero", "give at least one objective a positive weight")


def _tried(posterior: Posterior) -> tuple[list[Completed], Array]:
    """Configurations that kept the constraints when they ran; of very many, those nearest to the front."""
    trials, rows = posterior.candidates
    if len(trials) <= _MOST:
        return trials, rows
    costs = np.stack([o.sign * posterior.at_candidates(o.metric)[0] for o in posterior.state.objectives], axis=1)
    beaten = np.array([int(np.sum(np.all(costs <= c, axis=1) & np.any(costs < c, axis=1))) for c in costs])
    index = np.sort(np.argsort(beaten, kind="stable")[:_MOST])
    return [trials[i] for i in index], rows[index]


def _estimate(metric: str, values: Array) -> Estimate:
    low, middle, high = (float(q) for q in np.quantile(values, [0.05, 0.5, 0.95]))
    return Estimate(metric, middle, low, high)
