"""Users' folders as a whole: parts, ids, what can be learned, and that nothing but one error comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.own import Own, read_own
from models.corpora.problems import DataError, told
from tests.own_data import read_files, said

CANARY = "Zebrafink"
BRAT = {
    "a.txt": f"{CANARY} x",
    "a.ann": f"T1\tDrug 0 9\t{CANARY}\nE1\tDrug:T1 Of:T1\nA1\tNegated T1\nR1\tof Arg1:T1 Arg2:T1\n",
}
FILES = {
    "a.jsonl": json.dumps({"id": CANARY, "text": CANARY, "spans": [[0, 9, "Drug"]], "labels": ["x"]}) + "\n",
    "a.csv": f'text,label\n"{CANARY}, ""so""",a\n' * 2,
    "a.tsv": f"text\tlabel:kind\n{CANARY}\ta|b\n",
    "a.conll": f"-DOCSTART- O\n\n{CANARY}\tB-Drug\nx\tO\n\n",
    "a.pubtator": f"1|t|{CANARY}\n1|a|x\n1\t0\t9\t{CANARY}\tDrug\tD1\n1\tof\tD1\tD1\n\n",
    "a.ann": BRAT["a.ann"],
    "a.txt": BRAT["a.txt"],
    "a.json": json.dumps([{"text": CANARY}]),
    "a": "1|t|x\n",
}


def rows(*labels: object, start: int = 0) -> str:
    return "".join(
        json.dumps({"text": f"Note {start + n}.", "labels": own}) + "\n" for n, own in enumerate(labels)
    )


def spans(count: int, label: str = "Drug", text: str = "Aspirin") -> str:
    row = {"spans": [{"start": 0, "end": 7, "label": label}]}
    return "".join(json.dumps({"text": f"{text} {n}", **row}) + "\n" for n in range(count))


def stop(folder: Path, files: dict[str, str | bytes]) -> str:
    with pytest.raises(DataError) as error:
        read_files(folder, files)
    return str(error.value).replace(f"{folder}/", "").replace(f"{folder}", "HERE")


# --- whatever the bytes --------------------------------------------------------------------------


def read_bytes(files: dict[str, bytes]) -> str:
    """All that is told of files that hold these bytes."""
    with TemporaryDirectory() as name:
        try:
            return "\n".join(map(str, read_files(Path(name), dict(files)).problems))
        except DataError as error:
            return "\n".join([str(error), *map(str, error.problems)])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.binary(max_size=300))
def test_arbitrary_bytes_raise_the_one_error_or_are_read(name: str, content: bytes) -> None:
    read_bytes({name: content})
    read_bytes({**{known: text.encode() for known, text in BRAT.items()}, name: content})


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file of each format, cut, doubled and with other characters somewhere."""
    name = draw(st.sampled_from(sorted(FILES)))
    content = (FILES[name] * draw(st.integers(1, 4))).encode()
    odd = st.sampled_from(
        [b"\t", b"\n", b"\r", b'"', b"|", b"{", b"]", b" ", b"\xff", b"\0", b"99", b"-", b":", b""]
    )
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(odd) + content[at + draw(st.integers(0, 4)) :]
    return name, content


@settings(max_examples=100, deadline=None)
@given(damaged())
def test_damaged_files_raise_the_one_error_and_nothing_of_a_text_is_told(file: tuple[str, bytes]) -> None:
    name, content = file
    others = {known: text.encode() for known, text in BRAT.items()} if name in BRAT else {}
    assert CANARY not in read_bytes({**others, name: content})


# --- parts and ids -------------------------------------------------------------------------------


def test_parts_are_kept_apart(tmp_path: Path) -> None:
    files = {
        "train/a.jsonl": spans(6),
        "dev.jsonl": spans(2, text="Anodyne"),
        "test/x/b.jsonl": spans(1, "Rare", "Zebrine"),
    }
    own = read_files(tmp_path, dict(files))
    assert (len(own.train), len(own.dev), len(own.test), own.split_given) == (6, 2, 1, True)
    assert own.labels.entities == ("Drug", "Rare")
    assert all(document.covered == {"Drug", "Rare"} for document in own.documents)
    assert own.split("seed", 0.5) == (own.train, own.dev)
    assert said(own) == [f"{tmp_path}: spans: Rare occurs outside of the train part alone; kept"]


@pytest.mark.parametrize("name", ["dev.jsonl", "test/a.jsonl", "train.jsonl", "a.jsonl"])
def test_files_of_one_part_alone_are_no_split(tmp_path: Path, name: str) -> None:
    own = read_files(tmp_path, {name: spans(6)})
    assert (len(own.train), own.split_given) == (6, False)


def test_parts_without_one_to_learn_from_stop(tmp_path: Path) -> None:
    assert "a dev and a test part, and none to learn from" in stop(
        tmp_path, {"dev.jsonl": spans(6), "test.jsonl": spans(6, text="Anodyne")}
    )


def test_texts_that_parts_share_are_named(tmp_path: Path) -> None:
    own = read_files(tmp_path, {"train.jsonl": spans(6), "dev.jsonl": spans(7)})
    assert said(own) == [
        f"{tmp_path}: 6 of the 7 texts of its dev part are in the train part as well; "
        "kept, but figures on them say little"
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=5, max_size=20), st.floats(0, 1))
def test_a_split_has_every_document_once_and_the_same_text_on_one_side(
    drawn: list[tuple[int, int]], share: float
) -> None:
    lines = [json.dumps({"id": f"{i}", "text": f"Aspirin {t}", "spans": [[0, 7, "Drug"]]}) for i, t in drawn]
    with TemporaryDirectory() as name:
        try:
            own = read_files(Path(name), {"a.jsonl": "\n".join([*lines, spans(5, text="Another")])})
        except DataError:
            raise AssertionError("these can be learned") from None
    train, dev = own.split("seed", share)
    assert sorted(map(id, train + dev)) == sorted(map(id, own.documents))
    assert train
    assert dev
    assert not {d.text for d in train} & {d.text for d in dev}
    assert own.split("seed", share) == (train, dev)


def test_a_repeated_document_is_left_out_and_a_repeated_id_is_named(tmp_path: Path) -> None:
    lines = [
        {"id": i, "text": f"Aspirin {t}", "spans": [[0, 7, "Drug"]]}
        for i, t in ((1, 1), (2, 2), (1, 1), (1, 3), (4, 4), (5, 5), (2, 6))
    ]
    own = read_files(tmp_path, {"a.jsonl": "\n".join(map(json.dumps, lines))})
    assert [d.id for d in own.documents] == ["1", "2", "1", "4", "5", "2"]
    assert said(own) == [
        f"{tmp_path}/a.jsonl:3: its id and its text were there before; skipped",
        f"{tmp_path}/a.jsonl:4: 2 examples, the first here, have the id of another with another text; "
        "kept; those of one id are held out together",
    ]


def test_documents_without_an_id_are_named_by_file_and_line(tmp_path: Path) -> None:
    own = read_files(tmp_path, {"x/a.jsonl": "\n" + spans(5)})
    assert [d.id for d in own.documents][:2] == ["x/a.jsonl:2", "x/a.jsonl:3"]


def test_empty_files_among_others_are_named(tmp_path: Path) -> None:
    own = read_files(tmp_path, {"a.jsonl": spans(5), "b.jsonl": "", "c.jsonl": "\n\n"})
    assert said(own) == [f"{tmp_path}/{name}.jsonl: is empty; skipped" for name in "bc"]


# --- what can be learned -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (rows("a", "a", "a", "a", "a", "a"), "label: every text has the same label (a), so that there is"),
        (rows("a", "b", "a", "b"), "labels of label: 4 texts to learn from, 5 are the least"),
        (rows("a", "b", "c", "d", "e"), "labels of label: every label occurs once alone"),
        (rows(None, None, None, None, None), "HERE: no labels in it could be read; see docs"),
        (spans(4), "spans: 4 spans to learn from, 5 are the least; label more"),
        (spans(3) + "{\n" * 9, "HERE: 9 of 12 examples could not be read"),
        ("", "a.jsonl: is empty"),
    ],
)  # fmt: skip
def test_nothing_to_learn_stops_and_says_why(tmp_path: Path, content: str, reason: str) -> None:
    assert reason in stop(tmp_path, {"a.jsonl": content})


def test_a_task_that_cannot_be_learned_is_left_out_beside_one_that_can(tmp_path: Path) -> None:
    own = read_files(tmp_path, {"a.jsonl": spans(6) + rows("a", "a", "a", "a", "a")})
    assert own.labels.classes == {}
    assert all(document.classes == {} for document in own.documents)
    assert said(own) == [
        f"{tmp_path}: labels of label: every text has the same label (a), so that there is nothing to tell "
        "apart; this task is left out"
    ]
    other = read_files(tmp_path, {"a.jsonl": spans(2) + rows("a", "b", "a", "b", "a")})
    assert (other.labels.entities, list(other.labels.classes)) == ((), ["label"])
    assert all(document.spans == () and not document.covered for document in other.documents)


def test_one_label_of_several_can_be_learned_where_some_texts_lack_it(tmp_path: Path) -> None:
    own = read_files(tmp_path, {"a.jsonl": rows(["a"], [], ["a"], [], ["a"])})
    assert own.labels.classes["label"].several


def test_labels_with_few_examples_or_that_differ_in_capitals_are_named(tmp_path: Path) -> None:
    own = read_files(
        tmp_path, {"a.jsonl": spans(5) + spans(4, "DRUG", "Asparig") + spans(1, "Odd", "Asperin")}
    )
    assert [str(problem).removeprefix(f"{tmp_path}: ") for problem in own.problems] == [
        "spans: DRUG has 4 of the 5 examples it needs; kept",
        "spans: Odd has 1 of the 5 examples it needs; kept",
        "spans: DRUG, Drug differ in capitals alone; kept as different labels",
    ]


def test_few_relations_are_left_out(tmp_path: Path) -> None:
    row = {
        "text": "Aspirin x",
        "spans": [[0, 7, "Drug"], [8, 9, "Dose"]],
        "relations": [{"source": 1, "target": 0, "label": "of"}],
    }
    own = read_files(tmp_path, {"a.jsonl": json.dumps(row) + "\n" + spans(5, text="Anodyne")})
    assert (own.labels.relations, own.documents[0].relations, own.documents[0].related) == (
        {},
        (),
        frozenset(),
    )
    assert said(own) == [f"{tmp_path}: relations: 1 to learn from, 5 are the least; this task is left out"]


@pytest.mark.parametrize("labels", [{"Drug"}, {"Nothing"}])
def test_labels_may_be_asked_for(tmp_path: Path, labels: set[str]) -> None:
    (tmp_path / "a.jsonl").write_text(spans(6) + spans(6, "Odd", "Asperin"), encoding="utf-8")

    def read() -> Own:
        return read_own(tmp_path, labels=labels)

    if labels == {"Drug"}:
        own = read()
        assert own.labels.entities == ("Drug",)
        assert told(own.problems) == [
            f"{tmp_path}/a.jsonl:7: Odd is none of the labels that were asked for "
            "(and in 8, 9, 10, 11, 1 more); skipped"
        ]
    else:
        assert_stops(read, "no labels in it could be read")


def assert_stops(read: Callable[[], object], why: str) -> None:
    with pytest.raises(DataError, match=why):
        read()
