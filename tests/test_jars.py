"""The lock over Kafka's jars, without a network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamer.embedded import jars
from streamer.embedded.jars import Jar, JarLock
from streamer.embedded.progress import shown_download
from streamer.errors import WorldError

CONTENTS = {f"jar-{number}.jar": bytes([number]) * 1000 for number in range(8)}


def lock_of(contents: dict[str, bytes]) -> JarLock:
    return JarLock(
        "g:a:1",
        tuple(
            Jar(f"g:{file.removesuffix('.jar')}:1", file, len(data), hashlib.sha256(data).hexdigest())
            for file, data in contents.items()
        ),
    )


LOCK = lock_of(CONTENTS)


def give(jar: Jar, incoming: Path, count: Callable[[str, int], None]) -> Path:
    path = incoming / jar.file
    path.write_bytes(CONTENTS[jar.file])
    count(jar.file, 400)
    count(jar.file, 600)
    return path


def refuse(jar: Jar, incoming: Path, count: Callable[[str, int], None]) -> Path:
    raise AssertionError("nothing may be fetched")


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(jars, "_download", give)
    jars.class_path(LOCK, tmp_path)
    monkeypatch.setattr(jars, "_download", refuse)
    return tmp_path


def test_the_committed_lock_is_whole() -> None:
    lock = jars.read_lock()
    assert any(jar.artifact == "org.apache.kafka:kafka_2.13:4.1.1" for jar in lock.jars)
    assert len({jar.file for jar in lock.jars}) == len(lock.jars) == 46
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in lock.jars)


def test_what_is_missing_is_fetched_with_progress_and_nothing_else_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "_download", give)
    (tmp_path / ".incoming-of-one-that-was-killed").mkdir()
    heard: list[tuple[int, int]] = []
    paths = jars.class_path(LOCK, tmp_path, lambda file, done, total: heard.append((done, total)))
    assert [path.name for path in paths] == list(CONTENTS)
    assert all(path.read_bytes() == CONTENTS[path.name] for path in paths)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([".lock", *CONTENTS])
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert heard[-1] == (8000, 8000)


def test_what_matches_the_lock_is_used_without_the_network(filled: Path) -> None:
    heard: list[str] = []
    jars.class_path(LOCK, filled, lambda file, done, total: heard.append(file))
    assert heard == []


def test_only_what_is_missing_is_fetched(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (filled / "jar-3.jar").unlink()
    fetched: list[str] = []

    def count(jar: Jar, incoming: Path, heard: Callable[[str, int], None]) -> Path:
        fetched.append(jar.file)
        return give(jar, incoming, heard)

    monkeypatch.setattr(jars, "_download", count)
    jars.class_path(LOCK, filled)
    assert fetched == ["jar-3.jar"]


@pytest.mark.parametrize("data", [b"", CONTENTS["jar-5.jar"][:-1], b"\x04" + CONTENTS["jar-5.jar"][1:]])
def test_a_jar_that_changed_is_refused_with_what_was_expected_and_what_is(filled: Path, data: bytes) -> None:
    (filled / "jar-5.jar").write_bytes(data)
    with pytest.raises(WorldError) as raised:
        jars.class_path(LOCK, filled)
    said = str(raised.value)
    assert LOCK.jars[5].sha256 in said
    assert hashlib.sha256(data).hexdigest() in said
    assert str(filled / "jar-5.jar") in said
    assert "\n" not in said


def test_a_fetched_jar_that_is_another_is_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "_download", give)
    other = lock_of(CONTENTS | {"jar-2.jar": b"what the lock names"})
    with pytest.raises(WorldError, match=r"jar-2\.jar is not the jar that kafka.lock.json names"):
        jars.class_path(other, tmp_path)
    assert not (tmp_path / "jar-2.jar").exists()
    assert not list(tmp_path.glob(".incoming-*"))


def test_no_network_is_one_line_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jgo.maven._resolver as resolver
    import requests

    def unreachable(url: str, **options: object) -> None:
        raise requests.ConnectionError(f"cannot reach {url}")

    monkeypatch.setattr(resolver.http, "get", unreachable)
    with pytest.raises(
        WorldError, match=r"could not be fetched from Maven Central.*check the network"
    ) as raised:
        jars.class_path(LOCK, tmp_path)
    assert "\n" not in str(raised.value)


def test_a_cache_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorldError, match="XDG_CACHE_HOME"):
        jars.class_path(LOCK, tmp_path / "file" / "kafka")


def test_the_cache_folder_follows_the_users_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert jars.cache_folder() == Path("/elsewhere/streamer/kafka")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert jars.cache_folder() == Path.home() / ".cache/streamer/kafka"


def test_of_many_that_start_at_once_one_fetches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    def count(jar: Jar, incoming: Path, heard: Callable[[str, int], None]) -> Path:
        fetched.append(jar.file)
        return give(jar, incoming, heard)

    monkeypatch.setattr(jars, "_download", count)
    with ThreadPoolExecutor(8) as pool:  # the lock is on an open file, of a process or a thread alike
        found = list(pool.map(lambda _: jars.class_path(LOCK, tmp_path), range(8)))
    assert sorted(fetched) == sorted(CONTENTS)
    assert all(paths == found[0] for paths in found)


def test_a_download_is_told_in_few_lines() -> None:
    said: list[str] = []
    with shown_download(said.append) as progress:
        for done in range(0, 44_000_001, 100_000):
            progress("some.jar", done, 44_000_000)
    assert said == [
        "Fetching Apache Kafka (once): 0 of 44 MB",
        "Fetching Apache Kafka (once): 44 of 44 MB",
    ]


def test_without_a_terminal_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_download() as progress:
        progress("some.jar", 1, 1_000_000)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "Fetching Apache Kafka (once): 0 of 1 MB\n"
