"""How often the first link of a gold mention is right: to a system, where it has what the mention names.

Corpora name mentions in MeSH (and OMIM); systems have codes of their own. What a MeSH code is in a system:
- Disease Ontology: the terms that cross-refer to it (`read_cross_references`).
- DrugBank, which has no cross-references here: by name (`named`). Of the strings by which the corpus mentions
  a MeSH code, those that are a DrugBank name, in any case, each vote for that drug; the drugs with at least
  half the votes of the first are what it is.
A mention counts where at least one of its codes is in the system; it is right if its first link to that
system is to any of them, so that of "breast and ovarian cancer" either will do.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from models.corpora.scheme import Document, Labelled
from models.linking import Linker
from models.types import Link, Span

Targets = Mapping[str, frozenset[str]]
"""By code of the corpus, the codes of the system that are the same."""


MISTAKEN = frozenset({"D012640"})
"""MeSH codes to which a cross-reference of the Disease Ontology is wrong: seizures are no visual epilepsy."""


@dataclass(frozen=True)
class Ontology:
    """A hierarchy and what its terms are elsewhere. `targets`: as it says itself."""

    targets: Targets = field(repr=False)
    parents: Mapping[str, tuple[str, ...]] = field(repr=False)

    @property
    def trusted(self) -> Targets:
        """Without cross-references that are mistaken."""
        return {code: terms for code, terms in self.targets.items() if code not in MISTAKEN}

    @cached_property
    def _referring(self) -> frozenset[str]:
        return frozenset().union(*self.targets.values())

    def nearest(self, code: str) -> frozenset[str]:
        """The term itself where it cross-refers, else the nearest of its ancestors that do."""
        level, seen = {code}, set[str]()
        while level:
            if level & self._referring:
                return frozenset(level & self._referring)
            seen |= level
            level = {parent for each in level for parent in self.parents.get(each, ())} - seen
        return frozenset()


@dataclass(frozen=True)
class Accuracy:
    """Counts of mentions. `asked`: those the system has; `by_document`: right and asked in each."""

    system: str
    asked: int
    linked: int
    right: int
    by_document: tuple[tuple[int, int], ...] = field(repr=False)

    @property
    def share(self) -> float:
        return self.right / self.asked if self.asked else 0.0


def read_cross_references(path: Path) -> Ontology:
    """Of `doid.tsv`: MeSH codes as in PubTator ("D000001"), OMIM codes with their prefix ("OMIM:100100")."""
    targets: dict[str, set[str]] = {}
    parents: dict[str, tuple[str, ...]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            parents[row["id"]] = tuple(filter(None, row["is_a"].split("|")))
            for reference in row["xrefs"].split("|"):
                if reference.startswith(("MSH:", "OMIM:")):
                    targets.setdefault(reference.removeprefix("MSH:"), set()).add(row["id"])
    return Ontology({code: frozenset(terms) for code, terms in targets.items()}, parents)


def named(documents: Iterable[Document], names: Mapping[str, frozenset[str]], category: str) -> Targets:
    """What each code of the corpus is, by the names of its mentions; `names`: codes of the system by name in
    lower case. Mentions of several codes do not vote."""
    votes: dict[str, Counter[str]] = {}
    for document in documents:
        for span in document.spans:
            if category in span.allowed and len(span.codes) == 1:
                text = " ".join(document.text[span.start : span.end].casefold().split())
                votes.setdefault(span.codes[0], Counter()).update(names.get(text, ()))
    return {
        code: frozenset(drug for drug, count in counter.items() if 2 * count >= max(counter.values()))
        for code, counter in votes.items()
        if counter
    }


def measure(
    documents: Iterable[Document],
    linker: Linker,
    system: str,
    targets: Targets,
    category: str,
    ontology: Ontology | None = None,
) -> Accuracy:
    """The first link to `system` of each gold mention whose `allowed` categories have `category`.

    With `ontology`, a link is also right to a term without cross-references whose nearest ancestors with some
    have a code of the mention: the system is finer there than the corpus' own.
    """
    asked = linked = right = 0
    by_document = []
    for document in documents:
        pairs = list(_answers(document, linker, system, targets, category))
        good = sum(_right(link, wanted, ontology) for link, wanted in pairs)
        asked, right = asked + len(pairs), right + good
        linked += sum(link is not None for link, _ in pairs)
        if pairs:
            by_document.append((good, len(pairs)))
    return Accuracy(system, asked, linked, right, tuple(by_document))


def _answers(
    document: Document, linker: Linker, system: str, targets: Targets, category: str
) -> Iterable[tuple[Link | None, frozenset[str]]]:
    spans = [span for span in document.spans if span.allowed]
    links = linker.link(document.text, [_mention(span) for span in spans])
    for span, found in zip(spans, links, strict=True):
        wanted = frozenset().union(*(targets.get(code, frozenset()) for code in span.codes))
        if wanted and category in span.allowed:
            yield next((link for link in found if link.system == system), None), wanted


def _mention(span: Labelled) -> tuple[Span, str]:
    return Span(span.start, span.end), min(span.allowed)


def _right(link: Link | None, wanted: frozenset[str], ontology: Ontology | None) -> bool:
    if link is None:
        return False
    return link.code in wanted or (ontology is not None and bool(ontology.nearest(link.code) & wanted))
