"""Commands that make and measure checkpoints: each a thin function, as in `streamer.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.options import Checkpoint, Precision, load

app = typer.Typer()

Config = Annotated[Path | None, typer.Option(help="Settings, or a recipe of data sets (TOML).")]
Base = Annotated[str | None, typer.Option(help="BERT to start from: folder, hub name, shipped.")]
Some = Annotated[str | None, typer.Option(help="entities, assertion, relations, classes: some.")]
Labels = Annotated[str | None, typer.Option(help="Only these labels, commas between.")]
TextColumn = Annotated[str | None, typer.Option(help="Of a table: where the text is.")]
LabelColumn = Annotated[str | None, typer.Option(help="Of a table: where labels are, commas between.")]
Batch = Annotated[int | None, typer.Option(help="Tokens seen at once.")]
Seed = Annotated[int | None, typer.Option(help="Of all that is drawn by chance.")]
AsJson = Annotated[bool, typer.Option("--json", help="The figures as one JSON object.")]


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Labelled texts of your own, or the folder of data sets.")],
    config: Config = None,
    base: Base = None,
    out: Annotated[Path, typer.Option(help="Folder for the run and its checkpoint.")] = Path(
        "runs/checkpoint"
    ),
    heads: Some = None,
    labels: Labels = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    epochs: Annotated[float | None, typer.Option(help="Times over the texts, at most.")] = None,
    batch_tokens: Batch = None,
    accumulate: Annotated[int | None, typer.Option(help="Batches that make one step.")] = None,
    seed: Seed = None,
    no_examples: Annotated[
        bool, typer.Option("--no-examples", help="A report that quotes nothing of your texts.")
    ] = False,
) -> None:
    """Train a checkpoint from labelled texts; a run that was stopped goes on where it was."""
    from streamer import training

    options = {
        "base": base,
        "heads": _listed(heads),
        "labels": _listed(labels),
        "text_column": text_column,
        "label_columns": _listed(label_column),
        "epochs": epochs,
        "batch_tokens": batch_tokens,
        "accumulate": accumulate,
        "seed": seed,
    }
    raise typer.Exit(training.run(data, out, config, options, examples=not no_examples))


@app.command()
def search(
    data: Annotated[Path, typer.Option(help="Labelled texts of your own.")],
    trials: Annotated[int, typer.Option(min=1, help="Runs with other settings, at most.")] = 20,
    minutes: Annotated[float | None, typer.Option(min=0, help="No run begins later.")] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the search, its best settings and checkpoint.")
    ] = Path("runs/search"),
    config: Config = None,
    base: Base = None,
    heads: Some = None,
    labels: Labels = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    seed: Seed = None,
) -> None:
    """Try rates, batches and lengths on your texts; a search that was stopped goes on."""
    from streamer import searching

    options = {
        "base": base,
        "heads": _listed(heads),
        "labels": _listed(labels),
        "text_column": text_column,
        "label_columns": _listed(label_column),
        "seed": seed,
    }
    raise typer.Exit(searching.run(data, out, trials, minutes, config, options))


@app.command()
def pretrain(
    text: Annotated[
        list[Path], typer.Option(help="Raw notes: .txt, .jsonl, .csv, or folders of them; again for more.")
    ],
    base: Annotated[str, typer.Option(help="BERT to start from: folder or hub name.")] = "minilm-l6",
    out: Annotated[Path, typer.Option(help="Folder for the run and the new base.")] = Path("runs/base"),
    tokens: Annotated[
        int | None, typer.Option(help="Length of the run; 10 times the texts, 5 million at most.")
    ] = None,
    next_sentence: Annotated[
        bool, typer.Option("--next-sentence", help="Learn also what follows what.")
    ] = False,
    extend: Annotated[int, typer.Option(min=0, help="So many more word pieces first.")] = 0,
    batch_tokens: Batch = None,
    seed: Seed = None,
) -> None:
    """Have a BERT read your raw notes on, guessing hidden words: a base for streamer train."""
    from streamer import pretraining

    config = pretraining.config(
        tokens=tokens, next_sentence=next_sentence, batch_tokens=batch_tokens, seed=seed
    )
    raise typer.Exit(pretraining.run(text, base, out, config, extend))


@app.command()
def merge(
    checkpoints: Annotated[list[str], typer.Argument(help="Two or more that were trained from one base.")],
    out: Annotated[Path, typer.Option(help="New folder for the merged checkpoint.")],
    weights: Annotated[
        str | None, typer.Option(help="How much each counts, e.g. 2,1; none: all the same.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the new checkpoint.")] = None,
) -> None:
    """The mean of several checkpoints' weights, which is often better than each."""
    from streamer import pretraining

    raise typer.Exit(pretraining.merge(checkpoints, out, weights, name))


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option(help="Folder that holds the data sets, or one's own labelled data.")],
    checkpoint: Checkpoint = None,
    against: Annotated[str | None, typer.Option(help="Another checkpoint, on the same documents.")] = None,
    part: Annotated[str, typer.Option(help="held-out, training or all.")] = "held-out",
    corpora: Annotated[str, typer.Option(help="Only these data sets, commas between.")] = "",
    precision: Precision = None,
    as_json: AsJson = False,
) -> None:
    """A checkpoint's figures on labelled documents, with intervals; auto: those of fp32."""
    from streamer import accepting, checkpoints

    settings = load(checkpoint=checkpoint, precision=precision)
    chosen = accepting.prepared(settings, checkpoints.opened(settings))
    from models.evaluation.scorer import HeadScorer  # imports torch, before which the machine is prepared
    from streamer import evaluating

    raise typer.Exit(
        evaluating.run(
            data,
            settings.checkpoint,
            against=against,
            part=part,
            corpora=corpora,
            device=settings.device,
            precision=chosen,
            scorer=HeadScorer,
            as_json=as_json,
        )
    )


@app.command()
def accept(
    sample: Annotated[Path, typer.Option(help="JSONL notes of yours, with their entities.")],
    checkpoint: Checkpoint = None,
    precision: Annotated[str, typer.Option(help="bf16 or int8.")] = "int8",
    max_loss: Annotated[float | None, typer.Option(help="Points of F1 that it may lose.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what a less exact encoder loses on your own notes; `auto` takes int8 once it is accepted."""
    from streamer import accepting

    settings = load(checkpoint=checkpoint, precision=precision, accept_loss=max_loss)
    raise typer.Exit(accepting.run(sample, settings, as_json=as_json))


def _listed(value: str | None) -> list[str] | None:
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]
