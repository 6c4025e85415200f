"""Patches: what each is, whether it helps, and which cannot be on together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from knowhy.engine.screening import breaks
from knowhy.engine.switches import SwitchEffect, Where
from knowhy.model.patch import Patch
from knowhy.model.space import Scalar
from knowhy.model.state import State
from knowhy.model.trial import Completed, Contrast, Failed
from knowhy.views.mind import Mind

Verdict = Literal["helps", "hurts", "makes no difference", "breaks the run", "not known"]


class Asked(Mind, Protocol):
    """What the views of patches ask of the engine."""

    def switches(self, state: State, names: tuple[str, ...], where: Where) -> Mapping[str, SwitchEffect]:
        """What turning each of ``names`` on does to the first objective."""
        ...


@dataclass(frozen=True, slots=True)
class PatchView:
    """One patch. ``status`` is "waiting" (for the first run), "open" or "dropped".

    ``effect`` is what turning it on does near the best configuration, ``average`` over settings of the others,
    ``alone`` at the default: None before there are data. ``verdict`` is "helps" or "hurts" from a belief of 95% on,
    near the best, else on average, else alone, "breaks the run" where what works without it fails; ``certified`` is
    "helps" or "hurts" where fresh pairs certify it, else "". ``failed`` of ``trials`` trials with it ended with a
    failure; ``excludes`` are the patches that it cannot be on with. ``kept``: the best configuration has it on.
    """

    name: str
    because: str
    by: str
    form: str
    files: tuple[str, ...]
    status: Literal["waiting", "open", "dropped"]
    excludes: tuple[str, ...]
    trials: int
    failed: int
    effect: SwitchEffect | None
    average: SwitchEffect | None
    alone: SwitchEffect | None
    verdict: Verdict
    certified: Literal["helps", "hurts", ""]
    kept: bool
    sha256: str


def patch_views(state: State, mind: Asked, shelf: Mapping[str, Patch]) -> tuple[PatchView, ...]:
    """Every patch of the study, or of the ``shelf`` before it begins."""
    if not state.patches:
        return tuple(
            PatchView(
                p.name,
                p.because,
                p.by,
                p.form,
                p.files,
                "waiting",
                (),
                0,
                0,
                None,
                None,
                None,
                "not known",
                "",
                False,
                p.sha256,
            )
            for p in shelf.values()
        )
    near = mind.switches(state, tuple(state.patches), "best")
    average = mind.switches(state, tuple(state.patches), "average")
    alone = mind.switches(state, tuple(state.patches), "default")
    best = mind.incumbent(state)
    return tuple(
        _view(state, patch, near.get(name), average.get(name), alone.get(name), bool(best and best.point.get(name)))
        for name, patch in state.patches.items()
    )


def _view(
    state: State,
    patch: Patch,
    near: SwitchEffect | None,
    average: SwitchEffect | None,
    alone: SwitchEffect | None,
    kept: bool,
) -> PatchView:
    with_it = [
        t
        for t in state.trials.values()
        if isinstance(t, (Completed, Failed)) and t.proposal.point.get(patch.name) is True
    ]
    broken = breaks(state, patch.name)
    if broken:
        near = average = alone = None  # no number was ever seen with it
    excludes = tuple(
        name
        for e in state.space.exclusions
        if patch.name in e.parameters
        for name in e.parameters
        if name != patch.name
    )
    return PatchView(
        patch.name,
        patch.because,
        patch.by,
        patch.form,
        patch.files,
        "open" if state.space[patch.name].active else "dropped",
        excludes,
        len(with_it),
        sum(isinstance(t, Failed) for t in with_it),
        near,
        average,
        alone,
        "breaks the run" if broken else _verdict(near, average, alone),
        certified(state, patch.name),
        kept,
        patch.sha256,
    )


def _verdict(near: SwitchEffect | None, average: SwitchEffect | None, alone: SwitchEffect | None) -> Verdict:
    for effect in (near, average, alone):
        if effect is not None and max(effect.helps, effect.hurts) >= 0.95:
            return "helps" if effect.helps > effect.hurts else "hurts"
    if near is not None and alone is not None and min(near.nothing, alone.nothing) >= 0.95:
        return "makes no difference"
    return "not known"


def certified(state: State, name: str) -> Literal["helps", "hurts", ""]:
    """What fresh pairs certify of the switch ``name`` for the first objective; the larger e-value counts."""
    found: list[tuple[float, Literal["helps", "hurts"]]] = []
    for contrast in state.contrasts.values():
        evidence = state.evidence.get(contrast.id)
        if evidence is None or not evidence.certified or contrast.metric != state.objective.metric:
            continue
        ends = _only(contrast, name)
        if ends is not None:
            better = contrast.direction * state.objective.sign < 0  # the treatment is claimed to be the better one
            found.append((evidence.e_value, "helps" if better is (ends[1] is True) else "hurts"))
    return max(found)[1] if found else ""


def _only(contrast: Contrast, name: str) -> tuple[Scalar, Scalar] | None:
    """The two values of ``name`` where a contrast differs in nothing else."""
    names = contrast.control.keys() | contrast.treatment.keys()
    differing = [n for n in names if contrast.control.get(n) != contrast.treatment.get(n)]
    return (contrast.control.get(name), contrast.treatment.get(name)) if differing == [name] else None
