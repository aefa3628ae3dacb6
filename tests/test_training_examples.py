"""Which tags, kinds and classes a document's labels leave open."""

from __future__ import annotations

import pytest

from models.corpora.scheme import ANYTHING, CATEGORIES, MEDICATION, PROBLEM, Document, Labelled, Layer
from models.training.examples import Preparer
from models.training.scheme import EFFECT, Scheme, Task, tasks_of
from tests import learned
from tests.learned import LABELLED, NAMES, SCHEME


@pytest.fixture(scope="module")
def preparer(tmp_path_factory: pytest.TempPathFactory) -> Preparer:
    return learned.preparer(tmp_path_factory.mktemp("base"))


def open_tags(preparer: Preparer, document: Document) -> list[set[str]]:
    (example,) = preparer.prepare([document])
    table = preparer.sets["entities"].table()
    return [
        {name for name, yes in zip(NAMES, table[row], strict=True) if yes} for row in example.tags["entities"]
    ]


def test_tags_of_a_corpus_that_covers_some_categories(preparer: Preparer) -> None:
    spans = (Labelled(3, 13, PROBLEM), Labelled(14, 21, MEDICATION))
    tags = open_tags(preparer, Document("c", "1", "no chest pain aspirin has", spans, PROBLEM | MEDICATION))
    begin, inside = ({f"{p}-DISEASE", f"{p}-SIGN_OR_SYMPTOM"} for p in "BI")
    hidden = {f"{p}-{c}" for p in "BI" for c in PROBLEM | MEDICATION}
    assert tags == [set(NAMES) - hidden, begin, inside, {"B-MEDICATION"}, set(NAMES) - hidden]


def test_tags_of_a_corpus_that_covers_nothing(preparer: Preparer) -> None:
    tags = open_tags(preparer, Document("c", "1", "no aspirin has pain", (Labelled(3, 10, MEDICATION),)))
    assert tags == [set(NAMES), {"B-MEDICATION"}, set(NAMES) - {"I-MEDICATION"}, set(NAMES)]


def test_an_unknown_span_is_open_where_all_is_covered(preparer: Preparer) -> None:
    document = Document("c", "1", "no aspirin pain", (Labelled(3, 10, ANYTHING),), frozenset(CATEGORIES))
    assert open_tags(preparer, document) == [{"O"}, set(NAMES), {"O"}]


def test_a_span_that_starts_inside_a_word_takes_the_whole_piece(preparer: Preparer) -> None:
    document = Document("c", "1", "has pains no", (Labelled(4, 8, PROBLEM),), PROBLEM)
    tags = open_tags(preparer, document)
    assert tags[1] == {"B-DISEASE", "B-SIGN_OR_SYMPTOM"}
    assert "O" in tags[2]  # the piece "##s" lies behind the span


def test_a_document_has_tags_of_the_layers_that_it_is_labelled_in(preparer: Preparer) -> None:
    (both, none) = preparer.prepare(
        [LABELLED, Document("c", "2", "no pain", classes={"kind": frozenset("a")})]
    )
    assert both.tags.keys() == {"entities", "phi"}
    table = preparer.sets["phi"].table()
    assert table[both.tags["phi"][0]].nonzero().tolist() == [[1]], "the first word is the name, and only that"
    assert table[both.tags["phi"][1]].nonzero().tolist() == [[0]], "the second is none of all identifiers"
    assert none.tags == {}


def test_ends_of_relations_are_entities_and_the_drugs_and_effects_of_events(preparer: Preparer) -> None:
    (example,) = preparer.prepare([LABELLED])
    assert example.ends is not None
    kinds = SCHEME.kinds
    said = [{kinds[k] for k in row.nonzero()[0]} for row in example.ends.kinds]
    assert said == [PROBLEM, MEDICATION, PROBLEM]
    assert example.ends.gold == {(2, 1, list(SCHEME.relations).index("ADVERSE_EFFECT_OF"))}
    assert example.ends.codes == (("D1",), ("C1",), ("D2",))
    assert example.ends.related.sum() == 1
    spans = (Labelled(0, 2, frozenset({"DRUG"})), Labelled(3, 13, frozenset({EFFECT})))
    events = Document(
        "c", "3", learned.TEXT, layers={"events": Layer(spans, frozenset())}, related=frozenset({"TREATS"})
    )
    (example,) = preparer.prepare([events])
    assert example.ends is not None
    said = [{kinds[k] for k in row.nonzero()[0]} for row in example.ends.kinds]
    assert said == [MEDICATION, PROBLEM | {EFFECT}]


def test_classes_are_known_of_the_tasks_that_a_text_has_labels_for(preparer: Preparer) -> None:
    texts = [
        Document("c", "1", "no pain", classes={"kind": frozenset("b")}),
        Document("c", "2", "no pain", classes={"topics": frozenset()}),
    ]
    first, second = preparer.prepare(texts)
    assert {name: row.tolist() for name, row in first.classes.items()} == {"kind": [False, True]}
    assert {name: row.tolist() for name, row in second.classes.items()} == {"topics": [False] * 3}
    assert tasks_of(texts) == {"kind": Task(("b",), False), "topics": Task((), True)}


def test_a_scheme_without_relations_or_assertion_learns_none(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    scheme = Scheme({"entities": CATEGORIES}, assertion=False)
    (example,) = learned.preparer(tmp_path_factory.mktemp("base"), scheme).prepare([LABELLED])
    assert example.ends is None
    assert (example.judged, set(example.tags)) == ((), {"entities"})


def test_sentences_are_cut_outside_of_spans_of_every_layer(preparer: Preparer) -> None:
    text = "no pain. Has pain.\nThe left"
    plain, spanned = preparer.prepare(
        [
            Document("c", "1", text),
            Document("c", "2", text, layers={"phi": Layer((Labelled(3, 12, ANYTHING),), frozenset())}),
        ]
    )
    assert plain.cuts == (0, 3, 6, 8)
    assert spanned.cuts == (0, 6, 8)
