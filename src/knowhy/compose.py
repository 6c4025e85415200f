"""Which adapters a study is made of. They are imported when they are needed: reading a study stays quick."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from knowhy.engine.mind import Mind
from knowhy.errors import SpaceError
from knowhy.model.space import Parameter, Scalar, Space
from knowhy.settings import Strategy

if TYPE_CHECKING:
    from knowhy.ports import Executor, Policy, Subject, Theorist
    from knowhy.subjects.script import ScriptSubject

Train = Callable[..., object]


def subject(
    train: Train | str | Path,
    space: Space | Iterable[Parameter] | None,
    timeout: float | None,
    memory: int | None,
    arguments: Sequence[str],
) -> tuple[Subject, Mapping[str, Scalar], Space]:
    """What is experimented on, its description, and the space; raises SubjectError, SpaceError."""
    whole = space if isinstance(space, Space) or space is None else Space(tuple(space))
    if isinstance(train, (str, Path)):
        chosen = script(str(train), whole, timeout=timeout, memory=memory, arguments=arguments)
        return chosen, chosen.describe(), filled(chosen.space)
    from knowhy.subjects.function import FunctionSubject

    if whole is None:
        raise SpaceError("the space of a function cannot be found out", "give space=[knowhy.real(...), ...]")
    function = FunctionSubject(train, timeout=timeout, memory=memory)
    return function, function.describe(), filled(whole)


def script(
    path: str,
    space: Space | None = None,
    *,
    timeout: float | None = None,
    memory: int | None = None,
    arguments: Sequence[str] = (),
) -> ScriptSubject:
    """The script at ``path``; its parameters and seeds are discovered. Raises SubjectError."""
    from knowhy.subjects.discovery import discover
    from knowhy.subjects.script import ScriptSubject

    found = discover(path, arguments)
    return ScriptSubject(
        path,
        Space(found.parameters) if space is None else space,
        found.seeds,
        arguments=arguments,
        timeout=timeout,
        memory=memory,
    )


def executor(workers: int) -> Executor:
    """Where trials run."""
    from knowhy.execution.local import LocalExecutor

    return LocalExecutor(workers)


def policy(strategy: Strategy, mind: Mind, seed: int) -> Policy:
    """Who decides."""
    if strategy == "theory":
        from knowhy.engine.policy import TheoryPolicy

        return TheoryPolicy(mind.beliefs)
    from knowhy.samplers.classic import ClassicSampler
    from knowhy.samplers.policy import SamplerPolicy

    return SamplerPolicy(strategy, ClassicSampler(strategy, seed))


def theorists() -> list[Theorist]:
    """Who proposes theories."""
    from knowhy.theorists.builtin import Builtin

    return [Builtin()]


def filled(space: Space) -> Space:
    """``space`` if it has something to vary; raises SpaceError."""
    if not space.active:
        raise SpaceError("the space is empty: there is no active parameter", "declare one, or set active = true")
    return space
