"""Objectives as people write them, and as names suggest them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from knowhy.errors import MetricError, SettingsError
from knowhy.model.objective import Constraint, Direction, Objective

_DIRECTIONS: dict[str, Direction] = {
    "min": "minimize",
    "minimize": "minimize",
    "minimise": "minimize",
    "max": "maximize",
    "maximize": "maximize",
    "maximise": "maximize",
}
_SMALL = {
    *("loss", "error", "err", "bpb", "bpc", "perplexity", "ppl", "nll", "mse", "rmse", "mae", "mape", "cost", "regret"),
    *("wer", "cer", "fid", "logloss", "brier", "ece", "deviance", "rmsle", "duration", "time", "latency", "memory"),
    *("gap", "size", "misfit", "distance", "divergence"),
}
_LARGE = {
    *("acc", "accuracy", "score", "f1", "auc", "auroc", "auprc", "r2", "precision", "recall", "bleu", "rouge", "map"),
    *("reward", "return", "iou", "dice", "psnr", "ssim", "top1", "top5", "mcc", "kappa", "ap", "likelihood", "gain"),
}
_HELD_OUT = ("val", "valid", "validation", "dev", "eval", "test", "heldout", "cv")
_COMMON = ("loss", "bpb", "error", "accuracy", "acc", "score")


def direction(word: str) -> Direction:
    """The direction that ``word`` names (min, minimize, max, ...); raises SettingsError."""
    try:
        return _DIRECTIONS[word.strip().lower()]
    except KeyError:
        raise SettingsError(f"{word!r} is no direction", "write minimize or maximize (or min, max)") from None


def guess_direction(metric: str) -> Direction | None:
    """The direction that the name of a metric suggests, None where it says nothing."""
    for word in reversed(_words(metric)):
        if word in _SMALL:
            return "minimize"
        if word in _LARGE:
            return "maximize"
    return None


def guess_objective(metrics: Iterable[str]) -> Objective | None:
    """The likeliest objective among ``metrics``: on held-out data before training data, losses before scores."""
    ranked: list[tuple[tuple[int, int, int, int, int], Objective]] = []
    for place, metric in enumerate(metrics):
        toward = guess_direction(metric)
        words = _words(metric)
        if toward is None or {"duration", "time", "gap", "memory", "size", "latency"} & set(words):
            continue
        held_out = min((_HELD_OUT.index(word) for word in words if word in _HELD_OUT), default=len(_HELD_OUT))
        training = int("train" in words or "training" in words)
        common = min((_COMMON.index(word) for word in words if word in _COMMON), default=len(_COMMON))
        last = int("final" not in words)  # val_loss at some step may be older than final_val_loss
        ranked.append(((training, held_out, common, last, place), Objective(metric, toward)))
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def parse_objective(text: str, toward: Direction | None = None) -> Objective:
    """An objective from ``val_loss`` or ``val_loss:min``; ``toward`` is the direction where the text has none.

    Without either, the name decides. Raises MetricError where it says nothing.
    """
    metric, colon, word = text.rpartition(":")
    if colon and word.strip().lower() in _DIRECTIONS:
        return Objective(metric.strip(), direction(word))
    name = text.strip()
    if not name:
        raise MetricError("the name of the metric is empty", "name a metric that the script reports")
    found = toward or guess_direction(name)
    if found is None:
        raise MetricError(
            f"the name {name} does not tell whether it should be small or large",
            f"add --minimize or --maximize, or write --metric {name}:min",
        )
    return Objective(name, found)


def parse_constraint(metric: str, text: str) -> Constraint:
    """A constraint from a metric and ``<= 8000`` or ``>= 0.9``; raises SettingsError."""
    match = re.fullmatch(r"\s*(<=|>=|<|>)\s*([-+0-9.eE_]+)\s*", text)
    try:
        bound = float(match.group(2)) if match else None
    except ValueError:
        bound = None
    if match is None or bound is None:
        raise SettingsError(
            f"{text!r} is no constraint on {metric}", 'write a bound such as "<= 8000" or ">= 0.9"'
        ) from None
    return Constraint(metric, "<=" if match.group(1)[0] == "<" else ">=", bound)


def parse_weights(text: str) -> dict[str, float]:
    """Weights from ``val_loss=1,time=0.1``; raises SettingsError."""
    found: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        metric, equals, number = part.rpartition("=")
        try:
            if not (equals and metric.strip()):
                raise ValueError
            found[metric.strip()] = float(number)
        except ValueError:
            raise SettingsError(f"{part!r} is no weight", 'write them as "val_loss=1,time=0.1"') from None
    if not found:
        raise SettingsError("there are no weights", 'write them as "val_loss=1,time=0.1"')
    return found


def constraint(text: str) -> Constraint:
    """A constraint from ``peak_memory < 8000``; raises SettingsError."""
    match = re.fullmatch(r"\s*(.*?[^\s<>=])\s*([<>]=?.*)", text)
    if match is None:
        raise SettingsError(f"{text!r} is no constraint", 'write one such as "peak_memory < 8000" or "val_acc >= 0.9"')
    return parse_constraint(match.group(1), match.group(2))


def _words(name: str) -> list[str]:
    """The lower-case words of a metric's name: ``valLoss`` and ``val/loss`` are both val, loss."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]
