"""Gold mentions: relations of whole documents by a scorer, and links by the terminologies that ship."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from models.corpora.scheme import Labelled
from models.evaluation.gold import Linking, linked, related_codes
from models.evaluation.related import Candidate, RelationScorer
from models.terminology import Concept, Terminology
from tests.annotated import document, labelled

ADVERSE = "ADVERSE_EFFECT_OF"
TEXT = "Naproxen and pain, naproxen and asthma."


class Scorer:
    """Takes every problem for an effect of every drug; the later in the text, the surer."""

    threshold = 0.5

    def score(self, text: str, spans: Sequence[Labelled]) -> Iterable[Candidate]:
        assert [span.place for span in spans] == sorted(span.place for span in spans)
        for source, problem in enumerate(spans):
            for target, drug in enumerate(spans):
                if "DISEASE" in problem.allowed and "MEDICATION" in drug.allowed:
                    yield Candidate(ADVERSE, source, target, problem.start / len(text) / 2)


DOCUMENT = document(
    labelled(32, 38, "DISEASE/SIGN_OR_SYMPTOM", codes="D001249"),
    labelled(0, 8, "MEDICATION", codes="D009288"),
    labelled(13, 17, "DISEASE/SIGN_OR_SYMPTOM", codes="D010146"),
    labelled(19, 27, "MEDICATION", codes="D009288"),
    labelled(28, 31, "MEDICATION"),
    text=TEXT,
    code_pairs=frozenset({(ADVERSE, "D001249", "D009288"), (ADVERSE, "D010146", "D009288")}),
)


def test_pairs_of_codes_are_those_whose_mentions_hold_together() -> None:
    scorer: RelationScorer = Scorer()
    told = related_codes("bc5cdr", [DOCUMENT], scorer)
    assert told.key == ("bc5cdr", "relations of codes")
    assert told.tally.labels == (ADVERSE,)
    assert told.tally.sums.tolist() == [[2, 1, 1]]  # asthma at .41 twice, pain at .17 twice


BY = Linking.of(
    (
        Terminology.of("DRUGBANK", [Concept("DB1", "Naproxen", ("Aleve",))], frozenset({"MEDICATION"})),
        Terminology.of("DOID", [Concept("DOID:2841", "asthma")], frozenset({"DISEASE", "SIGN_OR_SYMPTOM"})),
    )
)


def test_drugs_are_named_in_any_case() -> None:
    assert BY.drugs == {"naproxen": {"DB1"}, "aleve": {"DB1"}}


def test_links_are_to_each_system_that_can_be_asked(tmp_path: Path) -> None:
    told = {one.task: one for one in linked("bc5cdr", [DOCUMENT], [DOCUMENT], tmp_path, BY)}
    assert set(told) == {"linking to DRUGBANK"}
    assert told["linking to DRUGBANK"].tally.sums.tolist() == [[2, 2, 2]]
    (tmp_path / "disease-ontology").mkdir()
    (tmp_path / "disease-ontology" / "doid.tsv").write_text(
        "id\tname\texact_synonyms\tother_synonyms\tis_a\txrefs\n"
        "DOID:2841\tasthma\t\t\tDOID:1176\tMSH:D001249\nDOID:0\tpain\t\t\t\tMSH:D010146\n"
    )
    told = {one.task: one for one in linked("ncbi-disease", [DOCUMENT], [DOCUMENT], tmp_path, BY)}
    assert set(told) == {"linking to DOID", "linking to DOID, or finer"}
    assert told["linking to DOID"].tally.sums.tolist() == [[2, 1, 1]]  # of pain it has no name
