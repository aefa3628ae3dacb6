"""A run's report: what is counted, what is quoted, and that the page needs nothing else."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.corpora.scheme import Document
from models.evaluation.abilities import Abilities
from models.training.charts import lines
from models.training.curves import Look, curves, history
from models.training.examined import MISSED, SPURIOUS, Confusion, Examined, Mistake, examined
from models.training.own import HISTORY, RUN, Trained
from models.training.own_recipe import OwnRecipe, train_config
from models.training.report import AROUND, EXAMPLES, quoted, report
from tests.annotated import classified, document, entity, labelled, record

TEXT = (
    "The patient <b>denies</b> chest pain & takes aspirin daily; fever since 3 days, cough since yesterday."
)
PAIN, ASPIRIN, FEVER = ((TEXT.index(w), TEXT.index(w) + len(w)) for w in ("chest pain", "aspirin", "fever"))
LABELS = frozenset({"SIGN", "DRUG"})
CAN = Abilities(categories=LABELS, tasks={"kind": ("a", "b")})
LINE = '{"step":%d,"loss":0.5,"parts":{},"dev":{"dev entities":0.25}}\n'


def noted(id: str, kind: str = "a") -> Document:
    spans = (labelled(*PAIN, "SIGN"), labelled(*ASPIRIN, "DRUG"), labelled(*FEVER, "SIGN"))
    return document(
        *spans, corpus="own", id=id, text=TEXT, covered=LABELS, classes={"kind": frozenset({kind})}
    )


@pytest.fixture(scope="module")
def found() -> Examined:
    """A span with other bounds, one of another kind, one that is not found, one that is not there."""
    one = record(
        entity(PAIN[0] + 6, PAIN[1], "SIGN", 0.7), entity(*ASPIRIN, "SIGN", 0.95), entity(0, 3, "DRUG", 0.6),
        classes=(classified("kind", a=0.2, b=0.8),),
    )  # fmt: skip
    right = record(entity(*PAIN, "SIGN"), classes=(classified("kind", a=0.9, b=0.1),))
    return examined([(noted("1"), one), (noted("2"), right)], CAN, 20)


def test_spans_are_counted_by_what_is_taken_for_what(found: Examined) -> None:
    spans, kinds = found.confusions
    assert spans == Confusion(
        "spans", ("SIGN", "DRUG", SPURIOUS), ("SIGN", "DRUG", MISSED), ((2, 0, 2), (1, 0, 1), (0, 1, 0))
    )
    assert kinds == Confusion("kind", ("a", "b"), ("a", "b"), ((1, 1), (0, 0)))


def test_mistakes_begin_with_the_surest(found: Examined) -> None:
    told = [(own.gold, own.said, own.task) for own in found.mistakes]
    assert told == [
        ("DRUG", "SIGN", ""), ("a", "b", "kind"), ("SIGN", "SIGN", ""), ("", "DRUG", ""), ("SIGN", "", ""),
        ("DRUG", "", ""), ("SIGN", "", ""),
    ]  # fmt: skip


def test_tables_and_calibration_are_those_of_an_evaluation(found: Examined) -> None:
    tables = {own.task: own.micro for own in found.tables}
    assert (tables["entities"].gold, tables["entities"].found, tables["entities"].right) == (6, 4, 1)
    assert {own.head for own in found.calibrations} == {"entities", "kind"}


@pytest.fixture
def done(tmp_path: Path) -> Trained:
    dev = (noted("1"), noted("2"))
    (tmp_path / HISTORY).write_text("".join(LINE % step for step in (10, 20, 20, 30)) + '{"step":4')
    (tmp_path / RUN).write_text('{"recipe":{"seed":7},"base":{"name":"tiny<i>"}}')
    return Trained(tmp_path / "checkpoint", train_config(OwnRecipe(name="mine<i>"), dev), 9, dev, {})


class Tags(HTMLParser):
    """Every tag that is opened is closed; `seen`: their names and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(tmp_path: Path, done: Trained, found: Examined) -> None:
    page = report(tmp_path, done, found, ["a.csv:3: has no <text>; skipped"]).read_text()
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    assert not tags.addresses
    assert not tags.seen & {"script", "link", "img", "iframe", "i"}
    assert "url(" not in page
    assert "mine&lt;i&gt;" in page
    assert "tiny&lt;i&gt;" in page
    assert "has no &lt;text&gt;" in page


def test_what_is_quoted_is_marked_where_it_is_and_where_it_is_said(
    tmp_path: Path, done: Trained, found: Examined
) -> None:
    page = report(tmp_path, done, found).read_text()
    assert '<mark class="gold">chest </mark><mark class="both">pain</mark>' in page
    assert '<mark class="both">aspirin</mark>' in page
    assert '<mark class="said">The</mark>' in page
    assert "This page quotes your texts" in page
    assert "&lt;b&gt;denies" in page


def test_without_examples_no_text_is_quoted(tmp_path: Path, done: Trained, found: Examined) -> None:
    page = report(tmp_path, done, found, examples=False).read_text()
    assert "aspirin" not in page
    assert "quotes your texts" not in page


def test_many_mistakes_are_cut_short(tmp_path: Path, done: Trained, found: Examined) -> None:
    many = tuple(Mistake(str(n), "SIGN", "", 0.0, TEXT, PAIN) for n in range(EXAMPLES + 5))
    page = report(tmp_path, done, Examined(2, (), (), (), many)).read_text()
    assert page.count("<li>") == EXAMPLES
    assert f"{EXAMPLES} of {EXAMPLES + 5}" in page


def test_many_labels_are_joined_and_none_is_lost(tmp_path: Path, done: Trained) -> None:
    names = tuple(f"L{n:02}" for n in range(40))
    square = tuple(tuple(int(a == b) for b in range(40)) for a in range(40))
    one = Examined(2, (), (), (Confusion("kind", names, names, square),), ())
    page = report(tmp_path, done, one).read_text()
    cells = [int(cell) for cell in re.findall(r'<td class="(?:right|wrong)\d">(\d+)</td>', page)]
    assert sum(cells) == 40
    assert len(re.findall('<th scope="row">L', page)) == 15


@given(
    st.text(min_size=1, max_size=400),
    st.tuples(st.integers(0, 399), st.integers(0, 399)),
    st.tuples(st.integers(0, 399), st.integers(0, 399)),
)
def test_any_span_is_quoted_as_it_stands(text: str, one: tuple[int, int], two: tuple[int, int]) -> None:
    (a, b), (c, d) = (sorted(at % (len(text) + 1) for at in own) for own in (one, two))
    mistake = Mistake("d", "A", "B", 0.5, text, (a, b), (c, d))
    first, last = max(0, mistake.start - AROUND), min(len(text), mistake.end + AROUND)
    whole = ("…" if first else "") + text[first:last] + ("…" if last < len(text) else "")
    assert re.sub(r"</?mark[^>]*>", "", quoted(mistake)) == escape(whole)


# --- curves -----------------------------------------------------------------------------------------


def test_a_history_is_read_as_far_as_it_is_whole(tmp_path: Path, done: Trained) -> None:
    assert [own.step for own in history(tmp_path / HISTORY)] == [10, 20, 30]
    assert history(tmp_path / HISTORY)[0] == Look(10, 0.5, {}, {"dev entities": 0.25})
    assert history(tmp_path / "none") == []
    assert curves(tmp_path / "none") == ""
    assert "<td>25.0</td>" in curves(tmp_path / HISTORY)


@example([(0, 5e-324)])
@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1e6) | st.just(float("nan"))), max_size=30))
def test_points_lie_within_their_chart(points: list[tuple[int, float]]) -> None:
    drawn = lines("t", {"a<": [(float(x), y) for x, y in sorted(points)]}, "x", "y")
    for x, y in re.findall(r'cx="([^"]+)" cy="([^"]+)"', drawn):
        assert 52 <= float(x) <= 546
        assert 14 <= float(y) <= 220
