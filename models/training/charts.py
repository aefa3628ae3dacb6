"""Charts of a report, as inline SVG: drawn by hand, so that a page needs nothing else.

Lines differ in dashes as well as in colour; every chart has a title that a screen reader reads, and the
numbers stand in a table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 40
DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 2 1 2 1 2")
LEAST = 1e-9
"""An axis that would end below has nothing to show."""
COLOURS = 5
"""Classes c0 … of the page's style."""

Point = tuple[float, float]


def lines(title: str, series: Mapping[str, Sequence[Point]], across: str, up: str, most: float = 0.0) -> str:
    """Series of points (x, y), by name. `most`: the top of the axis, 0: as high as the points are."""
    points = [point for own in series.values() for point in own if math.isfinite(point[1])]
    if not points:
        return ""
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    frame = Frame(
        first, last if last > first else first + 1, 0.0, most or _round_up(max(y for _, y in points))
    )
    drawn = []
    for number, own in enumerate(series.values()):
        finite = [point for point in own if math.isfinite(point[1])]
        places = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in finite)
        look = f'class="line c{number % COLOURS}" stroke-dasharray="{DASHES[number % len(DASHES)]}"'
        drawn.append(f'<polyline {look} points="{places}"/>')
        drawn += [
            f'<circle class="dot c{number % COLOURS}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="2.5"/>'
            for x, y in finite
        ]
    return _figure(title, frame.axes(across, up) + "".join(drawn), _legend(list(series)))


def reliability(title: str, bins: Sequence[tuple[float, float, int]]) -> str:
    """Of bins: mean confidence, share that is right, how many answers: the area of a circle. On the diagonal
    a head is as often right as it says."""
    frame = Frame(0.0, 1.0, 0.0, 1.0)
    most = max((count for *_, count in bins), default=1)
    low, high = (frame.x(0), frame.y(0)), (frame.x(1), frame.y(1))
    drawn = [f'<line class="diagonal" x1="{low[0]}" y1="{low[1]}" x2="{high[0]}" y2="{high[1]}"/>']
    for confidence, right, count in bins:
        x, y, radius = frame.x(confidence), frame.y(right), 3 + 9 * math.sqrt(count / most)
        told = f"{count} answers: says {100 * confidence:.0f} %, right {100 * right:.0f} %"
        drawn.append(
            f'<circle class="bin" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{told}</title></circle>'
        )
    return _figure(title, frame.axes("confidence", "share that is right") + "".join(drawn))


class Frame:
    """From values to places in the drawing."""

    def __init__(self, first: float, last: float, low: float, high: float) -> None:
        self._first, self._last, self._low, self._high = first, last, low, high

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - self._first) / (self._last - self._first)

    def y(self, value: float) -> float:
        inside = min(max(value, self._low), self._high)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (inside - self._low) / (self._high - self._low)

    def axes(self, across: str, up: str) -> str:
        return "".join(self._drawn(across, up))

    def _drawn(self, across: str, up: str) -> Iterator[str]:
        for number in range(5):
            value = self._low + (self._high - self._low) * number / 4
            y = self.y(value)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>'
            value = self._first + (self._last - self._first) * number / 4
            anchor = "end" if number == 4 else "start" if number == 0 else "middle"
            x = self.x(value)
            y = HEIGHT - BOTTOM + 16
            yield f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{_number(value)}</text>'
        middle = (TOP + HEIGHT - BOTTOM) / 2
        yield f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>'
        yield (
            f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">{escape(up)}</text>'
        )


def _figure(title: str, drawn: str, legend: str = "") -> str:
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"'
    return f"<figure><figcaption>{escape(title)}</figcaption>\n<svg {box}>{drawn}</svg>\n{legend}</figure>\n"


def _legend(names: Sequence[str]) -> str:
    if len(names) < 2:
        return ""
    keys = []
    for number, name in enumerate(names):
        look = f'class="line c{number % COLOURS}" stroke-dasharray="{DASHES[number % len(DASHES)]}"'
        sample = f'<svg class="key" viewBox="0 0 36 8"><line {look} x1="0" y1="4" x2="36" y2="4"/></svg>'
        keys.append(f"<span>{sample} {escape(name)}</span>")
    return f'<p class="legend">{"".join(keys)}</p>'


def _number(value: float) -> str:
    """Short, as it stands at an axis."""
    if value == round(value):
        return f"{round(value):,}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.0f}"


def _round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten."""
    if value < LEAST:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1, 2, 5) if value <= step * power), 10 * power)
