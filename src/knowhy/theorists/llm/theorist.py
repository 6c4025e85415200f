"""A language model as a theorist: it thinks in the background, and what it said comes out at the next call."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from knowhy.engine.mind import Mind
from knowhy.engine.standing import attention
from knowhy.model.state import State
from knowhy.model.thought import Allowance, Thought, Usage
from knowhy.theorists.llm.brief import MOST_THEORIES, brief, instructions
from knowhy.theorists.llm.examination import examine
from knowhy.theorists.llm.fence import clean, one_line
from knowhy.theorists.llm.laboratory import Laboratory
from knowhy.theorists.llm.moments import moment
from knowhy.theorists.llm.names import ModelName
from knowhy.theorists.llm.scope import Scope
from knowhy.theorists.llm.secrets import Redactor

if TYPE_CHECKING:
    from knowhy.theorists.llm.client import Handle

SECONDS = 600.0
_PATIENCE = 3.0
_UNFINISHED = "the study ended before the answer; what it cost is not known"


class LanguageModel:
    """Asks a language model at the moments that matter; never waits for it, and never raises.

    What goes wrong (no network, a refusal, nonsense, a budget that is spent) is a Thought that says so.
    """

    def __init__(
        self,
        model: ModelName,
        path: str,
        allowance: Allowance,
        environment: Mapping[str, str],
        *,
        seconds: float = SECONDS,
    ) -> None:
        """Ask ``model`` about the code at ``path`` with keys from ``environment``; a thought takes ``seconds`` at most.

        ``allowance`` is for all language models of a study together, over all its runs.
        """
        self.name = str(model)
        self._model, self._scope, self._allowance = model, Scope(path), allowance
        self._environment, self._seconds = dict(environment), seconds
        self._redact = Redactor(environment)
        self._mind = Mind()  # used by the thinking thread only
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._handle: Handle | None = None
        self._begun: Thought | None = None
        self._done: list[Thought] = []
        self._closed = False

    def propose(self, state: State) -> Sequence[Thought]:
        """Thoughts that have ended and are not in ``state`` yet; begins another where there is reason to.

        Returns at once. A thought comes out until a state holds it: what is made of one may be dropped.
        """
        with self._lock:
            self._done = [t for t in self._done if t not in state.thoughts]
            if self._done:
                return tuple(self._done)
            if self._closed or (self._thread is not None and self._thread.is_alive()):
                return ()
            why = moment(state, self.name)
            if why is None:
                return ()
            left = remaining(self._allowance, state)
            if _spent(left):
                mine = [t for t in state.thoughts if t.by == self.name]
                if mine and mine[-1].outcome == "no budget":
                    return ()
                return (Thought(self.name, why, len(state.order), "no budget", _words(self._allowance)),)
            self._begun = Thought(self.name, why, len(state.order), "cancelled", _UNFINISHED)
            self._thread = threading.Thread(
                target=self._think, args=(state, self._begun, left), name=f"theorist {self.name}", daemon=True
            )
            self._thread.start()
            return ()

    @property
    def thinking(self) -> bool:
        """Whether a thought is under way."""
        with self._lock:
            return self._begun is not None

    def close(self) -> Sequence[Thought]:
        """Stop thinking; returns what no state has held yet, and what the unfinished thought cost."""
        with self._lock:
            self._closed = True
            thread, handle = self._thread, self._handle
        if handle is not None:
            handle.cancel()
        if thread is not None:
            thread.join(_PATIENCE)
        with self._lock:
            if self._begun is not None:  # it does not even notice that it is cancelled
                self._done.append(self._begun)
            self._begun = None
            return tuple(self._done)

    def _think(self, state: State, begun: Thought, left: Allowance) -> None:
        started = time.monotonic()
        thought = replace(begun, outcome="failed", message="")
        try:
            thought = self._ask(state, thought, left)
        except ImportError as error:
            thought = replace(thought, message=f"the extra llm is not installed whole ({one_line(str(error))})")
        except Exception as error:  # whatever happens in here, the study goes on without it
            told = self._redact(one_line(f"{type(error).__name__}: {error}", 300))
            thought = replace(thought, message=told)
        if not thought.usage.seconds:
            thought = replace(thought, usage=replace(thought.usage, seconds=time.monotonic() - started))
        with self._lock:
            self._handle = None
            if self._begun is begun:
                self._begun = None
                self._done.append(thought)

    def _ask(self, state: State, thought: Thought, left: Allowance) -> Thought:
        from knowhy.theorists.llm import client  # takes seconds to import, and only a study with a model needs it

        handle = client.Handle()
        with self._lock:
            self._handle = handle
            if self._closed:
                handle.cancel()
        told = brief(state, self._mind, self._scope, thought.moment, self._redact)
        rules = instructions()
        room = max(1, round(MOST_THEORIES * min(1.0, attention(state, self.name))))
        reply = client.consult(
            client.Request(self._model, rules, told, left, self._seconds),
            Laboratory(state, self._mind, self._scope, self._redact),
            lambda answer: examine(answer, state, self.name, self._redact, room=room),
            self._environment,
            handle,
        )
        return replace(
            thought,
            outcome=reply.outcome,
            message=self._redact(clean(reply.message, 600)),
            model=self._redact(one_line(reply.model, 100)),
            prompt=hashlib.sha256(f"{rules}\n{told}".encode()).hexdigest(),
            usage=reply.usage,
            critique=reply.found.critique,
            theories=reply.found.theories,
            requests=reply.found.requests,
            wishes=reply.found.wishes,
            opinions=reply.found.opinions,
            rejected=reply.found.rejected,
        )


class Closing(Protocol):
    """A theorist that has something to end."""

    def close(self) -> Sequence[Thought]:
        """End it; what had not come out yet."""
        ...


def total(state: State) -> Usage:
    """What all thoughts of a study took together; ``cost`` is None where no price was known."""
    costs = [t.usage.cost for t in state.thoughts if t.usage.cost is not None]
    return Usage(
        sum(t.usage.requests for t in state.thoughts),
        sum(t.usage.tool_calls for t in state.thoughts),
        sum(t.usage.input_tokens for t in state.thoughts),
        sum(t.usage.output_tokens for t in state.thoughts),
        sum(costs) if costs else None,
        sum(t.usage.seconds for t in state.thoughts),
    )


def remaining(allowance: Allowance, state: State) -> Allowance:
    """What is left of ``allowance`` after the thoughts of ``state``."""
    used = total(state)
    return Allowance(
        None if allowance.dollars is None else allowance.dollars - (used.cost or 0.0),
        None if allowance.tokens is None else allowance.tokens - used.input_tokens - used.output_tokens,
        None if allowance.requests is None else allowance.requests - used.requests,
    )


def _spent(left: Allowance) -> bool:
    return any(part is not None and part <= 0 for part in (left.dollars, left.tokens, left.requests))


def _words(allowance: Allowance) -> str:
    parts = [] if allowance.dollars is None else [f"${allowance.dollars:.2f}"]
    parts += [] if allowance.tokens is None else [f"{allowance.tokens} tokens"]
    parts += [] if allowance.requests is None else [f"{allowance.requests} requests"]
    return f"the budget for language models is spent ({', '.join(parts)} in all); the study goes on without"
