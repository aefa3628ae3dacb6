"""Terminologies: systems of codes, each code with the names that it goes by. Pure and without torch.

docs/terminology.md tells how to bring one's own; ../terminologies/README.md which ones ship.
"""

from __future__ import annotations

from models.terminology.own import Reading, read_own
from models.terminology.shipped import SHIPPED, load_shipped
from models.terminology.terms import ALIAS, PREFERRED, RELATED, SEEN, Concept, Terminology, TerminologyError

__all__ = [
    "ALIAS", "PREFERRED", "RELATED", "SEEN", "SHIPPED", "Concept", "Reading", "Terminology",
    "TerminologyError", "load_shipped", "read_own",
]  # fmt: skip
