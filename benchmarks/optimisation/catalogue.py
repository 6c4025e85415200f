"""All problems, by name."""

from __future__ import annotations

from benchmarks.optimisation.functions import FUNCTIONS
from benchmarks.optimisation.problem import Problem
from benchmarks.optimisation.suites import SUITES
from benchmarks.optimisation.trainings import TRAININGS

PROBLEMS: dict[str, Problem] = {problem.name: problem for problem in (*FUNCTIONS, *TRAININGS, *SUITES)}
COCO = tuple(problem.name for problem in SUITES)
