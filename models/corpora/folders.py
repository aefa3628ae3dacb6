"""The data folders by name, and how the documents in each are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from models.corpora.maccrobat import read_maccrobat
from models.corpora.negex import read_negex
from models.corpora.phee import read_phee
from models.corpora.pubtator import read_bc5cdr, read_ncbi
from models.corpora.scheme import Document

READERS: dict[str, Callable[[Path], Iterator[Document]]] = {
    "bc5cdr": read_bc5cdr,
    "ncbi-disease": read_ncbi,
    "maccrobat": read_maccrobat,
    "phee": read_phee,
    "negex": read_negex,
}


def read_all(root: Path, names: Sequence[str]) -> Iterator[Document]:
    """Every document of the named corpora under `root`, each in the folder of its name.

    Raises `ValueError` for a name that is none, `OSError` for a folder that is missing.
    """
    for name in names:
        if name not in READERS:
            raise ValueError(f"no reader for a corpus named {name!r}; there are {', '.join(READERS)}")
        if not (root / name).is_dir():
            raise FileNotFoundError(f"{root / name} is missing")
        yield from READERS[name](root / name)
