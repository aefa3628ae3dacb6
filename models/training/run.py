"""How far a run is: saved on the way, so that one that was cut off goes on; and its best weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import nn

BEST = ".best"


@dataclass
class Run:
    """`step`: done so far; `loss`: a running mean; `best`: the best figure; `waited`: looks since then."""

    step: int = 0
    loss: float = 0.0
    best: float = -1.0
    waited: int = 0

    @classmethod
    def restored(cls, model: nn.Module, optimizer: torch.optim.Optimizer, path: Path) -> Self:
        """From where it was saved, model and optimizer with it; else from the beginning."""
        if not path.exists():
            return cls()
        saved = torch.load(path, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        return cls(**saved["run"])

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, path: Path) -> None:
        """Atomic: a run that dies while saving leaves the last state whole."""
        run = {"step": self.step, "loss": self.loss, "best": self.best, "waited": self.waited}
        _write({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "run": run}, path)

    def better(self, figure: float) -> bool:
        """Whether it is the best so far."""
        if figure <= self.best:
            self.waited += 1
            return False
        self.best, self.waited = figure, 0
        return True

    def stopped(self, patience: int) -> bool:
        return bool(patience) and self.waited >= patience

    def keep(self, model: nn.Module, path: Path) -> None:
        _write(model.state_dict(), path.with_suffix(BEST))

    def put_back(self, model: nn.Module, path: Path) -> None:
        """The best weights, where any were looked at."""
        kept = path.with_suffix(BEST)
        if kept.exists():
            model.load_state_dict(torch.load(kept, weights_only=True))


def _write(what: object, path: Path) -> None:
    part = path.with_name(path.name + ".part")
    torch.save(what, part)
    os.replace(part, path)
