"""infinity-emb: sorted by length, dynamically batched. It has no token classifier: the trunk and its mean.

Lives in an environment of its own, as it needs older libraries than we do; so this file imports neither us
nor anything else of our environment.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.bench.child import Work

HOW = "make its environment with `streamer bench peers`"


class Infinity:
    """fp32 by torch, all cores in one pass."""

    def python(self, cache: str) -> str:
        """The interpreter that has it."""
        return str(Path(cache) / "infinity" / "bin" / "python")

    def missing(self, cache: str) -> str | None:
        return None if Path(self.python(cache)).exists() else HOW

    def start(self, work: Work) -> None:
        import torch
        from infinity_emb import AsyncEmbeddingEngine, EngineArgs

        torch.set_num_threads(work.cores)
        self._work = work
        self._loop = asyncio.new_event_loop()
        self._engine: Any = AsyncEmbeddingEngine.from_args(
            EngineArgs(
                model_name_or_path=work.huggingface,
                batch_size=8,
                engine="torch",
                device="cuda" if work.device == "cuda" else "cpu",
                dtype="float32",
                bettertransformer=False,
                model_warmup=False,
                lengths_via_tokenize=True,
            )
        )
        self._loop.run_until_complete(self._engine.astart())

    def read(self, first: int, count: int) -> float:
        some = self._work.some(first, count)
        begun = time.monotonic()
        vectors, _ = self._loop.run_until_complete(self._engine.embed([item.text for item in some]))
        assert len(vectors) == count
        return sum(item.tokens for item in some) / (time.monotonic() - begun)

    def stop(self) -> None:
        self._loop.run_until_complete(self._engine.astop())


PEER = Infinity
