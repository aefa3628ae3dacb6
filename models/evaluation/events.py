"""Drugs and their effects as a record tells them."""

from __future__ import annotations

from typing import Literal

from models.corpora.scheme import MEDICATION, PROBLEM, Document
from models.evaluation.abilities import Abilities
from models.evaluation.spans import Place
from models.types import Annotation

ADVERSE = "ADVERSE_EFFECT_OF"
DRUG, EFFECT = "DRUG", "EFFECT"
Drugs = Literal["all", "related"]
"""Which medications are drugs of an event: all, or those that have any relation."""
EFFECTS = frozenset({"EFFECT", "ADVERSE_EFFECT"})
"""What an effect's category may be called, where a checkpoint tells it from other problems."""


def gold_events(document: Document) -> frozenset[Place]:
    layer = document.layers["events"]
    return frozenset((span.start, span.end, c) for span in layer.spans for c in span.allowed)


def drugs_and_effects(record: Annotation, can: Abilities, drugs: Drugs = "all") -> frozenset[Place]:
    """Drugs: medications, or what the checkpoint calls a DRUG where it has that category.

    Effects: entities of a category of effects, and whatever ADVERSE_EFFECT_OF leads from (what is called an
    effect at the very place of a problem is told as that problem); all problems where it tells of neither.
    """
    called = frozenset({DRUG}) if can.knows({DRUG}) else MEDICATION
    ends = {end for relation in record.relations for end in (relation.source, relation.target)}
    sources = {relation.source for relation in record.relations if relation.category == ADVERSE}
    effects = EFFECTS if can.knows(EFFECTS) or ADVERSE in can.relations else PROBLEM
    given = (e for e in record.entities if e.category in called and (drugs == "all" or e.id in ends))
    caused = (e for e in record.entities if e.category in effects or e.id in sources)
    return frozenset(
        (entity.span.start, entity.span.end, name)
        for name, some in ((DRUG, given), (EFFECT, caused))
        for entity in some
    )


def finds_events(can: Abilities) -> bool:
    """Whether a record can tell of both at all."""
    return can.knows(EFFECTS | PROBLEM) and can.knows(MEDICATION | {DRUG})
