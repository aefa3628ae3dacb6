"""The Hugging Face layout of a BERT checkpoint: what `save_pretrained` writes, read without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from models.errors import UNREADABLE, CheckpointError, unreadable
from models.shape import EncoderConfig, FileName, Name

WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
SMALL = ("config.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PREFIXES = ("B", "I", "L", "U", "E", "S")
"""BIO, BILOU and BIOES (E, S for L, U)."""
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class Layout:
    """`heads` as manifest entries: none for a bare base."""

    name: str
    encoder: EncoderConfig
    heads: tuple[Mapping[str, Any], ...]
    weights: tuple[Path, ...]
    small_files: tuple[Path, ...]


class _Said(msgspec.Struct):
    """What `config.json` says of a head."""

    architectures: list[str] | None = None
    id2label: dict[str, Name] | None = None
    num_labels: Annotated[int, msgspec.Meta(ge=1, le=1 << 16)] = 2
    problem_type: str | None = None
    task: Name | None = None


def download(name: str) -> Path:
    """The folder of a hub name, fetched or from the local cache."""
    if not HUB_NAME.fullmatch(name):
        raise CheckpointError(f"{name}: no such folder")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=[*WEIGHTS, *SMALL, "*-of-*", "manifest.json"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"{name}: no such folder, and the Hugging Face hub did not give it ({type(error).__name__}); "
            "check the name, or point to a folder"
        ) from None


def read_config(folder: Path) -> Layout:
    """`config.json` and the list of files; raises `CheckpointError` for what is not a BERT of our kind."""
    config = read_json(folder / "config.json")
    for key, fine in (
        ("model_type", "bert"), ("hidden_act", "gelu"), ("position_embedding_type", "absolute"),
        ("is_decoder", False),
    ):  # fmt: skip
        if config.get(key, fine) != fine:
            raise CheckpointError(f"{folder}: {key} is {config[key]!r}; only {fine!r} can be read")
    try:
        encoder, said = msgspec.convert(config, EncoderConfig), msgspec.convert(config, _Said)
    except msgspec.ValidationError as error:
        raise CheckpointError(unreadable(folder / "config.json", error)) from None
    weights = _weight_files(folder)
    small = tuple(folder / name for name in SMALL if (folder / name).is_file())
    return Layout(folder.resolve().name, encoder, _heads(said, folder), weights, small)


def load_tokenizer(folder: Path, pieces: int) -> Tokenizer:
    """From `tokenizer.json`, else built from `vocab.txt` as BERT's own; neither truncates nor pads.

    `pieces`: how many the weights know. Raises `CheckpointError`.
    """
    config = (
        read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    )
    if (folder / "tokenizer.json").is_file():
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises bare Exception
            raise CheckpointError(
                f"{folder / 'tokenizer.json'} cannot be read: {type(error).__name__}"
            ) from None
        if "do_lower_case" in config and isinstance(tokenizer.normalizer, normalizers.BertNormalizer):
            tokenizer.normalizer = _normalizer(config, lowercase=bool(config["do_lower_case"]))
    elif (folder / "vocab.txt").is_file():
        tokenizer = _from_vocabulary(folder / "vocab.txt", config)
    else:
        raise CheckpointError(f"{folder}: neither tokenizer.json nor vocab.txt")
    if (most := 1 + max(tokenizer.get_vocab().values(), default=0)) > pieces:
        raise CheckpointError(
            f"{folder}: the tokenizer has {most} pieces, the weights {pieces}: they do not belong together"
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def special(tokenizer: Tokenizer, piece: str, folder: Path) -> int:
    number = tokenizer.token_to_id(piece)
    if number is None:
        raise CheckpointError(f"{folder}: the vocabulary has no {piece}")
    return number


def split_label(label: str) -> tuple[str, str | None]:
    """ "B-Disease" → ("B", "Disease"); a label without a prefix continues its like; "O" is no category."""
    if label == "O":
        return "", None
    prefix, dash, name = label.partition("-")
    return (prefix, name) if dash and prefix in PREFIXES else ("I", label)


def read_json(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except UNREADABLE as error:
        raise CheckpointError(unreadable(path, error)) from None


def _from_vocabulary(path: Path, config: Mapping[str, Any]) -> Tokenizer:
    try:
        pieces = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise CheckpointError(unreadable(path, error)) from None
    if pieces and not pieces[-1]:
        pieces.pop()
    vocab = {piece.rstrip("\r"): number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))  # noqa: S106
    # Old cased checkpoints come without a tokenizer_config.json: an uncased vocabulary has no capitals.
    cased = any(
        piece != piece.lower() and piece not in SPECIAL and not piece.startswith("[") for piece in vocab
    )
    tokenizer.normalizer = _normalizer(config, lowercase=bool(config.get("do_lower_case", not cased)))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.add_special_tokens([AddedToken(piece, special=True) for piece in SPECIAL if piece in vocab])
    return tokenizer


def _normalizer(config: Mapping[str, Any], *, lowercase: bool) -> normalizers.BertNormalizer:
    accents = config.get("strip_accents")
    return normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
        strip_accents=accents if isinstance(accents, bool) else None,
        lowercase=lowercase,
    )


def _weight_files(folder: Path) -> tuple[Path, ...]:
    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        raise CheckpointError(f"{folder}: no weights (looked for {', '.join(WEIGHTS)})")
    if found.suffix != ".json":
        return (found,)
    try:
        shards = msgspec.convert(read_json(found).get("weight_map", {}), dict[str, FileName])
    except msgspec.ValidationError as error:
        raise CheckpointError(unreadable(found, error)) from None
    files = tuple(folder / name for name in sorted(set(shards.values())))
    missing = next((path for path in files if not path.is_file()), None)
    if missing or not files:
        raise CheckpointError(f"{missing or found}: a part of the weights is missing")
    return files


def _heads(said: _Said, folder: Path) -> tuple[Mapping[str, Any], ...]:
    architecture = (said.architectures or ["BertModel"])[0]
    given = said.id2label or {str(i): f"LABEL_{i}" for i in range(said.num_labels)}
    labels = [given[str(i)] for i in range(len(given)) if str(i) in given]
    if len(labels) != len(given):
        raise CheckpointError(f"{folder / 'config.json'}: id2label does not count from 0")
    if architecture == "BertForTokenClassification":
        names = [name for _, name in map(split_label, labels) if name is not None]
        categories = list(dict.fromkeys(names))
        return ({"name": "tokens", "kind": "token_classes", "labels": labels, "categories": categories},)
    if architecture == "BertForSequenceClassification":
        if said.problem_type == "regression":
            raise CheckpointError(f"{folder}: a regression head has no labels to report")
        independent = said.problem_type == "multi_label_classification" or len(labels) == 1
        return (
            {
                "name": said.task or "classification",
                "kind": "sequence_classes",
                "labels": labels,
                "independent": independent,
            },
        )
    return ()
