"""Which heads a checkpoint has, and where its record tells of drugs and their effects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.checkpoint import Checkpoint, open_checkpoint
from models.corpora.scheme import EVENTS, Layer
from models.evaluation.abilities import Abilities, abilities
from models.evaluation.events import drugs_and_effects, finds_events, gold_events
from tests.annotated import document, entity, labelled, record, related
from tests.checkpoints import huggingface_folder

ADVERSE = "ADVERSE_EFFECT_OF"
ENTITIES = frozenset({"DISEASE", "MEDICATION"})
FOUND = record(
    entity(0, 4, "MEDICATION"),
    entity(10, 14, "DISEASE"),
    entity(20, 24, "DISEASE"),
    entity(30, 34, "EFFECT"),
    relations=(related(ADVERSE, (10, 14), (0, 4)), related("TREATS", (0, 4), (20, 24))),
)
DRUG = (0, 4, "DRUG")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return open_checkpoint(huggingface_folder(tmp_path_factory.mktemp("events")))


def test_effects_have_a_category_of_their_own_and_are_sources_of_relations() -> None:
    can = Abilities(ENTITIES, events=frozenset({"EFFECT"}), relations=frozenset({ADVERSE}))
    assert drugs_and_effects(FOUND, can) == {DRUG, (10, 14, "EFFECT"), (30, 34, "EFFECT")}
    can = Abilities(ENTITIES, relations=frozenset({ADVERSE}))
    assert drugs_and_effects(record(*FOUND.entities[:3], relations=FOUND.relations), can) == {
        DRUG,
        (10, 14, "EFFECT"),
    }


def test_where_a_checkpoint_tells_of_no_effects_problems_are() -> None:
    told = record(*FOUND.entities[:3])
    assert drugs_and_effects(told, Abilities(ENTITIES)) == {DRUG, (10, 14, "EFFECT"), (20, 24, "EFFECT")}


def test_an_effect_that_is_the_source_of_a_relation_too_is_one_effect() -> None:
    can = Abilities(ENTITIES, events=frozenset({"EFFECT"}), relations=frozenset({ADVERSE}))
    told = record(*FOUND.entities, relations=(related(ADVERSE, (30, 34), (0, 4)),))
    assert drugs_and_effects(told, can) == {DRUG, (30, 34, "EFFECT")}


def test_drugs_are_all_medications_or_those_with_a_relation() -> None:
    can = Abilities(ENTITIES, relations=frozenset({ADVERSE, "TREATS"}))
    told = record(
        *(entity(at, at + 4, "MEDICATION") for at in (0, 40, 50)),
        entity(10, 14, "DISEASE"),
        relations=(related("TREATS", (40, 44), (10, 14)), related(ADVERSE, (10, 14), (0, 4))),
    )
    effect = (10, 14, "EFFECT")
    assert drugs_and_effects(told, can) == {DRUG, (40, 44, "DRUG"), (50, 54, "DRUG"), effect}
    assert drugs_and_effects(told, can, "related") == {DRUG, (40, 44, "DRUG"), effect}


def test_drugs_of_events_are_drugs_where_they_are_reported() -> None:
    told = record(*FOUND.entities, entity(40, 44, "DRUG"))
    can = Abilities(ENTITIES, events=frozenset(EVENTS))
    assert drugs_and_effects(told, can) == {(40, 44, "DRUG"), (30, 34, "EFFECT")}


def test_a_checkpoint_has_to_tell_of_drugs_and_of_effects() -> None:
    assert finds_events(Abilities(ENTITIES))
    assert not finds_events(Abilities(frozenset({"MEDICATION"})))
    assert not finds_events(Abilities(frozenset({"DISEASE"})))
    assert not finds_events(Abilities())


def test_gold_events_are_a_layer_of_their_own() -> None:
    layer = Layer((labelled(0, 4, "DRUG"), labelled(10, 14, "EFFECT")), frozenset(EVENTS))
    assert gold_events(document(layers={"events": layer})) == {DRUG, (10, 14, "EFFECT")}


def test_abilities_are_what_the_heads_of_a_manifest_say(checkpoint: Checkpoint) -> None:
    heads = (
        {"name": "entities", "kind": "entities", "categories": ["DISEASE"]},
        {"name": "phi", "kind": "entities", "categories": ["NAME"]},
        {
            "name": "e",
            "layer": "events",
            "kind": "entities",
            "categories": ["DRUG", "EFFECT"],
            "silent": ["DRUG"],
        },
        {"name": "assertion", "kind": "assertion", "hidden": 8},
        {"name": "relations", "kind": "relations", "relations": [[ADVERSE, ["DISEASE"], ["DISEASE"]]]},
        {"name": "type", "kind": "text_classes", "labels": ["a", "b"], "thresholds": [0.3, 0.4]},
    )
    can = abilities(replace(checkpoint, heads=heads))
    assert [set(own) for own in (can.categories, can.phi, can.events)] == [{"DISEASE"}, {"NAME"}, {"EFFECT"}]
    assert can.relations == {ADVERSE}
    assert can.tasks == {"type": ("a", "b")}
    assert can.decided == {"type"}
    assert abilities(checkpoint) == Abilities(frozenset({"PROBLEM", "DRUG"}))
