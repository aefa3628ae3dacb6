"""Targets: files that somebody else wrote. They are read, or refused by the one named error in one line."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import msgspec

from models.checkpoint import DEFAULT, open_checkpoint
from models.corpora.own import read_own
from models.corpora.problems import DataError
from models.errors import CheckpointError
from models.finish import switched
from models.phi import read_thresholds
from models.terminology.own import read_own as read_terminology
from models.terminology.terms import TerminologyError
from models.thresholds import ThresholdsError
from streamer import settings
from streamer.errors import SettingError
from tests.fuzz.draws import Draws

SECRET = "correct-horse-battery"
MEMORY = Path("/dev/shm")
"""Files in memory, where there are such."""


@cache
def _kept() -> TemporaryDirectory[str]:
    return TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else gettempdir())


def _folder(name: str) -> Path:
    """The same folder for every input, as making and removing one takes longer than most of them."""
    folder = Path(_kept().name) / name
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def _written(folder: Path, **files: bytes) -> Iterator[None]:
    """Files, a `.` in a name spelt `_dot_`, that are there meanwhile."""
    paths = [folder / name.replace("_dot_", ".") for name in files]
    for path, content in zip(paths, files.values(), strict=True):
        path.write_bytes(content)
    try:
        yield
    finally:
        for path in paths:
            path.unlink()


def check_refusal(said: str) -> None:
    """One line that cannot steer a terminal, without what is secret."""
    assert said.isprintable()
    assert SECRET not in said


# --- training data, terminologies, thresholds ----------------------------------------------------

OWN = ("ann", "pubtator", "conll", "jsonl", "csv", "tsv", "txt", "json")


def own_data(data: bytes) -> None:
    """brat, PubTator, CoNLL, JSON lines, tables: documents whose spans are sound, or `DataError`."""
    draws = Draws(data)
    suffix = draws.one(OWN)
    content = draws.content()
    folder = _folder("own")
    files = {f"x_dot_{suffix}": content}
    if suffix == "ann":
        cut = draws.number(len(content)) if content else 0
        files = {"x_dot_ann": content[cut:], "x_dot_txt": content[:cut]}
    with _written(folder, **files):
        try:
            own = read_own(folder / f"x.{suffix}" if draws.number(1) else folder)
        except DataError as error:
            problems = error.problems
        else:
            problems = own.problems
            for document in own.documents:
                for span in document.spans:
                    said = document.text[span.start : span.end]
                    assert 0 <= span.start < span.end <= len(document.text)
                    assert said == said.strip() != ""
                assert document.text.strip()
            own.split("seed", 0.2)
    for problem in problems:
        check_refusal(str(problem))


def terminology(data: bytes) -> None:
    """A CSV of codes: names that can be looked for, or `TerminologyError`."""
    folder = _folder("terms")
    with _written(folder, codes_dot_csv=data):
        try:
            read = read_terminology(folder / "codes.csv")
        except TerminologyError as error:
            check_refusal(str(error))
        else:
            assert read.terminologies
            assert all("\n" not in line for line in read.left_out)


def thresholds(data: bytes) -> None:
    """TOML or JSON: a number from 0 to 1 by category, or `ThresholdsError`."""
    draws = Draws(data)
    suffix = draws.one(("toml", "json"))
    folder = _folder("thresholds")
    with _written(folder, **{f"own_dot_{suffix}": draws.content()}):
        try:
            read = read_thresholds(folder / f"own.{suffix}")
        except ThresholdsError as error:
            check_refusal(str(error))
        else:
            assert all(0 <= least <= 1 for least in read.values())


# --- settings ------------------------------------------------------------------------------------


def settings_file(data: bytes) -> None:
    """streamer.toml: settings, or `SettingError` in one line without the secret that it held."""
    folder, before = _folder("settings"), Path.cwd()
    content = data + f'\nsasl_password = "{SECRET}"\n'.encode() * (len(data) % 2)
    with _written(folder, streamer_dot_toml=content):
        os.chdir(folder)
        try:
            read = settings.load()
        except SettingError as error:
            check_refusal(str(error))
        else:
            assert SECRET not in repr(read)
            assert SECRET not in str(settings.shown(read))
            settings.environment(read)
        finally:
            os.chdir(before)


# --- checkpoints ---------------------------------------------------------------------------------


def manifest(data: bytes) -> None:
    """manifest.json as it comes, or with its own hash set right: a checkpoint, or `CheckpointError`."""
    draws = Draws(data)
    sealed = draws.number(1)
    content = draws.content()
    folder = _folder("manifest")
    with _written(
        folder, manifest_dot_json=_sealed(content) if sealed else content, tokenizer_dot_json=_pieces()
    ):
        _opened(folder)


def _sealed(content: bytes) -> bytes:
    """With the SHA-256 that `seal` would write, where it is a JSON object at all."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        fields = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        if "sha256" in fields:
            fields.pop("sha256")
            plain = msgspec.json.encode(msgspec.json.decode(msgspec.json.encode(fields)), order="sorted")
            digest = hashlib.sha256(plain).hexdigest()
            return msgspec.json.encode({**fields, "sha256": digest})
    return content


@cache
def _pieces() -> bytes:
    return (DEFAULT / "tokenizer.json").read_bytes()


PARTS = (
    "config.json",
    "tokenizer_config.json",
    "vocab.txt",
    "tokenizer.json",
    "model.safetensors.index.json",
)
CONFIG = (
    b'{"model_type":"bert","vocab_size":9,"hidden_size":4,"num_hidden_layers":1,"num_attention_heads":1,'
    b'"intermediate_size":4,"architectures":["BertForTokenClassification"],"id2label":{"0":"O","1":"B-X"}}'
)
VOCABULARY = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\npain\n##s\n"


def huggingface(data: bytes) -> None:
    """One file of a folder as `save_pretrained` writes it: a checkpoint, or `CheckpointError`."""
    draws = Draws(data)
    part = draws.one(PARTS)
    files = {"config_dot_json": CONFIG, "vocab_dot_txt": VOCABULARY}
    index = part == "model.safetensors.index.json"
    files |= {part.replace(".", "_dot_"): draws.content()}
    files |= {} if index else {"model_dot_safetensors": b"\0" * 8}
    folder = _folder("huggingface")
    with _written(folder, **files):
        _opened(folder)


def weights(data: bytes) -> None:
    """A file of weights: tensors by their names, or `CheckpointError`."""
    from models.weights import read_file  # imports torch

    draws = Draws(data)
    suffix = draws.one(("safetensors", "bin"))
    folder = _folder("weights")
    with _written(folder, **{f"model_dot_{suffix}": draws.content()}):
        try:
            tensors = read_file(folder / f"model.{suffix}")
        except CheckpointError as error:
            check_refusal(str(error))
        else:
            assert all(tensor.numel() >= 0 for tensor in tensors.values())


def _opened(folder: Path) -> None:
    """Opened, and asked for all that start and reading ask of it."""
    try:
        checkpoint = switched(open_checkpoint(folder), None)
    except CheckpointError as error:
        check_refusal(str(error))
        return
    asked: list[Callable[[], object]] = [
        lambda: checkpoint.layers, lambda: checkpoint.silent, lambda: checkpoint.relations,
        lambda: checkpoint.tasks, lambda: checkpoint.embedding, lambda: checkpoint.word_start,
    ]  # fmt: skip
    for ask in asked:
        ask()
