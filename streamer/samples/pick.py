"""How the bundled notes were made: `python -m streamer.samples.pick MTSAMPLES.jsonl` writes them again.

The source is MTSamples as JSONL (id, specialties, text), whose line breaks were lost: there a comma without a
space stands for one.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

from models.passages import split
from models.sections import find_sections
from models.sentences import sentences
from streamer.samples import COUNT, FILE

SEED = 20
CARRIED_FORWARD = 60
PATIENTS = 130
SHORTEST, LONGEST = 500, 4500
LOINC = "http://loinc.org"
TYPES = {
    "Discharge Summary": ("18842-5", "Discharge summary"),
    "Consult - History and Phy.": ("34117-2", "History and physical note"),
    "SOAP / Chart / Progress Notes": ("11506-3", "Progress note"),
    "Office Notes": ("11506-3", "Progress note"),
    "Emergency Room Reports": ("34111-5", "Emergency department Note"),
    "Radiology": ("18748-4", "Diagnostic imaging study"),
    "Surgery": ("11504-8", "Surgical operation note"),
}
ANY_TYPE = ("34109-9", "Note")
ADDENDA = (
    "ADDENDUM: The results were discussed with the patient, who agrees with the plan.",
    "ADDENDUM: Blood cultures remained negative at 48 hours. No fever since yesterday.",
    "ADDENDUM: The patient called to report mild nausea after the first dose. No vomiting, no rash.",
    "ADDENDUM: Repeat potassium was 4.1. Continue lisinopril 10 mg daily.",
    "ADDENDUM: Reviewed with Dr. Smith. Possible pneumonia cannot be excluded; chest x-ray in 2 days.",
    "ADDENDUM: The patient denies chest pain and shortness of breath at follow-up by telephone.",
    "ADDENDUM: Father's history of colon cancer was added to the chart.",
    "ADDENDUM: If pain returns, take ibuprofen 400 mg p.o. every 8 hours as needed.",
)
EDITS = (
    "The patient was seen again today and reports no new complaints.",
    "Symptoms have improved since the last visit.",
    "There is no fever, cough or shortness of breath.",
    "He was advised to return if the pain gets worse.",
    "Reviewed and unchanged.",
)
_BLANKS = re.compile(r"\?\?|___|XXX")
_AFTER_HEADING = re.compile(r":[ \t]*,(?=\s|\S)")
_LOST_BREAK = re.compile(r"[ \t]*(?:(?<!\d),(?=\d)|,(?=[^\s\d,.]))|(?<=\d),(?=\d{1,2}[.)]\s)")
_BEFORE_SMALL = re.compile(r"\n(?=[a-z])")


def restore_lines(text: str) -> str:
    """MTSamples text with its line breaks back: one line a paragraph, a blank line before each heading."""
    lined = _LOST_BREAK.sub("\n", _AFTER_HEADING.sub(": ", text))
    lined = _BEFORE_SMALL.sub(" ", lined)
    lines = [" ".join(line.split()) for line in lined.split("\n")]
    flat = "\n".join(line.strip(" ,") for line in lines if line.strip(" ,"))
    parts = []
    for section in find_sections(flat):
        heading = flat[section.span.start : section.body].strip()
        body = flat[section.body : section.span.end].strip()
        parts.append(
            "\n".join(filter(None, (heading, body))) if len(body) > 60 else f"{heading} {body}".strip()
        )
    return "\n\n".join(parts)


def _wrapped(text: str, width: int, newline: str) -> str:
    lines = (textwrap.fill(line, width, break_on_hyphens=False) if line else "" for line in text.split("\n"))
    return newline.join("\n".join(lines).split("\n"))


def _layout(text: str, chance: random.Random) -> str:
    """Some systems wrap their lines, some of those end them as Windows does."""
    style = chance.random()
    if style < 0.7:
        return text
    return _wrapped(text, 78, "\r\n" if style > 0.9 else "\n")


def _pick(source: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    """Notes of middling length from every specialty in turn, with headings where they have any."""
    by_specialty: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for note in source:
        if SHORTEST <= len(note["text"]) <= LONGEST and not _BLANKS.search(note["text"]):
            by_specialty[note["specialties"][0]].append(note)
    for notes in by_specialty.values():
        chance.shuffle(notes)
    rounds = zip_longest(*(notes for _, notes in sorted(by_specialty.items())))
    picked = [note for notes in rounds for note in notes if note is not None][: COUNT - CARRIED_FORWARD]
    chance.shuffle(picked)
    return picked


def _fields(note: dict[str, Any], number: int, patient: int, chance: random.Random) -> dict[str, Any]:
    code, display = next((TYPES[name] for name in note["specialties"] if name in TYPES), ANY_TYPE)
    return {
        "id": f"note-{number:04}",
        "version": 1,
        "patientKey": f"patient-{patient:03}",
        "encounterKey": f"encounter-{number:04}",
        "type": {"system": LOINC, "code": code, "display": display},
        "status": "final",
        "language": "en",
        "sourceSystem": "mtsamples",
        "footer": {"source": note["id"], "specialties": note["specialties"]},
        "text": _layout(restore_lines(note["text"]), chance),
    }


def _carried_forward(earlier: dict[str, Any], number: int, chance: random.Random) -> dict[str, Any]:
    text = earlier["text"]
    newline = "\r\n" if "\r\n" in text else "\n"
    spans = sentences(text, 0, len(text))
    running = [span for span in spans if len(span) > 30 and text[span.start : span.end].endswith(".")]
    if running and chance.random() < 0.5:
        span = chance.choice(running)
        text = text[: span.start] + chance.choice(EDITS) + text[span.end :]
    else:
        text = text + newline * 2 + chance.choice(ADDENDA)
    return earlier | {"id": f"note-{number:04}", "version": 2, "status": "amended", "text": text}


def make(source: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The bundled notes in order; the same for the same source."""
    chance = random.Random(SEED)
    picked = iter(_pick(source, chance))
    later = set(chance.sample(range(40, COUNT), CARRIED_FORWARD))
    written: list[dict[str, Any]] = []
    when = datetime(2026, 1, 5, 8, tzinfo=UTC)
    for number in range(COUNT):
        if number in later:
            note = _carried_forward(chance.choice(written[-60:]), number, chance)
        else:
            note = _fields(next(picked), number, chance.randrange(PATIENTS), chance)
            written.append(note)
        when += timedelta(minutes=chance.randrange(5, 90))
        yield note | {"authoredAt": when.isoformat().replace("+00:00", "Z")}


def main() -> None:
    source = [json.loads(line) for line in Path(sys.argv[1]).read_text("utf-8").splitlines()]
    lines = [json.dumps(note, ensure_ascii=False).encode() for note in make(source)]
    FILE.write_bytes(gzip.compress(b"\n".join(lines) + b"\n", compresslevel=9, mtime=0))
    texts = [json.loads(line)["text"] for line in lines]
    passages = [split(text, find_sections(text)) for text in texts]
    distinct = len({passage.text for note in passages for passage in note})
    print(f"{len(lines)} notes, {sum(map(len, texts))} characters, {FILE.stat().st_size} bytes")
    print(f"{sum(map(len, passages))} passages, {distinct} of them different")


if __name__ == "__main__":
    main()
