"""The tools of a language model: it may look, and ask what the engine thinks. None of them changes anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from knowhy.engine import design
from knowhy.engine.claims import forms
from knowhy.engine.mind import Mind
from knowhy.errors import KnowhyError, SentenceError, SpaceError
from knowhy.model.space import Parameter, Scalar, describe
from knowhy.model.state import State
from knowhy.model.trial import Completed, Failed
from knowhy.theorists.llm.brief import trial_lines
from knowhy.theorists.llm.fence import fenced, one_line
from knowhy.theorists.llm.scope import Scope

_LINES, _POINTS, _LOG = 400, 24, 2_000


class Laboratory:
    """What a model can find out about one state; every answer is text, with what others wrote fenced and redacted."""

    def __init__(self, state: State, mind: Mind, scope: Scope, redact: Callable[[str], str]) -> None:
        """Look at ``state`` with ``mind`` (which nobody else uses at the same time)."""
        self.state, self.mind = state, mind
        self._scope, self._redact = scope, redact

    def read_file(self, path: str, first_line: int = 1, lines: int = _LINES) -> str:
        """Lines of a text file in scope."""
        text = self._scope.read(path)
        if text is None:
            return f"There is no such file in scope. Files: {', '.join(self._scope.files()[:60]) or 'none'}"
        every = text.splitlines()
        start = max(1, first_line)
        end = min(len(every), start + max(1, min(lines, _LINES)) - 1)
        shown = "\n".join(f"{n}: {every[n - 1]}" for n in range(start, end + 1))
        return self._redact(fenced(f"{path}, lines {start} to {end} of {len(every)}", shown, 40_000))

    def trials(self, order: str = "latest", most: int = 20) -> str:
        """Completed trials, one a line: the best, the latest, or those that surprised most."""
        if not self.state.completed:
            return "No trial has completed yet."
        return self._redact("\n".join(trial_lines(self.state, order, max(1, min(most, 60)))))

    def trial(self, number: int) -> str:
        """All that is known of one trial: settings, metrics, which curves there are, how it failed."""
        trial = self.state.trials.get(number)
        if trial is None:
            return f"There is no trial {number}; there are 1 to {len(self.state.trials)}."
        made = trial.proposal
        lines = [f"Trial {number}, {made.purpose}: {one_line(made.reason)}"]
        lines.append("Settings: " + ", ".join(f"{k} = {v}" for k, v in made.point.items()))
        if isinstance(trial, Completed):
            seen = trial.observation
            lines.append("Metrics: " + ", ".join(f"{one_line(k, 60)} = {v:.6g}" for k, v in seen.metrics.items()))
            lines.append("Curves: " + (", ".join(one_line(k, 60) for k in seen.curves) or "none"))
        elif isinstance(trial, Failed):
            why = trial.failure
            lines.append(f"Failed ({why.kind}) after {why.duration:.1f} s")
            lines.append(fenced(f"log of trial {number}", f"{why.message}\n{why.log_tail[-_LOG:]}"))
        else:
            lines.append("It has not ended.")
        return self._redact("\n".join(lines))

    def curve(self, number: int, metric: str) -> str:
        """A metric over the course of a trial, at up to 24 of its steps."""
        trial = self.state.trials.get(number)
        if not isinstance(trial, (Completed, Failed)):
            return f"Trial {number} has no curves (yet)."
        curves = (trial.observation if isinstance(trial, Completed) else trial.failure).curves
        if metric not in curves:
            return f"No such curve; there are: {', '.join(one_line(k, 60) for k in curves) or 'none'}"
        curve = curves[metric]
        size = min(len(curve.steps), len(curve.values))
        at = sorted({round(i * (size - 1) / max(1, _POINTS - 1)) for i in range(_POINTS)}) if size else []
        return "step value\n" + "\n".join(f"{curve.steps[i]:g} {curve.values[i]:.5g}" for i in at)

    def believe(self, sentence: str) -> str:
        """A claim, judged by the data so far."""
        try:
            found = self.mind.judge(self.state, sentence)
        except SentenceError as error:
            return unreadable(sentence, error)
        except KnowhyError as error:
            return f"This cannot be judged: {one_line(error.message, 300)}"
        lines = [f"{found.claim}: belief {found.belief:.2f}, prior {found.prior:.2f}"]
        if found.middle is not None:
            lines.append(f"{found.quantity}: {found.middle:.4g}, 90% {found.low:.4g} to {found.high:.4g}")
        if found.margin is not None:
            lines.append(f"Smaller than {found.margin:.2g} counts as no change.")
        if found.settle:
            lines.append(f"One trial that would tell most: {one_line(found.settle)} ({found.settle_bits:.2f} bits)")
        return "\n".join(lines)

    def bits(self, settings: Mapping[str, Scalar]) -> str:
        """What one trial with ``settings`` (the rest at the default) would teach about the open theories."""
        space = self.state.space
        try:
            point = space.check({name: fitted(space[name], value) for name, value in settings.items()})
        except SpaceError as error:
            return f"{one_line(error.message, 300)}; {one_line(error.hint, 300)}"
        posterior = self.mind.beliefs.posterior(self.state)
        row = posterior.encoder.snap(posterior.rows([point]))
        open_ = design.open_theories(self.mind.beliefs, posterior)
        lines = []
        if len(open_.theories):
            pending = [t.proposal.point for t in self.state.pending]
            lesson = design.lessons(posterior, open_, row, pending, self.state.seed)
            lines.append(f"Expected information: {float(lesson.bits[:, 0].sum()):.3f} bits")
            order = np.argsort(-lesson.bits[:, 0])[:4]
            lines += [f"- {open_.theories[i].id}: {lesson.bits[i, 0]:.3f}" for i in order if lesson.bits[i, 0] > 0.001]
        else:
            lines.append("No theory is open: nothing to learn by it.")
        for p in design.predictions(posterior, row[0]):
            low, middle, high = p.quantile_at(-1.645), p.quantile_at(0.0), p.quantile_at(1.645)
            lines.append(f"Expected {one_line(p.metric, 60)}: {middle:.4g}, 90% {low:.4g} to {high:.4g}")
        lines.append(f"Probability that it does not fail: {float(posterior.success(row)[0]):.2f}")
        return "\n".join(lines)

    def parameters(self) -> str:
        """Every parameter that was found, held ones too."""
        lines = []
        for p in self.state.space:
            origin = p.origin
            where = f" at {one_line(origin.file, 60)}:{origin.line} {one_line(origin.text, 60)}" if origin.file else ""
            stands = "varies" if p.active else "held"
            lines.append(f"- {p.name} ({stands}): {describe(p)}, default {p.default}, role {p.role}{where}")
        return self._redact("\n".join(lines))


def unreadable(sentence: str, error: SentenceError) -> str:
    """Why a sentence could not be read, the nearest one that can be, and the forms that there are."""
    lines = [f"{one_line(sentence)!r} cannot be read: {one_line(error.message, 300)}"]
    if error.nearest:
        lines.append(f"The nearest that can be: {error.nearest}")
    elif error.hint:
        lines.append(one_line(error.hint, 300))
    lines.append("Forms: " + " / ".join(pattern for pattern, _ in forms()))
    return "\n".join(lines)


def fitted(parameter: Parameter, value: Scalar) -> Scalar:
    """``value`` as the type that ``parameter`` takes, where JSON has blurred it (8.0 for 8, "relu" stays)."""
    if parameter.numeric and isinstance(value, float) and value.is_integer() and isinstance(parameter.default, int):
        return int(value)
    if parameter.numeric and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if isinstance(parameter.default, float) else value
    return value
