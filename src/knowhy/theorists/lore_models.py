"""Lore of linear models, support vector machines and neighbours.

The role "regularization" is split by sense: "strength" (alpha, lambda: larger is more), "inverse" (C: larger is less)
and "mixture" (the share of l1).
"""

from __future__ import annotations

from knowhy.theorists.lore_entry import Answer, Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        "inverse",
        ("svm", "linear", "any"),
        0.95,
        "more",
        Answer(
            "{p} is too small: the margin ignores the data",
            "A small {p} pays little for errors, so the rule stays simpler than the data are; raising it lets the "
            "fit follow.",
        ),
        Answer(
            "{p} is too large: it fits the noise",
            "A large {p} pays for every misclassified example, outliers and wrong labels included; the margin gets "
            "narrow and so does the generalisation.",
        ),
        Answer(
            "{p} is about right",
            "Once most points are outside the margin, a wide range of {p} gives the same support vectors and the "
            "same rule.",
        ),
        form="optimum",
        part="capacity",
        train="-",
        gap="+",
    ),
    Entry(
        "strength",
        ("svm", "linear", "net", "any"),
        0.8,
        "more",
        Answer(
            "{p} is too weak: the weights follow noise",
            "With many features for the data, unpenalised weights soak up noise and cancel each other; shrinking "
            "them costs "
            "a little bias and saves much variance.",
        ),
        Answer(
            "{p} is too strong: it shrinks signal",
            "The penalty does not tell signal from noise: beyond what the variance asks for, it only biases.",
        ),
        Answer(
            "{p} is about right",
            "With enough data for each feature, the penalty is small against the likelihood over a wide range.",
        ),
        form="optimum",
        part="regulariser",
        train="+",
        gap="-",
    ),
    Entry(
        "gamma",
        ("svm", "any"),
        0.9,
        "more",
        Answer(
            "{p} is too small: the boundary is too stiff",
            "With wide kernels all points look alike and the machine is nearly linear; narrower ones let it bend where "
            "the classes do.",
        ),
        Answer(
            "{p} is too large: every point is an island",
            "With narrow kernels each support vector speaks only for itself: training is perfect and new points are "
            "guesses.",
        ),
        Answer(
            "{p} is about right",
            "The usual default, one over features times variance, puts typical distances where the kernel is "
            "sensitive.",
        ),
        form="optimum",
        part="capacity",
        train="-",
        gap="+",
    ),
    Entry(
        "kernel",
        ("svm", "linear", "any"),
        0.7,
        "flat",
        Answer("{p} matters", "The kernel is the hypothesis class."),
        Answer("{p} matters", "The kernel is the hypothesis class."),
        Answer(
            "The choice of {p} does not matter",
            "With its own settings tuned, each kernel draws about the same boundary.",
        ),
        part="capacity",
    ),
    Entry(
        "epochs",
        ("linear", "svm"),
        0.35,
        "flat",
        Answer("The solver stops too early", "It hits its limit of iterations before it converges."),
        Answer("Stopping earlier helps", "Early stopping is a penalty on the weights by another name."),
        Answer(
            "The solver has converged", "The problem is convex: once at the optimum, further iterations change nothing."
        ),
        form="training",
        part="optimisation",
        train="-",
        cost="+",
        factor=4.0,
    ),
    Entry(
        "epsilon",
        ("linear", "svm"),
        0.3,
        "flat",
        Answer(
            "A looser tolerance is as good or better",
            "The last digits of the optimum fit the training sample, not the world.",
        ),
        Answer("A looser tolerance hurts", "The solver stops before it has found the rule that the data support."),
        Answer(
            "{p} does not matter here", "Differences of that size in the solution are far below the sampling noise."
        ),
        factor=100.0,
    ),
    Entry(
        "mixture",
        ("linear", "svm", "any"),
        0.4,
        "flat",
        Answer(
            "A larger share of l1 helps: few features matter", "The l1 part sets the weights of idle features to zero."
        ),
        Answer(
            "A larger share of l1 hurts: features share the work",
            "Of features that move together l1 keeps one and drops the rest; l2 spreads the weight over them.",
        ),
        Answer("The mix of penalties does not matter", "At this strength either penalty removes the same directions."),
        part="regulariser",
    ),
    Entry(
        "neighbours",
        ("any", "svm", "linear"),
        0.8,
        "more",
        Answer("More neighbours help", "A vote of more neighbours averages out wrong labels: less variance."),
        Answer("More neighbours hurt", "Neighbours further away belong to other classes: the vote blurs the boundary."),
        Answer(
            "The number of neighbours does not matter", "Classes are far apart, so that near and far neighbours agree."
        ),
        part="regulariser",
        train="+",
        gap="-",
    ),
    Entry(
        "degree",
        ("svm", "linear", "any"),
        0.4,
        "less",
        Answer("A higher degree helps", "Products of more features express interactions that the target depends on."),
        Answer("A higher degree hurts", "Features multiply with every degree, and most products are noise."),
        Answer("The degree does not matter", "The kernel in use does not look at it, or low orders say it all."),
        part="capacity",
        train="-",
        gap="+",
    ),
)
