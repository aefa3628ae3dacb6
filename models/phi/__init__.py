"""Protected health information: by its form, by what a head learned, and one name everywhere in a note.

Pure and without torch. docs/deidentification.md tells how to use it.
"""

from __future__ import annotations

from models.phi.found import Found
from models.phi.patterns import find
from models.phi.resolve import resolve
from models.phi.thresholds import CATEGORIES, read_thresholds, shipped_thresholds

__all__ = [
    "CATEGORIES", "Found", "find", "read_thresholds", "resolve",
    "shipped_thresholds",
]  # fmt: skip
