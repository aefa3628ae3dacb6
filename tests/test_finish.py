"""Heads are switched by name, and whatever makes a record other is in its fingerprint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.checkpoint import Checkpoint
from models.errors import CheckpointError
from models.finish import Finish, switched
from models.linking import Linker
from models.types import Pipeline
from tests.checkpoints import tiny

PIPELINE = Pipeline("p", "1", "0123456789abcdef")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    heads = (
        {"name": "entities", "kind": "entities", "categories": ["DISEASE"]},
        {"name": "phi", "kind": "entities", "layer": "phi", "categories": ["NAME"]},
        {"name": "embedding", "kind": "embedding", "size": 4},
    )
    return replace(tiny(tmp_path), heads=heads)


def test_all_heads_but_embeddings_are_on_unless_some_are_named(checkpoint: Checkpoint) -> None:
    assert [head["name"] for head in switched(checkpoint, None).heads] == ["entities", "phi"]
    assert [head["name"] for head in switched(checkpoint, ["embedding", "phi"]).heads] == ["phi", "embedding"]
    assert [head["name"] for head in switched(checkpoint, ["links", "phi"]).heads] == ["phi"]
    prints = {switched(checkpoint, names).fingerprint for names in (None, ["phi"], ["entities"])}
    assert len(prints | {checkpoint.fingerprint}) == 4


def test_a_head_that_is_not_there_is_refused_in_one_line(checkpoint: Checkpoint) -> None:
    with pytest.raises(
        CheckpointError, match=r"no head 'relations'; it has entities, phi, embedding, links"
    ) as told:
        switched(checkpoint, ["entities", "relations"])
    assert "\n" not in str(told.value)


def test_a_record_names_what_was_looked_for(checkpoint: Checkpoint) -> None:
    finish = Finish.of(switched(checkpoint, None))
    assert finish.identity(PIPELINE).heads == ("entities", "phi", "links")
    assert finish.thresholds is not None
    without = Finish.of(checkpoint.with_heads(["entities"]), links=False)
    assert (without.linker, without.thresholds, without.heads) == (None, None, ("entities",))
    assert without.identity(PIPELINE).fingerprint == PIPELINE.fingerprint


def test_thresholds_and_terminologies_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    codes = tmp_path / "OURS.csv"
    codes.write_text("code,name,aliases\n1,gout,podagra\n")
    finishes = [
        Finish(),
        Finish(thresholds={"NAME": 0.5}),
        Finish(thresholds={"NAME": 0.4}),
        Finish(least={"DISEASE": 0.5}),
        Finish(least={"DISEASE": 0.4}),
        Finish(linker=Linker([])),
        Finish(linker=Linker.load([codes])),
        Finish(linker=Linker.load([])),
    ]
    assert len({finish.identity(PIPELINE).fingerprint for finish in finishes}) == len(finishes)
    assert finishes[6].identity(PIPELINE) == Finish(linker=Linker.load([codes])).identity(PIPELINE)


def test_a_file_of_ones_own_goes_before_what_the_checkpoint_says(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    entities, *others = checkpoint.heads
    two = dict(entities) | {"categories": ["DISEASE", "DOSAGE"], "least": {"DISEASE": 0.5, "DOSAGE": 0.4}}
    checkpoint = replace(checkpoint, heads=(two, *others))
    path = tmp_path / "least.toml"
    path.write_text("DISEASE = 0")
    assert Finish.of(checkpoint).least == {"DISEASE": 0.5, "DOSAGE": 0.4}
    assert Finish.of(checkpoint, least=path).least == {"DISEASE": 0.0, "DOSAGE": 0.4}
    head = {"name": "relations", "kind": "relations", "relations": [["DOSAGE_OF", ["DOSAGE"], ["DRUG"]]]}
    relating = replace(checkpoint, heads=(*checkpoint.heads, head))
    path.write_text("DOSAGE_OF = 0.7")
    assert Finish.of(relating, least=path).least == {"DISEASE": 0.5, "DOSAGE": 0.4, "DOSAGE_OF": 0.7}
    path.write_text("NAME = 0.1")
    with pytest.raises(CheckpointError, match=r"least.toml: no category 'NAME'; there are DISEASE, DOSAGE"):
        Finish.of(checkpoint, least=path)
