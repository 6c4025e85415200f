"""What a name and a value say about a hyperparameter: its role, and how sure that is.

Roles are a closed set (``ROLES``): the vocabulary in which the theorists know the field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from knowhy.model.space import Scalar

Role = Literal[
    "learning_rate",
    "batch_size",
    "dropout",
    "weight_decay",
    "momentum",
    "beta1",
    "beta2",
    "epsilon",
    "warmup",
    "schedule",
    "epochs",
    "width",
    "depth",
    "heads",
    "context",
    "activation",
    "init_scale",
    "optimizer",
    "label_smoothing",
    "augmentation",
    "gradient_clip",
    "temperature",
    "trees",
    "tree_depth",
    "leaf",
    "min_samples",
    "subsample",
    "regularization",
    "gamma",
    "kernel",
    "other",
]

ROLES: Mapping[str, str] = {
    "learning_rate": "step size of an optimiser, or shrinkage of a boosted model",
    "batch_size": "examples (or tokens) for each step",
    "dropout": "share of units or connections dropped in training",
    "weight_decay": "decay of weights inside the optimiser's step",
    "momentum": "momentum of SGD",
    "beta1": "decay of Adam's first moment",
    "beta2": "decay of Adam's second moment",
    "epsilon": "small number that keeps a division finite, or a stopping tolerance",
    "warmup": "steps, epochs or share of training over which the learning rate rises",
    "schedule": "shape or numbers of the learning rate's schedule",
    "epochs": "length of training: epochs, steps or iterations at most",
    "width": "units of a layer, size of an embedding",
    "depth": "number of layers or blocks",
    "heads": "attention heads, or their size",
    "context": "length of the sequences seen",
    "activation": "non-linearity",
    "init_scale": "scale of the initial weights",
    "optimizer": "optimiser or solver",
    "label_smoothing": "probability spread over the other labels",
    "augmentation": "strength of, or switch for, changes to the training data",
    "gradient_clip": "bound on the gradient",
    "temperature": "temperature of a softmax",
    "trees": "number of trees, or of boosting rounds",
    "tree_depth": "depth of a tree at most",
    "leaf": "size or number of leaves (min_samples_leaf, max_leaf_nodes)",
    "min_samples": "samples or weight that a split or a child needs",
    "subsample": "share or number of rows or columns that a tree sees",
    "regularization": "strength of a penalty (alpha, l1, l2), or its inverse (C)",
    "gamma": "width of a kernel, gain that a split needs, or discount",
    "kernel": "kernel of a support vector machine or Gaussian process",
    "other": "anything else",
}
assert set(ROLES) == set(get_args(Role))

# Alternatives of strings, by role. A script is offered those that it mentions itself, if it mentions two.
ALTERNATIVES: Mapping[str, tuple[str, ...]] = {
    "activation": ("relu", "tanh", "gelu", "silu", "elu", "leaky_relu", "sigmoid", "swish", "mish", "selu", "relu2"),
    "optimizer": ("adam", "sgd", "adamw", "rmsprop", "adagrad", "nadam", "lion", "muon", "lamb", "lbfgs"),
    "kernel": ("rbf", "linear", "poly", "sigmoid", "laplacian", "cosine", "matern"),
    "schedule": ("cosine", "linear", "constant", "step", "exponential", "plateau", "onecycle", "none"),
    "init_scale": ("xavier", "kaiming", "orthogonal", "normal", "uniform", "he", "glorot"),
    "other": ("batch", "layer", "batchnorm", "layernorm", "rmsnorm", "groupnorm"),
}
# How many of the alternatives are offered to a script that mentions fewer than two.
_COMMON = {"activation": 3, "optimizer": 3, "kernel": 3, "schedule": 3}

# What scikit-learn and Keras accept, by call and keyword: (pattern of the call, keyword, role, values, confidence).
_ACCEPTED: tuple[tuple[str, str, Role, tuple[str, ...], float], ...] = (
    (r"MLP\w+", "activation", "activation", ("identity", "logistic", "tanh", "relu"), 0.6),
    (r"Dense|Conv\dD|SeparableConv\dD", "activation", "activation", ("relu", "tanh", "gelu", "elu", "selu"), 0.5),
    (r"\w*TrainingArguments", "lr_scheduler_type", "schedule", ("linear", "cosine", "constant_with_warmup"), 0.5),
    (r"MLP\w+", "solver", "optimizer", ("lbfgs", "sgd", "adam"), 0.6),
    (r"MLP\w+", "learning_rate", "schedule", ("constant", "invscaling", "adaptive"), 0.3),
    (r"(Nu)?SV[CR]", "kernel", "kernel", ("linear", "poly", "rbf", "sigmoid"), 0.75),
    (r"(Nu)?SV[CR]", "gamma", "gamma", ("scale", "auto"), 0.4),
    (r"(RandomForest|ExtraTrees?|DecisionTree)Classifier", "criterion", "other", ("gini", "entropy", "log_loss"), 0.35),
    (r"(RandomForest|ExtraTrees?|DecisionTree)Regressor", "criterion", "other",
     ("squared_error", "absolute_error", "friedman_mse"), 0.35),
    (r"(RandomForest|ExtraTrees?|DecisionTree|GradientBoosting)\w+", "max_features", "subsample",
     ("sqrt", "log2"), 0.5),
    (r"LogisticRegression", "solver", "optimizer", ("lbfgs", "newton-cg", "sag", "saga"), 0.25),
    (r"SGDClassifier", "loss", "other", ("hinge", "log_loss", "modified_huber"), 0.45),
    (r"SGD\w+", "penalty", "regularization", ("l2", "l1", "elasticnet"), 0.5),
    (r"KNeighbors\w+", "weights", "kernel", ("uniform", "distance"), 0.6),
)  # fmt: skip

_LR = r"lr|learning_?rate|eta0?|step_?size_init|learning_rate_init|base_lr|max_lr|peak_lr|init_lr|\w+_lr|lr_\w+"

# First match wins: (role, confidence, pattern of the whole name in snake case).
_RULES: tuple[tuple[Role, float, str], ...] = tuple(
    (role, confidence, re.compile(pattern))  # type: ignore[misc]
    for role, confidence, pattern in (
        ("other", 0.2, r"n_init|n_restarts\w*"),
        ("warmup", 0.6, r"(\w+_)?warm_?up(_\w+)?|pct_start|burn_?in(_\w+)?"),
        ("schedule", 0.5, r"(use_)?(lr_?)?sched(ule|uler|uling)?(_type|_name)?|lr_policy|decay_lr|(lr_)?warmdown\w*"
         r"|(lr_)?cooldown\w*|(lr_)?anneal\w*|lr_decay(_style|_type)?|cosine_\w+"),
        ("schedule", 0.35, r"min_lr|lr_min|final_lr\w*|end_lr|eta_min|t_max|lr_gamma|lr_decay_\w+|lr_step\w*|milestones"
         r"|power_t|lr_factor|learning_rate_decay\w*|div_factor|final_div_factor"),
        ("learning_rate", 0.97, _LR),
        ("weight_decay", 0.88, r"(\w+_)?(weight_?decay|wd)(_\w+)?|l2_decay"),
        ("label_smoothing", 0.65, r"(\w+_)?(label_?)?smoothing|label_smooth\w*"),
        ("dropout", 0.88, r"(\w+_)?(drop_?out|drop_?path|drop_?connect|pdrop|droprate|p_drop|drop)(_?(rate|prob|p))?"
         r"(_\w+)?|keep_prob|stochastic_depth\w*|dropoutrate"),
        ("batch_size", 0.85, r"(\w+_)?(batch_?size|batchsize|bs|mini_?batch(_size)?|n_batch|tokens_per_batch)|batch"),
        ("batch_size", 0.3, r"(grad(ient)?_)?accum\w*(_steps)?|gradient_accumulation\w*"),
        ("gradient_clip", 0.5, r"(\w+_)?(grad(ient)?_?)?clip(ping|_norm|_value|_grad|_val)?(_norm|_val(ue)?)?"
         r"|max_grad_norm|max_gradient_norm|grad_norm"),
        ("beta1", 0.5, r"(\w+_)?(beta_?1|b1|betas?_0)"),
        ("beta2", 0.5, r"(\w+_)?(beta_?2|b2|betas?_1)"),
        ("momentum", 0.65, r"(\w+_)?(momentum|mom|nesterovs?(_momentum)?)"),
        ("epsilon", 0.2, r"(\w+_)?(eps|epsilon|tol|tolerance)"),
        ("augmentation", 0.55, r"(\w+_)?(aug|augment|augmentation|augs?|mixup|cutmix|cutout|random_?erasing|flip|hflip"
         r"|rotation|rotate|jitter|color_jitter|randaugment|rand_augment|autoaugment|noise|noise_std|crop_padding)"
         r"(_(p|prob|alpha|strength|magnitude|rate|std|degrees|scale|n|m))?"),
        ("trees", 0.72, r"n_estimators|num_(boost_round|trees|rounds|iterations_boost)|n_trees|trees|num_round"
         r"|boosting_rounds|n_rounds"),
        ("tree_depth", 0.75, r"max_depth|tree_depth|max_tree_depth"),
        ("leaf", 0.62, r"max_leaf_nodes|num_leaves|max_leaves|n_leaves|min_samples_leaf|min_data_in_leaf"
         r"|min_samples_in_leaf|min_leaf_size"),
        ("min_samples", 0.55, r"min_samples?(_split|s)?|min_child_(weight|samples)|min_split\w*|min_sum_hessian\w*"
         r"|min_impurity_decrease|min_gain_to_split|min_split_loss"),
        ("subsample", 0.6, r"subsample(_\w+)?|col_?sample\w*|max_features|max_samples|bagging_fraction|bootstrap"
         r"|feature_fraction|row_sample\w*"),
        ("regularization", 0.8, r"c|alpha|l1|l2|(reg|regulari[sz]ation)(_?\w+)?|l[12]_(\w+)|lambda_?(l?[12])?|lamb?da"
         r"|lam|l1_ratio|penalty|ridge|lasso|ccp_alpha|var_smoothing|nu"),
        ("gamma", 0.7, r"gamma|kernel_width|bandwidth|length_?scale|sigma"),
        ("kernel", 0.65, r"kernel|kernel_(type|name)|degree|coef0|n_neighbors|k_neighbors|n_neighbours"),
        ("activation", 0.6, r"(\w+_)?(activation|act|nonlinearity|act_fn|activation_fn)(_fn|_function|_name)?"),
        ("optimizer", 0.62, r"(\w+_)?(optim|optimi[sz]er|opt|solver)(_name|_type)?|nesterov|amsgrad"),
        ("init_scale", 0.4, r"(\w+_)?(init|initiali[sz]ation)(_?(scale|std|gain|range|method|type|mode))?"
         r"|initializer_range|weight_init\w*|layer_scale\w*|init_\w+"),
        ("temperature", 0.45, r"(\w+_)?(temperature|temp|tau)"),
        ("heads", 0.45, r"(n|num|nb)?_?(\w+_)?(heads?|n_?head|kv_heads?|query_groups)|head_(dim|size)|heads?"),
        ("depth", 0.75, r"(n|num|nb)_?(\w+_)?(layers?|blocks?)|depth|layers|num_hidden|n_blocks|(\w+_)?depth"
         r"|(\w+_)?num_layers|n_hidden_layers|blocks|n_?layers?"),
        ("context", 0.35, r"block_size|(max_)?(seq|sequence)(uence)?_?(len|length)|context(_\w+)?|max_(len|length)"
         r"|bptt|ctx(_len|_length|_size)?|n_ctx|n_positions|(\w+_)?window(_size)?"),
        ("width", 0.8, r"(\w+_)?(hidden|hid|width|units|neurons)(_?(size|sizes|dims?|units|layers?|layer_sizes|features"
         r"|channels|width))?(_\d+)?|(n|d|dim|num)_?(embd?|embed|model|inner|ff|ffn|hidden|hid)"
         r"|hidden_layer_sizes(_\d+)?"
         r"|embed(ding)?(_?(dim|size|d))?|(model|emb|embd|ff|ffn|mlp|latent|inner|feature|attn|bottleneck|state)_?"
         r"(dim|size|width)|num_(filters|channels|units|neurons)|n_(filters|channels|units|neurons)|filters|layer_sizes"
         r"(_\d+)?|d_?(model|ff|inner|hidden)|fc\d?|dim|(mlp|ffn?|expansion)_?(ratio|mult\w*|factor)|aspect_ratio"
         r"|dim_?(feedforward|ff|ffn)|em_?size|nhid|hidden\d|h\d|units\d|n_components|rank|lora_r"),
        ("epochs", 0.55, r"(\w+_)?(n|num|max|total|nb|train(ing)?)?_?(\w+_)?(epochs?|iters?|iterations|(time)?steps"
         r"|updates)|max_iter|n_iter|iters|train_(epochs|steps|iters)|num_train_epochs|epoch"),
        ("other", 0.3, r"patience|n_iter_no_change|early_stopping_rounds|ema(_\w+)?|\w+_ratio|\w+_scale|\w+_weight"
         r"|\w+_decay|\w+_rate|\w+_factor|\w+_coef(f)?|\w+_prob|\w+_penalty"),
    )
)  # fmt: skip

# Keywords that mean something only to what they are passed to: (call, keyword, role, confidence).
_IN_CALLS: tuple[tuple[str, str, Role, float], ...] = (
    (r"(Feature)?(Alpha)?[Dd]ropout(\d[dD])?|DropPath|SpatialDropout\dD", r"p|rate|drop_prob", "dropout", 0.9),
    (r"\w*LR|\w*Schedule\w*", r"(max|base|peak)_lr|initial_learning_rate", "learning_rate", 0.9),
    (r"\w*LR|\w*Scheduler|\w*Decay|\w*Schedule", r".*", "schedule", 0.35),
    (r"Random(Horizontal|Vertical)Flip|RandomErasing|ColorJitter|RandomRotation|RandAugment|Mix[uU]p", r".*",
     "augmentation", 0.5),
    (r"(clip_grad_norm_?|clip_by_global_norm|clip_grad_value_?)", r"max_norm|clip_value"
     r"|clip_norm", "gradient_clip", 0.5),
    (r"(CrossEntropyLoss|cross_entropy)", r"label_smoothing", "label_smoothing", 0.65),
    (r"(Dense|LSTM|GRU|LSTMCell|GRUCell)", r"units|hidden_size", "width", 0.8),
    (r"(LSTM|GRU|RNN|TransformerEncoder|TransformerDecoder)", r"num_layers", "depth", 0.7),
    (r"(Nu|Linear)?SV[CR]|LogisticRegression|Lasso|Ridge\w*|ElasticNet", r"max_iter", "epochs", 0.25),
    (r"(RMSprop)", r"alpha|rho", "beta2", 0.4),
    (r"(LeakyReLU|leaky_relu|ELU)", r"alpha|negative_slope", "activation", 0.3),
    (r"(HistGradientBoosting|LGBM|XGB|CatBoost)\w*", r"max_iter|iterations", "trees", 0.72),
    (r"(XGB\w*|LGBM\w*|CatBoost\w*|HistGradientBoosting\w*)", r"l2_regularization|reg_(alpha|lambda)|l2_leaf_reg",
     "regularization", 0.7),
    (r"GradientBoosting\w*|AdaBoost\w*", r"n_estimators", "trees", 0.75),
    (r"(Quantile|Huber)\w*", r"quantile|epsilon|delta", "other", 0.2),
    (r"(BatchNorm|LayerNorm|GroupNorm|RMSNorm)\w*", r"momentum|eps|epsilon", "other", 0.15),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Guess:
    """A role, how sure it is (and that it matters), and the alternatives of a string."""

    role: Role
    confidence: float
    choices: tuple[Scalar, ...] = ()


def snake(name: str) -> str:
    """``name`` in lower snake case: ``hiddenSize``, ``HIDDEN-SIZE`` and ``hidden.size`` are ``hidden_size``.

    The place of an element stands at the end: ``betas[0]`` is ``betas_0``.
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^A-Za-z0-9]+", "_", words).strip("_").lower()


def guess(name: str, value: Scalar, call: str = "", mentioned: frozenset[str] = frozenset()) -> Guess | None:
    """The role of a parameter called ``name`` whose default is ``value``, or None where it has no alternatives.

    ``call`` is the last name of what it is passed to, ``mentioned`` the strings that the script itself
    compares with or looks up: only a script says which alternatives it understands.
    """
    role, confidence = _role(snake(name), call)
    if isinstance(value, str):
        return _guess_string(name, value, call, role, mentioned)
    if value is None:
        return None
    if isinstance(value, bool):
        return Guess(role, confidence if role in ("augmentation", "schedule") else min(confidence, 0.4), (False, True))
    if role in ("activation", "optimizer") or (role == "kernel" and call and "SV" in call and snake(name) == "kernel"):
        return Guess("other", 0.15)
    return Guess(role, confidence)


def _role(name: str, call: str) -> tuple[Role, float]:
    for where, keyword, role, confidence in _IN_CALLS:
        if call and re.fullmatch(where, call) and re.fullmatch(keyword, name):
            return role, confidence
    for role, confidence, pattern in _RULES:
        if re.fullmatch(pattern, name):
            return role, confidence
    return "other", 0.2


def _guess_string(name: str, value: str, call: str, role: Role, mentioned: frozenset[str]) -> Guess | None:
    for where, keyword, accepted_role, values, confidence in _ACCEPTED:
        if call and re.fullmatch(where, call) and keyword == name and value in values:
            return Guess(accepted_role, confidence, values)
    if call[:1].isupper():  # what a library's class accepts is not known
        return None
    if role == "other" and not re.search(r"norm", snake(name)):
        return None
    known = ALTERNATIVES.get(role, ())
    lowered = {text.lower() for text in known}
    if value.lower() not in lowered:
        return None
    here = [text for text in sorted(mentioned) if text.lower() in lowered]
    if len({*here, value}) >= 2:
        return Guess(role, _string_confidence(role), tuple(dict.fromkeys((value, *here))))
    if role not in _COMMON:
        return None
    common = [_as_written(text, value) for text in known if text != value.lower()][: _COMMON[role] - 1]
    return Guess(role, 0.35, (value, *common))


def _as_written(text: str, like: str) -> str:
    if like.isupper():
        return text.upper()
    return text.capitalize() if like.istitle() else text


def _string_confidence(role: Role) -> float:
    return {"activation": 0.62, "optimizer": 0.65, "kernel": 0.7, "schedule": 0.55}.get(role, 0.4)
