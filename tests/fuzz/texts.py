"""Targets: what a message or a text can be."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import jsonschema
import msgspec
import numpy as np

from models.answers import STATUSES, Answer, Answers, together
from models.assemble import assemble
from models.checkpoint import Checkpoint, open_checkpoint
from models.finish import Finish, switched
from models.passages import split
from models.reader import Reader, Tokens
from models.sections import find_sections
from models.sentences import sentences
from models.types import Annotation, Findings, Note, Passage, Section
from models.windows import cut
from streamer import formats, schemas
from streamer.errors import REASONS, NoteError
from streamer.formats import FORMATS
from tests.fuzz.draws import Draws
from tests.records import PIPELINE, TIMINGS

PLACE = "clinical-notes/3/41"
CONTENT_TYPES = (
    None,
    *sorted(name for known in FORMATS for name in known.content_types),
    "application/octet-stream",
    "application/json; charset=utf-8",
    "text/plain;charset=latin-1",
)
DECODE_SECONDS_A_MB, READ_SECONDS_A_MB = 0.5, 60.0
"""Of processor time, the fuzzer's own counting included (about ten times slower): what grows with the square
of a length is far above."""
REPEATED = 1 << 14
"""Bytes up to which an input is repeated to see how time grows."""


def decode(data: bytes) -> None:
    """A note whose text is sound, or a refusal of the closed list that quotes nothing."""
    draws = Draws(data)
    content_type = draws.one(CONTENT_TYPES)
    value = draws.content()
    try:
        note = formats.decode(value, content_type, PLACE)
    except NoteError as error:
        check_quotes_nothing(error)
        return
    assert note.text.strip()
    note.text.encode()
    assert note.id.strip()
    assert note.text not in repr(note) or len(note.text) < 20
    again = msgspec.json.decode(msgspec.json.encode(note), type=Note)
    assert (again.id, again.text, again.version) == (note.id, note.text, note.version)


def check_quotes_nothing(error: NoteError) -> None:
    assert (str(error), error.stage) == (REASONS[error.reason], "decode")
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


def passages(data: bytes) -> None:
    """Sections cover the text; sentences and passages hold each visible character once; windows fit."""
    draws = Draws(data)
    limit = 1 + draws.number(700)
    overlap, tokens = draws.number(limit - 1), draws.number(1 << 12)
    text = _text(draws)
    sections = find_sections(text)
    _check_sections(text, sections)
    found = split(text, sections)
    inside = {section.id: section.span for section in sections}
    seen = 0
    for passage in found:
        start, end = passage.span.start, passage.span.end
        around = inside[passage.section]
        assert around.start <= start < end <= around.end
        assert passage.text == text[start:end] == passage.text.strip()
        assert not text[seen:start].strip()
        seen = end
    assert not text[seen:].strip()
    _check_windows(tokens, limit, overlap)


def _check_sections(text: str, sections: list[Section]) -> None:
    at = 0
    for section in sections:
        assert section.span.start == at
        at = section.span.end
        assert section.span.start <= section.body <= at
        assert section.title in text[section.span.start : section.body]
        visible = section.span.start
        for sentence in sentences(text, section.span.start, section.span.end):
            assert not text[visible : sentence.start].strip()
            assert sentence.start < sentence.end
            visible = sentence.end
        assert not text[visible:at].strip()
    assert at == len(text)
    assert len({section.id for section in sections}) == len(sections) > 0


def _check_windows(tokens: int, limit: int, overlap: int) -> None:
    own, stop = 0, 0
    for window in cut(tokens, limit, overlap):
        assert 0 <= window.start <= window.own_start < window.own_stop <= window.stop <= tokens
        assert window.stop - window.start <= limit
        assert window.own_start == own
        assert not own or stop - window.start >= overlap
        own, stop = window.own_stop, window.stop
    assert own == tokens


# --- answers of an encoder that finds anything anywhere ------------------------------------------


@cache
def _shipped() -> tuple[Checkpoint, Reader, Finish]:
    checkpoint = switched(open_checkpoint(), None)
    return checkpoint, Reader(checkpoint), Finish.of(checkpoint)


@cache
def _schema() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schemas.read("annotation-1.json"))


def assembled(data: bytes) -> None:
    """Whatever the encoder answers, the record is of its schema and says where in the text all of it is."""
    draws = Draws(data)
    decisions = draws.split()
    note = Note(id="n", text=_text(draws))
    sections = find_sections(note.text)
    parts = split(note.text, sections)
    findings = _findings(parts, decisions)
    if findings is None:
        return
    finish = _shipped()[2]
    record = assemble(note, sections, parts, findings, PIPELINE, TIMINGS, finish=finish)
    again = assemble(note, sections, parts, findings, PIPELINE, TIMINGS, finish=finish)
    encoded = msgspec.json.encode(record)
    assert msgspec.json.encode(again) == encoded
    assert msgspec.json.encode(msgspec.json.decode(encoded, type=Annotation)) == encoded
    _schema().validate(msgspec.json.decode(encoded))
    _check_record(note.text, record)


def _findings(parts: list[Passage], decisions: Draws) -> list[Findings] | None:
    """None: one of the passages could not be read."""
    checkpoint, reader, _ = _shipped()
    texts = [passage.text for passage in parts]
    tokens = reader.tokenise(texts)
    kinds = sum(len(categories) for _, categories in checkpoint.layers)
    labels = [len(task.labels) for task in checkpoint.tasks]
    answers = _answers(tokens, kinds, len(checkpoint.relations), labels, decisions)
    read = reader.findings(texts, tokens, answers)
    for passage, found in zip(parts, read, strict=True):
        if isinstance(found, Findings):
            spans = [own.span for own in found.mentions] + [own.span for own in found.marked]
            assert all(0 <= span.start < span.end <= len(passage.text) for span in spans)
    sound = [own for own in read if isinstance(own, Findings)]
    return sound if len(sound) == len(read) else None


def _answers(
    tokens: list[Tokens], kinds: int, relations: int, labels: list[int], decisions: Draws
) -> Answers:
    return together([_answer(len(own), kinds, relations, labels, decisions) for own in tokens])


def _answer(tokens: int, kinds: int, relations: int, labels: list[int], decisions: Draws) -> Answer:
    """Of one passage, as the engine may send it: spans in order, pairs among them, numbers from 0 to 1."""
    status = STATUSES[max(0, decisions.number(255) - 253)]
    if status != "ok":
        return Answer(status)
    spans = []
    for _ in range(decisions.number(7) if tokens else 0):
        start = decisions.number(tokens - 1)
        end = start + 1 + decisions.number(min(tokens - start - 1, 255))
        spans.append((start, end, decisions.number(kinds - 1)))
    spans.sort()
    pairs = [
        (decisions.number(len(spans) - 1), decisions.number(len(spans) - 1), decisions.number(relations - 1))
        for _ in range(decisions.number(4) if len(spans) > 1 else 0)
    ]
    return Answer(
        "ok",
        np.array(spans, np.int32).reshape(-1, 3),
        np.array([decisions.share() for _ in spans], np.float32),
        np.array([[decisions.share() for _ in range(13)] for _ in spans], np.float32).reshape(-1, 13),
        tuple(np.full(count, decisions.share(), np.float32) for count in labels),
        np.array(pairs, np.int32).reshape(-1, 3),
        np.array([decisions.share() for _ in pairs], np.float32),
    )


def _check_record(text: str, record: Annotation) -> None:
    sections = {section.id: section.span for section in record.sections}
    for entity in record.entities:
        assert entity.text == text[entity.span.start : entity.span.end] != ""
        assert all(own.text == text[own.span.start : own.span.end] != "" for own in entity.evidence)
        around = sections[entity.section]
        assert around.start <= entity.span.start < entity.span.end <= around.end
    for found in record.phi:
        assert 0 <= found.span.start < found.span.end <= len(text)
        assert text[found.span.start : found.span.end].strip()
    known = {entity.id for entity in record.entities}
    assert len(known) == len(record.entities)
    assert all(own.source in known and own.target in known for own in record.relations)
    assert len({own.id for own in record.relations}) == len(record.relations)


# --- how time grows ------------------------------------------------------------------------------


def time_taken(data: bytes) -> None:
    """A text repeated to a long one takes no more than so long a megabyte: nothing here is quadratic."""
    draws = Draws(data)
    content_type = draws.one(CONTENT_TYPES)
    unit, around = draws.content(64), draws.content(64)
    value = around + unit * (REPEATED // max(len(unit), 1)) + around[::-1]
    value = value[:REPEATED]

    def decoded() -> None:
        with suppress(NoteError):
            formats.decode(value, content_type, PLACE)

    def read() -> None:
        note = Note(id="n", text=value.decode("utf-8", "replace"))
        sections = find_sections(note.text)
        parts = split(note.text, sections)
        findings = _findings(parts, Draws(unit * 40))
        if findings is not None:
            assemble(note, sections, parts, findings, PIPELINE, TIMINGS, finish=_shipped()[2])

    _within(DECODE_SECONDS_A_MB, len(value), decoded)
    _within(READ_SECONDS_A_MB, len(value), read)


def _within(seconds_a_mb: float, size: int, work: Callable[[], object]) -> None:
    allowed = 0.1 + seconds_a_mb * size / 1e6
    taken = allowed
    for _ in range(3):  # the fastest counts: the machine may be busy with other things
        started = time.process_time()
        work()
        taken = min(taken, time.process_time() - started)
        if taken < allowed:
            return
    raise AssertionError(f"{size} bytes took more than {allowed:.1f} s")


def _text(draws: Draws) -> str:
    """What decoding lets through is UTF-8; in JSON it may be any character."""
    return draws.content(1 << 14).decode("utf-8", "replace")
