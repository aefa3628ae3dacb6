"""Relations and codes in a record: by id, between entities that are in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.finish import Finish
from models.linking import Linker
from models.phi import shipped_thresholds
from models.types import Findings, Marked, Mention, Note, Span, Tie
from tests.records import mention, read

TEXT = "PLAN: Aspirin 81 mg daily for chest pain."
ASPIRIN, DOSE, PAIN = (6, 13), (14, 19), (30, 40)


def found(*mentions: Mention, ties: tuple[Tie, ...] = (), marked: tuple[Marked, ...] = ()) -> Findings:
    return Findings(mentions, ties=ties, marked=marked)


def mentions() -> tuple[Mention, ...]:
    return mention(*DOSE, "DOSAGE"), mention(*ASPIRIN, "MEDICATION"), mention(*PAIN, "SIGN_OR_SYMPTOM")


def test_relations_name_their_ends_by_id() -> None:
    ties = (Tie("DOSAGE_OF", 0, 1, 0.87654), Tie("TREATS", 1, 2, 0.5))
    record = read(Note(id="n", text=TEXT), lambda _: found(*mentions(), ties=ties))
    by_id = {entity.id: entity.text for entity in record.entities}
    assert [(r.category, by_id[r.source], by_id[r.target], r.confidence) for r in record.relations] == [
        ("TREATS", "Aspirin", "chest pain", 0.5), ("DOSAGE_OF", "81 mg", "Aspirin", 0.877)
    ]  # fmt: skip
    again = read(Note(id="n", text=TEXT), lambda _: found(*mentions(), ties=ties))
    assert again.relations == record.relations
    assert read(Note(id="m", text=TEXT), lambda _: found(*mentions(), ties=ties)).relations[0].id not in {
        relation.id for relation in record.relations
    }


def test_the_order_of_relations_does_not_hang_on_the_note_s_id() -> None:
    every = [mention(n * 5, n * 5 + 4, "AB"[n % 2]) for n in range(8)]
    ties = tuple(Tie("R", 0, other, 0.5) for other in range(1, 8))

    def targets(note: str) -> list[str]:
        record = read(
            Note(id=note, text="".join(f"w{n:03} " for n in range(9))), lambda _: found(*every, ties=ties)
        )
        by_id = {entity.id: entity.text for entity in record.entities}
        return [by_id[relation.target] for relation in record.relations]

    assert targets("a") == targets("b") == targets("c") == [f"w{n:03}" for n in range(1, 8)]


def test_a_relation_with_a_mention_that_is_dropped_is_none() -> None:
    doubled = (*mentions(), mention(7, 13, "MEDICATION", 0.2))
    ties = (Tie("DOSAGE_OF", 0, 3, 0.9), Tie("DOSAGE_OF", 0, 1, 0.8))
    (relation,) = read(Note(id="n", text=TEXT), lambda _: found(*doubled, ties=ties)).relations
    assert relation.confidence == 0.8


def test_what_is_denied_is_no_effect_of_anything() -> None:
    denied = mention(*PAIN, "SIGN_OR_SYMPTOM", assertion=("negative", "none", "subject", "current"))
    ties = (Tie("EFFECT_OF", 2, 1, 0.9), Tie("LOCATION_OF", 2, 1, 0.9))
    every = (*mentions()[:2], denied)
    finish = Finish(affirmed=frozenset({"EFFECT_OF"}))
    (relation,) = read(Note(id="n", text=TEXT), lambda _: found(*every, ties=ties), finish=finish).relations
    assert relation.category == "LOCATION_OF"
    assert len(read(Note(id="n", text=TEXT), lambda _: found(*every, ties=ties)).relations) == 2


def test_what_is_only_something_in_a_relation_does_not_stay_without() -> None:
    every = (*mentions(), mention(24, 40, "EFFECT"), mention(0, 4, "EFFECT"))
    denied = mention(24, 40, "EFFECT", assertion=("negative", "none", "subject", "current"))
    finish = Finish(affirmed=frozenset({"EFFECT_OF"}), dependent=frozenset({"EFFECT"}))

    def effects(*own: Mention, ties: tuple[Tie, ...]) -> list[str]:
        record = read(Note(id="n", text=TEXT), lambda _: found(*own, ties=ties), finish=finish)
        return [entity.text for entity in record.entities if entity.category == "EFFECT"]

    assert effects(*every, ties=()) == []
    assert effects(*every, ties=(Tie("EFFECT_OF", 3, 1, 0.9),)) == [TEXT[24:40]]
    assert effects(*mentions(), denied, ties=(Tie("EFFECT_OF", 3, 1, 0.9),)) == [TEXT[24:40]]
    without = (*every, mention(7, 13, "MEDICATION", 0.1))
    assert effects(*without, ties=(Tie("EFFECT_OF", 3, 5, 0.9),)) == []


def test_what_too_little_is_sure_of_is_no_finding_and_no_end_of_a_relation() -> None:
    unsure = mention(*PAIN, "SIGN_OR_SYMPTOM", 0.49)
    every = (*mentions()[:2], unsure)
    ties = (Tie("EFFECT_OF", 2, 1, 0.9),)

    def left(demanded: bool = False, **least: float) -> tuple[set[str], int]:
        finish = Finish(least=least, demanded=frozenset(least) if demanded else frozenset())
        record = read(Note(id="n", text=TEXT), lambda _: found(*every, ties=ties), finish=finish)
        return {entity.category for entity in record.entities}, len(record.relations)

    everything = left()
    assert everything[1] == 1
    nothing = (everything[0] - {"SIGN_OR_SYMPTOM"}, 0)
    assert left(SIGN_OR_SYMPTOM=0.49) == left(OTHER=0.6) == everything
    assert left(SIGN_OR_SYMPTOM=0.5) == nothing
    # An end of a relation that, with both its ends, is sure enough stays; not so where a user demands more.
    assert left(SIGN_OR_SYMPTOM=0.5, EFFECT_OF=0.3) == everything
    assert left(SIGN_OR_SYMPTOM=0.5, EFFECT_OF=0.5) == nothing
    assert left(demanded=True, SIGN_OR_SYMPTOM=0.5, EFFECT_OF=0.3) == nothing


def test_a_relation_is_as_sure_as_it_and_both_its_ends() -> None:
    pain, drug = mention(*PAIN, "SIGN_OR_SYMPTOM", 0.8), mention(*ASPIRIN, "MEDICATION", 0.5)
    effect = mention(24, 40, "EFFECT")

    def left(least: float, category: str = "EFFECT_OF") -> tuple[int, set[str]]:
        finish = Finish(least={category: least}, dependent=frozenset({"EFFECT"}))
        ties = (Tie("EFFECT_OF", 0, 1, 0.9), Tie("EFFECT_OF", 2, 1, 0.9))
        record = read(Note(id="n", text=TEXT), lambda _: found(pain, drug, effect, ties=ties), finish=finish)
        return len(record.relations), {entity.category for entity in record.entities}

    every = {"SIGN_OR_SYMPTOM", "MEDICATION", "EFFECT"}
    assert left(0.36) == left(0.99, "OTHER") == (2, every)
    assert left(0.361) == (1, every)  # 0.9 · 0.8 · 0.5; of the effect all is sure
    assert left(0.451) == (0, every - {"EFFECT"})


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8), st.integers(0, 5))
def test_every_end_of_a_relation_is_an_entity_of_the_record(pairs: list[tuple[int, int]], count: int) -> None:
    every = [mention(n * 3, n * 3 + 4, "AB"[n % 2]) for n in range(count)]
    ties = tuple(Tie("R", a, b, 0.5) for a, b in pairs if a < count and b < count)
    record = read(Note(id="n", text="x" * 40), lambda _: found(*every, ties=ties))
    known = {entity.id for entity in record.entities}
    assert all(relation.source in known and relation.target in known for relation in record.relations)
    assert len({relation.id for relation in record.relations}) == len(set(record.relations))


def test_entities_have_codes_where_a_terminology_knows_them() -> None:
    record = read(Note(id="n", text=TEXT), lambda _: found(*mentions()), finish=Finish(linker=Linker.load()))
    links = {entity.text: [link.system for link in entity.links] for entity in record.entities}
    assert links["Aspirin"] == ["DRUGBANK"] or links["Aspirin"][0] == "DRUGBANK"
    assert links["81 mg"] == []


def test_identifiers_are_looked_for_where_there_are_thresholds() -> None:
    text = "Seen by Dr. Quackenbush. Quackenbush agrees. SSN 219-09-9999."
    marked = (Marked(Span(12, 23), "NAME", 0.9),)
    finish = Finish(thresholds=shipped_thresholds())
    record = read(
        Note(id="n", text=text), lambda p: found(marked=marked) if "Dr" in p.text else found(), finish=finish
    )
    said = {(text[own.span.start : own.span.end], own.category) for own in record.phi}
    assert {("Quackenbush", "NAME"), ("219-09-9999", "SSN")} <= said
    assert sum(text[own.span.start : own.span.end] == "Quackenbush" for own in record.phi) == 2
    assert read(Note(id="n", text=text), lambda _: found(marked=marked)).phi == ()


def test_a_person_is_no_finding_and_a_finding_no_person() -> None:
    text = "Michael takes aspirin, Parkinson disease."
    marked = (
        Marked(Span(0, 7), "NAME", 0.95),
        Marked(Span(14, 21), "NAME", 0.6),
        Marked(Span(23, 32), "NAME", 0.95),
    )
    every = (
        mention(0, 7, "MEDICATION", 0.7), mention(14, 21, "MEDICATION", 0.9), mention(23, 40, "DISEASE", 0.8)
    )  # fmt: skip
    ties = (Tie("TREATS", 0, 2, 0.9), Tie("TREATS", 1, 2, 0.9))
    finish = Finish(thresholds=shipped_thresholds())
    record = read(Note(id="n", text=text), lambda _: found(*every, ties=ties, marked=marked), finish=finish)
    assert [entity.text for entity in record.entities] == ["aspirin", "Parkinson disease"]
    (relation,) = record.relations
    assert relation.source == record.entities[0].id
