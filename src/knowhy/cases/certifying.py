"""Spending trials on one theory of a study that exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from knowhy import compose, views
from knowhy.cases import conduct
from knowhy.engine.mind import Mind
from knowhy.loop import Limits
from knowhy.model.space import Parameter, Space
from knowhy.model.state import State
from knowhy.ports import Policy


class Runs(Protocol):
    """A study that can run a policy; ``ran`` is what it has run itself, None before."""

    mind: Mind
    ran: conduct.Ran | None

    @property
    def state(self) -> State:
        """All that its journal holds."""
        ...

    def certification(self, theory: str, *, trials: int = 40) -> views.CertificationView:
        """Where ``theory`` stands, and what certifying it would take."""
        ...

    def carry_out(
        self,
        ran: conduct.Ran,
        space: Space | Iterable[Parameter] | None,
        policy: Callable[[Mind], Policy],
        limits: Limits,
        watch: Callable[[State], None] = lambda state: None,
        judged: Callable[[State, views.Mind], None] = lambda state, mind: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run ``policy`` on what ``ran`` names."""
        ...


def certify(
    study: Runs,
    theory: str,
    ran: conduct.Ran | None,
    *,
    trials: int,
    workers: int,
    watch: Callable[[State], None] = lambda state: None,
    judged: Callable[[State, views.Mind], None] = lambda state, mind: None,
    stop: Callable[[], bool] = lambda: False,
) -> views.CertificationView:
    """Run fresh pairs for ``theory`` until it is settled or its ``trials`` are spent; runs nothing where none can help.

    ``ran`` is what to run, None for what the study has run before. Raises UsageError, and what a run raises.
    """
    before = study.certification(theory, trials=trials)
    if before.standing != "open" or before.repeats or before.most < before.least:
        return before
    state, name = study.state, before.theory.id
    chosen = ran or study.ran or conduct.ran_before(state.subject)
    limits = Limits(len(state.trials) + before.most, None, workers)
    study.carry_out(
        chosen, state.space, lambda mind: compose.certifying(mind, name, trials), limits, watch, judged, stop
    )
    return views.certification(study.state, study.mind, name, trials, study.state.ended)
