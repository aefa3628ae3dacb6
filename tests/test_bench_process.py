"""A peer in its own process: it does as it is told, and however it fails, that is one line."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.bench.process import PeerFailed, PeerProcess

FAKE = """
import os, signal, sys, time

class Fake:
    def missing(self, cache): return None
    def start(self, work):
        print("noise on standard output")
        self.work = work
    def read(self, first, count):
        return float(sum(item.tokens for item in self.work.some(first, count)))
    def options(self): return self.work.options
    def fail(self): raise ValueError("one line\\nanother line")
    def die(self): os.kill(os.getpid(), signal.SIGILL)
    def hang(self): time.sleep(600)
    def pid(self): return os.getpid()
    def sees_us(self):
        import importlib.util
        return importlib.util.find_spec("models") is not None
    def idle(self): return os.environ["OMP_WAIT_POLICY"]
    def stop(self): open(self.work.cache, "w").write("stopped")

PEER = Fake
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    peer, work = tmp_path / "fake.py", tmp_path / "work.json"
    peer.write_text(FAKE)
    items = [{"text": "a b", "tokens": 4}, {"text": "c", "tokens": 3}]
    shared = {
        "checkpoint": "",
        "huggingface": "",
        "cache": str(tmp_path / "end"),
        "device": "cpu",
        "cores": 2,
    }
    work.write_text(json.dumps({**shared, "items": items}))
    return peer, work


@pytest.fixture
def process(files: tuple[Path, Path]) -> Iterator[PeerProcess]:
    with PeerProcess(*files, {"batch": 8}) as process:
        process.call("start", 20)
        yield process


def test_a_peer_answers_calls(process: PeerProcess, tmp_path: Path) -> None:
    assert process.call("read", 5, first=1, count=3) == 3 + 4 + 3
    assert process.call("options", 5) == {"batch": 8}
    assert process.call("sees_us", 5)
    assert process.call("idle", 5) == "passive"
    process.stop()
    process.stop()
    assert (tmp_path / "end").read_text() == "stopped"


def test_what_a_peer_raises_is_one_line_and_it_lives_on(process: PeerProcess) -> None:
    with pytest.raises(PeerFailed, match=r"^ValueError: one line$"):
        process.call("fail", 5)
    assert process.call("read", 5, first=0, count=1) == 4


def test_a_peer_that_dies_says_of_which_signal(process: PeerProcess) -> None:
    with pytest.raises(PeerFailed, match="SIGILL"):
        process.call("die", 5)
    with pytest.raises(PeerFailed, match="ended"):
        process.call("read", 5, first=0, count=1)


def test_a_peer_that_hangs_is_gone_after_its_time(process: PeerProcess) -> None:
    pid = process.call("pid", 5)
    with pytest.raises(PeerFailed, match="hang took too long"):
        process.call("hang", 0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def test_a_foreign_environment_does_not_see_our_packages(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    python = files[0].with_name("python")
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # as one that has nothing of ours
    python.chmod(0o755)
    with PeerProcess(*files, {}, python=str(python)) as process:
        process.call("start", 20)
        assert process.call("read", 5, first=0, count=1) == 4
        assert not process.call("sees_us", 5)
