"""Charts as Vega-Lite specifications: plain data, every number from a view.

Fields have fixed names, so that the names of a study's metrics and parameters are only ever titles and values.
"""

from knowhy.reports.figures.answers import effect, effects, fresh, pareto
from knowhy.reports.figures.course import beliefs, duration, history, information

__all__ = ["beliefs", "duration", "effect", "effects", "fresh", "history", "information", "pareto"]
