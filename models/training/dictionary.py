"""Names for the feature dictionary, from vocabularies that are free to ship."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from models.features import ABBREVIATION
from models.training.terminologies import read_additions

LONGEST, SHORTEST = 40, 4
VAGUE = re.compile(
    r"\b(?:unspecified|other|not elsewhere classified|without|due to|and|with|initial|NEC|NOS)\b"
)
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 ,'/+-]*[A-Za-z0-9]")
OF_TWO = frozenset({"AF", "CF", "CP", "DM", "HF", "MI", "MS", "OA", "PE", "RA", "TB", "UC", "VT"})
"""Abbreviations of two letters that mostly mean one thing."""
GENES = frozenset({"APC", "DMD", "FRDA", "MEN1", "PAH", "VHL"})
"""What names a disease and its gene."""


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


def shorthand() -> list[tuple[str, str]]:
    """What clinicians write of `models/terminologies/additions.tsv`: abbreviations of problems, as they are
    written, and other names of drugs."""
    kept = set()
    for system, _, names in read_additions():
        for name in names:
            abbreviated = ABBREVIATION.fullmatch(name) and (len(name) > 2 or name in OF_TWO)
            if system == "DRUGBANK":
                if name[0].isupper() and 2 < len(name) <= LONGEST and PLAIN.fullmatch(name):
                    kept.add(("drug", name if abbreviated else name.lower()))
            elif abbreviated and name not in GENES:
                kept.add(("disease", name))
    return sorted(kept)


def names_for(root: Path) -> list[tuple[str, str]]:
    """All that the dictionary holds, in order."""
    return sorted({*usable(read_vocabularies(root)), *shorthand()})


def write_dictionary(names: Iterable[tuple[str, str]], path: Path) -> None:
    """`dictionary.tsv.gz`, the same bytes for the same names."""
    content = "".join(f"{kind}\t{name}\n" for kind, name in names).encode()
    path.write_bytes(gzip.compress(content, compresslevel=9, mtime=0))


def read_dictionary(path: Path) -> list[tuple[str, str]]:
    """The names that `write_dictionary` wrote."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return [(kind, name) for kind, _, name in (line.partition("\t") for line in lines)]
