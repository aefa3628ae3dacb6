"""One label scheme learned from many corpora, each of which labels only a part of it.

A corpus says of a stretch of text "one of these categories", never more than it knows. Method: marginal
likelihood over partial labels (Greenberg et al. 2018, "Marginal likelihood training of BiLSTM-CRF for
biomedical named entity recognition from disjoint label sets").
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from models.types import AXES

CATEGORIES = (
    "DISEASE", "SIGN_OR_SYMPTOM", "MEDICATION", "DOSAGE", "ROUTE", "FREQUENCY", "DURATION",
    "DIAGNOSTIC_PROCEDURE", "LAB_VALUE", "THERAPEUTIC_PROCEDURE", "ANATOMY", "SEVERITY", "DESCRIPTION",
    "DATE", "TIME", "AGE", "SEX", "CLINICAL_EVENT", "OUTCOME",
)  # fmt: skip
PHI = (
    "NAME", "LOCATION", "DATE", "AGE", "PHONE", "FAX", "EMAIL", "SSN", "MRN", "HEALTH_PLAN_ID", "ACCOUNT",
    "LICENSE", "VEHICLE", "DEVICE", "URL", "IP_ADDRESS", "OTHER_ID", "ORGANIZATION", "PROFESSION",
)  # fmt: skip
EVENTS = ("DRUG", "EFFECT")
"""What a drug event is about: the drug, and its effect in the words of the sentence ("worsening of …")."""
PROBLEM = frozenset({"DISEASE", "SIGN_OR_SYMPTOM"})
MEDICATION = frozenset({"MEDICATION"})
ANYTHING: frozenset[str] = frozenset()
"""Of a span: not known what it is, nor whether it is anything."""

Axes = tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]
"""Per assertion axis, the values that a corpus leaves open; all of them: the axis is not labelled."""

OPEN: Axes = tuple(frozenset(values) for values in AXES.values())  # type: ignore[assignment]


def axes(*values: str, rest: Axes = OPEN) -> Axes:
    """Axes that the given values pin down (several of one axis: one of those); others as in `rest`."""
    given = frozenset(values)
    unknown = given - frozenset().union(*OPEN)
    if unknown:
        raise ValueError(f"no assertion values: {sorted(unknown)}")
    pinned = [(given & full) or default for full, default in zip(OPEN, rest, strict=True)]
    return pinned[0], pinned[1], pinned[2], pinned[3]


PLAIN = axes("positive", "none", "subject", "current")


RELATIONS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "DOSAGE_OF": (frozenset({"DOSAGE"}), MEDICATION),
    "ROUTE_OF": (frozenset({"ROUTE"}), MEDICATION),
    "FREQUENCY_OF": (frozenset({"FREQUENCY"}), MEDICATION),
    "DURATION_OF": (frozenset({"DURATION"}), MEDICATION),
    "ADVERSE_EFFECT_OF": (PROBLEM, MEDICATION),
    "TREATS": (MEDICATION | {"THERAPEUTIC_PROCEDURE"}, PROBLEM),
    "LOCATION_OF": (
        frozenset({"ANATOMY"}),
        PROBLEM | {"DIAGNOSTIC_PROCEDURE", "THERAPEUTIC_PROCEDURE"},
    ),
    "VALUE_OF": (frozenset({"LAB_VALUE"}), frozenset({"DIAGNOSTIC_PROCEDURE"})),
    "SEVERITY_OF": (frozenset({"SEVERITY"}), PROBLEM),
    "DESCRIPTION_OF": (
        frozenset({"DESCRIPTION"}),
        PROBLEM | {"ANATOMY", "DIAGNOSTIC_PROCEDURE", "THERAPEUTIC_PROCEDURE", "MEDICATION"},
    ),
}
"""What each relation leads from and to."""

Place = tuple[int, int]


@dataclass(frozen=True)
class Labelled:
    """A stretch of a document's text: which categories it may be, and how it may be asserted.

    `codes`: what it is called in the corpus' terminology; several where it names several things.
    """

    start: int
    end: int
    allowed: frozenset[str]
    axes: Axes = OPEN
    codes: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        return self.start, self.end


@dataclass(frozen=True)
class Layer:
    """Labelled spans of one layer; where none lies, none of the `covered` categories is."""

    spans: tuple[Labelled, ...] = field(repr=False)
    covered: frozenset[str]


@dataclass(frozen=True)
class Related:
    """A relation between two spans of the document, named by where they lie."""

    category: str
    source: Place
    target: Place


@dataclass(frozen=True)
class Document:
    """A labelled text. Where no span lies, none of the `covered` categories is; others may be.

    `judged`: spans that only say how they are asserted; they may overlap with anything.
    `layers`: labels of other layers than the entities.
    `relations`: between labelled spans; of the categories `related` there are no others.
    `code_pairs`: (category, source code, target code) of relations that are said of the whole document.
    `classes`: by task, the labels of the whole text.
    """

    corpus: str
    id: str
    text: str = field(repr=False)
    spans: tuple[Labelled, ...] = field(repr=False, default=())
    covered: frozenset[str] = frozenset()
    judged: tuple[Labelled, ...] = field(repr=False, default=())
    layers: Mapping[str, Layer] = field(repr=False, default_factory=dict)
    relations: tuple[Related, ...] = field(repr=False, default=())
    related: frozenset[str] = frozenset()
    code_pairs: frozenset[tuple[str, str, str]] = frozenset()
    classes: Mapping[str, frozenset[str]] = field(default_factory=dict)


def held_out(document_id: str, seed: str, share: float) -> bool:
    """Whether a document is kept from training. By a seeded hash of the id alone (a PMID, wherever there is
    one), so that an abstract which several corpora share falls on one side in all of them."""
    digest = hashlib.sha256(f"{seed}:{document_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def without_overlaps(spans: Iterable[Labelled]) -> tuple[Labelled, ...]:
    """Known spans before unknown ones, longer before shorter; what overlaps with a kept one is dropped."""
    kept: list[Labelled] = []
    for span in sorted(spans, key=lambda s: (not s.allowed, s.start - s.end, s.start)):
        if all(span.end <= other.start or span.start >= other.end for other in kept):
            kept.append(span)
    return tuple(sorted(kept, key=lambda s: s.start))
