"""Options that several commands share, and the settings that they are put over."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from streamer import settings

Bootstrap = Annotated[str | None, typer.Option(help="Kafka brokers, host:port[,host:port…].")]
Checkpoint = Annotated[str | None, typer.Option(help="Checkpoint folder, or a hub name.")]
Precision = Annotated[str | None, typer.Option(help="auto, fp32, bf16 or int8.")]
AcceptLoss = Annotated[float | None, typer.Option(help="Points of F1 that int8 may lose.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Allow plaintext beyond this machine.")]
Heads = Annotated[str | None, typer.Option(help="Only these heads, e.g. entities,assertion,links.")]


def load(insecure: bool = False, **overrides: Any) -> settings.Settings:
    """The settings, with the options that were given."""
    return settings.load(insecure=insecure or None, **overrides)
