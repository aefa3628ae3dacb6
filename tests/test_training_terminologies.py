"""How the terminologies that ship are made. The sources here are written for these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.corpora.scheme import PROBLEM, Document, Labelled
from models.terminology import SHIPPED, Concept, load_shipped
from models.training import terminologies
from models.training.seen import with_seen

DRUGS = (
    "DrugBank ID,Common name,CAS,UNII,Synonyms\n"
    'DB1,Aspirin,1,U,"Acetylsalicylic acid | ASA NOS | ' + "x" * 90 + '"\n'
    "DB2,Warfarin,2,V,\n"
)
DISEASES = (
    "id\tname\texact_synonyms\tother_synonyms\tis_a\txrefs\n"
    "DOID:1\tkidney disease\tnephropathy|Renal disease (disorder)|Fever: [a] or [b]\trenal trouble\tDOID:4\t"
    "MSH:D1\n"
    "DOID:2\tvisual epilepsy\t\t\t\tMSH:D012640\n"
    "DOID:13628\tglucose-6-phosphate dehydrogenase deficiency\tfavism\t\t\t\n"
)
CODES = (
    "code\tbillable\tdescription\n"
    "I10\t1\tEssential (primary) hypertension\n"
    "J189\t1\tPneumonia, unspecified\nJ18\t0\tPneumonia\n"
    "K50\t0\tCrohn's disease [regional enteritis]\n"
    "G409\t1\tEpilepsy, unspecified\n"
)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for name, content in {
        "drugbank-vocabulary/drugbank_vocabulary.csv": DRUGS,
        "disease-ontology/doid.tsv": DISEASES,
        "icd10cm/icd10cm2019.tsv": CODES,
        "icd10cm/categories.tsv": (
            "category\tname\tsub_chapter\tchapter\nJ18\tPneumonia, organism unspecified\t\t\n"
        ),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path


def test_names_are_freed_of_what_no_note_holds(sources: Path) -> None:
    assert terminologies.drugbank(sources) == [
        Concept("DB1", "Aspirin", ("Acetylsalicylic acid", "ASA")),
        Concept("DB2", "Warfarin"),
    ]
    assert terminologies.disease_ontology(sources)[0] == Concept(
        "DOID:1", "kidney disease", ("nephropathy", "Renal disease"), ("renal trouble",)
    )


def test_favism_gives_back_the_name_of_its_parent(sources: Path) -> None:
    assert terminologies.disease_ontology(sources)[2] == Concept("DOID:13628", "favism")


def test_icd_codes_have_dots_and_names_may_leave_unsaid_what_is_unspecified(sources: Path) -> None:
    concepts = {concept.code: concept for concept in terminologies.icd10cm(sources)}
    assert "Essential hypertension" in concepts["I10"].aliases
    assert "regional enteritis" in concepts["K50"].aliases
    assert "Pneumonia, organism unspecified" in concepts["J18"].aliases
    assert concepts["G40.9"].related == ("Epilepsy",)
    assert concepts["J18.9"].related == ()  # J18 itself is called so


def test_additions_name_their_target_by_code_or_name(tmp_path: Path) -> None:
    path = tmp_path / "additions.tsv"
    path.write_text("# so\nX\t1\tuno|un\nX\ttwo\tdos\nY\tnone\tnada\n", encoding="utf-8")
    concepts = [Concept("1", "one"), Concept("2", "two", (), ("deux",))]
    assert terminologies.with_additions("X", concepts, path) == [
        Concept("1", "one", (), ("uno", "un")),
        Concept("2", "two", (), ("deux", "dos")),
    ]
    with pytest.raises(ValueError, match="no codes or names of Y: none"):
        terminologies.with_additions("Y", concepts, path)


def test_additions_that_ship_all_have_a_target() -> None:
    for terminology in load_shipped():
        concepts = [
            Concept(code, name) for code, name in zip(terminology.codes, terminology.names, strict=False)
        ]
        terminologies.with_additions(terminology.system, concepts)
    assert {line.split("\t")[0] for line in _additions()} == set(SHIPPED)


def _additions() -> list[str]:
    lines = terminologies.ADDITIONS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def annotated(*mentions: tuple[str, str], document: str = "1") -> Document:
    text = " ".join(name for name, _ in mentions)
    spans, at = [], 0
    for name, codes in mentions:
        spans.append(Labelled(at, at + len(name), PROBLEM, codes=tuple(codes.split())))
        at += len(name) + 1
    return Document("x", document, text, tuple(spans), PROBLEM)


CONCEPTS = [Concept("1", "kidney disease"), Concept("2", "renal failure", ("kidney insufficiency",))]
TARGETS = {"D1": frozenset({"1"}), "D2": frozenset({"1", "2"})}


@pytest.mark.parametrize(
    ("mentions", "seen"),
    [
        ([("Nephrotoxic", "D1")], {"1": ("nephrotoxic",)}),
        (
            [("trouble with kidneys", "D2"), ("renal failing", "D2")],
            {"1": ("trouble with kidneys",), "2": ("renal failing",)},
        ),
        ([("Kidney diseases", "D1")], {}),  # the terminology has it
        ([("nephrotoxic", "D3")], {}),  # has no such code
        ([("nephrotoxic", "D1 D3")], {}),  # says two things
        ([("NTX", "D1")], {}),  # an abbreviation
        ([("one of those many words that tell of trouble with kidneys", "D1")], {}),  # a sentence
        ([("rotation", "D1")], {}),  # misleading
    ],
)
def test_names_seen_are_those_that_a_terminology_lacks(
    mentions: list[tuple[str, str]], seen: dict[str, tuple[str, ...]]
) -> None:
    learned = with_seen(CONCEPTS, [annotated(*mentions)], "DISEASE", TARGETS)
    assert {concept.code: concept.seen for concept in learned if concept.seen} == seen


def test_a_name_must_mean_the_same_in_nearly_all_documents() -> None:
    documents = [annotated(("nephrotoxic", "D1" if n else "D9"), document=str(n)) for n in range(3)]
    assert not any(concept.seen for concept in with_seen(CONCEPTS, documents, "DISEASE", TARGETS))
    documents.append(annotated(("nephrotoxic", "D1"), document="3"))
    assert with_seen(CONCEPTS, documents, "DISEASE", TARGETS)[0].seen == ("nephrotoxic",)


def test_no_name_is_seen_through_a_mistaken_cross_reference(sources: Path) -> None:
    (terminology,) = [each for each in load_shipped() if each.system == "DOID"]
    owner = terminology.names.index("visual epilepsy")
    named = [name for name, of in zip(terminology.names, terminology.owners, strict=True) if of == owner]
    assert not any("seizure" in name or "convuls" in name for name in named)
