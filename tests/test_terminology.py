"""Terminologies: those that ship, and a user's own CSV with all that can be wrong in it."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.terminology import (
    ALIAS,
    PREFERRED,
    RELATED,
    SEEN,
    SHIPPED,
    Concept,
    Terminology,
    TerminologyError,
    load_shipped,
    read_own,
)
from models.terminology.shipped import pack, read_packed


def written(folder: Path, content: str | bytes, name: str = "own.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def concepts(terminology: Terminology) -> dict[str, tuple[str, set[str]]]:
    others: dict[int, set[str]] = {index: set() for index in range(len(terminology.codes))}
    for name, owner, kind in zip(terminology.names, terminology.owners, terminology.kinds, strict=True):
        if kind != PREFERRED:
            others[int(owner)].add(name)
    return {code: (terminology.names[index], others[index]) for index, code in enumerate(terminology.codes)}


# --- those that ship -------------------------------------------------------------------------------


def test_what_ships_is_small_and_has_the_names_a_clinician_would_look_for() -> None:
    shipped = {terminology.system: terminology for terminology in load_shipped()}
    assert list(shipped) == list(SHIPPED)
    drugs, diseases, codes = (concepts(terminology) for terminology in shipped.values())
    assert len(drugs) == 17430
    assert len(diseases) == 6574
    assert len(codes) == 34135
    assert "Paracetamol" in drugs["DB00316"][1]
    assert diseases["DOID:10763"][0] == "hypertension"
    assert codes["R06.02"][0] == "Shortness of breath"
    folder = Path(read_packed.__code__.co_filename).parents[1] / "terminologies"
    assert sum(path.stat().st_size for path in folder.glob("*.tsv.gz")) < 1_500_000


def test_each_speaks_of_its_own_categories() -> None:
    covering = [t.system for t in load_shipped() if t.covers("DISEASE")]
    assert covering == ["DOID", "ICD10CM"]
    assert not any(t.covers("ANATOMY") for t in load_shipped())


@pytest.mark.parametrize("damage", ["missing", "cut", "text", "columns"])
def test_a_damaged_file_that_ships_is_said_to_be_one(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.tsv.gz"
    whole = pack([Concept("1", "one", ("uno",))])
    if damage != "missing":
        path.write_bytes({"cut": whole[:-9], "text": b"1\tone", "columns": whole}[damage])
    if damage == "columns":
        path.write_bytes(gzip.compress(b"1\tone\n"))
    with pytest.raises(TerminologyError, match=r"x\.tsv\.gz: missing or damaged; install Streamer again"):
        read_packed(path, "X", None)


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Concept,
            st.text("AB12", min_size=1, max_size=3),
            st.text("abc ", min_size=1, max_size=5),
            *[st.lists(st.text("abcé", min_size=1, max_size=3), max_size=3).map(tuple)] * 3,
        ),
        unique_by=lambda concept: concept.code,
    ),
    st.randoms(use_true_random=False),
)
def test_what_is_packed_is_read_as_it_was_in_whatever_order(
    items: list[Concept], order: random.Random
) -> None:
    shuffled = list(items)
    order.shuffle(shuffled)
    assert pack(shuffled) == pack(items)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.tsv.gz"
        path.write_bytes(pack(shuffled))
        again = read_packed(path, "X", None)
    assert concepts(again) == concepts(Terminology.of("X", items))
    assert again.fingerprint == Terminology.of("X", items).fingerprint


def test_how_a_name_belongs_to_its_code() -> None:
    terminology = Terminology.of("X", [Concept("1", "one", ("uno",), ("I", "uno"), ("ones", "I"))])
    assert list(zip(terminology.names, terminology.kinds.tolist(), strict=True)) == [
        ("one", PREFERRED), ("uno", ALIAS), ("I", RELATED), ("ones", SEEN),
    ]  # fmt: skip


# --- a user's own ------------------------------------------------------------------------------------


def test_a_csv_becomes_a_terminology_named_after_its_file(tmp_path: Path) -> None:
    reading = read_own(written(tmp_path, 'code,name,aliases\nX1,"Fever, high",pyrexia| Hot \n', "HOUSE.csv"))
    (terminology,) = reading.terminologies
    assert terminology.system == "HOUSE"
    assert terminology.categories is None
    assert concepts(terminology) == {"X1": ("Fever, high", {"pyrexia", "Hot"})}
    assert reading.left_out == ()


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffcode,name,aliases\r\n1,one,uno\r\n",
        "Code, Name ,ALIASES\n1,one,uno\n\n , ,\n",
        "aliases,name,code\nuno,one,1",
        "code,name,aliases\n1,one,uno\n1,one,\n",
    ],
)
def test_ways_to_write_the_same_file(tmp_path: Path, content: str) -> None:
    (terminology,) = read_own(written(tmp_path, content)).terminologies
    assert concepts(terminology) == {"1": ("one", {"uno"})}


def test_columns_say_which_system_and_which_entities(tmp_path: Path) -> None:
    content = "system,code,name,categories\nA,1,one,MEDICATION|DISEASE\nA,2,two,\nB,1,three,DISEASE\n"
    terminologies = read_own(written(tmp_path, content)).terminologies
    assert [(t.system, t.categories, t.names) for t in terminologies] == [
        ("A", None, ("two",)),
        ("A", frozenset({"DISEASE", "MEDICATION"}), ("one",)),
        ("B", frozenset({"DISEASE"}), ("three",)),
    ]


def test_rows_that_say_nothing_are_named_line_by_line(tmp_path: Path) -> None:
    content = f"code,name,aliases\n,fever,\nX2,,\nX3,one\nX4,a,b,c\nX5,{'n' * 501},\n"
    reading = read_own(written(tmp_path, content))
    assert reading.terminologies[0].codes == ("X3",)
    assert reading.left_out == (
        "line 2: no code; left out",
        "line 3: no name; left out",
        "line 5: 4 cells under 3 columns (quote names that hold commas); left out",
        "line 6: a name of more than 500 characters; left out",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the first line must be the header code,name,aliases"),
        (b"1,one,uno\n2,two,dos\n", "the first line must be the header code,name,aliases"),
        (b"code;name;aliases\n1;one;uno\n", "the first line must be the header code,name,aliases"),
        (b"code,name,name\n", "the first line must be the header code,name,aliases"),
        (b"code,name\n", "no row with a code and a name"),
        (b"code,name\n,x\n", "no row with a code and a name"),
        (b"code,name\n1,one\n2,caf\xe9\n", "line 3 is not UTF-8; save the file as UTF-8"),
        ("code,name\n1,one\n".encode("utf-16"), "line 1 is not UTF-8"),
        (b'code,name\n1,"one\n', "line 2 is no CSV"),
        (
            b"code,name\n1,one\n1,two\n",
            r"one code with two names .* in line 3 \(1, as in line 2\); keep one row",
        ),
        (b"code,name,categories\n1,one,A\n1,one,B\n", "two choices of categories in line 3"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(TerminologyError, match=message) as raised:
        read_own(written(tmp_path, content))
    assert "\n" not in str(raised.value)
    assert "own.csv" in str(raised.value)


def test_a_code_that_would_steer_a_terminal_is_quoted_without(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("code,name\n\x1b[2J,Rash\n\x1b[2J,Cough\n", encoding="utf-8")
    with pytest.raises(TerminologyError, match=r"line 3 \(\?\[2J, as in line 2\)") as caught:
        read_own(path)
    assert str(caught.value).isprintable()


def test_many_clashes_are_counted_not_listed(tmp_path: Path) -> None:
    rows = "".join(f"{code},{name}\n" for code in range(50) for name in "ab")
    with pytest.raises(TerminologyError, match=r"as in line 6\) and 47 more; keep"):
        read_own(written(tmp_path, "code,name\n" + rows))


def test_a_missing_file_or_a_folder_is_said_to_be_unreadable(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(TerminologyError, match="cannot be read"):
            read_own(path)


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@settings(deadline=None)
@given(
    st.lists(st.tuples(cells, cells, cells), max_size=12, unique_by=lambda row: row[0].strip()),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_changes_nothing(rows: list[tuple[str, str, str]], order: random.Random) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)
    read = []
    with tempfile.TemporaryDirectory() as folder:
        for version in (rows, shuffled):
            text = io.StringIO()
            csv.writer(text).writerows([("code", "name", "aliases"), *version])
            path = written(Path(folder), text.getvalue())
            try:
                read.append([(t.fingerprint, t.names, t.codes) for t in read_own(path).terminologies])
            except TerminologyError as error:
                read.append([(str(error), (), ())])
    assert read[0] == read[1]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for head in (b"", b"code,name,aliases,system,categories\n"):
            with contextlib.suppress(TerminologyError):
                assert read_own(written(Path(folder), head + content)).terminologies


@pytest.mark.parametrize("change", ["code", "name", "alias", "kind", "system", "categories"])
def test_the_fingerprint_changes_with_whatever_a_link_could_show(change: str) -> None:
    first = Terminology.of("X", [Concept("1", "one", ("uno",))])
    other = {
        "code": Terminology.of("X", [Concept("2", "one", ("uno",))]),
        "name": Terminology.of("X", [Concept("1", "One", ("uno",))]),
        "alias": Terminology.of("X", [Concept("1", "one", ("un",))]),
        "kind": Terminology.of("X", [Concept("1", "one", (), ("uno",))]),
        "system": Terminology.of("Y", [Concept("1", "one", ("uno",))]),
        "categories": Terminology.of("X", [Concept("1", "one", ("uno",))], frozenset({"DISEASE"})),
    }[change]
    assert other.fingerprint != first.fingerprint
    assert Terminology.of("X", [Concept("1", "one", ("uno",))]).fingerprint == first.fingerprint
