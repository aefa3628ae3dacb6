"""Folders of Hugging Face's layout, whole and broken, and names of its hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models import huggingface
from models.checkpoint import open_checkpoint
from models.errors import CheckpointError
from tests.checkpoints import BILOU, huggingface_folder, refusal, vocabulary


def test_a_hugging_face_folder_opens_as_it_is(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(huggingface_folder(tmp_path / "my-model", labels=BILOU))

    assert (checkpoint.name, checkpoint.layout) == ("my-model", "huggingface")
    assert checkpoint.layers == (("entities", ("PROBLEM", "DRUG")),)
    assert checkpoint.window == 96
    assert not checkpoint.word_start[vocabulary().index("##ing")]
    assert checkpoint.word_start[vocabulary().index("pain")]


def test_a_bare_base_opens_but_cannot_annotate(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(huggingface_folder(tmp_path / "bare", "BertForMaskedLM"))
    with pytest.raises(
        CheckpointError, match=r"^bare is a bare base without heads; start `streamer train --base"
    ):
        checkpoint.require_heads()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "roberta"}, "model_type is 'roberta'"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"vocab_size": 10}, "do not belong together"),
        ({"hidden_size": "wide"}, "hidden_size"),
        ({"num_attention_heads": 5}, "no multiple of num_attention_heads"),
        ({"vocab_size": -1}, "vocab_size"),
        ({"architectures": 1}, "architectures"),
        ({"id2label": ["O"]}, "id2label"),
        ({"num_labels": 10**9}, "num_labels"),
    ],
)
def test_what_is_no_bert_of_our_kind_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    huggingface_folder(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert said in refusal(tmp_path)


def test_missing_parts_of_a_hugging_face_folder_are_named(tmp_path: Path) -> None:
    huggingface_folder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert "no weights" in refusal(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'
    )
    assert "model-00001-of-00002.safetensors: a part of the weights is missing" in refusal(tmp_path)
    huggingface_folder(tmp_path)
    (tmp_path / "vocab.txt").unlink()
    assert "neither tokenizer.json nor vocab.txt" in refusal(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    assert "cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize("said", ['{"weight_map": [1]}', '{"weight_map": {"a": "%s"}}' % ("x" * 300)])
def test_an_index_of_weights_that_names_no_files_is_refused(tmp_path: Path, said: str) -> None:
    huggingface_folder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors.index.json").write_text(said)
    assert "index.json: Expected" in refusal(tmp_path)


def test_a_vocabulary_that_is_no_text_is_refused_and_accents_are_kept_or_not(tmp_path: Path) -> None:
    huggingface_folder(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"strip_accents": "perhaps"}')
    assert open_checkpoint(tmp_path).layout == "huggingface"
    (tmp_path / "vocab.txt").write_bytes(b"\xff\n")
    assert "vocab.txt" in refusal(tmp_path)


@pytest.mark.parametrize("cased", [True, False])
def test_without_a_tokenizer_config_the_vocabulary_tells_whether_capitals_count(
    tmp_path: Path, cased: bool
) -> None:
    huggingface_folder(tmp_path, cased=cased)
    (tmp_path / "tokenizer_config.json").unlink()
    pieces = open_checkpoint(tmp_path).tokenizer.encode("Chest", add_special_tokens=False).tokens
    assert pieces == (["Chest"] if cased else ["chest"])


def test_the_config_says_whether_capitals_count_also_beside_a_tokenizer_json(tmp_path: Path) -> None:
    huggingface_folder(tmp_path, cased=True)
    open_checkpoint(tmp_path).tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    assert open_checkpoint(tmp_path).tokenizer.encode("Chest", add_special_tokens=False).tokens == ["chest"]


def test_a_hub_name_stands_for_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = huggingface_folder(tmp_path / "snapshot")
    asked: list[str] = []

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        asked.append(name)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert open_checkpoint("emilyalsentzer/Bio_ClinicalBERT").layers == (("entities", ("PROBLEM", "DRUG")),)
    assert asked == ["emilyalsentzer/Bio_ClinicalBERT"]


def test_a_hub_that_cannot_be_reached_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        raise OSError("no route\nto host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(CheckpointError, match=r"the Hugging Face hub did not give it \(OSError\)"):
        huggingface.download("some/model")
