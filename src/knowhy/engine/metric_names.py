"""What the names of metrics say: kind, the data they were measured on, and which two make a gap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from knowhy.model.objective import Objective

MetricKind = Literal["loss", "score", "time", "size", "diagnostic", "other"]

VALIDATION = ("val", "valid", "validation", "dev", "heldout", "holdout", "eval", "test")
TRAINING = ("train", "training", "tr")

_LOSS = re.compile(
    r"loss|err|error|mse|rmse|mae|nll|bpb|bpc|ppl|perplexity|entropy|logloss|deviance|regret|wer|cer|fid|cost|brier"
)
_SCORE = re.compile(
    r"acc|accuracy|auc|auroc|f1|precision|recall|r2|score|bleu|rouge|reward|return|iou|dice|map|ndcg|mrr"
)
_LOSS_INSIDE = re.compile(r"loss|error|entropy|perplexity|regret")
_SCORE_INSIDE = re.compile(r"accuracy|precision|recall|score|reward")
_TIME = re.compile(r"duration|seconds|secs|time|latency|elapsed|ms")
_SIZE = re.compile(r"params|parameters|memory|mem|bytes|size|flops|leaves|nodes")
_DIAGNOSTIC = frozenset({"gap", "rebound", "slope", "best_at", "oscillation", "jump"})


def metric_kind(name: str) -> MetricKind:
    """What the name of a metric says about it; "loss" is better small, "score" better large.

    "time" and "size" are costs, "diagnostic" is one of those that ``diagnostics.derive`` makes, "other" says nothing.
    """
    if name in _DIAGNOSTIC or name.startswith("gap_"):
        return "diagnostic"
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    kinds: tuple[tuple[MetricKind, re.Pattern[str]], ...] = (
        ("loss", _LOSS),
        ("score", _SCORE),
        ("time", _TIME),
        ("size", _SIZE),
    )
    for kind, pattern in kinds:
        if any(pattern.fullmatch(word) for word in words):
            return kind
    joined = "".join(words)
    return "loss" if _LOSS_INSIDE.search(joined) else "score" if _SCORE_INSIDE.search(joined) else "other"


def goal(metric: str, objectives: Sequence[Objective]) -> float:
    """+1 where ``metric`` is better small, -1 where large: by the objectives, else by its name."""
    for objective in objectives:
        if objective.metric == metric:
            return objective.sign
    return -1.0 if metric_kind(metric) == "score" else 1.0


def split_name(name: str) -> tuple[Literal["val", "train", "plain"], int, str]:
    """Which data a metric was measured on, the rank of that word among its synonyms, and the rest of the name.

    ``val_loss`` and ``loss/valid`` are ("val", rank, "loss"), ``train_acc`` is ("train", rank, "acc").
    """
    words = re.split(r"([_/.\- ]+)", name)
    for place in (0, len(words) - 1):
        word = words[place].lower()
        rest = "".join(words[2:] if place == 0 else words[:-2])
        if len(words) > 1 and rest:
            if word in VALIDATION:
                return "val", VALIDATION.index(word), rest
            if word in TRAINING:
                return "train", TRAINING.index(word), rest
    return "plain", 0, name


def partner(metric: str, names: Sequence[str]) -> str | None:
    """The training counterpart of a validation metric among ``names`` (the bare stem counts, as Keras has it)."""
    data, _, stem = split_name(metric)
    if data != "val":
        return None
    found = [(split_name(name)[1], name) for name in names if split_name(name)[::2] == ("train", stem)]
    return min(found)[1] if found else (stem if stem in names else None)


def gap_name(metric: str, names: Sequence[str]) -> str | None:
    """The name under which ``diagnostics.derive`` puts the gap of ``metric``; None without a pair."""
    return next((gap for gap, (val, _) in gap_pairs(names).items() if val == metric), None)


def gap_pairs(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Gap name to (validation, training) metric; the first loss-like pair is plain ``gap``."""
    best: dict[str, tuple[int, str, str]] = {}
    for name in sorted(names):
        data, rank, stem = split_name(name)
        train = partner(name, names)
        if data == "val" and train is not None and (stem not in best or rank < best[stem][0]):
            best[stem] = (rank, name, train)
    losses = sorted((stem for stem in best if metric_kind(stem) == "loss"), key=lambda stem: (stem != "loss", stem))
    return {
        "gap" if losses and stem == losses[0] else f"gap_{stem}": (val, train)
        for stem, (_, val, train) in best.items()
        if metric_kind(stem) in ("loss", "score", "other")
    }
