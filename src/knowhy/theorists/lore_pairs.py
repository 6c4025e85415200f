"""Lore of pairs of parameters: through what they act together, and who says that they do not.

``{a}`` and ``{b}`` stand for the parameters, ``{m}`` for the metric. The first answer is the one that most
practitioners would give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from knowhy.theorists.lore_entry import Family

Bond = Literal["ratio", "root", "product", "rises", "falls", "stays", "together", "alone"]


@dataclass(frozen=True, slots=True)
class Together:
    """One answer to how a pair acts.

    "ratio", "root" and "product" say that only a / b, a / sqrt(b) or a * b counts; "rises", "falls" and "stays"
    where the best a goes as b rises; "together" and "alone" whether they interact at all.
    """

    bond: Bond
    title: str
    because: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair of senses (see ``reading.sense``) with its rival answers, in these families."""

    first: str
    second: str
    families: tuple[Family, ...]
    importance: float
    answers: tuple[Together, ...]


def _alone(because: str) -> Together:
    return Together("alone", "{a} and {b} act on their own", because)


def _stays(because: str) -> Together:
    return Together("stays", "The best {a} does not care about {b}", because)


_NET: tuple[Family, ...] = ("net", "any")
_TREES: tuple[Family, ...] = ("boosting", "forest")

PAIRS: tuple[Pair, ...] = (
    Pair(
        "learning_rate",
        "batch_size",
        _NET,
        0.9,
        (
            Together(
                "ratio",
                "Only {a} / {b} counts",
                "The noise of a gradient step has temperature lr / batch size: twice the batch with twice the rate is "
                "the same training (linear scaling rule).",
            ),
            Together(
                "root",
                "Only {a} / sqrt({b}) counts",
                "Adaptive optimisers divide by the gradient's size, which is mostly noise and shrinks as one over the "
                "square root of the batch (square-root scaling rule).",
            ),
            _alone(
                "In a small problem the rate is set by how steep the loss is, not by gradient noise; the batch then "
                "only changes the number of updates."
            ),
        ),
    ),
    Pair(
        "learning_rate",
        "width",
        _NET,
        0.7,
        (
            Together(
                "falls",
                "Wider networks want a smaller {a}",
                "With the usual parametrisation the change of a layer's output for a step grows with its width, so the "
                "largest stable rate falls (the reason for muP).",
            ),
            _stays("Fan-in initialisation and normalisation keep the size of the signals, whatever the width."),
        ),
    ),
    Pair(
        "learning_rate",
        "depth",
        _NET,
        0.7,
        (
            Together(
                "falls",
                "Deeper networks want a smaller {a}",
                "Changes in all layers multiply up, so that the steepest direction gets steeper with every layer.",
            ),
            _stays("Residual connections or normalisation keep each layer's influence on the output the same."),
        ),
    ),
    Pair(
        "learning_rate",
        "momentum",
        _NET,
        0.65,
        (
            Together(
                "falls",
                "The more {b}, the smaller the best {a}",
                "Over time a gradient moves the weights by lr / (1 - momentum): that effective rate is what has an "
                "optimum.",
            ),
            _alone("Momentum smooths and the rate scales: at these settings neither is near the limit of stability."),
        ),
    ),
    Pair(
        "learning_rate",
        "epochs",
        _NET,
        0.6,
        (
            Together(
                "falls",
                "Longer training wants a smaller {a}",
                "With few steps a large rate is the only way to arrive; with many, a small one arrives as well and "
                "settles deeper.",
            ),
            _stays(
                "The best rate is the largest stable one, and stability does not depend on how long training lasts."
            ),
        ),
    ),
    Pair(
        "learning_rate",
        "warmup",
        _NET,
        0.45,
        (
            Together(
                "rises",
                "The more {b}, the larger the best {a}",
                "It is the first steps that break at a high rate; after warm-up the landscape is flat enough to bear "
                "it.",
            ),
            _stays("The limit is set by the landscape in mid-training, where warm-up is long over."),
        ),
    ),
    Pair(
        "weight_decay",
        "learning_rate",
        _NET,
        0.5,
        (
            Together(
                "product",
                "Only {a} x {b} counts for decay",
                "In decoupled decay each step shrinks weights by lr x weight_decay: the product sets the time over "
                "which "
                "weights are forgotten.",
            ),
            _alone("The rate acts through its steps long before decay, at these strengths, shrinks anything."),
        ),
    ),
    Pair(
        "dropout",
        "width",
        _NET,
        0.55,
        (
            Together(
                "rises",
                "Wider networks want more {a}",
                "Dropout leaves a network of (1 - p) x width units; only a wide one can spare them, and only a wide "
                "one "
                "memorises enough to need it.",
            ),
            _stays("How much noise helps depends on the data, not on how many units share it."),
        ),
    ),
    Pair(
        "dropout",
        "epochs",
        _NET,
        0.55,
        (
            Together(
                "rises",
                "Longer training wants more {a}",
                "Memorising needs passes over the data: in short training dropout only slows learning, in long "
                "training "
                "it is what keeps validation from turning.",
            ),
            _stays("Dropout changes what is learnt from the first step on, so its best rate is there early."),
        ),
    ),
    Pair(
        "dropout",
        "weight_decay",
        _NET,
        0.4,
        (
            Together(
                "falls",
                "{b} and {a} are substitutes",
                "Both restrain the same memorising: where one does the work already, the other only costs fit.",
            ),
            _alone("Dropout breaks co-adaptation, decay limits size: they cure different things and add up."),
        ),
    ),
    Pair(
        "epochs",
        "batch_size",
        _NET,
        0.5,
        (
            Together(
                "ratio",
                "Only the number of updates counts: {a} / {b}",
                "Each update moves the weights about as far whatever the batch; how many there are is epochs over "
                "batch size.",
            ),
            _alone("Passes over the data decide what can be learnt from them, the batch only how noisily."),
        ),
    ),
    Pair(
        "learning_rate",
        "trees",
        ("boosting",),
        0.9,
        (
            Together(
                "product",
                "Only {a} x {b} counts",
                "A boosted model is a walk of n trees with steps of the learning rate: half the step and twice the "
                "trees is the same walk.",
            ),
            Together(
                "falls",
                "The more {b}, the smaller the best {a}",
                "Smaller steps average over more trees and end lower, if there are trees enough to get there.",
            ),
            _alone("Past convergence the number of trees is idle, and the step has an optimum of its own."),
        ),
    ),
    Pair(
        "tree_depth",
        "trees",
        ("boosting",),
        0.6,
        (
            Together(
                "falls",
                "The more {b}, the shallower the best trees",
                "Capacity is depth times number: what many shallow trees do not need, few trees must get from depth.",
            ),
            _stays("Depth is set by how many features interact, and that is a property of the data."),
        ),
    ),
    Pair(
        "tree_depth",
        "learning_rate",
        ("boosting",),
        0.6,
        (
            Together(
                "falls",
                "Larger steps want shallower trees",
                "A deep tree fits its sample closely; only small steps keep such a tree from carrying its noise into "
                "the sum.",
            ),
            _stays("Depth is set by how many features interact, whatever the step."),
        ),
    ),
    Pair(
        "tree_depth",
        "min_samples",
        _TREES,
        0.5,
        (
            Together(
                "together",
                "{a} and {b} do the same job",
                "Both stop a branch: where large leaves stop it first, the depth limit is idle, and the other way "
                "round.",
            ),
            _alone("Depth limits interactions and leaf size limits noise: two jobs."),
        ),
    ),
    Pair(
        "subsample",
        "trees",
        ("boosting",),
        0.4,
        (
            Together(
                "falls",
                "The more {b}, the smaller the best {a}",
                "Trees on parts of the data are weaker but differ more; many of them make up for it.",
            ),
            _alone("Sampling sets how trees differ, their number how far they go."),
        ),
    ),
    Pair(
        "inverse",
        "gamma",
        ("svm", "any"),
        0.95,
        (
            Together(
                "falls",
                "The larger {b}, the smaller the best {a}",
                "Both bend the boundary: gamma by making each point local, C by insisting on each point; good settings "
                "lie along a diagonal.",
            ),
            Together(
                "product",
                "Only {a} x {b} counts",
                "While the kernel is nearly linear, the machine is a linear one with penalty parameter C x gamma "
                "(Keerthi and Lin, 2003).",
            ),
            _alone("Gamma sets the shape of the features, C how much errors cost: each has its own optimum."),
        ),
    ),
    Pair(
        "strength",
        "learning_rate",
        ("linear", "net"),
        0.4,
        (
            Together(
                "together",
                "{a} and {b} interact",
                "Early stopping with small steps is a penalty too: the slower the solver, the less penalty is needed.",
            ),
            _alone("The penalty sets the optimum, the rate only how one gets there."),
        ),
    ),
)
