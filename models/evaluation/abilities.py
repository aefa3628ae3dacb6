"""What a checkpoint can be asked for, by the heads in its manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from models.checkpoint import Checkpoint

EVENTS, PHI = "events", "phi"
"""Layers of spans besides the entities; a head that names no layer may have its name."""


@dataclass(frozen=True)
class Abilities:
    """`categories`: of entities; `events`, `phi`: of those layers, as far as they are reported; `relations`:
    which; `tasks`: labels of texts by task; `decided`: tasks of which a record has only labels that hold."""

    categories: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    phi: frozenset[str] = frozenset()
    relations: frozenset[str] = frozenset()
    tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    decided: frozenset[str] = frozenset()

    def knows(self, categories: Iterable[str]) -> bool:
        """Whether entities of any of these categories are reported."""
        return not (self.categories | self.events).isdisjoint(categories)


def abilities(checkpoint: Checkpoint) -> Abilities:
    spans: dict[str, set[str]] = {"entities": set(), EVENTS: set(), PHI: set()}
    relations: set[str] = set()
    tasks: dict[str, tuple[str, ...]] = {}
    decided: set[str] = set()
    for head in checkpoint.heads:
        name = str(head["name"])
        if "categories" in head:
            layer = str(head.get("layer", name))
            told = set(head["categories"]) - set(head.get("silent", ()))
            spans[layer if layer in spans else "entities"] |= told
        elif "relations" in head:
            relations |= {one if isinstance(one, str) else one[0] for one in head["relations"]}
        elif "labels" in head:
            tasks[name] = tuple(head["labels"])
            decided |= {name} if head.get("thresholds") else set()
    entities, events, phi = (frozenset(spans[layer]) for layer in ("entities", EVENTS, PHI))
    return Abilities(entities, events, phi, frozenset(relations), tasks, frozenset(decided))
