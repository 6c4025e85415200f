"""What every executor must do, whatever it runs jobs on; subclass it and give the two fixtures."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest

from knowhy.model.job import Job
from knowhy.model.observation import Failure, Observation, Outcome
from knowhy.ports import Executor

MakeJob = Callable[[int, str], Job]
BEHAVIOURS = ("good", "nan", "inf", "absent", "raises")


def gather(executor: Executor, number: int, seconds: float = 30.0) -> dict[int, Outcome]:
    """The outcomes of ``number`` jobs."""
    outcomes: dict[int, Outcome] = {}
    deadline = time.monotonic() + seconds
    while len(outcomes) < number and time.monotonic() < deadline:
        for trial, outcome in executor.wait(1.0):
            assert trial not in outcomes, "an outcome was reported twice"
            outcomes[trial] = outcome
    assert len(outcomes) == number
    return outcomes


class ExecutorConformance:
    """Subclasses define the fixtures ``executor`` (two workers or more) and ``make_job``.

    ``make_job(trial, behaviour)`` gives a job that requires the metric "loss" and for "good" reports a loss of
    ``trial / 2``, for "nan" and "inf" such a loss, for "absent" only "other", and for "raises" raises
    ``ValueError("boom")``.
    """

    @pytest.fixture
    def executor(self) -> Executor:
        raise NotImplementedError

    @pytest.fixture
    def make_job(self) -> MakeJob:
        raise NotImplementedError

    def test_a_good_job_is_an_observation(self, executor: Executor, make_job: MakeJob) -> None:
        executor.submit(make_job(7, "good"))
        outcome = gather(executor, 1)[7]
        assert isinstance(outcome, Observation)
        assert outcome.metrics["loss"] == 3.5
        assert 0 <= outcome.duration < 30

    @pytest.mark.parametrize(
        ("behaviour", "kind"), [("nan", "nan"), ("inf", "inf"), ("absent", "no_metric"), ("raises", "exit")]
    )
    def test_failures_are_of_distinct_kinds(
        self, executor: Executor, make_job: MakeJob, behaviour: str, kind: str
    ) -> None:
        executor.submit(make_job(1, behaviour))
        outcome = gather(executor, 1)[1]
        assert isinstance(outcome, Failure)
        assert outcome.kind == kind
        assert all(math.isfinite(value) for value in outcome.metrics.values())
        if behaviour == "raises":
            assert outcome.message == "ValueError: boom"
        if behaviour == "absent":
            assert "loss" in outcome.message
            assert "other" in outcome.message

    def test_every_job_is_reported_once_and_with_its_own_numbers(self, executor: Executor, make_job: MakeJob) -> None:
        for trial in range(1, 7):
            executor.submit(make_job(trial, "good" if trial % 3 else "raises"))
        outcomes = gather(executor, 6)
        assert {t for t, o in outcomes.items() if isinstance(o, Failure)} == {3, 6}
        assert {t: o.metrics["loss"] for t, o in outcomes.items() if t % 3} == {t: t / 2 for t in (1, 2, 4, 5)}
        assert executor.wait(0.0) == []

    def test_a_failure_does_not_disturb_later_jobs(self, executor: Executor, make_job: MakeJob) -> None:
        executor.submit(make_job(1, "raises"))
        assert isinstance(gather(executor, 1)[1], Failure)
        executor.submit(make_job(2, "good"))
        assert isinstance(gather(executor, 1)[2], Observation)

    def test_wait_returns_in_time_with_nothing_to_report(self, executor: Executor) -> None:
        started = time.monotonic()
        assert executor.wait(0.05) == []
        assert executor.wait(0.0) == []
        assert time.monotonic() - started < 2.0

    def test_progress_never_changes_what_is_reported(self, executor: Executor, make_job: MakeJob) -> None:
        assert executor.progress(1) is None
        executor.submit(make_job(1, "good"))
        outcomes: dict[int, Outcome] = {}
        deadline = time.monotonic() + 30
        while not outcomes and time.monotonic() < deadline:
            seen = executor.progress(1)
            assert seen is None or (seen.seconds >= 0 and all(c.steps for c in seen.curves.values()))
            outcomes.update(executor.wait(0.01))
        assert isinstance(outcomes[1], Observation)
        assert outcomes[1].metrics["loss"] == 0.5
        assert executor.progress(1) is None

    def test_a_cancelled_trial_is_not_reported_and_can_run_again(self, executor: Executor, make_job: MakeJob) -> None:
        executor.submit(make_job(1, "good"))
        executor.cancel(1)
        executor.cancel(99)
        executor.submit(make_job(2, "good"))
        assert set(gather(executor, 1)) == {2}
        assert executor.wait(0.1) == []
        executor.submit(make_job(1, "good"))
        assert set(gather(executor, 1)) == {1}

    def test_close_may_be_repeated_and_reports_nothing_more(self, executor: Executor, make_job: MakeJob) -> None:
        executor.submit(make_job(1, "good"))
        executor.close()
        executor.close()
        assert executor.wait(0.0) == []
