import dataclasses
import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.answers import Answer, together
from models.checkpoint import Checkpoint, open_checkpoint
from models.errors import CheckpointError
from models.reader import PassageFault, Reader, Tokens, _apart
from models.types import Findings, Span, Tie
from tests.checkpoints import BIO, TEXT, huggingface_folder, tiny

ODD = "é́日😀👩‍⚕️مرحبا ß\u0000\ufeff\u200d\ufe0f\r\n\t\u00a0İǅ가ﬁ½\ufffd\ud800\udfff"
anything = st.text(
    st.one_of(st.characters(codec=None, categories=None), st.sampled_from(ODD), st.sampled_from("pain no. ")),
    max_size=60,
)


@pytest.fixture(scope="module")
def uncased(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(tiny(tmp_path_factory.mktemp("uncased")))


@pytest.fixture(scope="module")
def cased(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(
        open_checkpoint(huggingface_folder(tmp_path_factory.mktemp("cased"), labels=BIO, cased=True))
    )


@pytest.fixture(params=["uncased", "cased"], scope="module")
def reader(request: pytest.FixtureRequest) -> Reader:
    chosen: Reader = request.getfixturevalue(request.param)
    return chosen


def every_token(count: int) -> Answer:
    """Each token an entity of its own, and all of them one more."""
    spans = [(n, n + 1, n % 2) for n in range(count)] + ([(0, count, 1)] if count else [])
    return Answer("ok", np.array(spans, np.int32).reshape(-1, 3), np.full(len(spans), 0.5, np.float32))


def findings(reader: Reader, text: str, tokens: Tokens, answer: Answer) -> Findings | PassageFault:
    (found,) = reader.findings([text], [tokens], together([answer]))
    return found


def check(reader: Reader, texts: list[str]) -> int:
    """Number of mentions, every one of which lies rightly in its text."""
    count = 0
    for text, tokens in zip(texts, reader.tokenise(texts), strict=True):
        starts, ends = tokens.starts.tolist(), tokens.ends.tolist()
        assert len(tokens) == len(starts) == len(ends) == len(tokens.features)
        assert starts == sorted(starts)
        assert all(0 <= start <= end <= len(text) for start, end in zip(starts, ends, strict=True))

        found = findings(reader, text, tokens, every_token(len(tokens)))
        assert isinstance(found, Findings)
        assert len({(mention.span, mention.category) for mention in found.mentions}) == len(found.mentions)
        for mention in found.mentions:
            span = mention.span
            assert 0 <= span.start < span.end <= len(text)
            assert not text[span.start].isspace()
            assert span.end == len(text) or unicodedata.category(text[span.end])[0] != "M"
        count += len(found.mentions)
    return count


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(anything, max_size=4))
@example(texts=["\ud800", "a\udfffb", "", "\x00\x00", "cafe\u0301 pain\u0301"])
def test_offsets_point_into_the_text_as_it_came_whatever_it_is(reader: Reader, texts: list[str]) -> None:
    check(reader, texts)


def test_ten_thousand_texts_of_all_that_unicode_has(reader: Reader) -> None:
    rng = random.Random(7)
    alphabet = [*ODD, *"pain no.", *(chr(rng.randrange(0x110000)) for _ in range(4000))]
    texts = ["".join(rng.choices(alphabet, k=rng.randrange(12))) for _ in range(10_000)]
    assert check(reader, texts) > 20_000


@settings(max_examples=100, deadline=None)
@given(text=anything)
def test_a_lone_surrogate_takes_exactly_the_place_of_one_character(uncased: Reader, text: str) -> None:
    (whole,) = uncased.tokenise([f"pain {text} pain"])
    (inserted,) = uncased.tokenise([f"pain \ud800 {text} pain"])
    assert whole.ids.tolist() == inserted.ids.tolist()
    assert (inserted.starts[1:] - whole.starts[1:]).tolist() == [2] * (len(whole) - 1)


def test_texts_read_together_are_read_as_alone(uncased: Reader) -> None:
    texts = [TEXT, "", "pain", TEXT * 50]
    for text, one_of_many in zip(texts, uncased.tokenise(texts), strict=True):
        (alone,) = uncased.tokenise([text])
        assert one_of_many.ids.tolist() == alone.ids.tolist()
        assert one_of_many.starts.tolist() == alone.starts.tolist()


@pytest.mark.parametrize("text", ["a" * 10**6, "pain " * 4 * 10**4, "日" * 10**5, "\u0301" * 10**5])
def test_no_length_is_too_long(uncased: Reader, text: str) -> None:
    (tokens,) = uncased.tokenise([text])
    assert not len(tokens) or tokens.ends[-1] <= len(text)


def test_capitals_count_for_a_cased_checkpoint_only(cased: Reader, uncased: Reader) -> None:
    (with_case,), (without) = cased.tokenise(["Pain"]), uncased.tokenise(["Pain", "pain"])
    assert without[0].ids.tolist() == without[1].ids.tolist()
    assert with_case.ids.tolist() != cased.tokenise(["pain"])[0].ids.tolist()


def test_combining_marks_stay_with_their_letter(uncased: Reader) -> None:
    text = "pain\u0301\ufe0f no"
    (tokens,) = uncased.tokenise([text])
    spans = np.array([[0, 1, 0]], np.int32)
    found = findings(uncased, text, tokens, Answer("ok", spans, np.array([0.98765], np.float32)))
    assert isinstance(found, Findings)
    (mention,) = found.mentions
    assert (mention.span, mention.category, mention.confidence) == (Span(0, 6), "PROBLEM", 0.9876)


def test_without_an_assertion_head_cues_alone_decide(uncased: Reader) -> None:
    text = "The patient denies chest pain. Has fever"
    (tokens,) = uncased.tokenise([text])
    pieces = [text[a:b] for a, b in zip(tokens.starts, tokens.ends, strict=True)]
    spans = np.array(
        [[pieces.index(word), pieces.index(word) + 1, 0] for word in ("pain", "fever")], np.int32
    )
    found = findings(uncased, text, tokens, Answer("ok", spans, np.ones(2, np.float32)))
    assert isinstance(found, Findings)
    pain, fever = found.mentions
    assert pain.assertion == ("negative", "none", "subject", "current")
    assert [text[cue.span.start : cue.span.end] for cue in pain.evidence] == ["patient denies"]
    assert fever.assertion == ("positive", "none", "subject", "current")
    assert fever.evidence == ()


def test_labels_of_a_passage_keep_the_checkpoint_s_order(tmp_path: Path) -> None:
    labels = ("a", "b", "c")
    reader = Reader(open_checkpoint(huggingface_folder(tmp_path, "BertForSequenceClassification", labels)))
    (tokens,) = reader.tokenise(["pain"])
    found = findings(reader, "pain", tokens, Answer(classes=(np.array([0.2, 0.5, 0.3], np.float32),)))
    assert isinstance(found, Findings)
    (classified,) = found.classified
    assert classified.task == "classification"
    assert classified.confidences == (0.2, 0.5, 0.3)


def test_a_passage_that_could_not_be_read_is_a_fault(uncased: Reader) -> None:
    (tokens,) = uncased.tokenise(["pain"])
    for reason in ("model-non-finite", "device-out-of-memory"):
        assert findings(uncased, "pain", tokens, Answer(reason)) == PassageFault(reason)


def test_a_passage_beyond_all_measure_is_a_fault_and_costs_nothing(
    uncased: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.tokeniser.MOST_TOKENS", 3)
    three, four = uncased.tokenise(["no no no", "no no no no"])
    assert isinstance(findings(uncased, "no no no", three, Answer()), Findings)
    assert len(four) == 0
    assert findings(uncased, "no no no no", four, Answer()) == PassageFault("too-large")


def test_a_bare_base_is_refused(tmp_path: Path) -> None:
    bare: Checkpoint = open_checkpoint(huggingface_folder(tmp_path, "BertModel"))
    with pytest.raises(CheckpointError, match="bare base without heads"):
        Reader(bare)


def layered(tmp_path: Path) -> Reader:
    checkpoint = open_checkpoint(huggingface_folder(tmp_path))
    heads = (
        {"name": "entities", "kind": "entities", "categories": ["PROBLEM", "DRUG"]},
        {"name": "phi", "kind": "entities", "layer": "phi", "categories": ["NAME"]},
        {"name": "events", "kind": "entities", "layer": "events", "categories": ["DRUG", "EFFECT"],
         "silent": ["DRUG"]},
        {"name": "relations", "kind": "relations", "relations": [["OF", ["PROBLEM"], ["DRUG"]]]},
    )  # fmt: skip
    return Reader(dataclasses.replace(checkpoint, heads=heads))


PROBLEM, DRUG, NAME, SILENT, EFFECT = range(5)


def test_layers_become_mentions_identifiers_or_nothing_and_relations_follow(tmp_path: Path) -> None:
    reader = layered(tmp_path)
    text = "the patient has left pain takes aspirin"
    (tokens,) = reader.tokenise([text])
    spans = np.array(
        [[1, 2, NAME], [3, 5, EFFECT], [4, 5, PROBLEM], [6, 7, DRUG], [6, 7, SILENT], [4, 5, EFFECT]],
        np.int32,
    )
    pairs = np.array([[1, 3, 0], [2, 3, 0], [0, 3, 0], [5, 3, 0], [2, 4, 0]], np.int32)
    answer = Answer(
        "ok", spans, np.full(6, 0.5, np.float32), np.zeros((6, 0), np.float32), (), pairs,
        np.array([0.6, 0.9, 0.8, 0.7, 0.9], np.float32),
    )  # fmt: skip
    found = findings(reader, text, tokens, answer)
    assert isinstance(found, Findings)
    said = [(text[m.span.start : m.span.end], m.category) for m in found.mentions]
    assert said == [("left pain", "EFFECT"), ("pain", "PROBLEM"), ("aspirin", "DRUG")]
    assert [(text[m.span.start : m.span.end], m.category) for m in found.marked] == [("patient", "NAME")]
    assert found.ties == (Tie("OF", 0, 2, 0.6),), (
        "the effect speaks for the problem in it; a name is related to nothing"
    )


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0, 1)), max_size=10))
def test_no_two_overlapping_mentions_are_related_to_one_in_the_same_way(
    raw: list[tuple[int, int, float]],
) -> None:
    places = [(n * 2, n * 2 + 3, n % 3) for n in range(6)]
    found = {(a, b, 0): sure for a, b, sure in raw}
    kept = _apart(found, places)
    assert kept.items() <= found.items()
    for one in kept:
        for other in kept:
            if one != other and one[1] == other[1]:
                (a, b, _), (c, d, _) = places[one[0]], places[other[0]]
                assert b <= c or d <= a
    lost = found.keys() - kept.keys()
    assert all(any(k[1] == own[1] and abs(k[0] - own[0]) == 1 for k in kept) for own in lost)
