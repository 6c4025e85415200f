"""Command: ``python -m benchmarks.theorists --quick | --full | --idle | --idle-quick --out DIR``."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.studies import run_missing
from benchmarks.theorists import idle
from benchmarks.theorists.minds import KINDS
from benchmarks.theorists.runs import Task, perform
from benchmarks.worlds.catalogue import WORLDS

QUICK = ("overfitting", "lr_over_batch", "moving_optimum")
FULL = (*QUICK, "underfitting", "lr_and_depth", "memory_boundary", "diminishing_returns", "two_optimizers")
MOST = 1.10


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.theorists", description=__doc__)
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--quick", action="store_true", help="three worlds, two seeds, 30 trials: some minutes")
    form.add_argument("--full", action="store_true", help="eight worlds, six seeds, 40 trials: an hour or more")
    form.add_argument("--idle", action="store_true", help="two workers, 5 s trials, a theorist of 60 s a thought")
    form.add_argument("--idle-quick", action="store_true", help="the same twelve times as fast, with fewer trials")
    parser.add_argument("--out", type=Path, required=True, help="folder for results; runs found there are kept")
    parser.add_argument("--worlds", nargs="+", choices=sorted(WORLDS), help="only these")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seeds", type=int, help="how many seeds, from 0")
    parser.add_argument("--trials", type=int, help="trials of each study")
    parser.add_argument("--jobs", type=int, default=1, help="studies at a time")
    return parser.parse_args()


def table(results: Sequence[dict[str, Any]]) -> tuple[str, dict[str, float]]:
    """Means by kind in Markdown, and for each kind its trials over those of "none" (geometric mean over studies)."""
    base = {(r["world"], r["seed"]): r for r in results if r["kind"] == "none"}
    lines = [
        "| theorist | studies | trials to a good configuration | over none | trials to believe the truth | over none | "
        "regret at the end | log score, bits | attention | experiments: asked, run, worth it | false certified |",
        "| --- " * 11 + "|",
    ]
    ratios: dict[str, float] = {}
    for kind in dict.fromkeys(r["kind"] for r in results):
        rows = [r for r in results if r["kind"] == kind and (r["world"], r["seed"]) in base]
        if not rows:
            continue
        found = _ratio(rows, base, "found")
        believed = _ratio(rows, base, "believed")
        ratios[f"{kind} found"], ratios[f"{kind} believed"] = found, believed
        scores = [r["score"] for r in rows if r["score"] is not None]
        regrets = sorted(r["regret"] for r in rows if r["regret"] is not None)
        shown = f"{sum(scores) / len(scores):+.2f}" if scores else "–"
        lines.append(
            f"| {kind} | {len(rows)} | {_mean(rows, 'found'):.1f} | {found:.2f} | {_mean(rows, 'believed'):.1f} | "
            f"{believed:.2f} | {regrets[len(regrets) // 2]:.3f} | {shown} | {_mean(rows, 'attention'):.2f} | "
            f"{sum(r['wished'] for r in rows)}, {sum(r['run'] for r in rows)}, {sum(r['worth'] for r in rows)} | "
            f"{sum(r['certified_false'] for r in rows)} |"
        )
    return "\n".join(lines) + "\n", ratios


def _mean(rows: Sequence[dict[str, Any]], key: str) -> float:
    return sum(float(r[key]) for r in rows) / len(rows)


def _ratio(rows: Sequence[dict[str, Any]], base: dict[tuple[str, int], dict[str, Any]], key: str) -> float:
    logs = [math.log(r[key] / base[r["world"], r["seed"]][key]) for r in rows]
    return math.exp(sum(logs) / len(logs))


def main() -> int:
    args = parse_arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.idle or args.idle_quick:
        found = idle.perform(args.trials or (30 if args.idle else 24), quick=args.idle_quick)
        (args.out / f"idle-{'quick' if args.idle_quick else 'full'}.json").write_text(json.dumps(found, indent=1))
        print(json.dumps(found, indent=1))
        return 0
    worlds = args.worlds or (QUICK if args.quick else FULL)
    trials = args.trials or (30 if args.quick else 40)
    seeds = args.seeds or (2 if args.quick else 6)
    tasks = [Task(w, k, seed, trials) for seed in range(seeds) for w in worlds for k in args.kinds]
    results, broken = run_missing(tasks, perform, args.out / "runs", args.jobs)
    text, ratios = table(results)
    (args.out / "table.md").write_text(text)
    (args.out / "summary.json").write_text(json.dumps({"ratios": ratios, "studies": results}, indent=1))
    print(text)
    kept = ratios.get("misleading found", 1.0) <= MOST and ratios.get("misleading believed", 1.0) <= MOST
    saved = ratios.get("good found", 0.0) < 1.0 and ratios.get("good believed", 0.0) <= 1.0
    print(f"the good one saves trials: {saved}; the misleading one costs at most 10% more: {kept}")
    return 1 if broken or not (kept and saved) else 0


if __name__ == "__main__":
    raise SystemExit(main())
