"""The benchmarks on the real servers: quick, and with every name that scripts read."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def benched(*command: str) -> Any:
    """The one object that it prints."""
    asked = [sys.executable, "-m", "streamer", "bench", *command, "--quick", "--precision", "fp32", "--json"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_stream_is_compared_with_its_engine_and_every_note_is_read() -> None:
    found = benched("stream", "--shape", "checkpoint")
    assert found["shape"].startswith("clinical-mini")
    assert [one["name"] for one in found["variants"]] == ["engine-fp32", "stream-fp32"]
    assert 0 < found["share_of_engine"] < 1.5
    assert found["ratios"] == {"stream-fp32/engine-fp32": found["share_of_engine"]}
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
    assert found["read_share"] > 0.9
    assert found["host"]["microseconds_per_note"] > 0
    assert found["processor_milliseconds_per_note"]["engine"] > 0
    assert found["processor_milliseconds_per_note"]["kafka"] > 0


def test_deliveries_are_compared() -> None:
    found = benched("delivery", "--only", "stand-in")
    (case,) = found["cases"]
    low, high = case["range"]
    assert 0 < low <= case["ratio"] <= high
    assert found["ratios"] == {
        "exactly-once/at-least-once, stand-in, 200 tokens, 8 partitions": case["ratio"]
    }
    for mode in ("exactly_once", "at_least_once"):
        assert case["notes_per_second"][mode] > 0
        assert case["processor_milliseconds_per_note"][mode] > 0
        assert 0 < case["latency_ms"][mode]["p50"] <= case["latency_ms"][mode]["p99"]
