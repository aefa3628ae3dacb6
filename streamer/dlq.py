"""`streamer dlq …`: dead letters, and the way back of their notes. Each command a thin function."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated

import typer

from streamer.errors import SettingError
from streamer.options import Bootstrap, Insecure, load

app = typer.Typer(help="Dead letters: list them, look at one, send their notes back.", no_args_is_help=True)

Reason = Annotated[list[str] | None, typer.Option(help="Only this reason; may be given again.")]
Since = Annotated[str | None, typer.Option(help="From then on: 2026-01-31T14:00 (UTC), or 30m, 6h, 7d ago.")]
Until = Annotated[str | None, typer.Option(help="Before then, said in the same way.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command()
def ls(
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    insecure: Insecure = False,
) -> None:
    """How many dead letters there are, why, since when, and where; nothing of the notes."""
    from streamer import dead_letter_search, dead_letter_view, dead_letters

    settings, choice = load(insecure, bootstrap=bootstrap), dead_letters.chosen(reason or (), since, until)
    letters, foreign = asyncio.run(dead_letter_search.found(settings, choice))
    if as_json:
        print(json.dumps(dead_letter_view.summary(settings.dead_letter_topic, letters, foreign)))
    else:
        tables = dead_letter_view.tables(settings.dead_letter_topic, letters, foreign)
        dead_letter_view.console().print(tables)


@app.command()
def show(
    place: Annotated[str, typer.Argument(help="Of the dead letter, or of its note: topic/partition/offset.")],
    with_text: Annotated[
        bool, typer.Option("--with-text", help="Also the note itself: patient text on your terminal.")
    ] = False,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    insecure: Insecure = False,
) -> None:
    """One dead letter: its headers and sizes, what its reason means, and what to do about it."""
    from streamer import dead_letter_search, dead_letter_view, dead_letters

    settings, wanted = load(insecure, bootstrap=bootstrap), dead_letters.Place.parse(place)
    letter, facts, value = asyncio.run(dead_letter_search.one(settings, wanted))
    note = dead_letter_view.text(letter, value) if with_text else None
    if with_text:
        print("patient text follows: do not copy it into tickets or logs", file=sys.stderr)
    if as_json:
        print(json.dumps(facts | ({} if note is None else {"text": note})))
        return
    dead_letter_view.console().print(dead_letter_view.sheet(facts))
    if note is not None:
        print(f"\n{note}")


@app.command()
def replay(
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    place: Annotated[
        list[str] | None, typer.Option(help="Only this dead letter; may be given again.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were not sent back yet.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent back.")] = False,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    insecure: Insecure = False,
) -> None:
    """Send the notes back to their topics, each once however often this is called."""
    from streamer import dead_letter_view, dead_letters
    from streamer import replay as replaying

    choice = dead_letters.chosen(reason or (), since, until, place or ())
    if choice == dead_letters.Choice() and not everything:
        raise SettingError("which ones? Say --reason, --since, --until or --place, or --all")
    settings = load(insecure, bootstrap=bootstrap)
    outcome = replaying.run(settings, choice, limit, dry_run=dry_run, progress=_progress)
    if as_json:
        print(json.dumps(dead_letter_view.report(outcome, dry_run)))
    else:
        print(dead_letter_view.told(outcome, dry_run))
    raise typer.Exit(1 if outcome.gone or outcome.refused else 0)


def _progress(sent: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{sent} notes sent back", end="\r", file=sys.stderr)
