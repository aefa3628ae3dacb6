"""How a run went, from the lines of its history; and the tables of a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

import msgspec

from models.training.charts import Point, lines


class Look(msgspec.Struct, frozen=True):
    """A line of `history.jsonl`; `dev`: F1 by task, 0…1, each named "dev " and the task."""

    step: int
    loss: float
    parts: dict[str, float]
    dev: dict[str, float]


def history(path: Path) -> list[Look]:
    """Of steps that a run went twice, as it was cut off between, the last look. A line that was cut off in
    its writing is passed over."""
    looks = {look.step: look for look in _read(path)}
    return [looks[step] for step in sorted(looks)]


def _read(path: Path) -> Iterator[Look]:
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            yield msgspec.json.decode(line, type=Look)
        except msgspec.MsgspecError:
            continue


def curves(path: Path) -> str:
    """Charts of a history, with its numbers; nothing where there is none."""
    looks = history(path)
    if not looks:
        return ""
    losses = {"all": [(float(look.step), look.loss) for look in looks]}
    parts = _series((look.step, look.parts) for look in looks)
    if len(parts) > 1:
        losses |= parts
    dev = _series(((look.step, look.dev) for look in looks), 100.0)
    drawn = lines("Loss, a running mean", losses, "steps", "loss")
    drawn += lines("F1 on texts that are not learned from", dev, "steps", "per cent", 100.0)
    rows = [
        [
            f"{look.step:,}",
            f"{look.loss:.4f}",
            *(f"{100 * look.dev.get(f'dev {name}', 0.0):.1f}" for name in dev),
        ]
        for look in looks
    ]
    numbers = table(("step", "loss", *dev), rows, "Curves")
    return (
        f'<section><h2>Curves</h2>\n<div class="charts">{drawn}</div>\n'
        f"<details><summary>The numbers</summary>{numbers}</details></section>\n"
    )


def _series(looks: Iterable[tuple[int, dict[str, float]]], scale: float = 1.0) -> dict[str, list[Point]]:
    series: dict[str, list[Point]] = {}
    for step, figures in looks:
        for name, value in figures.items():
            series.setdefault(name.removeprefix("dev "), []).append((float(step), scale * value))
    return dict(sorted(series.items()))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str, *, last: bool = False) -> str:
    """`rows`: of HTML, the first cell of each a name; `last`: whether the last sums up."""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = []
    for number, (name, *cells) in enumerate(rows):
        of = ' class="sum"' if last and number == len(rows) - 1 else ""
        own = "".join(f"<td>{cell}</td>" for cell in cells)
        body.append(f'<tr{of}><th scope="row">{name}</th>{own}</tr>\n')
    told = f"<caption>{escape(caption)}</caption>"
    return f'<div class="wide"><table>{told}\n<tr>{heads}</tr>\n{"".join(body)}</table></div>\n'
