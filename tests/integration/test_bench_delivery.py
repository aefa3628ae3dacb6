"""`streamer bench delivery` on a real Kafka: quick, and with every name that scripts read."""

from __future__ import annotations

import json
import subprocess
import sys


def test_the_quick_comparison_prints_one_object() -> None:
    command = ["bench", "delivery", "--quick", "--only", "stand-in", "--precision", "fp32", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "streamer", *command], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
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
