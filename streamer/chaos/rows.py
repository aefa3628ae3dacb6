"""The table of faults: every row's words, and what runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamer.chaos import (
    rows_brokers,
    rows_cache,
    rows_engine,
    rows_load,
    rows_notes,
    rows_topics,
    rows_versions,
    rows_worker,
)
from streamer.chaos.bed import RECOVERY_S, STARVED
from streamer.chaos.trial import Trial
from streamer.errors import SettingError

SHORT_S, LONG_S = 420.0, 3_600.0


@dataclass(frozen=True)
class Row:
    """`run`: makes the fault, on real servers; where there is none, `tests` show the row without a server.
    `long_only`: not in the short form. `stage`: what it runs on. `recovers`: notes must flow again within
    `Plan.recovery_s` after a fault."""

    number: str
    what: str
    passes_when: str
    run: Callable[[Trial], None] | None = None
    tests: tuple[str, ...] = ()
    long_only: bool = False
    stage: str = "main"
    recovers: bool = False

    @property
    def condition(self) -> str:
        """When it passes, in full."""
        again = f"; notes flow again ≤ {RECOVERY_S:.0f} s (short form: {RECOVERY_S * STARVED:.0f} s)"
        return self.passes_when + (again if self.recovers else "")


ROWS = (
    Row("1", "worker SIGKILL at random moments", "none lost, none doubled", rows_worker.killed,
        recovers=True),
    Row("2", "SIGTERM in mid-batch", "drained ≤ 10 s, exit 0, none lost, none doubled",
        rows_worker.told_to_stop, recovers=True),
    Row("3", "worker frozen past the session timeout, then woken", "its commit is refused, it exits non-zero",
        rows_worker.frozen, recovers=True),
    Row("4", "workers added and removed every 5 s", "none lost; no partition idle > 30 s",
        rows_worker.come_and_go),
    Row("5", "partition leader killed, hard and clean, three brokers", "none lost",
        rows_brokers.leaders_killed, stage="trio", recovers=True),
    Row("6", "transaction coordinator killed, three brokers", "whole or not at all: none lost, none doubled",
        rows_brokers.coordinator_killed, stage="trio", recovers=True),
    Row("7", "all three brokers killed", "no exit, none lost; output again ≤ 30 s after their return",
        rows_brokers.all_down, stage="trio"),
    Row("8", "engine SIGKILL under load", "restarted, none lost, none dead-lettered", rows_engine.killed,
        recovers=True),
    Row("9", "engine frozen", "the watchdog ends it, its notes are read again", rows_engine.frozen,
        recovers=True),
    Row("10", "output topic gone, then forbidden", "not ready, counted, offsets stay; none lost later",
        rows_topics.output_gone, stage="narrow"),
    Row("11", "record larger than the topic takes", "dead letter output-too-large; neighbours unharmed",
        rows_notes.large_output, stage="narrow"),
    Row("12", "dead-letter topic gone, then forbidden", "stops consuming, none lost",
        rows_topics.dead_letters_gone, stage="narrow"),
    Row("13", "unforeseen exception in the pipeline", "exits ≤ 5 s; none lost after a restart",
        rows_worker.unforeseen),
    Row("14", "Redis killed, hung, emptied, full, lying", "records as without it; breaker opens and closes",
        rows_cache.faulty),
    Row("15", "another passage's value under a key of the cache", "a counted miss, never emitted",
        tests=("test_cache.py::test_a_value_of_another_passage_under_this_key_is_a_counted_miss",
               "test_sealing.py")),
    Row("16", "device out of memory (injected)", "batch halves; alone: device-out-of-memory",
        tests=("test_engine_faults.py",)),
    Row("17", "NaN or Inf from the model", "model-non-finite, never emitted",
        tests=("test_engine_faults.py::test_a_number_that_is_none_is_the_fault_of_its_passage_alone",)),
    Row("18", "a producer much faster than the worker", "memory ≤ start + 200 MB, session kept, none lost",
        rows_load.flooded),
    Row("19", "malformed messages, a tombstone", "one dead letter each of the exact reason",
        rows_notes.malformed),
    Row("20", "characters of every kind", "text[start:end] == entity.text",
        tests=("test_assemble.py::test_every_entity_is_the_text_at_its_span",
               "test_assemble.py::test_a_record_survives_json_and_its_spans_count_code_points")),
    Row("21", "notes of every length", "no entity lost at a seam",
        tests=("test_passages.py::test_passages_cover_every_visible_character_once", "test_windows.py")),
    Row("22", "JSON deep, wide, doubled, long-numbered", "defined, linear in time",
        tests=("test_formats.py",)),
    Row("23", "record of 20 MB; 1,000 headers of 1 KB", "too-large, by reference; those behind are read",
        rows_notes.huge),
    Row("24", "clocks and timestamps that lie", "latency ≥ 0, order unaffected",
        tests=("test_metrics.py::test_latency_clamps_at_zero_when_clocks_disagree",)),
    Row("25", "wrong settings", "exit 2, one line, no secret", tests=("test_settings.py", "test_cli.py")),
    Row("26", "checkpoint missing, truncated, changed, a pickle", "refuses to start",
        tests=("test_checkpoint.py", "test_huggingface.py")),
    Row("27", "old worker, new worker and back, in mid-stream", "old readers read on; cache keys differ",
        rows_versions.swapped, stage="versions"),
    Row("28", "a scraper that never finishes, and a quick one", "throughput changes by ≤ 2 %",
        rows_load.scraped, long_only=True),
    Row("29", "dead letters replayed after a mend, twice", "each id once; the second adds none",
        rows_notes.replayed, stage="narrow"),
    Row("30", "soak: random faults of these", "none lost, memory slope < 1 MB/h, open files constant",
        rows_load.soaked, long_only=True),
)  # fmt: skip


def chosen(numbers: list[str]) -> list[Row]:
    """The rows of these numbers, all when none is named. Raises SettingError for a number that is none."""
    known = {row.number: row for row in ROWS}
    for number in numbers:
        if number not in known:
            raise SettingError(f"{number} is no row: streamer chaos --list shows them")
    return [row for row in ROWS if not numbers or row.number in numbers]
