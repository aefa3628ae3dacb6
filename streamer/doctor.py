"""`streamer doctor`: everything that a node stands on, looked at before it is needed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from streamer.checkups import cache, checkpoint, kafka, machine
from streamer.checkups.finding import Finding, sound
from streamer.settings import Settings


def run(settings: Settings, as_json: bool = False) -> int:
    """Says how everything is, a line each; gives the exit code: 1 when something is bad."""
    findings = look(settings)
    if as_json:
        print(json.dumps(report(findings)))
    else:
        for finding in findings:
            print(finding)
        print(summary(findings))
    return 0 if sound(findings) else 1


def look(settings: Settings) -> list[Finding]:
    """Asks the servers and reads the files; changes nothing."""
    brokers = asyncio.run(kafka.look(settings))
    reading, opened = checkpoint.look(settings)
    return [*brokers, *cache.look(settings), *reading, *machine.look(settings, opened)]


def report(findings: Sequence[Finding]) -> dict[str, Any]:
    """As JSON."""
    return {
        "ok": sound(findings),
        "checks": [
            {"area": own.area, "state": own.state, "what": own.what}
            | ({} if own.state == "good" else {"mend" if own.state == "bad" else "why": own.mend})
            for own in findings
        ],
    }


def summary(findings: Sequence[Finding]) -> str:
    """The last line."""
    count = {state: sum(own.state == state for own in findings) for state in ("good", "bad", "unknown")}
    verdict = "a node can start" if sound(findings) else "mend these, and ask again"
    return f"{count['good']} good, {count['bad']} bad, {count['unknown']} not looked at: {verdict}"
