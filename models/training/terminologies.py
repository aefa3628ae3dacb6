"""Makes models/terminologies/*.tsv.gz from vocabularies that are free to ship; the same bytes every time.

    python -m models.training.terminologies ../shared/data

Names are kept as their sources write them, but for marks that no note holds (semantic tags, NOS, brackets).
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from models.corpora.folders import read_all
from models.corpora.scheme import held_out
from models.evaluation.linking import read_cross_references
from models.terminology.shipped import FOLDER, SHIPPED, pack
from models.terminology.terms import Concept
from models.training.seen import with_seen

LONGEST = 80
"""Characters of a name; longer ones are structural formulas in words."""
ADDITIONS = FOLDER / "additions.tsv"
CORPORA = ("bc5cdr", "ncbi-disease")
HELD_OUT_SEED, HELD_OUT_SHARE = "clinical-mini-1", 0.1

_TAGS = re.compile(
    r"\s*(?:\((?:disorder|morphologic abnormality|finding|qualifier value)\)|\[(?:dup|Ambiguous|D)\])"
)
_NOS = re.compile(r"[, ]+NOS$")
_BROKEN = re.compile(r"[\[\]|]|\(&|\) or \(")
_ASIDE = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")
_LAST_ASIDE = re.compile(r"\[([^\[\]]{4,})\]$")


def drugbank(root: Path) -> list[Concept]:
    with (root / "drugbank-vocabulary" / "drugbank_vocabulary.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        return [
            Concept(row["DrugBank ID"], _tidy(row["Common name"]), _clean(row["Synonyms"].split(" | ")))
            for row in csv.DictReader(file)
        ]


def disease_ontology(root: Path) -> list[Concept]:
    """With one correction: favism bears the name of its parent, the deficiency of an enzyme."""
    return [
        _favism(concept) if concept.code == "DOID:13628" else concept for concept in _disease_ontology(root)
    ]


def _favism(concept: Concept) -> Concept:
    """As its cross-references say (MeSH D005236, UMLS C0015702)."""
    return Concept(concept.code, "favism")


def _disease_ontology(root: Path) -> list[Concept]:
    return [
        Concept(
            row["id"],
            _tidy(row["name"]),
            _clean(row["exact_synonyms"].split("|")),
            _clean(row["other_synonyms"].split("|")),
        )
        for row in _rows(root / "disease-ontology" / "doid.tsv")
    ]


def icd10cm(root: Path) -> list[Concept]:
    """Codes with their dots. What a name says in brackets, or of being unspecified, may be left unsaid."""
    names = {row["code"]: _tidy(row["description"]) for row in _rows(root / "icd10cm" / "icd10cm2019.tsv")}
    others = {row["category"]: _tidy(row["name"]) for row in _rows(root / "icd10cm" / "categories.tsv")}
    taken = {name.lower() for name in names.values()}
    concepts = []
    for code, name in names.items():
        plainer = _ASIDE.sub("", name).strip()
        aliases = [plainer, others.get(code, name), *_LAST_ASIDE.findall(name)]
        concepts.append(Concept(_dotted(code), name, _clean(aliases), _clean(_unsaid(plainer, taken))))
    return concepts


def _dotted(code: str) -> str:
    return code if len(code) <= 3 else f"{code[:3]}.{code[3:]}"


def _unsaid(name: str, taken: set[str]) -> Iterator[str]:
    """A name without its "unspecified", unless that is another code's name; each only once."""
    for shorter in (name.removesuffix(", unspecified"), name.removeprefix("Unspecified ")):
        if shorter != name and shorter.lower() not in taken:
            taken.add(shorter.lower())
            yield shorter


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def _tidy(name: str) -> str:
    return " ".join(name.replace("|", " ").split())


def _clean(names: Iterable[str]) -> tuple[str, ...]:
    """Names that a note may hold."""
    kept = []
    for name in names:
        name = _NOS.sub("", " ".join(_TAGS.sub("", name).split()))
        if 2 <= len(name) <= LONGEST and not _BROKEN.search(name):
            kept.append(name)
    return tuple(kept)


def read_additions(path: Path = ADDITIONS) -> Iterator[tuple[str, str, list[str]]]:
    """System, code or preferred name, and other names of every line."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            system, target, names = line.split("\t")
            yield system, target, names.split("|")


def with_additions(system: str, concepts: list[Concept], path: Path = ADDITIONS) -> list[Concept]:
    """With the related names that `path` adds: lines of system, code or preferred name, names joined by "|".

    Raises `ValueError` for a code or name that is none.
    """
    more: dict[str, list[str]] = {}
    for of, target, names in read_additions(path):
        if of == system:
            more.setdefault(target, []).extend(names)
    unknown = more.keys() - {key for concept in concepts for key in (concept.code, concept.name)}
    if unknown:
        raise ValueError(f"{path}: no codes or names of {system}: {', '.join(sorted(unknown))}")
    return [
        concept._replace(related=(*concept.related, *more.get(concept.code, ()), *more.get(concept.name, ())))
        for concept in concepts
    ]


READERS = {"DRUGBANK": drugbank, "DOID": disease_ontology, "ICD10CM": icd10cm}


def build(root: Path, folder: Path) -> None:
    """Writes one file a system. Names seen are learned from documents that are not held out."""
    ontology = read_cross_references(root / "disease-ontology" / "doid.tsv")
    documents = [
        document
        for document in read_all(root, CORPORA)
        if not held_out(document.id, HELD_OUT_SEED, HELD_OUT_SHARE)
    ]
    for system in SHIPPED:
        concepts = with_additions(system, READERS[system](root))
        if system == "DOID":
            concepts = with_seen(concepts, documents, "DISEASE", ontology.trusted)
        (folder / f"{system.lower()}.tsv.gz").write_bytes(pack(concepts))


if __name__ == "__main__":
    build(Path(sys.argv[1]), FOLDER)
