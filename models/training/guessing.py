"""A BERT on its way of guessing hidden words: what a batch costs, the steps, and how well it guesses.

The trunk, its head for hidden words and, where pairs of parts are shown, its pooler with the head for the
next sentence learn together. A run that was cut off goes on and ends with the same weights.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.errors import CheckpointError
from models.forward import choose_device
from models.training.dense import products_in
from models.training.masking import Masked, Vocabulary, Windows, drawn, masked
from models.training.progress import Progress, schedule
from models.training.quicker import quicker

STATE, HISTORY = "pretraining.pt", "history.jsonl"
HELD_TOKENS = 65_536
"""Of the held-out texts so much is read, at most."""
EVERY = 50
"""Steps between two lines of the history."""


class PretrainConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tokens`: length of the whole run, in tokens seen; 0: ten times the texts, at most 5 million.

    `masked`: share of the words that are hidden. `rate`: of the trunk, 0: by its width.
    """

    seed: int = 1
    tokens: int = 0
    batch_tokens: int = 4096
    window: int = 256
    rate: float = 0.0
    head_rate: float = 2e-3
    warm_up: int = 60
    weight_decay: float = 0.01
    masked: float = 0.15
    next_sentence: bool = False
    save_every: int = 200
    threads: int = 0
    mixed: bool = True
    """bf16 products where the machine is faster in them."""

    @property
    def steps(self) -> int:
        return max(1, self.tokens // self.batch_tokens)


@dataclass(frozen=True)
class Perplexity:
    """On texts that are not learned from: e to the mean loss of a hidden piece. `hidden`: how many there are.

    `next_sentence`: the share of pairs that are told rightly, if that is learned.
    """

    value: float
    hidden: int
    next_sentence: float | None = None


def losses(model: Any, shown: Masked) -> tuple[Tensor, Tensor | None]:
    """Mean cross-entropy of the hidden pieces; logits [windows, 2]: the second part follows, or does not."""
    read = model.base_model(
        input_ids=shown.ids, token_type_ids=shown.second, attention_mask=_mask(shown), return_dict=True
    )
    places = shown.wanted >= 0
    logits = model.cls.predictions(read.last_hidden_state[places]).float()
    words = F.cross_entropy(logits, shown.wanted[places]) if len(logits) else logits.sum()
    if shown.other is None:
        return words, None
    pairs = model.cls.seq_relationship(read.pooler_output).float()
    return words, pairs


def _mask(shown: Masked) -> Tensor | None:
    return None if shown.real is None else shown.real.long()


class Guessing:
    """A model on its way through the steps."""

    def __init__(
        self, model: Any, vocabulary: Vocabulary, config: PretrainConfig, folder: Path, digest: str
    ) -> None:
        self._device = choose_device("auto")
        self._model, self._vocabulary, self._config = model.to(self._device), vocabulary, config
        self._state, self._history, self._digest = folder / STATE, folder / HISTORY, digest
        self._dtype = quicker(config.mixed)
        heads = [p for name, p in model.named_parameters() if name.startswith("cls.")]
        own = {id(p) for p in heads}
        trunk = [p for p in model.parameters() if id(p) not in own]
        self._rates = (config.rate, config.head_rate)
        groups = [{"params": ps, "lr": lr} for ps, lr in zip((trunk, heads), self._rates, strict=True)]
        self._optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True)
        self._done, self._running, self._size = 0, 0.0, max(1, config.batch_tokens // config.window)
        self._before: Perplexity | None = None

    def train(
        self, windows: Windows, held: Windows, on_progress: Callable[[Progress], None]
    ) -> tuple[Perplexity, Perplexity]:
        """From where the state was saved, or the first step, to the last: perplexity before and after."""
        config = self._config
        self._restore()
        self._before = self._before or self.perplexity(held)
        first, began, seen = self._done, time.monotonic(), 0
        batches = drawn(windows, self._vocabulary, self._size, config.masked, config.seed, skip=first)
        self._model.train()
        while self._done < config.steps:
            shown = next(batches)
            self._step(shown)
            seen += shown.ids.numel()
            speed = seen / (time.monotonic() - began)
            left = (config.steps - self._done) * (seen / (self._done - first)) / speed
            if self._done % config.save_every == 0 or self._done == config.steps:
                self._save()
            if self._done % EVERY == 0 or self._done == config.steps:
                self._note(speed)
            on_progress(Progress(self._done, config.steps, self._running, speed, left))
        return self._before, self.perplexity(held)

    def _step(self, shown: Masked) -> None:
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * schedule(self._done, self._config.steps, self._config.warm_up)
        loss = self._loss(shown)
        value = loss.item()
        if not math.isfinite(value):
            raise CheckpointError(
                f"the loss is no number after {self._done} steps; start anew with a lower rate"
            )
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self._running = 0.98 * self._running + 0.02 * value if self._done else value
        self._done += 1

    def _loss(self, shown: Masked) -> Tensor:
        shown = self._put(shown)
        with products_in(self._dtype, self._device):
            words, pairs = losses(self._model, shown)
        if pairs is None or shown.other is None or not (shown.other >= 0).any():
            return words
        return words + F.cross_entropy(pairs, shown.other)

    def _put(self, shown: Masked) -> Masked:
        return Masked(*(None if own is None else own.to(self._device) for own in shown))  # type: ignore[arg-type]

    @torch.no_grad()
    def perplexity(self, held: Windows) -> Perplexity:
        """The same words are hidden whenever it is asked."""
        self._model.eval()
        total, hidden, right, asked = 0.0, 0, 0, 0
        most = max(1, HELD_TOKENS // self._config.window)
        for at in range(0, min(len(held), most), self._size):
            which = np.arange(at, min(at + self._size, len(held)))
            shown = self._put(masked(held, self._vocabulary, which, self._config.masked, [0, at]))
            with products_in(self._dtype, self._device):
                words, pairs = losses(self._model, shown)
            number = int((shown.wanted >= 0).sum())
            total, hidden = total + number * words.item(), hidden + number
            if pairs is not None and shown.other is not None:
                known = shown.other >= 0
                right += int((pairs.argmax(1) == shown.other)[known].sum())
                asked += int(known.sum())
        mean = total / max(1, hidden)
        return Perplexity(math.exp(min(mean, 100.0)), hidden, right / asked if asked else None)

    def _restore(self) -> None:
        if not self._state.exists():
            return
        saved = torch.load(self._state, weights_only=True, map_location=self._device)
        if saved.get("digest") != self._digest:
            raise CheckpointError(
                f"{self._state} is of a run with other texts or settings; name another folder, or remove it"
            )
        self._model.load_state_dict(saved["model"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self._done, self._running = int(saved["step"]), float(saved["loss"])
        self._before = Perplexity(*saved["before"])

    def _save(self) -> None:
        assert self._before is not None
        before = self._before
        saved = {"model": self._model.state_dict(), "optimizer": self._optimizer.state_dict()}
        saved |= {"step": self._done, "loss": self._running, "digest": self._digest}
        saved |= {"before": (before.value, before.hidden, before.next_sentence)}
        part = self._state.with_suffix(".part")
        torch.save(saved, part)
        os.replace(part, self._state)

    def _note(self, speed: float) -> None:
        line = {"step": self._done, "loss": self._running, "parts": {}, "dev": {}, "tokens_per_second": speed}
        with self._history.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
