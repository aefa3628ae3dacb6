"""A training run as it goes: a chart of the loss, figures and the time left; in a pipe, plain lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from models.training.progress import Progress

EIGHTHS = " ▁▂▃▄▅▆▇█"
HEIGHT, WIDEST = 6, 100
LINES = 25
"""So many lines tell of a stage in a pipe, besides those with figures."""
LOOKS = 5
"""Looks at what is not learned from that are shown."""


class View:
    """Hears of every step, and of what is done between steps; what it draws is of one stage of the run."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._doing = "making ready"
        self.last: Progress | None = None
        self._losses: list[float] = []
        self._looks: list[tuple[int, Mapping[str, float]]] = []

    def hear(self, step: Progress) -> None:
        if self.last is not None and self.last.stage != step.stage:
            self._losses, self._looks = [], []
        self.last, self._doing = step, ""
        self._losses.append(step.loss)
        if step.dev:
            self._looks.append((step.step, step.dev))

    def begin(self, doing: str) -> None:
        """What is done now, without steps to count."""
        self._doing = doing

    def __rich_console__(self, console: Console, _: object) -> Iterator[Text | Group]:
        if self._doing or self.last is None:
            yield Text(f"{self._what}: {self._doing}", no_wrap=True, overflow="ellipsis")
            return
        width = max(10, min(console.width - 10, WIDEST))
        least, most = min(self._losses), max(self._losses)
        rows = chart(self._losses, width, HEIGHT)
        labels = {0: f"{most:8.3f} ", len(rows) - 1: f"{least:8.3f} "}
        yield Text(line(self.last, self._what), no_wrap=True, overflow="ellipsis")
        for number, row in enumerate(rows):
            yield Text(labels.get(number, " " * 9) + row, style="cyan", no_wrap=True)
        for step, dev in self._looks[-LOOKS:]:
            yield Text(f"  after {step:,}: {figures(dev)}", no_wrap=True, overflow="ellipsis")


@contextmanager
def shown(what: str, console: Console | None = None) -> Iterator[View]:
    """`what` is done, e.g. "training"; the view's `hear` is what the work calls at each step."""
    console = console or Console(stderr=True)
    view = View(what)
    if not console.is_terminal:
        yield _Lines(what, console)
        return
    with Live(view, console=console, refresh_per_second=4):
        yield view


class _Lines(View):
    """A line now and then, one for every look at what is not learned from, and one for what has no steps."""

    def __init__(self, what: str, console: Console) -> None:
        super().__init__(what)
        self._console = console
        self._tell(f"{what}: {self._doing}")

    def begin(self, doing: str) -> None:
        super().begin(doing)
        self._tell(f"{self._what}: {doing}")

    def hear(self, step: Progress) -> None:
        super().hear(step)
        if step.dev or step.step == step.steps or step.step % max(1, step.steps // LINES) == 0:
            self._tell(line(step, self._what))

    def _tell(self, told: str) -> None:
        self._console.print(told, soft_wrap=True, highlight=False, markup=False)


def line(step: Progress, what: str) -> str:
    """Where a run stands, in one line."""
    told = (
        f"{step.stage or what}: step {step.step:,} of {step.steps:,}  loss {step.loss:.3f}  "
        f"{step.tokens_per_second:,.0f} tokens/s  {clock(step.eta)} left"
    )
    return f"{told}  {figures(step.dev)}" if step.dev else told


def figures(dev: Mapping[str, float]) -> str:
    """F1 in per cent by task."""
    return ", ".join(f"{name} {100 * value:.1f}" for name, value in dev.items())


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def chart(values: Sequence[float], width: int, height: int) -> list[str]:
    """Columns from left to right, `height` rows from the top; where there are more values than columns, each
    column is the mean of its share."""
    columns = min(width, len(values))
    bounds = [round(at * len(values) / columns) for at in range(columns + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(bounds)]
    least, most = min(means), max(means)
    full = height * 8
    levels = [max(1, round(full * (mean - least) / ((most - least) or 1.0))) for mean in means]
    return [
        "".join(EIGHTHS[min(8, max(0, level - 8 * (height - 1 - row)))] for level in levels)
        for row in range(height)
    ]
