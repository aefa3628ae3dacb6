"""What attributes say of how something is asserted, and what their absence says."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.corpora.asserted import contrasts, only, read_attribute, read_value, span_axes, used_flags
from models.corpora.raw import RawDocument, RawSpan
from models.corpora.scheme import OPEN, axes


def span(label: str, *flags: str, values: frozenset[str] = frozenset()) -> RawSpan:
    return RawSpan(1, 0, 1, label, flags=frozenset(flags), values=values)


@pytest.mark.parametrize(
    ("name", "value", "flags"),
    [
        ("Negated", "", {"negated"}),
        ("Negation", "true", {"negation"}),
        ("negated", "no", set()),
        ("Certainty", "positivePossible", {"positivepossible"}),
        ("Polarity", "NEG", {"neg"}),
        ("Assertion", "associated_with_someone_else", {"associatedwithsomeoneelse"}),
        ("Conditionality", "none", {"none"}),
        ("Severity", "none", None),
        ("Severity", "high", None),
        ("Temporality", "negative", None),
        ("Colour", "", None),
        ("", "", None),
    ],
)
def test_an_attribute_is_a_flag_or_says_nothing(name: str, value: str, flags: set[str] | None) -> None:
    assert read_attribute(name, value) == (None if flags is None else frozenset(flags))


def test_a_word_stands_for_values_of_its_axis() -> None:
    assert read_value("certainty", "absent") == frozenset({"negative"})
    assert read_value("temporality", "absent") is None
    assert read_value("colour", "negative") is None
    assert read_value("conditionality", "none") == frozenset({"none"})


def test_silence_denies_what_others_of_the_label_have_but_never_what_is_usual() -> None:
    spans = [span("Finding", "negated"), span("Finding", "pos"), span("Finding"), span("Drug")]
    used = used_flags([RawDocument(Path("a"), 1, "x", spans=tuple(spans))])
    certainty = [set(span_axes(own, used)[0]) for own in spans]
    assert certainty[:2] == [{"negative"}, {"positive"}]
    assert certainty[2] == {"positive", "positivePossible", "neutralPossible", "negativePossible"}
    assert span_axes(spans[3], used) == OPEN


def test_what_is_spelled_out_goes_before_flags_and_silence() -> None:
    used = {"Finding": frozenset({"negated", "speculated"})}
    said = span_axes(span("Finding", "negated", values=frozenset({"positive", "past"})), used)
    assert said == axes("positive", "past")
    assert span_axes(span("Finding"), used) == axes("positive")
    possible = axes("positivePossible", "neutralPossible", "negativePossible")
    assert span_axes(span("Finding", "speculated"), used) == possible


def test_an_axis_on_which_all_are_the_same_teaches_nothing() -> None:
    judged = [axes("negative", "past"), axes("positive", "past"), axes()]
    assert contrasts(judged) == {"certainty": ("positive", "negative")}
    assert only(judged[0], ["certainty"]) == axes("negative")
