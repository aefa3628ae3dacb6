import json
from itertools import pairwise

from models.passages import split
from models.sections import find_sections
from streamer import formats, samples
from streamer.samples import pick


def passage_texts(text: str) -> set[str]:
    return {passage.text for passage in split(text, find_sections(text))}


def test_bundled_notes_are_notes_of_our_own_format() -> None:
    values = list(samples.values())
    assert len(values) == len(samples.load()) == samples.COUNT
    notes = [formats.decode(value, None, "t/0/0") for value in values]
    assert len({note.id for note in notes}) == samples.COUNT
    for note in notes:
        assert 400 < len(note.text) < 6000
        assert note.patient_key
        assert note.type is not None
        assert note.type.code
    assert samples.FILE.stat().st_size < 1_500_000


def test_some_patients_have_several_notes_and_time_goes_on() -> None:
    notes = samples.load()
    patients = {note["patientKey"] for note in notes}
    assert 80 < len(patients) < len(notes) / 2
    assert all(a["authoredAt"] < b["authoredAt"] for a, b in pairwise(notes))


def test_one_note_in_seven_is_carried_forward_and_shares_its_passages() -> None:
    earlier: dict[str, set[str]] = {}
    shared = []
    for note in samples.load():
        texts = passage_texts(note["text"])
        if note["version"] == 2:
            shared.append(len(texts & earlier[note["footer"]["source"]]) / len(texts))
            assert texts - earlier[note["footer"]["source"]], "something was edited or added"
        else:
            earlier[note["footer"]["source"]] = texts
    assert len(shared) == 60
    assert sum(shared) / len(shared) > 0.6


def test_notes_come_with_the_line_ends_of_their_systems() -> None:
    texts = [note["text"] for note in samples.load()]
    crlf = [text for text in texts if "\r\n" in text]
    assert 20 < len(crlf) < 80
    assert all("\n" in text for text in texts if len(text) > 1500)
    assert not any(text.replace("\r\n", "").count("\r") for text in texts)


def test_each_caller_gets_notes_of_its_own() -> None:
    samples.load()[0]["text"] = "changed"
    assert samples.load()[0]["text"] != "changed"
    assert samples.text_of(samples.load()[3]["id"]) == samples.load()[3]["text"]
    assert samples.text_of("no such note") is None


def test_lost_line_breaks_are_put_back() -> None:
    lost = (
        "SUBJECTIVE:,  Cough, at night.,WBC 11,000.,MEDICATIONS: , None.,PLAN:,1.  Rest.,2.  Fluids ,and tea."
    )
    assert pick.restore_lines(lost) == (
        "SUBJECTIVE: Cough, at night.\nWBC 11,000.\n\n"
        "MEDICATIONS: None.\n\nPLAN: 1. Rest.\n2. Fluids and tea."
    )


def test_the_same_source_gives_the_same_notes() -> None:
    source = [
        {"id": f"mts-{n}", "specialties": ["Surgery"], "text": f"HPI:, The patient number {n} is well. " * 20}
        for n in range(400)
    ]
    first, second = list(pick.make(source)), list(pick.make(source))
    assert json.dumps(first) == json.dumps(second)
    assert [note["version"] for note in first].count(2) == 60
    assert first[0]["type"]["code"] == "11504-8"
