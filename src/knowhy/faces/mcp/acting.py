"""Tools that change a study: start and stop it, add theories, ask for trials, open parameters."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import Field

from knowhy import background, compose
from knowhy.cases import contributions
from knowhy.errors import StudyError, UsageError
from knowhy.faces.mcp import insights, results, shapes
from knowhy.faces.mcp.beginning import Beginning
from knowhy.faces.mcp.project import Project
from knowhy.faces.mcp.reading import Sentence, Settings, StudyName, arms_queued, summary
from knowhy.model.events import RequestWithdrawn, TrialsRequested
from knowhy.model.state import State
from knowhy.settings.options import Settings as RunSettings
from knowhy.settings.options import load
from knowhy.study import Study

AGENT = "agent"
_FIXED = dict.fromkeys(("constraint", "edit", "command", "evaluate", "sandbox"))
Reason = Annotated[str, Field(description="Why, in a sentence; it is kept with the trials.", max_length=1000)]
MORE_TRIALS = "raise the budget with start_study(study=..., trials=...), if the person allows it"


class Acting:
    """Changes to the studies of ``project``; each is in the journal when the call returns."""

    def __init__(self, project: Project) -> None:
        """Act in ``project``."""
        self.project = project

    def start_study(
        self,
        script: Annotated[str, Field(description="The training script, from the project folder.")] = "",
        repo: Annotated[str, Field(description='In place of script: a git repository, such as ".".')] = "",
        metric: Annotated[str, Field(description='The objective, such as "val_loss".')] = "",
        direction: Literal["minimize", "maximize", ""] = "",
        study: Annotated[str, Field(description="A name for the study; left out: that of the script.")] = "",
        mode: Annotated[
            Literal["agent", "knowhy"] | None,
            Field(description='"agent": runs what you submit. "knowhy": chooses trials by itself; yours go first.'),
        ] = None,
        trials: Annotated[int | None, Field(ge=1, le=100_000, description="Trials in all (60).")] = None,
        budget: Annotated[str, Field(description="Wall time in all, such as 30m or 2h.")] = "",
        workers: Annotated[int | None, Field(ge=1, le=256, description="Trials side by side (2).")] = None,
        timeout: Annotated[str, Field(description="For one trial, such as 10m.")] = "",
        memory: Annotated[str, Field(description="For one trial, such as 4GB.")] = "",
        stop_early: Annotated[
            bool | None, Field(description="Stop trials that can neither win nor teach (mode knowhy).")
        ] = None,
        arguments: Annotated[list[str], Field(description="Given to the script in every trial.")] = [],  # noqa: B006
        constraints: Annotated[list[str], Field(description='Bounds to keep, such as "peak_memory < 8000".')] = [],  # noqa: B006
        parameters: Annotated[
            dict[str, dict[str, Any]],
            Field(description='Changes to what was found: {"LR": {"low": 0.001, "high": 1, "active": true}}.'),
        ] = {},  # noqa: B006
        edit: Annotated[list[str], Field(description='With repo: what patches may edit, such as "src/**/*.py".')] = [],  # noqa: B006
        command: Annotated[str, Field(description='With repo: what to run, such as "python train.py".')] = "",
        evaluate: Annotated[str, Field(description='Measures what a trial left: "python evaluate.py".')] = "",
        sandbox: Annotated[
            Literal["auto", "bubblewrap", "landlock", ""], Field(description="Run trials shut in; a repository's are.")
        ] = "",
    ) -> results.Overview:
        """Start a study, or go on with one (same name), in the background; returns at once. Then call wait.

        A new one needs script and metric (see inspect_script), unless the project has a knowhy.toml. For one that
        exists, only mode, trials, budget, workers, timeout, memory and stop_early can be changed, while nothing runs:
        its trials run and are measured as they were before. What knowhy.toml says under [trust] counts in any case.
        """
        options = {
            "script": script or None,
            "repo": repo or None,
            "edit": tuple(edit) or None,
            "command": command or None,
            "evaluate": evaluate or None,
            "sandbox": sandbox or None,
            "metric": (metric,) if metric else None,
            "direction": direction or None,
            "name": study or None,
            "trials": trials,
            "budget": budget or None,
            "workers": workers,
            "timeout": timeout or None,
            "memory": memory or None,
            "stop_early": stop_early,
            "constraint": tuple(constraints) or None,
        }
        beginning = Beginning(self.project)
        if script:
            self.project.script(script)
        if study in self.project.names() and not script and not repo:
            beginning.check_trust(self.project.study(study), options)
            chosen = self._go_on(self.project.study(study), load({**options, **_FIXED}, {}), mode)
        else:
            chosen = beginning.begin(options, mode, tuple(arguments), parameters)
        self.project.run(chosen, again=True)
        return summary(self.project, chosen)

    def _go_on(self, study: Study, settings: RunSettings, mode: str | None) -> Study:
        old = self.project.launch(study)
        given = {k: getattr(settings, k) for k in ("trials", "budget", "workers", "timeout", "memory", "stop_early")}
        new = dataclasses.replace(old, **{k: v for k, v in given.items() if k in settings.given})
        if mode is not None:
            new = dataclasses.replace(new, only_asked=mode == "agent")
        compose.check(new.strategy, new.stop_early)
        if new != old and background.running(study):
            raise StudyError(
                f"the study {study.name} is running, so how it is run cannot change",
                "wait until it is idle, or call stop_study first",
            )
        background.write_launch(study, new)
        return study

    def stop_study(
        self,
        study: StudyName = None,
        withdraw_queued: Annotated[bool, Field(description="Also give up requests that have not started.")] = False,
    ) -> results.Stopped:
        """Stop the run in the background. Nothing is lost: trials that were running run again at the next start."""
        chosen = self.project.study(study)
        gone: list[int] = []
        if withdraw_queued:

            def withdraw(state: State) -> list[RequestWithdrawn]:
                gone[:] = list(state.requests)
                return [RequestWithdrawn(n, "withdrawn by the agent") for n in gone]

            chosen.contribute(withdraw)
        was = background.stop(chosen)
        return results.Stopped(was, gone, "start_study(study=...) goes on; best and report tell what is known.")

    def suppose(
        self,
        claims: Annotated[list[Sentence], Field(min_length=1, max_length=6, description="All must hold together.")],
        because: Annotated[str, Field(description="The mechanism: why it should be so.", max_length=4000)],
        study: StudyName = None,
        title: Annotated[str, Field(max_length=200)] = "",
        question: Annotated[
            str, Field(description="What it answers; theories with the same question are rivals.", max_length=300)
        ] = "",
        refuted_by: Annotated[
            str, Field(description="What you would have to see to give it up.", max_length=1000)
        ] = "",
    ) -> insights.Supposed:
        """Add a theory. Its belief is computed from the data and cannot be set; experiments are then chosen to test it.

        Suppose rivals as well: theories that disagree about an experiment make it worth running. Say where a claim is
        to hold ("at the default", "near the best"): without that it is meant on average over typical settings.
        """
        chosen = self.project.study(study)
        known = set(chosen.state.theories)
        view = chosen.suppose(
            claims,
            because,
            title,
            question=question,
            refuted_by=refuted_by or f"it is not so that {claims[0]}",
            by=AGENT,
        )
        judgements = [chosen.believe(claim) for claim in view.claims]
        settle = max(judgements, key=lambda j: j.settle_bits)
        return insights.Supposed(
            shapes.theory(view),
            view.id not in known,
            [shapes.judged(j) for j in judgements],
            f"A trial at {settle.settle} would teach {settle.settle_bits:.2f} bits: predict, then submit_trials.",
        )

    def submit_trials(
        self,
        study: StudyName = None,
        settings: Annotated[
            list[Settings],
            Field(
                description="One object a trial: parameters that differ from the default ({} is the default).",
                max_length=64,
            ),
        ] = [],  # noqa: B006
        one_seed: Annotated[
            bool,
            Field(description="Run them as one contrast, on the same seed (at most 8), to see a difference clearly."),
        ] = False,
        suggested: Annotated[
            int, Field(ge=0, le=64, description="How many experiments knowhy shall choose itself.")
        ] = 0,
        reason: Reason = "",
    ) -> results.Submitted:
        """Queue trials for the study's workers; returns at once with request numbers. Then call wait.

        What every theory predicts of each trial is written down before it starts.
        """
        chosen = self.project.study(study)
        if not settings and not suggested:
            raise UsageError("nothing is submitted", "give settings, such as [{}] for the default, or suggested=1")
        groups = [settings] if one_seed and settings else [[one] for one in settings]

        def make(state: State) -> list[TrialsRequested]:
            asked = [contributions.points(state, group, reason, AGENT) for group in groups]
            asked += [contributions.choice(state, reason, AGENT)] * suggested
            self._afford(chosen, state, len(settings) + suggested)
            return asked

        return self._submitted(chosen, [record.seq for record in chosen.contribute(make)])

    def test_theory(
        self,
        theory: Annotated[
            str, Field(description='A theory\'s id, or "best" for the best configuration vs the default.')
        ],
        pairs: Annotated[int, Field(ge=1, le=32, description="Fresh pairs; six that all agree certify.")] = 6,
        study: StudyName = None,
        reason: Reason = "",
    ) -> results.Submitted:
        """Queue fresh pairs of trials (2 each) that can certify a theory of a difference, registered in advance.

        Certificates rest on no model. Test what you believe, once; do not test everything: each contrast is counted.
        """
        chosen = self.project.study(study)

        def make(state: State) -> list[TrialsRequested]:
            asked = contributions.test(state, theory, reason, AGENT)
            self._afford(chosen, state, 2 * pairs)
            return [asked] * pairs

        return self._submitted(chosen, [record.seq for record in chosen.contribute(make)])

    def _afford(self, study: Study, state: State, wanted: int) -> None:
        allowed = self.project.launch(study).trials
        left = allowed - state.planned - arms_queued(state)
        if wanted > left:
            raise UsageError(
                f"{wanted} trials are more than the {max(0, left)} that are left of {allowed}",
                f"submit fewer, or {MORE_TRIALS}",
            )

    def _submitted(self, study: Study, numbers: list[int]) -> results.Submitted:
        problem = self.project.run(study, again=True)
        state = study.state
        left = self.project.launch(study).trials - state.planned - arms_queued(state)
        return results.Submitted(
            [shapes.request(state, n) for n in numbers],
            max(0, left),
            problem or f"wait(requests={numbers}) returns when they have ended; call it again if it says done: false.",
        )

    def add_patch(
        self,
        text: Annotated[str, Field(description="A unified diff, SEARCH/REPLACE blocks, or with target a whole file.")],
        because: Annotated[str, Field(description="Why it should help, in a sentence.", max_length=1000)],
        name: Annotated[str, Field(description="A name for its switch; left out: one is made.")] = "",
        target: Annotated[str, Field(description="The file that a whole one is a version of.")] = "",
        study: StudyName = None,
    ) -> results.Patched:
        """Add a change of code to a study of a repository, as a parameter that is on or off; it is tested, not kept.

        Only files that the study may edit can change, and what the repository holds is never touched.
        """
        chosen = self.project.study(study)
        added = chosen.patches.add(text, because, name, by=AGENT, target=target)
        return results.Patched(
            added.patch.name,
            list(added.patch.files),
            added.patch.diff,
            [", ".join(n for n in e.parameters if n != added.patch.name) for e in added.exclusions],
            list(added.bound),
            f'suppose "turning {added.patch.name} on lowers ..." (your metric), then submit_trials with it on and off.',
        )

    def open_parameter(
        self,
        name: Annotated[str, Field(description="A parameter that is held, or whose range is too narrow.")],
        reason: Reason,
        study: StudyName = None,
        low: float | None = None,
        high: float | None = None,
        values: Annotated[list[Any] | None, Field(description="For a choice: all values, old ones included.")] = None,
    ) -> results.Opened:
        """Vary a parameter that was held at its default, or widen the range of one (it can never become narrower)."""
        chosen = self.project.study(study)
        entry = {k: v for k, v in (("low", low), ("high", high), ("values", values)) if v is not None}
        whole = {k: int(v) if isinstance(v, float) and v == int(v) else v for k, v in entry.items()}
        records = chosen.contribute(lambda state: contributions.opened(state, name, whole, reason, AGENT))
        return results.Opened(
            shapes.parameter(chosen.state.space[name]),
            bool(records),
            "suppose what it does, then submit_trials with it.",
        )
