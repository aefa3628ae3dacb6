"""What makes a record of findings: a checkpoint's tasks, codes, and how sure an identifier must be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from models.checkpoint import Checkpoint
from models.errors import CheckpointError
from models.linking import Linker
from models.phi import read_thresholds, shipped_thresholds
from models.thresholds import read_table
from models.types import Pipeline, Task

LINKS = "links"
"""Not a head of a checkpoint, but listed and switched like one."""
EMBEDDING, PHI = "embedding", "phi"
OFF = frozenset({EMBEDDING})
"""Heads that are off unless they are asked for."""


@dataclass(frozen=True)
class Finish:
    """`linker`: None gives no codes. `thresholds`: None looks for no identifiers. `heads`: what is listed.
    `affirmed`: relations whose source is there: what is denied is no effect of anything. `dependent`:
    categories of what is only something in a relation. `least`: by category, from which confidence on an
    entity, or a relation with both its ends, is reported; `demanded`: the user's own of these."""

    tasks: tuple[Task, ...] = ()
    linker: Linker | None = None
    thresholds: Mapping[str, float] | None = None
    heads: tuple[str, ...] = ()
    affirmed: frozenset[str] = frozenset()
    dependent: frozenset[str] = frozenset()
    least: Mapping[str, float] = field(default_factory=dict)
    demanded: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        terminologies: Sequence[Path] = (),
        thresholds: Path | None = None,
        links: bool = True,
        least: Path | None = None,
    ) -> Self:
        """For a checkpoint's heads. `terminologies`: CSV files of one's own, asked before those that ship;
        `thresholds`: a file for `models.phi`; `least`: one for entities and relations, that goes before what
        the checkpoint says. Raises `CheckpointError` for a file that cannot be used."""
        phi = any(layer == PHI for layer, _ in checkpoint.layers)
        linker = (
            Linker.load(terminologies) if links and any(own != PHI for own, _ in checkpoint.layers) else None
        )
        chosen = None if not phi else read_thresholds(thresholds) if thresholds else shipped_thresholds()
        names = [str(head["name"]) for head in checkpoint.heads]
        affirmed = frozenset(name for head in checkpoint.heads for name in head.get("affirmed", ()))
        relates = any(head["kind"] == "relations" for head in checkpoint.heads)
        dependent = frozenset(
            name for head in checkpoint.heads if relates for name in head.get("dependent", ())
        )
        enough = {name: own for head in checkpoint.heads for name, own in head.get("least", {}).items()}
        demanded = read_table(least, _findings(checkpoint)) if least is not None else {}
        enough |= demanded
        listed = (*names, LINKS) if linker else tuple(names)
        return cls(checkpoint.tasks, linker, chosen, listed, affirmed, dependent, enough, frozenset(demanded))

    def identity(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline that a record names: its fingerprint is that of all that made the record."""
        parts = [pipeline.fingerprint]
        parts += [self.linker.fingerprint] if self.linker else []
        parts += [str(sorted(self.thresholds.items()))] if self.thresholds is not None else []
        parts += [f"least {sorted(self.least.items())} {sorted(self.demanded)}"] if self.least else []
        if len(parts) == 1:
            return Pipeline(pipeline.name, pipeline.version, pipeline.fingerprint, self.heads)
        digest = hashlib.sha256("/".join(parts).encode()).hexdigest()[:16]
        return Pipeline(pipeline.name, pipeline.version, digest, self.heads)


def _findings(checkpoint: Checkpoint) -> list[str]:
    """Categories of entities and of relations."""
    entities = [name for layer, own in checkpoint.layers if layer != PHI for name in own]
    relating = (head for head in checkpoint.heads if head["kind"] == "relations")
    return entities + [relation[0] for head in relating for relation in head["relations"]]


def switched(checkpoint: Checkpoint, wanted: Sequence[str] | None) -> Checkpoint:
    """The checkpoint with only those of its heads that are wanted; None: all but those that are off.

    Raises `CheckpointError` for a head that it does not have.
    """
    names = [str(head["name"]) for head in checkpoint.heads]
    if wanted is None:
        return checkpoint.with_heads([name for name in names if name not in OFF])
    known = [*names, LINKS]
    missing = [name for name in wanted if name not in known]
    if missing:
        raise CheckpointError(
            f"{checkpoint.name} has no head {missing[0]!r}; it has {', '.join(known)}: mend the setting heads"
        )
    return checkpoint.with_heads([name for name in names if name in wanted])
