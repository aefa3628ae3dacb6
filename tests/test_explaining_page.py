"""The page of explanations: whole, safe, and nothing in it comes from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from models.types import Annotation, Explanation, Note, Span, Word
from streamer import explaining_page
from tests.records import read, words

VOID = {"meta", "br"}


class Outline(HTMLParser):
    """The text of a page, its tags, and whether each that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        place = self.open[-1] if self.open else ""
        self.text[place] = self.text.get(place, "") + data


def explained(text: str, weights: list[float]) -> tuple[Note, Annotation, tuple[Explanation, ...]]:
    """A note and an explanation of its first entity, whose words weigh so."""
    note = Note(id="<n>", text=text)
    annotation = read(note, words("pain"))
    places = [match.span() for match in re.finditer(r"\w+", text)]
    found = tuple(
        Word(Span(*place), text[slice(*place)], weight)
        for place, weight in zip(places, weights, strict=False)
        if weight
    )
    explanation = Explanation(
        kind="entity", reference=annotation.entities[0].id, task="category", label="DISEASE", method="ig",
        score=1.0, baseline=-2.0, completeness_error=0.01,
        words=tuple(sorted(found, key=lambda word: -abs(word.weight))),
    )  # fmt: skip
    return note, annotation, (explanation,)


def page(*of: tuple[Note, Annotation, tuple[Explanation, ...]]) -> str:
    return explaining_page.BEGIN + "".join(explaining_page.section(*own) for own in of) + explaining_page.END


def test_a_page_needs_nothing_from_elsewhere() -> None:
    whole = page(explained("some pain here", [1.0, -2.0, 0.5]))
    outline = Outline(whole)
    assert not outline.open
    assert not re.search(r"https?:|//|url\(|@import|<script|<img|<link", whole)
    assert not {name for _, given in outline.tags for name in given} & {"src", "onclick", "style"}
    links = [given["href"] for tag, given in outline.tags if tag == "a"]
    assert all((link or "").startswith("#") for link in links)
    assert {link[1:] for link in links if link} <= {given.get("id") for _, given in outline.tags}


def test_words_are_marked_by_how_much_and_which_way_they_moved_it() -> None:
    whole = page(explained("some pain here", [0.5, -2.0, 1.0]))
    marks = dict(re.findall(r'<mark class="(\w+)" title="[^"]*">(\w+)</mark>', whole))
    assert {"a5": "pain", "f1": "some", "f2": "here"}.items() <= marks.items()
    assert 'title="−2.00">pain' in whole
    assert "<li>pain <b>−2.00</b></li>" in whole, "it can be read without colour"


def test_places_of_two_notes_do_not_meet() -> None:
    note, annotation, found = explained("some pain here", [1.0])
    other = msgspec.structs.replace(annotation, id="another")
    outline = Outline(page((note, annotation, found), (note, other, found)))
    names = [given["id"] for _, given in outline.tags if "id" in given]
    assert len(names) == len(set(names)) == 2


@settings(deadline=None)
@given(st.text(max_size=60), st.lists(st.floats(-9, 9), max_size=30))
def test_any_text_is_shown_as_it_is_and_no_more(text: str, weights: list[float]) -> None:
    text = f"pain {text}"
    whole = page(explained(text, weights))
    outline = Outline(whole)
    assert not outline.open
    assert {tag for tag, _ in outline.tags} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "h4", "p", "span", "mark",
        "section", "div", "small", "a", "b", "ul", "li",
    }  # fmt: skip
    assert not [c for c in whole if not c.isprintable() and c != "\n"]
