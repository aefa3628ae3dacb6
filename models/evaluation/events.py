"""Drugs and their effects as a record tells them."""

from __future__ import annotations

from models.corpora.scheme import MEDICATION, PROBLEM, Document
from models.evaluation.abilities import Abilities
from models.evaluation.spans import Place, found_places
from models.types import Annotation

ADVERSE = "ADVERSE_EFFECT_OF"
DRUG, EFFECT = "DRUG", "EFFECT"
EFFECTS = frozenset({"EFFECT", "ADVERSE_EFFECT"})
"""What an effect's category may be called, where a checkpoint tells it from other problems."""


def gold_events(document: Document) -> frozenset[Place]:
    layer = document.layers["events"]
    return frozenset((span.start, span.end, c) for span in layer.spans for c in span.allowed)


def drugs_and_effects(record: Annotation, can: Abilities) -> frozenset[Place]:
    """Drugs: entities that are a DRUG where a checkpoint reports that category, else medications. Effects:
    entities of a category of effects, else the sources of ADVERSE_EFFECT_OF, else problems: the first that
    the checkpoint can tell."""
    drugs = found_places(record.entities, dict.fromkeys({DRUG} if can.knows({DRUG}) else MEDICATION, DRUG))
    if can.knows(EFFECTS) or ADVERSE not in can.relations:
        effects = EFFECTS if can.knows(EFFECTS) else PROBLEM
        return drugs | found_places(record.entities, dict.fromkeys(effects, EFFECT))
    sources = {relation.source for relation in record.relations if relation.category == ADVERSE}
    spans = (entity.span for entity in record.entities if entity.id in sources)
    return drugs | {(span.start, span.end, EFFECT) for span in spans}


def finds_events(can: Abilities) -> bool:
    """Whether a record can tell of both at all."""
    return can.knows(EFFECTS | PROBLEM) and can.knows(MEDICATION | {DRUG})
