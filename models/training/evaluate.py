"""A checkpoint's figures on held-out documents, read the whole way that a note is read: sections, passages,
windows, heads, cues and rules. Exact spans unless said otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal

from models.annotator import Annotator
from models.checkpoint import open_checkpoint
from models.errors import CheckpointError
from models.precision import Precision
from models.training.config import TrainConfig, read_config
from models.corpora.folders import read_all
from models.corpora.scheme import CATEGORIES, PROBLEM, Document, held_out
from models.training.scores import Report, Score, Table
from models.types import AXES, Annotation, Entity, Note

Part = Literal["held-out", "training", "all"]
Place = tuple[int, int, str]

DEFAULT_CONFIG = Path(__file__).with_name("clinical-mini.toml")
COLLAPSED = {
    **{category: category for category in CATEGORIES},
    **dict.fromkeys(PROBLEM, "PROBLEM"),
}
EXACT = "the exact span"
"""How a count begins whose precision means something: all of its kind is labelled."""
TOGETHER = 64


def run(
    checkpoint: str | Path | None,
    data_root: Path,
    parts: Part = "held-out",
    *,
    config: TrainConfig | Path = DEFAULT_CONFIG,
    device: str = "auto",
    precision: Precision = "fp32",
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Report:
    """Read the documents of `parts` with a checkpoint (None: the shipped one) and count.

    `config` says which corpora and which seeded share of them is held out. `on_progress` hears of documents
    done and all. Raises `CheckpointError` for what is no checkpoint and `OSError` for missing data.
    """
    recipe = read_config(config) if isinstance(config, Path) else config
    documents = [d for d in read_all(data_root, list(recipe.corpora)) if _wanted(d, recipe, parts)]
    opened = open_checkpoint(checkpoint)
    with Annotator(opened, device, precision) as annotator:
        records = _annotate(annotator, documents, on_progress)
    tables: list[Table] = []
    for corpus, group in groupby(zip(documents, records, strict=True), key=lambda pair: pair[0].corpus):
        tables += _tables(corpus, list(group))
    held, identity = recipe.held_out, opened.in_precision(precision).pipeline
    return Report(
        identity.name,
        identity.version,
        identity.fingerprint,
        precision,
        parts,
        held.seed,
        held.share,
        tuple(tables),
    )


def _wanted(document: Document, config: TrainConfig, parts: Part) -> bool:
    kept = held_out(document.id, config.held_out.seed, config.held_out.share)
    return parts == "all" or kept == (parts == "held-out")


def _annotate(
    annotator: Annotator, documents: Sequence[Document], on_progress: Callable[[int, int], None]
) -> list[Annotation]:
    records: list[Annotation] = []
    for at in range(0, len(documents), TOGETHER):
        notes = [Note(id=d.id, text=d.text) for d in documents[at : at + TOGETHER]]
        for record in annotator.annotate_many(notes):
            if not isinstance(record, Annotation):
                raise CheckpointError(f"a held-out document could not be read: {record}")
            records.append(record)
        on_progress(len(records), len(documents))
    return records


Pairs = list[tuple[Document, Annotation]]


def _tables(corpus: str, pairs: Pairs) -> Iterable[Table]:
    """What each corpus can be held against."""
    covered = pairs[0][0].covered
    if covered == frozenset(CATEGORIES):
        names = {category: category for category in CATEGORIES}
        yield _entities(corpus, pairs, names, f"{EXACT} and category")
        yield _entities(corpus, pairs, COLLAPSED, f"{EXACT}; DISEASE and SIGN_OR_SYMPTOM are one")
    elif covered:
        what = f"{EXACT}; a problem is DISEASE or SIGN_OR_SYMPTOM"
        yield _entities(corpus, pairs, {c: COLLAPSED[c] for c in covered}, what)
    if corpus == "phee":
        yield _recalled(corpus, pairs)
    if corpus == "negex":
        yield from _assertions(corpus, pairs)


def _entities(corpus: str, pairs: Pairs, names: dict[str, str], what: str) -> Table:
    """Precision and recall of spans, under the names that categories go by in this task."""
    gold: Counter[str] = Counter()
    found: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for document, record in pairs:
        wanted = {
            place for span in document.spans for place in _gold(span.start, span.end, span.allowed, names)
        }
        named = {
            (e.span.start, e.span.end, names[e.category]) for e in record.entities if e.category in names
        }
        gold.update(label for *_, label in wanted)
        found.update(label for *_, label in named)
        right.update(label for *_, label in wanted & named)
    labels = sorted(set(names.values()), key=lambda label: (-gold[label], label))
    scores = tuple(Score(label, gold[label], found[label], right[label]) for label in labels)
    return Table(corpus, "entities", what, len(pairs), scores)


def _gold(start: int, end: int, allowed: frozenset[str], names: dict[str, str]) -> set[Place]:
    """A labelled span under a task's names; nothing where the corpus does not know what it is."""
    return {(start, end, names[category]) for category in allowed if category in names}


def _recalled(corpus: str, pairs: Pairs) -> Table:
    """Recall of arguments of events: the rest of such a sentence is not labelled."""
    names = {category: COLLAPSED[category] for category in CATEGORIES}
    table = _entities(
        corpus, pairs, names, "recall alone means something: only arguments of events are labelled"
    )
    scores = tuple(s for s in table.scores if s.gold)
    return Table(corpus, "entities", table.what, len(pairs), scores)


def _assertions(corpus: str, pairs: Pairs) -> Iterable[Table]:
    """Values of concepts that were found: for each, what the entity that overlaps it most is asserted as."""
    concepts = sum(len(document.judged) for document, _ in pairs)
    judged = [
        (span.axes, entity.assertion)
        for document, record in pairs
        for span in document.judged
        if (entity := _overlapping(span.start, span.end, record.entities)) is not None
    ]
    what = f"on {len(judged)} found of {concepts} concepts"
    for axis, value in (
        ("certainty", "negative"),
        ("temporality", "past"),
        ("conditionality", "hypothetical"),
    ):
        at = list(AXES).index(axis)
        values = [(axes[at], getattr(assertion, axis)) for axes, assertion in judged]
        labelled = [(left, said) for left, said in values if left != frozenset(AXES[axis])]
        gold = sum(left == {value} for left, _ in labelled)
        found = sum(said == value for _, said in labelled)
        right = sum(left == {value} and said == value for left, said in labelled)
        yield Table(corpus, axis, what, len(pairs), (Score(value, gold, found, right),))


def _overlapping(start: int, end: int, entities: Sequence[Entity]) -> Entity | None:
    shared = [(min(end, e.span.end) - max(start, e.span.start), e) for e in entities]
    best = max(shared, key=lambda pair: pair[0], default=(0, None))
    return best[1] if best[0] > 0 else None
