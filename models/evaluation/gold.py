"""What is asked of gold mentions, not of a record: which code each is, and which codes a document relates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.corpora.scheme import Document
from models.evaluation import linking
from models.evaluation.counts import Threes, tally
from models.evaluation.measures import Measure
from models.evaluation.related import RelationScorer, by_code, code_pairs
from models.linking import Linker
from models.terminology import ALIAS, Terminology

DOID, DRUGBANK = "DOID", "DRUGBANK"
PAIRS = "relations of codes"
LINKED = "linking to"
FINER = ", or finer"
CROSS_REFERENCES = Path("disease-ontology") / "doid.tsv"


def related_codes(corpus: str, documents: Sequence[Document], scorer: RelationScorer) -> Measure:
    """Relations of whole documents between gold entities: see `code_pairs`."""
    rows: list[tuple[str, Threes]] = []
    for document in documents:
        named = sorted((span for span in document.spans if span.codes), key=lambda span: span.place)
        pairs = code_pairs(named, scorer.score(document.text, named))
        rows.append((document.id, by_code(document, pairs, scorer.threshold)))
    labels = {category for document in documents for category, *_ in document.code_pairs}
    what = "pairs of codes that a whole document relates, given its entities and their codes"
    return Measure(corpus, PAIRS, what, len(documents), tally(rows, labels))


@dataclass(frozen=True)
class Linking:
    """The linker, and DrugBank's codes by its names in lower case."""

    linker: Linker
    drugs: Mapping[str, frozenset[str]] = field(repr=False)

    @classmethod
    def of(cls, terminologies: Sequence[Terminology]) -> Linking:
        codes: dict[str, set[str]] = {}
        for one in terminologies:
            if one.system == DRUGBANK:
                for name, owner, kind in zip(one.names, one.owners.tolist(), one.kinds.tolist(), strict=True):
                    if kind <= ALIAS:
                        codes.setdefault(" ".join(name.casefold().split()), set()).add(one.codes[owner])
        return cls(Linker(terminologies), {name: frozenset(own) for name, own in codes.items()})


def linked(
    corpus: str, documents: Sequence[Document], whole: Sequence[Document], root: Path, by: Linking
) -> Iterator[Measure]:
    """The first link of each gold mention, to each system that has any; to the Disease Ontology where its
    cross-references lie under `root`. `whole`: all of the corpus, which says by what names it calls what."""
    if corpus == "bc5cdr":
        targets = linking.named(whole, by.drugs, "MEDICATION")
        yield _accuracy(corpus, documents, by.linker, DRUGBANK, targets, "MEDICATION")
    if (root / CROSS_REFERENCES).is_file():
        ontology = linking.read_cross_references(root / CROSS_REFERENCES)
        yield _accuracy(corpus, documents, by.linker, DOID, ontology.targets, "DISEASE")
        what = "the first link of gold mentions; terms without cross-references stand for their nearest"
        yield _accuracy(corpus, documents, by.linker, DOID, ontology.targets, "DISEASE", ontology, what)


def _accuracy(
    corpus: str,
    documents: Sequence[Document],
    linker: Linker,
    system: str,
    targets: linking.Targets,
    category: str,
    ontology: linking.Ontology | None = None,
    what: str = "the first link of gold mentions whose code the system has",
) -> Measure:
    def count(document: Document) -> tuple[int, int, int]:
        own = linking.measure([document], linker, system, targets, category, ontology)
        return own.asked, own.linked, own.right

    rows = ((document.id, {category: count(document)}) for document in documents)
    task = f"{LINKED} {system}" + (FINER if ontology else "")
    return Measure(corpus, task, what, len(documents), tally(rows, [category]), "accuracy")
