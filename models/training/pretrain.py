"""Continued pre-training: a BERT reads raw notes and guesses the words that were hidden from it.

Texts are put one after another, [SEP] between them, and cut into blocks of one length: nothing is padded. Of
the words of a block a share is hidden, all pieces of a word together (whole-word masking; Devlin et al. 2019;
Gururangan et al. 2020, "Don't stop pretraining"). Only the hidden places are compared with the vocabulary.
What comes out is a Hugging Face folder: a base for `streamer train`, or for anybody else's program.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.errors import CheckpointError
from models.training.progress import Progress, schedule

STATE = "pretraining.pt"
TEXTS_AT_ONCE = 256

Ids = NDArray[np.int64]


class PretrainConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tokens`: length of the whole run, in tokens seen; `masked`: share of the words that are hidden."""

    seed: int = 1
    tokens: int = 5_000_000
    batch_tokens: int = 4096
    window: int = 256
    rate: float = 5e-4
    head_rate: float = 2e-3
    warm_up: int = 60
    weight_decay: float = 0.01
    masked: float = 0.15
    save_every: int = 100
    threads: int = 0
    mixed: bool = True
    """bf16 products where the machine has them."""

    @property
    def steps(self) -> int:
        return max(1, self.tokens // self.batch_tokens)


def pretrain(
    texts: Sequence[str],
    base: str,
    folder: Path,
    config: PretrainConfig,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Path:
    """Train `base` (a BERT's folder or hub name) on `texts`; goes on where a run into `folder` was cut off.

    Returns `folder / "base"`, as `save_pretrained` writes it. Raises `CheckpointError` for what is no BERT,
    or for fewer texts than one batch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    model, tokenizer = _open(base)
    blocks = Blocks(_tokenised(texts, tokenizer), tokenizer, config)
    model.train()
    _train(model, blocks, config, folder / STATE, on_progress)
    model.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    return folder / "base"


def _open(base: str) -> tuple[Any, Any]:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    try:
        options = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        model = AutoModelForMaskedLM.from_pretrained(base, **options)
        tokenizer = AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{base} is no BERT to start from: {str(error).splitlines()[0]}") from None
    if model.config.model_type != "bert":
        raise CheckpointError(f"{base} is a {model.config.model_type}; only BERT can be pre-trained further")
    return model, tokenizer


def _tokenised(texts: Sequence[str], tokenizer: Any) -> Iterator[list[int]]:
    fast = tokenizer.backend_tokenizer
    fast.no_truncation()
    for at in range(0, len(texts), TEXTS_AT_ONCE):
        for own in fast.encode_batch_fast(texts[at : at + TEXTS_AT_ONCE], add_special_tokens=False):
            yield own.ids


class Blocks:
    """All texts as blocks [n, window − 2] of pieces, and the endless sequence of batches drawn from them."""

    def __init__(self, pieces: Iterator[list[int]], tokenizer: Any, config: PretrainConfig) -> None:
        self._config = config
        self._cls, self._sep, self._mask = (
            tokenizer.cls_token_id,
            tokenizer.sep_token_id,
            tokenizer.mask_token_id,
        )
        vocabulary = tokenizer.get_vocab()
        self._size = max(vocabulary.values()) + 1
        self._continues = np.zeros(self._size, np.bool_)
        self._continues[[number for piece, number in vocabulary.items() if piece.startswith("##")]] = True
        stream = np.concatenate(
            [np.zeros(0, np.int32), *(np.array([*own, self._sep], np.int32) for own in pieces if own)]
        )
        width = config.window - 2
        whole = len(stream) // width
        if whole * config.window < config.batch_tokens:
            raise CheckpointError(
                f"{len(stream):,} tokens of text are fewer than one batch of {config.batch_tokens:,}; "
                "bring more text, or lower batch_tokens"
            )
        self._blocks: Ids = stream[: whole * width].reshape(whole, width).astype(np.int64)

    def __len__(self) -> int:
        return len(self._blocks)

    def batches(self, skip: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Pieces [blocks, window] with some words hidden; what was there [blocks, window], −100 elsewhere."""
        size = max(1, self._config.batch_tokens // self._config.window)
        step, epoch = 0, 0
        while True:
            order = np.random.default_rng([self._config.seed, epoch]).permutation(len(self._blocks))
            for at in range(0, len(order) - size + 1, size):
                if step >= skip:
                    yield self._hidden(self._blocks[order[at : at + size]], step)
                step += 1
            epoch += 1

    def _hidden(self, blocks: Ids, step: int) -> tuple[Tensor, Tensor]:
        chance = np.random.default_rng([self._config.seed, 7, step])
        edge = np.full((len(blocks), 1), self._cls)
        ids = np.concatenate([edge, blocks, np.full_like(edge, self._sep)], axis=1)
        words = np.cumsum(~self._continues[ids].ravel())
        chosen = (chance.random(words[-1] + 1) < self._config.masked)[words].reshape(ids.shape)
        chosen &= (ids != self._sep) & (ids != self._cls)
        wanted = np.where(chosen, ids, -100)
        draw = chance.random(ids.shape)
        ids = np.where(chosen & (draw < 0.8), self._mask, ids)
        strangers = chance.integers(0, self._size, ids.shape)
        ids = np.where(chosen & (draw >= 0.9), strangers, ids)
        return torch.from_numpy(ids), torch.from_numpy(wanted)


def masked_loss(model: Any, ids: Tensor, wanted: Tensor) -> Tensor:
    """Mean cross-entropy over the hidden places alone."""
    hidden = model.base_model(input_ids=ids).last_hidden_state
    chosen = wanted >= 0
    return F.cross_entropy(model.cls(hidden[chosen]).float(), wanted[chosen])


def in_bf16(wanted: bool) -> AbstractContextManager[object]:
    """Products in bf16 where the CPU or the GPU multiplies them faster than fp32."""
    if torch.cuda.is_available():
        return torch.autocast("cuda", torch.bfloat16, enabled=wanted)
    quick = wanted and torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported()  # type: ignore[no-untyped-call]
    return torch.autocast("cpu", torch.bfloat16) if quick else nullcontext()


def _train(
    model: nn.Module,
    blocks: Blocks,
    config: PretrainConfig,
    state: Path,
    on_progress: Callable[[Progress], None],
) -> None:
    head = [p for name, p in model.named_parameters() if name.startswith("cls.")]
    own = {id(p) for p in head}
    trunk = [p for p in model.parameters() if id(p) not in own]
    groups = [{"params": trunk, "lr": config.rate}, {"params": head, "lr": config.head_rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True)
    rates = [group["lr"] for group in optimizer.param_groups]
    done, running = 0, 0.0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        done, running = int(saved["step"]), float(saved["loss"])
    began, seen = time.monotonic(), 0
    for step, (ids, wanted) in enumerate(blocks.batches(skip=done), start=done):
        if step >= config.steps:
            break
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * schedule(step, config.steps, config.warm_up)
        with in_bf16(config.mixed):
            loss = masked_loss(model, ids, wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running = loss.item() if not step else 0.98 * running + 0.02 * loss.item()
        seen += ids.numel()
        speed = seen / (time.monotonic() - began)
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            part = state.with_suffix(".part")
            torch.save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step + 1,
                    "loss": running,
                },
                part,
            )
            os.replace(part, state)
        left = (config.steps - step - 1) * ids.numel() / speed
        on_progress(Progress(step + 1, config.steps, running, speed, left))
