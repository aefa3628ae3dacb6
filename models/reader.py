"""The worker's half of reading a passage: text → tokens before the engine, arrays → findings after it."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from models import cues
from models.answers import STATUSES, Answers
from models.answers import PassageFault as PassageFault
from models.checkpoint import Checkpoint
from models.features import FeatureDictionary
from models.reliability import Curves
from models.tokeniser import Tokeniser
from models.tokeniser import Tokens as Tokens
from models.types import Classified, Findings, Marked, Mention, Span, Tie

OK = STATUSES.index("ok")
PHI = "phi"
"""The layer whose spans are no mentions: nobody asserts them."""
SILENT, MENTIONED, MARKED = 0, 1, 2
"""What becomes of the spans of a category: nothing, entities, protected health information."""
UNJUDGED = np.array([0.8, 0.05, 0.05, 0.05, 0.05, 0.8, 0.1, 0.1, 0.8, 0.2, 0.8, 0.1, 0.1], np.float32)
"""Stands in where a checkpoint has no assertion head: the usual reading, unsure enough for any cue to win."""


class Reader:
    """Knows a checkpoint's vocabulary and labels. Thread-safe; imports no torch."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        checkpoint.require_heads()
        names = [(layer, name) for layer, categories in checkpoint.layers for name in categories]
        self._categories = [name for _, name in names]
        silent = checkpoint.silent
        self._layer = [layer for layer, _ in names]
        self._shown = [SILENT if own in silent else MARKED if own[0] == PHI else MENTIONED for own in names]
        self._relations = checkpoint.relations
        self._tasks = [task.name for task in checkpoint.tasks]
        self._embedding = checkpoint.embedding
        self._curves = Curves(checkpoint)
        features = FeatureDictionary.load(checkpoint.dictionary) if checkpoint.encoder.features else None
        self._tokeniser = Tokeniser(checkpoint.tokenizer, features)

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokens of every text. Any text goes, lone surrogates too."""
        return self._tokeniser(texts)

    def findings(
        self, texts: Sequence[str], tokens: Sequence[Tokens], answers: Answers
    ) -> list[Findings | PassageFault]:
        """What the answers mean in each text. Confidences are rounded to four decimals."""
        places = [_covering(text, own) for text, own in zip(texts, _places(tokens, answers), strict=True)]
        confidence = _rounded(self._curves.spans(answers.confidence, answers.spans[:, 2]))
        read = zip(
            tokens,
            answers.status.tolist(),
            self._mentions(texts, places, confidence, answers),
            self._marked(places, confidence),
            self._ties(places, answers),
            self._classified(answers),
            self._embeddings(answers),
            strict=True,
        )
        return [
            PassageFault("too-large")
            if own.too_large
            else PassageFault(STATUSES[status])
            if status != OK
            else Findings(mentions, classified, marked, ties, embedding)
            for own, status, mentions, marked, ties, classified, embedding in read
        ]

    def _mentions(
        self, texts: Sequence[str], places: Sequence[Places], confidence: Sequence[float], answers: Answers
    ) -> list[tuple[Mention, ...]]:
        kept = [list(self._mentioned(own)[0].items()) for own in places]
        spans = [[Span(start, end) for (start, end, _), _ in own] for own in kept]
        rows = [row for own in kept for _, row in own]
        judging = answers.assertion.shape[1] > 0
        probabilities = answers.assertion[rows] if judging else np.tile(UNJUDGED, (len(rows), 1))
        judged = iter(cues.resolve(list(zip(texts, spans, strict=True)), probabilities))
        category = [self._categories[number] for number in answers.spans[:, 2].tolist()]
        return [
            tuple(
                Mention(span, category[row], confidence[row], *next(judged))
                for span, (_, row) in zip(own, rows, strict=True)
            )
            for own, rows in zip(spans, kept, strict=True)
        ]

    def _mentioned(self, places: Places) -> tuple[Places, dict[int, int]]:
        """A passage's mentions, and of every row the number of its mention. Of layers that name one place the
        first one speaks."""
        rows: Places = {}
        first: dict[tuple[int, int], tuple[str, int]] = {}
        numbers: dict[int, int] = {}
        for (start, end, category), row in places.items():
            if self._shown[category] == MENTIONED:
                layer, number = first.setdefault((start, end), (self._layer[category], len(rows)))
                if layer == self._layer[category]:
                    number = len(rows)
                    rows[start, end, category] = row
                numbers[row] = number
        return rows, numbers

    def _marked(self, places: Sequence[Places], confidence: Sequence[float]) -> list[tuple[Marked, ...]]:
        return [
            tuple(
                Marked(Span(start, end), self._categories[category], confidence[row])
                for (start, end, category), row in own.items()
                if self._shown[category] == MARKED
            )
            for own in places
        ]

    def _ties(self, places: Sequence[Places], answers: Answers) -> list[tuple[Tie, ...]]:
        """Pairs between mentions that are still there; of several between the same two, the surest."""
        if not len(answers.pairs):
            return [()] * len(places)
        confidence = iter(_rounded(self._curves.relations(answers.pair_confidence, answers.pairs[:, 2])))
        pairs = iter(answers.pairs.tolist())
        first = (np.cumsum(answers.counts) - answers.counts).tolist()
        ties: list[tuple[Tie, ...]] = []
        for own, base, count in zip(places, first, answers.pair_counts.tolist(), strict=True):
            mentioned, numbers = self._mentioned(own) if count else ({}, {})
            found: dict[tuple[int, int, int], float] = {}
            for _ in range(count):
                (source, target, relation), sure = next(pairs), next(confidence)
                ends = numbers.get(source + base), numbers.get(target + base)
                if ends[0] is not None and ends[1] is not None and ends[0] != ends[1]:
                    key = (ends[0], ends[1], relation)
                    found[key] = max(sure, found.get(key, 0.0))
            kept = _apart(found, list(mentioned))
            ties.append(tuple(Tie(self._relations[kind], a, b, sure) for (a, b, kind), sure in kept.items()))
        return ties

    def _classified(self, answers: Answers) -> list[tuple[Classified, ...]]:
        """Of each passage how probable each label of every task is."""
        if not self._tasks:
            return [()] * len(answers)
        classified: list[list[Classified]] = [[] for _ in range(len(answers))]
        bounds = pairwise(accumulate(answers.labels, initial=0))
        for task, (a, b) in zip(self._tasks, bounds, strict=False):
            rows = answers.classes[:, a:b].astype(np.float64).round(4).tolist()
            for own, row in zip(classified, rows, strict=True):
                own.append(Classified(task, tuple(row)))
        return [tuple(own) for own in classified]

    def _embeddings(self, answers: Answers) -> list[tuple[float, ...]]:
        """The last columns, where the checkpoint embeds."""
        if not self._embedding:
            return [()] * len(answers)
        rows = answers.classes[:, -self._embedding :].astype(np.float64).round(4).tolist()
        return [tuple(row) for row in rows]


Place = tuple[int, int, int]
"""Start, end, category."""
Places = dict[Place, int]
"""Each with the number of its row in the answers."""


def _places(tokens: Sequence[Tokens], answers: Answers) -> list[list[tuple[Place, int]]]:
    """Where in its passage's text every span begins and ends."""
    none = np.zeros(0, np.int32)
    sizes = np.array([len(own) for own in tokens], np.int64)
    base = np.repeat(np.cumsum(sizes) - sizes, answers.counts)
    starts = np.concatenate([none, *(own.starts for own in tokens)])[answers.spans[:, 0] + base]
    ends = np.concatenate([none, *(own.ends for own in tokens)])[answers.spans[:, 1] - 1 + base]
    places = zip(starts.tolist(), ends.tolist(), answers.spans[:, 2].tolist(), strict=True)
    numbered = list(zip(places, range(len(answers.spans)), strict=True))
    return [numbered[a:b] for a, b in pairwise(accumulate(answers.counts.tolist(), initial=0))]


def _covering(text: str, places: Sequence[tuple[Place, int]]) -> Places:
    """Those that cover text: combining marks stay with their letter.

    Two pieces can stand for one character (a decomposed syllable): the same stretch is never named twice.
    """
    kept: Places = {}
    for (start, end, category), row in places:
        while end < len(text) and unicodedata.category(text[end])[0] == "M":
            end += 1
        if start < end:
            kept.setdefault((start, end, category), row)
    return kept


def _apart(
    found: Mapping[tuple[int, int, int], float], places: Sequence[Place]
) -> dict[tuple[int, int, int], float]:
    """Of overlapping mentions related alike to the same one, that of the latest layer stays: what an event
    calls its effect ("worsening of his gout") rather than the problem in it. In a layer none overlap.

    `found`: (source, target, relation) → confidence; `places`: of the mentions.
    """
    kept: dict[tuple[int, int, int], float] = {}
    taken: dict[tuple[int, int], list[Place]] = defaultdict(list)
    for key in sorted(found, key=lambda key: (-places[key[0]][2], -found[key], key)):
        start, end, _ = places[key[0]]
        if all(end <= a or b <= start for a, b, _ in taken[key[1:]]):
            taken[key[1:]].append(places[key[0]])
            kept[key] = found[key]
    return dict(sorted(kept.items()))


def _rounded(probabilities: NDArray[np.float32]) -> list[float]:
    rounded: list[float] = probabilities.astype(np.float64).round(4).tolist()
    return rounded
