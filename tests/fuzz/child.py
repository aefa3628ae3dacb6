"""One target under atheris, in a process of its own.

`python -m tests.fuzz.child TARGET [options of libFuzzer]`
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["streamer", "models", "tomllib"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
