"""What passes between the executor and a keeper: the order of a job, and the outcome that an account amounts to."""

from __future__ import annotations

import os
from dataclasses import replace

import psutil

from knowhy.execution import keeper, storage
from knowhy.execution.collect import collect, read_lines
from knowhy.execution.sandbox import Plan
from knowhy.execution.text import redact_file
from knowhy.model.job import Job
from knowhy.model.observation import Failure, Observation, Outcome

_TEXT_BYTES = 8 << 20


def redact(job: Job) -> None:
    """Black out secrets in what a job that has ended printed and reported."""
    redact_file(job.log_path, _TEXT_BYTES)
    redact_file(job.result_path, _TEXT_BYTES)


def order(job: Job, plan: Plan, token: str, grace: float) -> keeper.Order:
    """What the keeper of ``job`` is asked to do."""
    return {
        "argv": list(plan.argv),
        "folder": os.path.abspath(job.folder),
        "log": os.path.abspath(job.log_path),
        "timeout": job.timeout,
        "memory": plan.memory,
        "grace": grace,
        "token": token,
        "packages": os.path.dirname(os.path.dirname(os.path.abspath(psutil.__file__))),
        "program": plan.program,
        "rules": plan.rules,
        "monitored": plan.monitored,
        "processes": plan.processes,
        "file_size": 2 * (plan.disk or 0),  # the watch over the disk is to see it first
        "disk": plan.disk,
        "watched": list(plan.watched),
    }


def outcome_of(job: Job, account: keeper.Account, plan: Plan, *, accompanied: bool) -> Outcome:
    """The outcome that an account and the job's files amount to; ``accompanied``: others ran beside it."""
    if account["reason"] == "setup":
        return Failure("setup", account["message"], account["duration"], can_pass=storage.short(job.folder))
    outcome = collect(
        replace(job, memory=plan.memory),
        account["exit"],
        account["duration"],
        timed_out=account["reason"] == "timeout",
        out_of_memory=account["reason"] == "memory" or account["kernel_oom"],
        peak_memory=account["peak"],
        beyond=account["message"] if account["reason"] in ("processes", "disk") else "",
    )
    unwritten = account["message"] if account["reason"] not in ("processes", "disk") else ""
    printed = set(job.required) - read_lines(job.result_path).metrics.keys() if unwritten else set()
    if printed and (isinstance(outcome, Observation) or outcome.kind == "no_metric"):
        # What it printed is not all there to be read: the disk is to blame, and the last number there is not the last.
        message = f"the log cannot be written: {unwritten}"
        return Failure(
            "setup", message, outcome.duration, metrics=outcome.metrics, curves=outcome.curves, can_pass=True
        )
    if (
        isinstance(outcome, Failure)
        and outcome.kind == "exit"
        and storage.blamed(outcome)
        and storage.short(job.folder)
    ):
        return replace(outcome, kind="setup", can_pass=True)
    if isinstance(outcome, Failure) and outcome.kind == "out_of_memory":
        # Above its own limit it would be with nobody beside it as well.
        return replace(outcome, can_pass=accompanied and account["reason"] != "memory")
    return outcome
