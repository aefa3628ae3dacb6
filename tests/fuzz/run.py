"""`make fuzz`: every target in turn under atheris, which looks for inputs that reach what none has reached.

    python -m tests.fuzz.run --seconds 600            # all of them, so long together
    python -m tests.fuzz.run --seconds 60 decode wire # only these

Each target runs in a process of its own, from what is kept in `seeds/` and `failures/`, the bundled notes and
what earlier runs found (`build/fuzz/`). A broken promise ends the target; its input is made smaller and laid
into `failures/`, where `tests/test_fuzz_corpus.py` meets it from then on. Exit code 1: one was broken.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

from streamer import samples
from tests.fuzz.targets import FAILURES, TARGETS, Target, kept

BUILD = Path("build") / "fuzz"
OF_NOTES = ("decode", "passages", "assemble", "time", "records")
"""Targets that notes are inputs for."""
NOTES, LONGEST = 40, 4096
SHARES = {"decode": 3, "passages": 3, "assemble": 5}
"""Of the time; 1 for those that are not named."""
SMALLER_SECONDS = 30
HANGS_SECONDS = 60
_DONE = re.compile(r"^Done (\d+) runs in (\d+) second", re.MULTILINE)
_COVERED = re.compile(r"\bft: (\d+) corp: (\d+)")


def main() -> int:
    asked = _arguments()
    shares = {name: SHARES.get(name, 1) for name in asked.targets or TARGETS}
    broken = 0
    for name, share in shares.items():
        seconds = max(1, round(asked.seconds * share / sum(shares.values())))
        broken += _run(name, seconds)
    return min(broken, 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="coverage-guided fuzzing of what strangers can send")
    parser.add_argument(
        "targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET", help=", ".join(TARGETS)
    )
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together")
    return parser.parse_args()


def _run(name: str, seconds: int) -> bool:
    """One target; whether it broke a promise. Says what it did in one line."""
    corpus = BUILD / name / "corpus"
    _plant(name, corpus)
    found = BUILD / name / "found"
    found.mkdir(exist_ok=True)
    for old in found.iterdir():
        old.unlink()
    ended = _child(name, f"-max_total_time={seconds}", f"-artifact_prefix={found}/", str(corpus))
    done, covered = _DONE.search(ended.stderr), _COVERED.findall(ended.stderr)
    runs = f"{int(done[1]):,} runs in {done[2]} s" if done else "ended early"
    reached = f", {int(covered[-1][0]):,} features, {int(covered[-1][1]):,} inputs kept" if covered else ""
    finds = sorted(found.iterdir())
    print(f"{name:12} {runs}{reached}{', BROKEN' if finds or ended.returncode else ''}", flush=True)
    for find in finds:
        print(f"    {_keep(name, find)}: {_said(ended.stdout + ended.stderr)}", flush=True)
    if ended.returncode and not finds:
        print(ended.stderr[-2000:], flush=True)
    return bool(finds or ended.returncode)


def _plant(name: str, corpus: Path) -> None:
    """What is kept, and notes, beside what earlier runs found."""
    corpus.mkdir(parents=True, exist_ok=True)
    for path in kept(name):
        (corpus / path.name).write_bytes(path.read_bytes())
    if name in OF_NOTES:
        for number, (value, note) in enumerate(zip(samples.values(), samples.load(), strict=True)):
            if number < NOTES:
                content = value if name in ("decode", "records") else note["text"].encode()
                (corpus / f"note-{number}").write_bytes(content[:LONGEST])


def _child(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz.child", name]
    fixed = [
        f"-max_len={LONGEST}",
        f"-timeout={HANGS_SECONDS}",
        f"-report_slow_units={HANGS_SECONDS}",
        "-rss_limit_mb=4096",
    ]
    return subprocess.run(
        [*command, *fixed, *options], capture_output=True, text=True, errors="replace", check=False
    )


def _keep(name: str, find: Path) -> Path:
    """Made smaller, as far as it goes in the time, and laid beside the others."""
    at = FAILURES / name / find.name
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_bytes(find.read_bytes())  # before it is tried: it may be one that ends the process
    if find.name.startswith("crash-"):
        at.write_bytes(smaller(TARGETS[name], find.read_bytes(), SMALLER_SECONDS))
    return at


def smaller(target: Target, data: bytes, seconds: float) -> bytes:
    """What is left when whatever can go without another outcome is gone: halves first, single bytes at last.

    After Zeller and Hildebrandt 2002, "Simplifying and isolating failure-inducing input".
    """
    wanted, until = _broken_by(target, data), time.monotonic() + seconds
    size = len(data) // 2 if wanted else 0
    while size:
        at = 0
        while at < len(data) and time.monotonic() < until:
            without = data[:at] + data[at + size :]
            if _broken_by(target, without) == wanted:
                data = without
            else:
                at += size
        size //= 2
    return data


def _broken_by(target: Target, data: bytes) -> tuple[str, int] | None:
    """Exception and line; None: no promise was broken."""
    try:
        target(data)
    except Exception as error:
        return type(error).__name__, traceback.extract_tb(error.__traceback__)[-1].lineno or 0
    return None


def _said(output: str) -> str:
    """The exception's line."""
    lines = output.splitlines()
    places = [n for n, line in enumerate(lines) if "Uncaught Python exception" in line]
    return lines[places[0] + 1] if places and places[0] + 1 < len(lines) else "no exception: see its output"


if __name__ == "__main__":
    raise SystemExit(main())
