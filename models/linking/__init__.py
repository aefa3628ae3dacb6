"""Entities to codes of terminologies. Pure and without torch; docs/terminology.md tells how to use it."""

from __future__ import annotations

from models.linking.linker import Linker

__all__ = ["Linker"]
