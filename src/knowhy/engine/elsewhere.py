"""Testing the elsewhere: a search that follows its best trials stays in one region, however deep the next one is.

Where a theory says that the best of all lies in a region without the best configuration known, and that is open, some
of the trials that are there to learn go into that region, where they promise most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from knowhy.engine import design, places
from knowhy.engine.beliefs import Beliefs
from knowhy.engine.encoding import Array
from knowhy.engine.posterior import Posterior
from knowhy.engine.proposals import propose
from knowhy.engine.tried import place
from knowhy.model.decision import Decision
from knowhy.model.space import Interval, Point
from knowhy.model.theory import Bound, Lies, Theory
from knowhy.model.trial import Completed, Proposal

OFTEN = 0.5  # of the trials that learn, for all such regions together
FIRST, MOST = 2, 0.1  # visits: to each region whatever is believed, and to all of them as a share of the budget
_OPEN = 0.03
_APART, _MANY = 0.2, 0.34
_KNOWN = 0.5
_BETTER = 0.7
_ROWS = 128


@dataclass(frozen=True)
class _Region:
    """Where a theory has the best of all."""

    theory: Theory
    bounds: tuple[Bound, ...]
    belief: float

    @property
    def joint(self) -> bool:
        """Whether it names several parameters, and so what has to change together."""
        return len({b.parameter for b in self.bounds}) > 1


def abroad(
    beliefs: Beliefs,
    posterior: Posterior,
    open_: design.Open,
    pending: Sequence[Point],
    budget: int,
    seed: int,
) -> Decision | None:
    """A trial in a region where the best of all may lie, away from the best known; None where none is due."""
    state = posterior.state
    regions = _regions(beliefs, posterior) if posterior.incumbent is not None else []
    if posterior.incumbent is None or not regions:
        return None
    home = posterior.rows([posterior.incumbent.proposal.point])
    since = [t.proposal for n, t in state.trials.items() if n > min(r.theory.after for r in regions)]
    rows = posterior.trial_rows([p.point for p in since])
    # One step out of the region of the best is no visit: much has to be different.
    apart = (np.abs(rows - home) > _APART).sum(axis=1) >= max(2.0, _MANY * posterior.encoder.groups)
    visits = np.array([(apart | r.joint) & places.inside(posterior.encoder, r.bounds, rows) for r in regions])
    abroad_so_far = visits.any(axis=0).sum()
    if abroad_so_far >= max(3, MOST * budget) or abroad_so_far > OFTEN * sum(p.purpose == "learn" for p in since):
        return None
    counts = visits.sum(axis=1)
    # What models say of a region in which nothing ran is no more than an extrapolation: a few visits before it counts.
    most = np.array([max(FIRST, MOST * budget) if r.belief >= _OPEN else FIRST for r in regions])
    due = np.flatnonzero(counts < most)
    if not len(due):
        return None
    at = int(due[np.argmin(counts[due])])  # of those that were visited equally often, the one that is believed most
    region, theory = regions[at], regions[at].theory
    waiting = {place(r) for r in posterior.rows(list(pending))} if pending else set()
    if region.joint:
        there = _steps(posterior, region.bounds, home[0], seed)
    else:
        # What promises most is what is most like the best known: what is most unlike it, and what was visited, tells.
        known = np.concatenate([home, rows[visits.any(axis=0)]])
        there = _regime(posterior, region.bounds, _ROWS, seed)
        unlike = _unlike(places.edges(posterior.encoder, region.bounds), there, known)
        there = there[np.argsort(-unlike, kind="stable")]
    there = there[places.inside(posterior.encoder, region.bounds, there)]
    new = np.array([r for r in there if place(r) not in waiting and place(r) not in posterior.runs])
    if not len(new):
        return None
    likely = new[posterior.success(new) >= 0.5]
    new = likely if len(likely) else new
    promise = _promise(posterior, [p for p, here in zip(since, visits[at], strict=True) if here])
    row = new[0] if promise is None else _near(posterior, promise, waiting, np.random.default_rng([seed, 73]))
    bits = design.lessons(posterior, open_, row[None], pending, seed).bits[:, 0]
    reason = (
        f"to look elsewhere: the best known is not where {theory.id} (belief {region.belief:.2f}) has it, "
        f"\u201c{theory.title}\u201d"
    )
    point = posterior.encoder.decode(row)[0]
    made = propose(state, point, "learn", reason, row=row, posterior=posterior, bits=bits, open_=open_)
    return Decision((made,), reason)


def _regime(posterior: Posterior, bounds: Sequence[Bound], count: int, seed: int) -> Array:
    """``count`` rows of regimes within ``bounds``: each parameter low or high in what is left of its range.

    Away from the edges, where little works, and from the middle, which is neither.
    """
    encoder = posterior.encoder
    low, high = places.edges(encoder, bounds)
    rng = np.random.default_rng([seed, 71])
    rows = places.squeezed(encoder, bounds, count, seed)
    for p, s in zip(encoder.parameters, encoder.slices, strict=True):
        if p.active and isinstance(p.domain, Interval):
            side = np.where(rng.random(count) < 0.5, 0.0, 0.5)
            unit = side + 0.1 + 0.3 * rng.random(count)
            rows[:, s.start] = low[s.start] + (high[s.start] - low[s.start]) * unit
    return encoder.snap(encoder.rule_out(rows))


def _steps(posterior: Posterior, bounds: Sequence[Bound], home: Array, seed: int) -> Array:
    """The best known with no more changed than ``bounds`` ask for, and what is around it there."""
    encoder = posterior.encoder
    near = encoder.neighbours(home, _ROWS, 0.12, np.random.default_rng([seed, 79]))
    return encoder.snap(places.moved(encoder, bounds, np.concatenate([home[None], near])))


def _promise(posterior: Posterior, visits: Sequence[Proposal]) -> Array | None:
    """The row of the visit that came out best against what was expected of it, where that is clearly better."""
    objective = posterior.state.objective
    found: tuple[float, Proposal] | None = None
    for p in visits:
        trial = posterior.state.trials[p.trial]
        expected = next((e for e in p.predictions if e.metric == objective.metric), None)
        if not isinstance(trial, Completed) or expected is None or expected.log:
            continue
        surprise = objective.sign * (trial.observation.metrics[objective.metric] - expected.mean) / expected.sd
        if surprise < -_BETTER and (found is None or surprise < found[0]):
            found = surprise, p
    return None if found is None else posterior.rows([found[1].point])[0]


def _near(posterior: Posterior, row: Array, waiting: set[bytes], rng: np.random.Generator) -> Array:
    """A row around ``row`` that may well be better: its model is new there, and what it does not know counts for it."""
    objective = posterior.state.objective
    around = posterior.encoder.snap(posterior.encoder.neighbours(row, _ROWS, 0.12, rng))
    kept = [r for r in around if place(r) not in waiting and place(r) not in posterior.runs]
    rows = np.array(kept) if kept else around
    mean, sd = posterior.expected(objective.metric, rows)
    return np.asarray(rows[int(np.argmin(objective.sign * mean - sd))])


def _unlike(bounds: tuple[Array, Array], rows: Array, visited: Array) -> Array:
    """How many columns of each row lie in another half of what is left: on average over the visits, and at least."""
    middle = 0.5 * (bounds[0] + bounds[1])
    apart = ((rows > middle)[:, None] != (visited > middle)[None]).sum(axis=2)
    return np.asarray(apart.mean(axis=1) + apart.min(axis=1))


def _regions(beliefs: Beliefs, posterior: Posterior) -> list[_Region]:
    """The theories that have the best of all away from the best known, the likeliest first."""
    assert posterior.incumbent is not None
    state = posterior.state
    home = posterior.rows([posterior.incumbent.proposal.point])
    found = []
    for theory in state.theories.values():
        bounds = _region(beliefs, posterior, theory)
        if bounds is None or places.inside(posterior.encoder, bounds, home)[0]:
            continue
        before = posterior.trial_rows([t.proposal.point for n, t in state.trials.items() if n <= theory.after])
        # Where a good share of the trials had been when it was said, nobody has to go for want of having been there.
        if not len(before) or places.inside(posterior.encoder, bounds, before).mean() < _KNOWN:
            found.append(_Region(theory, bounds, posterior.state.beliefs.get(theory.id, 0.5)))
    return sorted(found, key=lambda r: -r.belief)


def _region(beliefs: Beliefs, posterior: Posterior, theory: Theory) -> tuple[Bound, ...] | None:
    """The region in which ``theory`` says that the best of the first objective lies."""
    for claim in beliefs.claims(posterior.state, theory.claims):
        if isinstance(claim, Lies) and claim.metric == posterior.state.objective.metric:
            return claim.bounds
    return None
