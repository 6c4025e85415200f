"""Lore of what neural networks are: their size, the length of training, and what restrains them."""

from __future__ import annotations

from knowhy.theorists.lore_entry import Answer, Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        "dropout",
        ("net", "any"),
        0.7,
        "more",
        Answer(
            "More dropout helps: the network memorises",
            "Random silencing stops units from relying on one another, so capacity that went into memorising single "
            "examples goes into features that are shared.",
        ),
        Answer(
            "More dropout hurts: the network needs its capacity",
            "Every dropped unit makes the network that is being trained smaller and its gradients noisier; a network "
            "that does not memorise yet only learns more slowly.",
        ),
        Answer(
            "Dropout does not matter here",
            "At this size and length of training other noise, from small batches and early stopping, already "
            "regularises as much as dropout would.",
        ),
        part="regulariser",
        train="+",
        gap="-",
    ),
    Entry(
        "weight_decay",
        ("net", "any"),
        0.55,
        "more",
        Answer(
            "More weight decay helps",
            "Small weights make smooth functions; and with normalisation layers decay keeps the effective step size "
            "from dying out.",
        ),
        Answer(
            "More weight decay hurts: it fights the fit",
            "The penalty pulls weights away from where the data want them; a model that does not overfit pays for it "
            "in "
            "training loss and gets nothing back.",
        ),
        Answer(
            "Weight decay does not matter here",
            "Decay works at the rate lr x weight_decay per step; in a short training that has hardly shrunk a weight.",
        ),
        part="regulariser",
        train="+",
        gap="-",
        factor=10.0,
    ),
    Entry(
        "epochs",
        ("net", "any"),
        0.65,
        "more",
        Answer(
            "Training stops too early",
            "The model is still learning when the budget ends, so that every further pass takes the loss down.",
        ),
        Answer(
            "Training goes on too long",
            "After the shared structure is learnt, further passes fit single examples and noise, and validation turns.",
        ),
        Answer(
            "More training changes nothing", "The run has converged: the last passes only polish the same solution."
        ),
        form="training",
        part="capacity",
        train="-",
        gap="+",
        cost="+",
        factor=3.0,
    ),
    Entry(
        "width",
        ("net", "any"),
        0.6,
        "more",
        Answer(
            "A wider network helps",
            "More units are more features, and wide networks are easier to optimise; in practice they generalise no "
            "worse for it.",
        ),
        Answer(
            "A wider network hurts",
            "More weights on the same data are more ways to memorise it, and within a fixed time each step is slower.",
        ),
        Answer("Width does not matter here", "The network already has all the units that the data can use."),
        part="capacity",
        train="-",
        gap="+",
        cost="+",
        factor=4.0,
    ),
    Entry(
        "depth",
        ("net", "any"),
        0.55,
        "more",
        Answer(
            "A deeper network helps",
            "Layers compose features of features, which a wide shallow network can only list one by one.",
        ),
        Answer(
            "A deeper network hurts",
            "Gradients have further to travel, so that training is less stable and slower, and in the same time the "
            "network sees less data.",
        ),
        Answer(
            "Depth does not matter here",
            "The task needs few steps of computation: the extra layers learn to pass through.",
        ),
        part="capacity",
        train="-",
        gap="+",
        cost="+",
        factor=2.0,
    ),
    Entry(
        "heads",
        ("net", "any"),
        0.3,
        "flat",
        Answer("More heads help", "Each head can attend to something else; with few, relations share one softmax."),
        Answer(
            "More heads hurt", "At a fixed width more heads are narrower, down to where queries cannot tell keys apart."
        ),
        Answer("The number of heads does not matter", "Many heads are redundant: most can be pruned after training."),
        part="capacity",
        factor=2.0,
    ),
    Entry(
        "label_smoothing",
        ("net", "any"),
        0.35,
        "more",
        Answer(
            "Label smoothing helps",
            "Soft targets stop the logits from growing without end, which is what memorised and mislabelled examples "
            "ask for.",
        ),
        Answer(
            "Label smoothing hurts the loss",
            "It asks for wrong probabilities on purpose; a loss that is measured on hard labels pays for that.",
        ),
        Answer(
            "Label smoothing does not matter here",
            "The model is not so sure of itself that softer targets would change it.",
        ),
        part="regulariser",
        train="+",
        gap="-",
    ),
    Entry(
        "augmentation",
        ("net", "any"),
        0.5,
        "more",
        Answer(
            "Stronger augmentation helps",
            "Every distorted copy is nearly a new example, and more data is the best regulariser.",
        ),
        Answer(
            "Stronger augmentation hurts",
            "Distorted inputs are not what the model is tested on; in a short training it spends its capacity on them.",
        ),
        Answer("Augmentation does not matter here", "The distortions are ones that the model already ignores."),
        part="regulariser",
        train="+",
        gap="-",
    ),
    Entry(
        "context",
        ("net", "any"),
        0.45,
        "more",
        Answer(
            "A longer context helps",
            "What comes next often depends on what stood far back: more context, less guessing.",
        ),
        Answer(
            "A longer context hurts",
            "Attention over more tokens costs more per step, and with a fixed budget the model sees fewer examples.",
        ),
        Answer(
            "Context length does not matter here", "Nearly all of what helps to predict stands in the last few tokens."
        ),
        part="capacity",
        train="-",
        cost="+",
        factor=2.0,
    ),
    Entry(
        "temperature",
        ("net", "any"),
        0.3,
        "flat",
        Answer("A higher temperature helps", "Softer probabilities admit that the model is less sure than it looks."),
        Answer("A higher temperature hurts", "Softer probabilities throw away confidence that the model has earned."),
        Answer("Temperature does not matter here", "The logits adapt their scale and undo it."),
    ),
    Entry(
        "keep",
        ("net", "any"),
        0.7,
        "less",
        Answer(
            "Keeping more units helps: the network needs its capacity",
            "Every dropped unit makes the network that is being trained smaller; one that does not memorise yet only "
            "learns more slowly.",
        ),
        Answer(
            "Keeping fewer units helps: the network memorises",
            "Random silencing stops units from relying on one another, so capacity that went into memorising goes into "
            "features that are shared.",
        ),
        Answer("Dropout does not matter here", "Small batches and early stopping already regularise as much."),
        part="regulariser",
        train="-",
        gap="+",
    ),
)
