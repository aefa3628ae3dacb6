import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.annotator import Annotator
from models.answers import Answer
from models.checkpoint import open_checkpoint
from models.engine import Engine
from models.errors import CheckpointError, EngineError
from models.forward import Projected
from models.heads.token_classes import TokenClasses
from models.reader import Reader
from models.requests import Passage
from models.types import AXES, Annotation, Findings, Note
from tests.checkpoints import BILOU, BIO, TEXT, huggingface_folder, streamer_folder
from tests.engines import own_rows

NOTE = f"""CHIEF COMPLAINT: chest pain 😀

HISTORY OF PRESENT ILLNESS: {TEXT} {TEXT}\r
He takes aspirin. Café́ visits: none.

FAMILY HISTORY: The patient's mother has fever.
"""


@pytest.fixture(scope="module")
def annotator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Annotator]:
    with Annotator.load(streamer_folder(tmp_path_factory.mktemp("annotator")), device="cpu") as annotator:
        yield annotator


def timeless(record: Annotation | EngineError) -> bytes:
    assert isinstance(record, Annotation)
    return msgspec.json.encode(msgspec.structs.replace(record, timings=None))


def test_a_note_becomes_a_record_whose_every_entity_is_its_text(annotator: Annotator) -> None:
    record = annotator.annotate(Note(id="n1", text=NOTE))

    assert record.document.id == "n1"
    assert record.pipeline.name == "tiny"
    assert [section.title for section in record.sections if section.title][:1] == ["CHIEF COMPLAINT"]
    assert len(record.entities) > 20
    for entity in record.entities:
        assert NOTE[entity.span.start : entity.span.end] == entity.text
        assert entity.category in ("PROBLEM", "DRUG")
        assert all(getattr(entity.assertion, axis) in values for axis, values in AXES.items())
    assert record.timings.passages > 2
    assert record.timings.inference_ms > 0


def test_the_same_note_gives_the_same_bytes_in_any_company(annotator: Annotator) -> None:
    alone = timeless(annotator.annotate(NOTE))
    others = [f"{TEXT[:n]} {NOTE[n:]}" for n in range(0, 60, 3)]
    for shift in range(3):
        notes = [*others[shift:], NOTE, *others[:shift]]
        records = annotator.annotate_many(notes)
        assert timeless(records[notes.index(NOTE)]) == alone


def test_a_bare_text_gets_an_id_of_its_content(annotator: Annotator) -> None:
    assert annotator.annotate("pain").document.id == hashlib.sha256(b"pain").hexdigest()[:16]


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "a" * 5000, "\r\n\r\n", "pain " * 3000])
def test_odd_notes_are_records_too(annotator: Annotator, text: str) -> None:
    record = annotator.annotate(text)
    assert record.document.characters == len(text)
    assert all(text[e.span.start : e.span.end] == e.text for e in record.entities)


def test_a_note_that_cannot_be_read_is_an_error_and_its_neighbours_are_records(
    annotator: Annotator, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = annotator._engine.forward
    marked = annotator._reader.tokenise(["fever"])[0].ids[0]

    def sick(windows: Sequence[Passage]) -> Projected:
        batch = forward(windows)
        for (ids, _), own in zip(windows, own_rows(batch), strict=True):
            if marked in ids:
                own.numpy()[:] = np.nan
        return batch

    monkeypatch.setattr(annotator._engine, "forward", sick)
    before, error, after = annotator.annotate_many(["chest pain", "has fever", "no pain"])
    assert isinstance(before, Annotation)
    assert isinstance(after, Annotation)
    assert str(error) == "the note cannot be read: model-non-finite"
    with pytest.raises(EngineError, match="model-non-finite"):
        annotator.annotate("fever")


def test_a_bare_base_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / "Bio_ClinicalBERT", "BertForPreTraining", cased=True)
    with pytest.raises(CheckpointError) as caught:
        Annotator.load(folder)
    assert str(caught.value) == (
        f"Bio_ClinicalBERT is a bare base without heads; start `streamer train --base {folder}` from it"
    )


# --- any token classifier reads as in transformers -----------------------------------------------


def generated_texts(count: int) -> list[str]:
    rng = random.Random(3)
    words = [*TEXT.split(), "Pain", "CHEST", "(no)", "café", "81mg", "3.5", "日", "x-ray", "\n"]
    return [" ".join(rng.choices(words, k=rng.randrange(1, 15))) for _ in range(count)]


def read(folder: Path, texts: Sequence[str]) -> list[Findings]:
    checkpoint = open_checkpoint(folder)
    reader, engine = Reader(checkpoint), Engine(checkpoint, "cpu", readers=1)
    tokens = reader.tokenise(texts)
    answers = engine.submit([own.passage for own in tokens]).result(60)
    engine.close()
    return [found for found in reader.findings(texts, tokens, answers) if isinstance(found, Findings)]


@pytest.mark.parametrize("seed", range(4))
def test_every_span_and_score_is_that_of_the_transformers_pipeline(tmp_path: Path, seed: int) -> None:
    import transformers

    folder = huggingface_folder(tmp_path, labels=BIO, cased=bool(seed % 2), seed=seed)
    pipeline: Any = transformers.pipeline(
        "token-classification",
        model=transformers.BertForTokenClassification.from_pretrained(folder),
        tokenizer=transformers.BertTokenizerFast.from_pretrained(folder),
        aggregation_strategy="simple",
        device="cpu",
    )
    texts = generated_texts(40)
    total = joined = 0
    for text, found in zip(texts, read(folder, texts), strict=True):
        theirs = [(e["start"], e["end"], e["entity_group"], float(e["score"])) for e in pipeline(text)]
        ours = [(m.span.start, m.span.end, m.category, m.confidence) for m in found.mentions]
        assert [entity[:3] for entity in ours] == [entity[:3] for entity in theirs]
        assert [e[3] for e in ours] == pytest.approx([e[3] for e in theirs], abs=1.1e-4)
        total += len(ours)
        joined += sum(" " in text[start:end] for start, end, *_ in ours)
    assert total > 100
    assert joined > 0


def test_every_label_of_a_passage_is_that_of_the_transformers_pipeline(tmp_path: Path) -> None:
    import transformers

    for number, problem in enumerate(("single_label_classification", "multi_label_classification")):
        folder = huggingface_folder(
            tmp_path / str(number), "BertForSequenceClassification", ("a", "b", "c"), problem_type=problem
        )
        pipeline: Any = transformers.pipeline(
            "text-classification",
            model=transformers.BertForSequenceClassification.from_pretrained(folder),
            tokenizer=transformers.BertTokenizerFast.from_pretrained(folder),
            top_k=None,
            device="cpu",
        )
        texts = generated_texts(10)
        for text, found in zip(texts, read(folder, texts), strict=True):
            (classified,) = found.classified
            theirs = pipeline([text])[0]
            scores = {label["label"]: label["score"] for label in theirs}
            assert list(classified.confidences) == pytest.approx([scores[c] for c in "abc"], abs=1.1e-4)


def one_by_one(labels: Sequence[str]) -> list[tuple[int, int, str]]:
    """Spans of a sequence of BILOU labels, by the book, token after token."""
    spans: list[tuple[int, int, str]] = []
    current: list[Any] | None = None
    for at, label in enumerate([*labels, "O"]):
        prefix, _, name = label.partition("-")
        if current and (prefix in ("B", "U", "O") or name != current[1]):
            spans.append((current[0], at, current[1]))
            current = None
        if label != "O":
            current = current or [at, name]
            if prefix in ("L", "U"):
                spans.append((current[0], at + 1, name))
                current = None
    return spans


def marks(tokens: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Every token a word, none of them [CLS] or [SEP]."""
    return np.ones(tokens, np.bool_), np.zeros(tokens, np.bool_)


@given(st.lists(st.sampled_from(BILOU), max_size=30))
def test_bilou_labels_read_as_by_the_book(labels: list[str]) -> None:
    head = TokenClasses(8, BILOU, ("PROBLEM", "DRUG"))
    logits = np.zeros((len(labels), len(BILOU)), np.float32)
    logits[np.arange(len(labels)), [BILOU.index(label) for label in labels]] = 5
    spans, confidence = head.read(torch.from_numpy(logits), *marks(len(labels)))
    assert [(a, b, head.categories[c]) for a, b, c in spans.tolist()] == one_by_one(labels)
    assert len(confidence) == len(spans)
    assert np.allclose(confidence, np.exp(5) / (np.exp(5) + len(BILOU) - 1))


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ("B-X I-X L-X", [(0, 3)]),
        ("B-X L-X B-X L-X", [(0, 2), (2, 4)]),
        ("U-X U-X", [(0, 1), (1, 2)]),
        ("U-X I-X", [(0, 1), (1, 2)]),
        ("B-X U-X L-X", [(0, 1), (1, 2), (2, 3)]),
        ("O I-X I-X O", [(1, 3)]),
        ("S-X B-X E-X O", [(0, 1), (1, 3)]),
        ("X X O X", [(0, 2), (3, 4)]),
        ("B-blood-pressure I-blood-pressure", [(0, 2)]),
    ],
)
def test_labels_written_by_hand(tmp_path: Path, labels: str, spans: list[tuple[int, int]]) -> None:
    given_labels = labels.split()
    names = tuple(dict.fromkeys(["O", *given_labels]))
    checkpoint = open_checkpoint(huggingface_folder(tmp_path, labels=names))
    head = TokenClasses.build(8, checkpoint.heads[0])
    logits = np.eye(len(names), dtype=np.float32)[[names.index(label) for label in given_labels]] * 9
    found, _ = head.read(torch.from_numpy(logits), *marks(len(given_labels)))
    assert [(a, b) for a, b, _ in found.tolist()] == spans
    assert {head.categories[c] for *_, c in found.tolist()} <= {"X", "blood-pressure"}


def test_a_head_reads_nothing_from_nothing() -> None:
    spans, confidence = TokenClasses(8, BIO, ("PROBLEM", "DRUG")).read(torch.zeros(0, 5), *marks(0))
    assert spans.shape == (0, 3)
    assert confidence.shape == (0,)
    assert Answer().spans.shape == (0, 3)
    assert list(itertools.chain(spans)) == []
