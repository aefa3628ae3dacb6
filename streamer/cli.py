"""Every command, each a thin function: it reads its arguments, calls one thing, and says how it went.

Exit codes: 0 done; 1 the work failed; 2 a wrong call or setting, said in one line with what to do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperCommand

from models.errors import CheckpointError
from models.explanation import METHODS
from streamer import benching, dlq, learning, secrecy
from streamer import settings as configuration
from streamer.errors import StreamerError
from streamer.options import AcceptLoss, Bootstrap, Checkpoint, Heads, Insecure, Precision, load

app = typer.Typer(
    name="streamer",
    help="Clinical notes in on Kafka, one exact annotation record a note out. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
topics_app = typer.Typer(help="Make and check the service's topics.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
app.add_typer(dlq.app, name="dlq")
app.add_typer(benching.app, name="bench")
app.add_typer(learning.app)


def main() -> None:
    """Run a command; every foreseen error becomes one line and its exit code, any other its place alone."""
    secrecy.keep()
    try:
        app(standalone_mode=True)
    except StreamerError as error:
        _leave(error, error.exit_code)
    except CheckpointError as error:
        _leave(error, 2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:  # typer would show its message, which may quote a note
        secrecy.tell(error)
        sys.exit(1)


def _leave(error: Exception, code: int) -> None:
    print(f"streamer: {error}", file=sys.stderr)
    sys.exit(code)


# --- seeing it work ------------------------------------------------------------------------------


@app.command()
def demo(
    notes: Annotated[int, typer.Option(min=1, help="How many notes to stream.")] = 300,
    report: Annotated[Path | None, typer.Option(help="Write the figures as JSON to this file.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, until Ctrl-C.")] = False,
    checkpoint: Checkpoint = None,
) -> None:
    """Everything on this machine: real Kafka and Redis, the shipped checkpoint, bundled notes."""
    from streamer import demo

    raise typer.Exit(demo.run(notes, report, keep=keep, checkpoint=checkpoint))


@app.command()
def stack(
    brokers: Annotated[int, typer.Option(help="One broker, or three.")] = 1,
    folder: Annotated[Path | None, typer.Option("--dir", help="Keep the servers' data here.")] = None,
) -> None:
    """Only the embedded servers; one JSON line when they are ready; SIGTERM stops them."""
    from streamer import embedded

    raise typer.Exit(embedded.run_stack(brokers, folder))


@app.command()
def chaos(
    rows: Annotated[list[str] | None, typer.Argument(metavar="[ROW]…", help="Numbers; none: all.")] = None,
    notes: Annotated[int | None, typer.Option(min=50, help="Notes of a row.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed: the same notes, victims and moments.")] = 1,
    long: Annotated[bool, typer.Option("--long", help="As often as the table says; hours.")] = False,
    minutes: Annotated[float, typer.Option(min=1, max=600, help="Of row 30, the soak.")] = 30.0,
    report: Annotated[Path | None, typer.Option(help="Write the table into this folder.")] = None,
    only_list: Annotated[bool, typer.Option("--list", help="Only show the rows.")] = False,
) -> None:
    """Make faults on purpose: kills, freezes, lost brokers, bad input; is every note accounted for?"""
    from streamer.chaos import running

    if only_list:
        running.show_rows()
        return
    raise typer.Exit(running.run(rows or [], running.plan(notes, seed, long=long, minutes=minutes), report))


class _Explains(TyperCommand):
    """`--explain` may stand alone: what follows it is a method only if it has the name of one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        whole = [
            f"{own}={METHODS[0]}" if own == "--explain" and following not in METHODS else own
            for own, following in zip(args, [*args, ""][1:], strict=True)
        ]
        return super().parse_args(ctx, whole)


@app.command(cls=_Explains)
def annotate(
    files: Annotated[
        list[Path] | None, typer.Argument(help="JSONL notes or single notes; none: stdin.")
    ] = None,
    checkpoint: Checkpoint = None,
    heads: Heads = None,
    precision: Precision = None,
    accept_loss: AcceptLoss = None,
    show: Annotated[bool, typer.Option("--show", help="Coloured text instead of JSON lines.")] = False,
    explain: Annotated[
        str | None,
        typer.Option(metavar="[METHOD]", help="Also the words that moved it: ig, rollout, lime or shap."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="With --explain: a page to look at, too.")] = None,
    every_axis: Annotated[bool, typer.Option("--every-axis", help="With --explain: all four axes.")] = False,
) -> None:
    """No Kafka: notes in, annotation records out as JSON lines, in input order."""
    from streamer import annotating, explaining

    settings = load(checkpoint=checkpoint, heads=heads, precision=precision, accept_loss=accept_loss)
    how = explaining.method(explain, html=html, every_axis=every_axis)
    if how is None:
        raise typer.Exit(annotating.run(files or [], settings, show_text=show))
    code = explaining.run(files or [], settings, how, show_text=show, html=html, every_axis=every_axis)
    raise typer.Exit(code)


# --- running the service -------------------------------------------------------------------------


@app.command()
def run(
    bootstrap: Bootstrap = None,
    redis: Annotated[str | None, typer.Option(help="Redis address; none: no cache.")] = None,
    checkpoint: Checkpoint = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    heads: Heads = None,
    precision: Precision = None,
    accept_loss: AcceptLoss = None,
    insecure: Insecure = False,
) -> None:
    """One node: an engine and its workers, against your Kafka and Redis."""
    from streamer import supervisor

    settings = load(
        insecure,
        bootstrap=bootstrap,
        redis=redis,
        checkpoint=checkpoint,
        workers=workers,
        heads=heads,
        precision=precision,
        accept_loss=accept_loss,
    )
    raise typer.Exit(supervisor.run(settings))


@app.command()
def engine(
    checkpoint: Checkpoint = None, precision: Precision = None, accept_loss: AcceptLoss = None
) -> None:
    """Only the encoder: one process per device, serving workers over a Unix socket."""
    from streamer import supervisor

    settings = load(checkpoint=checkpoint, precision=precision, accept_loss=accept_loss)
    raise typer.Exit(supervisor.run_engine(settings))


@app.command()
def worker(bootstrap: Bootstrap = None, checkpoint: Checkpoint = None, insecure: Insecure = False) -> None:
    """Only a worker: takes notes from Kafka and has them read by a running engine."""
    from streamer import app as worker_app

    raise typer.Exit(worker_app.main(load(insecure, bootstrap=bootstrap, checkpoint=checkpoint)))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    bootstrap: Bootstrap = None,
    checkpoint: Checkpoint = None,
    heads: Heads = None,
    insecure: Insecure = False,
) -> None:
    """Look at everything that a node needs; each fault with what mends it. Exit code 1: there is one."""
    from streamer import doctor

    settings = load(insecure, bootstrap=bootstrap, checkpoint=checkpoint, heads=heads)
    raise typer.Exit(doctor.run(settings, as_json))


@app.command()
def config() -> None:
    """Print every setting in force, secrets masked."""
    table = Table("setting", "value", "environment", box=None, pad_edge=False)
    for name, value in configuration.shown(load()).items():
        table.add_row(name, value, configuration.PREFIX + name.upper())
    Console(soft_wrap=True).print(table)


# --- Kafka tools ---------------------------------------------------------------------------------


@app.command()
def send(
    files: Annotated[list[Path], typer.Argument(help="JSONL notes, or single notes.")],
    bootstrap: Bootstrap = None,
    topic: Annotated[str | None, typer.Option(help="The topic to send to.")] = None,
    insecure: Insecure = False,
) -> None:
    """Produce notes to the input topic; returns when every one is acknowledged."""
    from streamer import kafka_tools

    settings = load(insecure, bootstrap=bootstrap, input_topic=topic)
    sent = kafka_tools.send(files, settings)
    print(f"sent {sent} notes to {settings.input_topic}", file=sys.stderr)


@app.command()
def tail(
    topic: Annotated[str, typer.Argument(help="The topic to watch.")],
    bootstrap: Bootstrap = None,
    from_beginning: Annotated[bool, typer.Option("--from-beginning")] = False,
    insecure: Insecure = False,
) -> None:
    """Watch a topic: one line a record; Ctrl-C ends it."""
    from streamer import kafka_tools

    for record in kafka_tools.tail(topic, load(insecure, bootstrap=bootstrap), from_beginning=from_beginning):
        print(kafka_tools.line(record), flush=True)


@topics_app.command("create")
def topics_create(
    bootstrap: Bootstrap = None,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of each topic.")] = 6,
    replication: Annotated[int | None, typer.Option(help="Replicas; none: the brokers' default.")] = None,
    insecure: Insecure = False,
) -> None:
    """Make the input, output and dead-letter topics with the settings that the service needs."""
    from streamer import topic_admin

    made = topic_admin.create_topics(load(insecure, bootstrap=bootstrap), partitions, replication)
    print(f"made: {', '.join(made)}" if made else "all topics were there")


@topics_app.command("check")
def topics_check(bootstrap: Bootstrap = None, insecure: Insecure = False) -> None:
    """Say what is wrong with the topics, each with the command that mends it."""
    from streamer import topic_admin

    problems = topic_admin.check_topics(load(insecure, bootstrap=bootstrap))
    for problem in problems:
        print(f"✘ {problem}")
    if not problems:
        print("✔ all topics are as they should be")
    raise typer.Exit(1 if problems else 0)
