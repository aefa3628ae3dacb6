"""Whether this machine trains faster in bf16, found out by trying, in a process that may die of it.

Processors differ: some have units for bf16, some only its instructions, which lose to fp32, and some virtual
machines advertise units that are not there.
"""

from __future__ import annotations

import subprocess
import sys

import torch

SECONDS = 60
TRY = """
import time, torch
def best(dtype):
    rows, layer = torch.randn(2048, 384, dtype=dtype), torch.nn.Linear(384, 1536, dtype=dtype)
    times = []
    for _ in range(30):
        begun = time.perf_counter()
        layer(rows).sum().backward()
        times.append(time.perf_counter() - begun)
    return min(times)
print(best(torch.float32) / best(torch.bfloat16))
"""
WORTH = 1.3
"""How much faster its products must be to make up for what goes to and fro between the two."""


def quicker(mixed: bool) -> torch.dtype:
    """The type of products: bf16 on a CUDA device or where a trial is faster in it, else float32."""
    if not mixed:
        return torch.float32
    if torch.cuda.is_available():
        return torch.bfloat16
    try:
        tried = subprocess.run([sys.executable, "-c", TRY], capture_output=True, timeout=SECONDS, check=True)
        faster = float(tried.stdout) > WORTH
    except (subprocess.SubprocessError, ValueError, OSError):
        faster = False
    return torch.bfloat16 if faster else torch.float32
