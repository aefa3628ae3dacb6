import io
import re

import msgspec
from rich.console import Console, RenderableType

from models.assemble import assemble
from models.passages import split
from models.sections import find_sections
from models.types import Annotation, Findings, Link, Mention, Note, Pipeline, Span, Timings
from streamer import samples, show

TIMINGS = Timings(queue_ms=1.0, inference_ms=2.0, cached_passages=0, passages=1)
TEXT = "HPI: Fever, no cough, perhaps pneumonia.\n\nFAMILY HISTORY: Asthma.\n\nPLAN: Aspirin."
SAID = {"Fever": "positive", "cough": "negative", "pneumonia": "positivePossible", "Asthma": "positive"}


def annotated(text: str, note_id: str = "n-1") -> Annotation:
    sections = find_sections(text)
    passages = split(text, sections)
    findings = [
        Findings(
            tuple(
                Mention(
                    Span(*match.span()),
                    "PROBLEM",
                    0.9,
                    (certainty, "none", "subject", "current"),
                    (1, 1, 1, 1),
                )
                for word, certainty in SAID.items()
                for match in re.finditer(word, passage.text)
            )
            + tuple(
                Mention(
                    Span(*m.span()), "DRUG", 0.9, ("positive", "none", "subject", "current"), (1, 1, 1, 1)
                )
                for m in re.finditer("Aspirin", passage.text)
            )
        )
        for passage in passages
    ]
    note = Note(id=note_id, text=text)
    return assemble(note, sections, passages, findings, Pipeline("fake", "1", "0" * 16), TIMINGS)


def printed(shown: RenderableType, *, terminal: bool = False, width: int = 100) -> str:
    stream = io.StringIO()
    colours = "truecolor" if terminal else None
    console = Console(file=stream, width=width, force_terminal=terminal, color_system=colours)  # type: ignore[arg-type]
    console.print(shown)
    return stream.getvalue()


def style_of(output: str, word: str) -> set[str]:
    """The codes that were in force where `word` was written."""
    before = output[: output.index(word)]
    return set(
        re.findall(r"[\d:]+", " ".join(re.findall(r"\x1b\[([\d;:]*)m", before.rpartition("\x1b[0m")[2])))
    )


def test_a_note_is_shown_with_its_entities_marked() -> None:
    output = printed(show.render(annotated(TEXT), TEXT), terminal=True)
    colour = style_of(output, "Fever")
    assert style_of(output, "cough") - colour == {"9"}, "negated: struck through"
    assert style_of(output, "pneumonia") - colour == {"4:4", "3"}, "possible: dotted, slanted"
    assert "\x1b[24m" in output, "the dots end"
    assert style_of(output, "Aspirin")
    assert not style_of(output, "Aspirin") & colour, "another category, another colour"
    assert style_of(output, "HPI") == {"1", "4"}


def test_codes_are_shown_where_they_are_likely_right() -> None:
    record = annotated(TEXT)
    links = (Link("ICD10CM", "R50.9", "Fever, unspecified", 0.98), Link("ICD10CM", "R05", "Cough", 0.6))
    coded = [
        msgspec.structs.replace(entity, links=(link,))
        for entity, link in zip(record.entities, links, strict=False)
    ]
    output = printed(show.render(msgspec.structs.replace(record, entities=tuple(coded)), TEXT))
    assert "Fever = ICD10CM R50.9 Fever, unspecified" in output
    assert "R05" not in output


def test_without_a_terminal_the_marks_still_tell() -> None:
    output = printed(show.render(annotated(TEXT), TEXT))
    assert "\x1b" not in output
    assert "perhaps pneumonia?." in output
    assert "Asthma‹other›." in output
    assert "problem 4" in output
    assert "drug 1" in output
    assert "n-1 · fake 1" in output
    assert "5 entities in 3 sections" in output


def test_a_note_cannot_steer_the_terminal() -> None:
    text = "HPI: \x1b]0;owned\x07 Fever \x9b31m \u202eevil\x00.\r\nNext [bold]line[/]."
    output = printed(show.render(annotated(text), text))
    assert not set(output) & {"\x1b", "\x07", "\x9b", "\u202e", "\x00", "\r"}
    assert "·]0;owned· Fever ·31m ·evil·." in output
    assert "[bold]line[/]" in output


def test_it_is_as_wide_as_asked() -> None:
    output = printed(show.render(annotated(TEXT), TEXT, width=60))
    assert {len(line) for line in output.splitlines()} == {60}


def test_a_record_of_a_bundled_note_is_shown_with_its_text() -> None:
    note = samples.load()[5]
    for note_id in (note["id"], note["id"] + "-2"):
        value = msgspec.json.encode(annotated(note["text"], note_id))
        output = printed(show.record(value, width=90))
        first = note["text"].split()[:3]
        assert " ".join(first) in output


def test_a_record_of_another_note_lists_its_entities() -> None:
    for note_id in ("n-1", samples.load()[5]["id"]):
        output = printed(show.record(msgspec.json.encode(annotated(TEXT, note_id))))
        assert re.search(r"cough +PROBLEM +negative +0.90", output)
        assert "perhaps" not in output, "a text that is not this record's is never shown"
