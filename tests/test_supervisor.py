"""A node keeps its processes alive, and takes them along when it goes. The children here are tiny scripts."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer import children, metrics, settings, supervisor
from streamer.children import Child, Job
from streamer.supervisor import Supervisor

NEEDS = "import os, signal, sys, time; "
SAYS_SO = "open(f'{sys.argv[1]}/ready-{os.getpid()}', 'w').close(); "
READY = NEEDS + SAYS_SO
OBEDIENT = NEEDS + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); " + SAYS_SO + "signal.pause()"
DEAF = (
    NEEDS
    + "signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    + SAYS_SO
    + "[signal.pause() for _ in iter(int, 1)]"
)
STRAY = NEEDS + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); " + SAYS_SO + "signal.pause()"
REFUSING = "raise SystemExit(2)"


def job(name: str, script: str, folder: Path) -> Job:
    return Job(name, [sys.executable, "-I", "-S", "-c", script, str(folder)], dict(os.environ))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return status != "Z"


def node(folder: Path) -> metrics.Node:
    return metrics.Node(folder / "metrics")


def child(script: str, folder: Path, ended: Callable[[int], None] = lambda pid: None) -> Child:
    return Child(job("worker", script, folder), lambda pid: folder / f"ready-{pid}", ended)


async def test_a_process_that_dies_is_started_anew(tmp_path: Path) -> None:
    ended: list[int] = []
    made: list[int] = []

    def path(pid: int) -> Path:
        made.append(pid)
        return tmp_path / f"ready-{pid}"

    own = Child(job("worker", OBEDIENT, tmp_path), path, ended.append)
    keeping = asyncio.create_task(own.keep())
    await until(lambda: own.ready)
    first = own.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: own.ready and own.pid != first)
    assert ended == [first]
    assert made == [first, own.pid]  # the path of a ready file, once a process
    assert not (tmp_path / f"ready-{first}").exists()
    await own.stop(10)
    assert await keeping == 0
    assert own.starts == 2


async def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    own = child(DEAF, tmp_path)
    keeping = asyncio.create_task(own.keep())
    await until(lambda: own.ready)
    await own.stop(0.1)
    assert await keeping == -signal.SIGKILL
    assert own.pid is None


async def test_a_first_start_that_is_refused_is_not_repeated(tmp_path: Path) -> None:
    own = child(REFUSING, tmp_path)
    assert await own.keep() == 2
    assert own.starts == 1


async def test_one_that_served_and_is_refused_later_is_started_until_that_is_mended(tmp_path: Path) -> None:
    """As when its topic was deleted meanwhile."""
    script = NEEDS + "been = os.path.exists(sys.argv[1] + '/been'); been and sys.exit(2); "
    own = child(script + "open(sys.argv[1] + '/been', 'w').close(); " + SAYS_SO + "signal.pause()", tmp_path)
    keeping = asyncio.create_task(own.keep())
    await until(lambda: own.ready)
    assert own.pid
    os.kill(own.pid, signal.SIGKILL)
    await until(lambda: own.starts >= 3)
    assert own.exit_code == 2
    assert not keeping.done()
    await own.stop(5)
    await keeping


async def test_one_that_crashes_at_its_start_is_tried_ever_more_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            await own.stop(1)

    own = child("raise SystemExit(1)", tmp_path)
    monkeypatch.setattr(asyncio, "sleep", noted)
    await own.keep()
    whole = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, whole, strict=True))


async def test_sigterm_drains_the_workers_before_the_engine_goes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = READY + (
        "name = sys.argv[2]\n"
        "def end(*_):\n"
        f"    open({str(log)!r}, 'a').write(name + ' '); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); signal.pause()"
    )
    jobs = [
        Job(n, [sys.executable, "-I", "-S", "-c", script, str(tmp_path), n], dict(os.environ))
        for n in ("engine", "worker", "worker")
    ]
    own = Supervisor(jobs[0], jobs[1:], tmp_path, node(tmp_path))
    running = asyncio.create_task(own.run())
    await until(lambda: own.health().ready)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert log.read_text().split() == ["worker", "worker", "engine"]
    assert not own.health().live


async def test_a_node_says_what_it_waits_for(tmp_path: Path) -> None:
    slow = "import time; time.sleep(60)"
    own = Supervisor(
        job("engine", slow, tmp_path), [job("worker 1", OBEDIENT, tmp_path)], tmp_path, node(tmp_path)
    )
    running = asyncio.create_task(own.run())
    await until(lambda: own.health().waiting_for == ("engine",))
    assert own.health().live
    assert not own.health().ready
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0


async def test_a_worker_that_fails_to_drain_shows_in_the_exit_code(tmp_path: Path) -> None:
    own = Supervisor(
        job("engine", OBEDIENT, tmp_path), [job("worker 1", STRAY, tmp_path)], tmp_path, node(tmp_path)
    )
    running = asyncio.create_task(own.run())
    await until(lambda: own.health().ready)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 1


async def test_a_refused_setting_ends_the_node_and_leaves_nobody(tmp_path: Path) -> None:
    workers = [job("worker 1", OBEDIENT, tmp_path), job("worker 2", REFUSING, tmp_path)]
    own = Supervisor(job("engine", OBEDIENT, tmp_path), workers, tmp_path, node(tmp_path))
    assert await own.run() == 2
    assert own.health().waiting_for == ("engine", "worker 1", "worker 2")


@pytest.mark.skipif(sys.platform != "linux", reason="a parent's death is a Linux signal")
def test_children_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from streamer.children import Child, Job\n"
        f"job = Job('worker', [sys.executable, '-I', '-S', '-c', {OBEDIENT!r}, {str(tmp_path)!r}], {{}})\n"
        f"own = Child(job, lambda pid: Path({str(tmp_path)!r}, f'ready-{{pid}}'), print)\n"
        "asyncio.run(own.keep())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[1])
    try:
        asyncio.run(until(lambda: any(tmp_path.glob("ready-*"))))
        pid = int(next(tmp_path.glob("ready-*")).name.removeprefix("ready-"))
        assert alive(pid)
    finally:
        parent.kill()
        parent.wait()
    asyncio.run(until(lambda: not alive(pid)))


def test_each_worker_of_a_node_is_a_member_of_its_own(tmp_path: Path) -> None:
    chosen = settings.load(workers=2, instance_id="ward-3", cache_secret="a secret")
    jobs = supervisor.worker_jobs(chosen, node(tmp_path))
    ids = [own.environment["STREAMER_INSTANCE_ID"] for own in jobs]
    assert ids == ["ward-3-1", "ward-3-2"]
    assert {own.environment["STREAMER_KEEP_PLACE"] for own in jobs} == {"True"}
    assert jobs[0].environment["STREAMER_CACHE_SECRET"] == "a secret"
    assert "a secret" not in repr(jobs) + " ".join(jobs[0].command)


def test_workers_of_a_node_without_a_name_are_members_of_this_run_alone(tmp_path: Path) -> None:
    runs = [supervisor.worker_jobs(settings.load(workers=2), node(tmp_path)) for _ in range(2)]
    jobs = [own for run in runs for own in run]
    assert len({own.environment["STREAMER_INSTANCE_ID"] for own in jobs}) == 4
    assert {own.environment["STREAMER_KEEP_PLACE"] for own in jobs} == {"False"}


def test_two_halves_are_told_what_they_lack() -> None:
    with pytest.raises(Exception, match="STREAMER_ENGINE_ADDRESS") as raised:
        supervisor.run_engine(settings.load())
    assert "\n" not in str(raised.value)


async def test_an_engine_that_is_there_but_silent_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PROBE_S", 0.01)
    silent = [True]
    own = Supervisor(
        job("engine", OBEDIENT, tmp_path), [], tmp_path, node(tmp_path), lambda pid: not silent[0]
    )
    running = asyncio.create_task(own.run())
    await until(lambda: own._engine.starts >= 2)
    silent[0] = False
    await until(lambda: own._engine.ready)
    own._stop.set()
    assert await running == 0


@pytest.mark.parametrize(
    ("script", "asked_for"),
    [("import signal; signal.pause()", [5.0]), ("while True: pass", [5.0, 15.0])],
    ids=["frozen", "busy"],
)
def test_a_silent_engine_has_longer_while_it_computes(
    script: str, asked_for: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    engine = subprocess.Popen([sys.executable, "-I", "-S", "-c", "print(flush=True)\n" + script], stdout=-1)
    assert engine.stdout is not None
    engine.stdout.read(1)
    began = supervisor._computed(engine.pid)

    def answers(address: str, seconds: float) -> bool:
        asked.append(seconds)
        while "while" in script and len(asked) == 1 and supervisor._computed(engine.pid) <= began + 0.1:
            pass
        return False

    monkeypatch.setattr("models.client.answers", answers)
    chosen = settings.load(engine_address="ipc:///nowhere")
    try:
        assert not supervisor.engine_answers(chosen, engine.pid)
    finally:
        engine.kill()
        engine.communicate()
    assert asked == asked_for


async def test_a_worker_that_does_not_move_is_not_ready_and_then_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that cannot end itself: it holds the interpreter, so its watchdog hangs too."""
    monkeypatch.setattr(children, "FROZEN_S", 0.2)
    worker = job("worker 1", OBEDIENT, tmp_path)  # says once that it is ready, and never again
    own = Supervisor(job("engine", OBEDIENT, tmp_path), [worker], tmp_path, node(tmp_path), stall_s=1.0)
    running = asyncio.create_task(own.run())
    await until(lambda: own.health().ready)
    await until(lambda: own.health().waiting_for == ("worker 1",))
    await until(lambda: own._workers[0].starts >= 2)
    assert own._workers[0].exit_code == -signal.SIGKILL
    assert own._engine.starts == 1
    own._stop.set()
    await running


async def test_a_worker_that_moves_is_let_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = child(OBEDIENT, tmp_path)
    own._touches = True
    keeping = asyncio.create_task(own.keep())
    await until(lambda: own.ready)
    await until(lambda: own.silent_s > 0.05)
    os.utime(tmp_path / f"ready-{own.pid}")
    assert own.silent_s < 0.05
    await own.stop(10)
    await keeping
