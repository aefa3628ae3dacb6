"""The NegEx/ConText test kit: sentences of hospital reports, each with one concept and how it is asserted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.corpora.hedges import HEDGED
from models.corpora.scheme import ANYTHING, Axes, Document, Labelled, axes


def read_negex(folder: Path) -> Iterator[Document]:
    """The NegEx/ConText test kit: a sentence a row, its concept in capitals, which are taken back."""
    lines = (folder / "annotations.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines[1:]]
    spelled = _spellings([(row[1], row[2]) for row in rows])
    for report, concept, sentence, negation, temporality, experiencer, *_ in rows:
        place = _capitals(concept, sentence)
        if place is None:
            continue
        start, end = place
        words = re.sub(r"\w+", lambda m: spelled(m.group()), sentence[start:end])
        if not sentence[:start].strip() or sentence[:start].rstrip().endswith((".", ":")):
            words = words[:1].upper() + words[1:]
        text = sentence[:start] + words + sentence[end:]
        judged = _negex_axes(text, negation, temporality, experiencer)
        span = Labelled(start, end, ANYTHING, judged)  # many are clauses ("oropharynx is clear"), no entities
        yield Document("negex", f"negex-{report}", text, (), judged=(span,))


def _negex_axes(text: str, negation: str, temporality: str, experiencer: str) -> Axes:
    values = ["negative"] if negation == "Negated" else ["positive"]
    if negation != "Negated" and HEDGED.search(text):
        values += ["positivePossible", "neutralPossible"]
    values.append("hypothetical" if temporality == "Not particular" else "none")
    values.append("subject" if experiencer == "Patient" else "other")
    if temporality in ("Recent", "Historical"):
        values.append("past" if temporality == "Historical" else "current")
    return axes(*values)


def _capitals(concept: str, sentence: str) -> tuple[int, int] | None:
    words = r"\W+".join(re.escape(word.upper()) for word in re.findall(r"\w+", concept))
    found = re.search(rf"(?<!\w){words}(?!\w)", sentence) if words else None
    return found.span() if found else None


def _spellings(rows: list[tuple[str, str]]) -> Any:
    """How a word is written where it is no concept: an abbreviation keeps its capitals, others lose them."""
    written: Counter[str] = Counter()
    for concept, sentence in rows:
        place = _capitals(concept, sentence) or (0, 0)
        written.update(re.findall(r"\w+", sentence[: place[0]] + " " + sentence[place[1] :]))

    def spell(word: str) -> str:
        if not word.isalpha():
            return word.lower()
        lower, upper = written[word.lower()] + written[word.capitalize()], written[word.upper()]
        return word.upper() if upper > lower or (upper == lower and len(word) <= 3) else word.lower()

    return spell
