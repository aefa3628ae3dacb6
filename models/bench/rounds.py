"""Many variants on the same items, in turn, round after round: what disturbs one disturbs its neighbours."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from models.bench.mixture import GROUP

Round = dict[str, float]
"""One measurement of each variant."""


@dataclass
class Series:
    """Measurements of all variants, round by round; a variant that failed is missing from then on."""

    rounds: list[Round] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> list[float]:
        return [one[name] for one in self.rounds if name in one]

    def median(self, name: str) -> float:
        return median(self.of(name))

    def spread(self, name: str) -> float:
        """(largest - smallest) / median."""
        values = self.of(name)
        return (max(values) - min(values)) / median(values)

    def ratio(self, name: str, other: str) -> float | None:
        """The median of the rounds' own ratios; None where no round has both."""
        both = [one[name] / one[other] for one in self.rounds if name in one and other in one]
        return median(both) if both else None


def order(names: Sequence[str], number: int) -> list[str]:
    """A round's order: each begins with another variant, and neighbours change."""
    if not names:
        return []
    first = number % len(names)
    turned = [*names[first:], *names[:first]]
    return turned if number % 2 == 0 else [turned[0], *reversed(turned[1:])]


def groups_for(speed: float, seconds: float, tokens: int) -> int:
    """Whole groups of `tokens` tokens that take about so long; at least one."""
    return max(round(speed * seconds / tokens), 1)


def run(
    measure: Mapping[str, Callable[[int, int], float]],
    speeds: Mapping[str, float],
    seconds: float,
    rounds: int,
    group_tokens: int,
    failures: type[Exception],
    in_time: Callable[[], bool] = lambda: True,
) -> Series:
    """`measure[name](first item, items)` gives tokens a second. All begin a round at the same item.

    `speeds`: what each did in its warm-up. A variant that raises `failures` is out, and said so. No round
    but the first begins when it is no longer `in_time`.
    """
    series = Series()
    chance = random.Random(3)
    for number in range(rounds):
        if number and not in_time():
            break
        first = chance.randrange(0, 8) * GROUP
        one: Round = {}
        series.rounds.append(one)
        for name in order([name for name in measure if name not in series.failed], number):
            try:
                one[name] = measure[name](first, GROUP * groups_for(speeds[name], seconds, group_tokens))
            except failures as error:
                series.failed[name] = str(error)
    return series
