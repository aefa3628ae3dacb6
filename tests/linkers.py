"""What the tests of linking share: a small terminology, a linker that asks it, and the one that ships."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from models.linking import Linker
from models.terminology import Concept, Terminology
from models.types import Link, Span

CONCEPTS = [
    Concept("K1", "kidney disease", ("nephropathy",), ("bad kidneys",), ("nephrotoxic",)),
    Concept("K2", "renal cell carcinoma", ("clear cell carcinoma of kidney",)),
    Concept("C1", "breast cancer"),
    Concept("C2", "ovarian cancer", ("ovarian carcinoma",)),
    Concept("D1", "type 2 diabetes mellitus", (), ("DM2",)),
    Concept("D2", "diabetes mellitus", ("diabetes",), ("DM",)),
    Concept("M1", "dermatomyositis"),
    Concept("P1", "Parkinson's disease"),
    Concept("H1", "hypercalcemia"),
    Concept("N1", "rheumatoid nodule"),
    Concept("S1", "seizure disorder"),
    Concept("Y1", "myocarditis"),
    Concept("L1", "palmoplantar keratosis"),
    Concept("Q1", "hyperpyrexia", (), ("hot disease",)),
]
DRUGS = [
    Concept("A", "Metoprolol"),
    Concept("B", "Glutamic acid"),
    Concept("C", "Lisinopril"),
    Concept("D", "Hydrochlorothiazide", (), ("HCTZ",)),
    Concept("E", "Lithium carbonate"),
    Concept("F", "Calcium chloride"),
    Concept("G", "Corticosterone"),
    Concept("H", "Doxorubicin", (), ("adriamycin",)),
]


@cache
def small() -> Linker:
    return Linker(
        [
            Terminology.of("PROBLEMS", CONCEPTS, frozenset({"DISEASE", "SIGN_OR_SYMPTOM"})),
            Terminology.of("DRUGS", DRUGS, frozenset({"MEDICATION"})),
        ]
    )


@cache
def shipped() -> Linker:
    return Linker.load()


def alone(linker: Linker, name: str, category: str = "DISEASE") -> tuple[Link, ...]:
    """Links of a note that is a mention and nothing else."""
    return linker.link(name, [(Span(0, len(name)), category)])[0]


def codes(links: Sequence[Link]) -> list[str]:
    return [link.code for link in links]
