"""What a new checkpoint says of documents that it did not learn from: tables, confusions, calibration, and
where it is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.annotator import Annotator
from models.checkpoint import open_checkpoint
from models.corpora.scheme import Document
from models.evaluation import asserted, classes, spans
from models.evaluation.abilities import Abilities, abilities
from models.evaluation.answered import answers
from models.evaluation.bootstrap import RESAMPLES
from models.evaluation.calibrated import Answer, Calibration, calibration
from models.evaluation.measures import Pair, measures, single
from models.evaluation.report import Table, table
from models.evaluation.spans import Place
from models.finish import Finish
from models.types import AXES, Annotation, Note

TOGETHER = 64
MISSED, SPURIOUS = "not found", "nothing there"
"""In a confusion: what was found of a gold span, what is gold of a found one, where there is none."""


@dataclass(frozen=True)
class Confusion:
    """`counts` [gold label, said label], as often as it occurs; `what`: of what."""

    what: str
    gold: tuple[str, ...]
    said: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Mistake:
    """`gold`, `said`: labels, "" where there is none. Of spans in `text`, `there`: where the gold one is, and
    `found`: where the said one, or of a whole text (`task`). `sure`: the confidence of what was said, 0 where
    nothing was."""

    document: str = field(repr=False)
    gold: str
    said: str
    sure: float
    text: str = field(repr=False)
    there: tuple[int, int] = (0, 0)
    found: tuple[int, int] = (0, 0)
    task: str = ""

    @property
    def start(self) -> int:
        return min(own[0] for own in self._places())

    @property
    def end(self) -> int:
        return max(own[1] for own in self._places())

    def _places(self) -> list[tuple[int, int]]:
        return [own for own in (self.there, self.found) if own[1]] or [(0, 0)]


@dataclass(frozen=True)
class Examined:
    """Of so many documents. Mistakes: the surest first, then what was not found."""

    documents: int
    tables: tuple[Table, ...]
    calibrations: tuple[Calibration, ...]
    confusions: tuple[Confusion, ...]
    mistakes: tuple[Mistake, ...]


def examine(
    folder: Path, documents: Sequence[Document], device: str = "auto", resamples: int = RESAMPLES
) -> Examined:
    """Read the documents with the checkpoint in `folder`. Raises `CheckpointError` and `EngineError`."""
    checkpoint = open_checkpoint(folder)
    with Annotator(checkpoint, device, finish=Finish.of(checkpoint, links=False)) as annotator:
        return examined(list(_read(annotator, documents)), abilities(checkpoint), resamples)


def _read(annotator: Annotator, documents: Sequence[Document]) -> Iterator[Pair]:
    for at in range(0, len(documents), TOGETHER):
        some = documents[at : at + TOGETHER]
        records = annotator.annotate_many([Note(id=own.id, text=own.text) for own in some])
        for document, record in zip(some, records, strict=True):
            if not isinstance(record, Annotation):
                raise record
            yield document, record


def examined(pairs: Sequence[Pair], can: Abilities, resamples: int = RESAMPLES) -> Examined:
    """Of documents of one corpus, with the records of them; `can`: what the checkpoint can be asked for."""
    corpus = pairs[0][0].corpus if pairs else ""
    said: dict[str, list[Answer]] = {}
    for head, answer in answers(corpus, pairs, can):
        said.setdefault(head, []).append(answer)
    return Examined(
        documents=len(pairs),
        tables=tuple(table(measure, resamples) for measure in measures(corpus, pairs, can)),
        calibrations=tuple(calibration(head, [corpus], own, resamples) for head, own in sorted(said.items())),
        confusions=tuple(_confusions(pairs, can)),
        mistakes=tuple(sorted(_mistakes(pairs, can), key=lambda own: (-own.sure, own.document, own.start))),
    )


# --- what is taken for what --------------------------------------------------------------------------


def _confusions(pairs: Sequence[Pair], can: Abilities) -> Iterator[Confusion]:
    both = [own for pair in pairs for own in _aligned(*pair, can)]
    if both:
        counts = Counter((one[2] if one else SPURIOUS, two[2] if two else MISSED) for one, two in both)
        yield _confusion("spans", counts)
    for axis in AXES:
        judged = [j for pair in pairs for j in asserted.judged(*pair) if j.axis == axis and j.said]
        if len({one.label for one in judged}) > 1 and can.categories:
            counts = Counter((next(v for v in AXES[axis] if v in one.left), one.said) for one in judged)
            yield _confusion(axis, counts)
    for task in _lone(pairs, can):
        counts = Counter(
            (next(iter(document.classes[task])), classes.likeliest(classes.confidences(record, task)))
            for document, record in pairs
            if task in document.classes
        )
        yield _confusion(task, counts)


def _confusion(what: str, counts: Counter[tuple[str, str]]) -> Confusion:
    """Labels by how often they are gold; nothing there, nothing found last."""
    often = Counter[str]()
    for (gold, said), number in counts.items():
        often[gold] += number
        often[said] += 0
    order = sorted(often, key=lambda label: (label in (MISSED, SPURIOUS), -often[label], label))
    rows = tuple(label for label in order if label != MISSED)
    columns = tuple(label for label in order if label != SPURIOUS)
    return Confusion(what, rows, columns, tuple(tuple(counts[row, own] for own in columns) for row in rows))


def _lone(pairs: Sequence[Pair], can: Abilities) -> list[str]:
    """Tasks of which every text has just one label."""
    tasks = {task for document, _ in pairs for task in document.classes} & can.tasks.keys()
    return [task for task in sorted(tasks) if single(task, pairs)]


def _aligned(
    document: Document, record: Annotation, can: Abilities
) -> Iterator[tuple[Place | None, Place | None]]:
    """Gold and found spans that overlap, whatever they are called, one to one; then those that are alone."""
    names = {name: name for name in can.categories & document.covered}
    gold = spans.gold_places(document.spans, names)
    found = spans.found_places(record.entities, names)
    ours, theirs = _unnamed(gold), _unnamed(found)
    together = spans.matched(ours, theirs)
    yield from ((ours[one], theirs[two]) for one, two in together)
    yield from ((ours[one], None) for one in ours.keys() - {one for one, _ in together})
    yield from ((None, theirs[two]) for two in theirs.keys() - {two for _, two in together})


def _unnamed(places: Iterable[Place]) -> dict[Place, Place]:
    return {(start, end, ""): (start, end, label) for start, end, label in sorted(places)}


# --- mistakes ----------------------------------------------------------------------------------------


def _mistakes(pairs: Sequence[Pair], can: Abilities) -> Iterator[Mistake]:
    lone = _lone(pairs, can)
    for document, record in pairs:
        sure = {(e.span.start, e.span.end, e.category): e.confidence for e in record.entities}
        for one, two in _aligned(document, record, can):
            if one == two:
                continue
            nothing = (0, 0, "")
            gold, said = one or nothing, two or nothing
            doubt = sure[two] if two else 0.0
            yield Mistake(document.id, gold[2], said[2], doubt, document.text, gold[:2], said[:2])
        for task in sorted(document.classes.keys() & can.tasks.keys()):
            yield from _misread(document, record, task, lone=task in lone)


def _misread(document: Document, record: Annotation, task: str, *, lone: bool) -> Iterator[Mistake]:
    found, gold = classes.confidences(record, task), document.classes[task]
    if lone:
        said = {classes.likeliest(found)}
    else:
        said = {label for label, sure in found.items() if sure >= classes.THRESHOLD}
    if said != gold:
        one, other = (", ".join(sorted(own)) for own in (gold, said))
        wrong = max((found.get(label, 0.0) for label in said - gold), default=0.0)
        yield Mistake(document.id, one, other, wrong, document.text, task=task)
