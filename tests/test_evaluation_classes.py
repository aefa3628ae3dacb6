"""Classes of texts: any number of labels, or the likeliest of one."""

from __future__ import annotations

from models.evaluation.classes import best, confidences, several
from models.types import SectionRecord, Span
from tests.annotated import classified, document, record

LABELS = {"type": frozenset({"letter"}), "specialty": frozenset({"heart", "lung"})}


def test_labels_are_said_from_one_half_on_unless_the_record_has_those_alone_that_hold() -> None:
    own = document(classes=LABELS)
    found = record(
        classes=(classified("type", letter=0.4, report=0.6), classified("specialty", heart=0.5, lung=0.49))
    )
    counted = several(own, found, ["type", "specialty"])
    assert counted == {"letter": (1, 0, 0), "report": (0, 1, 0), "heart": (1, 1, 1), "lung": (1, 0, 0)}
    decided = several(own, found, ["specialty"], {"specialty"})
    assert decided == {"heart": (1, 1, 1), "lung": (1, 1, 1)}


def test_a_record_without_the_task_has_missed_all_of_it() -> None:
    assert several(document(classes=LABELS), record(), ["type"]) == {"letter": (1, 0, 0)}
    assert best(document(classes=LABELS), record(), "type") == {"letter": (1, 0, 0)}


def test_one_label_is_held_against_the_likeliest_however_unlikely() -> None:
    own = document(classes=LABELS)
    assert best(own, record(classes=(classified("type", letter=0.2, report=0.1),)), "type") == {
        "letter": (1, 1, 1)
    }
    assert best(own, record(classes=(classified("type", letter=0.2, report=0.3),)), "type") == {
        "letter": (1, 0, 0),
        "report": (0, 1, 0),
    }


def test_the_section_of_a_text_is_that_of_its_longest_section_where_no_task_says_it() -> None:
    sections = tuple(
        SectionRecord(id=f"s{start}", span=Span(start, end), title="", category=category)
        for start, end, category in ((0, 5, "plan"), (5, 30, "exam"), (30, 40, "labs"))
    )
    assert confidences(record(sections=sections), "section") == {"exam": 1.0}
    told = record(sections=sections, classes=(classified("section", plan=0.7),))
    assert confidences(told, "section") == {"plan": 0.7}
    assert confidences(record(sections=sections), "type") == {}
