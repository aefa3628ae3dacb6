"""An explanation in words and strengths, for the terminal and the page alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

from models.explanation import Explanation, Kind, Word
from models.types import Annotation, Span

LEVELS = 5
"""How strong a word is, in steps of its weight as a share of the strongest word's."""
STRONGEST = 8
AROUND = 60
"""Characters shown before and after the words that count, in whole words of the same passage."""
NAMES = {
    "ig": "integrated gradients",
    "rollout": "attention rollout",
    "lime": "LIME",
    "shap": "SHAP",
}


UNSURE: dict[Kind, str] = {
    "entity": "less likely than not, and still the likeliest reading",
    "assertion": "less likely than not to the encoder: a cue or a section decided",
    "phi": "less likely than not to the encoder: a pattern or the recall dial decided",
    "class": "less likely than not, and still the likeliest label",
}
"""What is said where the encoder alone gives a label less than half."""


def visible(text: str) -> str:
    """As long as it was; what would steer a terminal or turn the direction of writing is a dot."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else " " if c in "\t\r" else "·" for c in text)


def heading(annotation: Annotation, explanation: Explanation) -> tuple[str, str]:
    """What an explanation is of, and what the record says of it."""
    if explanation.reference is None:
        return "the note", f"{explanation.task}: {explanation.label}"
    named = {entity.id: entity.text for entity in annotation.entities}
    named |= {found.id: "identifier" for found in annotation.phi}
    said = explanation.label if explanation.task == "category" else f"{explanation.task}: {explanation.label}"
    return named.get(explanation.reference, explanation.reference), said


def measured(explanation: Explanation) -> str:
    """How sure the encoder is, and how exact the explanation, in one line."""
    parts = [f"encoder {_percent(explanation.score)} (log-odds {signed(explanation.score)}"]
    if explanation.baseline is not None:
        parts[0] += f", {signed(explanation.baseline)} with every word masked"
    parts[0] += ")"
    if explanation.score < 0:
        parts.append(UNSURE[explanation.kind])
    if explanation.completeness_error is not None:
        parts.append(f"completeness error {100 * explanation.completeness_error:.1f} %")
    return "; ".join(parts)


def strongest(explanation: Explanation) -> Sequence[Word]:
    """The words that weigh most, by how much; of an explanation without words none."""
    return explanation.words[:STRONGEST]


def level(word: Word, explanation: Explanation) -> int:
    """0 (next to nothing) … `LEVELS`."""
    most = abs(explanation.words[0].weight)
    return min(LEVELS, round(LEVELS * abs(word.weight) / most)) if most else 0


def place(annotation: Annotation, explanation: Explanation) -> Span:
    """Where in the note that stands which is explained; of no length for the whole note."""
    spans = {entity.id: entity.span for entity in annotation.entities}
    spans |= {found.id: found.span for found in annotation.phi}
    return spans.get(explanation.reference or "", Span(0, 0))


def excerpt(annotation: Annotation, explanation: Explanation) -> Span:
    """The part of the note that holds what is explained and what weighs something, with some words around."""
    spans = sorted(word.span for word in explanation.words)
    own = place(annotation, explanation)
    shown = [word.span for word in strongest(explanation) if level(word, explanation)]
    shown += [own] if len(own) else []
    first, end = min(span.start for span in shown), max(span.end for span in shown)
    near = [span for span in (*spans, *shown) if first - AROUND <= span.start and span.end <= end + AROUND]
    return Span(min(span.start for span in near), max(span.end for span in near))


def signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−")


def _percent(log_odds: float) -> str:
    sure = 100 / (1 + math.exp(-max(min(log_odds, 700.0), -700.0)))
    return f"{sure:.1f} %" if 0.1 <= sure <= 99.9 else "> 99.9 %" if sure > 50 else "< 0.1 %"
