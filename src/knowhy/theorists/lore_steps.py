"""Lore of how neural networks are optimised: steps, batches, moments, schedules."""

from __future__ import annotations

from knowhy.theorists.lore_entry import Answer, Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        "learning_rate",
        ("net", "any"),
        1.0,
        "more",
        Answer(
            "{p} is too timid",
            "Training ends before it arrives: larger steps cover more ground in the same number of updates, and their "
            "noise steers towards flat minima, which generalise.",
        ),
        Answer(
            "{p} is too hot",
            "Steps overshoot the steep directions of the loss, so training bounces around the minimum instead of "
            "settling into it.",
        ),
        Answer(
            "{p} is about right",
            "Around its optimum the loss is flat in the learning rate: a factor of two either way costs little, and "
            "the default lies in that basin.",
        ),
        form="optimum",
        part="optimisation",
    ),
    Entry(
        "batch_size",
        ("net", "any"),
        0.75,
        "less",
        Answer(
            "Larger batches help: cleaner gradients",
            "Averaging over more examples takes the noise out of the gradient, so that every step goes where the loss "
            "falls and the end of training is calm.",
        ),
        Answer(
            "Larger batches hurt: fewer updates",
            "In a fixed number of epochs a larger batch makes fewer updates, and it loses the gradient noise that "
            "keeps training out of sharp minima.",
        ),
        Answer(
            "Batch size sets the speed, not the result",
            "Below the critical batch size, updates and the noise in them trade against each other and end in the "
            "same place.",
        ),
        part="optimisation",
        cost="-",
        factor=4.0,
    ),
    Entry(
        "momentum",
        ("net", "any"),
        0.45,
        "more",
        Answer(
            "More momentum helps",
            "Averaging gradients over more steps cancels their noise and speeds up along shallow valleys: the "
            "effective "
            "rate is lr / (1 - momentum).",
        ),
        Answer(
            "More momentum hurts: it overshoots",
            "A long memory keeps pushing where the gradient has already turned; with this learning rate the effective "
            "step lr / (1 - momentum) is already large.",
        ),
        Answer(
            "Momentum does not matter here",
            "With noisy small-batch gradients momentum is little more than a rescaled learning rate.",
        ),
        part="optimisation",
    ),
    Entry(
        "beta1",
        ("net", "any"),
        0.25,
        "flat",
        Answer(
            "A longer gradient memory helps", "A larger beta1 averages gradients over more steps, so less noise steers."
        ),
        Answer(
            "A longer gradient memory hurts",
            "A larger beta1 keeps old gradients alive after the landscape has changed, which delays every correction.",
        ),
        Answer(
            "beta1 does not matter here",
            "Adam is robust to beta1 between 0.8 and 0.95; the learning rate absorbs what little it does.",
        ),
        part="optimisation",
    ),
    Entry(
        "beta2",
        ("net", "any"),
        0.3,
        "flat",
        Answer(
            "A longer memory of step sizes helps",
            "With a larger beta2 Adam's estimate of the gradient's scale is less noisy, and so are its steps.",
        ),
        Answer(
            "A longer memory of step sizes hurts",
            "Gradients shrink and jump during training; a large beta2 forgets old scales too slowly, so that steps are "
            "too small after a spike, and a short run never gets past its start.",
        ),
        Answer(
            "beta2 does not matter here", "Gradient scales change slowly here, so that any memory estimates them well."
        ),
        part="optimisation",
    ),
    Entry(
        "epsilon",
        ("net", "any"),
        0.15,
        "flat",
        Answer(
            "A larger epsilon helps",
            "It stops Adam from taking full steps along directions whose gradient is nothing but noise.",
        ),
        Answer(
            "A larger epsilon hurts", "It damps exactly the rare and small gradients that Adam is there to amplify."
        ),
        Answer(
            "epsilon does not matter here", "It is far below the size of the gradients, so that it changes no step."
        ),
        part="optimisation",
        factor=100.0,
    ),
    Entry(
        "warmup",
        ("net", "any"),
        0.4,
        "more",
        Answer(
            "Warm-up helps: the start is fragile",
            "In the first steps gradients are large and Adam's estimates poor; a slow start keeps the weights out of "
            "places from which training does not recover.",
        ),
        Answer(
            "Warm-up wastes steps",
            "In a short training every step at a small rate is a step not used, and this model is stable without.",
        ),
        Answer("Warm-up does not matter here", "The start is forgotten: by the end the model has moved far beyond it."),
        part="optimisation",
    ),
    Entry(
        "gradient_clip",
        ("net", "any"),
        0.3,
        "flat",
        Answer(
            "Clip less: the gradients are honest",
            "When most steps are clipped, training runs at a smaller rate than it seems and ignores the informative "
            "batches.",
        ),
        Answer(
            "Clip harder: rare batches do the damage",
            "A few batches have gradients many times the usual; one such step undoes hundreds of others.",
        ),
        Answer("Clipping does not matter here", "Gradients hardly ever reach the threshold."),
        part="optimisation",
    ),
    Entry(
        "init_scale",
        ("net", "any"),
        0.35,
        "less",
        Answer(
            "A larger initialisation helps",
            "Signals must neither vanish on the way up nor gradients on the way down; small initial weights start on "
            "a plateau.",
        ),
        Answer(
            "A smaller initialisation helps",
            "Starting near zero keeps the first steps stable and lets the features be learnt instead of inherited "
            "from chance.",
        ),
        Answer(
            "The initialisation does not matter",
            "Normalisation and adaptive steps remove the scale within a few updates.",
        ),
        part="optimisation",
    ),
    Entry(
        "activation",
        ("net", "any"),
        0.35,
        "flat",
        Answer("{p} matters", "The nonlinearity decides which gradients survive and what a layer can express."),
        Answer("{p} matters", "The nonlinearity decides which gradients survive and what a layer can express."),
        Answer(
            "The choice of {p} does not matter",
            "In shallow, well-scaled networks all common activations end within noise of each other.",
        ),
        part="optimisation",
    ),
    Entry(
        "optimizer",
        ("net", "any"),
        0.5,
        "flat",
        Answer("{p} matters", "Optimisers differ in how they scale steps, and so in where training arrives in time."),
        Answer("{p} matters", "Optimisers differ in how they scale steps, and so in where training arrives in time."),
        Answer(
            "The choice of {p} does not matter",
            "With its own learning rate each optimiser arrives at about the same loss; comparisons mostly compare "
            "tuning.",
        ),
        part="optimisation",
    ),
    Entry(
        "schedule",
        ("net", "any"),
        0.4,
        "more",
        Answer(
            "Decay for longer",
            "Turning the rate down slowly at the end takes the noise out of the last steps, where the loss still "
            "falls.",
        ),
        Answer("Decay for less", "Steps at a tiny rate are wasted: they move nothing that training still has to move."),
        Answer(
            "The schedule does not matter here",
            "The mean rate is what counts; how it is spread over the run is detail.",
        ),
        part="optimisation",
    ),
)
