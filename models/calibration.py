"""Which precision a checkpoint is read in on the device at hand: measured once, in a child process, and kept.

Call `choose` before torch is imported, and `Choice.prepare` then: where a precision dies on instructions that
the processor advertises but does not have (seen on virtual machines with AMX), oneDNN is told to do without
them, and reads that only once.
"""

from __future__ import annotations

import logging
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import msgspec

from models import acceptance, kept
from models.checkpoint import Checkpoint
from models.errors import CheckpointError
from models.manifest import code_hash
from models.precision import ACCEPTED_LOSS, PRECISIONS, Precision, Wanted

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "models.probe")
CODE = ("calibration.py", "probe.py")
ISA = "ONEDNN_MAX_CPU_ISA"
LADDER = ("", "AVX512_CORE_BF16", "AVX512_CORE_VNNI", "AVX512_CORE", "AVX2")
"""What oneDNN may use at most; "": all that it finds, or what the environment says already."""
CACHES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "512", "LRU_CACHE_CAPACITY": "512"}
"""Of what oneDNN and torch build, one for each length of a window: with their own 1024 the engine grows for
longer; with 64 it builds all the time, and takes twice as long."""
DESERVED = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
"""Signals that come from outside (no memory left, a node that stops), not from an instruction."""
PATIENCE_S = 300.0
TIE = 1.05
"""A less exact precision must be faster by this to be chosen."""


@dataclass(frozen=True)
class Choice:
    """`environment` has to be set before torch is imported; `said` is one line for people."""

    precision: Precision
    said: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def prepare(self) -> Precision:
        """Set the environment of this process, and say what was chosen; gives the precision."""
        for name, value in CACHES.items():
            os.environ.setdefault(name, value)
        os.environ.update(self.environment)
        log.info("%s", self.said)
        return self.precision


class Measured(msgspec.Struct, frozen=True):
    """What a child found: tokens/s of each precision that lives, why the others do not; `isa` as above."""

    speeds: dict[Precision, float] = {}
    left_out: dict[Precision, str] = {}
    device: str = ""
    readers: int = 0
    isa: str = ""
    died: Precision | None = None
    retry: bool = False


def choose(
    checkpoint: Checkpoint, device: str = "auto", wanted: Wanted = "auto", limit: float = ACCEPTED_LOSS
) -> Choice:
    """How to read with a checkpoint here. `auto`: the fastest of fp32, bf16 and, where it is accepted, int8.

    `limit`: points of F1 that int8 may lose. Raises `CheckpointError` for a precision that was asked for and
    is not accepted, or cannot run here.
    """
    checkpoint.require_heads()
    if wanted == "fp32":
        return Choice("fp32", "reads in fp32, as it was told")
    if wanted != "auto":
        acceptance.require(checkpoint, wanted, limit)
        return _as_told(wanted, _known(checkpoint, device, [wanted]))
    candidates = [p for p in PRECISIONS if acceptance.accepted(checkpoint, p, limit)]
    measured = _known(checkpoint, device, candidates)
    return Choice(_best(measured.speeds), _story(measured), _environment(measured))


def _as_told(wanted: Precision, measured: Measured) -> Choice:
    if wanted not in measured.speeds:
        why = measured.left_out.get(wanted, "it was not measured")
        raise CheckpointError(f"{wanted} cannot run on this device: {why}; use --precision auto")
    return Choice(wanted, f"{_story(measured, wanted)}; as it was told", _environment(measured))


def _best(speeds: Mapping[Precision, float]) -> Precision:
    """The most exact of those that are as good as the fastest; fp32 if nothing could be measured."""
    fastest = max(speeds.values(), default=0.0)
    return next((p for p in PRECISIONS if p in speeds and speeds[p] * TIE >= fastest), "fp32")


def _environment(measured: Measured) -> dict[str, str]:
    return {ISA: measured.isa} if measured.isa else {}


def _story(measured: Measured, chosen: Precision | None = None) -> str:
    """E.g. "reads in int8 on cpu, 2 readers: 3.1 k tokens/s against fp32 1.2 k; bf16 left out: …"."""
    chosen = chosen or _best(measured.speeds)
    said = f"reads in {chosen}"
    if measured.speeds:
        said += f" on {measured.device}, {measured.readers} readers: {_thousands(measured.speeds[chosen])}"
        said += " tokens/s"
    others = [f"{p} {_thousands(speed)}" for p, speed in measured.speeds.items() if p != chosen]
    if others:
        said += f" against {', '.join(others)}"
    if measured.isa:
        said += f"; oneDNN is held to {measured.isa}"
    return said + "".join(f"; {p} left out: {why}" for p, why in measured.left_out.items())


def _thousands(speed: float) -> str:
    return f"{speed / 1000:,.1f} k"


def _known(checkpoint: Checkpoint, device: str, candidates: Sequence[Precision]) -> Measured:
    """Measured now, or at an earlier start on a machine like this."""
    place = kept.folder("calibration")
    if place is not None:
        place /= f"{_key(checkpoint, device, candidates)}.json"
        if known := kept.read(place, Measured):
            return known
    measured = _measure(checkpoint, device, candidates)
    if place is not None and measured.speeds:
        kept.write(place, measured)
    return measured


def _measure(checkpoint: Checkpoint, device: str, candidates: Sequence[Precision]) -> Measured:
    """With all that oneDNN finds, else with less and less; a precision that dies everywhere is left out."""
    remaining, dead = list(candidates), dict[Precision, str]()
    while remaining:
        for isa in LADDER:
            measured = _probe(checkpoint.folder, device, remaining, isa)
            if measured.died is None:
                return msgspec.structs.replace(measured, left_out=dead | measured.left_out)
            if not measured.retry:
                break
        assert measured.died is not None
        dead[measured.died] = measured.left_out[measured.died]
        remaining.remove(measured.died)
    return Measured(left_out=dead)


def _probe(folder: Path, device: str, candidates: Sequence[Precision], isa: str) -> Measured:
    """One child. `died`: the precision that it was at when it ended otherwise than it should."""
    environment = os.environ | ({ISA: isa} if isa else {})
    command = [*COMMAND, str(folder), device, *candidates]
    try:
        child = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        code, output = child.returncode, child.stdout
    except subprocess.TimeoutExpired as error:
        code, output = None, error.stdout or b""
    return _heard(output.splitlines(), code, candidates, isa)


class _Line(msgspec.Struct):
    tries: Precision | None = None
    fails: Precision | None = None
    why: str = ""
    device: str = ""
    readers: int = 0
    speeds: dict[Precision, float] = {}


def _heard(lines: Iterable[bytes], code: int | None, candidates: Sequence[Precision], isa: str) -> Measured:
    """What a child said, and how it ended (None: it did not)."""
    tried, last, left_out = candidates[0], _Line(), dict[Precision, str]()
    for line in lines:
        try:
            last = msgspec.json.decode(line, type=_Line)
        except msgspec.MsgspecError:  # the half line of one that died; a library's own words
            continue
        tried = last.tries or tried
        if last.fails:
            left_out[last.fails] = last.why
    if code == 0:
        return Measured(last.speeds, left_out, last.device, last.readers, isa)
    why = "it hangs" if code is None else _end_of(code)
    died_here = code is not None and code < 0 and -code not in DESERVED
    return Measured({}, left_out | {tried: why}, "", 0, isa, died=tried, retry=died_here)


def _end_of(code: int) -> str:
    """How a process ended, for people."""
    try:
        return f"it dies of {signal.Signals(-code).name}" if code < 0 else f"it ends with exit code {code}"
    except ValueError:
        return f"it dies of signal {-code}"


def _key(checkpoint: Checkpoint, device: str, candidates: Sequence[Precision]) -> str:
    """Names all that a measurement depends on: machine, libraries, checkpoint, code."""
    parts = [
        _processor(),
        _cards(),
        str(len(os.sched_getaffinity(0))),
        os.environ.get(ISA, ""),
        os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        version("torch"),
        checkpoint.fingerprint,
        code_hash(CODE),
        device,
        " ".join(candidates),
    ]
    return sha256("\0".join(parts).encode()).hexdigest()[:32]


def _processor() -> str:
    """Model and flags."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return "\n".join(
        line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))
    )


def _cards() -> str:
    """NVIDIA cards, as the driver names them without being loaded."""
    files = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return "\n".join(path.read_text(errors="replace").split("\n")[0] for path in files)
