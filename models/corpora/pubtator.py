"""BC5CDR and NCBI Disease, in PubTator format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.corpora import pubtator_own
from models.corpora.problems import Problems
from models.corpora.scheme import MEDICATION, PROBLEM, Document, Labelled, without_overlaps

PUBTATOR = {
    "Chemical": MEDICATION, "Disease": PROBLEM,
    "SpecificDisease": PROBLEM, "DiseaseClass": PROBLEM, "Modifier": PROBLEM, "CompositeMention": PROBLEM,
}  # fmt: skip


def read_bc5cdr(folder: Path) -> Iterator[Document]:
    """Chemicals and diseases with MeSH codes; of an abstract, which chemical induced which disease."""
    yield from _read(folder, "bc5cdr", PROBLEM | MEDICATION)


def read_ncbi(folder: Path) -> Iterator[Document]:
    """Diseases with MeSH and OMIM codes."""
    yield from _read(folder, "ncbi-disease", PROBLEM)


def _read(folder: Path, corpus: str, covered: frozenset[str]) -> Iterator[Document]:
    for path in sorted(folder.glob("*.txt")):
        if ".pubtator" in path.name:
            yield from read_pubtator(path, corpus, covered)


def read_pubtator(path: Path, corpus: str, covered: frozenset[str]) -> Iterator[Document]:
    """Documents in the scheme's categories. Raises `DataError` for a file that is no PubTator."""
    problems = Problems()
    for raw in pubtator_own.read(path, problems):
        yield Document(
            corpus,
            raw.id,
            raw.text,
            without_overlaps(
                Labelled(span.start, span.end, PUBTATOR[span.label], codes=span.codes)
                for span in raw.spans or ()
            ),
            covered,
            code_pairs=frozenset(
                ("ADVERSE_EFFECT_OF", disease, drug) for label, drug, disease in raw.pairs if label == "CID"
            ),
        )
    problems.stop(path, at=("fatal", "skipped"))
