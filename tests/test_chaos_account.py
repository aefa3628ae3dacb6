"""The sums of a row: what is lost, doubled, misjudged, out of order or other than it should be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.chaos.account import Sent, account, longest_pause, shape
from streamer.chaos.notes import Load, load, loads, texts
from streamer.chaos.reader import Seen

POOL = texts(20, seed=1)


def sent(count: int, broken: Sequence[int] = (), partitions: int = 4) -> list[Sent]:
    """Notes of a row; those of numbers `broken` must become dead letters."""
    found = []
    for number in range(count):
        own = load("01", number, POOL[number % len(POOL)])
        if number in broken:
            own = Load(own.id, own.key, b"{", own.headers, reason="json-invalid")
        partition = sum(own.key) % partitions
        found.append(Sent(own, f"{partition}/{number}"))
    return found


def record(own: Sent, entity: str = "e1") -> bytes:
    text = own.load.text or ""
    return json.dumps(
        {
            "id": f"a{own.load.id}",
            "document": {"id": own.load.id, "characters": len(text)},
            "entities": [{"id": f"{entity}-{own.load.id}", "text": text[:4]}],
            "relations": [{"source": f"{entity}-{own.load.id}"}],
            "timings": {"queueMs": hash(own.load.id) % 7},
        }
    ).encode()


def see(seen: Seen, own: Sent, moment: float = 0.0, value: bytes | None = None) -> None:
    """Enter what should come of it."""
    letter = own.load.reason is not None
    note = own.place if letter else own.load.id
    seen.times[note] += 1
    if seen.times[note] > 1:
        return
    seen.records[note], seen.moments[note] = value or record(own), moment
    seen.order.setdefault(own.load.key, []).append(note)
    if letter:
        seen.reasons[note] = own.load.reason or ""


def all_seen(rows: Sequence[Sent]) -> Seen:
    seen = Seen()
    for number, own in enumerate(rows):
        see(seen, own, float(number))
    return seen


EXPECTED = {own.load.text: shape(record(own, "another name")) for own in sent(20) if own.load.text}


def test_a_row_in_which_nothing_went_wrong() -> None:
    rows = sent(40, broken=[3, 30])
    sums = account(rows, all_seen(rows), EXPECTED)
    assert sums.faults == []
    assert (sums.notes, sums.dead_letters, sums.compared) == (40, 2, 38)


@given(st.sets(st.integers(0, 29)), st.lists(st.integers(0, 29), max_size=20))
def test_each_note_that_is_missing_is_lost_and_each_more_is_a_duplicate(
    missing: set[int], more: list[int]
) -> None:
    rows = sent(30, broken=[7])
    seen = all_seen([own for number, own in enumerate(rows) if number not in missing])
    again = [number for number in more if number not in missing]
    for number in again:
        see(seen, rows[number])
    sums = account(rows, seen)
    assert (sums.lost, sums.duplicates) == (len(missing), len(again))
    assert bool(sums.faults) == bool(missing or again)


def test_a_note_in_both_topics_is_a_duplicate_and_misjudged() -> None:
    rows = sent(5)
    seen = all_seen(rows)
    seen.times[rows[2].place] += 1
    seen.reasons[rows[2].place] = "json-invalid"
    sums = account(rows, seen)
    assert (sums.duplicates, sums.misjudged, sums.dead_letters) == (1, 1, 0)


def test_a_dead_letter_of_another_reason_and_a_record_of_what_must_be_one_are_misjudged() -> None:
    rows = sent(10, broken=[1, 2])
    seen = all_seen(rows)
    seen.reasons[rows[1].place] = "not-utf8"
    del seen.times[rows[2].place]
    seen.times[rows[2].load.id] += 1
    sums = account(rows, seen)
    assert (sums.misjudged, sums.dead_letters, sums.lost) == (2, 0, 0)


@given(st.permutations(range(8)))
def test_a_keys_notes_must_come_in_the_order_they_lay(order: list[int]) -> None:
    rows = sent(400)
    same = [own for own in rows if own.load.key == rows[0].load.key][:8]
    seen = Seen()
    for number in order:
        see(seen, same[number])
    assert account(same, seen).order_kept == (list(order) == sorted(order))


def test_records_are_held_against_an_undisturbed_run_whatever_their_names() -> None:
    rows = sent(20)
    seen = all_seen(rows)
    changed = json.loads(record(rows[4]))
    changed["entities"][0]["text"] = "other"
    seen.records[rows[4].load.id] = json.dumps(changed).encode()
    sums = account(rows, seen, EXPECTED)
    assert (sums.compared, sums.unequal) == (20, 1)


def test_notes_of_other_rows_do_not_count() -> None:
    rows, others = sent(10), [Sent(own, f"0/{100 + n}") for n, own in enumerate(loads("02", 10, POOL, 1))]
    assert account(rows, all_seen([*others, *rows])).faults == []
    assert account(others, all_seen(rows)).lost == 10


def test_the_longest_pause_is_counted_from_the_fault_on() -> None:
    rows = sent(5, partitions=1)
    seen = Seen()
    for own, moment in zip(rows, (0.0, 10.0, 11.0, 14.0, 15.0), strict=True):
        see(seen, own, moment)
    assert longest_pause(seen, rows, 10.5) == 3.0
    assert longest_pause(seen, rows, 2.0) == 8.0
    assert longest_pause(seen, rows, 16.0) == 0.0


def test_a_partition_that_gives_nothing_while_others_do_is_a_pause() -> None:
    rows = [Sent(load("01", n, POOL[n]), f"{n % 2}/{n}") for n in range(6)]
    seen = Seen()
    for own, moment in zip(rows, (1.0, 2.0, 3.0, 40.0, 4.0, 41.0), strict=True):
        see(seen, own, moment)
    assert longest_pause(seen, rows, 0.0) == 38.0


def test_where_no_note_waits_there_is_no_pause() -> None:
    rows = [Sent(load("01", n, POOL[n]), f"0/{n}", moment) for n, moment in enumerate((0.0, 50.0, 50.0))]
    seen = Seen()
    for own, moment in zip(rows, (1.0, 52.0, 53.0), strict=True):
        see(seen, own, moment)
    assert longest_pause(seen, rows, 0.5) == 2.0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99)), min_size=1), st.integers(0, 99))
def test_a_pause_is_no_longer_than_what_passed_since_the_fault(
    came: list[tuple[int, int]], fault: int
) -> None:
    rows = [Sent(load("01", n, POOL[0]), f"{part}/{n}") for n, (part, _) in enumerate(came)]
    seen = Seen()
    for own, (_, moment) in zip(rows, came, strict=True):
        see(seen, own, float(moment))
    pause = longest_pause(seen, rows, float(fault))
    assert 0 <= pause <= max(0, max(moment for _, moment in came) - fault)


def test_the_same_seed_gives_the_same_notes_and_another_gives_others() -> None:
    again = loads("01", 50, texts(20, seed=1), seed=1)
    assert loads("01", 50, POOL, seed=1) == again
    assert [own.text for own in loads("01", 50, POOL, seed=2)] != [own.text for own in again]
    assert loads("01", 10, POOL, 1, first=40) == again[40:]
    assert len({own.id for own in again}) == 50


@pytest.mark.parametrize("field", ["lost", "duplicates", "misjudged", "unequal"])
def test_every_sum_that_must_be_zero_is_said(field: str) -> None:
    rows = sent(3)
    changed: dict[str, Any] = {field: 2}
    sums = replace(account(rows, all_seen(rows)), **changed)
    assert len(sums.faults) == 1
    assert "2" in sums.faults[0]
