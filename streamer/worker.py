"""One worker's life: start, watch, drain, stop. Who reads the notes is not its affair: `streamer.app`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from models.errors import EngineError
from streamer import brokers, delivery, logs
from streamer.endpoints import Health
from streamer.errors import WorldError
from streamer.intake import DRAIN_S, faust_app
from streamer.release import Partition, Publisher
from streamer.settings import Settings
from streamer.topics import Incoming, Outgoing
from streamer.worklist import Worklist

log = logging.getLogger(__name__)

Annotate = Callable[[Incoming], Awaitable[Outgoing]]

STALL_S = 600.0
"""With work, a living engine and no note finished for so long, the process ends: a new start is the cure."""
STANDSTILL_S = 120.0
"""The same for a fetch loop that does not go round: brokers or group membership are at fault then."""
WATCH_S = 0.25
LEAVE_S = 8.0
"""From SIGTERM to the end, whatever hangs."""
STOP_S = 2.0
FAIL_S = 4.0
"""From an error that nobody foresaw to the end."""


class Engine(Protocol):
    """What a worker asks of `models.client.EngineClient` beside reading."""

    @property
    def alive(self) -> bool: ...
    @property
    def failed(self) -> Exception | None: ...
    async def connect(self) -> None: ...


class _NoEngine:
    alive = True
    failed = None

    async def connect(self) -> None:
        return


class Worker:
    """Takes notes from the input topic, has each read by `annotate`, and releases the answers.

    `ready_file` exists while it does so. `run` returns the exit code: 0 after SIGTERM or SIGINT, 1 after an
    error that a restart may mend.
    """

    def __init__(
        self,
        settings: Settings,
        annotate: Annotate,
        engine: Engine | None = None,
        ready_file: Path | None = None,
    ) -> None:
        self._settings = settings
        self._engine = engine or _NoEngine()
        self._failed = asyncio.Event()
        self._stop = asyncio.Event()
        self._refused: WorldError | None = None
        self._joining = False
        self._producer: Any = None
        self._limits: Mapping[str, int] = {}
        self._worklist = Worklist(annotate, self._publisher, self.fail, settings.max_unreleased)
        self._app = faust_app(settings, self._worklist, self.fail)
        self._ready_file = ready_file

    async def run(self) -> int:
        """Raises SettingError or WorldError when the start is refused."""
        self._limits = await brokers.check(self._settings)
        self._listen_to_signals()
        if self._settings.delivery == "at_least_once":
            self._producer = await delivery.idempotent_producer(self._producer_options())
        starting = asyncio.create_task(self._start(), name="start")
        watching = asyncio.create_task(self._watch(starting), name="watch")
        ends = [asyncio.create_task(event.wait()) for event in (self._stop, self._failed)]
        await asyncio.wait([watching, *ends], return_when=asyncio.FIRST_COMPLETED)
        code = 0 if self._stop.is_set() and not self._failed.is_set() else 1
        watching.cancel()
        await self._end(code)
        if self._refused is not None:
            raise self._refused
        return code

    def fail(self, error: BaseException) -> None:
        """Something nobody foresaw: the process ends soon, and what is not committed is read again."""
        if not self._failed.is_set():
            log.error("this worker ends without committing what it was at [%s]", logs.place(error))
            self._failed.set()

    def health(self) -> Health:
        """May be called from another thread."""
        waits = {"the engine": not self._engine.alive, "its partitions": not self._worklist.joined}
        waiting_for = tuple(what for what, waiting in waits.items() if waiting)
        return Health(live=not self._failed.is_set(), ready=not waiting_for, waiting_for=waiting_for)

    # --- parts -----------------------------------------------------------------------------------

    def _publisher(self, partition: Partition) -> Publisher:
        outlet = delivery.Outlet(self._limits, self._settings.dead_letter_topic)
        if self._producer is not None:
            return delivery.Acknowledged(partition, self._producer, self._app.consumer.commit_offset, outlet)
        return delivery.Transactions(partition, self._settings.group, self._producer_options(), outlet)

    def _producer_options(self) -> dict[str, Any]:
        return brokers.client_options(self._settings) | {
            "max_batch_size": 262_144,
            "max_request_size": max(self._limits.values()) + brokers.BATCH_OVERHEAD,
            "request_timeout_ms": 30_000,
        }

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        for number in (signal.SIGUSR1, signal.SIGUSR2):  # Faust's would print locals, or start a debugger
            signal.signal(number, signal.SIG_IGN)

    # --- while it runs ---------------------------------------------------------------------------

    async def _start(self) -> None:
        try:
            await self._engine.connect()  # no partition is asked for before there is somebody to read notes
        except EngineError as error:
            self._refused = WorldError(str(error))
            self._failed.set()
            return
        self._joining = True
        await self._app.start()

    async def _watch(self, starting: asyncio.Task[None]) -> None:
        """Returns when this worker cannot go on."""
        loop = asyncio.get_running_loop()
        progress, since = (-1, -1), loop.time()
        while True:
            if self._app.crashed or (starting.done() and starting.exception()):
                self.fail(self._app.crash_reason or starting.exception() or RuntimeError())
                return
            if self._joining and self._engine.failed:  # e.g. it reads otherwise now
                self.fail(self._engine.failed)
                return
            now = (self._worklist.read, self._worklist.released)
            if now != progress or not self._worklist.unreleased or not self._engine.alive:
                progress, since = now, loop.time()
            if loop.time() - since > STALL_S or loop.time() - self._turned_at() > STANDSTILL_S:
                self.fail(TimeoutError())
                return
            self._worklist.report()
            self._show_ready()
            await asyncio.sleep(WATCH_S)

    def _turned_at(self) -> float:
        """When the fetch loop last went round; it stands still while the group is being joined."""
        return float(self._app.consumer.turned_at) if self._joining else asyncio.get_running_loop().time()

    def _show_ready(self) -> None:
        if self._ready_file is None:
            return
        if self.health().ready:
            self._ready_file.touch()
        else:
            self._ready_file.unlink(missing_ok=True)

    async def _end(self, code: int) -> None:
        _exit_after(LEAVE_S if code == 0 else FAIL_S, code)
        if self._ready_file is not None:
            self._ready_file.unlink(missing_ok=True)
        with contextlib.suppress(Exception):
            if code == 0:
                self._app.consumer.stop_flow()
                await self._worklist.drain(DRAIN_S)
            else:
                await self._worklist.drain(0.0)
            await asyncio.wait_for(self._app.stop(), STOP_S)
            if self._producer is not None:
                await asyncio.wait_for(self._producer.stop(), STOP_S)


def _exit_after(seconds: float, code: int) -> None:
    """The process ends then, even if a thread or an event loop hangs."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()
