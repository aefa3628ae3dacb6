"""Training texts for de-identification: made-up identifiers in real notes, and in templates of many kinds.

Everything that identifies is invented here; nothing of it belongs to a patient. docs/deidentification.md says
what is labelled how.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from models.corpora.scheme import Document
from models.corpora.surrogates.draft import LABELS, Draft
from models.corpora.surrogates.notes import Notes, add_note
from models.corpora.surrogates.slots import Scene, query_name
from models.corpora.surrogates.tables import templates

Kind = Callable[[Draft, Notes, Scene], frozenset[str]]
"""Adds one kind of text to a draft; gives the categories that it covers."""


def surrogate_documents(count: int, notes: Iterable[str], chance: random.Random) -> list[Document]:
    """`count` documents with a layer `phi`, the same ones for the same notes and state of `chance`.

    `notes`: raw texts of notes to put identifiers into; without any, all documents are templates.
    """
    known = Notes(notes)
    return [_document(number, known, chance) for number in range(count)]


def _document(number: int, notes: Notes, chance: random.Random) -> Document:
    kind = chance.choices(KINDS, SHARES)[0]
    kind = _clinical if kind is _note and not notes.texts else kind
    scene = Scene(chance, daily=kind is _daily, abroad=0.6 if kind is _daily else 0.12)
    draft = Draft()
    covered = kind(draft, notes, scene)
    lower = 0.06 if kind in (_daily, _query) else 0.01
    drawn = chance.random()
    case = "lower" if drawn < lower else "upper" if drawn > 0.985 else ""
    return draft.document(f"surrogate-{number}", covered, case)


def _note(draft: Draft, notes: Notes, scene: Scene) -> frozenset[str]:
    drawn = scene.chance.random()
    if drawn < 0.45:
        _head(draft, scene)
    covered = add_note(draft, notes, scene)
    if drawn > 0.65:
        draft.add(scene.pick("\n", "\n\n"))
        _end(draft, scene)
    return covered


def _head(draft: Draft, scene: Scene) -> None:
    """Fields as at the head of a note: one a line, or several."""
    fields = scene.chance.sample(templates("headers"), scene.chance.randint(1, 9))
    joint = scene.pick("\n", "\n", "\n", "   ", "\t", " | ", "; ", "  ")
    if scene.chance.random() < 0.7:
        fields = [scene.chance.choice(templates("headers")[:10]), *fields]
    for field in fields:
        draft.fill(field, scene)
        draft.add(joint)
    draft.add(scene.pick("\n", "\n", "\n\n", "\n---\n"))


def _end(draft: Draft, scene: Scene) -> None:
    for ending in scene.chance.sample(templates("endings"), scene.pick("1", "1", "1", "2") == "2" or 1):
        draft.fill(ending, scene)
        draft.add("\n")


def _form(draft: Draft, _: Notes, scene: Scene) -> frozenset[str]:
    """Only what stands around notes."""
    for part in scene.chance.choice(((_head,), (_end,), (_head, _end))):
        part(draft, scene)
    return LABELS


def _clinical(draft: Draft, _: Notes, scene: Scene) -> frozenset[str]:
    """Sentences of notes, with and without identifiers."""
    for _number in range(scene.chance.randint(1, 6)):
        source = "negatives" if scene.chance.random() < 0.4 else "clinical"
        draft.fill(scene.chance.choice(templates(source)), scene)
        draft.add(scene.pick(" ", " ", "\n"))
    return LABELS


def _negative(draft: Draft, _: Notes, scene: Scene) -> frozenset[str]:
    for _number in range(scene.chance.randint(1, 5)):
        draft.fill(scene.chance.choice(templates("negatives")), scene)
        draft.add(scene.pick(" ", " ", "\n"))
    return LABELS


def _query(draft: Draft, _: Notes, scene: Scene) -> frozenset[str]:
    draft.fill(scene.chance.choice(templates("queries")), scene, {"name": query_name})
    return LABELS


def _daily(draft: Draft, _: Notes, scene: Scene) -> frozenset[str]:
    for number in range(scene.chance.choice((1, 1, 1, 1, 2, 3))):
        draft.add(scene.pick(" ", "\n") if number else "")
        draft.fill(scene.chance.choice(templates("daily")), scene)
    return LABELS


KINDS: tuple[Kind, ...] = (_note, _daily, _query, _clinical, _form, _negative)
SHARES = (42, 30, 9, 9, 6, 4)
"""How many of a hundred documents are of each kind."""
