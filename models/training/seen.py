"""Names by which annotators of abstracts meant what a terminology calls otherwise: "nephrotoxic".

Only from documents that are not held out, and only names that the terminology does not have itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from models.corpora.scheme import Document
from models.linking.forms import words
from models.linking.grams import Grams
from models.linking.index import joined, normal
from models.terminology.terms import Concept

MISLEADING = Path(__file__).with_name("misleading.txt")
AGREED = 0.75
"""Share of a name's documents that must mean the same by it."""
LONGEST_WORD, MOST_WORDS = 5, 6
"""Letters of a word that a name must have (abbreviations mean many things), and how many words at most."""


def with_seen(
    concepts: Sequence[Concept],
    documents: Iterable[Document],
    category: str,
    targets: Mapping[str, frozenset[str]],
) -> list[Concept]:
    """`targets`: by code of the documents, those of the terminology. Of several the one that has the name
    most like the one seen gets it, then the one with the shortest name."""
    names = {name for concept in concepts for name in _names(concept)}
    known = {normal(name) for name in names} | {joined(name) for name in names}
    by_code = {concept.code: concept for concept in concepts}
    seen: dict[str, list[str]] = defaultdict(list)
    misleading = {normal(line) for line in MISLEADING.read_text(encoding="utf-8").splitlines()}
    for name, code in _agreed(documents, category):
        if normal(name) not in misleading and code in targets and not {normal(name), joined(name)} & known:
            seen[_closest(name, [by_code[target] for target in sorted(targets[code])])].append(name)
    return [concept._replace(seen=tuple(seen.get(concept.code, ()))) for concept in concepts]


def _names(concept: Concept) -> tuple[str, ...]:
    return (concept.name, *concept.aliases, *concept.related)


def _agreed(documents: Iterable[Document], category: str) -> Iterable[tuple[str, str]]:
    """(name, code of the documents) where nearly all documents mean that code by it."""
    meant: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    written: dict[str, Counter[str]] = defaultdict(Counter)
    for document in documents:
        for span in document.spans:
            if category in span.allowed and len(span.codes) == 1:
                text = " ".join(document.text[span.start : span.end].split()).lower()
                meant[normal(text)][span.codes[0]].add(document.id)
                written[normal(text)][text] += 1
    for key, codes in sorted(meant.items()):
        code, those = max(sorted(codes.items()), key=lambda item: len(item[1]))
        spelled = key.split()
        usual = len(spelled) <= MOST_WORDS and max(map(len, spelled), default=0) >= LONGEST_WORD
        if usual and len(those) >= AGREED * sum(map(len, codes.values())):
            name = min(written[key].items(), key=lambda item: (-item[1], item[0]))[0]
            yield name.replace("|", " "), code


def _closest(name: str, concepts: Sequence[Concept]) -> str:
    """Whose name is most like it."""
    owned = [(each, concept) for concept in concepts for each in _names(concept)]
    grams = Grams([" ".join(words(each)) for each, _ in owned])
    likeness = dict(grams.nearest(" ".join(words(name)), len(owned)))
    best = max(
        range(len(owned)), key=lambda place: (likeness.get(place, 0.0), -len(owned[place][1].name), -place)
    )
    return owned[best][1].code
