"""PubTator with labels of any name: offsets over title and abstract, codes, relations between codes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.corpora.own import read_own
from models.corpora.problems import DataError
from models.corpora.pubtator import read_bc5cdr
from tests.own_data import FIVE, Text, as_pubtator, places, read_files, said, texts, words

BLOCK = """\
1|t|Aspirin and gold.
1|a|Gold hurts; iron and zinc | lead too.
1\t0\t7\tAspirin\tDrug\tD1
1\t12\t16\tgold\tMetal\tD2|D3
1\t18\t22\tGold\tMetal\tD2
1\t30\t34\tiron\tMetal\t-1
1\t39\t43\tzinc\tMetal
"""


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(words, texts(between=(" ", "  "))), max_size=4))
def test_what_is_written_comes_back(documents: list[tuple[str, Text]]) -> None:
    written = [*documents, ("Five", FIVE)]
    with TemporaryDirectory() as name:
        path = Path(name) / "abstracts.pubtator"
        as_pubtator(path, written)
        own = read_own(path)
    for document, (title, text) in zip(own.documents, written, strict=True):
        shift = len(title) + 1
        assert document.text == f"{title} {text.text}"
        assert places(document) == tuple((s + shift, e + shift, label) for s, e, label in text.spans)


def test_codes_and_relations_between_them(tmp_path: Path) -> None:
    pairs = "1\tbeside\tD1\tD2\n1\tbeside\tD1\tD3\n" + "".join(f"1\tlike\tD{n}\tD2\n" for n in range(1, 4))
    own = read_files(tmp_path, {"a.txt": BLOCK + pairs + "1\todd\tD8\tD9\n"})
    (document,) = own.documents
    assert [span.codes for span in document.spans] == [("D1",), ("D2", "D3"), ("D2",), (), ()]
    assert ("beside", "D1", "D3") in document.code_pairs
    assert len(document.code_pairs) == 5
    metal = frozenset({"Metal"})
    assert own.labels.relations == {
        "beside": (frozenset({"Drug"}), metal),
        "like": (frozenset({"Drug"}) | metal, metal),
    }
    assert said(own) == [f"{tmp_path}: odd: its codes are those of no span; this relation is left out"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("2\t24\t29\thurts\tDrug\n", "a.pubtator:8: its id is not that of the block; read as of the block"),
        ("1\t0\n", "a.pubtator:8: neither start, end, words, label nor relation, code, code; skipped"),
        (
            "1\t0\tx\tAspirin\n",
            "a.pubtator:8: neither start, end, words, label nor relation, code, code; skipped",
        ),
        ("1\t8\t11\tzinc\tMetal\n", "a.pubtator:8: Metal 39–43 repeats Metal 39–43; skipped"),
        ("\n2|a|Only an abstract.\n", "a.pubtator:9: a block starts with id|t|title and id|a|abstract"),
        ("\n2|t|Two\n3|a|Three\n", "a.pubtator:9: a block starts with id|t|title and id|a|abstract"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(tmp_path: Path, line: str, told: str) -> None:
    other = "\n\n9|t|A title alone.\n"
    own = read_files(tmp_path, {"a.pubtator": BLOCK + line + other})
    assert own.documents[-1].text == "A title alone."
    assert any(told in problem for problem in said(own)), said(own)


def test_line_ends_do_not_matter(tmp_path: Path) -> None:
    own = read_files(
        tmp_path,
        {
            "a.txt": "\ufeff"
            + (BLOCK + "\n" + BLOCK.replace("1|", "2|").replace("\n1\t", "\n2\t")).replace("\n", "\r\n")
        },
    )
    assert [places(d)[-1] for d in own.documents] == [(39, 43, "Metal")] * 2
    assert said(own) == []


def test_a_data_set_of_ours_that_is_damaged_stops(tmp_path: Path) -> None:
    (tmp_path / "a.pubtator.txt").write_text("1|t|Title\n1\t0\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.pubtator\.txt:2: neither"):
        list(read_bc5cdr(tmp_path))
