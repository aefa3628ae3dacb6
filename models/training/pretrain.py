"""Continued pre-training: a BERT reads raw notes and guesses the words that were hidden from it.

Method: masked words (Devlin et al. 2019), all pieces of a word together, on the texts that it will later be
trained for (Gururangan et al. 2020, "Don't stop pretraining"); where asked, next-sentence prediction with the
pooler (Devlin et al. 2019). Only the hidden places are compared with the vocabulary. What comes out is a
Hugging Face folder: a base for `streamer train`, or for anybody else's program.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch

from models.errors import CheckpointError
from models.training.bases import base_folder
from models.training.bert import open_bert, save_bert
from models.training.guessing import Guessing, Perplexity
from models.training.guessing import PretrainConfig as PretrainConfig
from models.training.masking import Blocks, Pairs, Vocabulary, Windows
from models.training.progress import Progress

FIGURES = "pretraining.json"
EPOCHS, MOST_TOKENS = 10, 5_000_000
HELD_SHARE = 0.02
WIDTH, RATE = 384, 4e-4
"""A trunk of this width learns well at this rate; wider ones take the square of their share less."""
DROPOUT = ("hidden_dropout_prob", "attention_probs_dropout_prob")


@dataclass(frozen=True)
class Pretrained:
    """`folder`: as `save_pretrained` writes it. `fresh`: the base had no head for hidden words, so that the
    perplexity before is that of guessing."""

    folder: Path
    before: Perplexity
    after: Perplexity
    fresh: bool
    steps: int
    texts: int
    held_out: int


def pretrain(
    texts: Sequence[str],
    base: str,
    folder: Path,
    config: PretrainConfig,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Pretrained:
    """Train `base` (a BERT's folder or hub name) on `texts`; goes on where a run into `folder` was cut off.

    `folder / "base"` is what was trained, `pretraining.json` and `history.jsonl` beside it tell of it.
    Raises `CheckpointError` for what is no BERT, for fewer texts than one batch, for a folder in which
    another run was cut off, and where the loss is no number any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    model, tokenizer, fresh, dropout = _open(base_folder(base), config.next_sentence)
    longest = int(model.config.max_position_embeddings)
    config = msgspec.structs.replace(config, window=min(config.window, longest))
    learned, held = split(texts, config.seed)
    vocabulary = Vocabulary(tokenizer)
    kind = Pairs if config.next_sentence else Blocks
    windows, others = (kind(some, vocabulary, config.window) for some in (learned, held))
    _require_enough(windows, config)
    config = _settled(config, windows.tokens, int(model.config.hidden_size))
    run = Guessing(model, vocabulary, config, folder, _digest(config, base, learned, vocabulary.size))
    before, after = run.train(windows, others, on_progress)
    for name, value in dropout.items():
        setattr(model.config, name, value)
    save_bert(model.cpu(), tokenizer, folder / "base")
    done = Pretrained(folder / "base", before, after, fresh, config.steps, len(learned), len(held))
    told = {**asdict(done), "folder": "base", "base": base, "config": msgspec.to_builtins(config)}
    (folder / FIGURES).write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")
    return done


def split(texts: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Texts to learn from, and about 2 % of their characters to measure on, by a seeded hash of each.

    Of a single text the end is kept.
    """
    if len(texts) == 1:
        at = texts[0].rfind(" ", 0, math.ceil(len(texts[0]) * (1 - HELD_SHARE)))
        return ([texts[0][:at]], [texts[0][at:]]) if at > 0 else (list(texts), list(texts))
    room = HELD_SHARE * sum(map(len, texts))
    held: set[int] = set()
    for number in sorted(range(len(texts)), key=lambda number: _hash(f"{seed}:{texts[number]}")):
        if held and (room <= 0 or len(held) + 1 == len(texts)):
            break
        held.add(number)
        room -= len(texts[number])
    return (
        [text for number, text in enumerate(texts) if number not in held],
        [texts[number] for number in sorted(held)],
    )


def _open(base: str, next_sentence: bool) -> tuple[Any, Any, bool, dict[str, float]]:
    """Model, tokenizer, whether its head for hidden words is new, and the dropout that it came with."""
    architecture = "BertForPreTraining" if next_sentence else "BertForMaskedLM"
    options: dict[str, Any] = {} if torch.cuda.is_available() else {"attn_implementation": "eager"}
    model, tokenizer, missing = open_bert(base, architecture, **options)
    dropout = {name: getattr(model.config, name) for name in DROPOUT}
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model, tokenizer, any(name.startswith("cls.predictions") for name in missing), dropout


def _require_enough(windows: Windows, config: PretrainConfig) -> None:
    if len(windows) * config.window < config.batch_tokens:
        raise CheckpointError(
            f"{windows.tokens:,} tokens of text are fewer than one batch of {config.batch_tokens:,}; "
            "bring more text, or lower batch_tokens"
        )


def _settled(config: PretrainConfig, tokens: int, width: int) -> PretrainConfig:
    """With what follows from the texts and the trunk."""
    return msgspec.structs.replace(
        config,
        tokens=config.tokens or min(EPOCHS * tokens, MOST_TOKENS),
        rate=config.rate or RATE * min(1.0, (WIDTH / width) ** 2),
    )


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _digest(config: PretrainConfig, base: str, texts: Sequence[str], pieces: int) -> str:
    """Of all that the weights follow from."""
    return hashlib.sha256(
        b"".join([msgspec.json.encode(config), f"{base} {pieces}".encode(), *(_hash(text) for text in texts)])
    ).hexdigest()
