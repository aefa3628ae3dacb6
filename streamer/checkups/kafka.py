"""The brokers: the way there, who they take us for, what we may do, the topics, the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from streamer import brokers, permissions, topic_admin
from streamer.checkups import network
from streamer.checkups.finding import Finding, bad, good, of_error, sound, unknown
from streamer.dead_letter_log import Log, broker_errors
from streamer.errors import SettingError, StreamerError
from streamer.permissions import Permission
from streamer.settings import Settings
from streamer.topic_admin import Examined

AHEAD_S = 5.0
"""A note from further in the future shows that a clock is wrong."""


async def look(settings: Settings) -> list[Finding]:
    """Everything about the brokers, as far as one can come."""
    try:
        context = brokers.ssl_context(settings)
        brokers.client_options(settings)
    except SettingError as error:
        return [of_error("kafka", error)]
    findings = []
    for host, port in brokers.addresses(settings):
        findings += await asyncio.to_thread(network.way, "kafka", host, port, context)
    if context is None:
        why = f"STREAMER_SECURITY_PROTOCOL is {settings.security_protocol}"
        findings.append(unknown("kafka", "TLS", why))
    elif settings.ssl_certfile is not None:
        findings.append(network.own_certificate("kafka", settings.ssl_certfile))
    try:
        refused = await _refused(settings)
        examined = await asyncio.to_thread(topic_admin.examine, settings)
    except StreamerError as error:
        # What keeps us out was most often said already, of the address where it is so.
        return [*findings, of_error("kafka", error)] if sound(findings) else findings
    return [
        *findings,
        good("kafka", f"the brokers let {permissions.principal(settings)} in"),
        *may(settings, refused, examined),
        *topics(settings, refused, examined),
        await _clock(settings, examined),
    ]


async def _refused(settings: Settings) -> list[Permission]:
    async with brokers.reached(settings) as admin:
        there = await brokers.shown(admin)
        hidden = [name for name in settings.topics if name not in there]
        return await permissions.refused(admin, settings, hidden, there.get(settings.input_topic, 0))


def may(settings: Settings, refused: Sequence[Permission], examined: Examined) -> list[Finding]:
    """Each line of the access list."""
    return [_line(settings, line, line in refused, examined) for line in permissions.needed(settings)]


def _line(settings: Settings, line: Permission, refused: bool, examined: Examined) -> Finding:
    if line.kind == "topic" and not refused:
        if line.name not in examined.allowed:
            return unknown("kafka", str(line), "the topic is missing")
        allowed = examined.allowed[line.name]
        if allowed is None:
            return unknown("kafka", str(line), "the brokers are too old to say")
        refused = line.operation.upper() not in allowed
    if refused:
        return bad("kafka", f"this user lacks {line}", permissions.command(line, settings))
    return good("kafka", f"this user has {line}")


def topics(settings: Settings, refused: Sequence[Permission], examined: Examined) -> list[Finding]:
    """Whether they are there, their settings, and whether the workers have enough partitions."""
    hidden = {f"{line.name} is missing" for line in refused if line.kind == "topic"}
    problems = [problem for problem in examined.problems if problem.what not in hidden]
    findings = [bad("kafka", problem.what, problem.mend) for problem in problems]
    for name in examined.sealed:
        optional = permissions.command(topic_admin.may_see(name), settings)
        findings.append(unknown("kafka", f"settings of {name}", f"this user may not see them: {optional}"))
    if not findings and not hidden:
        findings.append(good("kafka", f"{len(examined.partitions)} topics are as they should be"))
    have = examined.partitions.get(settings.input_topic)
    if have is not None:
        findings.append(_width(settings, have))
    return findings


def _width(settings: Settings, have: int) -> Finding:
    workers = settings.workers
    if have < workers:
        mend = topic_admin.widening(settings.input_topic, workers, settings)
        what = f"{settings.input_topic} has {have} partitions: of {workers} workers only {have} have work"
        return bad("kafka", what, f"{mend} (the dead-letter topic first), or STREAMER_WORKERS={have}")
    return good("kafka", f"{have} partitions for the {workers} workers of this node")


async def _clock(settings: Settings, examined: Examined) -> Finding:
    allowed = examined.allowed.get(settings.input_topic, frozenset())
    if allowed is not None and "READ" not in allowed:
        return unknown("kafka", "the clock", "this user may not read notes")
    try:
        async with broker_errors(settings), Log(settings) as log:
            newest = await log.newest(settings.input_topic)
    except StreamerError as error:
        return of_error("kafka", error)
    return clock(newest, time.time())


def clock(newest: int | None, now: float) -> Finding:
    """`newest`: the timestamp of the last note, milliseconds since 1970; `now`: seconds since then."""
    if newest is None or newest < 0:
        return unknown("kafka", "the clock", "there is no note yet to compare it with")
    ahead = newest / 1000 - now
    if ahead > AHEAD_S:
        what = f"the newest note is from {ahead:.0f} s in the future: a clock is wrong, here or at its sender"
        return bad("kafka", what, "timedatectl set-ntp true, on both machines")
    return good("kafka", "the clock agrees with the newest note, which is not from the future")
