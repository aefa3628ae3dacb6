"""Faults of the engine: killed, and frozen."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from streamer.chaos.rows_worker import hit, in_midstream, killed_at_random, whole
from streamer.chaos.trial import Trial

WATCHDOG_S = 60.0


def killed(trial: Trial) -> None:
    """Row 8: SIGKILL under load; its supervisor starts it anew and its notes are read again."""
    trial.on(trial.bed.main())
    plan = trial.bed.plan
    kills = plan.times(2, 10)
    killed_at_random(trial, "engine", plan.notes, kills, "the engine ended with exit code -9")


def frozen(trial: Trial) -> None:
    """Row 9: SIGSTOP; whoever neither speaks nor computes for 5 s is ended by the watchdog."""
    stage = trial.on(trial.bed.main())
    engine = in_midstream(trial, "engine", 0.1)
    hit(trial, engine, signal.SIGSTOP)
    try:
        took = trial.until(lambda: engine not in stage.node.of("engine"), WATCHDOG_S, "the watchdog ends it")
        trial.remarks.append(f"ended by the watchdog after {took:.0f} s")
    finally:
        with suppress(ProcessLookupError):
            os.kill(engine, signal.SIGCONT)
    trial.stream(trial.bed.plan.notes)
    trial.wait_for_all()
    whole(trial)
