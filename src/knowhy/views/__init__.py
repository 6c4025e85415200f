"""Plain answers about a study, for people and programs.

Each function takes a ``State`` (and a ``Mind`` where the engine must be asked) and returns frozen
dataclasses; ``as_json`` turns any of them into JSON-able data.
"""

from knowhy.views.advice import AdviceView, ReasonView, advise
from knowhy.views.certification import CertificationView, certification, cost_words
from knowhy.views.foreseen import ForeseenView, StakeView, foreseen
from knowhy.views.front import PlacedView, chosen, picked, standings, weighed
from knowhy.views.honesty import CalibrationView, calibration
from knowhy.views.mind import Mind
from knowhy.views.overview import BestView, NextView, Overview, best, options, overview, spent, training, upcoming
from knowhy.views.patches import PatchView, patch_views
from knowhy.views.plain import as_json
from knowhy.views.proposers import OpinionView, ProposerView, opinions, proposers, thoughts
from knowhy.views.questions import QuestionView, questions
from knowhy.views.theories import (
    STATUSES,
    CertificateView,
    ClaimView,
    EvidenceView,
    Explanation,
    Status,
    TheoryView,
    certificates,
    explain,
    status,
    theories,
)
from knowhy.views.trials import (
    SURPRISING,
    BeliefPoint,
    ChangeView,
    FailuresView,
    History,
    HistoryPoint,
    Range,
    Setting,
    SurpriseView,
    TrialView,
    changed,
    changes,
    failures,
    front,
    history,
    surprises,
    trials,
)
from knowhy.views.versus import (
    ChosenView,
    ComparisonView,
    Contender,
    DuelView,
    StrategyView,
    choice,
    versus,
)

__all__ = [
    "STATUSES",
    "SURPRISING",
    "AdviceView",
    "BeliefPoint",
    "BestView",
    "CalibrationView",
    "CertificateView",
    "CertificationView",
    "ChangeView",
    "ChosenView",
    "ClaimView",
    "ComparisonView",
    "Contender",
    "DuelView",
    "EvidenceView",
    "Explanation",
    "FailuresView",
    "ForeseenView",
    "History",
    "HistoryPoint",
    "Mind",
    "NextView",
    "OpinionView",
    "Overview",
    "PatchView",
    "PlacedView",
    "ProposerView",
    "QuestionView",
    "Range",
    "ReasonView",
    "Setting",
    "StakeView",
    "Status",
    "StrategyView",
    "SurpriseView",
    "TheoryView",
    "TrialView",
    "advise",
    "as_json",
    "best",
    "calibration",
    "certificates",
    "certification",
    "changed",
    "changes",
    "choice",
    "chosen",
    "cost_words",
    "explain",
    "failures",
    "foreseen",
    "front",
    "history",
    "opinions",
    "options",
    "overview",
    "patch_views",
    "picked",
    "proposers",
    "questions",
    "spent",
    "standings",
    "status",
    "surprises",
    "theories",
    "thoughts",
    "training",
    "trials",
    "upcoming",
    "versus",
    "weighed",
]
