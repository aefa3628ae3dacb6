"""How fast a checkpoint reads here in each precision: `python -m models.probe FOLDER DEVICE PRECISION …`.

A process of its own, because a precision can end it: some machines advertise instructions and then die on
them. It says on standard output, one JSON object a line, what it is about to try and how that went:

    {"tries": "bf16"}
    {"fails": "bf16", "why": "…"}
    {"device": "cpu", "readers": 2, "speeds": {"fp32": 1210.5}}
"""

from __future__ import annotations

import ctypes
import signal
import statistics
import sys
import time
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from models.checkpoint import Checkpoint, open_checkpoint
from models.engine import Engine
from models.errors import EngineError
from models.forward import choose_device
from models.precision import PRECISIONS, Precision
from models.requests import Passage
from models.trunk import sums_exactly

SECONDS = 2.0
"""Of measuring, when all engines are up."""
HOPELESS = 1.4
"""Times slower than the fastest after a round: not measured again."""
MOST_ROUNDS = 15
CPU_TOKENS, CUDA_TOKENS = 512, 8192
"""A reader's batch: enough to be near full speed."""
LENGTHS = (24, 56, 88, 120, 208)
TEXT = (
    "He denies chest pain but has had a cough with fever for 3 days, worse at night. Takes metoprolol 25 mg "
    "twice daily and aspirin. No known drug allergies. Chest x-ray showed a left lower lobe infiltrate; "
    "white count 14.2. Impression: community-acquired pneumonia. Started on ceftriaxone 1 g IV daily. "
)


def main(arguments: Sequence[str]) -> None:
    _end_with_our_parent()
    folder, device, *names = arguments
    wanted = [precision for precision in PRECISIONS if precision in names]
    checkpoint = open_checkpoint(folder)
    engines: dict[Precision, Engine] = {}
    for precision in wanted:
        say(tries=precision)
        try:
            _trusted(precision, device)
            engines[precision] = _ready(checkpoint, device, precision)
        except Exception as error:
            say(fails=precision, why=_reason(error))
    if engines:
        one = next(iter(engines.values()))
        speeds = measure(engines, passages(checkpoint, one.budget * one.readers))
        say(device=one.device, readers=one.readers, speeds=speeds)
    for engine in engines.values():
        engine.close()


def measure(engines: Mapping[Precision, Engine], batch: Sequence[Passage]) -> dict[Precision, float]:
    """Tokens/s of each, by the median of rounds that take turns, so that a noisy neighbour hits all alike."""
    times: dict[Precision, list[float]] = {precision: [] for precision in engines}
    racing = list(engines)
    until = time.monotonic() + SECONDS
    for _ in range(MOST_ROUNDS):
        for precision in racing:
            _round(precision, engines[precision], batch, times)
        best = min((statistics.median(own) for own in times.values()), default=0.0)
        racing = [p for p in times if statistics.median(times[p]) <= HOPELESS * best]
        if len(racing) < 2 or time.monotonic() >= until:
            break
    tokens = sum(len(ids) + 2 for ids, _ in batch)
    return {precision: tokens / statistics.median(own) for precision, own in times.items()}


def _round(
    precision: Precision, engine: Engine, batch: Sequence[Passage], times: dict[Precision, list[float]]
) -> None:
    """One more time for a precision; one that fails has none any more."""
    say(tries=precision)
    try:
        times[precision].append(_turn(engine, batch))
    except EngineError as error:
        del times[precision]
        say(fails=precision, why=_reason(error))


def passages(checkpoint: Checkpoint, tokens: int) -> list[Passage]:
    """Clinical text in passages of many lengths, at least one and about `tokens` together."""
    longest = checkpoint.window - 2
    source = np.array(checkpoint.tokenizer.encode(TEXT, add_special_tokens=False).ids, np.int32)
    made: list[Passage] = []
    left = tokens
    while left > 2 or not made:
        length = max(1, min(LENGTHS[len(made) % len(LENGTHS)], longest, left - 2))
        ids = np.resize(np.roll(source, -len(made)), length)
        made.append((ids, np.zeros(length, np.uint8)))
        left -= length + 2
    return made


def say(**what: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


def _ready(checkpoint: Checkpoint, device: str, precision: Precision) -> Engine:
    """An engine that has read something already."""
    engine = Engine(checkpoint, device, precision=precision)
    engine.budget = min(engine.budget, CPU_TOKENS if engine.device == "cpu" else CUDA_TOKENS)
    try:
        _turn(engine, passages(checkpoint, 64))
    except BaseException:
        engine.close()
        raise
    return engine


def _turn(engine: Engine, batch: Sequence[Passage]) -> float:
    """Seconds; raises `EngineError` where it does not answer in numbers."""
    begun = time.perf_counter()
    answers = engine.submit(batch).result()
    seconds = time.perf_counter() - begun
    status = next((answer.status for answer in answers.answers if answer.status != "ok"), None)
    if status is not None:
        raise EngineError(f"answers {status}")
    return seconds


def _trusted(precision: Precision, device: str) -> None:
    """Raises `EngineError` where a precision would run, and err."""
    if precision == "int8" and choose_device(device) == "cpu" and not sums_exactly():
        raise EngineError("this processor's 8-bit sums overflow (it has no VNNI)")


def _reason(error: Exception) -> str:
    """Ours as it is; of another's error only the kind."""
    return str(error) if isinstance(error, EngineError) else type(error).__name__


def _end_with_our_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    main(sys.argv[1:])
