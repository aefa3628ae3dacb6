"""One node: an engine and its workers as processes, and one page that shows how they do."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from models import acceptance
from models.checkpoint import open_checkpoint
from models.errors import EngineError
from streamer import brokers, checkpoints, logs, metrics
from streamer import settings as configuration
from streamer.children import REFUSED, Child, Job, ready_file
from streamer.endpoints import Health
from streamer.errors import SettingError, WorldError
from streamer.settings import Settings

log = logging.getLogger(__name__)

PATIENCE_S, WORKER_PATIENCE_S, ENGINE_PATIENCE_S = 9.5, 8.5, 4.0
"""From SIGTERM to the end of all; of the workers; of an engine, of which no more is asked then."""
LOOK_S = 0.25
PROBE_S = 1.0
FROZEN_S, SILENT_S = 5.0, 20.0
"""An engine that says nothing for so long is frozen: it answers pings while a batch runs. One that computes
meanwhile, e.g. on a machine with too much to do, has the longer time."""
CLEAN = (None, 0, -signal.SIGTERM)
"""Exit codes of a worker that left nothing undone: never begun, drained, ended before it had begun."""


def run(settings: Settings) -> int:
    """A node until SIGTERM: engine, workers, metrics page; gives the exit code.

    Raises SettingError or WorldError when the brokers or the topics are not there to begin with, and
    CheckpointError for a precision that is not accepted.
    """
    logs.configure()
    if settings.precision in acceptance.NEEDS_ACCEPTANCE:
        acceptance.require(open_checkpoint(settings.checkpoint), settings.precision, settings.accept_loss)
    asyncio.run(_check(settings))
    with _state(settings) as folder:
        node = metrics.Node(folder / "metrics")
        settings = settings.model_copy(
            update={
                "state_dir": folder,
                "engine_address": settings.engine_address or f"ipc://{folder}/engine.sock",
            }
        )
        supervisor = Supervisor(
            engine_job(settings, node),
            worker_jobs(settings, node),
            folder,
            node,
            lambda pid: engine_answers(settings, pid),
            settings.stall_s,
        )
        page = metrics.serve(settings.metrics_host, settings.metrics_port, supervisor.health, node)
        try:
            log.info("metrics at http://%s:%d/metrics", settings.metrics_host, page.port)
            return asyncio.run(supervisor.run())
        finally:
            page.close()


def run_engine(settings: Settings) -> int:
    """Only the engine, until SIGTERM; gives the exit code. Raises CheckpointError or WorldError."""
    from models.server import serve  # the other processes of a node know no torch

    logs.configure()
    if settings.engine_address is None:
        raise SettingError(
            "an engine needs to know where to listen: set STREAMER_ENGINE_ADDRESS=ipc:///a/path"
        )
    file = ready_file(settings.state_dir, os.getpid())
    loaded = threading.Event()

    def ready() -> None:
        loaded.set()
        if file is not None:
            file.touch()

    try:
        with _own_page(settings, loaded):
            serve(
                settings.checkpoint,
                settings.engine_address,
                settings.device,
                precision=settings.precision,
                accept_loss=settings.accept_loss,
                heads=checkpoints.wanted(settings),
                budget=settings.token_budget,
                observer=metrics.EngineObserver(),
                ready=ready,
            )
    except EngineError as error:
        raise WorldError(str(error)) from None
    return 0


class Supervisor:
    """Keeps an engine and its workers alive. `run` ends after SIGTERM, or when a first start is refused."""

    def __init__(
        self,
        engine: Job,
        workers: Sequence[Job],
        folder: Path,
        node: metrics.Node,
        answers: Callable[[int], bool] = lambda pid: True,
        stall_s: float = math.inf,
    ) -> None:
        """`answers`: whether the engine of that process id speaks; called on a thread, may take its time.
        `stall_s`: a worker whose event loop has not turned for so long is killed.
        """
        self._node = node
        self._answers = answers
        self._stall_s = stall_s
        self._engine = Child(engine, lambda pid: folder / f"ready-{pid}", node.forget)
        self._workers = [
            Child(job, lambda pid: folder / f"ready-{pid}", node.forget, touches=True) for job in workers
        ]
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """0: every worker drained. 1: one did not. 2: an engine or worker refused to start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        children = [self._engine, *self._workers]
        keeping = [asyncio.create_task(child.keep(), name=child.job.name) for child in children]
        watching = [asyncio.create_task(self._look()), asyncio.create_task(self._probe())]
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait([stopped, *keeping], return_when=asyncio.FIRST_COMPLETED)
        refused = not self._stop.is_set()
        for watch in watching:
            watch.cancel()
        until = loop.time() + PATIENCE_S
        await asyncio.gather(*[worker.stop(WORKER_PATIENCE_S) for worker in self._workers])
        await self._engine.stop(min(ENGINE_PATIENCE_S, until - loop.time()))
        for task in [*keeping, stopped]:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        if refused:
            return REFUSED
        return 0 if all(worker.exit_code in CLEAN for worker in self._workers) else 1

    def health(self) -> Health:
        """May be called from another thread."""
        children = [self._engine, *self._workers]
        waiting_for = tuple(child.job.name for child in children if not child.ready)
        return Health(live=not self._stop.is_set(), ready=not waiting_for, waiting_for=waiting_for)

    async def _look(self) -> None:
        while True:
            self._node.engine_up = self._engine.ready
            self._node.engine_restarts = max(0, self._engine.starts - 1)
            self._node.workers = sum(worker.pid is not None for worker in self._workers)
            self._node.worker_restarts = sum(max(0, worker.starts - 1) for worker in self._workers)
            self._end_frozen_workers()
            await asyncio.sleep(LOOK_S)

    def _end_frozen_workers(self) -> None:
        """One that cannot end itself: its event loop and its watchdog hang together, in foreign code."""
        for worker in self._workers:
            pid = worker.pid
            if pid is not None and worker.silent_s > self._stall_s + LOOK_S:
                log.warning("the %s does not move; it is killed", worker.job.name)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    async def _probe(self) -> None:
        """An engine that is there but frozen cannot see it by itself: it is ended, and started anew."""
        while True:
            await asyncio.sleep(PROBE_S)
            pid = self._engine.pid
            if pid is None or not self._engine.ready or await asyncio.to_thread(self._answers, pid):
                continue
            if self._engine.pid == pid:
                log.warning("the engine does not answer; it is killed")
                os.kill(pid, signal.SIGKILL)


def engine_answers(settings: Settings, pid: int) -> bool:
    """Whether the engine of this node speaks within `FROZEN_S` seconds, or while it computes `SILENT_S`."""
    from models.client import answers  # not needed at the start

    if (address := settings.engine_address) is None:
        return True
    before = _computed(pid)
    if answers(address, FROZEN_S):
        return True
    return _computed(pid) > before and answers(address, SILENT_S - FROZEN_S)


def _computed(pid: int) -> float:
    """Seconds of processor time of a process so far; 0 when there is none."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def engine_job(settings: Settings, node: metrics.Node) -> Job:
    return Job("engine", _command("engine"), _environment(settings, node), signal.SIGKILL)


def worker_jobs(settings: Settings, node: metrics.Node) -> list[Job]:
    """Each a static member of its own: one that died comes back to its partitions, and disturbs no other.

    Without an instance id of the node's, its members have names of this run, and leave at its end.
    """
    jobs = []
    kept = settings.instance_id is not None and settings.keep_place
    name = settings.instance_id or uuid.uuid4().hex
    for number in range(1, settings.workers + 1):
        own = settings.model_copy(update={"instance_id": f"{name}-{number}", "keep_place": kept})
        jobs.append(Job(f"worker {number}", _command("worker"), _environment(own, node)))
    return jobs


def _command(half: str) -> list[str]:
    return [sys.executable, "-m", "streamer", half]


def _environment(settings: Settings, node: metrics.Node) -> dict[str, str]:
    environment = configuration.child_environment(settings)
    environment.setdefault("RAYON_NUM_THREADS", "1")  # a worker is one core: its tokenizer starts no others
    return environment | node.environment


async def _check(settings: Settings) -> None:
    await brokers.check(settings)


@contextmanager
def _state(settings: Settings) -> Iterator[Path]:
    """The folder for sockets, metric files and readiness; a temporary one goes with us."""
    if settings.state_dir is not None:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield settings.state_dir.resolve()
        return
    with TemporaryDirectory(prefix="streamer-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def _own_page(settings: Settings, loaded: threading.Event) -> Iterator[None]:
    """The page of an engine without a node; ready once the engine takes requests."""
    if metrics.counts_into_node():
        yield
        return

    def health() -> Health:
        ready = loaded.is_set()
        return Health(live=True, ready=ready, waiting_for=() if ready else ("engine",))

    page = metrics.serve(settings.metrics_host, settings.metrics_port, health)
    try:
        yield
    finally:
        page.close()
