"""A checkpoint's figures on labelled documents, read the whole way that a note is read: sections, passages,
windows, heads, cues and rules. Two checkpoints side by side read the same documents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.annotator import Annotator
from models.checkpoint import Checkpoint, open_checkpoint
from models.corpora.scheme import Document
from models.errors import CheckpointError
from models.evaluation import gold
from models.evaluation.abilities import Abilities, abilities
from models.evaluation.answered import answers
from models.evaluation.bootstrap import RESAMPLES, Figure
from models.evaluation.calibrated import Answer, Calibration, calibration
from models.evaluation.goals import MACRO, MICRO, compared, percent, reached
from models.evaluation.measures import Measure, Pair, measures
from models.evaluation.related import RelationScorer, ScorerOf
from models.evaluation.report import Comparison, Report, Row, table
from models.evaluation.selection import Held, Part, Selection, from_manifest, held_by, select
from models.finish import Finish, switched
from models.manifest import ACCEPTED
from models.precision import Precision
from models.terminology import load_shipped
from models.types import Annotation, Note

TOGETHER = 64
LINKED = ("bc5cdr", "ncbi-disease")
"""Corpora whose mentions have codes that terminologies have as well."""
OnProgress = Callable[[int, int], None]


@dataclass
class Measured:
    """What was counted of one checkpoint, by corpus and task; answers by head."""

    checkpoint: Checkpoint
    measures: dict[tuple[str, str], Measure] = field(default_factory=dict)
    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
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
    device: str = "auto",
    precision: Precision = "fp32",
    scorer: ScorerOf | None = None,
    resamples: int = RESAMPLES,
    on_progress: OnProgress = lambda _done, _all: None,
) -> Report:
    """Read the documents of a part with a checkpoint (None: the shipped one) and count.

    `corpora`: data folders to read, by default all that are there, or data of one's own. `held`: which share
    of them is held out, by default what the checkpoints' manifests say. `scorer`: scores gold entities, for
    relations of whole documents. `on_progress` hears of texts read and all.
    Raises `CheckpointError` for what is no checkpoint, and for data that is missing or cannot be read.
    """
    both = [_opened(one) for one in ((checkpoint,) if against is None else (checkpoint, against))]
    for each in both:
        each.require_heads()
    kept = [held] if held is not None else [held_by(each) for each in both]
    selection = select(data_root, corpora, part, kept)
    if len(set(kept)) > 1 and part != "all":
        shares = " and ".join(f"{one.share:g} by {one.seed}" for one in kept)
        selection.skipped.append(f"what is {part} for one of both checkpoints alone; they hold out {shares}")
    read = _Reading(selection, device, precision, scorer, len(both), on_progress)
    first, *others = [read.measured(each) for each in both]
    _link(first, selection, data_root)
    told = _Telling(first, others[0] if others else None, precision, resamples)
    return told.report(selection, part, kept[0])


def _opened(checkpoint: str | Path | None) -> Checkpoint:
    """With the heads that a record has by default."""
    return switched(open_checkpoint(checkpoint), None)


@dataclass
class _Reading:
    """Reads the selected documents, with one checkpoint after the other."""

    selection: Selection
    device: str
    precision: Precision
    scorer: ScorerOf | None
    times: int
    on_progress: OnProgress
    done: int = 0

    def measured(self, checkpoint: Checkpoint) -> Measured:
        can, found = abilities(checkpoint), Measured(checkpoint)
        finish = Finish.of(checkpoint, links=False)
        with Annotator(checkpoint, self.device, self.precision, finish) as annotator:
            for corpus, documents in self.selection.documents.items():
                pairs = list(zip(documents, self._read(annotator, documents), strict=True))
                _count(found, corpus, pairs, can)
        self._score(found, can)
        return found

    def _read(self, annotator: Annotator, documents: Sequence[Document]) -> Iterator[Annotation]:
        for at in range(0, len(documents), TOGETHER):
            notes = [Note(id=d.id, text=d.text) for d in documents[at : at + TOGETHER]]
            for record in annotator.annotate_many(notes):
                if not isinstance(record, Annotation):
                    raise CheckpointError(f"a document of {documents[0].corpus} could not be read: {record}")
                yield record
            self.done += len(notes)
            self.on_progress(self.done, self.times * len(self.selection))

    def _score(self, found: Measured, can: Abilities) -> None:
        """Gold entities, where the checkpoint has a head for their relations and somebody asks it."""
        scorer: RelationScorer | None = None
        for corpus, documents in self.selection.documents.items():
            related = {category for document in documents for category, *_ in document.code_pairs}
            if not related & can.relations:
                continue
            if self.scorer is None:
                found.missing[f"{corpus}/{gold.PAIRS}"] = "gold entities cannot be scored here"
                continue
            scorer = scorer or self.scorer(found.checkpoint, self.device, self.precision)
            found.add(gold.related_codes(corpus, documents, scorer))


def _count(found: Measured, corpus: str, pairs: Sequence[Pair], can: Abilities) -> None:
    for measure in measures(corpus, pairs, can):
        found.add(measure)
    for head, answer in answers(corpus, pairs, can):
        found.answers[head].append(answer)


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

    def report(self, selection: Selection, part: Part, held: Held) -> Report:
        calibrated = tuple(self._calibrations())
        against = None if self.second is None else self.second.measures
        missing = selection.why | self.first.missing
        rows = reached(self.first.measures, against, missing, self.resamples)
        return Report(
            **self._identity(self.first),
            part=part,
            seed=held.seed,
            share=held.share,
            documents=len(selection),
            resamples=self.resamples,
            goals=(*rows, *_of_the_whole(self.first.checkpoint, calibrated)),
            tables=tuple(table(measure, self.resamples) for measure in self.first.measures.values()),
            calibration=calibrated,
            skipped=tuple(selection.skipped),
            against=None if self.second is None else self._identity(self.second),
            comparisons=() if self.second is None else tuple(self._comparisons(self.second)),
        )

    def _identity(self, found: Measured) -> dict[str, str]:
        one = found.checkpoint.in_precision(self.precision).pipeline
        whose = {"name": one.name, "version": one.version, "fingerprint": one.fingerprint}
        return whose | {"precision": self.precision}

    def _calibrations(self) -> Iterator[Calibration]:
        for head, own in sorted(self.first.answers.items()):
            corpora = sorted({answer.group.partition("/")[0] for answer in own})
            yield calibration(head, corpora, own, self.resamples)

    def _comparisons(self, second: Measured) -> Iterator[Comparison]:
        for key, one in self.first.measures.items():
            two = second.measures.get(key)
            if two is not None:
                for of in (MICRO, MACRO) if len(one.tally.labels) > 1 else (MICRO,):
                    shown = compared(one, two, of, self.resamples)
                    yield Comparison(*key, of, len(one.tally.groups), shown)


def _of_the_whole(checkpoint: Checkpoint, calibrated: Sequence[Calibration]) -> Iterator[Row]:
    """What is no figure of a corpus: calibration, size, and what the storage format costs."""
    entities = next((one for one in calibrated if one.head == "entities"), None)
    task = "calibration error of entities (15 bins of equal mass)"
    if entities is None:
        yield Row(task, 5.0, "%", True, Figure(None), 0, 0, "no head")
    else:
        counted = entities.answers, entities.documents
        yield Row(task, 5.0, "%", True, percent(entities.equal_mass), *counted)
    files = (path for path in checkpoint.folder.iterdir() if path.is_file())
    size = sum(path.stat().st_size for path in files if not path.name.endswith(ACCEPTED)) / 1e6
    yield Row("size", 25.0, "MB", True, Figure(size), 0, 0)
    stored: Mapping[str, object] = from_manifest(checkpoint, "storage")
    loss, on = stored.get("f1_loss"), str(stored.get("on", ""))
    task = "F1 lost to the storage format"
    if isinstance(loss, int | float):
        yield Row(task, 0.4, "points", True, Figure(float(loss)), 0, 0, f"as its manifest says: {on}")
    else:
        yield Row(task, 0.4, "points", True, Figure(None), 0, 0, "its manifest does not say")
