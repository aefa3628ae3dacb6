"""`streamer bench stream` on the real servers: quick, and with every name that scripts read."""

from __future__ import annotations

import json
import subprocess
import sys


def test_the_quick_benchmark_prints_one_object_and_reads_every_note() -> None:
    command = ["bench", "stream", "--quick", "--shape", "checkpoint", "--precision", "fp32", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "streamer", *command], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["shape"].startswith("clinical-mini")
    assert [one["name"] for one in found["variants"]] == ["engine-fp32", "stream-fp32"]
    assert 0 < found["share_of_engine"] < 1.5
    assert found["ratios"] == {"stream-fp32/engine-fp32": found["share_of_engine"]}
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
    assert found["read_share"] > 0.9
    assert found["host"]["microseconds_per_note"] > 0
    assert found["processor_milliseconds_per_note"]["engine"] > 0
    assert found["processor_milliseconds_per_note"]["kafka"] > 0
