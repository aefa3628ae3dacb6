"""brat's standoff: spans, relations, events, attributes; how programs count; what is skipped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.own import Own, read_own
from tests.own_data import ENOUGH, FIVE, Text, as_brat, places, read_files, said, texts

TEXT = "Aspirin 81 mg daily. No rash, fever or pain. Mother had asthma."
FIRST_FIVE = (
    "T1\tDrug 0 7\tAspirin\nT2\tDose 8 13\t81 mg\nT3\tFinding 24 28\trash\nT4\tFinding 30 35\tfever\n"
)
FIRST_FIVE += "T5\tFinding 39 43\tpain\n"


def read(folder: Path, marks: str, text: str = TEXT) -> Own:
    return read_files(folder, {"a.txt": text, "a.ann": FIRST_FIVE + marks})


@settings(max_examples=40, deadline=None)
@given(st.lists(texts(), max_size=4))
def test_what_is_written_comes_back(documents: list[Text]) -> None:
    with TemporaryDirectory() as name:
        as_brat(Path(name), [*documents, FIVE])
        own = read_own(Path(name))
    assert [(d.text, places(d)) for d in own.documents] == [(d.text, d.spans) for d in (*documents, FIVE)]
    assert said(own) == []


COUNTED: dict[str, Callable[[str, int], int]] = {
    "UTF-8 bytes": lambda text, place: len(text[:place].encode()),
    "UTF-16 units": lambda text, place: len(text[:place].encode("utf-16-le")) // 2,
    "CRLF as one character": lambda text, place: place - text[:place].count("\r\n"),
}


@pytest.mark.parametrize("way", COUNTED)
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_spans_are_found_however_a_program_counts(way: str, data: st.DataObject) -> None:
    head = Text("x \U0001f600\r\nDrugged \r\n\U0001f600é ", ())
    tail = data.draw(texts())
    shift = len(head.text)
    moved = tuple((start + shift, end + shift, label) for start, end, label in tail.spans)
    document = Text(head.text + tail.text, ((5, 12, "Drug"), *moved))
    with TemporaryDirectory() as name:
        as_brat(Path(name), [document, FIVE], COUNTED[way])
        own = read_own(Path(name))
    assert own.documents[0].text == document.text
    assert places(own.documents[0])[0] == (5, 12, "Drug")
    assert any(f"its spans count {way}; read so" in line for line in said(own))


def test_a_byte_order_mark_is_no_part_of_the_text_counted_or_not(tmp_path: Path) -> None:
    text = ("\ufeff" + TEXT).encode()
    marks = "T1\tDrug 1 8\tAspirin\nT2\tDose 9 14\t81 mg\nT3\tFinding 25 29\trash\n"
    own = read_files(tmp_path, {"a.txt": text, "a.ann": FIRST_FIVE, "b.txt": text, "b.ann": marks})
    assert [d.text for d in own.documents] == [TEXT, TEXT]
    assert places(own.documents[1]) == ((0, 7, "Drug"), (8, 13, "Dose"), (24, 28, "Finding"))
    assert "b.ann: its spans count code points and the byte order mark; read so" in said(own)[0]


def test_relations_and_events_lead_from_span_to_span(tmp_path: Path) -> None:
    own = read(
        tmp_path,
        "R1\tdose_of Arg1:T2 Arg2:T1\nE1\tDrug:T1 Against:T3 Against2:E2\nE2\tFinding:T4\n"
        "R2\tdose_of Arg1:T2 Arg2:T1\nR3\tcauses Arg1:E1 Arg2:T5\nR4\tcauses Arg1:E1 Arg2:E2\n",
    )
    (document,) = own.documents
    assert sorted((r.category, r.source, r.target) for r in document.relations) == [
        ("Against", (0, 7), (24, 28)),
        ("Against", (0, 7), (30, 35)),
        ("causes", (0, 7), (30, 35)),
        ("causes", (0, 7), (39, 43)),
        ("dose_of", (8, 13), (0, 7)),
    ]


def test_relations_know_what_they_lead_from_and_to(tmp_path: Path) -> None:
    marks = "".join(f"R{n}\tagainst Arg1:T1 Arg2:T{n}\n" for n in (3, 4, 5)) + "R6\tdose_of Arg1:T2 Arg2:T1\n"
    own = read(tmp_path, marks + "R7\tdose_of Arg1:T1 Arg2:T3\n")
    assert own.labels.relations == {
        "against": (frozenset({"Drug"}), frozenset({"Finding"})),
        "dose_of": (frozenset({"Dose", "Drug"}), frozenset({"Drug", "Finding"})),
    }
    (document,) = own.documents
    assert len(document.relations) == 5
    assert document.related == {"against", "dose_of"}


def test_attributes_say_how_something_is_asserted_and_their_absence_the_contrary(tmp_path: Path) -> None:
    own = read(
        tmp_path,
        "T6\tFinding 56 62\tasthma\nA1\tNegated T3\nA2\tNegated T4\nA3\tSpeculated T5\n"
        "A4\tExperiencer T6 Other\nE1\tFinding:T4\nA5\tTemporality E1 Past\nA6\tColour T1 red\n",
    )
    (document,) = own.documents
    by_place = {span.start: span.axes for span in document.spans}
    certainty = {start: set(axes[0]) for start, axes in by_place.items()}
    assert certainty[24] == {"negative"}
    assert certainty[39] == {"positivePossible", "neutralPossible", "negativePossible"}
    assert certainty[56] == {"positive"}
    assert len(certainty[0]) == 5  # no drug is ever negated here: nothing is said of drugs
    assert (set(by_place[56][2]), set(by_place[39][2])) == ({"other"}, {"subject"})
    assert (set(by_place[30][3]), set(by_place[24][3])) == ({"past"}, {"current", "future"})
    assert sorted(own.labels.assertion) == ["association", "certainty", "temporality"]
    assert any("a.ann:13: attribute Colour says nothing" in line for line in said(own))


def test_codes_are_kept(tmp_path: Path) -> None:
    own = read(tmp_path, "N1\tReference T1 RxNorm:1191\taspirin\nN2\tReference T1 UMLS:C0004057\n")
    assert own.documents[0].spans[0].codes == ("1191", "C0004057")


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        ("T6\tDrug 45 51;56 62\tMother asthma\n", "a.ann:6: Drug lies in 2 pieces; skipped"),
        ("T6\tDrug 45\tMother\n", "a.ann:6: no line as brat writes it; skipped"),
        ("T6 Drug 45 51 Mother\n", "a.ann:6: no line as brat writes it; skipped"),
        ("T1\tDrug 45 51\tMother\n", "a.ann:6: Drug 45–51: its name was given before; skipped"),
        ("*\tEquiv T1 T2\n", "a.ann:6: an equivalence; skipped"),
        ("R1\tof Arg1:T1 Arg2:T9\n", "a.ann:6: of: its target is no span that is kept; skipped"),
        ("R1\tof Arg1:T1 Arg2:T1\n", "a.ann:6: of leads from a span to itself; skipped"),
        ("T6\tDrug 56 56\t\n", "a.ann:6: Drug 56–56: other words stand there"),
        ("X1\tsomething\n", "a.ann:6: no line as brat writes it; skipped"),
        ("T6\tDrug 46 52\tMother\n", "moved to 45–51"),
        ("T6\tDrug 400 402\t81\n", "moved to 8–10"),
        ("T6\tDrug 45 52\tgrandmother\n", "those that the file gives stand nowhere in the text; skipped"),
        ("T6\tDrug 3 5\ta\n", "those that the file gives stand in several places; skipped"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(tmp_path: Path, marks: str, told: str) -> None:
    own = read(tmp_path, marks)
    assert any(told in line for line in said(own)), said(own)


def test_a_span_that_brat_cut_at_a_line_end_is_whole(tmp_path: Path) -> None:
    own = read(tmp_path, "T6\tFinding 69 74;75 79\tchest pain\n", text=TEXT + "\nMild chest\npain.")
    assert places(own.documents[0])[-1] == (69, 79, "Finding")
    assert said(own) == []


def test_notes_and_empty_lines_are_passed_over_and_no_marks_means_none(tmp_path: Path) -> None:
    own = read_files(
        tmp_path, {"a.txt": TEXT, "a.ann": FIRST_FIVE + "\n#1\tNote T1\tx\n", "b.txt": ENOUGH, "b.ann": ""}
    )
    assert len(own.documents) == 2
    assert own.documents[1].covered == {"Drug", "Dose", "Finding"}
    assert said(own) == []


def test_a_text_without_marks_is_named(tmp_path: Path) -> None:
    own = read_files(tmp_path, {"a.txt": TEXT, "a.ann": FIRST_FIVE, "c.txt": ENOUGH})
    assert any("c.txt: has no .ann file beside it; skipped" in line for line in said(own))
    assert len(own.documents) == 1
