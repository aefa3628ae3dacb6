"""Rows 18, 28 and 30: too much at once, a scraper that never finishes, and random faults for long."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from http.client import HTTPException
from itertools import combinations
from threading import Event

import psutil

from streamer.beside import beside
from streamer.chaos.notes import Load, key, name
from streamer.chaos.rows_notes import MALFORMED
from streamer.chaos.rows_worker import unchanged, whole
from streamer.chaos.trial import Trial, memory_mb

GROWTH_MB, SCRAPED_SHARE = 200.0, 0.98
ROUNDS, SCRAPE_S = 7, 1.0
PART, STEP_S, FAULT_EVERY_S = 20, 1.0, (15.0, 40.0)
SAMPLE_EVERY_S, SAMPLES = 5.0, 1500
SLOPE_MB_PER_H, WARM_S = 1.0, 300.0
MEASURED_S = 600.0
"""Of a shorter soak no slope is demanded: a page more or less would decide."""


def flooded(trial: Trial) -> None:
    """Row 18: all notes at once to a worker that holds few and is slow."""
    stage = trial.on(trial.bed.echoes("row-18", 1, pause_ms="200", max_unreleased="256"), compare=False)
    (worker,) = stage.processes
    worker.wait_until_assigned(trial.patience())
    plan = trial.bed.plan
    trial.send(plan.notes)
    trial.wait_for_all()
    start = memory_mb(stage)
    trial.peak_mb = 0.0
    trial.fault()
    trial.send(plan.notes * plan.times(20, 100))
    trial.wait_for_all()
    grown = trial.peak_mb - start
    trial.require(grown <= GROWTH_MB, f"memory grew by {grown:.0f} MB")
    trial.require(worker.exit_code is None, "the worker ended")
    lost = [words for words in ("expired", "not recognized") if words in worker.log.read_text()]
    trial.require(not lost, "its group session was lost")
    trial.remarks.append(f"memory grew by {max(0.0, grown):.0f} MB")
    unchanged(trial)


def scraped(trial: Trial) -> None:
    """Row 28: the same load with and without scraping, in turns; medians."""
    trial.on(trial.bed.main())
    node, count = trial.stage.node, trial.bed.plan.notes
    trial.send(count)  # from here on every text is in the cache
    trial.wait_for_all()
    ratios = []
    for _ in range(ROUNDS):
        plain = _seconds(trial, count)
        with _scraping(str(node.address)):
            ratios.append(plain / _seconds(trial, count))
    share = statistics.median(ratios)
    trial.require(share >= SCRAPED_SHARE, f"{share:.1%} of the throughput while it is scraped")
    trial.remarks.append(f"{share:.1%} of the throughput; rounds {', '.join(f'{r:.2f}' for r in ratios)}")


def _seconds(trial: Trial, count: int) -> float:
    began = time.monotonic()
    trial.send(count)
    trial.wait_for(len(trial.sent))
    return time.monotonic() - began


def _scraping(address: str) -> AbstractContextManager[None]:
    """One reader that never reads on, one that asks every second."""
    host, _, port = address.partition(":")

    def scrape(over: Event) -> None:
        with socket.create_connection((host, int(port))) as stuck:
            stuck.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not over.wait(SCRAPE_S):
                with suppress(OSError), socket.create_connection((host, int(port)), timeout=10) as asked:
                    asked.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    asked.recv(1 << 20)

    return beside("scrape", scrape)


# --- the soak ------------------------------------------------------------------------------------


def soaked(trial: Trial) -> None:
    """Row 30: a steady stream and a random fault every half minute or so, for as long as the plan says.

    Memory and open files are those of the supervisor, the one process of a node that lives through it all.
    """
    stage, soak_s = trial.on(trial.bed.main()), trial.bed.plan.soak_s
    supervisor, began = psutil.Process(stage.node.pid), time.monotonic()
    files = supervisor.num_fds()
    memory: list[tuple[float, float]] = []
    next_fault, next_sample, made = began + FAULT_EVERY_S[0], began, 0
    while (now := time.monotonic()) - began < soak_s:
        trial.send(PART)
        if now >= next_sample:
            memory.append((now - began, supervisor.memory_info().rss / 1e6))
            next_sample = now + max(SAMPLE_EVERY_S, soak_s / SAMPLES)
        if now >= next_fault and stage.node.ready:
            trial.fault()
            trial.chance.choice(FAULTS)(trial)
            made += 1
            next_fault = now + trial.chance.uniform(*FAULT_EVERY_S)
        time.sleep(trial.patience(STEP_S))
    trial.wait_for_all(quiet_s=5.0)
    whole(trial)
    per_hour = slope([(at, held) for at, held in memory if at >= min(WARM_S, soak_s / 3)]) * 3600
    if soak_s >= MEASURED_S:
        trial.require(per_hour < SLOPE_MB_PER_H, f"the supervisor's memory grows by {per_hour:.2f} MB/h")
    settled = supervisor.num_fds()
    trial.require(settled <= files + 2, f"{settled} open files, {files} at the start")
    trial.remarks.append(
        f"{made} faults in {soak_s:.0f} s; supervisor {memory[0][1]:.1f} MB, at last {memory[-1][1]:.1f}, "
        f"{per_hour:+.2f} MB/h once warm; open files {files}, {settled}"
    )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Theil and Sen's: the median of the slopes between any two, which few jumps do not move; 0 of fewer."""
    return statistics.median(
        [(b - a) / (later - at) for (at, a), (later, b) in combinations(points, 2)] or [0.0]
    )


def _kill(half: str, number: signal.Signals = signal.SIGKILL) -> Callable[[Trial], None]:
    def strike(trial: Trial) -> None:
        victims = trial.stage.node.of(half)
        if victims:
            with suppress(ProcessLookupError):
                os.kill(trial.chance.choice(victims), number)

    return strike


def _redis_killed(trial: Trial) -> None:
    trial.bed.redis.kill()
    trial.send(PART)
    trial.bed.redis.start()


def _redis_hung(trial: Trial) -> None:
    trial.bed.redis.suspend()
    try:
        trial.send(PART)
        time.sleep(trial.patience(2.0))
    finally:
        trial.bed.redis.resume()


def _malformed(trial: Trial) -> None:
    first = len(trial.sent)
    trial.put(
        [
            Load(name(trial.row, first + n), key(trial.row, n), value, headers, reason=reason)
            for n, (value, reason, headers) in enumerate(MALFORMED)
        ]
    )


def _frozen(trial: Trial) -> None:
    """A worker, past its session timeout."""
    victim = trial.chance.choice(trial.stage.node.of("worker") or [0])
    if not victim:
        return
    with suppress(ProcessLookupError):
        os.kill(victim, signal.SIGSTOP)
        time.sleep(trial.patience(10.0))
        os.kill(victim, signal.SIGCONT)


def _scrapes(trial: Trial) -> None:
    with suppress(OSError, HTTPException):
        for _ in range(20):
            trial.stage.node.get("/metrics")


FAULTS: tuple[Callable[[Trial], None], ...] = (
    _kill("worker"),
    _kill("engine"),
    _redis_killed,
    _redis_hung,
    _malformed,
    _frozen,
    _scrapes,
    lambda trial: trial.bed.forget(),
)
