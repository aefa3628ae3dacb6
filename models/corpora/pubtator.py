"""BC5CDR and NCBI Disease, in PubTator format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

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
    """Offsets count into title, space, abstract; codes of one mention are joined by "+" or "|"."""
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.strip("\n").split("\n")
        (identity, _, title), (_, _, abstract) = (line.split("|", 2) for line in lines[:2])
        spans, pairs = [], set()
        for line in lines[2:]:
            fields = line.split("\t")
            if len(fields) >= 5 and fields[1].isdigit():
                codes = re.split(r"[|+]", fields[5]) if len(fields) > 5 else []
                known = tuple(code.strip() for code in codes if code.strip() not in ("", "-1"))
                spans.append(Labelled(int(fields[1]), int(fields[2]), PUBTATOR[fields[4]], codes=known))
            elif fields[1:2] == ["CID"]:
                pairs.add(("ADVERSE_EFFECT_OF", fields[3], fields[2]))
        yield Document(
            corpus,
            identity,
            f"{title} {abstract}",
            without_overlaps(spans),
            covered,
            code_pairs=frozenset(pairs),
        )
