"""What a checkpoint is asked: of the selected documents those whose labels it has a head for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from models.corpora.scheme import Document, Layer
from models.evaluation.abilities import Abilities
from models.evaluation.events import finds_events
from models.evaluation.selection import OWN

NAMED = 6
"""Labels that a line for people names at most."""


def asked(
    documents: Mapping[str, Sequence[Document]], can: Abilities
) -> tuple[dict[str, list[Document]], dict[str, str]]:
    """By corpus what there is to read, and why the rest is not."""
    read: dict[str, list[Document]] = {}
    why: dict[str, str] = {}
    for corpus, own in documents.items():
        told = identifying(own, can) if corpus == OWN else list(own)
        if any(answered(document, can) for document in told):
            read[corpus] = told
        else:
            why[corpus] = f"no head for its labels ({_shown(_labels(own))})"
            if corpus == OWN:
                known = can.categories | can.events | can.phi | can.relations | can.tasks.keys()
                why[corpus] += f"; the checkpoint knows {_shown(known)}: call yours alike where they mean it"
    return read, why


def answered(document: Document, can: Abilities) -> bool:
    """Whether a record can be right or wrong about any label of a document."""
    named = document.covered.union(*(span.allowed for span in document.spans))
    asserts = bool(document.judged) and bool(can.categories)
    hides = "phi" in document.layers and bool(can.phi)
    tells = "events" in document.layers and finds_events(can)
    related = document.related.union(category for category, *_ in document.code_pairs)
    relates = not related.isdisjoint(can.relations)
    return (
        can.knows(named) or asserts or hides or tells or relates or bool(document.classes.keys() & can.tasks)
    )


def identifying(documents: Iterable[Document], can: Abilities) -> list[Document]:
    """A user's own spans are of one layer. Where any of them is what only the head for protected health
    information knows (a NAME, not a DATE), all are of that head whose labels it knows."""
    own = list(documents)
    names = frozenset().union(*(document.covered for document in own)) & can.phi
    return [_apart(document, names) for document in own] if names - can.categories else own


def _apart(document: Document, names: frozenset[str]) -> Document:
    spans = tuple(span for span in document.spans if not span.allowed <= names)
    marked = tuple(span for span in document.spans if span.allowed <= names)
    layers = {**document.layers, "phi": Layer(marked, names)}
    return replace(document, spans=spans, covered=document.covered - names, layers=layers)


def _labels(documents: Iterable[Document]) -> set[str]:
    found: set[str] = set()
    for document in documents:
        found |= document.covered | document.related | document.classes.keys()
        found |= {name for span in document.spans for name in span.allowed}
        found |= {name for layer in document.layers.values() for name in layer.covered}
    return found


def _shown(names: Iterable[str]) -> str:
    some = sorted(names)
    return ", ".join(some[:NAMED]) + (f" and {len(some) - NAMED} more" if len(some) > NAMED else "")
