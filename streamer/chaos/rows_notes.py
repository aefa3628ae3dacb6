"""Bad input: what can never succeed becomes a dead letter of exactly its reason, and its neighbours go on."""

from __future__ import annotations

import json
from dataclasses import replace

from streamer import replay
from streamer import settings as configuration
from streamer.chaos import notes
from streamer.chaos.account import Sent, account
from streamer.chaos.bed import NARROW
from streamer.chaos.notes import Load
from streamer.chaos.places import configure
from streamer.chaos.rows_worker import strike_all, whole
from streamer.chaos.trial import Trial
from streamer.dead_letters import Choice
from streamer.topics import Headers

MALFORMED: tuple[tuple[bytes, str, Headers], ...] = (
    (b"", "empty", ()),
    (b"\xff\xfe\x00", "not-utf8", ()),
    (b'{"id": "x", "text": ', "json-invalid", ()),
    (b'{"id": ' * 100_000, "json-invalid", ()),
    (b'{"id": "x", "text": "\\ud800"}', "json-invalid", ()),
    (b'{"id": "x"}', "no-text", ()),
    (b'{"id": "x", "text": " \\n"}', "no-text", ()),
    (b'{"text": "fever"}', "schema-invalid", ()),
    (b'{"id": 5, "text": "fever"}', "schema-invalid", ()),
    (b'{"id": "x", "text": ["fever"]}', "schema-invalid", ()),
    (b"[]", "schema-invalid", (("content-type", b"application/json"),)),
    (b"fever", "unknown-format", (("content-type", b"image/png"),)),
)
HUGE, MANY_HEADERS = 20_000_000, 1_000
RAISED = "1000000"


def malformed(trial: Trial) -> None:
    """Row 19: one dead letter each; a tombstone passes as a tombstone."""
    trial.on(trial.bed.main())
    good = notes.loads(trial.row, trial.bed.plan.notes // 4, trial.bed.pool, trial.bed.plan.seed)
    bad = []
    for number, (value, reason, headers) in enumerate(MALFORMED, start=len(good)):
        name, key = notes.name(trial.row, number), notes.key(trial.row, number)
        bad.append(Load(name, key, value, headers, reason=reason))
    gone = notes.name(trial.row, len(good) + len(bad))
    mixed = [*good, *bad, Load(gone, notes.key(trial.row, 0) + b" " + gone.encode(), None)]
    trial.chance.shuffle(mixed)
    trial.put(mixed)
    trial.wait_for_all()
    seen = trial.stage.reader.seen
    trial.require(gone in seen.records and seen.records[gone] is None, "the tombstone did not pass as one")
    reasons = len({reason for _, reason, _ in MALFORMED})
    trial.remarks.append(f"{len(MALFORMED)} malformed messages of {reasons} reasons, a tombstone")


def huge(trial: Trial) -> None:
    """Row 23: dead letters that only name their message; those behind them are read."""
    trial.on(trial.bed.main())
    plan, pool = trial.bed.plan, trial.bed.pool
    first = notes.loads(trial.row, 10, pool, plan.seed)
    large = Load(
        notes.name(trial.row, 10), first[0].key, _note("x", "fever " * (HUGE // 6)), reason="too-large"
    )
    headers = tuple((f"x-{number}", b"h" * 1_000) for number in range(MANY_HEADERS))
    headed = Load(notes.name(trial.row, 11), first[1].key, first[1].value, headers, reason="too-large")
    behind = notes.loads(trial.row, trial.bed.plan.notes // 4, pool, plan.seed, first=12)
    trial.put([*first, large, headed, *behind])
    trial.wait_for_all()
    seen = trial.stage.reader.seen
    for own in trial.sent[10:12]:
        trial.require(seen.records.get(own.place, b"") is None, "a dead letter carries what is too large")


def large_output(trial: Trial) -> None:
    """Row 11: a record larger than its topic takes."""
    trial.on(trial.bed.narrow())
    trial.put(_some_large(trial))
    trial.wait_for_all()


def replayed(trial: Trial) -> None:
    """Row 29: too large for the output topic; its limit is raised, and all are sent back twice."""
    stage = trial.on(trial.bed.narrow())
    trial.put([own for own in _some_large(trial) if own.reason])
    trial.wait_for_all()
    trial.complaints += account(trial.sent, stage.reader.seen).faults
    letters = len(trial.sent)
    trial.sent = [Sent(replace(own.load, reason=None), "0/-1") for own in trial.sent]
    configure(stage.at, stage.at.output, "max.message.bytes", RAISED)
    try:
        strike_all(trial, "worker")  # what a topic takes is asked for at a worker's start
        at = stage.at
        chosen = configuration.load(
            bootstrap=at.bootstrap,
            input_topic=at.input,
            output_topic=at.output,
            dead_letter_topic=at.dead_letters,
        )
        choice = Choice(reasons=frozenset({"output-too-large"}))
        sent_back = replay.run(chosen, choice).sent.total()
        trial.require(sent_back >= letters, f"{sent_back} of {letters} notes were sent back")
        trial.until(lambda: _all_out(trial), 120, "every note that was sent back comes out")
        again = replay.run(chosen, choice).sent.total()
        trial.require(again == 0, f"the second replay sent {again} notes back")
        stage.reader.wait_for_the_rest(0, quiet_s=3.0)
        trial.remarks.append(f"{sent_back} dead letters sent back, by a second replay {again}")
    finally:
        configure(stage.at, stage.at.output, "max.message.bytes", NARROW)
        strike_all(trial, "worker")
    whole(trial)


def _all_out(trial: Trial) -> bool:
    return all(own.load.id in trial.stage.reader.seen.times for own in trial.sent)


def _some_large(trial: Trial) -> list[Load]:
    """Every tenth says so much that its record is too large."""
    plan = trial.bed.plan
    found = notes.loads(trial.row, max(50, plan.notes // 4), trial.bed.pool, plan.seed)
    text = "\n".join(f"{' '.join(notes.SENTENCES)} Given {n} units of insulin." for n in range(12))
    for number in range(3, len(found), 10):
        value = _note(found[number].id, text)
        found[number] = Load(found[number].id, found[number].key, value, reason="output-too-large")
    return found


def _note(name: str, text: str) -> bytes:
    return json.dumps({"id": name, "text": text}).encode()
