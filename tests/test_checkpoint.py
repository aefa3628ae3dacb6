import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import huggingface
from models.checkpoint import DEFAULT, open_checkpoint
from models.errors import CheckpointError
from models.manifest import READING_CODE, sha256_of
from models.precision import PRECISIONS
from tests.checkpoints import BILOU, huggingface_folder, streamer_folder, vocabulary


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return streamer_folder(tmp_path_factory.mktemp("ours"))


def test_our_layout_opens_with_all_it_says(ours: Path) -> None:
    checkpoint = open_checkpoint(ours)

    assert (checkpoint.name, checkpoint.version, checkpoint.layout) == ("tiny", "1", "streamer")
    assert checkpoint.encoder.hidden_size == 64
    assert checkpoint.layers == (("entities", ("PROBLEM", "DRUG")),)
    assert checkpoint.window == 34
    assert len(checkpoint.fingerprint) == 16
    assert checkpoint.fingerprint == open_checkpoint(ours).fingerprint


def test_the_fingerprint_changes_with_the_weights_and_with_the_reading_code(
    tmp_path: Path, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_checkpoint(ours).fingerprint
    assert open_checkpoint(streamer_folder(tmp_path / "other", seed=1)).fingerprint != first
    monkeypatch.setattr("models.manifest.READING_CODE", ("windows.py",))
    assert open_checkpoint(ours).fingerprint != first


def test_every_file_that_can_change_an_answer_is_part_of_the_fingerprint() -> None:
    """A new file in models/ must be put on one side or the other."""
    folder = DEFAULT.parent.parent
    does_not_matter = {
        "__init__.py",
        "acceptance.py",
        "annotator.py",
        "calibration.py",
        "client.py",
        "credit.py",
        "errors.py",
        "kept.py",
        "lanes.py",
        "link.py",
        "observer.py",
        "precision.py",
        "probe.py",
        "server.py",
    }
    matters = {path for pattern in READING_CODE for path in folder.glob(pattern)}
    every = {path for path in folder.iterdir() if path.is_file()} | set((folder / "heads").glob("*.py"))
    assert {path.name for path in every - matters} == does_not_matter
    assert all(any(folder.glob(pattern)) for pattern in READING_CODE)


def test_every_module_that_reading_imports_is_part_of_the_fingerprint() -> None:
    """From what reads, through all that it imports, wherever in models/ it lies."""
    package = DEFAULT.parent.parent
    matters = {path for pattern in READING_CODE for path in package.glob(pattern)}
    does_not_matter = {package / name for name in ("errors.py", "lanes.py", "observer.py", "precision.py")}
    seen: set[Path] = set()
    waiting = [package / f"{name}.py" for name in ("engine", "forward", "reader", "assemble", "passages")]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += imported(path, package)
    assert {str(path.relative_to(package)) for path in seen - matters - does_not_matter} == set()
    assert any(path.parent.name == "heads" for path in seen)


def imported(path: Path, package: Path) -> list[Path]:
    """Files of our package that a file imports, wherever in it, and those it names to import later."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    found = []
    for name in names:
        first, *rest = name.split(".")
        at = package.joinpath(*rest)
        if first == "models" and rest:
            found += [file for file in (at.with_suffix(".py"), at / "__init__.py") if file.is_file()]
    return found


def test_each_precision_has_a_fingerprint_of_its_own_and_fp32_the_plain_one(ours: Path) -> None:
    checkpoint = open_checkpoint(ours)
    own = {precision: checkpoint.in_precision(precision) for precision in PRECISIONS}
    assert own["fp32"].pipeline == checkpoint.pipeline
    assert len({each.pipeline.fingerprint for each in own.values()}) == len(PRECISIONS)
    assert all(len(each.fingerprint) == 16 for each in own.values())
    assert own["int8"].pipeline == open_checkpoint(ours).in_precision("int8").pipeline


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_flipped_bit_anywhere_is_refused_with_both_hashes(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "flipped"
    if not folder.exists():
        streamer_folder(folder)
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    sound = path.read_bytes()
    at = data.draw(st.integers(0, len(sound) - 1))
    damaged = bytearray(sound)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    try:
        if path.name == "manifest.json":
            try:
                same = json.loads(damaged) == json.loads(sound)  # white space
            except ValueError:
                same = False
            if not same:
                refusal(folder)
        else:
            message = refusal(folder)
            assert json.loads((folder / "manifest.json").read_bytes())["files"][path.name] in message
            assert sha256_of(path) in message
    finally:
        path.write_bytes(sound)


def test_a_truncated_or_missing_file_is_refused_with_the_expected_hash(tmp_path: Path) -> None:
    folder = streamer_folder(tmp_path)
    weights = folder / "weights.safetensors"
    expected = sha256_of(weights)
    weights.write_bytes(weights.read_bytes()[:-100])
    message = refusal(folder)
    assert expected in message
    assert sha256_of(weights) in message
    weights.unlink()
    assert f"weights.safetensors is missing (expected SHA-256 {expected})" in refusal(folder)


def test_a_changed_manifest_is_refused(tmp_path: Path) -> None:
    path = streamer_folder(tmp_path) / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"window": 33}))
    assert "damaged: SHA-256 expected" in refusal(tmp_path)
    path.write_text(json.dumps({"format": "streamer-checkpoint"}))
    assert "manifest.json" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"heads": [{}]}, "name"),
        ({"heads": [{"name": "a", "kind": "entities"}]}, "kind entities does not say its categories"),
        ({"heads": [{"name": "a", "kind": "text_classes", "labels": [1], "independent": True}]}, "labels"),
        ({"window": 2, "overlap": 0}, "window and overlap"),
        ({"overlap": 32}, "window and overlap"),
        ({"name": "two\nlines"}, "name"),
        ({"files": {"../elsewhere": "0" * 64}}, "files"),
        ({"files": {"a" * 300: "0" * 64}}, "files"),
    ],
)
def test_a_manifest_that_says_what_cannot_be_is_refused(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = streamer_folder(tmp_path) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert said in refusal(tmp_path)


@pytest.mark.parametrize("name", ["manifest.json", "config.json"])
def test_json_nested_without_end_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b'{"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert name in refusal(tmp_path)


def test_a_newer_format_asks_for_an_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.manifest.FORMAT_VERSION", 2)
    streamer_folder(tmp_path / "new")
    monkeypatch.undo()
    assert "newer than this program" in refusal(tmp_path / "new")
    (tmp_path / "new" / "manifest.json").write_text('{"formatVersion": 2, "heads": "of another shape"}')
    assert "newer than this program" in refusal(tmp_path / "new")


def test_a_folder_that_is_none_or_holds_nothing_is_refused(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "absent")
    assert "no checkpoint" in refusal(tmp_path)


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


def test_opening_a_checkpoint_does_not_import_torch(ours: Path) -> None:
    code = f"import sys; from models.checkpoint import open_checkpoint; open_checkpoint({str(ours)!r}); "
    code += "import models.reader, models.client; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_shipped_checkpoint_is_the_default() -> None:
    assert DEFAULT.name == "clinical-mini"
