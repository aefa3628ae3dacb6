import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.lanes import LEAST_PART, LOOK_AHEAD, TURN, Lanes
from models.types import LANES, Lane


@dataclass(eq=False)
class Item:
    tokens: int
    lane: Lane = "routine"
    owner: str = ""
    dropped: bool = False


def filled(items: Sequence[Item], lanes: Lanes[Item] | None = None) -> Lanes[Item]:
    lanes = lanes or Lanes()
    for item in items:
        assert lanes.put([item], item.lane, item.owner)
    return lanes


def windows(number: int, lane: Lane = "routine", owner: str = "", seed: int = 0) -> list[Item]:
    """Of lengths as passages of notes have them."""
    chance = random.Random(seed)
    return [
        Item(max(8, min(512, int(chance.lognormvariate(5.16, 0.58)))), lane, owner) for _ in range(number)
    ]


def tokens(batch: Sequence[Item], wanted: Callable[[Item], bool] = lambda _: True) -> int:
    return sum(item.tokens for item in batch if wanted(item))


anything = st.builds(
    Item,
    st.integers(2, 120),
    st.sampled_from(LANES),
    st.sampled_from("abc"),
    st.sampled_from([False, False, False, True]),
)


# --- batches -------------------------------------------------------------------------------------


@given(put=st.lists(anything), budget=st.integers(1, 300))
def test_every_window_goes_once_and_batches_keep_within_the_budget(put: list[Item], budget: int) -> None:
    lanes, seen = filled(put), list[Item]()
    wanted = [item for item in put if not item.dropped]
    while len(seen) < len(wanted):
        batch = lanes.take(budget)
        assert tokens(batch) <= budget or len(batch) == 1
        seen += batch
    assert Counter(map(id, seen)) == Counter(map(id, wanted))
    assert tokens(lanes.close()) == 0 or all(item.dropped for item in put if item not in seen)


@given(put=st.lists(anything.filter(lambda item: not item.dropped)), budget=st.integers(1, 300))
def test_what_fits_is_not_left_behind(put: list[Item], budget: int) -> None:
    lanes, left = filled(put), list(put)
    while left:
        batch = lanes.take(budget)
        left = [item for item in left if item not in batch]
        free = budget - tokens(batch)
        assert free <= budget // 64 or all(item.tokens > free for item in left)


@given(put=st.lists(st.builds(Item, st.integers(2, 120)), min_size=1), budget=st.integers(1, 300))
def test_a_worker_s_oldest_always_goes(put: list[Item], budget: int) -> None:
    lanes, left = filled(put), list(put)
    while left:
        batch = lanes.take(budget)
        assert left[0] in batch
        left = [item for item in left if item not in batch]


@pytest.mark.parametrize(("budget", "workers"), [(1024, 1), (1024, 5), (4096, 2), (16384, 16)])
def test_batches_of_a_backlog_are_full(budget: int, workers: int) -> None:
    lanes = filled([i for n in range(workers) for i in windows(300 * budget // 1024, "backfill", str(n), n)])
    batches = [lanes.take(budget) for _ in range(50)]
    assert sum(map(tokens, batches)) >= 0.98 * 50 * budget


def test_what_a_batch_costs_does_not_depend_on_how_much_waits() -> None:
    looks = 0

    class Counted:
        dropped = False

        @property
        def tokens(self) -> int:
            nonlocal looks
            looks += 1
            return 500

    lanes: Lanes[Counted] = Lanes()
    lanes.put([Counted() for _ in range(100_000)], "backfill", "a")
    looks = 0
    for _ in range(10):
        assert len(lanes.take(1100)) == 2
    assert looks <= 10 * (LOOK_AHEAD + 20)


# --- who goes first ------------------------------------------------------------------------------


def test_what_is_urgent_goes_in_the_next_batch_whatever_waits() -> None:
    lanes = filled([*windows(5000, "backfill"), *windows(5000, "routine", "b")])
    for stat in windows(1000, "stat", "c"):
        lanes.put([stat], "stat", "c")
        assert stat in lanes.take(1024)


def test_no_lane_starves_under_a_flood_of_more_urgent_ones() -> None:
    lanes = filled([*windows(3000, "backfill"), *windows(3000, "routine", "b")])
    read: Counter[Lane] = Counter()
    for seed in range(1000):
        filled(windows(12, "stat", "c", seed), lanes)
        for item in lanes.take(1024):
            read[item.lane] += item.tokens
    for lane in ("routine", "backfill"):
        assert read[lane] >= 0.9 * read.total() / LEAST_PART, lane
    assert read["stat"] >= 0.8 * read.total()


def test_what_is_owed_to_other_lanes_never_takes_a_whole_batch() -> None:
    lanes = filled([Item(512, lane, lane) for lane in LANES[1:] for _ in range(50)])
    for _ in range(200):
        filled([Item(512, "stat"), Item(512, "stat")], lanes)
        assert any(item.lane == "stat" for item in lanes.take(1024))


@given(sizes=st.lists(st.lists(st.integers(2, 512), min_size=40, max_size=40), min_size=2, max_size=5))
def test_workers_of_a_lane_are_served_alike(sizes: list[list[int]]) -> None:
    """While all have something waiting, none is ahead by more than a turn, a window and one batch's rest."""
    lanes = filled([Item(size, owner=str(n)) for n, own in enumerate(sizes) for size in own])
    left = {str(n): len(own) for n, own in enumerate(sizes)}
    read = dict.fromkeys(left, 0)
    while True:
        for item in lanes.take(1024):
            read[item.owner] += item.tokens
            left[item.owner] -= 1
        if not all(left.values()):
            break
        assert max(read.values()) - min(read.values()) <= 2 * (TURN + 512) + 512
    lanes.close()


def test_one_worker_s_flood_does_not_keep_another_waiting() -> None:
    lanes = filled(windows(10_000, owner="flood"))
    lanes.take(1024)
    for seed in range(100):
        note = windows(1, owner="note", seed=seed)
        filled(note, lanes)
        assert any(note[0] in lanes.take(1024) for _ in range(2)), seed


# --- taking and ending ---------------------------------------------------------------------------


def take_apart(lanes: Lanes[Item], takers: int, items: Sequence[Item]) -> list[int]:
    """How many windows each of so many idle takers got."""
    taken: list[int] = []
    threads = [threading.Thread(target=lambda: taken.append(len(lanes.take(10_000)))) for _ in range(takers)]
    for thread in threads:
        thread.start()
    while lanes.idle < takers:
        threading.Event().wait(0.001)
    lanes.put(items, "routine")
    for thread in threads:
        thread.join(30)
    return sorted(taken)


def test_idle_takers_divide_what_waits_but_not_into_crumbs() -> None:
    assert take_apart(Lanes(sharers=2), 2, [Item(100) for _ in range(10)]) == [5, 5]
    lanes: Lanes[Item] = Lanes(sharers=2)
    closer = threading.Timer(0.2, lanes.close)
    closer.start()
    assert take_apart(lanes, 2, [Item(100) for _ in range(2)]) == [0, 2]
    closer.join()


def test_depth_counts_what_waits_in_a_lane() -> None:
    lanes = filled([*windows(3, "stat"), *windows(2, "backfill")])
    assert [lanes.depth(lane) for lane in LANES] == [3, 0, 2]
    lanes.take(100_000)
    assert [lanes.depth(lane) for lane in LANES] == [0, 0, 0]


def test_what_was_dropped_goes_away_without_being_taken() -> None:
    dropped = windows(5)
    lanes = filled([*dropped, *windows(1, "backfill")])
    for item in dropped:
        item.dropped = True
    assert len(lanes.take(1024)) == 1
    assert lanes.depth("routine") == 0


def test_a_closed_queue_gives_back_what_waited_and_takes_nothing() -> None:
    put = [*windows(3, "stat"), *windows(3, "backfill", "b")]
    lanes = filled(put)
    assert lanes.close() == put
    assert not lanes.put(windows(1), "stat")
    assert lanes.take(1024) == lanes.close() == []
