"""One worker's life: start, watch, drain, stop. Who reads the notes is not its affair: `streamer.app`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from models.errors import EngineError
from streamer import brokers, delivery, logs, metrics
from streamer.endpoints import Health
from streamer.errors import NotAllowed, TopicMissing, WorldError
from streamer.intake import DRAIN_S, faust_app
from streamer.outlet import Outlet
from streamer.release import Partition, Publisher
from streamer.settings import Settings
from streamer.topics import Incoming, Outgoing
from streamer.watchdog import Progress, Watchdog
from streamer.worklist import Worklist

log = logging.getLogger(__name__)

Annotate = Callable[[Incoming], Awaitable[Outgoing]]

RETURN_S = 60.0
"""So long a worker of a node waits at its start for brokers that were there; then it is started anew."""
STANDSTILL_S = 120.0
"""Of a fetch loop that does not go round: brokers or membership are at fault, and the process ends."""
WATCH_S = 0.25
FROZEN_S = 10.0
"""A worker whose event loop has not turned for so long is not ready."""
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
        self._producer: delivery.SharedProducer | None = None
        self._limits: Mapping[str, int] = {}
        self._oldest: float | None = None
        self._watchdog = Watchdog(settings.stall_s)
        self._worklist = Worklist(annotate, self._publisher, self.fail, settings.max_unreleased)
        self._app = faust_app(settings, self._worklist, self.fail)
        self._ready_file = ready_file

    async def run(self) -> int:
        """Raises SettingError or WorldError when the start is refused."""
        self._limits = await self._checked()
        self._be_stoppable()
        if self._settings.delivery == "at_least_once":
            self._producer = delivery.SharedProducer(self._producer_options())
            await self._producer.start()
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
        age = time.time() - self._oldest if self._oldest is not None else 0.0
        waits = {
            "the engine": not self._engine.alive,
            "its partitions": not self._worklist.joined,
            "its event loop": self._watchdog.silent_s > FROZEN_S,
            "notes that are too old": age > self._settings.unready_after_s,
        }
        waiting_for = tuple(what for what, waiting in waits.items() if waiting)
        return Health(live=not self._failed.is_set(), ready=not waiting_for, waiting_for=waiting_for)

    async def _checked(self) -> Mapping[str, int]:
        """As `brokers.check`. What was taken away since the last life is a refusal like that of a commit.

        In a node brokers that do not answer are waited for: its supervisor has found them at the start."""
        patience = RETURN_S if self._ready_file is not None else 0.0
        until = asyncio.get_running_loop().time() + patience
        while True:
            try:
                return await brokers.check(self._settings)
            except TopicMissing:
                metrics.publish_refused("topic-missing")
                raise
            except NotAllowed:
                metrics.publish_refused("not-authorised")
                raise
            except WorldError:
                if asyncio.get_running_loop().time() >= until:
                    raise
                await asyncio.sleep(WATCH_S)

    # --- parts -----------------------------------------------------------------------------------

    def _publisher(self, partition: Partition) -> Publisher:
        outlet = Outlet(self._limits, self._settings.dead_letter_topic)
        if self._producer is not None:
            return delivery.Acknowledged(partition, self._producer, self._app.consumer.commit_offset, outlet)
        return delivery.Transactions(partition, self._settings.group, self._producer_options(), outlet)

    def _producer_options(self) -> dict[str, Any]:
        return brokers.client_options(self._settings) | {
            "max_batch_size": 262_144,
            "max_request_size": max(self._limits.values()) + brokers.BATCH_OVERHEAD,
            "request_timeout_ms": 30_000,
        }

    def _be_stoppable(self) -> None:
        loop = asyncio.get_running_loop()

        def told(*_: object) -> None:  # not the loop's own handler: that waits for a loop that may hang
            self._watchdog.leave(LEAVE_S)
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(self._stop.set)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, told)
        for number in (signal.SIGUSR1, signal.SIGUSR2):  # Faust's would print locals, or start a debugger
            signal.signal(number, signal.SIG_IGN)
        self._watchdog.start()

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
        progress = Progress(time.monotonic())
        while True:
            error = self._broken(starting) or self._stuck(progress)
            if error is not None:
                self.fail(error)
                return
            self._look_around()
            await asyncio.sleep(WATCH_S)

    def _broken(self, starting: asyncio.Task[None]) -> BaseException | None:
        if self._app.crashed or (starting.done() and starting.exception()):
            return self._app.crash_reason or starting.exception() or RuntimeError()
        return self._engine.failed if self._joining else None  # e.g. it reads otherwise now

    def _stuck(self, progress: Progress) -> BaseException | None:
        if self._waited_s(progress) > self._settings.stall_s or self._standstill_s() > STANDSTILL_S:
            log.error("no note was finished, or none was asked for, for too long")
        elif self._starved_s() > min(STANDSTILL_S, self._settings.stall_s):
            log.error("there are notes on the input topic, and none reached this worker for too long")
        else:
            return None
        return TimeoutError()

    def _waited_s(self, progress: Progress) -> float:
        work = self._worklist
        # Without work there is none to be done, as if it were all done anew.
        done = (work.read, work.released) if work.unreleased else object()
        return progress.waited_s(time.monotonic(), done, work.begun, self._engine.alive)

    def _standstill_s(self) -> float:
        """Since the fetch loop last went round; that stands still while the group is being joined, too."""
        if not self._joining:
            return 0.0
        return asyncio.get_running_loop().time() - float(self._app.consumer.turned_at)

    def _starved_s(self) -> float:
        """Since a partition has notes that do not come, though they are asked for."""
        if not self._joining:
            return 0.0
        return float(self._app.consumer.starved.for_s(asyncio.get_running_loop().time()))

    def _look_around(self) -> None:
        self._watchdog.beat()
        self._worklist.report()
        self._oldest = self._worklist.oldest
        if self._ready_file is None:
            return
        if self.health().ready:
            self._ready_file.touch()
        else:
            self._ready_file.unlink(missing_ok=True)

    async def _end(self, code: int) -> None:
        self._watchdog.leave(LEAVE_S if code == 0 else FAIL_S)
        if self._ready_file is not None:
            self._ready_file.unlink(missing_ok=True)
        with contextlib.suppress(Exception):
            if code == 0:
                self._app.consumer.stop_flow()
                await self._worklist.drain(DRAIN_S)
                if not self._settings.keep_place:
                    self._app.consumer.leave()
            else:
                await self._worklist.drain(0.0)
            self._watchdog.exit_code = code  # whatever hangs from here on has nothing to lose
            await asyncio.wait_for(self._app.stop(), STOP_S)
            if self._producer is not None:
                await asyncio.wait_for(self._producer.stop(), STOP_S)
