"""Raw texts of the data folders: what a trunk reads on when it is pre-trained further.

Every text has the id of its document, so that what is held out there is held out here.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Texts = Iterator[tuple[str, str]]
"""Ids and texts."""


def _pubtator(folder: Path) -> Texts:
    for path in sorted(folder.glob("*.pubtator.txt")):
        for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
            (identity, _, title), (_, _, abstract) = (
                line.split("|", 2) for line in block.strip("\n").split("\n")[:2]
            )
            yield identity, f"{title} {abstract}"


def _brat(folder: Path) -> Texts:
    for path in sorted((folder / "brat").glob("*.txt")):
        yield path.stem, path.read_text(encoding="utf-8")


def _phee(folder: Path) -> Texts:
    for row in _rows(folder, "*.jsonl"):
        yield row["id"].partition("_")[0], row["context"]


def _mtsamples(folder: Path) -> Texts:
    for row in _rows(folder, "notes.jsonl"):
        yield row["id"], f"{row['description']}\n{row['text']}"


def _pubmedqa(folder: Path) -> Texts:
    for path in sorted(folder.glob("*.json")):
        for identity, row in json.loads(path.read_text(encoding="utf-8")).items():
            yield identity, " ".join([row["QUESTION"], *row["CONTEXTS"], row["LONG_ANSWER"]])


def _medquad(folder: Path) -> Texts:
    for row in _rows(folder, "docs.jsonl"):
        yield row["id"], "\n".join(f"{qa['question']} {qa['answer']}" for qa in row["qas"])


def _covid_qa(folder: Path) -> Texts:
    for path in sorted(folder.glob("*.json")):
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                yield str(paragraph["document_id"]), paragraph["context"]


def _mts_dialog(folder: Path) -> Texts:
    for path, row in _tables(folder, ("train.csv", "validation.csv")):
        yield f"mts-dialog-{path.stem}-{row['ID']}", f"{row['section_text']}\n{row['dialogue']}"


def _aci_bench(folder: Path) -> Texts:
    for _, row in _tables(folder, ("train.csv", "valid.csv")):
        yield row["encounter_id"], f"{row['note']}\n{row['dialogue']}"


def _hpo_gsc(folder: Path) -> Texts:
    for path in sorted(folder.glob("*.tsv")):
        for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
            identity, text, *_ = block.split("\n")
            yield identity, text


READERS: dict[str, Callable[[Path], Texts]] = {
    "bc5cdr": _pubtator,
    "ncbi-disease": _pubtator,
    "maccrobat": _brat,
    "phee": _phee,
    "mtsamples": _mtsamples,
    "pubmedqa": _pubmedqa,
    "medquad": _medquad,
    "covid-qa": _covid_qa,
    "mts-dialog": _mts_dialog,
    "aci-bench": _aci_bench,
    "hpo-gsc": _hpo_gsc,
}
"""By name of the data folder."""


def read_texts(root: Path, names: tuple[str, ...] = tuple(READERS)) -> Texts:
    """Ids and texts of the named data folders under `root`. Raises `OSError` for one that is missing."""
    for name in names:
        folder = root / name
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is missing")
        yield from READERS[name](folder)


def _rows(folder: Path, pattern: str) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob(pattern)):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _tables(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[Path, dict[str, str]]]:
    for name in names:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield folder / name, row
