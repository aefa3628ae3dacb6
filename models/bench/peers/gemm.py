"""What the device's best GEMM does: the peak that every variant's speed is a share of.

On a CPU: oneDNN with prepacked weights, and `F.linear`; shapes of the trunk and a large square; one GEMM on
all cores, and one a core. The best of these is found at the start and measured anew in every round.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from models.bench.child import Work

SQUARE = 2048
CPU_ROWS, CUDA_ROWS = (256, 1024), (8192, 16384)
TRY_SECONDS = 0.1
KEPT = 2
PRECISIONS = ("fp32", "bf16", "int8")

Run = Callable[[], object]


class Candidate(NamedTuple):
    """One way to multiply. `alone`: a GEMM a core, instead of one on all."""

    shape: tuple[int, int, int]
    kind: str
    alone: bool

    def __str__(self) -> str:
        return f"{self.kind} {'×'.join(map(str, self.shape))}, {'one a core' if self.alone else 'all cores'}"


class Gemm:
    """`options["shapes"]`: (inputs, outputs) of the trunk's linear layers."""

    def missing(self, cache: str) -> str | None:
        return None

    def start(self, work: Work) -> None:
        self._cores, self._device = work.cores, work.device
        self._best: dict[str, list[Candidate]] = {}
        for precision in PRECISIONS:
            speeds = {
                one: self._speed(precision, one, TRY_SECONDS) for one in self._candidates(work, precision)
            }
            self._best[precision] = sorted(speeds, key=lambda one: -speeds[one])[:KEPT]

    def read(self, first: int, count: int) -> float:
        raise NotImplementedError("a GEMM reads no text")

    def peaks(self, seconds: float) -> dict[str, float]:
        """GFLOP/s by precision: the better of two ways, each for half of so long."""
        share = seconds / KEPT
        return {name: max(self._speed(name, one, share) for one in ways) for name, ways in self._best.items()}

    def chosen(self) -> dict[str, str]:
        """What was the best, for people."""
        return {name: str(ways[0]) for name, ways in self._best.items()}

    def stop(self) -> None:
        self._best.clear()

    def _candidates(self, work: Work, precision: str) -> list[Candidate]:
        on_cpu = self._device == "cpu"
        layers = [
            (rows, i, o) for i, o in work.options["shapes"] for rows in (CPU_ROWS if on_cpu else CUDA_ROWS)
        ]
        shapes = [*layers, (SQUARE, SQUARE, SQUARE)]
        kinds = ["linear"] if precision != "int8" else []
        if on_cpu:
            kinds.append("oneDNN")
        elif precision == "int8":
            kinds.append("int_mm")
        ways = (False, True) if on_cpu and self._cores > 1 else (False,)
        return [Candidate(shape, kind, alone) for shape in shapes for kind in kinds for alone in ways]

    def _speed(self, precision: str, one: Candidate, seconds: float) -> float:
        """GFLOP/s; 0 for a way that this device does not have."""
        rows, inputs, outputs = one.shape
        flop = 2.0 * rows * inputs * outputs
        try:
            run = _multiplication(precision, one, self._device)
            if self._device != "cpu":
                return flop / _cuda_seconds(run, seconds) / 1e9
            if not one.alone:
                torch.set_num_threads(self._cores)
                return flop / _seconds(run, seconds) / 1e9
            return sum(_side_by_side(lambda: flop / _seconds(run, seconds) / 1e9, self._cores))
        except RuntimeError:
            return 0.0


def _multiplication(precision: str, one: Candidate, device: str) -> Run:
    rows, inputs, outputs = one.shape
    if precision == "int8":
        return _int8(one) if one.kind == "oneDNN" else _int_mm(one, device)
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    x = torch.randn(rows, inputs, device=device, dtype=dtype)
    weight = torch.randn(outputs, inputs, device=device, dtype=dtype)
    bias = torch.randn(outputs, device=device, dtype=dtype)
    if one.kind == "linear":
        return lambda: F.linear(x, weight, bias)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    return lambda: torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")


def _int8(one: Candidate) -> Run:
    """u8 × s8 with scales a channel, as reading needs it; the result in bf16."""
    rows, inputs, outputs = one.shape
    x = torch.randint(0, 255, (rows, inputs), dtype=torch.uint8)
    weight = torch.randint(-127, 127, (outputs, inputs), dtype=torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(weight, [rows, inputs])
    scale, zero = torch.tensor(0.01), torch.tensor(128)
    scales, zeros = torch.full((outputs,), 0.01), torch.zeros(outputs, dtype=torch.int32)
    bias = torch.randn(outputs)

    def run() -> object:
        return torch.ops.onednn.qlinear_pointwise(
            x, scale, zero, packed, scales, zeros, bias, 1.0, 0, torch.bfloat16, "none", [], ""
        )

    return run


def _int_mm(one: Candidate, device: str) -> Run:
    rows, inputs, outputs = one.shape
    x = torch.randint(-127, 127, (rows, inputs), dtype=torch.int8, device=device)
    weight = torch.randint(-127, 127, (outputs, inputs), dtype=torch.int8, device=device).t()
    return lambda: torch._int_mm(x, weight)


def _seconds(run: Run, seconds: float) -> float:
    """Of one multiplication: the median over so long."""
    with torch.inference_mode():
        run()
        times: list[float] = []
        stop = time.perf_counter() + seconds
        while (begun := time.perf_counter()) < stop or not times:
            run()
            times.append(time.perf_counter() - begun)
    return median(times)


def _cuda_seconds(run: Run, seconds: float) -> float:
    run()
    torch.cuda.synchronize()
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        for _ in range(10):
            run()
        torch.cuda.synchronize()
        count += 10
    return (time.perf_counter() - begun) / count


def _side_by_side(measure: Callable[[], float], threads: int) -> list[float]:
    """The same in so many threads at once, each on one core."""
    found: list[float] = []
    failed: list[RuntimeError] = []
    together = threading.Barrier(threads)

    def work() -> None:
        torch.set_num_threads(1)
        together.wait()
        try:
            found.append(measure())
        except RuntimeError as error:
            failed.append(error)

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failed:
        raise failed[0]
    return found


PEER = Gemm
