"""What the field knows of single parameters, as data: what raising each does, why, and who would disagree.

An entry gives all sides their best argument. ``{p}`` stands for the parameter, ``{m}`` for the metric; "better" and
"worse" are used instead of "lower" and "higher", so that the same words serve losses and scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from knowhy.theorists import lore_models, lore_nets, lore_steps, lore_trees
from knowhy.theorists.lore_entry import Answer, Entry, Family

__all__ = ["CURES", "PULLS", "ROLE_WORDS", "SWITCHES", "VALUES", "Answer", "Cure", "Entry", "Family", "entry_for"]

Kind = Literal["overfitting", "underfitting", "too_short", "divergence", "oscillation", "plateau", "noise", "stalled"]

_UNKNOWN = Entry(
    role="other",
    families=("any",),
    importance=0.3,
    favours="flat",
    more=Answer(
        "More {p} helps",
        "Nothing is known of {p} but its name: more of it may give the model capacity, effort or restraint it lacks.",
    ),
    less=Answer(
        "Less {p} helps",
        "Nothing is known of {p} but its name: less of it may remove a cost or a distortion that the default carries.",
    ),
    flat=Answer(
        "{p} does not matter",
        "Most settings of most scripts do little: a few parameters carry nearly all of the variation.",
    ),
)

_TABLE: dict[tuple[str, Family], Entry] = {
    (entry.role, family): entry
    for entry in (*lore_steps.ENTRIES, *lore_nets.ENTRIES, *lore_trees.ENTRIES, *lore_models.ENTRIES)
    for family in entry.families
}

_RELATED: dict[Family, tuple[Family, ...]] = {
    "net": ("net", "any"),
    "boosting": ("boosting", "forest", "any"),
    "forest": ("forest", "boosting", "any"),
    "svm": ("svm", "linear", "any"),
    "linear": ("linear", "svm", "any"),
    "any": ("any", "net", "boosting", "linear", "svm"),
}


def entry_for(role: str, family: Family) -> Entry:
    """The lore of ``role`` in ``family``, or what the nearest family says; neutral for unknown roles."""
    for near in (*_RELATED[family], "net", "boosting"):
        if (role, near) in _TABLE:
            return _TABLE[role, near]
    return _UNKNOWN


VALUES: dict[str, str] = {
    "kernel:sigmoid": "A sigmoid kernel acts like a small neural network: bounded, with one soft step per support "
    "vector.",
    "kernel:cosine": "Angles ignore the length of examples, which is often only their amount of text or light.",
    "kernel:uniform": "When near neighbours are as often wrong as far ones, equal votes average best.",
    "kernel:distance": "Nearer neighbours know more, so their votes should weigh more.",
    "schedule:linear": "A linear decay spends equal time at every rate and reaches zero just in time.",
    "schedule:none": "A constant rate keeps moving to the end and does not waste the last steps on tiny ones.",
    "relu": "ReLU is cheap, does not saturate, and leaves half of the units silent, which is sparsity for free.",
    "gelu": "GELU is smooth around zero, so small negative inputs still pass a gradient.",
    "silu": "SiLU is smooth and not monotone, which eases optimisation in deeper nets.",
    "swish": "Swish is smooth and not monotone, which eases optimisation in deeper nets.",
    "relu2": "Squared ReLU is sparse as ReLU is, and its growing slope sharpens the features that fire.",
    "leaky_relu": "A small slope below zero keeps units from dying.",
    "elu": "ELU centres activations around zero, which conditions the next layer.",
    "tanh": "Tanh is bounded and centred, which keeps small networks with small inputs stable.",
    "logistic": "The logistic function is bounded, which keeps small networks stable, at the price of weak gradients.",
    "sigmoid": "The sigmoid is bounded, which keeps small networks stable, at the price of weak gradients.",
    "identity": "Without a nonlinearity the model is linear: with few data that bias can be the right one.",
    "adam": "Adam gives each weight its own step size, so badly scaled gradients do no harm.",
    "adamw": "AdamW gives each weight its own step size and decays weights independently of it.",
    "sgd": "Plain SGD has one step size for all weights; its noise is known to find solutions that generalise.",
    "rmsprop": "RMSprop divides by the recent size of the gradient, which copes with changing scales.",
    "lion": "Lion steps by the sign of the momentum: every weight moves equally far, at little memory.",
    "muon": "Muon orthogonalises the update of each matrix, so that no direction is starved.",
    "lbfgs": "L-BFGS uses curvature and the full batch: on small data sets it converges faster and further.",
    "adagrad": "Adagrad slows down coordinates that were updated often, which suits sparse features.",
    "scale": "Dividing by the variance of the features keeps distances where the kernel is sensitive.",
    "auto": "One over the number of features is the old default, which suits standardised features.",
    "rbf": "A Gaussian kernel can bend the boundary wherever data ask for it.",
    "linear": "A linear rule has little variance; with many features it is often all that the data support.",
    "poly": "A polynomial kernel builds products of features, which some problems are made of.",
    "cosine": "A cosine schedule stays high for long and ends near zero, so training settles at the end.",
    "constant": "A constant rate keeps moving to the end and does not waste the last steps on tiny ones.",
    "step": "Step drops let training equilibrate at each rate before the noise is turned down.",
    "exponential": "Exponential decay turns the noise down steadily.",
    "adaptive": "An adaptive schedule lowers the rate only when progress stops, so none is wasted.",
    "invscaling": "Inverse scaling lowers the rate early, which is the textbook rate for convex problems.",
    "l1": "An l1 penalty sets weights to zero, which is right when few features matter.",
    "l2": "An l2 penalty shrinks all weights, which is right when many features matter a little.",
    "elasticnet": "Mixing l1 and l2 selects features and still shares weight among correlated ones.",
    "gini": "Gini and entropy nearly always choose the same splits; Gini is cheaper.",
    "entropy": "Entropy punishes impure leaves slightly more, which can matter with rare classes.",
    "log_loss": "The log loss trains probabilities, which is what is scored.",
    "sqrt": "Looking at the square root of the features at each split makes the trees differ, so averaging helps more.",
    "log2": "Few features at each split make the trees differ, so averaging helps more.",
    "true": "It is an established trick that somebody found worth a switch.",
    "false": "What is not switched on cannot interfere, and costs nothing.",
}
"""Why somebody would choose a value of a categorical parameter."""

SWITCHES: dict[str, tuple[str, str]] = {
    "nesterov": (
        "Looking ahead along the momentum corrects a step before it overshoots.",
        "With small steps the look-ahead sees what the gradient shows anyway.",
    ),
    "amsgrad": (
        "Remembering the largest gradient keeps late steps from growing again.",
        "One large gradient at the start would shorten every step after it.",
    ),
    "bias": (
        "An offset for each unit lets it place its threshold where the data ask for it.",
        "Normalisation provides the offset already; a bias only adds weights to fit noise with.",
    ),
    "tie": (
        "Sharing input and output embeddings halves the weights that few examples must train.",
        "Reading and writing a token are different tasks; shared weights compromise on both.",
    ),
    "balance": (
        "Weighing classes equally keeps the rare ones from being sacrificed.",
        "Weighing rare classes up pays for them with mistakes on the many that are scored.",
    ),
    "standard": (
        "On one scale no feature dominates distances and penalties by its unit.",
        "Scaling blows up features that hardly vary and carry only noise.",
    ),
    "normal": (
        "On one scale no feature or layer dominates, and steps fit all weights.",
        "Sizes carry information that normalising throws away.",
    ),
    "bootstrap": (
        "Trees on different samples make different mistakes, which cancel.",
        "Each tree sees all of the data, which are scarce.",
    ),
    "early": (
        "Stopping at the best validation score keeps what the rest of the run would spoil.",
        "Stopping costs data for the check, and a plateau is not always the end.",
    ),
}
"""Why somebody would turn a switch on, and why off, by part of its name."""

PULLS: dict[str, tuple[str, str]] = {
    "learning_rate": ("a larger {p}", "a smaller {p}"),
    "batch_size": ("larger batches", "smaller batches"),
    "dropout": ("more {p}", "less {p}"),
    "weight_decay": ("more weight decay", "less weight decay"),
    "label_smoothing": ("more label smoothing", "less label smoothing"),
    "augmentation": ("stronger augmentation", "weaker augmentation"),
    "momentum": ("more {p}", "less {p}"),
    "warmup": ("a longer warm-up", "a shorter warm-up"),
    "epochs": ("longer training", "shorter training"),
    "width": ("a wider network", "a narrower network"),
    "depth": ("a deeper network", "a shallower network"),
    "heads": ("more heads", "fewer heads"),
    "context": ("a longer context", "a shorter context"),
    "gradient_clip": ("looser clipping", "harder clipping"),
    "init_scale": ("larger initial weights", "smaller initial weights"),
    "trees": ("more trees", "fewer trees"),
    "tree_depth": ("deeper trees", "shallower trees"),
    "leaves": ("more leaves", "fewer leaves"),
    "min_samples": ("a larger {p}", "a smaller {p}"),
    "strength": ("a stronger penalty ({p})", "a weaker penalty ({p})"),
    "inverse": ("a larger {p} (a weaker penalty)", "a smaller {p} (a stronger penalty)"),
}
"""What raising and lowering a parameter is called, by sense; "a larger" and "a smaller" where it has no name."""

ROLE_WORDS: dict[str, str] = {
    "learning_rate": "the learning rate",
    "batch_size": "the batch size",
    "weight_decay": "weight decay",
    "label_smoothing": "label smoothing",
    "gradient_clip": "gradient clipping",
    "init_scale": "the scale of the initial weights",
    "tree_depth": "the depth of the trees",
    "min_samples": "the smallest leaf allowed",
    "trees": "the number of trees",
    "beta1": "the momentum of Adam (beta1)",
    "beta2": "the memory of Adam's step sizes (beta2)",
    "regularization": "regularisation",
    "gamma": "the width of the kernel (gamma)",
    "warmup": "warm-up",
    "epochs": "the length of training",
    "width": "the width of the model",
    "depth": "the depth of the model",
}


@dataclass(frozen=True, slots=True)
class Cure:
    """Roles that a diagnosis points to, the most telling first, and why."""

    roles: tuple[str, ...]
    reason: str


CURES: dict[str, Cure] = {
    "overfitting": Cure(
        (
            "dropout",
            "weight_decay",
            "regularization",
            "min_samples",
            "tree_depth",
            "leaf",
            "subsample",
            "augmentation",
            "label_smoothing",
            "epochs",
            "trees",
            "width",
            "gamma",
            "kernel",
        ),
        "it restrains the fit to the training data",
    ),
    "underfitting": Cure(
        (
            "width",
            "depth",
            "tree_depth",
            "leaf",
            "trees",
            "epochs",
            "gamma",
            "regularization",
            "learning_rate",
            "dropout",
        ),
        "it sets how much the model can fit",
    ),
    "too_short": Cure(
        ("learning_rate", "epochs", "trees", "warmup", "batch_size", "momentum", "schedule"),
        "it sets how far training gets",
    ),
    "divergence": Cure(
        ("learning_rate", "warmup", "gradient_clip", "init_scale", "momentum", "beta2", "epsilon", "depth"),
        "it sets whether training stays stable",
    ),
    "oscillation": Cure(
        ("learning_rate", "batch_size", "schedule", "beta2", "momentum", "gradient_clip"),
        "it sets how noisy the steps are",
    ),
    "plateau": Cure(
        ("learning_rate", "schedule", "width", "depth", "optimizer", "trees"), "it can lift training off a plateau"
    ),
}
"""Diagnosis to the roles worth opening."""
