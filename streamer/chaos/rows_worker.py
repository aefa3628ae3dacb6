"""Faults of workers: killed, told to stop, frozen, added and removed, in the middle of work."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress

from streamer.chaos import notes
from streamer.chaos.account import longest_pause
from streamer.chaos.processes import Node
from streamer.chaos.trial import BACKLOG, Trial
from streamer.chaos.waiting import NotInTime

WORKER_END = re.compile(r"the worker \d+ ended with exit code (-?\d+);")
BACK_S = 120.0
"""A process that died must be there again within."""
DRAIN_S, FAIL_S, IDLE_S = 10.0, 5.0, 30.0
TRIES, REFUSED_S, FEW = 3, 20.0, 100


def killed(trial: Trial) -> None:
    """Row 1: one worker of two at a time, SIGKILL, at random moments; metrics grow no labels."""
    node, plan = trial.on(trial.bed.main()).node, trial.bed.plan
    trial.send(FEW)
    trial.wait_for(FEW)
    few = _series(node)
    count, kills = plan.times(plan.notes, 10 * plan.notes), plan.times(3, 10)
    killed_at_random(trial, "worker", count, kills, "ended with exit code -9")
    many = _series(node)
    trial.require(few == many, f"{len(few)} series of metrics after {FEW} notes, {len(many)} at the end")
    trial.remarks.append(
        f"{len(few)} series of metrics after {FEW} notes, {len(many)} after {len(trial.sent):,}"
    )


def _series(node: Node) -> set[str]:
    return {own.rpartition(" ")[0] for own in node.series()}


def told_to_stop(trial: Trial) -> None:
    """Row 2: SIGTERM to the node in mid-batch; a new start goes on where it left off."""
    stage, count = trial.on(trial.bed.main()), min(trial.bed.plan.notes, BACKLOG)
    trial.send(count)
    trial.wait_for(count * 0.1)
    trial.require(trial.seen < count, "it was over before it was told to stop: give it more --notes")
    began = time.monotonic()
    stage.node.signal(signal.SIGTERM)
    trial.send(count // 2)  # these are the next start's, however fast it drains
    code = stage.node.wait(trial.patience(60))
    took = time.monotonic() - began
    trial.require(code == 0, f"exit code {code}")
    trial.require(took <= DRAIN_S, f"drained in {took:.1f} s, not {DRAIN_S:.0f}")
    left = len(trial.sent) - trial.seen
    trial.require(left > 0, "nothing was left for the next start")
    trial.remarks.append(f"drained in {took:.1f} s, exit code {code}, {left} notes left to the next start")
    trial.fault()  # what the drain left waits for the new start
    stage.node.start()
    whole(trial)
    trial.stream(trial.bed.plan.notes)
    trial.wait_for_all()


def frozen(trial: Trial) -> None:
    """Row 3: SIGSTOP past the session timeout, then SIGCONT: what it still holds must not be published."""
    trial.on(trial.bed.main())
    before = len(_ends(trial))
    for _ in range(TRIES):
        _freeze(trial)
        with suppress(NotInTime):  # one that held nothing just then has nothing to be refused
            trial.until(lambda: len(_ends(trial)) > before, REFUSED_S, "the zombie ends")
            break
    trial.stream(trial.bed.plan.notes)
    trial.wait_for_all(quiet_s=5.0)
    codes = _ends(trial)[before:]
    trial.require(codes == ["1"], f"exit codes of workers: {', '.join(codes) or 'none'}; not one 1")
    trial.remarks.append(f"its commit was refused, exit code {', '.join(codes)}")
    whole(trial)


def _freeze(trial: Trial) -> None:
    """A worker in the middle of its notes, until the other one has done them all."""
    zombie, sent = aim(trial, "worker"), len(trial.sent)
    trial.bed.forget()
    trial.send(min(trial.bed.plan.notes, BACKLOG))
    trial.wait_for(sent + 1)
    hit(trial, zombie, signal.SIGSTOP)
    try:
        trial.wait_for(len(trial.sent))
    finally:
        with suppress(ProcessLookupError):
            os.kill(zombie, signal.SIGCONT)


def _ends(trial: Trial) -> list[str]:
    """Exit codes of workers so far, as the node logged them."""
    return WORKER_END.findall(trial.stage.node.log.read_text())


def aim(trial: Trial, half: str) -> int:
    """The engine or a random worker, which may just be on its way back; gives its process id."""
    node = trial.stage.node
    trial.until(lambda: node.ready and bool(node.of(half)), BACK_S, f"the {half} is there to be struck")
    return trial.chance.choice(node.of(half))


def hit(trial: Trial, victim: int, number: signal.Signals) -> None:
    trial.fault()
    os.kill(victim, number)


def in_midstream(trial: Trial, half: str, share: float) -> int:
    """Sends notes that nobody has read before; gives a victim's process id when that share of them came out,
    and not yet all."""
    part = min(trial.bed.plan.notes, BACKLOG)
    for _ in range(TRIES):
        victim = aim(trial, half)
        trial.bed.forget()
        waiting = len(trial.sent) - trial.seen
        trial.send(part)
        trial.wait_for(len(trial.sent) - waiting - part * (1 - share))
        if trial.seen < len(trial.sent):
            return victim
    raise NotInTime("it was over before the fault: give it more --notes")


def killed_at_random(trial: Trial, half: str, count: int, kills: int, death: str) -> None:
    """SIGKILL to the engine, or to a random worker, at random moments while `count` notes go through.

    `death`: what the node logs of each.
    """
    log = trial.stage.node.log
    before = log.read_text().count(death)
    for number, share in enumerate(trial.shares(kills, high=0.5), start=1):
        hit(trial, in_midstream(trial, half, share), signal.SIGKILL)
        trial.until(lambda n=number: log.read_text().count(death) - before == n, BACK_S, f"the {half} died")  # type: ignore[misc]
        trial.stream(number * count // kills)
        trial.wait_for(len(trial.sent))  # so that the next one is another matter
    trial.wait_for_all()
    whole(trial)


def whole(trial: Trial) -> None:
    """Returns when the node is ready again: the next row finds it as it was."""
    trial.until(lambda: trial.stage.node.ready, BACK_S, "the node is ready again")


def strike_all(trial: Trial, half: str) -> None:
    """SIGKILL to all of them; returns when the node is ready with others."""
    node = trial.stage.node
    before = node.of(half)
    for victim in before:
        os.kill(victim, signal.SIGKILL)
    trial.until(
        lambda: node.ready and bool(node.of(half)) and not set(node.of(half)) & set(before),
        BACK_S,
        f"a new {half} is ready",
    )


# --- on workers whose pipeline is a stand-in -----------------------------------------------------


def come_and_go(trial: Trial) -> None:
    """Row 4: a third worker beside two, started and stopped again and again."""
    stage = trial.on(trial.bed.echoes("row-4", 2, pause_ms="500"), compare=False)
    turns, step_s = trial.bed.plan.times(3, 20), 5.0
    part = max(1, trial.bed.plan.notes // (2 * turns))
    began = time.monotonic()
    for _ in range(turns):
        trial.send(part)
        third = trial.bed.one_more(stage, pause_ms="500")
        third.wait_until_assigned(trial.patience())
        trial.fault()
        trial.send(part)
        time.sleep(trial.patience(step_s))
        code = third.stop(trial.patience(30))
        trial.require(code == 0, f"a worker that was told to stop ended with {code}")
        trial.fault()
    trial.wait_for_all()
    idle = longest_pause(stage.reader.seen, trial.sent, began)
    trial.require(idle <= IDLE_S, f"a partition gave nothing for {idle:.0f} s")
    trial.remarks.append(f"{turns} workers came and went; a partition idle for at most {idle:.1f} s")
    unchanged(trial)


def unforeseen(trial: Trial) -> None:
    """Row 13: an exception that nobody foresaw, in the pipeline of one note."""
    plan = trial.bed.plan
    loads = notes.loads(trial.row, plan.notes, trial.bed.pool, plan.seed)
    poison = loads[plan.notes // 2]
    stage = trial.on(
        trial.bed.echoes("row-13", 1, pause_ms="5", poison=(poison.value or b"").decode()), compare=False
    )
    (worker,) = stage.processes
    worker.wait_until_assigned(trial.patience())
    trial.put(loads)
    trial.fault()
    began = time.monotonic()
    code = worker.wait(trial.patience(60))
    took = time.monotonic() - began
    trial.require(code == 1, f"exit code {code}")
    trial.require(took <= FAIL_S, f"it ended {took:.1f} s after the note was sent")
    trial.require(poison.id not in stage.reader.seen.times, "the note came out")
    del worker.environment["ECHO_POISON"]
    worker.start()
    trial.wait_for_all()
    trial.remarks.append(f"exit code {code} {took:.1f} s after the note was sent")
    unchanged(trial)


def unchanged(trial: Trial) -> None:
    """A stand-in gives back what it got."""
    records = trial.stage.reader.seen.records
    other = sum(records.get(own.load.id) != own.load.value for own in trial.sent)
    trial.require(other == 0, f"{other} records are not as they were sent")
