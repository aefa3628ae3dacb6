"""Files that users train on: which of a folder count, in which format and part, and their text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from models.corpora.problems import Problems

Format = Literal["brat", "pubtator", "conll", "jsonl", "table"]
Part = Literal["train", "dev", "test"]

NAMES: dict[Format, str] = {
    "brat": "brat (.txt with .ann)",
    "pubtator": "PubTator (.pubtator, .txt)",
    "conll": "CoNLL or IOB (.conll, .iob, .tsv, .txt)",
    "jsonl": "JSON lines (.jsonl)",
    "table": "a table with text and label (.csv, .tsv)",
}
BY_SUFFIX: dict[str, Format] = {
    ".ann": "brat", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "table", ".pubtator": "pubtator",
    ".conll": "conll", ".conll2003": "conll", ".iob": "conll", ".iob1": "conll", ".iob2": "conll",
    ".bio": "conll", ".bioes": "conll", ".bilou": "conll", ".ner": "conll",
}  # fmt: skip
PARTS: dict[str, Part] = {
    "train": "train", "training": "train",
    "dev": "dev", "devel": "dev", "development": "dev", "val": "dev", "valid": "dev", "validation": "dev",
    "test": "test", "testing": "test",
}  # fmt: skip
LOOK = 1 << 16
"""Bytes that tell a format."""
TAG = re.compile(r"O|[BIESLUM]-\S.*")
_PUBTATOR = re.compile(r"[^|\t]+\|t\|")


@dataclass(frozen=True)
class Found:
    """A file in a known format. `name`: below the root, without suffix for brat."""

    path: Path
    name: str
    format: Format
    part: Part | None = None


class Decoded(NamedTuple):
    """A file's text without its byte order mark, its line ends as they are."""

    text: str
    bom: bool


def find(root: Path, problems: Problems) -> list[Found]:
    """What a file or folder holds, in the order of the names; brat files by their .ann.

    More than one format, none, and what cannot be listed are fatal problems, with nothing found.
    """
    try:
        single = root.is_file()
        if not single and not root.is_dir():
            problems.fatal(root, 0, "is neither a file nor a folder", "name the training data")
            return []
        paths = [root] if single else sorted(p for p in root.rglob("*") if p.is_file())
    except (OSError, ValueError) as error:
        problems.fatal(root, 0, f"cannot be listed ({type(error).__name__})", "name another place")
        return []
    visible = paths if single else [path for path in paths if not _hidden(path.relative_to(root))]
    found = [own for path in visible if (own := _found(path, root, single)) is not None]
    formats = {own.format: own for own in reversed(found)}
    if len(formats) > 1:
        kinds = "; ".join(f"{NAMES[kind]}, e.g. {own.name}" for kind, own in sorted(formats.items()))
        problems.fatal(root, 0, f"holds several formats: {kinds}", "keep one in a folder")
        return []
    if not found:
        _explain(root, visible, problems)
    elif "brat" in formats:
        _unlabelled(visible, problems)
    return found


def read_file(path: Path, problems: Problems) -> Decoded | None:
    """The text of a UTF-8 file; None for one that cannot be read, which is a fatal problem."""
    try:
        content = path.read_bytes()
    except OSError as error:
        problems.fatal(path, 0, f"cannot be read ({type(error).__name__})", "see its permissions")
        return None
    hint = _other_encoding(content)
    if hint:
        problems.fatal(path, 0, f"is not UTF-8 but looks like {hint}", "save it as UTF-8")
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"is not UTF-8: byte {content[error.start]:#04x} at place {error.start}"
        hint = "looks like Latin-1 or Windows-1252, which `iconv -f WINDOWS-1252 -t UTF-8` converts"
        problems.fatal(path, line, what, f"save it as UTF-8; it {hint}")
        return None
    return Decoded(text.removeprefix("\ufeff"), text.startswith("\ufeff"))


def lines_of(text: str) -> list[str]:
    """Lines, cut at LF or CRLF alone: other characters that Python takes for line ends stay."""
    return [line.removesuffix("\r") for line in text.split("\n")]


def is_tagged(line: str) -> bool:
    """Whether a line is two to four columns, the last an IOB or BIOES tag."""
    columns = columns_of(line)
    return 2 <= len(columns) <= 4 and bool(TAG.fullmatch(columns[-1]))


def columns_of(line: str) -> list[str]:
    """Columns by tab; by spaces where there is no tab."""
    return line.split("\t") if "\t" in line else [c for c in line.split(" ") if c]


def _other_encoding(content: bytes) -> str | None:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    if content.count(0) * 4 > len(content):
        return "UTF-16 without a mark, or no text at all"
    return None


def _hidden(name: Path) -> bool:
    return any(part.startswith((".", "__")) for part in name.parts)


def _found(path: Path, root: Path, single: bool) -> Found | None:
    kind = _format(path, single)
    if kind is None:
        return None
    if kind == "brat":
        path = path.with_suffix(".ann")
    if single:
        return Found(path, path.stem if kind == "brat" else path.name, kind)
    name = path.relative_to(root)
    words = [] if kind == "brat" else re.split(r"[^a-z]+", name.name.lower())
    named = [PARTS[word] for word in (*map(str.lower, name.parts[:-1]), *words) if word in PARTS]
    shortened = name.with_suffix("") if kind == "brat" else name
    return Found(path, shortened.as_posix(), kind, named[0] if named else None)


def _format(path: Path, single: bool) -> Format | None:
    suffix = path.suffix.lower()
    if suffix in BY_SUFFIX:
        return BY_SUFFIX[suffix]
    if suffix == ".json":
        return "jsonl" if single or _looks_like_json_lines(path) else None
    if suffix == ".txt" and path.with_suffix(".ann").is_file():
        return "brat" if single else None  # in a folder, its .ann stands for both
    if suffix in (".tsv", ".tab"):
        return "conll" if _looks_like(path) == "conll" else "table"
    return _looks_like(path) if suffix in (".txt", "") or single else None


def _looks_like(path: Path) -> Format | None:
    lines = [line for line in _start(path)[:50] if line.strip()]
    if not lines:
        return None
    if _PUBTATOR.match(lines[0]):
        return "pubtator"
    tokens = [line for line in lines if not line.startswith(("-DOCSTART-", "#"))]
    if tokens and sum(map(is_tagged, tokens)) * 10 >= len(tokens) * 9:
        return "conll"
    return "jsonl" if lines[0].lstrip().startswith('{"') else None


def _looks_like_json_lines(path: Path) -> bool:
    """One whole object in the first line: what is spread over lines is some other JSON."""
    first = (_start(path) or [""])[0].strip()
    return first.startswith("{") and first.endswith("}") and '"text"' in first


def _start(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            return lines_of(file.read(LOOK).decode("utf-8", errors="replace").removeprefix("\ufeff"))
    except OSError:
        return []


def _explain(root: Path, visible: list[Path], problems: Problems) -> None:
    """Why nothing was found: an encoding that hides a format, or no format at all."""
    before = len(problems.found)
    for path in visible:
        if path == root or path.suffix.lower() in (".txt", ""):
            decoded = read_file(path, problems)
            if path == root and decoded is not None and not decoded.text.strip():
                problems.fatal(path, 0, "is empty", "name another file")
    if len(problems.found) == before:
        known = ", ".join(NAMES.values())
        problems.fatal(root, 0, f"holds nothing in a known format: {known}", "see docs/training-data.md")


def _unlabelled(visible: list[Path], problems: Problems) -> None:
    for path in visible:
        if path.suffix.lower() == ".txt" and not path.with_suffix(".ann").is_file():
            problems.skipped(path, 0, "has no .ann file beside it")
