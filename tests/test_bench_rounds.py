"""Interleaving: every variant on the same items, orders that rotate, ratios within a round."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from models.bench import rounds


class Broken(Exception):
    pass


def run(
    measure: dict[str, Callable[[int, int], float]], number: int = 4, **more: Callable[[], bool]
) -> rounds.Series:
    return rounds.run(measure, dict.fromkeys(measure, 100.0), 5.0, number, 250, Broken, **more)


def test_variants_of_a_round_read_the_same_items_in_turn() -> None:
    calls: list[tuple[str, int, int]] = []

    def variant(name: str) -> Callable[[int, int], float]:
        def read(first: int, count: int) -> float:
            calls.append((name, first, count))
            return 1.0

        return read

    run({name: variant(name) for name in "abc"}, 6)
    for i in range(0, 18, 3):
        assert {name for name, _, _ in calls[i : i + 3]} == set("abc")
        assert len({first for _, first, _ in calls[i : i + 3]}) == 1
    assert {calls[i][0] for i in range(0, 18, 3)} == set("abc")
    assert len({first for _, first, _ in calls}) > 1
    assert {count for _, _, count in calls} == {32}


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    noise = iter([1.0, 1.0, 5.0, 5.0, 1.0, 1.0])
    series = run({"fast": lambda *_: 20 * next(noise), "slow": lambda *_: 10 * next(noise)}, 3)
    assert series.ratio("fast", "slow") == 2
    assert series.of("slow") == [10, 50, 10]
    assert series.median("fast") == 20
    assert series.spread("slow") == pytest.approx(4.0)
    assert series.ratio("fast", "nobody") is None


def test_who_fails_is_out_and_said_so_and_the_others_go_on() -> None:
    answers = iter([1.0])

    def failing(first: int, count: int) -> float:
        try:
            return next(answers)
        except StopIteration:
            raise Broken("its process ended") from None

    series = run({"good": lambda *_: 3.0, "bad": failing}, 3)
    assert series.failed == {"bad": "its process ended"}
    assert series.of("good") == [3, 3, 3]
    assert series.of("bad") == [1]


def test_no_further_round_begins_when_the_time_is_over() -> None:
    assert len(run({"a": lambda *_: 1.0}, 5, in_time=lambda: False).rounds) == 1


def test_a_variant_reads_whole_groups_for_about_its_seconds() -> None:
    assert rounds.groups_for(1000, 5, 3264) == 2
    assert rounds.groups_for(10, 1, 3264) == 1
    assert rounds.order([], 3) == []
