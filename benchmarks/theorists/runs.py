"""One study of a planted world with one kind of theorist beside the built-in one."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.studies import Clock, Result
from benchmarks.theorists.minds import mind as mind_of
from benchmarks.theorists.server import serving
from benchmarks.worlds.catalogue import WORLDS
from knowhy.engine.mind import Mind
from knowhy.engine.policy import TheoryPolicy
from knowhy.engine.standing import standings
from knowhy.execution.inline import InlineExecutor, InlineSubject
from knowhy.journal.memory import MemoryJournal
from knowhy.loop import Limits, run
from knowhy.model.events import StudyCreated
from knowhy.model.observation import Outcome
from knowhy.model.space import Point
from knowhy.model.state import State
from knowhy.model.thought import Allowance
from knowhy.ports import Theorist
from knowhy.theorists.builtin import Builtin
from knowhy.theorists.llm.names import parse_name
from knowhy.theorists.llm.theorist import LanguageModel

BELIEVED = 0.95
CLOSE = 0.3
_THOUGHT = 60.0


@dataclass(frozen=True)
class Task:
    """Which study to run."""

    world: str
    kind: str
    seed: int
    trials: int

    @property
    def name(self) -> str:
        """A file name for its result."""
        return f"{self.world}-{self.kind}-{self.trials}-{self.seed}"


def perform(task: Task) -> Result:
    """Run the study; trials wait for a thought that is under way, so that results do not hang on the machine's speed.

    ``found`` is the first number of trials after which the incumbent's regret is below ``CLOSE`` and stays there,
    ``believed`` the median over the world's true theories of the first at which its belief is above 0.95 (whether
    anybody has proposed it or not); each is one more than the trials where it never comes.
    """
    world = WORLDS[task.world]
    mind = Mind()
    journal = MemoryJournal(Clock())
    subject = {"kind": "planted", "world": world.name}
    journal.append([StudyCreated(task.name, (world.objective,), world.space, task.seed, subject, "benchmark")])
    true = [t.claims for t in world.theories if t.true]
    regrets: list[float] = []
    beliefs: list[list[float]] = []
    model: list[LanguageModel] = []

    def trial(point: Point, seed: int) -> Outcome:
        deadline = time.monotonic() + _THOUGHT
        while model and model[0].thinking and time.monotonic() < deadline:
            time.sleep(0.005)
        return world.observe(point, seed)

    def judged(state: State) -> None:
        best = mind.beliefs.posterior(state).incumbent
        regrets.append(world.regret(best.proposal.point) if best is not None else float("inf"))
        beliefs.append([mind.beliefs.belief(state, claims) for claims in true])

    def study(theorists: list[Theorist]) -> State:
        return run(
            journal,
            InlineSubject(),
            InlineExecutor(trial),
            TheoryPolicy(mind.beliefs),
            theorists,
            mind.beliefs,
            limits=Limits(task.trials),
            folder="",
            judged=judged,
        )

    started = time.perf_counter()
    if task.kind == "none":
        state = study([Builtin()])
    else:
        with serving(mind_of(task.kind, world)) as server:
            model.append(LanguageModel(parse_name("openai:gpt-4o"), "", Allowance(), server.environment()))
            state = study([Builtin(), model[0]])
            model[0].close()
    never = task.trials + 1
    count = len(state.order)
    offset = count - len(regrets)  # beliefs are first judged after the first trial
    stays = next((i for i in range(len(regrets)) if all(r <= CLOSE for r in regrets[i:])), None)
    firsts = sorted(
        next((i + 1 + offset for i, row in enumerate(beliefs) if row[k] > BELIEVED), never) for k in range(len(true))
    )
    record = next((s for s in standings(state) if s.proposer == "openai:gpt-4o"), None)
    return {
        "world": task.world,
        "kind": task.kind,
        "seed": task.seed,
        "trials": count,
        "found": never if stays is None else stays + 1 + offset,
        "believed": firsts[len(firsts) // 2] if firsts else never,
        "regret": regrets[-1] if regrets and regrets[-1] < float("inf") else None,
        "calls": record.calls if record else 0,
        "theories": record.theories if record else 0,
        "score": record.score if record else None,
        "attention": record.attention if record else 1.0,
        "wished": record.wished if record else 0,
        "run": record.run if record else 0,
        "worth": record.worth if record else 0,
        "certified_false": sum(
            state.theories[name].claims in {t.claims for t in world.theories if not t.true} for name in state.certified
        ),
        "seconds": time.perf_counter() - started,
    }
