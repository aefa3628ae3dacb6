"""A checkpoint's figures on labelled documents, read the whole way that a note is read: sections, passages,
windows, heads, cues and rules. Two checkpoints side by side read the same documents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from models.annotator import Annotator
from models.checkpoint import Checkpoint, open_checkpoint
from models.corpora.scheme import Document, held_out
from models.errors import CheckpointError
from models.evaluation import gold, whole
from models.evaluation.abilities import Abilities, abilities
from models.evaluation.answered import answers
from models.evaluation.asking import asked
from models.evaluation.bootstrap import RESAMPLES
from models.evaluation.calibrated import Answer, Calibration, calibration
from models.evaluation.events import Drugs
from models.evaluation.goals import MACRO, MICRO, compared, reached
from models.evaluation.measures import Fresh, Measure, anything, measures
from models.evaluation.related import RelationScorer, ScorerOf
from models.evaluation.report import Comparison, Report, table
from models.evaluation.scorer import HeadScorer
from models.evaluation.selection import Held, Part, Selection, fitted_by, held_by, select
from models.finish import LINKS, Finish, switched
from models.precision import Precision
from models.terminology import load_shipped
from models.types import Annotation, Note

TOGETHER = 64
LINKED = ("bc5cdr", "ncbi-disease")
"""Corpora whose mentions have codes that terminologies have as well."""
OnProgress = Callable[[int, int], None]


@dataclass
class Measured:
    """What was counted of one checkpoint, by corpus and task; answers by head.

    `unread`: by corpus, why it was not asked; `missing`: by corpus/task, why nothing was counted.
    """

    checkpoint: Checkpoint
    measures: dict[tuple[str, str], Measure] = field(default_factory=dict)
    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    unread: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, measure: Measure) -> None:
        self.measures[measure.key] = measure


def run(
    checkpoint: str | Path | None,
    data_root: Path,
    part: Part = "held-out",
    *,
    corpora: Sequence[str] = (),
    against: str | Path | None = None,
    held: Held | None = None,
    heads: Sequence[str] | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    scorer: ScorerOf = HeadScorer,
    drugs: Drugs = "all",
    resamples: int = RESAMPLES,
    on_progress: OnProgress = lambda _done, _all: None,
) -> Report:
    """Read the documents of a part with a checkpoint (None: the shipped one) and count.

    `corpora`: data folders to read, by default all that are there, or data of one's own. `held`: which share
    of them is held out, by default what the checkpoints' manifests say. `heads`: only these, as in
    `Annotator.load`. `scorer`: scores gold entities, for relations of whole documents. `drugs`: which
    medications are drugs of events. `resamples`: 0 gives no intervals. `on_progress` hears of texts read and
    all. Raises `CheckpointError` for what is no checkpoint, and for data that is missing or cannot be read.
    """
    both = [_opened(one, heads) for one in ((checkpoint,) if against is None else (checkpoint, against))]
    kept = [held] if held is not None else [held_by(each) for each in both]
    selection = select(data_root, corpora, part, kept)
    if len(set(kept)) > 1 and part != "all":
        shares = " and ".join(f"{one.share:g} by {one.seed}" for one in kept)
        selection.skipped.append(f"left out: what is {part} for one of both alone; they hold out {shares}")
    plans = [_Plan.of(each, selection) for each in both]
    fresh = _fresh(both) if part == "held-out" else anything
    texts = sum(len(plan) for plan in plans)
    reading = _Reading(device, precision, scorer, drugs, fresh, texts, on_progress)
    first, *others = [reading.measured(plan) for plan in plans]
    if heads is None or LINKS in heads:
        _link(first, selection, data_root)
    told = _Telling(first, others[0] if others else None, precision, resamples)
    return told.report(selection, part, kept[0], len(plans[0]))


def _opened(checkpoint: str | Path | None, heads: Sequence[str] | None) -> Checkpoint:
    opened = open_checkpoint(checkpoint)
    opened.require_heads()
    return switched(opened, heads)


def _fresh(checkpoints: Sequence[Checkpoint]) -> Fresh:
    """Documents to which none of them fitted confidences or thresholds after its training."""
    fitted = [held for each in checkpoints if (held := fitted_by(each)) is not None]
    return lambda document: not any(held_out(document.id, one.seed, one.share) for one in fitted)


@dataclass(frozen=True)
class _Plan:
    """A checkpoint, and by corpus the documents that it is asked."""

    checkpoint: Checkpoint
    can: Abilities
    documents: dict[str, list[Document]] = field(repr=False)
    why: dict[str, str]

    @classmethod
    def of(cls, checkpoint: Checkpoint, selection: Selection) -> Self:
        can = abilities(checkpoint)
        return cls(checkpoint, can, *asked(selection.documents, can))

    def __len__(self) -> int:
        return sum(map(len, self.documents.values()))


@dataclass
class _Reading:
    """Reads documents, with one checkpoint after the other."""

    device: str
    precision: Precision
    scorer: ScorerOf
    drugs: Drugs
    fresh: Fresh
    texts: int
    on_progress: OnProgress
    done: int = 0

    def measured(self, plan: _Plan) -> Measured:
        found = Measured(plan.checkpoint, unread=plan.why)
        finish = Finish.of(plan.checkpoint, links=False)
        with Annotator(plan.checkpoint, self.device, self.precision, finish) as annotator:
            for corpus, documents in plan.documents.items():
                pairs = list(zip(documents, self._read(annotator, documents), strict=True))
                for measure in measures(corpus, pairs, plan.can, self.drugs, self.fresh):
                    found.add(measure)
                unfitted = [pair for pair in pairs if self.fresh(pair[0])]
                for head, answer in answers(corpus, unfitted, plan.can):
                    found.answers[head].append(answer)
        self._score(found, plan)
        return found

    def _read(self, annotator: Annotator, documents: Sequence[Document]) -> Iterator[Annotation]:
        for at in range(0, len(documents), TOGETHER):
            notes = [Note(id=d.id, text=d.text) for d in documents[at : at + TOGETHER]]
            for record in annotator.annotate_many(notes):
                if not isinstance(record, Annotation):
                    raise CheckpointError(f"a document of {documents[0].corpus} could not be read: {record}")
                yield record
            self.done += len(notes)
            self.on_progress(self.done, self.texts)

    def _score(self, found: Measured, plan: _Plan) -> None:
        """Gold entities, where the checkpoint has a head for their relations."""
        scorer: RelationScorer | None = None
        for corpus, documents in plan.documents.items():
            related = {category for document in documents for category, *_ in document.code_pairs}
            if not related & plan.can.relations:
                continue
            scorer = scorer or self.scorer(plan.checkpoint, self.device, self.precision)
            found.add(gold.related_codes(corpus, documents, scorer))


def _link(found: Measured, selection: Selection, root: Path) -> None:
    """Linking needs no head: it is the same for all checkpoints."""
    corpora = [corpus for corpus in LINKED if corpus in selection.documents]
    if not corpora:
        return
    by = gold.Linking.of(load_shipped())
    for corpus in corpora:
        for measure in gold.linked(corpus, selection.documents[corpus], selection.whole[corpus], root, by):
            found.add(measure)
        found.missing[f"{corpus}/{gold.LINKED} {gold.DOID}"] = f"{root / gold.CROSS_REFERENCES} is missing"


# --- what is told of it ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Telling:
    """Counts of one checkpoint, and of the one that it is compared with → figures."""

    first: Measured
    second: Measured | None
    precision: Precision
    resamples: int

    def report(self, selection: Selection, part: Part, held: Held, documents: int) -> Report:
        calibrated = self._calibrations(self.first)
        against = None if self.second is None else self.second.measures
        missing = selection.why | self.first.missing
        rows = reached(self.first.measures, against, missing, self.resamples)
        rest = whole.rows(self.first.checkpoint, calibrated)
        if self.second is not None:
            rest = whole.beside(rest, whole.rows(self.second.checkpoint, self._calibrations(self.second)))
        unread = [f"{corpus} not read: {why}" for corpus, why in self.first.unread.items()]
        return Report(
            **self._identity(self.first),
            part=part,
            seed=held.seed,
            share=held.share,
            documents=documents,
            there=sum(map(len, selection.whole.values())),
            resamples=self.resamples,
            goals=(*rows, *rest),
            tables=tuple(table(measure, self.resamples) for measure in self.first.measures.values()),
            calibration=calibrated,
            skipped=(*selection.skipped, *unread),
            against=None if self.second is None else self._identity(self.second),
            comparisons=() if self.second is None else tuple(self._comparisons(self.second)),
        )

    def _identity(self, found: Measured) -> dict[str, str]:
        one = found.checkpoint.in_precision(self.precision).pipeline
        whose = {"name": one.name, "version": one.version, "fingerprint": one.fingerprint}
        return whose | {"precision": self.precision}

    def _calibrations(self, found: Measured) -> tuple[Calibration, ...]:
        return tuple(
            calibration(head, sorted({a.group.partition("/")[0] for a in own}), own, self.resamples)
            for head, own in sorted(found.answers.items())
        )

    def _comparisons(self, second: Measured) -> Iterator[Comparison]:
        for key, one in self.first.measures.items():
            two = second.measures.get(key)
            if two is not None:
                for of in (MICRO, MACRO) if len(one.tally.labels) > 1 else (MICRO,):
                    shown = compared(one, two, of, self.resamples)
                    yield Comparison(*key, of, len(one.tally.groups), shown)
