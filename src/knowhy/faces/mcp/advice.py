"""What an agent should do next: one sentence, from where the study stands."""

from __future__ import annotations

from knowhy import background
from knowhy.faces.mcp.project import Project
from knowhy.study import Study


def advise(project: Project, study: Study) -> str:
    """The next step for an agent that has just looked at ``study``."""
    state = study.state
    problem = project.problem(study)
    if problem and not background.running(study):
        return "The last run ended with the problem above: mend it, then call start_study."
    if state.subject.get("kind") != "script":
        return "This study is not of a script: read it with theories, explain and best."
    if state.requests or state.pending:
        return "Trials are queued or running: call wait."
    if not state.completed:
        return "No trial has completed: call start_study, then wait; the default configuration runs first."
    if not any(theory.by == "agent" for theory in state.theories.values()):
        return "Read theories, add your own with suppose, then predict and submit_trials."
    if state.run is not None and state.planned >= state.run.trials:
        return "The budget of trials is spent: read best, theories and report, and tell what was certified."
    mine = [v for v in study.theories if v.by == "agent"]
    ready = [v.id for v in mine if v.belief is not None and v.belief >= 0.9 and v.status != "certified"]
    if ready:
        return f"{ready[0]} is believed: certify it with test_theory, or look for what would refute it."
    unsettled = [v.id for v in mine if v.status not in ("certified", "supported", "refuted")]
    if unsettled:
        return f"{unsettled[0]} is open: suggest_experiments or predict shows what would settle it; then submit_trials."
    return 'Your theories are settled: test_theory("best") verifies the best configuration; then best and report.'
