"""`streamer annotate`: no Kafka; notes from files or standard input, records to standard output, in order."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from rich.console import Console

from models import calibration
from models.types import Note
from streamer import checkpoints, formats, show
from streamer.errors import NoteError, SettingError
from streamer.settings import Settings

if TYPE_CHECKING:
    from models.annotator import Annotator

TOGETHER = 32
"""Notes handed to the encoder at once, so that its batches are full."""

Item = tuple[str, Note | NoteError]


def run(files: Sequence[Path], settings: Settings, *, show_text: bool = False) -> int:
    """Annotate every note; 0 if each could be read, 1 if any could not (the reason goes to standard error).

    Files ending in .jsonl or .ndjson, and standard input, hold one note a line; any other file is one note.
    """
    for path in files:
        if not path.is_file():
            raise SettingError(
                f"{path} is not a file; give JSONL notes, single notes, or nothing for standard input"
            )
    failed = 0
    checkpoint = checkpoints.opened(settings)
    finish = checkpoints.finish(settings, checkpoint)
    chosen = calibration.choose(checkpoint, settings.device, settings.precision, settings.accept_loss)
    precision = chosen.prepare()
    from models.annotator import Annotator  # imports torch, before which the choice is prepared

    with Annotator(checkpoint, settings.device, precision, finish) as annotator:
        items = _items(files)
        while chunk := list(islice(items, TOGETHER)):
            failed += _answer(chunk, annotator, show_text)
    return 1 if failed else 0


def _answer(chunk: Sequence[Item], annotator: Annotator, show_text: bool) -> int:
    notes = [note for _, note in chunk if isinstance(note, Note)]
    answers = iter(annotator.annotate_many(notes))
    failed = 0
    for place, note in chunk:
        answer = note if isinstance(note, NoteError) else next(answers)
        if isinstance(answer, Exception):
            print(f"{place}: {answer}", file=sys.stderr)
            failed += 1
        elif show_text and isinstance(note, Note):
            Console().print(show.render(answer, note.text))
        else:
            sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()
    return failed


def _items(files: Sequence[Path]) -> Iterator[Item]:
    if not files:
        yield from _lines(sys.stdin.buffer, "standard input")
    for path in files:
        if path.suffix in (".jsonl", ".ndjson"):
            with path.open("rb") as stream:
                yield from _lines(stream, str(path))
        else:
            yield _decoded(path.read_bytes(), str(path), str(path))


def _lines(stream: BinaryIO, name: str) -> Iterator[Item]:
    for number, line in enumerate(stream, start=1):
        if line.strip():
            yield _decoded(line.rstrip(b"\r\n"), f"{name}:{number}", f"{name}/{number}")


def _decoded(value: bytes, place: str, source_id: str) -> Item:
    try:
        return place, formats.decode(value, None, source_id)
    except NoteError as error:
        return place, error
