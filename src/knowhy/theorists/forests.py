"""What makes the trees of a forest differ: samples of the data, or few features to choose from at each split.

Either does; both together may be more than the data allow (Breiman 2001; Geurts, Ernst and Wehenkel 2006, whose trees
see all of the data and differ by their splits alone). One change at a time does not show it: without bootstrap samples
and with all features, all trees are alike.
"""

from __future__ import annotations

from collections.abc import Iterator

from knowhy.model.objective import Objective
from knowhy.model.space import Interval
from knowhy.model.theory import Bound, Lies
from knowhy.theorists.questions import Question, Rival
from knowhy.theorists.reading import Reading, number

FEW = 0.3  # of the features: most rules of thumb say the root of their number, or a third
_ROWS, _COLUMNS = "bootstrap", "max_features"


def sampling(reading: Reading, objective: Objective) -> Iterator[Question]:
    """Whether a forest that offers few features to each split needs its bootstrap samples."""
    active = {p.name.lower().rpartition(".")[2]: p for p in reading.state.space.active}
    rows, columns = active.get(_ROWS), active.get(_COLUMNS)
    if reading.family != "forest" or rows is None or columns is None or rows.default is not True:
        return
    domain = columns.domain
    if not isinstance(domain, Interval) or domain.high > 1 or not domain.contains(FEW):
        return
    if not isinstance(columns.default, (int, float)) or columns.default <= FEW:
        return
    m, few = objective.metric, f"few features at each split ({columns.name} below {number(FEW)})"
    yield Question(
        "what makes the trees of the forest differ?",
        (
            Rival(
                f"The best {m} has {few} and no {rows.name}",
                "Trees that choose among few features differ enough by that; without samples each learns from all of "
                "the data. With all features on offer they would all be alike.",
                (Lies(m, (Bound(rows.name, "=", False), Bound(columns.name, "<=", FEW))),),
            ),
            Rival(
                f"The best {m} of all has {rows.name}",
                "A few features carry most of what there is to know: trees that may all use them make the same "
                "mistakes unless they see different data.",
                (Lies(m, (Bound(rows.name, "=", True),)),),
            ),
        ),
        0.95,
    )
