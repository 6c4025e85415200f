"""What trials tell of a metric: values that were measured, and ends that the curves of stopped trials foretell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from knowhy.engine.encoding import Array
from knowhy.engine.extrapolation import converted
from knowhy.engine.response import Transform
from knowhy.model.space import Point
from knowhy.model.trial import Completed, Predictive, Proposal, Stopped, Trial


class Look(NamedTuple):
    """One look at a metric at ``point`` on ``seed``; ``foretold`` is the prediction whose middle the value is.

    A seed that nobody knows is a negative number, another for each trial.
    """

    point: Point
    value: float
    seed: int
    foretold: Predictive | None = None


def looks(trials: Iterable[Trial], metric: str) -> list[Look]:
    """Looks at ``metric``, in the order of ``trials``."""
    found: list[Look] = []
    for t in trials:
        if isinstance(t, Completed) and metric in t.observation.metrics:
            found.append(Look(t.proposal.point, t.observation.metrics[metric], seed_of(t.proposal)))
        elif isinstance(t, Stopped):
            ends = [end for end in t.stop.ends if end.metric == metric]
            found += [Look(t.proposal.point, end.quantile_at(0.0), seed_of(t.proposal), end) for end in ends]
    return found


def seed_of(proposal: Proposal) -> int:
    """The seed of a trial; a negative number where nobody knows it: a trial that was imported without one."""
    return proposal.seed if proposal.seed_known else -proposal.trial


def variances(found: Sequence[Look], transform: Transform) -> Array | None:
    """What each look errs by beside the noise, as variances in standard units; None where all were measured."""
    if all(look.foretold is None for look in found):
        return None
    sds = [0.0 if look.foretold is None else converted(look.foretold, transform.log)[1] for look in found]
    return np.asarray((np.array(sds) / transform.scale) ** 2)
