"""Running a study's trials: what a run, a certification and a comparison have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from knowhy import compose
from knowhy.cases.proposing import attending
from knowhy.cases.repository import Repo
from knowhy.engine.mind import Mind
from knowhy.errors import UsageError
from knowhy.loop import Limits, run
from knowhy.model.space import Scalar
from knowhy.model.state import State, fold
from knowhy.model.trust import Trust
from knowhy.ports import Executor, Journal, Policy, Subject
from knowhy.watching import Watch


@dataclass(frozen=True)
class Ran:
    """What is run: a function, a script's path or a repository; arguments of the script, and limits of one trial.

    ``asked`` are the theorists to ask beside the built-in one, ``trust`` says how far the code is to be trusted
    (None: as in the run before). With ``stop_early``, trials that are not worth their end are stopped (None: in studies
    with a fidelity).
    """

    train: compose.Train | str | Path | Repo
    arguments: tuple[str, ...] = ()
    timeout: float | None = None
    memory: int | None = None
    asked: compose.Asked | None = None
    trust: Trust | None = None
    stop_early: bool | None = None


def ran_before(
    described: Mapping[str, Scalar], timeout: float | None = None, memory: int | None = None, trust: Trust | None = None
) -> Ran:
    """The script that a study is about, by its description; raises UsageError for studies of other kinds."""
    if described.get("kind") == "script":
        said = str(described.get("arguments") or "")
        return Ran(str(described["path"]), tuple(said.split()), timeout, memory, trust=trust)
    if described.get("kind") == "function":
        raise UsageError(
            f"the study is of the function {described.get('name')}, which a journal cannot hold",
            "give the function as well, from Python: study.certify(theory, train)",
        )
    if described.get("kind") == "repo":
        raise UsageError(
            "the study is of a repository, which this command cannot run",
            'certify it from Python: study.certify(theory, knowhy.Repo("."))',
        )
    raise UsageError(
        "the trials of this study were told by hand, so none can be run here", "study a script or a function instead"
    )


def carry_out(
    journal: Journal,
    subject: Subject,
    executor: Executor,
    policy: Callable[[Mind], Policy],
    limits: Limits,
    folder: str,
    ran: Ran,
    path: str,
    *,
    watch: Callable[[State], None],
    judged: Callable[[State, Mind], None],
    stop: Callable[[], bool],
) -> Mind:
    """Run the loop with trials in processes of their own; returns the mind that thought. Raises what it raises.

    ``ran`` names the theorists to ask, about the code at ``path``, and says whether trials are stopped early.
    """
    # Whoever asks the study while it runs must not meet the thread that thinks in one cache.
    mind = Mind()
    with (
        threadpool_limits(1),  # the cores belong to the trials; matrices here are too small to gain from more than one
        attending(ran.asked, path, journal, mind.beliefs, lambda: fold(journal.read())) as proposers,
    ):
        made = policy(mind)
        run(
            journal,
            subject,
            executor,
            made,
            proposers,
            mind.beliefs,
            limits=limits,
            folder=folder,
            watch=watch,
            judged=lambda state: judged(state, mind),
            stop=stop,
            stopping=_watch(ran, made, mind),
        )
    return mind


def _watch(ran: Ran, policy: Policy, mind: Mind) -> Watch | None:
    """What stops trials early; None where nothing is to."""
    if ran.stop_early is None:
        return Watch(mind.beliefs, unasked=True) if policy.name == "theory" else None
    return Watch(mind.beliefs) if ran.stop_early else None
