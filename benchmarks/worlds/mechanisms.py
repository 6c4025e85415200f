"""Worlds with a mechanism of a textbook: regularisation, ratios, optima that move, budgets and failures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.worlds.world import Array, Columns, Failing, Noise, Planted, World
from knowhy.model.objective import Objective
from knowhy.model.space import Condition, Space, choice, integer, power_of_two, real, switch

LR = real("learning_rate", 1e-4, 1e-1, 1e-3, log=True, role="learning_rate")
BATCH = power_of_two("batch_size", 8, 512, 64, role="batch_size")
WIDTH = power_of_two("width", 32, 1024, 128, role="width")
DEPTH = integer("depth", 1, 8, 2, role="depth")
DROPOUT = real("dropout", 0.0, 0.8, 0.0, role="dropout")
DECAY = real("weight_decay", 1e-6, 1e-1, 1e-4, log=True, role="weight_decay")
MOMENTUM = real("momentum", 0.5, 0.99, 0.9, role="momentum")
WARMUP = real("warmup_ratio", 0.0, 0.4, 0.1, role="warmup")
SMOOTHING = real("label_smoothing", 0.0, 0.3, 0.0, role="label_smoothing")
EPOCHS = integer("epochs", 5, 100, 20, log=True, role="epochs")
CLIP = real("grad_clip", 0.1, 10.0, 1.0, log=True, role="gradient_clip")
AUGMENT = switch("augment", False, role="augmentation")


def bowl(columns: Columns, name: str, at: float) -> Array:
    """Squared distance of ``name`` from position ``at`` of its range."""
    return (columns.unit(name) - at) ** 2


def _overfitting(c: Columns) -> dict[str, Array]:
    capacity = 0.5 * c.unit("width") + 0.5 * c.unit("depth")
    gap = (0.5 + 0.8 * capacity) * np.exp(-3.5 * c["dropout"]) * (1 - 0.3 * c.unit("weight_decay"))
    train = 0.4 - 0.15 * capacity + 9.0 * np.maximum(c["dropout"] - 0.45, 0) ** 2 + 0.6 * bowl(c, "learning_rate", 0.6)
    return {"train_loss": train, "val_loss": train + gap}


OVERFITTING = World(
    "overfitting",
    "A network that memorises; dropout cures it up to a knee near 0.5, beyond which it can no longer fit.",
    Space((LR, BATCH, WIDTH, DEPTH, DROPOUT, DECAY, MOMENTUM)),
    _overfitting,
    Noise(0.05),
    (
        Planted(
            "overfitting limits",
            "the gap is memorised noise",
            ("raising dropout from 0 to 0.4 lowers val_loss", "raising dropout from 0 to 0.4 lowers gap"),
            True,
            "what limits val_loss?",
        ),
        Planted(
            "too small to fit",
            "more units fit more",
            ("raising width from 64 to 1024 lowers val_loss",),
            False,
            "what limits val_loss?",
        ),
        Planted(
            "a knee",
            "too much dropout starves the network",
            ("val_loss is best with dropout between 0.25 and 0.6", "raising dropout from 0.5 to 0.8 raises val_loss"),
            True,
            "how much dropout?",
        ),
        Planted(
            "the more dropout the better",
            "it only regularises",
            ("raising dropout from 0.4 to 0.8 lowers val_loss",),
            False,
            "how much dropout?",
        ),
        Planted(
            "dropout is idle",
            "the data are plenty",
            ("dropout does not matter for val_loss",),
            False,
            "how much dropout?",
        ),
        Planted("size opens the gap", "capacity memorises", ("raising width from 32 to 1024 raises gap",), True),
        Planted("batch size is idle", "the gradient is clean", ("batch_size does not matter for val_loss",), True),
    ),
)


def _underfitting(c: Columns) -> dict[str, Array]:
    train = 0.3 + 1.3 * (1 - 0.5 * c.unit("width")) * (1 - 0.45 * c.unit("epochs"))
    train = train + 0.9 * c["dropout"] + 0.25 * c.unit("weight_decay") ** 2 + 0.8 * bowl(c, "learning_rate", 0.65)
    return {"train_loss": train, "val_loss": train + 0.04}


UNDERFITTING = World(
    "underfitting",
    "A network too small and too briefly trained; regularisation only hurts.",
    Space((LR, BATCH, WIDTH, EPOCHS, DROPOUT, DECAY, WARMUP)),
    _underfitting,
    Noise(0.05),
    (
        Planted(
            "too small to fit",
            "more units fit more",
            ("raising width from 64 to 1024 lowers val_loss",),
            True,
            "what limits val_loss?",
        ),
        Planted(
            "overfitting limits",
            "the gap is memorised noise",
            ("raising dropout from 0 to 0.4 lowers val_loss",),
            False,
            "what limits val_loss?",
        ),
        Planted(
            "dropout starves it",
            "capacity is short already",
            ("raising dropout from 0 to 0.4 raises val_loss",),
            True,
            "what limits val_loss?",
        ),
        Planted(
            "trained too briefly",
            "the loss still falls at the end",
            ("more epochs keeps improving val_loss beyond 30",),
            True,
            "is the budget too short?",
        ),
        Planted(
            "trained long enough",
            "it has converged",
            ("raising epochs from 20 to 100 does not change val_loss",),
            False,
            "is the budget too short?",
        ),
        Planted(
            "weight decay helps", "it regularises", ("raising weight_decay from 1e-5 to 0.01 lowers val_loss",), False
        ),
    ),
)


def _ratio(c: Columns) -> dict[str, Array]:
    z = np.log10(c["learning_rate"] / c["batch_size"]) + 4.0
    val = 0.5 + 1.1 * (1 - np.exp(-(z**2) / 3.0)) + 0.3 * bowl(c, "dropout", 0.3)
    return {"train_loss": val - 0.2, "val_loss": val}


RATIO = World(
    "lr_over_batch",
    "The step's noise scale decides: the loss depends on learning rate and batch size through their ratio.",
    Space((LR, BATCH, WIDTH, DEPTH, DROPOUT, MOMENTUM)),
    _ratio,
    Noise(0.05),
    (
        Planted(
            "the noise scale decides",
            "it sets the temperature of SGD",
            ("val_loss depends on learning_rate and batch_size only through learning_rate / batch_size",),
            True,
            "how do rate and batch act?",
        ),
        Planted(
            "the product decides",
            "as if steps added up",
            ("val_loss depends on learning_rate and batch_size only through learning_rate * batch_size",),
            False,
            "how do rate and batch act?",
        ),
        Planted(
            "each for itself",
            "they do different things",
            ("learning_rate and batch_size act on their own on val_loss",),
            False,
            "how do rate and batch act?",
        ),
        Planted(
            "larger batches want larger rates",
            "linear scaling",
            ("the best learning_rate for val_loss rises with batch_size",),
            True,
            "does the best rate move?",
        ),
        Planted(
            "one rate for all batches",
            "curvature alone decides",
            ("the best learning_rate for val_loss does not move with batch_size",),
            False,
            "does the best rate move?",
        ),
        Planted("batch size is idle", "only speed", ("batch_size does not matter for val_loss",), False),
        Planted("depth is idle", "two layers do", ("depth does not matter for val_loss",), True),
    ),
)


def _moving(c: Columns) -> dict[str, Array]:
    best = 0.8 - 0.55 * c.unit("width")
    val = 0.4 + 2.4 * (c.unit("learning_rate") - best) ** 2 + 0.2 * (1 - c.unit("width")) + 0.15 * c["dropout"]
    return {"train_loss": val - 0.15, "val_loss": val}


MOVING = World(
    "moving_optimum",
    "A U in the log of the learning rate whose optimum falls as the network gets wider.",
    Space((LR, BATCH, WIDTH, DEPTH, DROPOUT, DECAY, WARMUP)),
    _moving,
    Noise(0.05),
    (
        Planted(
            "wide networks want small rates",
            "activations grow with width",
            ("the best learning_rate for val_loss falls with width",),
            True,
            "does the best rate move with width?",
        ),
        Planted(
            "one rate for all widths",
            "it is scale free",
            ("the best learning_rate for val_loss does not move with width",),
            False,
            "does the best rate move with width?",
        ),
        Planted(
            "wide networks want large rates",
            "gradients average out",
            ("the best learning_rate for val_loss rises with width",),
            False,
            "does the best rate move with width?",
        ),
        Planted(
            "too high diverges for wide ones",
            "the optimum has passed",
            ("raising learning_rate from 0.003 to 0.1 raises val_loss where width >= 256",),
            True,
        ),
        Planted("weight decay is idle", "training is short", ("weight_decay does not matter for val_loss",), True),
        Planted(
            "width matters more than the rate",
            "size is all",
            ("width matters more than learning_rate for val_loss",),
            False,
        ),
    ),
)


def _rate_depth(c: Columns) -> dict[str, Array]:
    rate, depth = c.unit("learning_rate") - 0.5, 2 * c.unit("depth") - 1
    val = 1.0 + 0.8 * rate * depth + 0.8 * rate**2 + 0.1 * c.unit("weight_decay")
    return {"train_loss": val - 0.1, "val_loss": val}


RATE_DEPTH = World(
    "lr_and_depth",
    "Depth helps at low learning rates and hurts at high ones.",
    Space((LR, DEPTH, BATCH, WIDTH, DECAY, CLIP, MOMENTUM)),
    _rate_depth,
    Noise(0.06),
    (
        Planted(
            "rate and depth interact",
            "gradients multiply through the layers",
            ("learning_rate and depth interact on val_loss",),
            True,
            "how do rate and depth act?",
        ),
        Planted(
            "each for itself",
            "normalisation decouples them",
            ("learning_rate and depth act on their own on val_loss",),
            False,
            "how do rate and depth act?",
        ),
        Planted(
            "depth helps slow training",
            "small steps stay stable",
            ("raising depth from 1 to 8 lowers val_loss where learning_rate <= 0.001",),
            True,
            "does depth help?",
        ),
        Planted(
            "depth hurts fast training",
            "large steps explode",
            ("raising depth from 1 to 8 raises val_loss where learning_rate >= 0.01",),
            True,
        ),
        Planted(
            "depth always helps",
            "it expresses more",
            ("raising depth from 1 to 8 lowers val_loss everywhere",),
            False,
            "does depth help?",
        ),
        Planted("clipping matters", "it tames the gradient", ("grad_clip matters for val_loss",), False),
    ),
)


def _failure(c: Columns) -> dict[str, Array]:
    size = np.log2(c["depth"] * c["width"])
    val = 2.0 - 0.11 * size + 1.0 * bowl(c, "learning_rate", 0.5) + 0.2 * c["dropout"]
    return {"train_loss": val - 0.1, "val_loss": val}


FAILURE = World(
    "memory_boundary",
    "Larger is better until depth times width exceeds the memory.",
    Space((LR, DEPTH, WIDTH, BATCH, DROPOUT, MOMENTUM)),
    _failure,
    Noise(0.03),
    (
        Planted(
            "memory ends", "activations fill it", ("trials fail when depth * width is above 2048",), True, "what fails?"
        ),
        Planted("width fails", "a layer does not fit", ("trials fail when width is above 128",), False, "what fails?"),
        Planted(
            "high rates fail",
            "training diverges",
            ("trials fail when learning_rate is above 0.01",),
            False,
            "what fails?",
        ),
        Planted("larger is better", "more capacity", ("raising width from 32 to 256 lowers val_loss",), True),
        Planted("batch size is idle", "the gradient is clean", ("batch_size does not matter for val_loss",), True),
    ),
    failing=Failing("out_of_memory", "out of memory", lambda c: np.log2(2048.5) - np.log2(c["depth"] * c["width"])),
)


def _saturating(c: Columns) -> dict[str, Array]:
    val = 0.5 + 25.0 * c["width"] ** -1.2 + 1.0 * c["epochs"] ** -0.7 + 0.5 * bowl(c, "learning_rate", 0.5)
    return {"train_loss": val - 0.1, "val_loss": val}


SATURATING = World(
    "diminishing_returns",
    "Power laws in width and epochs: early doublings pay, late ones do not.",
    Space((LR, WIDTH, EPOCHS, BATCH, DROPOUT, MOMENTUM, WARMUP, CLIP)),
    _saturating,
    Noise(0.02),
    (
        Planted(
            "width pays early",
            "capacity is short",
            ("raising width from 32 to 128 lowers val_loss",),
            True,
            "does width pay?",
        ),
        Planted(
            "width stops paying",
            "a power law flattens",
            ("raising width from 512 to 1024 does not change val_loss",),
            True,
            "does width pay?",
        ),
        Planted(
            "width keeps paying",
            "there is no end",
            ("more width keeps improving val_loss beyond 512",),
            False,
            "does width pay?",
        ),
        Planted(
            "width and epochs add up", "each has its own law", ("width and epochs act on their own on val_loss",), True
        ),
        Planted("dropout helps", "it regularises", ("raising dropout from 0 to 0.4 lowers val_loss",), False),
        Planted("the rate is idle", "Adam adapts", ("learning_rate does not matter for val_loss",), False),
    ),
)


def _optimizer(c: Columns) -> dict[str, Array]:
    adam = c.equals("optimizer", "adam")
    best = np.where(adam > 0, 0.35, 0.8)
    momentum = np.where(adam > 0, 0.0, 0.12 * (1 - c.unit("momentum")))
    off = c.unit("learning_rate") - best
    acc = 0.9 + 0.05 * c.equals("augment", True) - 0.45 * off**2 - momentum - 0.04 * c.unit("weight_decay")
    return {"val_acc": acc}


OPTIMIZER = World(
    "two_optimizers",
    "Accuracy is to be made large; each optimiser has its own best rate; momentum exists for SGD only.",
    Space(
        (
            LR,
            choice("optimizer", ("sgd", "adam"), "sgd", role="optimizer"),
            replace(MOMENTUM, condition=Condition("optimizer", ("sgd",))),
            AUGMENT,
            DECAY,
            BATCH,
            SMOOTHING,
        )
    ),
    _optimizer,
    Noise(0.012),
    (
        Planted(
            "the best rate depends on the optimiser",
            "Adam rescales steps",
            ("learning_rate and optimizer interact on val_acc",),
            True,
            "does the best rate move?",
        ),
        Planted(
            "one rate for both",
            "the loss is the same",
            ("learning_rate and optimizer act on their own on val_acc",),
            False,
            "does the best rate move?",
        ),
        Planted(
            "SGD wants speed",
            "its steps are not rescaled",
            ("raising learning_rate from 0.001 to 0.02 raises val_acc where optimizer = sgd",),
            True,
        ),
        Planted(
            "augmentation helps",
            "more data",
            ("augment = True is better than augment = False for val_acc",),
            True,
            "does augmentation help?",
        ),
        Planted(
            "augmentation hurts",
            "too hard",
            ("augment = False is better than augment = True for val_acc",),
            False,
            "does augmentation help?",
        ),
        Planted(
            "Adam beats SGD at low rates",
            "its steps are larger",
            ("optimizer = adam is better than optimizer = sgd for val_acc where learning_rate <= 0.002",),
            True,
        ),
        Planted("smoothing matters", "calibration", ("label_smoothing matters for val_acc",), False),
    ),
    objective=Objective("val_acc", "maximize"),
)

WORLDS = (OVERFITTING, UNDERFITTING, RATIO, MOVING, RATE_DEPTH, FAILURE, SATURATING, OPTIMIZER)
