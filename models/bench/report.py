"""What a benchmark found, as one JSON object and in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class VariantFigures:
    """`gflops`, `share_of_peak`: tokens a second times the trunk's cost a token; the peak of `precision`.

    `padding`: share of what was computed; None where only the peer knows.
    """

    name: str
    precision: str
    tokens_per_second: float
    gflops: float
    share_of_peak: float
    spread: float
    padding: float | None
    rounds: list[float]


@dataclass
class Report:
    """Ratios are medians of the rounds' own ratios; `spread` is (largest - smallest) / median."""

    device: str
    cores: int
    shape: str
    mixture: dict[str, Any] = field(default_factory=dict)
    gemm_gflops: dict[str, float] = field(default_factory=dict)
    gemm: dict[str, str] = field(default_factory=dict)
    variants: list[VariantFigures] = field(default_factory=list)
    ratios: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    inside: dict[str, dict[str, float]] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)
    latency: list[dict[str, float]] = field(default_factory=list)
    lengths: list[dict[str, float]] = field(default_factory=list)
    readers: list[dict[str, float]] = field(default_factory=list)
    stat: dict[str, float] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Figures to four digits: more would only be noise."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        return rounded

    @property
    def best(self) -> VariantFigures | None:
        """Ours, at its fastest."""
        ours = [one for one in self.variants if one.name.startswith("ours-")]
        return max(ours, key=lambda one: one.tokens_per_second, default=None)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}") if abs(value) < 1000 else round(value)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return value
