"""Worlds that mislead: nothing to find, decoys, structure that no form of theory has, ugly noise, false lore."""

from __future__ import annotations

import numpy as np

from benchmarks.worlds.mechanisms import (
    AUGMENT,
    BATCH,
    CLIP,
    DECAY,
    DEPTH,
    DROPOUT,
    EPOCHS,
    LR,
    MOMENTUM,
    SMOOTHING,
    WARMUP,
    WIDTH,
    bowl,
)
from benchmarks.worlds.world import Array, Columns, Noise, Planted, World
from knowhy.model.space import Space, choice, real

INIT = real("init_scale", 0.1, 10.0, 1.0, log=True, role="init_scale")
ACTIVATION = choice("activation", ("relu", "gelu", "tanh"), "relu", role="activation")


def _idle(c: Columns) -> dict[str, Array]:
    val = 0.6 + 1.6 * bowl(c, "learning_rate", 0.6) + 0.5 * (1 - c.unit("width"))
    return {"train_loss": val - 0.2, "val_loss": val}


IDLE = World(
    "idle_parameters",
    "Fourteen parameters, of which only learning rate and width do anything.",
    Space(
        (LR, BATCH, WIDTH, DEPTH, DROPOUT, DECAY, MOMENTUM, WARMUP, SMOOTHING, EPOCHS, CLIP, AUGMENT, INIT, ACTIVATION)
    ),
    _idle,
    Noise(0.06),
    (
        Planted(
            "rate and width, nothing else",
            "the task is easy",
            ("learning_rate matters for val_loss", "width matters for val_loss"),
            True,
        ),
        Planted(
            "momentum is idle",
            "steps are small",
            ("momentum does not matter for val_loss",),
            True,
            "does momentum matter?",
        ),
        Planted("momentum matters", "it speeds up", ("momentum matters for val_loss",), False, "does momentum matter?"),
        Planted("dropout matters", "it regularises", ("dropout matters for val_loss",), False),
        Planted("batch size hurts", "fewer steps", ("raising batch_size from 32 to 512 raises val_loss",), False),
        Planted(
            "the rate matters more than width",
            "optimisation first",
            ("learning_rate matters more than width for val_loss",),
            True,
        ),
        Planted(
            "width does not saturate to nothing", "capacity", ("raising width from 32 to 1024 lowers val_loss",), True
        ),
    ),
)


def _nothing(c: Columns) -> dict[str, Array]:
    flat = np.full(len(c.points), 1.0)
    return {"train_loss": flat - 0.2, "val_loss": flat}


NOTHING = World(
    "all_noise",
    "Nothing does anything: every difference is luck.",
    Space((LR, BATCH, WIDTH, DEPTH, DROPOUT, DECAY, MOMENTUM, EPOCHS)),
    _nothing,
    Noise(0.1),
    (
        Planted(
            "the rate is idle",
            "all noise",
            ("learning_rate does not matter for val_loss",),
            True,
            "does the rate matter?",
        ),
        Planted(
            "the rate matters",
            "it always does",
            ("learning_rate matters for val_loss",),
            False,
            "does the rate matter?",
        ),
        Planted(
            "dropout helps",
            "it regularises",
            ("raising dropout from 0 to 0.4 lowers val_loss",),
            False,
            "does dropout help?",
        ),
        Planted(
            "dropout is idle",
            "all noise",
            ("raising dropout from 0 to 0.4 does not change val_loss",),
            True,
            "does dropout help?",
        ),
        Planted("size opens the gap", "capacity memorises", ("raising width from 32 to 1024 raises gap",), False),
        Planted(
            "rate and depth interact", "gradients multiply", ("learning_rate and depth interact on val_loss",), False
        ),
        Planted("epochs help", "more is more", ("more epochs keeps improving val_loss beyond 20",), False),
    ),
    kind="nothing",
)


def _decoy(c: Columns) -> dict[str, Array]:
    rate, decay = c.unit("learning_rate"), c.unit("weight_decay")
    broad = np.exp(-((rate - 0.3) ** 2 + (decay - 0.3) ** 2) / (2 * 0.3**2))
    narrow = np.exp(-((rate - 0.85) ** 2 + (decay - 0.85) ** 2) / (2 * 0.12**2))
    val = 1.6 - 0.6 * broad - 1.1 * narrow + 0.2 * c["dropout"]
    return {"train_loss": val - 0.1, "val_loss": val}


DECOY = World(
    "decoy",
    "A broad valley at low rates without decay, and far from it a narrow, deeper one: high rate with strong decay.",
    Space((LR, DECAY, DROPOUT, BATCH, WIDTH, MOMENTUM)),
    _decoy,
    Noise(0.05),
    (
        Planted(
            "rate and decay interact",
            "decay bounds what the rate blows up",
            ("learning_rate and weight_decay interact on val_loss",),
            True,
            "how do rate and decay act?",
        ),
        Planted(
            "each for itself",
            "they are separate knobs",
            ("learning_rate and weight_decay act on their own on val_loss",),
            False,
            "how do rate and decay act?",
        ),
        Planted(
            "with strong decay fast is better",
            "another regime",
            ("raising learning_rate from 0.002 to 0.035 lowers val_loss where weight_decay >= 0.01",),
            True,
            "is there another regime?",
        ),
        Planted(
            "fast is worse with any decay",
            "one regime",
            ("raising learning_rate from 0.002 to 0.035 raises val_loss where weight_decay >= 0.01",),
            False,
            "is there another regime?",
        ),
        Planted(
            "without decay fast is worse",
            "it blows up",
            ("raising learning_rate from 0.001 to 0.1 raises val_loss where weight_decay <= 0.0001",),
            True,
        ),
        Planted("momentum is idle", "steps are small", ("momentum does not matter for val_loss",), True),
    ),
)

_RNG = np.random.default_rng(41)
_FREQUENCIES = _RNG.normal(0.0, 1.0, (24, 3)) * np.array([6.0, 5.0, 3.0])
_PHASES = _RNG.uniform(0, 2 * np.pi, 24)
_WEIGHTS = _RNG.normal(0.0, 1.0, 24) / np.sqrt(12)


def _unstructured(c: Columns) -> dict[str, Array]:
    x = np.stack([c.unit("learning_rate"), c.unit("width"), c.unit("dropout")], axis=1)
    val = 1.5 + 0.4 * np.cos(x @ _FREQUENCIES.T + _PHASES) @ _WEIGHTS
    return {"train_loss": val - 0.1, "val_loss": val}


UNSTRUCTURED = World(
    "unstructured",
    "A random Fourier function of three parameters: no form of theory describes it.",
    Space((LR, WIDTH, DROPOUT, BATCH, DECAY, MOMENTUM)),
    _unstructured,
    Noise(0.06),
    (
        Planted(
            "the noise scale decides",
            "temperature of SGD",
            ("val_loss depends on learning_rate and batch_size only through learning_rate / batch_size",),
            False,
            "how does the rate act?",
        ),
        Planted(
            "rate and width act alone",
            "separate knobs",
            ("learning_rate and width act on their own on val_loss",),
            False,
            "how does the rate act?",
        ),
        Planted(
            "rate and width interact",
            "tangled",
            ("learning_rate and width interact on val_loss",),
            True,
            "how does the rate act?",
        ),
        Planted("momentum is idle", "steps are small", ("momentum does not matter for val_loss",), True),
        Planted("batch size matters", "noise", ("batch_size matters for val_loss",), False),
        Planted("dropout is idle", "plenty of data", ("dropout does not matter for val_loss",), False),
    ),
    kind="outside",
)


def _near_miss(c: Columns) -> dict[str, Array]:
    z = np.log10(c["learning_rate"]) - 0.3 * np.log10(c["batch_size"]) + 3.0
    val = 0.5 + 1.3 * (1 - np.exp(-(z**2) / 0.7)) + 0.2 * c.unit("batch_size") + 0.2 * bowl(c, "dropout", 0.4)
    return {"train_loss": val - 0.2, "val_loss": val}


NEAR_MISS = World(
    "near_miss",
    "Almost a ratio: the best rate grows as a small power of the batch size, and large batches cost a little anyway.",
    Space((LR, BATCH, WIDTH, DEPTH, DROPOUT, DECAY)),
    _near_miss,
    Noise(0.05),
    (
        Planted(
            "linear scaling",
            "temperature of SGD",
            ("val_loss depends on learning_rate and batch_size only through learning_rate / batch_size",),
            False,
            "how do rate and batch act?",
        ),
        Planted(
            "square-root scaling",
            "variance of the gradient",
            ("val_loss depends on learning_rate and batch_size only through learning_rate / sqrt(batch_size)",),
            False,
            "how do rate and batch act?",
        ),
        Planted(
            "larger batches want larger rates",
            "some scaling",
            ("the best learning_rate for val_loss rises with batch_size",),
            True,
            "does the best rate move?",
        ),
        Planted(
            "one rate for all batches",
            "curvature decides",
            ("the best learning_rate for val_loss does not move with batch_size",),
            False,
            "does the best rate move?",
        ),
        Planted("width is idle", "the task is easy", ("width does not matter for val_loss",), True),
        Planted(
            "the rate matters more",
            "optimisation first",
            ("learning_rate matters more than dropout for val_loss",),
            True,
        ),
    ),
    kind="outside",
)


def _ugly(c: Columns) -> dict[str, Array]:
    val = 0.6 + 2.0 * bowl(c, "learning_rate", 0.4) + 0.35 * c.unit("batch_size") - 0.3 * c.unit("weight_decay")
    return {"train_loss": val - 0.2, "val_loss": val}


HEAVY_TAILS = World(
    "ugly_noise",
    "A plain U in the rate under heavy-tailed noise that grows with the rate: some runs are wildly unlucky.",
    Space((LR, BATCH, WIDTH, DECAY, DROPOUT, WARMUP)),
    _ugly,
    Noise(0.05, tail=2.0, factor=lambda c: 0.5 + 2.0 * c.unit("learning_rate")),
    (
        Planted(
            "a moderate rate is best",
            "too small is slow, too large unstable",
            ("val_loss is best with learning_rate between 0.0004 and 0.006",),
            True,
            "which rate?",
        ),
        Planted(
            "high rates are best",
            "they explore",
            ("val_loss is best with learning_rate above 0.02",),
            False,
            "which rate?",
        ),
        Planted(
            "large batches hurt",
            "fewer steps",
            ("raising batch_size from 16 to 512 raises val_loss",),
            True,
            "do batches matter?",
        ),
        Planted(
            "large batches help",
            "cleaner gradients",
            ("raising batch_size from 16 to 512 lowers val_loss",),
            False,
            "do batches matter?",
        ),
        Planted("warm-up helps", "a softer start", ("raising warmup_ratio from 0 to 0.3 lowers val_loss",), False),
        Planted("decay helps", "it regularises", ("raising weight_decay from 1e-6 to 0.1 lowers val_loss",), True),
    ),
)


def _folklore(c: Columns) -> dict[str, Array]:
    gap = 0.25 + 0.5 * c["dropout"] + 0.3 * c.unit("weight_decay")
    best = 0.25 + 0.5 * c.unit("width")
    train = 0.5 + 1.5 * (c.unit("learning_rate") - best) ** 2 - 0.25 * c.unit("batch_size") + 0.6 * c["warmup_ratio"]
    return {"train_loss": train, "val_loss": train + gap}


FOLKLORE = World(
    "false_folklore",
    "The lore is wrong here: dropout and decay open the gap, large batches help, warm-up hurts, wide wants fast.",
    Space((LR, BATCH, WIDTH, DROPOUT, DECAY, WARMUP, MOMENTUM, SMOOTHING)),
    _folklore,
    Noise(0.05),
    (
        Planted(
            "dropout closes the gap",
            "it regularises",
            ("raising dropout from 0 to 0.5 lowers gap",),
            False,
            "what does dropout do?",
        ),
        Planted(
            "dropout opens the gap",
            "against the lore",
            ("raising dropout from 0 to 0.5 raises gap",),
            True,
            "what does dropout do?",
        ),
        Planted(
            "decay lowers the loss",
            "it regularises",
            ("raising weight_decay from 1e-5 to 0.01 lowers val_loss",),
            False,
        ),
        Planted(
            "large batches hurt",
            "sharp minima",
            ("raising batch_size from 16 to 512 raises val_loss",),
            False,
            "do batches matter?",
        ),
        Planted(
            "large batches help",
            "against the lore",
            ("raising batch_size from 16 to 512 lowers val_loss",),
            True,
            "do batches matter?",
        ),
        Planted(
            "warm-up helps",
            "a softer start",
            ("raising warmup_ratio from 0 to 0.3 lowers val_loss",),
            False,
            "does warm-up help?",
        ),
        Planted(
            "warm-up hurts",
            "against the lore",
            ("raising warmup_ratio from 0 to 0.3 raises val_loss",),
            True,
            "does warm-up help?",
        ),
        Planted(
            "wide wants small rates",
            "the lore of width",
            ("the best learning_rate for val_loss falls with width",),
            False,
            "does the best rate move?",
        ),
        Planted(
            "wide wants large rates",
            "against the lore",
            ("the best learning_rate for val_loss rises with width",),
            True,
            "does the best rate move?",
        ),
    ),
)

WORLDS = (IDLE, NOTHING, DECOY, UNSTRUCTURED, NEAR_MISS, HEAVY_TAILS, FOLKLORE)
