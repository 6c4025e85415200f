"""Tools that take time: they return within 50 s, and are called again until they say that all is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import anyio
import anyio.to_thread
from pydantic import Field

from knowhy import background, compose
from knowhy.errors import KnowhyError, UsageError
from knowhy.faces.mcp import results, shapes
from knowhy.faces.mcp.advice import advise
from knowhy.faces.mcp.project import Project
from knowhy.faces.mcp.reading import StudyName
from knowhy.model.observation import Observation
from knowhy.model.state import State
from knowhy.model.trial import Completed, Failed
from knowhy.settings import goals
from knowhy.settings.quantities import seconds as duration
from knowhy.study import Study

LONGEST = 50.0
"""Seconds; many clients give a call up after a minute."""
_PAUSE = 0.25
_SETTLE = 3.0  # seconds until a trial counts as over although beliefs were not updated for it

Seconds = Annotated[float, Field(ge=0, description="At most 50; longer counts as 50.")]


@dataclass
class _Baseline:
    """A run of a script as it is, in a thread."""

    started: float
    ended: float | None = None
    run: compose.TrialRun | None = None
    error: KnowhyError | None = None


@dataclass(frozen=True)
class _Look:
    """A study at a moment: what is waited for (kind and number), a problem, and whether somebody runs it.

    ``everything``: no request or trial was named.
    """

    study: Study
    state: State
    targets: frozenset[tuple[str, int]]
    problem: str
    running: bool
    everything: bool

    def to_come(self, targets: Set[tuple[str, int]]) -> set[tuple[str, int]]:
        """Those of ``targets`` that have not ended."""

        def over(kind: str, number: int) -> bool:
            if kind == "run":
                return not self.running
            return _over(self.state, number) if kind == "request" else _ended(self.state, number)

        return {(kind, number) for kind, number in targets if not over(kind, number)}


@dataclass
class Waiting:
    """Waits for trials, and for scripts that run once as they are."""

    project: Project
    _baselines: dict[tuple[Path, tuple[str, ...]], _Baseline] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        """End runs of scripts that are still going on."""
        self._closing.set()

    async def wait(
        self,
        study: StudyName = None,
        requests: Annotated[list[int], Field(description="Numbers of requests; left out: all that is to come.")] = [],  # noqa: B006
        trials: Annotated[list[int], Field(description="Numbers of trials.")] = [],  # noqa: B006
        seconds: Seconds = 45.0,
        first: Annotated[bool, Field(description="Return when the first of them has ended, not all.")] = False,
    ) -> results.Waited:
        """Wait until trials have ended and are in the beliefs, at most 50 s; call again while done is false.

        In mode "knowhy", without numbers: until the run has ended. Starts the study's runner where trials wait and
        nobody runs them (after a crash, or a stop).
        """
        began = time.monotonic()
        end = began + min(seconds, LONGEST)

        def look(again: bool) -> _Look:
            with self.project.lock:
                return self._look(study, requests, trials, again=again)

        start = now = await anyio.to_thread.run_sync(look, True)
        left = start.to_come(start.targets)
        while left and not now.problem and time.monotonic() < end:
            await anyio.sleep(min(_PAUSE, max(0.01, end - time.monotonic())))
            now = await anyio.to_thread.run_sync(look, False)
            still = now.to_come(left)
            ended = len(still) < len(left) or len(now.state.order) > len(start.state.order)
            left = set() if first and ended and now.state.order else still

        def tell() -> results.Waited:
            with self.project.lock:
                return self._waited(start, now, not left, time.monotonic() - began)

        return await anyio.to_thread.run_sync(tell)

    def _look(self, study: str | None, requests: list[int], trials: list[int], *, again: bool) -> _Look:
        chosen = self.project.study(study)
        state = chosen.state
        for number in requests:
            if number not in state.requests and number not in state.answers and number not in state.declined:
                known = sorted({*state.requests, *state.answers, *state.declined})[-8:]
                raise UsageError(
                    f"there is no request {number}", f"the latest are {known}" if known else "submit trials first"
                )
        for number in trials:
            if number not in state.trials:
                raise UsageError(
                    f"there is no trial {number}",
                    f"the trials go up to {max(state.trials)}; a request that is queued has no trial yet: wait for it"
                    if state.trials
                    else "no trial has been decided yet",
                )
        if state.requests or state.pending or not state.trials:
            problem = self.project.run(chosen, again=again)
        else:
            problem = "" if background.running(chosen) else self.project.problem(chosen)
        targets = {("request", n) for n in requests} | {("trial", n) for n in trials}
        if not targets:
            targets = {("request", n) for n in state.requests} | {("trial", t.proposal.trial) for t in state.pending}
            if not state.trials:
                targets.add(("trial", 1))  # the default, which a runner that is starting decides
            if background.running(chosen) and not self.project.launch(chosen).only_asked:
                targets = {("run", 0)}
        everything = not requests and not trials
        return _Look(chosen, state, frozenset(targets), problem, bool(background.running(chosen)), everything)

    def _waited(self, start: _Look, now: _Look, done: bool, waited: float) -> results.Waited:
        study, state, before = now.study, now.state, start.state.beliefs
        asked = {n for kind, n in start.targets if kind == "request"}
        about = {n for kind, n in start.targets if kind == "trial"}
        about |= {t for n in asked for t in state.answers.get(n, ())}
        if start.everything:
            about |= set(state.order[len(start.state.order) :])
        rows = [shapes.trial(v, state.trials[v.number].proposal.request) for v in study.trials if v.number in about]
        moved = sorted(
            (
                (abs(belief - before[name]), name, before[name], belief)
                for name, belief in state.beliefs.items()
                if name in before and abs(belief - before[name]) >= 0.02
            ),
            reverse=True,
        )
        return results.Waited(
            done=done,
            seconds=round(waited, 2),
            requests=[shapes.request(state, n) for n in sorted(asked)],
            trials=rows,
            belief_changes=[f"{name}: {old:.2f} to {new:.2f}" for _, name, old, new in moved[:12]],
            problem=now.problem,
            next_step=advise(self.project, study) if done or now.problem else "Not done: call wait again.",
        )

    async def inspect_script(
        self,
        script: Annotated[str, Field(description="A Python file in the project folder.")],
        arguments: Annotated[list[str], Field(description="Given to the script.")] = [],  # noqa: B006
        run: Annotated[bool, Field(description="Run it once as it is, to see which metrics it reports.")] = True,
        seconds: Seconds = 45.0,
        timeout: Annotated[str, Field(description="For that run, such as 10m.")] = "",
    ) -> results.Inspection:
        """What can be varied in a script (parameters, ranges, roles), and which metrics it prints when run once.

        The run goes on beyond the call: call again with the same arguments while status is "running".
        """
        end = time.monotonic() + min(seconds, LONGEST)
        path = self.project.script(script)
        limit = _limit(timeout)
        found = await anyio.to_thread.run_sync(compose.discovered, path, tuple(arguments))
        key = (path, tuple(arguments))
        if run:
            last = self._baselines.get(key)
            if last is None or (last.ended is not None and last.ended < path.stat().st_mtime):
                self._baselines[key] = self._run(path, tuple(arguments), limit)
            while self._baselines[key].ended is None and time.monotonic() < end:
                await anyio.sleep(0.1)
        made = _inspection(self.project.shown(path), self._baselines.get(key))
        made.parameters = [shapes.parameter(p) for p in found.parameters]
        made.notes = list(found.notes)
        return made

    def _run(self, path: Path, arguments: tuple[str, ...], timeout: float | None) -> _Baseline:
        baseline = _Baseline(time.monotonic())

        def work() -> None:
            try:
                baseline.run = compose.run_once(
                    path,
                    timeout=timeout,
                    memory=None,
                    arguments=arguments,
                    proceed=lambda: not self._closing.is_set(),
                )
            except KnowhyError as error:
                baseline.error = error
            baseline.ended = time.time()

        threading.Thread(target=work, name="baseline", daemon=True).start()
        return baseline


def _limit(text: str) -> float | None:
    try:
        return duration(text) if text else None
    except ValueError as error:
        raise UsageError(f"timeout: {error}", "write a duration such as 90s or 10m") from None


def _ended(state: State, number: int) -> bool:
    """Whether a trial has ended and is in the beliefs, as far as it will be."""
    trial = state.trials.get(number)
    if trial is None:
        return number < state.next_trial
    if not isinstance(trial, (Completed, Failed)):
        return False
    place = state.order.index(number)
    updated = {u.trial for u in state.updates}
    return any(n in updated for n in state.order[place:]) or time.time() - trial.ended > _SETTLE


def _over(state: State, request: int) -> bool:
    """Whether every trial of a request has ended, or it was withdrawn."""
    if request in state.requests:
        return False
    return all(_ended(state, n) for n in state.answers.get(request, ()))


def _inspection(script: str, baseline: _Baseline | None) -> results.Inspection:
    """What the run of a script as it is showed."""
    made = results.Inspection(script, "not run", None, [], [], "", [], "", None, "call again with run=true")
    if baseline is None:
        return made
    if baseline.ended is None:
        made.status, made.seconds = "running", round(time.monotonic() - baseline.started, 1)
        made.next_step = "The script is still running: call inspect_script again with the same arguments."
        return made
    made.status, made.next_step = "failed", "Make the script run to its end as it is, then inspect it again."
    if baseline.run is None:
        made.failure = f"{baseline.error.message} {baseline.error.hint}" if baseline.error else "it was stopped"
        return made
    outcome = baseline.run.outcome
    made.seconds = round(outcome.duration, 2)
    if not isinstance(outcome, Observation):
        made.failure = outcome.kind
        made.log = shapes.untrusted(f"{outcome.message}\n{outcome.log_tail}")
        return made
    numbers = {**outcome.metrics, "duration": outcome.duration}
    made.status = "completed"
    made.metrics = [results.MetricInfo(name, v, baseline.run.lines.get(name, "")[:120]) for name, v in numbers.items()]
    guess = goals.guess_objective(numbers)
    made.objective = f"{guess.direction} {guess.metric}" if guess else ""
    made.next_step = "start_study with this script and the metric that is the goal."
    return made
