"""Which documents are read: of each data folder, those that the checkpoints were, or were not, trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from models.checkpoint import Checkpoint
from models.corpora.folders import READERS, read_corpus
from models.corpora.own import read_own
from models.corpora.problems import DataError, told
from models.corpora.scheme import Document, held_out
from models.errors import CheckpointError
from models.manifest import MANIFEST

Part = Literal["held-out", "training", "all"]
PARTS: tuple[Part, ...] = ("held-out", "training", "all")
OWN = "own"
"""The corpus that data of a user's own is called."""
FEW_LINES = 3
"""Problems that an error names."""
NOT_ASKED = "not among the corpora that were read"
UNSEEN = frozenset({"negex"})
"""Corpora that repeat themselves: of their held-out texts, those that are also trained on are left out."""


@dataclass(frozen=True)
class Held:
    """Documents kept from training: those whose seeded hash falls below `share`."""

    seed: str = "clinical-mini-1"
    share: float = 0.1


@dataclass(frozen=True)
class Selection:
    """By corpus: the documents of the part, and all that there are. `why`: by corpus that has none, why;
    `skipped`: lines for people."""

    documents: dict[str, list[Document]] = field(default_factory=dict, repr=False)
    whole: dict[str, list[Document]] = field(default_factory=dict, repr=False)
    why: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.documents.values()))


def held_by(checkpoint: Checkpoint) -> Held:
    """What its manifest says was kept from its training; of others, what is kept by default."""
    told = from_manifest(checkpoint, "training").get("held_out", {})
    try:
        return msgspec.convert(told, Held)
    except msgspec.ValidationError:
        return Held()


def fitted_by(checkpoint: Checkpoint) -> Held | None:
    """Which of its held-out documents confidences and thresholds were fitted to, as its manifest says."""
    told = from_manifest(checkpoint, "settled")
    try:
        return msgspec.convert(told, Held) if told else None
    except msgspec.ValidationError:
        return None


def from_manifest(checkpoint: Checkpoint, key: str) -> dict[str, Any]:
    """What a manifest says besides what every one has to; empty where it says nothing."""
    if checkpoint.layout != "streamer":
        return {}
    told = msgspec.json.decode((checkpoint.folder / MANIFEST).read_bytes()).get(key, {})
    return told if isinstance(told, dict) else {}


def select(root: Path, names: Sequence[str], part: Part, held: Sequence[Held]) -> Selection:
    """Documents of the named corpora, without names of all whose folders there are; where there are none of
    them, `root` is read as data of a user's own.

    "held-out" is what every one of `held` holds, "training" what none of them does. Raises `CheckpointError`
    for a name that is none, for a folder that cannot be read, and where there is no folder at all.
    """
    unknown = [name for name in names if name not in READERS]
    if unknown:
        raise CheckpointError(f"no corpus is called {', '.join(unknown)}; there are {', '.join(READERS)}")
    selection = Selection()
    if not names and not any((root / folder).is_dir() for folder, _ in READERS.values()):
        _own(selection, root, part, held)
    chosen = () if selection.whole else names or tuple(READERS)
    for name in chosen:
        _take(selection, root, name, part, held)
    if not selection.whole:
        told = "; ".join(f"{name}: {why}" for name, why in selection.why.items())
        raise CheckpointError(
            f"no labelled documents: {told}; --data names the folder that holds the data sets"
        )
    for name in READERS.keys() - selection.whole.keys() - selection.why.keys():
        selection.why[name] = NOT_ASKED
    return selection


def _take(selection: Selection, root: Path, name: str, part: Part, held: Sequence[Held]) -> None:
    """A corpus, unless its folder or a file in it is missing."""
    folder = root / READERS[name][0]
    if not folder.is_dir():
        _skip(selection, name, f"{folder} is missing")
        return
    try:
        documents = list(read_corpus(root, name))
    except FileNotFoundError as error:
        _skip(selection, name, f"{folder} has no {Path(error.filename).name}")
        return
    except (OSError, ValueError, LookupError) as error:  # its text may quote a document
        what = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise CheckpointError(
            f"{folder} cannot be read as {name} ({what}); fetch it again, or leave it out with --corpora"
        ) from None
    if documents:
        _add(selection, name, documents, part, held)
    else:
        _skip(selection, name, f"{folder} holds no file of it")


def _add(
    selection: Selection, name: str, documents: list[Document], part: Part, held: Sequence[Held]
) -> None:
    sides = [[held_out(d.id, one.seed, one.share) for one in held] for d in documents]
    wanted = [_wanted(part, side) for side in sides]
    kept = [document for document, keep in zip(documents, wanted, strict=True) if keep]
    if part == "held-out" and name in UNSEEN:
        seen = {_plain(d.text) for d, side in zip(documents, sides, strict=True) if not all(side)}
        unseen = [document for document in kept if _plain(document.text) not in seen]
        if len(unseen) < len(kept):
            left = len(kept) - len(unseen)
            selection.skipped.append(
                f"{name}: {left} of {len(kept)} texts left out: they are trained on as well"
            )
        kept = unseen
    selection.whole[name] = documents
    if kept:
        selection.documents[name] = kept
    else:
        _skip(selection, name, f"none of its {len(documents)} texts is of this part")


def _wanted(part: Part, held: Sequence[bool]) -> bool:
    if part == "all":
        return True
    return all(held) if part == "held-out" else not any(held)


def _own(selection: Selection, root: Path, part: Part, held: Sequence[Held]) -> None:
    """A folder's test part is what it holds out; without one, what training on it would hold out.

    What was left out is said; that there is little to learn from is no matter here.
    """
    try:
        own = read_own(root, corpus=OWN)
    except DataError as error:
        folders = ", ".join(sorted({folder for folder, _ in READERS.values()}))
        why = "; ".join(told((one for one in error.problems if one.kind != "warning"), FEW_LINES))
        raise CheckpointError(
            f"{root} has none of the data sets ({folders}), and as data of your own: {why}"
        ) from None
    train, dev = own.split(held[0].seed, held[0].share)
    documents = {"held-out": own.test or dev, "training": train, "all": own.documents}[part]
    selection.skipped.extend(told(one for one in own.problems if one.kind == "skipped"))
    selection.whole[OWN] = list(own.documents)
    if documents:
        selection.documents[OWN] = list(documents)
    else:
        _skip(selection, OWN, f"none of its {len(own.documents)} texts is of this part")


def _skip(selection: Selection, name: str, why: str) -> None:
    selection.why[name] = why
    selection.skipped.append(f"{name} not read: {why}")


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
