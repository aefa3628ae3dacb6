"""A measured loss decides whether int8 may read; one's own sample counts before the manifest."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from models import acceptance, kept
from models.acceptance import Record, accepted, measured_loss, record, require, save
from models.checkpoint import DEFAULT, Checkpoint, open_checkpoint
from models.errors import CheckpointError
from models.manifest import MANIFEST, seal
from tests.checkpoints import huggingface_folder, streamer_folder, tiny


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def keep(checkpoint: Checkpoint, loss: float) -> Path | None:
    return save(checkpoint, record(checkpoint, "int8", loss, "gold", notes=3, entities=30))


def test_fp32_and_bf16_need_nothing_and_int8_a_measurement(tmp_path: Path) -> None:
    checkpoint = tiny(tmp_path / "c")
    assert accepted(checkpoint, "fp32", 0.0)
    assert accepted(checkpoint, "bf16", 0.0)
    assert not accepted(checkpoint, "int8")
    assert accepted(checkpoint, "int8", 100.0)


def test_what_the_manifest_says_is_believed(tmp_path: Path) -> None:
    checkpoint = tiny(tmp_path / "c", precisions={"int8": {"f1_loss": 0.04, "on": "200 documents"}})
    assert measured_loss(checkpoint, "int8") == 0.04
    assert accepted(checkpoint, "int8")


def test_ones_own_sample_counts_before_the_manifest(tmp_path: Path) -> None:
    checkpoint = tiny(tmp_path / "c", precisions={"int8": {"f1_loss": 0.04}})
    keep(checkpoint, 0.4)
    assert not accepted(checkpoint, "int8")
    keep(checkpoint, 0.1)
    assert accepted(checkpoint, "int8")


def test_a_record_lies_beside_the_checkpoint_and_travels_with_it(tmp_path: Path) -> None:
    checkpoint = tiny(tmp_path / "c")
    assert keep(checkpoint, 0.0) == tmp_path / "c" / "int8-accepted.json"
    (tmp_path / "c").rename(tmp_path / "moved")
    moved = open_checkpoint(tmp_path / "moved")
    assert accepted(moved, "int8")
    assert moved.fingerprint == checkpoint.fingerprint


def test_a_folder_that_cannot_be_written_leaves_it_to_the_users_own(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tiny(tmp_path / "c")
    write = kept.write
    monkeypatch.setattr(kept, "write", lambda path, value: home in path.parents and write(path, value))
    place = keep(checkpoint, 0.0)
    assert place is not None
    assert home in place.parents
    assert accepted(checkpoint, "int8")


def test_the_package_itself_is_never_written(home: Path) -> None:
    place = keep(open_checkpoint(), 5.0)
    assert place is not None
    assert home in place.parents
    assert not list(DEFAULT.glob("*-accepted.json"))


def test_a_newer_record_leaves_no_older_one_that_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tiny(tmp_path / "c")
    beside = keep(checkpoint, 0.0)
    assert beside is not None
    write = kept.write
    monkeypatch.setattr(kept, "write", lambda path, value: path != beside and write(path, value))
    assert keep(checkpoint, 3.0) != beside
    assert not accepted(checkpoint, "int8")


@pytest.mark.parametrize("change", ["weights", "code", "precision"])
def test_a_record_of_other_weights_or_code_does_not_count(tmp_path: Path, change: str) -> None:
    checkpoint = tiny(tmp_path / "c")
    place = keep(checkpoint, 0.0)
    assert place is not None
    own = kept.read(place, Record)
    assert own is not None
    changed = {"weights": "0" * 64, "code": "0" * 64, "precision": "bf16"}[change]
    kept.write(place, {**_plain(own), change: changed})
    assert not accepted(checkpoint, "int8")


def _plain(own: Record) -> dict[str, object]:
    return {"f1Loss": own.f1_loss} | {name: getattr(own, name) for name in Record.__struct_fields__}


def test_new_code_of_the_trunk_needs_a_new_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tiny(tmp_path / "c")
    keep(checkpoint, 0.0)
    monkeypatch.setattr(acceptance, "TRUNK_CODE", ("blocks.py",))
    assert not accepted(checkpoint, "int8")


def test_weights_of_both_layouts_are_told_apart(tmp_path: Path) -> None:
    hashes = {
        open_checkpoint(folder).weights_sha
        for folder in (
            huggingface_folder(tmp_path / "a"),
            huggingface_folder(tmp_path / "b", seed=1),
            streamer_folder(tmp_path / "c"),
            streamer_folder(tmp_path / "d", seed=1),
        )
    }
    assert len(hashes) == 4
    assert all(len(sha) == 64 for sha in hashes)


def test_a_new_name_in_the_manifest_leaves_the_record_valid_and_no_part_of_it(tmp_path: Path) -> None:
    checkpoint = tiny(tmp_path / "c")
    keep(checkpoint, 0.0)
    manifest = json.loads((tmp_path / "c" / MANIFEST).read_bytes()) | {"name": "renamed"}
    seal(tmp_path / "c", manifest)
    other = open_checkpoint(tmp_path / "c")
    assert other.fingerprint != checkpoint.fingerprint
    assert accepted(other, "int8")
    keep(other, 3.0)
    assert not accepted(open_checkpoint(tmp_path / "c"), "int8")


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    checkpoint = tiny(tmp_path / "c")
    place = keep(checkpoint, 0.0)
    assert place is not None
    place.write_bytes(b"\xff")
    assert not accepted(checkpoint, "int8")


def test_a_refusal_names_the_way_out_in_one_line(tmp_path: Path) -> None:
    checkpoint = tiny(tmp_path / "c")
    with pytest.raises(CheckpointError, match="streamer accept --sample") as caught:
        require(checkpoint, "int8")
    assert "\n" not in str(caught.value)
    keep(checkpoint, 0.256)
    with pytest.raises(CheckpointError, match=r"--accept-loss 0\.26"):
        require(checkpoint, "int8")
    require(checkpoint, "int8", 0.26)


def test_a_user_without_a_home_still_gets_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", staticmethod(nobody))
    assert kept.folder("accepted") is None
    assert not accepted(open_checkpoint(), "int8", limit=-100)
    assert accepted(open_checkpoint(), "int8"), "its manifest says so"
    assert keep(open_checkpoint(), 0.0) is None


def test_what_is_kept_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "file.json"
    assert kept.write(path, {"a": 1})

    def full(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "replace", full)
    assert not kept.write(path, {"a": 2})
    assert kept.read(path, dict) == {"a": 1}
