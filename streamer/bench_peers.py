"""`streamer bench peers`: who can be measured against here; makes the environment of infinity-emb."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from models.bench.child import load_peer
from models.bench.peers import OTHERS, Variant
from streamer.errors import WorldError

PINNED = (
    "infinity-emb==0.0.78",
    "transformers<4.50",
    "sentence-transformers<4",
    "optimum<1.24",
    "pyarrow<22",
    "datasets<4",
    "typer<0.16",
    "click<8.2",
)
"""infinity-emb does not work with newer ones, and does not say so."""


def run(cache: Path, *, only_list: bool) -> int:
    """Make what can be made, then list the peers. Raises `WorldError` where it cannot be made."""
    console = Console()
    if not only_list and not (cache / "infinity" / "bin" / "python").exists():
        with console.status("making infinity-emb's environment (once) …"):
            make_infinity(cache / "infinity")
    for variant in OTHERS:
        reason = missing(variant, cache)
        console.print(f"{variant.name:22} {'[green]ready[/]' if reason is None else reason}")
    return 0


def missing(variant: Variant, cache: Path) -> str | None:
    """Why it cannot be measured here, with how to get it."""
    reason: str | None = load_peer(variant.file).missing(str(cache))
    return reason


def make_infinity(folder: Path) -> None:
    """An environment with infinity-emb and the same torch as ours; by uv where there is one, else by pip."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    wanted = [*PINNED, f"torch=={version('torch').partition('+')[0]}"]
    for command in _commands(part, wanted):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            shutil.rmtree(part, ignore_errors=True)
            raise WorldError(f"infinity-emb could not be installed: {lines[-1] if lines else command[0]}")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _commands(folder: Path, wanted: list[str]) -> list[list[str]]:
    python = str(folder / "bin" / "python")
    if uv := _uv():
        make = [uv, "venv", "--quiet", "--python", sys.executable, str(folder)]
        return [make, [uv, "pip", "install", "--quiet", "--python", python, *wanted]]
    return [[sys.executable, "-m", "venv", str(folder)], [python, "-m", "pip", "install", "--quiet", *wanted]]


def _uv() -> str | None:
    """Where `make setup` put it, else on the path."""
    own = Path(sys.prefix) / "uv" / "bin" / "uv"
    return str(own) if own.exists() else shutil.which("uv")
