"""What benchmarks share: many independent studies, run where they are missing, each result in a file of its own."""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from knowhy.model.decision import Budget, Decision
from knowhy.model.space import Point
from knowhy.model.state import State
from knowhy.ports import Policy

Result = dict[str, object]  # plain data: what JSON can hold


class Named(Protocol):
    """A study to run; can be sent to another process."""

    @property
    def name(self) -> str:
        """A file name for its result."""
        ...


T = TypeVar("T", bound=Named)


def own_luck(point: Point) -> int:
    """A number for ``point``: with it beside the seed of a run, configurations on one seed have noise of their own."""
    return zlib.crc32(repr(sorted(point.items())).encode())


class Clock:
    """Counts seconds from 0, so that no journal differs from another by its times."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 1.0
        return self._now


class Watched:
    """A policy that decides as ``policy`` does and is timed.

    ``reflects`` says whether beliefs are computed after every trial; None leaves that to the policy.
    """

    def __init__(self, policy: Policy, *, reflects: bool | None = None) -> None:
        self.name = policy.name
        self.seconds: list[float] = []
        self._policy, self._reflects = policy, reflects

    def decide(self, state: State, budget: Budget) -> Decision:
        """The decision of the policy."""
        started = time.perf_counter()
        try:
            return self._policy.decide(state, budget)
        finally:
            self.seconds.append(time.perf_counter() - started)

    def reflects(self, state: State) -> bool:
        """Whether beliefs are to be updated now."""
        return self._policy.reflects(state) if self._reflects is None else self._reflects


class Guarded(Generic[T]):
    """``perform``, whose exception is a result like any other: one broken study must not cost the others."""

    def __init__(self, perform: Callable[[T], Result]) -> None:
        self._perform = perform

    def __call__(self, task: T) -> Result | Exception:
        try:
            return self._perform(task)
        except Exception as error:
            return error


def command(
    module: str, description: str | None, *, quick: str, full: str, several: bool = True
) -> argparse.ArgumentParser:
    """The options that the benchmarks have in common; those for ``several`` studies as well."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--quick", action="store_true", help=quick)
    form.add_argument("--full", action="store_true", help=full)
    parser.add_argument("--out", type=Path, required=True, help="folder for results; runs found there are kept")
    if several:
        parser.add_argument("--seeds", type=int, help="how many seeds, from 0")
        parser.add_argument("--jobs", type=int, default=1, help="studies at a time")
    return parser


def written(folder: Path, table: str, summary: object, broken: int) -> int:
    """Keep ``table`` and ``summary`` in ``folder`` and show the table; the exit code of a command that ends so."""
    (folder / "table.md").write_text(table)
    (folder / "summary.json").write_text(json.dumps(summary, indent=1))
    print(table)
    return 1 if broken else 0


def run_missing(
    tasks: Sequence[T], perform: Callable[[T], Result], folder: Path, jobs: int
) -> tuple[list[Result], int]:
    """Results of ``tasks`` and how many of them broke.

    Those found in ``folder`` are read; the others are run, ``jobs`` at a time, and written there whole or not at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    todo = [t for t in tasks if not (folder / f"{t.name}.json").exists()]
    print(f"{len(tasks)} studies, {len(tasks) - len(todo)} there already", file=sys.stderr)
    started, broken = time.perf_counter(), set()
    for done, (task, result) in enumerate(_each(todo, Guarded(perform), jobs), 1):
        if isinstance(result, Exception):
            broken.add(task.name)
            print(f"{done}/{len(todo)} {task.name} broke: {type(result).__name__}: {result}", file=sys.stderr)
            continue
        part = folder / f"{task.name}.part"
        part.write_text(json.dumps(result, allow_nan=False))
        part.replace(folder / f"{task.name}.json")
        passed = time.perf_counter() - started
        took = f" {float(seconds):.0f} s" if isinstance(seconds := result.get("seconds"), float) else ""
        print(f"{done}/{len(todo)} {task.name}{took} (all: {passed:.0f} s)", file=sys.stderr)
    found = [json.loads((folder / f"{t.name}.json").read_text()) for t in tasks if t.name not in broken]
    return found, len(broken)


def _each(
    tasks: Sequence[T], perform: Callable[[T], Result | Exception], jobs: int
) -> Iterator[tuple[T, Result | Exception]]:
    """Each task with its result, as they end."""
    if jobs == 1:
        for task in tasks:
            yield task, perform(task)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(perform, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()
