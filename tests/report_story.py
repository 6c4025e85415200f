# ruff: noqa: E501, C402
"""A study written down as events: the input of the golden report and of the tests of views and reports.

The numbers come from a small response function with noise, the beliefs from Bayes factors between the
stakes' own two predictions, so that everything in a report can be traced to this journal.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace

from knowhy.model.belief import Calibration, Estimate, Incumbent, Judgement, MainEffect, Placed
from knowhy.model.decision import Option
from knowhy.model.events import (
    BeliefsUpdated,
    ContrastRegistered,
    EvidenceUpdated,
    NoteAdded,
    ParameterChanged,
    Record,
    RunEnded,
    RunStarted,
    StudyCreated,
    TheoryProposed,
    TrialCompleted,
    TrialFailed,
    TrialProposed,
    TrialStarted,
    TrialWithdrawn,
    Verdict,
)
from knowhy.model.objective import Objective
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import Interval, Space, choice, integer, power_of_two, real, same_point
from knowhy.model.state import State, fold
from knowhy.model.theory import Theory
from knowhy.model.trial import Arm, Completed, Contrast, Evidence, Predictive, Proposal, Stake

SPACE = Space(
    (
        real("learning_rate", 1e-4, 1e-1, 1e-3, log=True, role="learning_rate"),
        power_of_two("batch_size", 16, 512, 64, role="batch_size"),
        real("dropout", 0.0, 0.8, 0.1, role="dropout"),
        real("weight_decay", 1e-6, 1e-1, 1e-4, log=True, role="weight_decay"),
        integer("width", 16, 256, 64, log=True, role="width"),
        integer("epochs", 5, 40, 12, role="epochs"),
        choice("optimizer", ["adam", "sgd", "rmsprop"], "adam", role="optimizer"),
        replace(real("label_smoothing", 0.0, 0.3, 0.0, role="label_smoothing"), active=False),
        replace(real("momentum", 0.0, 0.99, 0.9, role="momentum"), active=False),
    )
)

THEORIES = [
    ("What limits val_loss?", "The network overfits", "train and validation loss part after epoch 6, so weight noise that removes capacity should close the gap", ["raising dropout from 0.1 to 0.4 lowers val_loss"], "val_loss stays or rises when dropout rises to 0.4", "builtin", 0, 0.8, 0.5),
    ("What limits val_loss?", "The network is too small", "both losses level off high, which more units would lower", ["raising width from 64 to 256 lowers val_loss", "width matters more than dropout for val_loss"], "a wider network scores the same", "builtin", 0, -0.6, 0.4),
    ("What limits val_loss?", "Training stops too early", "the validation loss is still falling at the last epoch", ["more training keeps improving val_loss beyond 20"], "val_loss is flat from epoch 20 on", "builtin", 0, -0.9, 0.5),
    ("How should the step size be set?", "The learning rate is too low", "the loss falls in a straight line for the whole run, so larger steps would get further in the same time", ["raising learning_rate from 0.001 to 0.006 lowers val_loss"], "val_loss does not fall when the learning rate is six times larger", "builtin", 0, 1.0, 0.5),
    ("How should the step size be set?", "Only the ratio of learning rate to batch size matters", "the noise of the gradient scales with this ratio (Smith and Le, 2018)", ["val_loss depends on learning_rate and batch_size only through learning_rate/batch_size"], "two trials with the same ratio differ by more than the noise", "builtin", 0, 0.05, 0.12),
    ("How should the step size be set?", "Large batches hurt", "fewer updates in the same number of epochs", ["raising batch_size from 64 to 256 raises val_loss"], "val_loss does not change with batch_size when the learning rate is tuned", "person", 0, 0.35, 0.5),
    ("Does regularisation add up?", "Dropout and weight decay do the same job", "both keep the weights small, so the second adds little once the first is there", ["dropout and weight_decay interact on val_loss"], "their effects add up", "builtin", 9, 0.12, 0.3),
    ("Does regularisation add up?", "Weight decay does not matter here", "twelve epochs are too few for the weights to grow", ["weight_decay does not matter for val_loss"], "val_loss changes by more than the margin across weight_decay", "builtin", 0, 0.3, 0.35),
    ("When do trials fail?", "Training diverges above a learning rate of 0.03", "the steps exceed the curvature's limit", ["trials fail when learning_rate is above 0.03"], "a trial above 0.03 completes", "builtin", 14, 0.9, 0.4),
    ("Is confidence the problem?", "Smoothed labels lower val_loss", "the worst trials are confident and wrong, and smoothing caps the loss of such cases", ["raising label_smoothing from 0 to 0.1 lowers val_loss"], "val_loss rises or stays with smoothing of 0.1", "builtin", 16, 0.2, 0.5),
]  # fmt: skip


def response(point, seed):
    """val_loss, train_loss and seconds of a configuration; a failure kind instead where it fails."""
    rng = random.Random(f"{seed}/{sorted(point.items())}")
    rate = math.log10(point["learning_rate"]) + (0.5 if point["optimizer"] == "sgd" else 0.0)
    if point["learning_rate"] > 0.03:
        return "nan"
    if point["epochs"] >= 38 and point["width"] >= 180:
        return "timeout"
    if point["batch_size"] >= 512 and point["width"] >= 200:
        return "out_of_memory"
    loss = 0.21 + 0.055 * (rate + 2.25) ** 2 + 0.45 * (point["dropout"] - 0.38) ** 2
    loss += 0.012 * abs(math.log2(point["batch_size"] / 48)) + 0.004 * abs(math.log10(point["weight_decay"]) + 3)
    loss += 0.02 * (point["optimizer"] == "sgd") + 0.004 * max(0.0, math.log2(64 / point["width"]))
    loss += 0.1 * (point["label_smoothing"] - 0.05) ** 2
    noise = rng.gauss(0, 0.0045)
    seconds = (
        0.05 * point["epochs"] * (1 + point["width"] / 128) * (64 / point["batch_size"]) ** 0.3 * rng.uniform(0.95, 1.1)
    )
    return {
        "val_loss": loss + noise,
        "train_loss": loss * (0.5 + point["dropout"] / 2) + noise / 2,
        "accuracy": 1 - loss / 6,
    }, seconds


def records(trials=22, pairs=6, verify=5, ended=True):
    """The journal of the story, oldest first: ``trials`` exploring, then fresh pairs for T1 and for the best."""
    events: list[tuple[float, object]] = []
    clock = [1_790_000_000.0]
    rng = random.Random(7)

    def add(event, seconds=0.0):
        clock[0] += seconds
        events.append((clock[0], event))

    subject = {
        "kind": "script",
        "path": "examples/digits/train.py",
        "command": "python train.py",
        "hash": "9f2c1e7ab04d",
    }
    add(StudyCreated("digits", (Objective("val_loss"),), SPACE, 11, subject, "0.1.0"))
    add(RunStarted(trials + 2 * pairs + 2 * verify, 1800.0, 2, "theory"))
    beliefs, priors, values = {}, {}, []
    proposed = set()

    def theories(after):
        for index, (question, title, because, claims, refuted, by, when, _, prior) in enumerate(THEORIES, 1):
            name = f"T{index}"
            if when <= after and name not in proposed:
                proposed.add(name)
                beliefs[name] = priors[name] = prior
                add(TheoryProposed(Theory(name, title, because, tuple(claims), question, refuted, by, when), prior))

    space = SPACE

    def trial(number, point, seed, purpose, reason, arm=None, proposer="engine"):
        truth = response(point, seed)
        open_theories = [t for t in beliefs if 0.02 < beliefs[t] < 0.98]
        guess = 0.21 if isinstance(truth, str) else truth[0]["val_loss"] + rng.gauss(0, 0.012)
        if number == 13 and not isinstance(truth, str):
            guess = truth[0]["val_loss"] + 0.075
        spread = 0.03 if number < 8 else 0.016
        stakes, verdicts, expected = [], [], 0.0
        for t in open_theories[:: 1 if number % 3 else 2]:
            target = 0.45 * THEORIES[int(t[1:]) - 1][7] + rng.gauss(0, 0.3)
            near = abs(rng.gauss(0, 0.4))
            far = math.sqrt(near**2 + 2 * abs(target))
            side = 1 if rng.random() < 0.5 else -1
            centre = guess if isinstance(truth, str) else truth[0]["val_loss"]
            offsets = (near, far) if target > 0 else (far, near)
            true, false = (Predictive("val_loss", centre + side * spread * z, spread) for z in offsets)
            bits = min(0.4, 0.5 * ((true.mean - false.mean) / spread) ** 2) * 0.6
            stakes.append(Stake(t, beliefs[t], bits, true, false))
            expected += bits
        value = None if isinstance(truth, str) else truth[0]["val_loss"]
        before = sum(entropy(beliefs[t]) for t in open_theories)
        for stake in stakes:
            if value is not None:
                ratio = math.exp(stake.if_true.log_density(value) - stake.if_false.log_density(value))
            elif stake.theory == "T9":
                ratio = 4.0
            else:
                continue
            verdicts.append(Verdict(stake.theory, ratio))
            odds = beliefs[stake.theory] / (1 - beliefs[stake.theory]) * ratio
            beliefs[stake.theory] = min(0.999, max(0.001, odds / (1 + odds)))
        prediction = Predictive("val_loss", guess, spread)
        add(
            TrialProposed(
                Proposal(
                    number,
                    space.complete(point),
                    seed,
                    purpose,
                    reason,
                    proposer,
                    expected,
                    0.95,
                    (prediction,),
                    tuple(stakes),
                    () if arm is None else (arm,),
                )
            ),
            0.05,
        )
        add(TrialStarted(number, 1), 0.01)
        if isinstance(truth, str):
            messages = {
                "nan": "val_loss became NaN at epoch 3",
                "timeout": "no result after 120 s",
                "out_of_memory": "the process tree used more than 4 GiB",
            }
            log = f"epoch 1 train_loss 2.81\nepoch 2 train_loss 97.4\nepoch 3 train_loss nan\n# lr={point['learning_rate']:g}"
            add(TrialFailed(number, Failure(truth, messages[truth], 1.3, log, 1 if truth == "nan" else None)), 1.3)
        else:
            add(TrialCompleted(number, Observation(truth[0], truth[1])), truth[1] / 2)
            values.append((value, number, point))
        bits = before - sum(entropy(beliefs[t]) for t in open_theories)
        surprise = None if value is None else (value - guess) / spread
        add(BeliefsUpdated(number, dict(beliefs), dict(priors), bits, surprise, tuple(verdicts)))

    number = 1
    theories(0)
    default = SPACE.defaults()
    trial(1, default, 100, "verify", "the default configuration is always the first trial")
    for number in range(2, trials + 1):
        theories(number - 1)
        if number == 12:
            smoothing = replace(SPACE["label_smoothing"], active=True)
            add(
                ParameterChanged(
                    smoothing,
                    "opened",
                    "the worst trials are confident and wrong: T10 asks what smoothing does",
                    "builtin",
                )
            )
            space = space.with_parameter(smoothing)
        if number == 15:
            wider = replace(space["learning_rate"], domain=Interval(3e-5, 1e-1, "log"))
            add(ParameterChanged(wider, "widened", "two of the best trials lie near the low end", "builtin"))
            space = space.with_parameter(wider)
        if number % 3 == 0 and values:
            _, best, base = min(values, key=lambda v: v[0])
            point = dict(base)
            for name in rng.sample([p.name for p in space.active], 2):
                domain = space[name].domain
                if isinstance(domain, Interval):
                    point[name] = domain.from_unit(domain.to_unit(base[name]) + rng.gauss(0, 0.12))
            trial(
                number,
                point,
                100 + number,
                "improve",
                f"near trial {best}: expected to improve val_loss by 0.004",
                proposer="tpe" if number % 2 else "engine",
            )
        else:
            point = {}
            for p in space.active:
                if isinstance(p.domain, Interval):
                    point[p.name] = p.domain.from_unit(rng.random() * (1 if number % 5 == 0 else 0.8))
                else:
                    point[p.name] = rng.choice(p.domain.values)
            if number in (11, 19):
                point["learning_rate"] = 0.06
            if number == 17:
                point.update(width=240, epochs=40)
            theory = rng.choice([t for t in beliefs if 0.02 < beliefs[t] < 0.98] or ["T1"])
            trial(
                number,
                space.complete(point),
                100 + number,
                "learn",
                f"tells {theory} from its rivals: they disagree most here",
            )
    theories(trials)
    number = trials
    low, high = dict(default), {**default, "dropout": 0.4}
    number = paired(
        add, trial, Contrast("C1", "T1", "val_loss", -1, low, high), number, pairs, "T1 by a fresh pair", values, 24.0
    )
    best = dict(min(values, key=lambda v: v[0])[2])
    add(ContrastRegistered(contrast := Contrast("C2", "", "val_loss", -1, default, best)))
    paired(
        add,
        trial,
        contrast,
        number,
        verify,
        "the best configuration against the default on a fresh seed",
        values,
        21.0,
        register=False,
    )
    add(NoteAdded("Trials 11 and 19 stopped at NaN: learning rates above 0.03 look unsafe.", "engine", 19))
    extra = Proposal(900, default, 5, "learn", "withdrawn")
    add(TrialProposed(extra))
    add(TrialWithdrawn(900, "the budget was spent"))
    if ended:
        add(RunEnded("all trials of the budget are done"), 2.0)
    else:
        add(
            TrialProposed(
                replace(
                    extra, trial=901, reason="tells T5 from T6: the two disagree most at this ratio", expected_bits=0.21
                )
            )
        )
        add(TrialStarted(901, 1), 0.2)
    return [Record(i, when, event, "") for i, (when, event) in enumerate(events, 1)]


def paired(add, trial, contrast, number, pairs, what, values, e_value, register=True):
    if register:
        add(ContrastRegistered(contrast))
    differences = []
    for pair in range(1, pairs + 1):
        got = {}
        for treatment in (pair % 2 == 0, pair % 2 == 1):
            number += 1
            point = contrast.treatment if treatment else contrast.control
            trial(
                number,
                dict(point),
                500 + pair + 50 * len(contrast.theory),
                "verify",
                f"{what} (pair {pair})",
                Arm(contrast.id, pair, treatment),
            )
            got[treatment] = values[-1][0]
        differences.append(got[True] - got[False])
        mean = sum(differences) / pair
        spread = math.sqrt(sum((d - mean) ** 2 for d in differences) / max(1, pair - 1) / pair) if pair > 1 else 0.1
        wins = sum(d * contrast.direction > 0 for d in differences)
        e = e_value ** (wins / pairs) if wins == pair else 1.0
        add(
            EvidenceUpdated(
                Evidence(
                    contrast.id,
                    pair,
                    wins,
                    e,
                    mean,
                    mean - 2.6 * spread,
                    mean + 2.6 * spread,
                    e >= 20,
                    tuple(differences),
                )
            )
        )
    return number


def entropy(p):
    return 0.0 if p <= 0 or p >= 1 else -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def story(**options) -> State:
    return fold(records(**options))


def rows(state: State):
    """Completed trials with the first objective."""
    metric = state.objective.metric
    return [(t, t.observation.metrics[metric]) for t in state.completed if metric in t.observation.metrics]


class FromData:
    """A mind that answers with plain statistics of the state; stands in for the engine in tests."""

    def judge(self, state, sentence):
        theory = next((t for t in state.theories.values() if sentence in t.claims), None)
        prior = state.priors.get(theory.id, 0.5) if theory else 0.5
        belief = state.beliefs.get(theory.id, prior) if theory else prior
        odds = [min(max(p, 1e-3), 1 - 1e-3) for p in (prior, belief)]
        ratio = odds[1] / (1 - odds[1]) / (odds[0] / (1 - odds[0]))
        middle = low = high = None
        if found := re.match(r"raising (\w+) from (\S+) to (\S+)", sentence):
            cut = (float(found[2]) + float(found[3])) / 2
            sides = [[v for t, v in rows(state) if (t.proposal.point[found[1]] > cut) is up] for up in (True, False)]
            if min(map(len, sides)) >= 2:
                middle = mean(sides[0]) - mean(sides[1])
                half = 1.645 * math.hypot(error(sides[0]), error(sides[1]))
                low, high = middle - half, middle + half
        verdicts = [
            (v.bayes_factor, u.trial) for u in state.updates for v in u.verdicts if theory and v.theory == theory.id
        ]
        return Judgement(
            sentence, prior, belief, ratio, f"change of {state.objective.metric}" if middle is not None else "", middle, low, high, 0.002,
            tuple(t for b, t in sorted(verdicts, reverse=True)[:3] if b > 1), tuple(t for b, t in sorted(verdicts)[:3] if b < 1),
            f"a pair of trials that differ only in {sentence.split()[1]}", entropy(belief) / 4,
        )  # fmt: skip

    def effects(self, state, metric):
        effects = []
        data = rows(state)
        for p in state.space.active:
            if not p.numeric or len(data) < 6:
                continue
            ordered = sorted(data, key=lambda row: row[0].proposal.point[p.name])
            size = max(2, len(ordered) // 5)
            groups = [ordered[i : i + size] for i in range(0, len(ordered) - size + 1, size)]
            settings = {g[len(g) // 2][0].proposal.point[p.name]: [v for _, v in g] for g in groups}
            middle = [mean(g) for g in settings.values()]
            half = [1.645 * error(g) for g in settings.values()]
            share = (max(middle) - min(middle)) ** 2 / (1e-9 + (max(v for _, v in data) - min(v for _, v in data)) ** 2)
            effects.append(
                MainEffect(
                    p.name, metric, tuple(settings), tuple(middle), tuple(m - h for m, h in zip(middle, half, strict=True)),
                    tuple(m + h for m, h in zip(middle, half, strict=True)), share, 0.6 * share, min(1.0, 1.5 * share),
                )
            )  # fmt: skip
        return tuple(sorted(effects, key=lambda e: -e.importance))

    def incumbent(self, state):
        data = [(t, v) for t, v in rows(state) if all(a.contrast != "C1" for a in t.proposal.arms)]
        if not data:
            return None
        first = min(
            (t for t, v in data if not t.proposal.arms),
            key=lambda t: state.objective.sign * dict((a.proposal.trial, b) for a, b in data)[t.proposal.trial],
        )
        point, default = first.proposal.point, state.space.defaults()
        runs = [v for t, v in data if same_point(state.space.complete(t.proposal.point), state.space.complete(point))]
        base = [v for t, v in data if same_point(state.space.complete(t.proposal.point), default)] or [
            v for _, v in data
        ]
        arms = {(a.pair, a.treatment): v for t, v in data for a in t.proposal.arms}
        numbers = sorted({p for p, _ in arms if (p, True) in arms and (p, False) in arms})
        certified = any(e.certified for e in state.evidence.values() if not state.contrasts[e.contrast].theory)
        noise = 0.0045
        half = 1.645 * noise / math.sqrt(len(runs))
        return Incumbent(
            first.proposal.trial, point, state.objective.metric, mean(runs), mean(runs) - half, mean(runs) + half, mean(base),
            tuple(arms[n, True] for n in numbers), tuple(arms[n, False] for n in numbers), 0.99 if certified else 0.6, certified, noise,
        )  # fmt: skip

    def placed(self, state, weights=None):
        """Single runs taken at their word: on the front or not."""
        costs = {
            t.proposal.trial: [o.sign * t.observation.metrics[o.metric] for o in state.objectives]
            for t in state.completed
        }
        found = []
        for t in state.completed:
            mine = costs[t.proposal.trial]
            beaten = any(all(a <= b for a, b in zip(c, mine, strict=True)) and c != mine for c in costs.values())
            values = [(o.metric, t.observation.metrics[o.metric]) for o in state.objectives]
            estimates = tuple(Estimate(name, value, value, value) for name, value in values)
            none = tuple(Estimate(name, 0.0, 0.0, 0.0) for name, _ in values)
            found.append(Placed(t.proposal.trial, t.proposal.point, 1, 0.0 if beaten else 1.0, None, estimates, none))
        return tuple(found)

    def calibration(self, state):
        scored = [
            abs((t.observation.metrics[p.metric] - p.mean) / p.sd)
            for t in state.completed
            for p in t.proposal.predictions
            if p.metric == state.objective.metric
        ]
        count = max(1, len(scored))
        expected = sum(t.proposal.expected_bits for t in state.trials.values())
        return Calibration(
            len(scored), sum(z < 0.6745 for z in scored) / count, sum(z < 1.645 for z in scored) / count, expected, sum(u.bits for u in state.updates if state.trials[u.trial].proposal.expected_bits > 0)
        )  # fmt: skip

    def options(self, state):
        open_theories = [t for t, b in state.beliefs.items() if 0.05 < b < 0.95]
        return tuple(
            Option(
                "learn",
                {**state.space.defaults(), "dropout": 0.2},
                f"tells {t} from its rivals",
                entropy(state.beliefs[t]) / 4,
                0.0,
                4.0,
            )
            for t in open_theories
            if "dropout" in state.space
        )


def mean(values):
    return sum(values) / len(values)


def error(values):
    m = mean(values)
    return math.sqrt(sum((v - m) ** 2 for v in values) / max(1, len(values) - 1) / len(values))


def completed(state: State, number: int) -> Completed:
    trial = state.trials[number]
    assert isinstance(trial, Completed)
    return trial
