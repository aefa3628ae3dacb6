"""Where these were until `models.evaluation.report`."""

from models.evaluation.report import Report, Score, Table, total

__all__ = ["Report", "Score", "Table", "total"]
