"""`manifest.json`: what our layout says of a checkpoint, hashes that seal it, what makes a fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from models.errors import UNREADABLE, CheckpointError, unreadable
from models.shape import EncoderConfig, FileName, Name

MANIFEST = "manifest.json"
ACCEPTED = "-accepted.json"
"""Of a file beside the checkpoint that is no part of it: a measurement of its loss in some precision."""
FORMAT_VERSION = 1
READING_CODE = (
    "answers.py",
    "assemble.py",
    "blocks.py",
    "checkpoint.py",
    "cuda.py",
    "cues.*",
    "encoder.py",
    "engine.py",
    "explanation.py",
    "features.py",
    "finish.py",
    "forward.py",
    "heads/*.py",
    "huggingface.py",
    "kernels*.py",
    "linking/*",
    "manifest.py",
    "mentioned.py",
    "passages.py",
    "phi/*",
    "phrases.py",
    "ranges.py",
    "reader.py",
    "reading.py",
    "reliability.py",
    "requests.py",
    "sections.*",
    "sentences.py",
    "shape.py",
    "span.py",
    "stretches.py",
    "terminologies/*.gz",
    "terminology/*.py",
    "thresholds.py",
    "tokeniser.py",
    "trunk*.py",
    "types.py",
    "viterbi.py",
    "weights.py",
    "wholes.py",
    "windows.py",
    "wire.py",
)
"""Whatever can change an answer: part of the fingerprint, and so of every cache key."""
TRUNK_CODE = ("blocks*.py", "cuda*.py", "encoder*.py", "int8*.py", "kernels*.py", "trunk*.py", "weights.py")
"""How the trunk computes: a measured loss of precision holds for this code alone."""


Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Curve = tuple[float, float]
NEEDED = {
    "entities": ("categories",),
    "token_classes": ("labels", "categories"),
    "text_classes": ("labels", "independent"),
    "sequence_classes": ("labels", "independent"),
    "relations": ("relations",),
    "embedding": ("size",),
}
"""What an entry of `heads` must say, by its kind, for an answer to have a name."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry of `heads` is held to; more is allowed, and the kinds of heads read more of it."""

    name: Name
    kind: str
    layer: Name = "entities"
    categories: tuple[Name, ...] = ()
    exact: bool = False
    alike: tuple[tuple[str, ...], ...] = ()
    silent: tuple[str, ...] = ()
    dependent: tuple[str, ...] = ()
    labels: tuple[Name, ...] = ()
    independent: bool = False
    relations: tuple[tuple[Name, tuple[str, ...], tuple[str, ...]], ...] = ()
    affirmed: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    size: Annotated[int, Meta(ge=0, le=1 << 16)] = 0
    calibration: Curve | dict[str, Curve] = (1.0, 0.0)
    least: dict[str, Annotated[float, Meta(ge=0, le=1)]] = {}
    pieces: tuple[Annotated[int, Meta(ge=0, lt=1 << 31)], ...] = ()


class _Format(msgspec.Struct, frozen=True, rename="camel"):
    """What tells which program can read the rest."""

    format_version: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What `manifest.json` must say; more is allowed (sources, figures, …)."""

    format: Literal["streamer-checkpoint"]
    format_version: int
    name: Name
    version: Name
    encoder: EncoderConfig
    window: int
    overlap: int
    heads: tuple[dict[str, Any], ...]
    files: dict[FileName, Hash]
    sha256: Hash
    precisions: dict[str, dict[str, Any]] = {}

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.window - 2 < self.encoder.max_position_embeddings - 1:
            raise ValueError("window and overlap do not fit each other or the encoder's positions")
        for head in self.heads:
            own = msgspec.convert(head, Head)
            stray = [name for group in own.alike for name in group if name not in own.categories]
            if stray:
                raise ValueError(f"head {own.name}: alike names {stray[0]}, which is none of its categories")
            missing = [name for name in NEEDED.get(head["kind"], ()) if name not in head]
            if missing:
                raise ValueError(f"a head of kind {head['kind']} does not say its {missing[0]}")


def seal(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write `manifest.json` over the folder's other files, with their hashes and its own."""
    own = (p for p in folder.iterdir() if p.is_file() and not p.name.endswith(ACCEPTED))
    files = sorted(p for p in own if p.name not in (MANIFEST, "README.md"))
    sealed = {**manifest, "format": "streamer-checkpoint", "formatVersion": FORMAT_VERSION}
    sealed |= {"files": {p.name: sha256_of(p) for p in files}}
    sealed |= {"sha256": _own_hash(sealed)}
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(sealed), indent=1) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """The manifest, when every file is as it says. Raises `CheckpointError`."""
    raw = (folder / MANIFEST).read_bytes()
    try:
        version = msgspec.json.decode(raw, type=_Format).format_version
        if version > FORMAT_VERSION:
            raise CheckpointError(f"{folder}: format {version} is newer than this program; update it")
        manifest = msgspec.json.decode(raw, type=Manifest)
        _verify(MANIFEST, folder, manifest.sha256, _own_hash(msgspec.json.decode(raw)))
    except UNREADABLE as error:
        raise CheckpointError(unreadable(folder / MANIFEST, error)) from None
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(
                f"{path} is missing (expected SHA-256 {expected}); fetch the checkpoint again"
            )
        _verify(name, folder, expected, sha256_of(path))
    return manifest


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(name: str, folder: Path, expected: str, actual: str) -> None:
    if expected != actual:
        raise CheckpointError(
            f"{folder / name} is damaged: SHA-256 expected {expected}, actual {actual}; fetch it again"
        )


def _own_hash(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(msgspec.json.encode(rest, order="sorted")).hexdigest()


def together(hashes: Iterable[str]) -> str:
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def fingerprint(content: str) -> str:
    """16 hex digits over the checkpoint's content and the code that reads with it."""
    return code_hash(READING_CODE, content)[:16]


def code_hash(patterns: Iterable[str], content: str = "") -> str:
    """SHA-256 over `content` and the files of this package that match."""
    here = Path(__file__).parent
    digest = hashlib.sha256(content.encode())
    for pattern in patterns:
        for path in sorted(here.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
