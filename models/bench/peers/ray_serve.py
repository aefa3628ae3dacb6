"""Ray Serve in front of a Hugging Face pipeline, with its dynamic batching (`@serve.batch`).

Called through a deployment handle: no HTTP, which flatters it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.bench.child import Work

IN_FLIGHT = 32
WAIT_S = 0.05
"""How long a batch waits to fill up."""


class RayServe:
    """One replica with all cores; what waits is batched, padded to the longest."""

    def missing(self, cache: str) -> str | None:
        return None if find_spec("ray") else "install ray[serve] (uv sync --group bench)"

    def start(self, work: Work) -> None:
        os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_DISABLE_MEMORY_MONITOR="1")
        import ray
        from ray import serve

        self._work = work
        self._folder = tempfile.TemporaryDirectory(prefix="ray-")
        ray.init(
            num_cpus=work.cores,
            include_dashboard=False,
            _temp_dir=self._folder.name,
            logging_level=logging.ERROR,
            log_to_driver=False,
            object_store_memory=100 << 20,
        )
        self._handle: Any = serve.run(_deployment(work), name="bench", route_prefix=None)

    def read(self, first: int, count: int) -> float:
        some = self._work.some(first, count)
        begun = time.monotonic()
        waiting: list[Any] = []
        for item in some:
            if len(waiting) >= IN_FLIGHT:
                waiting.pop(0).result()
            waiting.append(self._handle.remote(item.text))
        for response in waiting:
            response.result()
        return sum(item.tokens for item in some) / (time.monotonic() - begun)

    def stop(self) -> None:
        import ray
        from ray import serve

        serve.shutdown()
        ray.shutdown()
        self._folder.cleanup()


def _deployment(work: Work) -> Any:
    """Everything that the replica needs is inside: Ray sends this class to another process by value."""
    from ray import serve

    folder, batch, cores = work.huggingface, work.options["batch"], work.cores
    gpus = 1 if work.device == "cuda" else 0

    class Tagger:
        def __init__(self) -> None:
            import torch
            from transformers import pipeline

            torch.set_num_threads(cores)
            device = 0 if gpus else -1
            self._pipe = pipeline(
                "token-classification", model=folder, aggregation_strategy="simple", device=device
            )

        @serve.batch(max_batch_size=batch, batch_wait_timeout_s=WAIT_S)  # type: ignore[untyped-decorator]
        async def __call__(self, texts: list[str]) -> list[int]:
            answers = await asyncio.to_thread(self._pipe, texts, batch_size=batch)
            return [len(answer) for answer in answers]

    options = {"num_cpus": 1, "num_gpus": gpus, "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(cores)}}}
    return serve.deployment(
        Tagger, num_replicas=1, max_ongoing_requests=4 * batch, ray_actor_options=options
    ).bind()


PEER = RayServe
