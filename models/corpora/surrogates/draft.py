"""A text that grows piece by piece, and what its pieces are labelled as."""

from __future__ import annotations

import re

from models.corpora.scheme import ANYTHING, PHI, Document, Labelled, Layer, without_overlaps
from models.corpora.surrogates.slots import ANY, SLOTS, Filler, Piece, Scene

SLOT = re.compile(r"\{([a-z][a-z ]*?)(\d?)\}")
OTHERWISE_OPEN = re.compile(r"[.!?:]\s*$|\n\s*$|^\s*$")
LABELS = frozenset(PHI)


class Draft:
    """Text and labels so far."""

    def __init__(self) -> None:
        self.text = ""
        self.spans: list[Labelled] = []

    def __repr__(self) -> str:
        return f"Draft(<{len(self.text)} characters>)"

    def add(self, text: str, category: str | None = None) -> None:
        if text and category is not None:
            allowed = ANYTHING if category == ANY else frozenset({category})
            self.spans.append(Labelled(len(self.text), len(self.text) + len(text), allowed))
        self.text += text

    def begins(self) -> bool:
        """Whether what comes next is the begin of a sentence or a line."""
        return OTHERWISE_OPEN.search(self.text[-4:]) is not None

    def fill(self, template: str, scene: Scene, instead: dict[str, Filler] | None = None) -> None:
        """Adds a template with its slots filled; `instead` takes slots over."""
        at = 0
        for slot in SLOT.finditer(template):
            filler = (instead or {}).get(slot[1]) or SLOTS.get(slot[1])
            if filler is None:
                continue  # braces of the template's own
            self.add(template[at : slot.start()])
            self._pieces(filler(scene, slot[2]))
            at = slot.end()
        self.add(template[at:])

    def _pieces(self, pieces: list[Piece]) -> None:
        for text, category in pieces:
            capital = category is None and text.islower() and self.begins()
            self.add(text[:1].upper() + text[1:] if capital else text, category)

    def document(self, identity: str, covered: frozenset[str] = LABELS, case: str = "") -> Document:
        """What was drafted; `case` is `lower` or `upper` for a text all in one case."""
        text = "".join(_changed(sign, case) for sign in self.text) if case else self.text
        layer = Layer(without_overlaps(self.spans), covered)
        return Document("surrogates", identity, text, layers={"phi": layer})


def _changed(sign: str, case: str) -> str:
    """A sign in the other case, where that is one sign too."""
    changed = sign.lower() if case == "lower" else sign.upper()
    return changed if len(changed) == 1 else sign
