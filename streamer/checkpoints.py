"""The checkpoint that the settings name, with the heads that they want, and what finishes its records."""

from __future__ import annotations

from pathlib import Path

from models.checkpoint import Checkpoint, open_checkpoint
from models.finish import LINKS, Finish, switched
from streamer.settings import Settings


def opened(settings: Settings) -> Checkpoint:
    """Raises `CheckpointError`, also for a head that it does not have."""
    checkpoint = switched(open_checkpoint(settings.checkpoint), wanted(settings))
    checkpoint.require_heads()
    return checkpoint


def wanted(settings: Settings) -> list[str] | None:
    """Names of the heads to read with; None: those that are on by themselves."""
    return _listed(settings.heads)


def finish(settings: Settings, checkpoint: Checkpoint) -> Finish:
    """Raises `CheckpointError` for a terminology or thresholds that cannot be used."""
    heads = wanted(settings)
    return Finish.of(
        checkpoint,
        [Path(name) for name in _listed(settings.terminologies) or ()],
        settings.phi_thresholds,
        links=heads is None or LINKS in heads,
        least=settings.entity_thresholds,
    )


def _listed(value: str | None) -> list[str] | None:
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]
