"""Names for the feature dictionary, from vocabularies that are free to ship."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

LONGEST, SHORTEST = 40, 4
VAGUE = re.compile(
    r"\b(?:unspecified|other|not elsewhere classified|without|due to|and|with|initial|NEC|NOS)\b"
)
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 ,'/+-]*[A-Za-z0-9]")


def read_vocabularies(root: Path) -> Iterator[tuple[str, str]]:
    """(kind, name) from `drugbank-vocabulary`, `disease-ontology` and `icd10cm` under `root`."""
    with (root / "drugbank-vocabulary" / "drugbank_vocabulary.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        for row in csv.DictReader(file):
            for name in (row["Common name"], *row["Synonyms"].split(" | ")):
                yield "drug", name
    for row in _rows(root / "disease-ontology" / "doid.tsv"):
        for name in (row["name"], *row["exact_synonyms"].split("|")):
            yield "disease", name
    for row in (*_rows(root / "icd10cm" / "icd10cm2019.tsv"), *_rows(root / "icd10cm" / "categories.tsv")):
        name = row.get("description") or row.get("name") or ""
        if not VAGUE.search(name) and "," not in name:
            yield "disease", name


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def usable(names: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What can match in a note: short plain names in lower case, once each, in order."""
    kept = set()
    for kind, name in names:
        name = " ".join(name.split())
        if SHORTEST <= len(name) <= LONGEST and PLAIN.fullmatch(name):
            kept.add((kind, name.lower()))
    return sorted(kept)


def write_dictionary(names: Iterable[tuple[str, str]], path: Path) -> None:
    """`dictionary.tsv.gz`, the same bytes for the same names."""
    content = "".join(f"{kind}\t{name}\n" for kind, name in names).encode()
    path.write_bytes(gzip.compress(content, compresslevel=9, mtime=0))


def read_dictionary(path: Path) -> list[tuple[str, str]]:
    """The names that `write_dictionary` wrote."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return [(kind, name) for kind, _, name in (line.partition("\t") for line in lines)]
