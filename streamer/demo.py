"""`streamer demo`: everything on one machine, a steady stream of bundled notes, every note accounted for."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from streamer import embedded, kafka_tools, local_node, samples, settings, show, topic_admin
from streamer.errors import WorldError
from streamer.ledger import Ledger, Report, quantile
from streamer.ports import Port

Tick = Callable[[], None]
WARM_UP = 12
"""Notes sent at once at first; how fast they come back sets the pace at which the rest begins."""
BACKLOG = (4, 12)
"""Notes on their way below which the pace is raised, and above which it is lowered."""
SLOWEST_S = 2.0
"""The longest pause between two notes."""
PATIENCE_S = 120.0
BROKEN = (b'{"id": "broken-1"}', b"\xff\xfe not text", b'{"id": "broken-3", "text": ')
"""Messages that can never succeed: the demo shows where they go."""


def run(notes: int, report_file: Path | None, *, keep: bool = False, checkpoint: str | None = None) -> int:
    """Stream `notes` notes through real servers; 0 only if each came out once, as record or dead letter."""
    console = Console()
    console.print("[bold]Streamer[/] — synthetic notes only; not a medical device\n")
    started = time.monotonic()
    with (
        _servers(console) as (bootstrap, redis),
        _node(bootstrap, redis, checkpoint, console) as (port, alive),
    ):
        chosen = settings.load(bootstrap=bootstrap)
        stream = _Stream(bootstrap, chosen, alive)
        console.print(
            f"ready after {time.monotonic() - started:.1f} s; metrics: [cyan]http://127.0.0.1:{port}/metrics[/]\n"
        )
        report = stream.run(list(islice(_messages(notes), notes)), port, console)
        _print_summary(console, stream, report, port)
        if report_file is not None:
            report_file.write_text(json.dumps(report.as_dict(), indent=2) + "\n")
        if keep:
            _wait_for_interrupt(console, port)
    return 0 if report.complete else 1


def _messages(notes: int) -> Iterator[tuple[bytes, bytes | None]]:
    """Values and keys: the bundled notes over and over, a few broken messages among them."""
    bundled = cycle(samples.load())
    broken = (
        {notes // 4 + i * max(1, notes // 4): value for i, value in enumerate(BROKEN)} if notes > 20 else {}
    )
    for number in range(notes):
        if number in broken:
            yield broken[number], b"broken"
            continue
        note = dict(next(bundled))
        if number >= samples.COUNT:
            note["id"] = f"{note['id']}-{number // samples.COUNT}"
        yield json.dumps(note).encode(), str(note.get("patientKey", note["id"])).encode()


def correction(ledger: Ledger) -> float:
    """What the pace's interval is multiplied by: a steady stream that the service just keeps up with."""
    open_notes = ledger.produced - ledger.answered
    return 1.05 if open_notes > BACKLOG[1] else 0.97 if open_notes < BACKLOG[0] else 1.0


class _Stream:
    """One producer and one read_committed reader around the running service."""

    def __init__(self, bootstrap: str, chosen: settings.Settings, alive: Callable[[], bool]) -> None:
        self._alive = alive
        self._settings = chosen
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, acks="all")
        self._reader = KafkaConsumer(
            chosen.output_topic,
            chosen.dead_letter_topic,
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        self.ledger = Ledger()
        self.example: bytes | None = None
        self._telling = 0
        self._done = threading.Event()

    def run(self, messages: list[tuple[bytes, bytes | None]], port: int, console: Console) -> Report:
        thread = threading.Thread(target=self._read, name="reader")
        thread.start()
        started = time.monotonic()
        try:
            with Live(console=console, refresh_per_second=4, transient=False) as live:
                self._send(messages, lambda: live.update(self._line(len(messages), started)))
        finally:
            seconds = time.monotonic() - started
            self._done.set()
            thread.join()
            self._producer.close()
            self._reader.close()
        return self.ledger.report(seconds, local_node.metric(port, "streamer_batch_tokens_sum"))

    def _send(self, messages: list[tuple[bytes, bytes | None]], tick: Tick) -> None:
        started = time.monotonic()
        for value, key in messages[:WARM_UP]:
            self._put(value, key)
        self._wait_for(min(WARM_UP, len(messages)), tick)
        interval = (time.monotonic() - started) / WARM_UP
        due = time.monotonic()
        for value, key in messages[WARM_UP:]:
            due = max(due + interval, time.monotonic() - interval)
            while (wait := due - time.monotonic()) > 0:
                time.sleep(min(wait, 0.1))
                tick()
                self._require_node()
            self._put(value, key)
            interval = min(interval * correction(self.ledger), SLOWEST_S)
        self._producer.flush()
        self._wait_for(len(messages), tick)

    def _require_node(self) -> None:
        if not self._alive():
            raise WorldError("the service ended in mid-stream; its log stands above")

    def _put(self, value: bytes, key: bytes | None) -> None:
        self._producer.send(self._settings.input_topic, value=value, key=key)
        self.ledger.sent()

    def _wait_for(self, count: int, tick: Tick) -> None:
        """Return when `count` notes were answered, or when none was for `PATIENCE_S`.

        Raises WorldError when the node has ended.
        """
        seen, last = -1, time.monotonic()
        while (answered := self.ledger.answered) < count:
            if answered != seen:
                seen, last = answered, time.monotonic()
            if time.monotonic() - last > PATIENCE_S:
                return
            self._require_node()
            time.sleep(0.05)
            tick()

    def _read(self) -> None:
        while not self._done.is_set():
            for records in self._reader.poll(timeout_ms=200).values():
                for record in records:
                    self._enter(record)

    def _enter(self, record: Any) -> None:
        headers = dict(record.headers)
        if record.topic == self._settings.dead_letter_topic:
            place = b"/".join(
                headers[f"__connect.errors.{part}"] for part in ("topic", "partition", "offset")
            )
            self.ledger.dead_lettered(place.decode(), headers["streamer-reason"].decode())
            return
        latency_ms = time.time() * 1000 - kafka_tools.produced_at_ms(headers)
        self.ledger.published(record.value, latency_ms)
        if (telling := show.telling(record.value)) > self._telling:
            self._telling, self.example = telling, record.value

    def _line(self, total: int, started: float) -> str:
        ledger, seconds = self.ledger, max(time.monotonic() - started, 1e-9)
        share = ledger.cached_passages / ledger.passages if ledger.passages else 0.0
        p50, p99 = (quantile(ledger.latencies_ms, q) for q in (0.5, 0.99))
        return (
            f"[bold]{ledger.answered:>5}[/] / {total} notes   {ledger.answered / seconds:5.1f} notes/s   "
            f"p50 {p50:5.0f} ms   p99 {p99:5.0f} ms   cache {share:4.0%}   dead letters {ledger.dead}"
        )


# --- the parts around the stream -----------------------------------------------------------------


@contextmanager
def _servers(console: Console) -> Iterator[tuple[str, str]]:
    """Kafka and Redis with the service's topics; gives their addresses."""
    with console.status("starting Kafka and Redis (the first time their jars are fetched) …"):
        servers = embedded.stack(brokers=1, folder=None, progress=console.print)
        addresses = servers.__enter__()
    try:
        topic_admin.create_topics(settings.load(bootstrap=addresses["bootstrap"]), partitions=4)
        yield addresses["bootstrap"], addresses["redis"]
    finally:
        with console.status("stopping the servers …"):
            servers.__exit__(None, None, None)


@contextmanager
def _node(
    bootstrap: str, redis: str, checkpoint: str | None, console: Console
) -> Iterator[tuple[int, Callable[[], bool]]]:
    """A running node; gives the port of its metrics page once it is ready, and whether it still runs."""
    with ExitStack() as stack:
        chosen = settings.load(
            bootstrap=bootstrap,
            redis=redis,
            checkpoint=checkpoint,
            metrics_port=stack.enter_context(Port()).number,
            cache_secret=secrets.token_hex(32),
        )
        with console.status("starting the engine and a worker …"):
            alive = stack.enter_context(local_node.running(chosen))
        yield chosen.metrics_port, alive
        console.print("draining …")


def _print_summary(console: Console, stream: _Stream, report: Report, port: int) -> None:
    if stream.example is not None:
        console.print()
        console.print(show.record(stream.example, width=min(console.width, 100)))
    table = Table(title="every note accounted for" if report.complete else "NOT every note accounted for")
    table.add_column("figure")
    table.add_column("value", justify="right", no_wrap=True)
    reasons = ", ".join(report.reasons)
    cached = report.cache["hits"] + report.cache["misses"]
    for figure, value in (
        ("notes produced", str(report.produced)),
        ("records published", str(report.published)),
        ("dead letters", str(report.dead_lettered)),
        ("  their reasons", reasons or "–"),
        ("duplicates", str(report.duplicates)),
        ("seconds", f"{report.seconds:.1f}"),
        ("notes per second", f"{report.notes_per_second:.1f}"),
        ("tokens per second", f"{report.tokens_per_second:,.0f}"),
        ("latency p50 / p99", f"{report.latency_ms['p50']:.0f} / {report.latency_ms['p99']:.0f} ms"),
        ("passages from the cache", f"{report.cache['hits']} of {cached}"),
    ):
        table.add_row(figure, value)
    console.print(table)
    console.print(f"metrics page: http://127.0.0.1:{port}/metrics (stay up with --keep)")


def _wait_for_interrupt(console: Console, port: int) -> None:
    console.print(f"\nstill running; metrics at [cyan]http://127.0.0.1:{port}/metrics[/]. Ctrl-C ends it.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("ending")
