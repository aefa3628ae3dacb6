"""OpenVINO, quantised to int8 by NNCF (post-training, for transformers), one window a request: no padding."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.bench.child import Work

CALIBRATION_WINDOWS = 16
TRIED_WINDOWS = 8
HOW = "install openvino and nncf (uv sync --group bench)"


class OpenVino:
    """`streams` 0: one a core. `best`: what is not int8 runs in fp32 or bf16, whichever is faster here."""

    def missing(self, cache: str) -> str | None:
        return None if find_spec("openvino") and find_spec("nncf") else HOW

    def start(self, work: Work) -> None:
        import openvino
        from transformers import AutoTokenizer

        self._work = work
        tokenizer = AutoTokenizer.from_pretrained(work.huggingface)
        self._inputs = {item.text: dict(tokenizer(item.text, return_tensors="np")) for item in work.items}
        file = Path(work.cache) / f"{Path(work.huggingface).name}-openvino-int8.xml"
        if not file.exists():
            self._quantise(file)
        core = openvino.Core()
        able = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        hints = ["f32", "bf16"] if work.options.get("best") and able else ["f32"]
        self._queues = [self._queue(core, file, hint) for hint in hints]
        if len(self._queues) > 1:
            self._queues = [max(self._queues, key=self._tried)]

    def read(self, first: int, count: int) -> float:
        return self._read(self._queues[0], first, count)

    def stop(self) -> None:
        self._queues.clear()

    def _tried(self, queue: Any) -> float:
        self._read(queue, 0, 1)
        return self._read(queue, 0, TRIED_WINDOWS)

    def _read(self, queue: Any, first: int, count: int) -> float:
        some = self._work.some(first, count)
        begun = time.monotonic()
        for item in some:
            queue.start_async(self._inputs[item.text])
        queue.wait_all()
        return sum(item.tokens for item in some) / (time.monotonic() - begun)

    def _queue(self, core: Any, file: Path, hint: str) -> Any:
        """`hint`: in what the rest is computed that is not int8."""
        import openvino

        streams = self._work.options["streams"] or self._work.cores
        threads = {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": self._work.cores}
        compiled = core.compile_model(file, "CPU", {**threads, "INFERENCE_PRECISION_HINT": hint})
        return openvino.AsyncInferQueue(compiled, streams)

    def _quantise(self, file: Path) -> None:
        import nncf
        import openvino
        import torch
        from transformers import AutoModelForTokenClassification

        model: Any = AutoModelForTokenClassification.from_pretrained(
            self._work.huggingface, attn_implementation="sdpa"
        ).eval()
        model.config.return_dict = False
        inputs = list(self._inputs.values())[:CALIBRATION_WINDOWS]
        example = {name: torch.from_numpy(array) for name, array in inputs[0].items()}
        with torch.no_grad():
            converted = openvino.convert_model(model, example_input=example)
        quantised = nncf.quantize(
            converted,
            nncf.Dataset(inputs),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=CALIBRATION_WINDOWS,
        )
        part = file.with_name(f"part-{file.name}")
        openvino.save_model(quantised, part)
        part.with_suffix(".bin").rename(file.with_suffix(".bin"))
        part.rename(file)


PEER = OpenVino
