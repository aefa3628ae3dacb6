"""The data folders by name, and how the documents in each are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from models.corpora.maccrobat import read_maccrobat
from models.corpora.mtsamples import read_mtsamples
from models.corpora.negex import read_negex
from models.corpora.phee import read_phee
from models.corpora.phi import read_asq_phi, read_presidio
from models.corpora.pubtator import read_bc5cdr, read_ncbi
from models.corpora.scheme import Document
from models.corpora.sections import mtsamples_sections, read_aci_bench, read_mts_dialog

READERS: dict[str, tuple[str, Callable[[Path], Iterator[Document]]]] = {
    "bc5cdr": ("bc5cdr", read_bc5cdr),
    "ncbi-disease": ("ncbi-disease", read_ncbi),
    "maccrobat": ("maccrobat", read_maccrobat),
    "phee": ("phee", read_phee),
    "negex": ("negex", read_negex),
    "asq-phi": ("asq-phi", read_asq_phi),
    "presidio-pii": ("presidio-pii", read_presidio),
    "mtsamples": ("mtsamples", read_mtsamples),
    "mtsamples-sections": ("mtsamples", mtsamples_sections),
    "mts-dialog": ("mts-dialog", read_mts_dialog),
    "aci-bench": ("aci-bench", read_aci_bench),
}
"""By name of a corpus: its data folder, and who reads it."""


def read_all(root: Path, names: Sequence[str]) -> Iterator[Document]:
    """Every document of the named corpora under `root`.

    Raises `ValueError` for a name that is none, `OSError` for a folder that is missing.
    """
    for name in names:
        yield from read_corpus(root, name)


def read_corpus(root: Path, name: str) -> Iterator[Document]:
    """Every document of one corpus; raises as `read_all`."""
    if name not in READERS:
        raise ValueError(f"no reader for a corpus named {name!r}; there are {', '.join(READERS)}")
    folder, read = READERS[name]
    if not (root / folder).is_dir():
        raise FileNotFoundError(f"{root / folder} is missing")
    yield from read(root / folder)
