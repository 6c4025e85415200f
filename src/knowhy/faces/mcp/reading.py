"""Tools that read a study and change nothing in it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from knowhy import background, compose, views
from knowhy.cases import contributions
from knowhy.errors import UsageError
from knowhy.faces.mcp import insights, results, shapes
from knowhy.faces.mcp.advice import advise
from knowhy.faces.mcp.project import Project
from knowhy.model.observation import Failure, Observation
from knowhy.model.space import Scalar
from knowhy.model.state import State
from knowhy.model.trial import Completed, Failed, Stopped
from knowhy.study import Study
from knowhy.views import words

StudyName = Annotated[str | None, Field(description="The study; left out: the one worked on last.")]
Sentence = Annotated[
    str, Field(description='A claim, such as "raising lr from 0.01 to 0.1 lowers val_loss".', max_length=2000)
]
Settings = dict[str, Scalar]
REPORT_CHARACTERS = 30_000


class Reading:
    """Questions about a study of ``project``."""

    def __init__(self, project: Project) -> None:
        """Answer from the journals of ``project``."""
        self.project = project

    def overview(self, study: StudyName = None) -> results.Overview:
        """Where a study stands: goal, parameters with ranges, metrics, trials, best so far, and what to do next.

        Call this first in a session. Without any study it says how to start one.
        """
        chosen = self.project.study(study)
        return summary(self.project, chosen)

    def theories(
        self,
        study: StudyName = None,
        status: Annotated[
            Literal["all", "open", "settled", "mine"],
            Field(
                description='"open": not settled yet; "settled": certified, supported or refuted; "mine": by agents.'
            ),
        ] = "all",
        limit: Annotated[int, Field(ge=1, le=200)] = 25,
    ) -> insights.Theories:
        """Theories with belief, prior and status, rivals named. Settled ones first, then those that lean, then open."""
        chosen = self.project.study(study)
        order = {name: place for place, name in enumerate(views.STATUSES)}
        settled = {"certified", "supported", "refuted"}
        found = [
            v
            for v in chosen.theories
            if status == "all"
            or (status == "mine" and v.by == "agent")
            or (status == "settled" and v.status in settled)
            or (status == "open" and v.status not in settled)
        ]
        found.sort(key=lambda v: (v.by != "agent", order[v.status]))
        rows = [shapes.theory(v) for v in found[:limit]]
        return insights.Theories(
            rows,
            len(found) - len(rows),
            "explain(theory) tells the evidence; suppose(claim) adds a rival; test_theory(theory) certifies by pairs.",
        )

    def explain(
        self,
        theory: Annotated[str, Field(description="The id of a theory, such as T3 or A1.")],
        study: StudyName = None,
    ) -> insights.Explanation:
        """Everything about one theory: mechanism, effect with interval, evidence trial by trial, certificates."""
        return shapes.explanation(self.project.study(study).explain(theory))

    def believe(self, claim: Sentence, study: StudyName = None) -> insights.Judged:
        """Judge any claim by the data so far, without adding it: belief, effect, and what would settle it.

        See suppose for the forms of claim. A sentence that cannot be read is answered with the nearest that can.
        """
        return shapes.judged(self.project.study(study).believe(claim))

    def predict(
        self,
        settings: Annotated[
            list[Settings],
            Field(
                description="One object a trial: parameters that differ from the default.", min_length=1, max_length=8
            ),
        ],
        study: StudyName = None,
    ) -> insights.Foresight:
        """What trials would show (90% interval), how likely they are to complete, and the bits they would teach.

        Predict before you submit: an experiment that every theory predicts alike teaches nothing.
        """
        chosen = self.project.study(study)
        points = [contributions.point(chosen.state, one) for one in settings]
        found = views.foreseen(chosen.state, chosen.mind, points)
        return insights.Foresight([shapes.foreseen(view) for view in found])

    def suggest_experiments(
        self, study: StudyName = None, limit: Annotated[int, Field(ge=1, le=10)] = 5
    ) -> insights.Suggestions:
        """What knowhy would run next: settings, the reason, expected bits and improvement; the best first.

        Give a suggestion's settings to submit_trials (several arms: with one_seed), or submit_trials(suggested=n).
        """
        chosen = self.project.study(study)
        found = shapes.suggestions(views.options(chosen.state, chosen.mind), limit)
        questions = views.questions(chosen.state, chosen.mind)[:limit] if chosen.state.completed else ()
        return insights.Suggestions(
            found,
            [f"{q.question} ({', '.join(q.theories)}): {q.bits:.2f} bits from {q.experiment}" for q in questions],
            "submit_trials with the settings of one of these, or with settings of your own.",
        )

    def trial(
        self, number: Annotated[int, Field(ge=1, description="The trial's number.")], study: StudyName = None
    ) -> results.TrialDetail:
        """One trial: configuration, metrics, curves, what it said about theories, the end of its log (untrusted)."""
        chosen = self.project.study(study)
        state = chosen.state
        view = next((v for v in chosen.trials if v.number == number), None)
        if view is None:
            raise UsageError(
                f"there is no trial {number}", f"they go from 1 to {max(state.trials)}" if state.trials else "none yet"
            )
        log = compose.trial_log(chosen.path, number)
        outcome = _outcome(state, number)
        update = next((u for u in state.updates if u.trial == number), None)
        said = sorted(update.verdicts if update else (), key=lambda v: abs(v.bayes_factor - 1), reverse=True)
        return results.TrialDetail(
            trial=shapes.trial(view, state.trials[number].proposal.request),
            configuration=dict(view.point),
            seed=view.seed,
            reason=view.reason,
            metrics=dict(outcome.metrics) if outcome else {},
            curves=[shapes.curve(name, c) for name, c in (outcome.curves if outcome else {}).items() if c.steps],
            theories=[f"{v.theory}: Bayes factor {words.factor(v.bayes_factor)}" for v in said[:10]],
            failure_message=shapes.untrusted(outcome.message) if isinstance(outcome, Failure) else None,
            log=shapes.untrusted(_log(log) or (outcome.log_tail if isinstance(outcome, Failure) else "")),
            folder=self.project.shown(log.parent),
        )

    def trials(self, study: StudyName = None, limit: Annotated[int, Field(ge=1, le=200)] = 20) -> results.Trials:
        """The trials in short, the latest first: settings, values, what was expected, bits, failures."""
        chosen = self.project.study(study)
        found = chosen.trials[::-1]
        state = chosen.state
        rows = [shapes.trial(v, state.trials[v.number].proposal.request) for v in found[:limit]]
        return results.Trials(rows, len(found) - len(rows))

    def best(
        self,
        study: StudyName = None,
        write: Annotated[
            str,
            Field(description="A new file in the project for the script with the best configuration in it (or .json)."),
        ] = "",
    ) -> results.Best:
        """The best configuration against the default, judged by the model and by fresh runs; can write it to a file."""
        chosen = self.project.study(study)
        view = chosen.best
        if view is None:
            raise UsageError("no trial has completed yet, so nothing is best", advise(self.project, chosen))
        found = shapes.best(view)
        if write:
            target = self.project.inside(write)
            if target.exists():
                raise UsageError(f"{write} exists", "name a new file: nothing is written over")
            text = (
                json.dumps(dict(chosen.best_point), indent=2) + "\n"
                if target.suffix == ".json"
                else chosen.script_with_best()
            )
            _write(target, text)
            found.written_to = self.project.shown(target)
        return found

    def report(
        self,
        study: StudyName = None,
        form: Annotated[
            Literal["html", "md"], Field(description="html: one page with figures; md: Markdown.")
        ] = "html",
        include_text: Annotated[bool, Field(description="Return the Markdown as well.")] = False,
    ) -> results.Report:
        """Write the report into the study's folder: the answer, every theory with its evidence, how to reproduce it."""
        chosen = self.project.study(study)
        path = chosen.report(form=form)
        text = chosen.report(form="md").read_text(encoding="utf-8") if include_text else ""
        return results.Report(self.project.shown(path), text[:REPORT_CHARACTERS], len(text) > REPORT_CHARACTERS)


def summary(project: Project, study: Study) -> results.Overview:
    """A study in short; asks the engine only for the best configuration."""
    state, launch = study.state, None
    problem = project.problem(study)
    try:
        launch = project.launch(study)
    except UsageError as error:
        problem = problem or f"{error.message}. {error.hint}"
    who = background.running(study)
    counts = Counter(view.status for view in study.theories)
    found = study.best
    return results.Overview(
        study=study.name,
        script=project.shown(Path(str(state.subject.get("path", "")))),
        objectives=[f"{o.direction} {o.metric}" for o in state.objectives],
        constraints=[f"{c.metric} {c.op} {c.bound:g}" for c in state.constraints],
        mode="agent" if launch and launch.only_asked else "knowhy",
        state="idle" if not who else "running" if who == "background" else "run elsewhere",
        last_stop=state.ended,
        problem=problem,
        completed=len(state.completed),
        failed=len(state.failed),
        stopped=len(state.stopped),
        running=shapes.running(state),
        waiting=len(state.pending) - shapes.running(state),
        queued=len(state.requests),
        trials_used=state.planned + arms_queued(state),
        trials_allowed=launch.trials if launch else (state.run.trials if state.run else 0),
        seconds_spent=views.spent(state),
        best=shapes.best(found) if found else None,
        theories={name: counts[name] for name in views.STATUSES if counts[name]},
        parameters=[shapes.parameter(p) for p in state.space],
        metrics=sorted({m for t in state.completed[-20:] for m in t.observation.metrics}),
        calibration=list(views.calibration(state, study.mind).sentences) if state.completed else [],
        other_studies=[n for n in project.names() if n != study.name],
        next_step=advise(project, study),
    )


def arms_queued(state: State) -> int:
    """Trials that the requests in the queue will take (a pair is two)."""
    sizes = {"points": 0, "test": 2, "choice": 1}
    return sum(len(r.points) or sizes[r.kind] for r in state.requests.values())


def _outcome(state: State, number: int) -> Observation | Failure | None:
    trial = state.trials[number]
    if isinstance(trial, Completed):
        return trial.observation
    if isinstance(trial, Stopped):
        return trial.stop.outcome()
    return trial.failure if isinstance(trial, Failed) else None


def _log(path: Path) -> str:
    """The end of what a trial printed, also while it runs."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 4 * shapes.LOG_CHARACTERS))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _write(target: Path, text: str) -> None:
    try:
        with open(target, "x", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}", "name another file") from None
