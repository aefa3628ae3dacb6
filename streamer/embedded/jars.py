"""The jars of Apache Kafka: fetched once with jgo, held to the committed lock by size and SHA-256.

`kafka.lock.json` names every jar. What is in the user's cache folder and matches the lock is used without
a look at the network; what is missing is fetched; what differs is refused.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import msgspec

from models import kept
from streamer.errors import WorldError

Progress = Callable[[str, int, int], None]
"""Called with a jar's file name, the bytes fetched so far and the bytes to fetch in all."""

LOCK_FILE = Path(__file__).with_name("kafka.lock.json")
FETCHES = 6  # at a time: most jars are small, and a round trip each is what takes the time


class Jar(msgspec.Struct, frozen=True):
    """One file of the class path; `artifact` is group:artifact:version[:classifier]."""

    artifact: str
    file: str
    size: int
    sha256: str


class JarLock(msgspec.Struct, frozen=True):
    """The whole class path; `endpoint` is what jgo resolved to make it."""

    endpoint: str
    jars: tuple[Jar, ...]


def read_lock(path: Path = LOCK_FILE) -> JarLock:
    return msgspec.json.decode(path.read_bytes(), type=JarLock)


def cache_folder() -> Path:
    """Where jars are kept for this user: `$XDG_CACHE_HOME/streamer/kafka`, else below `~/.cache`."""
    return kept.base() / "kafka"


def class_path(
    lock: JarLock | None = None, folder: Path | None = None, progress: Progress | None = None
) -> list[Path]:
    """Every jar of the lock as a verified local file, in the lock's order.

    Raises WorldError, in one line, when a jar cannot be had or is not the one that the lock names.
    """
    lock = lock or read_lock()
    folder = folder or cache_folder()
    try:
        with _one_at_a_time(folder):
            missing = [jar for jar in lock.jars if not (folder / jar.file).exists()]
            _fetch(missing, folder, progress or _silent)
            for jar in lock.jars:
                if jar not in missing:
                    _verify(jar, folder / jar.file, remedy=f"delete {folder / jar.file} and try again")
    except OSError as error:
        raise WorldError(
            f"the cache folder of Kafka's jars cannot be used: {folder} ({error.strerror}); "
            "make it writable or point XDG_CACHE_HOME elsewhere"
        ) from None
    return [folder / jar.file for jar in lock.jars]


def _silent(file: str, done: int, total: int) -> None:
    return


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(jars: list[Jar], folder: Path, progress: Progress) -> None:
    """Each jar goes to a folder of its own first: only what is whole and verified is seen in `folder`."""
    if not jars:
        return
    for stale in folder.glob(".incoming-*"):  # of a process that was killed: we hold the lock
        shutil.rmtree(stale, ignore_errors=True)
    total, lock, done = sum(jar.size for jar in jars), Lock(), 0

    def count(file: str, read: int) -> None:
        nonlocal done
        with lock:
            done += read
            progress(file, done, total)

    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".incoming-") as incoming,
        ThreadPoolExecutor(FETCHES) as pool,
    ):
        tasks = [pool.submit(_fetch_one, jar, Path(incoming), folder, count) for jar in jars]
        try:
            for task in tasks:
                task.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch_one(jar: Jar, incoming: Path, folder: Path, count: Callable[[str, int], None]) -> None:
    fetched = _download(jar, incoming, count)
    _verify(jar, fetched, remedy="nothing was kept; try again on a network that you trust")
    shutil.move(fetched, folder / jar.file)


def _download(jar: Jar, incoming: Path, count: Callable[[str, int], None]) -> Path:
    import requests  # jgo brings it; both are slow to import and needed only on a cold start
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def watch(file: str, size: int) -> Iterator[Callable[[int], None]]:
        yield lambda read: count(file, read)

    group, artifact, version, *classifier = jar.artifact.split(":")
    context = MavenContext(PythonResolver(progress_callback=watch), repo_cache=incoming, timeout=30)
    component = context.project(group, artifact).at_version(version)
    try:
        return Path(component.artifact(*classifier).resolve())
    except (requests.RequestException, RuntimeError) as error:
        raise WorldError(
            f"Kafka's {jar.file} could not be fetched from Maven Central ({type(error).__name__}): "
            f"check the network or its proxy, then try again; what was fetched so far is kept"
        ) from None


def _verify(jar: Jar, path: Path, remedy: str) -> None:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != jar.sha256:
        raise WorldError(
            f"{jar.file} is not the jar that {LOCK_FILE.name} names: expected sha256 {jar.sha256} "
            f"({jar.size} bytes), actual {actual} ({path.stat().st_size} bytes); {remedy}"
        )
