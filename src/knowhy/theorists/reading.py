"""What a theorist reads from the state: family, metrics, parameters with their lore, meaningful settings."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from knowhy.engine.diagnostics import Diagnosis, diagnose
from knowhy.engine.metric_names import gap_name, metric_kind, partner, split_name
from knowhy.model.objective import Objective
from knowhy.model.patch import PATCH_ROLE
from knowhy.model.space import Interval, Parameter, Scalar
from knowhy.model.state import State
from knowhy.model.theory import Verb
from knowhy.theorists.lore import PULLS, Entry, Family, entry_for

_TREE_ROLES = frozenset({"trees", "tree_depth", "leaf", "min_samples", "subsample"})
_ANY_TRAINING = frozenset({"epochs", "optimizer", "schedule", "momentum", "augmentation"})  # not of networks alone
_NET_ROLES = frozenset(
    {
        "batch_size",
        "dropout",
        "weight_decay",
        "momentum",
        "beta1",
        "beta2",
        "warmup",
        "epochs",
        "width",
        "depth",
        "heads",
    }
    | {
        "label_smoothing",
        "augmentation",
        "gradient_clip",
        "activation",
        "optimizer",
        "schedule",
        "init_scale",
        "context",
    }
)
_WORDS: tuple[tuple[Family, str], ...] = (
    ("boosting", r"boost|xgb|lgbm|lightgbm|gbm|gbdt"),
    ("forest", r"forest|extra_?trees"),
    ("svm", r"svm|svc|svr"),
    ("linear", r"logistic|ridge|lasso|elastic|linear"),
    ("net", r"mlp|net|gpt|transformer|torch|cnn|lstm"),
)
_INVERSE = re.compile(r"(^|[._\-\[])[cC]\]?$|inv")
_LEAVES = re.compile(r"max_leaf|num_leaves|n_leaves|max_leaves|leaves|leaf_nodes", re.IGNORECASE)


def sense(parameter: Parameter) -> str:
    """The role of ``parameter`` as lore knows it: roles that mean opposite things are told apart by name.

    scikit-learn's ``C`` divides by the penalty ("inverse"), alpha and lambda multiply it ("strength").
    """
    if parameter.role == "regularization":
        if "ratio" in parameter.name.lower():
            return "mixture"
        return "inverse" if _INVERSE.search(parameter.name) else "strength"
    name = parameter.name.lower()
    if parameter.role in ("kernel", "activation", "optimizer") and parameter.numeric:
        return "neighbours" if "neighb" in name else "degree" if "degree" in name else "other"
    if parameter.role == "dropout" and "keep" in name:
        return "keep"
    if parameter.role == "min_samples" and re.search(r"impurity|gain|loss", name):
        return "gamma"
    if parameter.role == "leaf":
        return "leaves" if _LEAVES.search(parameter.name) else "min_samples"
    return parameter.role


def family_of(state: State) -> Family:
    """The kind of model, by the roles present and, where they say little, by words that describe the subject."""
    roles = Counter(p.role for p in state.space)
    words = " ".join(str(value).lower() for value in state.subject.values())
    named = [family for family, pattern in _WORDS if re.search(pattern, words)]
    trees = sum(roles[r] for r in _TREE_ROLES)
    nets = sum(roles[r] for r in _NET_ROLES)
    if trees and trees >= nets:
        if "forest" in named and "boosting" not in named:
            return "forest"
        return "boosting" if "boosting" in named or roles["learning_rate"] else "forest"
    surely = nets - sum(roles[r] for r in _ANY_TRAINING)
    if surely > 1 or (surely and not named):
        return "net"
    if roles["kernel"] or (roles["gamma"] and roles["regularization"]):
        return "svm"
    if named:
        return named[0]
    if roles["regularization"]:
        return "linear"
    return "net" if nets or roles["learning_rate"] else "any"


def number(value: Scalar) -> str:
    """A setting as people write it, to six digits."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return re.sub(r"e([+-])0*(\d+)$", lambda m: f"e{m[1].strip('+')}{m[2]}", f"{value:g}")


def says(subject: str, verb: str) -> str:
    """``subject`` with ``verb`` (given for one thing: "helps") in the number that fits it."""
    plural = subject.split(" (")[0].endswith("s") and not subject.startswith("a ")
    many = {"does": "do"}.get(verb, verb.removesuffix("s"))
    return f"{subject} {many if plural else verb}"


def nice(domain: Interval, unit: float, like: Scalar = None) -> float | int:
    """A round setting of ``domain`` near position ``unit``: one to three digits, within 4% of the range.

    Where ``like`` (the default) is a power of two from 8 on, as people write widths and lengths, it is one as well.
    """
    exact = domain.from_unit(unit)
    place = domain.to_unit(float(exact))
    if domain.integer and domain.scale == "log" and isinstance(like, int) and like >= 8 and like & (like - 1) == 0:
        power = int(2 ** round(math.log2(exact)))
        if domain.contains(power):
            return power
    for digits in (1, 2, 3):
        value = float(f"{float(exact):.{digits}g}")
        if domain.contains(value) and abs(domain.to_unit(value) - place) <= 0.04:
            if domain.power_of_two:
                return exact
            if not domain.integer:
                return value
            if value.is_integer():
                return int(value)
    return exact


@dataclass(frozen=True)
class Lever:
    """A number with its lore and the contrast ``start`` to ``end`` that would show what it does.

    ``twin`` says that another parameter has the same role, so that words must name which is meant.
    """

    parameter: Parameter
    entry: Entry
    start: float | int
    end: float | int
    weight: float
    twin: bool = False

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self.parameter.name

    @property
    def domain(self) -> Interval:
        """The parameter's range."""
        assert isinstance(self.parameter.domain, Interval)
        return self.parameter.domain

    def at(self, unit: float) -> float | int:
        """A round setting near position ``unit`` of the range (which is [0, 1]; beyond it is cut off)."""
        return nice(self.domain, min(1.0, max(0.0, unit)), self.parameter.default)

    def place(self, value: Scalar) -> float:
        """The position of ``value`` in the range."""
        assert isinstance(value, (int, float))
        return self.domain.to_unit(float(value))

    def pull(self, up: bool) -> str:
        """What raising (or lowering) the parameter is called: "more dropout", "a narrower network"."""
        words = PULLS.get(sense(self.parameter), ("a larger {p}", "a smaller {p}"))
        return self.named(words[0 if up else 1].replace("{p}", self.name))

    def named(self, text: str) -> str:
        """``text``, with the parameter's name in brackets where it would be unclear which is meant."""
        return f"{text} ({self.name})" if self.twin and self.name not in text else text


@dataclass(frozen=True)
class Reading:
    """A state as a practitioner reads it; everything is computed from ``state`` alone."""

    state: State

    @cached_property
    def family(self) -> Family:
        """The kind of model under study."""
        return family_of(self.state)

    @cached_property
    def metrics(self) -> frozenset[str]:
        """Metrics that at least half of the completed trials have, and the objectives."""
        done = self.state.completed
        counts = Counter(name for trial in done for name in trial.observation.metrics)
        found = {name for name, count in counts.items() if 2 * count >= len(done)}
        return frozenset(found | {o.metric for o in self.state.objectives})

    @cached_property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """What curves and numbers say, strongest first."""
        return diagnose(self.state)

    @cached_property
    def levers(self) -> tuple[Lever, ...]:
        """Active numeric parameters, the most important first."""
        found = [lever for p in self.state.space.active if (lever := self.lever(p)) is not None]
        return tuple(sorted(found, key=lambda lever: -lever.weight))

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Where completed trials lie between the ends of each lever: 0 to 1, or somewhat outside [trials, levers]."""
        done = self.state.completed
        out = np.zeros((len(done), len(self.levers)))
        for j, lever in enumerate(self.levers):
            name, default, domain = lever.parameter.name, lever.parameter.default, lever.domain
            known: dict[float, float] = {}
            for i, trial in enumerate(done):
                value = trial.proposal.point.get(name, default)
                number = float(value) if isinstance(value, (int, float)) else float(lever.start)
                if number not in known:
                    known[number] = min(1.5, max(-0.5, domain.to_unit(number)))
                out[i, j] = known[number]
        return out

    @cached_property
    def ranked(self) -> tuple[Parameter, ...]:
        """All active parameters but patches (see ``patches``), the most important first."""
        chosen = (p for p in self.state.space.active if p.role != PATCH_ROLE)
        return tuple(sorted(chosen, key=lambda p: -self.weight(p)))

    def entry(self, parameter: Parameter) -> Entry:
        """The lore of ``parameter``."""
        return entry_for(sense(parameter), self.family)

    def weight(self, parameter: Parameter) -> float:
        """How much ``parameter`` is worth asking about: its role's usual importance and its confidence."""
        return self.entry(parameter).importance * (0.5 + 0.5 * parameter.confidence)

    def toward(self, lever: Lever, up: bool) -> Lever:
        """``lever`` with its contrast on the side of the default that it would be pulled to, if there is room."""
        return self.lever(lever.parameter, up) or lever

    def lever(self, parameter: Parameter, up: bool = True) -> Lever | None:
        """``parameter`` with a contrast that has the default at one end; None where it is no number.

        The contrast is above the default (below, if not ``up``) where there is room, else on the other side.
        """
        domain = parameter.domain
        if not isinstance(domain, Interval) or not isinstance(parameter.default, (int, float)):
            return None
        entry = self.entry(parameter)
        place = domain.to_unit(float(parameter.default))
        step = entry.reach
        if domain.scale == "log":
            step = domain.to_unit(domain.low * entry.factor)
        step = min(max(step, 0.25), 0.6)
        high, low = min(1.0, place + step), max(0.0, place - step)
        above, below = high - place, place - low
        if above >= min(0.25, below) if up else below < min(0.25, above):
            start, end = parameter.default, nice(domain, high, parameter.default)
        else:
            start, end = nice(domain, low, parameter.default), parameter.default
        if not start < end:
            return None
        twin = sum(sense(p) == sense(parameter) for p in self.state.space) > 1
        return Lever(parameter, entry, start, end, self.weight(parameter), twin)

    def with_senses(self, senses: Iterable[str]) -> tuple[Lever, ...]:
        """Levers of these roles, in the order of ``senses``."""
        order = list(senses)
        found = [lever for lever in self.levers if sense(lever.parameter) in order]
        return tuple(sorted(found, key=lambda lever: order.index(sense(lever.parameter))))

    def train(self, objective: Objective) -> str | None:
        """The training counterpart of the objective, where it is reported."""
        return partner(objective.metric, sorted(self.metrics))

    def gap(self, objective: Objective) -> str | None:
        """The generalisation gap that belongs to the objective (or the gap of the loss), where it is known."""
        own = gap_name(objective.metric, sorted(self.metrics))
        if own in self.metrics:
            return own
        return "gap" if "gap" in self.metrics and generalises(objective) else None


def generalises(objective: Objective) -> bool:
    """Whether the objective may be measured on data that the model was not fitted to (its name does not deny it)."""
    return split_name(objective.metric)[0] != "train" and metric_kind(objective.metric) not in ("time", "size")


def better(objective: Objective) -> Verb:
    """The verb of a change for the better."""
    return "lowers" if objective.direction == "minimize" else "raises"


def worse(objective: Objective) -> Verb:
    """The verb of a change for the worse."""
    return "raises" if objective.direction == "minimize" else "lowers"
