import os
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.checkpoint import open_checkpoint
from models.errors import CheckpointError
from models.forward import Forward
from models.requests import Passage
from models.weights import load, load_encoder, read_file, save_quantised
from tests.checkpoints import BIO, bert_tensors, config, huggingface_folder, streamer_folder, vocabulary
from tests.engines import own_rows

LABELS = ("cardiology", "surgery", "radiology")


def windows(count: int, longest: int, seed: int = 0) -> list[Passage]:
    rng = np.random.default_rng(seed)
    lengths = [1, longest, *rng.integers(1, longest + 1, count - 2).tolist()]
    features = [np.zeros(n, np.uint8) for n in lengths]
    return [
        (rng.integers(5, len(vocabulary()), n, dtype=np.int32), own)
        for n, own in zip(lengths, features, strict=True)
    ]


def reference(folder: Path, architecture: str) -> Callable[[Passage], np.ndarray[Any, Any]]:
    """transformers' own logits of one window, read alone from the same folder."""
    import transformers

    model = getattr(transformers, architecture).from_pretrained(folder).eval()
    checkpoint = open_checkpoint(folder)

    def logits(window: Passage) -> np.ndarray[Any, Any]:
        ids = [checkpoint.cls_id, *window[0].tolist(), checkpoint.sep_id]
        with torch.inference_mode():
            out = model(torch.tensor([ids])).logits[0].numpy()
        return np.asarray(out[1:-1] if out.ndim == 2 else out)

    return logits


@pytest.mark.parametrize("seed", range(3))
def test_every_token_logit_equals_transformers_in_any_mix_and_order(tmp_path: Path, seed: int) -> None:
    folder = huggingface_folder(tmp_path, seed=seed, cased=bool(seed % 2))
    expected = reference(folder, "BertForTokenClassification")
    forward = Forward(open_checkpoint(folder), "cpu")
    mix = windows(20, longest=94, seed=seed)
    for order in range(3):
        random.Random(order).shuffle(mix)
        for window, rows in zip(mix, own_rows(forward(mix)), strict=True):
            assert np.abs(rows.numpy() - expected(window)).max() <= 5e-5


def test_every_passage_logit_equals_transformers(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path, "BertForSequenceClassification", LABELS)
    expected = reference(folder, "BertForSequenceClassification")
    forward = Forward(open_checkpoint(folder), "cpu")
    mix = windows(70, longest=30)
    for window, row in zip(mix, forward(mix).classes[0].numpy(), strict=True):
        assert np.abs(row - expected(window)).max() <= 5e-5


def test_bio_clinical_bert_size_equals_transformers(tmp_path: Path) -> None:
    """A layer of BERT-base's own width, where sums are long."""
    folder = huggingface_folder(
        tmp_path, hidden_size=768, num_attention_heads=12, intermediate_size=3072, max_position_embeddings=512
    )
    tensors = {
        name: t / 4 if t.ndim == 2 else t for name, t in load_file(folder / "model.safetensors").items()
    }
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    expected = reference(folder, "BertForTokenClassification")
    mix = windows(4, longest=510)
    for window, rows in zip(mix, own_rows(Forward(open_checkpoint(folder), "cpu")(mix)), strict=True):
        assert np.abs(rows.numpy() - expected(window)).max() <= 5e-5


def legacy(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """TensorFlow's names of LayerNorm's parameters, as the first converted checkpoints have them."""
    return {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in tensors.items()
    }


def buffers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    extra = {"bert.embeddings.position_ids": torch.arange(96)[None], "cls.predictions.bias": torch.zeros(9)}
    return tensors | extra


def without_pooler(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if "pooler" not in name}


def rows_of(folder: Path) -> list[np.ndarray[Any, Any]]:
    forward = Forward(open_checkpoint(folder), "cpu")
    return [rows.numpy() for rows in own_rows(forward(windows(5, 40)))]


def same(a: list[np.ndarray[Any, Any]], b: list[np.ndarray[Any, Any]]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("change", [legacy, buffers, without_pooler])
def test_older_and_leaner_files_of_the_same_weights_read_the_same(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]
) -> None:
    folder = huggingface_folder(tmp_path)
    expected = rows_of(folder)
    tensors = load_file(folder / "model.safetensors")
    save_file({name: t.clone() for name, t in change(tensors).items()}, folder / "model.safetensors")
    assert same(rows_of(folder), expected)


def test_sharded_weights_and_a_plain_pytorch_file_read_the_same(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path)
    expected = rows_of(folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()

    torch.save(tensors, folder / "pytorch_model.bin")
    assert same(rows_of(folder), expected)

    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: tensors[name] for name in held}, folder / file)
    table = {name: file for file, held in parts.items() for name in held}
    (folder / "model.safetensors.index.json").write_text(str({"weight_map": table}).replace("'", '"'))
    assert same(rows_of(folder), expected)


class Exploit:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    trap = tmp_path / "ran"
    for save in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))):
        save({"bert.embeddings.word_embeddings.weight": Exploit(trap)}, folder / "pytorch_model.bin")
        with pytest.raises(CheckpointError, match="holds more than tensors and was not loaded") as caught:
            load(open_checkpoint(folder))
        assert "\n" not in str(caught.value)
        assert not trap.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_truncated_file_of_weights_is_refused(tmp_path: Path, name: str) -> None:
    folder = huggingface_folder(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / name) if name.endswith("bin") else save_file(tensors, folder / name)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"damaged or truncated|was not loaded"):
        load(open_checkpoint(folder))


@pytest.mark.parametrize("error", [IndexError("pop from empty list"), KeyError("x"), TypeError("y")])
def test_a_damaged_pickle_is_refused_whatever_torch_says_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def stumbles(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch, "load", stumbles)
    with pytest.raises(CheckpointError, match=rf"damaged or truncated \({type(error).__name__}\)"):
        read_file(tmp_path / "pytorch_model.bin")


def test_missing_and_misshapen_weights_are_named(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    save_file({n: t for n, t in tensors.items() if n != "classifier.bias"}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"lack heads\.tokens\.classifier\.bias"):
        load(open_checkpoint(folder))
    save_file(tensors | {"classifier.bias": torch.zeros(7)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"classifier\.bias has shape \(7,\), expected \(5,\)"):
        load(open_checkpoint(folder))


def test_a_bare_base_gives_its_trunk_to_train_from(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path, "BertModel")
    tensors = bert_tensors(config(len(vocabulary())), len(BIO))
    bare = {name.removeprefix("bert."): t for name, t in tensors.items() if not name.startswith("classifier")}
    save_file(bare, folder / "model.safetensors")
    encoder = load_encoder(open_checkpoint(folder))
    assert torch.equal(encoder.words.weight, tensors["bert.embeddings.word_embeddings.weight"])


def test_quantised_weights_are_within_half_a_step_of_the_row_and_small_ones_exact(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    large = torch.randn(300, 256, generator=generator) * torch.logspace(-2, 2, 300)[:, None]
    large[7] = 0
    small = torch.randn(5, 64, generator=generator)
    save_quantised({"encoder.large": large, "heads.small": small}, tmp_path / "w.safetensors")

    written = load_file(tmp_path / "w.safetensors")
    assert written["encoder.large"].dtype == torch.int8
    back = written["encoder.large"].float() * written["encoder.large.scale"].float()[:, None]
    assert ((back - large).abs() <= large.abs().amax(1, keepdim=True) * (0.51 / 127) + 1e-7).all()
    assert torch.equal(written["heads.small"], small)


def test_our_layout_reads_what_it_was_made_from(tmp_path: Path) -> None:
    folder = streamer_folder(tmp_path / "ours")
    original = huggingface_folder(tmp_path / "theirs")
    assert same(rows_of(folder), rows_of(original))  # so small that nothing was quantised


def test_an_unknown_kind_of_head_asks_for_an_update(tmp_path: Path) -> None:
    folder = streamer_folder(tmp_path, heads=[{"name": "x", "kind": "poems", "labels": []}])
    with pytest.raises(CheckpointError, match="head kind 'poems' is unknown"):
        load(open_checkpoint(folder))


def test_loading_does_not_import_torch_s_compilers(tmp_path: Path) -> None:
    """They take seconds and a hundred megabytes, and make every full garbage collection slower."""
    code = """if True:
        import sys
        from models.checkpoint import open_checkpoint
        from models.weights import load
        load(open_checkpoint(sys.argv[1]))
        print([name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules])
    """
    folder = huggingface_folder(tmp_path)
    said = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True, timeout=120
    )
    assert said.stdout == "[]\n"
