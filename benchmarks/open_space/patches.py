"""Planted patches: does a study sort them, and what does keep-or-discard by single runs make of them?

``python -m benchmarks.open_space.patches [--set NAME] [--seeds N] [--jobs N] [--folder DIR]``; four trials a patch for
both. The sets are "digits" (20 ms a run) and "gpt" (the small GPT example, about a second; needs PyTorch).
What the patches truly do is in ``truth.json`` (see ``truth``), in standard deviations of one run.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.open_space.planted_set import PlantedSet
from benchmarks.open_space.sets import SETS, planted_set
from benchmarks.studies import Clock, Result, run_missing
from knowhy.engine.mind import Mind
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import Event, PatchAdded, StudyCreated
from knowhy.model.objective import Objective
from knowhy.model.patch import Patch
from knowhy.model.state import State
from knowhy.theorists.builtin import Builtin
from knowhy.theorists.patches import Patches
from knowhy.views import patch_views, theories

PER_PATCH = 4
SURE = 0.95
LARGE = 2.0  # standard deviations of one run
NOTHING = 0.25
SEEDS = {"digits": 6, "gpt": 2}
FRESH = {"digits": 24, "gpt": 6}


@dataclass(frozen=True)
class Task:
    """One study or one greedy search."""

    planted: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """A file name."""
        return f"{self.planted}-{self.method}-{self.seed}"


def perform(task: Task) -> Result:
    """Run a task; what it came to believe of each patch, and the patches that it keeps."""
    started = time.perf_counter()
    planted = planted_set(task.planted)
    found = _study(planted, task.seed) if task.method == "knowhy" else _greedy(planted, task.seed)
    return {
        "set": task.planted,
        "method": task.method,
        "seed": task.seed,
        "seconds": time.perf_counter() - started,
        **found,
    }


def _study(planted: PlantedSet, seed: int) -> dict[str, object]:
    mind, journal = Mind(), MemoryJournal(clock=Clock())
    begun: list[Event] = [StudyCreated("planted", (Objective(planted.metric),), planted.space, seed, {}, "benchmark")]
    begun += [PatchAdded(Patch(p.name, p.because, "", ("train.py",))) for p in planted.patches]
    journal.append(begun)
    state = run(
        journal, InlineSubject(), InlineExecutor(planted.trial), mind.policy, [Patches(), Builtin()], mind.beliefs,
        limits=Limits(PER_PATCH * len(planted.patches)), folder="",
    )  # fmt: skip
    believed = dict.fromkeys(planted.names, "")
    certified: dict[str, str] = {}
    together: list[str] = []
    for view in theories(state):
        if view.status not in ("certified", "supported"):
            continue
        words = view.title.split()
        if view.title.endswith("help together"):
            together.append("+".join(sorted((words[0], words[2]))))
    views = patch_views(state, mind, {})
    alone: dict[str, str] = {}
    for patch in views:
        if patch.certified:
            certified[patch.name] = patch.certified
        if patch.average is not None and max(patch.average.helps, patch.average.hurts) >= SURE:
            believed[patch.name] = "helps" if patch.average.helps > patch.average.hurts else "hurts"
        if patch.alone is not None and max(patch.alone.helps, patch.alone.hurts) >= SURE:
            alone[patch.name] = "helps" if patch.alone.helps > patch.alone.hurts else "hurts"
    best = mind.incumbent(state)
    return {
        "trials": len(state.trials),
        "believed": believed,
        "alone": alone,
        "effects": {v.name: [v.alone.middle, v.alone.helps, v.alone.hurts] for v in views if v.alone is not None},
        "near_best": {v.name: v.verdict for v in views},
        "certified": certified,
        "together": together,
        "kept": [n for n in planted.names if best is not None and best.point[n] is True],
        "better_certified": bool(best and best.certified),
        "purposes": _purposes(state),
    }


def _purposes(state: State) -> dict[str, int]:
    kinds = [t.proposal.reason.split(":")[0].split(" ")[0] for t in state.trials.values()]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def _greedy(planted: PlantedSet, seed: int) -> dict[str, object]:
    """Keep a patch where one run with it beats the last run kept; try what was discarded again while trials last."""
    rng = np.random.default_rng(seed)
    whole = planted.space
    budget = PER_PATCH * len(planted.patches)
    on: list[str] = []
    best, trials = planted.trial({}, int(rng.integers(2**31 - 1)))[planted.metric], 1
    said: dict[str, str] = dict.fromkeys(planted.names, "discarded")
    while trials < budget:
        tried = 0
        for name in rng.permutation(list(planted.names)):
            wanted = {**dict.fromkeys(on, True), str(name): True}
            if name in on or trials >= budget or any(e.broken(wanted) for e in whole.exclusions):
                continue
            value = planted.trial(wanted, int(rng.integers(2**31 - 1)))[planted.metric]
            trials, tried = trials + 1, tried + 1
            if value < best:
                best = value
                on.append(str(name))
                said[str(name)] = "kept"
        if not tried:
            break
    return {"trials": trials, "kept": on, "said": said}


def classes(planted: PlantedSet, known: Mapping[str, Any]) -> dict[str, str]:
    """What each patch truly is: "helps" or "hurts" where its effect on its own is beyond twice the noise of a run.

    "small" where it is less, "nothing" where it is within a quarter of the noise both alone and on average, "pair" for
    those that count together only.
    """
    out = {}
    pairs = {name for pair in planted.together for name in pair}
    for name in planted.names:
        alone, average = known["effects"][name]["alone"][0], known["effects"][name]["average"][0]
        if name in pairs:
            out[name] = "pair"
        elif abs(alone) > LARGE:
            out[name] = "helps" if alone < 0 else "hurts"
        else:
            out[name] = "nothing" if max(abs(alone), abs(average)) <= NOTHING else "small"
    return out


def score(
    planted: PlantedSet, result: Mapping[str, Any], kinds: Mapping[str, str], known: Mapping[str, Any]
) -> dict[str, int]:
    """Counts of what was found and of mistakes, of one run."""
    large = [n for n, kind in kinds.items() if kind in ("helps", "hurts")]
    if result["method"] == "knowhy":
        believed, certified, alone = result["believed"], result["certified"], result["alone"]
        wrong = [n for n, v in believed.items() if v in ("helps", "hurts") and _sign(known, n, v) < 0]
        wrong += [n for n, v in alone.items() if kinds[n] in ("helps", "hurts") and v != kinds[n]]
        false = [n for n, v in certified.items() if kinds[n] == "nothing" or _sign(known, n, v) < 0]
        sure = [n for n in kinds if kinds[n] == "nothing" and {believed[n], alone.get(n)} & {"helps", "hurts"}]
        return {
            "large": len(large),
            "found": sum(kinds[n] in (believed[n], alone.get(n), certified.get(n)) for n in large),
            "certified": sum(certified.get(n) == kinds[n] for n in large),
            "wrong sign": len(wrong),
            "noise believed": len(sure),
            "noise or wrong certified": len(false),
            "pairs": len(planted.together),
            "pairs kept": sum(set(pair) <= set(result["kept"]) for pair in planted.together),
            "pairs named": sum("+".join(sorted(pair)) in result["together"] for pair in planted.together),
        }
    kept = set(result["kept"])
    return {
        "large": len(large),
        "found": sum((n in kept) == (kinds[n] == "helps") for n in large),
        "mistakes on large": sum((n in kept) != (kinds[n] == "helps") for n in large),
        "noise kept": sum(n in kept for n in kinds if kinds[n] == "nothing"),
        "pairs": len(planted.together),
        "pairs kept": sum(set(pair) <= kept for pair in planted.together),
    }


def _sign(known: Mapping[str, Any], name: str, verdict: str) -> float:
    """Positive where ``verdict`` has the sign of the true effect on average (0 where that is nothing)."""
    average = known["effects"][name]["average"][0]
    return 0.0 if abs(average) <= NOTHING else (-average if verdict == "helps" else average)


def quality(planted: PlantedSet, result: Mapping[str, Any], seeds: int) -> float:
    """The true metric of what is kept, on fresh seeds."""
    point = dict.fromkeys(result["kept"], True)
    return float(np.mean([planted.trial(point, 5_000_000 + s)[planted.metric] for s in range(seeds)]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=SETS, default="digits")
    parser.add_argument("--seeds", type=int, help="how many (6; GPT 2)")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("patches-results"))
    chosen = parser.parse_args(arguments)
    planted = planted_set(chosen.set)
    known = json.loads(planted.truth.read_text())
    seeds = range(chosen.first, chosen.first + (chosen.seeds or SEEDS[chosen.set]))
    tasks = [Task(chosen.set, method, seed) for method in ("knowhy", "keep-or-discard") for seed in seeds]
    results, broken = run_missing(tasks, perform, chosen.folder, chosen.jobs)
    kinds = classes(planted, known)
    print("what they are:", ", ".join(f"{n} {k}" for n, k in kinds.items()))
    for method in ("knowhy", "keep-or-discard"):
        mine = [r for r in results if r["method"] == method]
        scores = [score(planted, r, kinds, known) for r in mine]
        print(f"\n{method}: {len(mine)} runs of {PER_PATCH * len(planted.patches)} trials")
        for key in scores[0] if scores else ():
            print(f"  {key:26} {sum(s[key] for s in scores)}")
        values = [quality(planted, r, FRESH[chosen.set]) for r in mine]
        print(f"  true {planted.metric} of what is kept  {np.mean(values):.4f} (default {known['default']:.4f})")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
