"""What passes between the executor and a keeper: the order of a job, and the outcome that an account amounts to."""

from __future__ import annotations

import os
from dataclasses import replace

import psutil

from knowhy.execution import keeper
from knowhy.execution.collect import collect
from knowhy.execution.sandbox import Plan
from knowhy.execution.text import redact_file
from knowhy.model.job import Job
from knowhy.model.observation import Failure, Outcome

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


def outcome_of(job: Job, account: keeper.Account, plan: Plan) -> Outcome:
    """The outcome that an account and the job's files amount to."""
    if account["reason"] == "setup":
        return Failure("setup", account["message"], account["duration"])
    outcome = collect(
        replace(job, memory=plan.memory),
        account["exit"],
        account["duration"],
        timed_out=account["reason"] == "timeout",
        out_of_memory=account["reason"] == "memory" or account["kernel_oom"],
        peak_memory=account["peak"],
        beyond=account["message"] if account["reason"] in ("processes", "disk") else "",
    )
    if account["message"] and isinstance(outcome, Failure) and outcome.kind == "no_metric":
        # What it printed is not there to be read: the disk is to blame, not the configuration.
        return replace(outcome, kind="setup", message=f"the log cannot be written: {account['message']}")
    return outcome
