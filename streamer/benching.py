"""`streamer bench …`: throughput and latency, as ratios within one run. Each command a thin function."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streamer import settings as configuration

app = typer.Typer(help="Measure throughput and latency on this machine.", no_args_is_help=True)


class ShapeChoice(StrEnum):
    """Which weights: BERT-base with random ones (speed only), or those of the checkpoint in force."""

    BERT_BASE = "bert-base"
    CHECKPOINT = "checkpoint"


Shape = Annotated[ShapeChoice, typer.Option(help="BERT-base with random weights, or the checkpoint.")]
Checkpoint = Annotated[str | None, typer.Option(help="Checkpoint folder, or a hub name.")]
Precision = Annotated[str | None, typer.Option(help="auto, fp32, bf16 or int8; none: as the settings say.")]
AsJson = Annotated[bool, typer.Option("--json", help="The figures as one JSON object.")]
Plots = Annotated[Path | None, typer.Option(help="Draw the curves as PNG files into this folder.")]
Quick = Annotated[bool, typer.Option("--quick", help="A minute instead of ten; no curves.")]


@app.command()
def engine(
    shape: Shape = ShapeChoice.BERT_BASE,
    checkpoint: Checkpoint = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds; their medians count.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.5, help="Seconds of a variant in a round.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these variants, e.g. ours-int8.")] = None,
    soak: Annotated[int | None, typer.Option(min=10, help="Instead: memory over so many passages.")] = None,
    quick: Quick = False,
    as_json: AsJson = False,
    plots: Plots = None,
) -> None:
    """The engine alone against named peers: the same texts, interleaved, as ratios and shares of the peak."""
    from streamer import bench_engine

    if soak is not None:
        raise typer.Exit(bench_engine.soak(soak, shape.value, checkpoint, only or [], as_json=as_json))
    plan = bench_engine.plan(quick, shape=shape.value, rounds=rounds, seconds=seconds)
    raise typer.Exit(bench_engine.run(plan, checkpoint, only=only or [], as_json=as_json, plots=plots))


@app.command()
def heads(
    checkpoint: Checkpoint = None,
    precision: Precision = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; their medians count.")] = 5,
    as_json: AsJson = False,
) -> None:
    """What each head costs beside the trunk, on the same batches."""
    from streamer import bench_heads

    raise typer.Exit(bench_heads.run(checkpoint, precision, rounds, as_json=as_json))


@app.command()
def delivery(
    checkpoint: Checkpoint = None,
    precision: Precision = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds; their median counts.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.5, help="Seconds of a delivery in a round.")] = None,
    partitions: Annotated[list[int] | None, typer.Option(min=1, help="Only these, the usual first.")] = None,
    tokens: Annotated[list[int] | None, typer.Option(min=1, help="Only notes of so many tokens.")] = None,
    only: Annotated[str | None, typer.Option(help="Only this pipeline: stand-in or engine.")] = None,
    quick: Quick = False,
    as_json: AsJson = False,
) -> None:
    """What exactly once costs against at least once: the same notes, interleaved, on a real Kafka."""
    from streamer import bench_delivery

    plan = bench_delivery.plan(
        quick, rounds=rounds, seconds=seconds, partitions=partitions, tokens=tokens, pipelines=only and [only]
    )
    raise typer.Exit(bench_delivery.run(plan, checkpoint, precision, as_json=as_json))


@app.command()
def explain(
    method: Annotated[str, typer.Argument(help="ig, rollout, lime or shap.")] = "ig",
    notes: Annotated[int, typer.Option(min=1, help="Bundled notes.")] = 20,
    words: Annotated[int, typer.Option(min=1, help="Words that are deleted of each answer.")] = 3,
    stand_in: Annotated[str, typer.Option(help="Piece that stands where a word was.")] = "[MASK]",
    checkpoint: Checkpoint = None,
    as_json: AsJson = False,
) -> None:
    """Whether the words that an explanation names matter more than random ones, by deleting them."""
    from streamer import explaining

    how = explaining.known(method)
    settings = configuration.load(checkpoint=checkpoint)
    raise typer.Exit(explaining.bench(settings, how, notes, k=words, stand_in=stand_in, as_json=as_json))


@app.command()
def peers(
    only_list: Annotated[bool, typer.Option("--list", help="Install nothing.")] = False,
) -> None:
    """Who can be measured against here; installs infinity-emb into an environment of its own."""
    from streamer import bench_bed, bench_peers

    raise typer.Exit(bench_peers.run(bench_bed.cache_folder(), only_list=only_list))


@app.command()
def stream(
    shape: Shape = ShapeChoice.BERT_BASE,
    checkpoint: Checkpoint = None,
    precision: Precision = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.")] = None,
    partitions: Annotated[int | None, typer.Option(min=1, help="Partitions of the topics.")] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="Seconds of each half of a round.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds; their median counts.")] = None,
    scrape: Annotated[
        bool, typer.Option("--scrape", help="Measure what scraping the metrics costs.")
    ] = False,
    quick: Quick = False,
    as_json: AsJson = False,
    plots: Plots = None,
) -> None:
    """Kafka bytes in to annotation bytes out, against the engine alone in the same run."""
    from streamer import bench_shown, bench_stream

    plan = bench_stream.plan(
        quick, seconds=seconds, rounds=rounds, workers=workers, partitions=partitions, scrape=scrape or None
    )
    raise typer.Exit(bench_shown.run(plan, shape.value, checkpoint, precision, as_json=as_json, plots=plots))
