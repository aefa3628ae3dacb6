"""A run that is cut off at a step, as a power cut would."""

from __future__ import annotations

from models.training.progress import Progress


class Cut(Exception):
    """Stands in for a power cut."""


class Seen(list[Progress]):
    """Every step that a run told of, until it is cut off at `stop_at`, if it is."""

    def __init__(self, stop_at: int = 0) -> None:
        super().__init__()
        self._stop_at = stop_at

    def __call__(self, progress: Progress) -> None:
        self.append(progress)
        if progress.step == self._stop_at:
            raise Cut
