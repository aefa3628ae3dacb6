"""Row 14: a Redis that is killed, hangs, is full, is emptied, and lies."""

from __future__ import annotations

import time

import redis

from streamer.chaos import notes
from streamer.chaos.notes import Load
from streamer.chaos.rows_worker import whole
from streamer.chaos.trial import Trial

OPEN_S, CLOSED_S = 30.0, 30.0
FAULTS = "streamer_cache_errors_total"
OPEN = "streamer_cache_breaker_open"
LIES = (b"", b"garbage", b"\0" * 64)


def faulty(trial: Trial) -> None:
    """Each fault on its own notes; every record must be the one of an undisturbed run."""
    trial.on(trial.bed.main())
    part = max(10, trial.bed.plan.notes // 5)
    for fault in (_killed, _hung, _emptied, _full, _lying):
        fault(trial, part)
    whole(trial)


def _killed(trial: Trial, part: int) -> None:
    server = trial.bed.redis
    trial.send(part)
    trial.wait_for(len(trial.sent) - part * 0.8)
    trial.fault()
    server.kill()
    trial.send(part)
    try:
        _opens(trial, "killed")
        trial.wait_for_all()
    finally:
        server.start()
    _closes(trial)


def _hung(trial: Trial, part: int) -> None:
    trial.fault()
    trial.bed.redis.suspend()
    trial.send(part)
    try:
        _opens(trial, "hung")
        trial.wait_for_all()
    finally:
        trial.bed.redis.resume()
    _closes(trial)


def _emptied(trial: Trial, part: int) -> None:
    trial.send(part)
    trial.wait_for(len(trial.sent) - part * 0.8)
    trial.fault()
    trial.bed.forget()
    trial.wait_for_all()


def _full(trial: Trial, part: int) -> None:
    before = trial.stage.node.metric(FAULTS)
    with redis.Redis.from_url(trial.bed.redis.url) as client:
        client.flushall()
        policy = client.config_get("maxmemory*")
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1000)
        trial.fault()
        try:
            trial.send(part)
            trial.wait_for_all()
        finally:
            for name in ("maxmemory", "maxmemory-policy"):
                client.config_set(name, policy[name])
    trial.require(trial.stage.node.metric(FAULTS) > before, "a full cache was not counted")


def _lying(trial: Trial, part: int) -> None:
    """Every value is exchanged for one of another key, for garbage or for nothing; then all are asked for."""
    before = trial.stage.node.metric(FAULTS)
    trial.send(part)
    trial.wait_for_all()
    with redis.Redis.from_url(trial.bed.redis.url) as client:
        keys = sorted(client.scan_iter(count=1000))
        values = [client.get(key) for key in keys]
        for number, key in enumerate(keys):
            lies = (*LIES, values[number - 1], (values[number] or b"")[:-1])
            client.set(key, lies[number % len(lies)], ex=600)
    trial.fault()
    first = trial.sent[-part:]
    trial.put([_again(trial, number, own.load.text or "") for number, own in enumerate(first)])
    trial.wait_for_all()
    lies_met = trial.stage.node.metric(FAULTS) - before
    trial.require(lies_met > 0, "no lie of the cache was counted")
    trial.remarks.append(f"{lies_met:.0f} lies of the cache met and counted")


def _again(trial: Trial, number: int, text: str) -> Load:
    return notes.load(trial.row, len(trial.sent) + number, text)


def _opens(trial: Trial, how: str) -> None:
    node = trial.stage.node
    trial.until(lambda: node.metric(OPEN) == 1, OPEN_S, f"the breaker opens when Redis is {how}")
    took = time.monotonic() - trial.faults[-1]
    trial.remarks.append(f"breaker open {took:.1f} s after Redis was {how}")


def _closes(trial: Trial) -> None:
    """While notes come: it is what they ask for that is tried."""
    trial.until(lambda: trial.stage.node.metric(OPEN) == 0, CLOSED_S, "the breaker closes again")
