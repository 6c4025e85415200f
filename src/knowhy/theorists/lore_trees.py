"""Lore of forests and boosting.

The role "leaf" is split by name into "leaves" (how many) and "min_samples" (how small); "gamma" prices a split.
"""

from __future__ import annotations

from knowhy.theorists.lore_entry import Answer, Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        "strength",
        ("boosting", "forest"),
        0.4,
        "flat",
        Answer(
            "More {p} helps",
            "Shrinking leaf values and pruning weak splits keeps trees from voting on the strength of a few examples.",
        ),
        Answer(
            "More {p} hurts", "Boosting is regularised by small steps already; a penalty on top only slows the fit."
        ),
        Answer(
            "{p} does not matter here", "Depth, leaf size and the learning rate already set how much each tree may say."
        ),
        part="regulariser",
        train="+",
        gap="-",
    ),
    Entry(
        "gamma",
        ("boosting", "forest"),
        0.4,
        "flat",
        Answer(
            "A higher price for splits helps",
            "Splits that gain less than {p} fit noise: not making them is free variance.",
        ),
        Answer(
            "A higher price for splits hurts",
            "Weak splits are often the way to strong ones below; pruning stops that path.",
        ),
        Answer("{p} does not matter here", "Depth and leaf size stop the trees before {p} does."),
        part="regulariser",
        train="+",
        gap="-",
    ),
    Entry(
        "learning_rate",
        ("boosting",),
        0.9,
        "less",
        Answer(
            "{p} is too small for this number of trees",
            "Boosting moves a fraction of the residual per tree; with this many trees it stops before it has arrived.",
        ),
        Answer(
            "{p} is too large: shrink it",
            "Small steps average over many trees, so no single one gets to fit the noise it was grown on; that is what "
            "shrinkage buys.",
        ),
        Answer(
            "{p} is about right",
            "With enough trees the ensemble converges to the same loss over a range of rates, sooner or later.",
        ),
        form="optimum",
        part="optimisation",
        train="-",
        gap="+",
        factor=10.0,
    ),
    Entry(
        "trees",
        ("boosting",),
        0.75,
        "more",
        Answer(
            "More trees help: boosting has not converged",
            "Each tree corrects what the sum before it still gets wrong, and there is something left to correct.",
        ),
        Answer(
            "More trees hurt: boosting overfits",
            "What the last trees correct is noise: the training loss goes on falling and the validation loss turns.",
        ),
        Answer("More trees change nothing", "The residuals are used up: late trees are small corrections that cancel."),
        form="training",
        part="capacity",
        train="-",
        gap="+",
        cost="+",
        factor=4.0,
    ),
    Entry(
        "trees",
        ("forest", "any"),
        0.5,
        "flat",
        Answer(
            "More trees help", "Averaging more trees removes variance and adds no bias: a forest cannot have too many."
        ),
        Answer(
            "Fewer trees are as good or better", "On a small test set the differences that many trees make are luck."
        ),
        Answer(
            "The forest has enough trees",
            "The variance that is left falls as one over the number of trees and is small already; only time grows.",
        ),
        form="training",
        part="capacity",
        train="-",
        gap="-",
        cost="+",
        factor=4.0,
    ),
    Entry(
        "tree_depth",
        ("boosting", "any"),
        0.8,
        "less",
        Answer(
            "Deeper trees help: features interact",
            "A tree of depth d models interactions of d features; shallower ones cannot express what the target "
            "depends on.",
        ),
        Answer(
            "Deeper trees hurt: weak learners should stay weak",
            "Deep trees isolate single examples and boosting repeats their mistakes; the sum makes up for simple "
            "trees.",
        ),
        Answer(
            "Tree depth does not matter here", "Leaf size and the learning rate stop the trees before the depth does."
        ),
        part="capacity",
        train="-",
        gap="+",
        cost="+",
        factor=2.0,
    ),
    Entry(
        "tree_depth",
        ("forest",),
        0.6,
        "more",
        Answer(
            "Deeper trees help: the forest averages their variance away",
            "Each deep tree overfits in its own way; the average keeps the low bias and loses the variance.",
        ),
        Answer(
            "Deeper trees hurt",
            "On noisy labels all trees fit the same noise, and the average cannot remove what they share.",
        ),
        Answer("Tree depth does not matter here", "Trees are pure before they reach the limit."),
        part="capacity",
        train="-",
        gap="+",
        cost="+",
        factor=2.0,
    ),
    Entry(
        "leaves",
        ("boosting", "forest", "any"),
        0.7,
        "less",
        Answer(
            "More leaves help",
            "Trees that grow leaf by leaf put new leaves where the loss falls most: detail where it pays.",
        ),
        Answer(
            "More leaves hurt", "The last leaves are cut around a handful of examples: that is memory, not pattern."
        ),
        Answer(
            "The number of leaves does not matter", "Trees run out of worthwhile splits before they run out of leaves."
        ),
        part="capacity",
        train="-",
        gap="+",
        cost="+",
        factor=4.0,
    ),
    Entry(
        "min_samples",
        ("boosting", "forest", "any"),
        0.55,
        "more",
        Answer(
            "Larger leaves help: small ones are memory",
            "A leaf with a few examples predicts their noise; asking for more averages it away.",
        ),
        Answer(
            "Larger leaves hurt: rare cases are lost",
            "Small groups that behave differently need leaves of their own; a floor merges them with their neighbours.",
        ),
        Answer(
            "Leaf size does not matter here", "Averaging over many trees already smooths what small leaves get wrong."
        ),
        part="regulariser",
        train="+",
        gap="-",
        cost="-",
    ),
    Entry(
        "subsample",
        ("boosting", "any"),
        0.5,
        "less",
        Answer(
            "Using more of the data for each tree helps",
            "Each tree that sees only a part is weaker, and data are scarce.",
        ),
        Answer(
            "Using less of the data for each tree helps",
            "Trees that see different parts make different mistakes, which cancel in the sum (stochastic boosting).",
        ),
        Answer("Subsampling does not matter here", "Small steps already decorrelate the trees."),
        part="regulariser",
        train="-",
        gap="+",
        cost="+",
        reach=0.5,
    ),
    Entry(
        "subsample",
        ("forest",),
        0.5,
        "less",
        Answer(
            "Offering more to each split helps",
            "With few candidates many splits are made on features that say nothing.",
        ),
        Answer("Offering less to each split helps", "Trees that differ more are averaged to a better forest."),
        Answer("Subsampling does not matter here", "The trees already differ enough by their bootstrap samples."),
        part="regulariser",
        train="-",
        gap="+",
        cost="+",
        reach=0.5,
    ),
)
