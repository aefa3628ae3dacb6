"""The variants that are measured, ours and others': one file a peer, each ending in `PEER = …`.

A peer's file imports its library only when it is started: it is also loaded to ask whether it could be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from models.bench.child import Work

HERE = Path(__file__).parent


class Peer(Protocol):
    """Lives in a process of its own; `start` comes first and once, `stop` last."""

    def missing(self, cache: str) -> str | None:
        """Why it cannot be measured here, with how to get it; None where it can. Asked in our own process."""
        ...

    def start(self, work: Work) -> None: ...

    def read(self, first: int, count: int) -> float:
        """Read so many items (`Work.some`); tokens a second."""
        ...

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Variant:
    """A peer with its options. `batch`: windows that it pads to the same length; 0: it never pads;
    None: it sorts and pads by a rule of its own.

    `precision`: whose GEMM peak its speed is a share of.
    """

    name: str
    peer: str
    precision: str = "fp32"
    options: dict[str, Any] = field(default_factory=dict)
    batch: int | None = 0

    @property
    def file(self) -> Path:
        return HERE / f"{self.peer}.py"


OURS = tuple(Variant(f"ours-{p}", "ours", p, {"precision": p}) for p in ("fp32", "bf16", "int8"))
OTHERS = (
    Variant("pipeline-bs1", "pipeline", options={"batch": 1}),
    Variant("pipeline-bs8", "pipeline", options={"batch": 8}, batch=8),
    Variant("ray-serve", "ray_serve", options={"batch": 8}, batch=8),
    Variant("infinity", "infinity", batch=None),
    Variant("openvino-int8", "openvino", "int8", {"streams": 1}),
    Variant("openvino-int8-best", "openvino", "int8", {"streams": 0, "best": True}),
)
VARIANTS = (*OURS, *OTHERS)
GEMM = Variant("gemm", "gemm")
