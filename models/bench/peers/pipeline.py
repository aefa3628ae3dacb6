"""Hugging Face `pipeline("token-classification")`, as its documentation shows it."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.bench.child import Work


class Pipeline:
    """fp32, all cores in one pass; `batch` windows are padded to the longest of them."""

    def missing(self, cache: str) -> str | None:
        return None if find_spec("transformers") else "install transformers"

    def start(self, work: Work) -> None:
        import torch
        from transformers import logging, pipeline

        logging.set_verbosity_error()
        torch.set_num_threads(work.cores)
        self._work = work
        self._batch: int = work.options["batch"]
        self._pipe: Any = pipeline(
            "token-classification",
            model=work.huggingface,
            aggregation_strategy="simple",
            device=0 if work.device == "cuda" else -1,
        )

    def read(self, first: int, count: int) -> float:
        some = self._work.some(first, count)
        begun = time.monotonic()
        answers = self._pipe([item.text for item in some], batch_size=self._batch)
        assert len(answers) == count
        return sum(item.tokens for item in some) / (time.monotonic() - begun)

    def stop(self) -> None:
        del self._pipe


PEER = Pipeline
