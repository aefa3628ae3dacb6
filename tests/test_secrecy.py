"""A process that breaks leaves nothing of a note: no core dump, no message, no local variable."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.secrecy import NO_DUMP

CANARY = "Jane-Roe-1931"
KEEP = "from streamer import secrecy; secrecy.keep(); "


def run(code: str, folder: Path, core: tuple[int, int] | None = None) -> tuple[int, str]:
    """The wait status and standard error of a Python that runs `code` in `folder`."""

    def limit() -> None:
        if core is not None:
            resource.setrlimit(resource.RLIMIT_CORE, core)

    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stderr=subprocess.PIPE, text=True, preexec_fn=limit
    )
    assert process.stderr
    said = process.stderr.read()
    process.stderr.close()
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return status, said


def test_a_process_that_crashes_leaves_no_core_dump(tmp_path: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    status, _ = run(f"{KEEP}secret = '{CANARY}'; import os; os.abort()", tmp_path, (hard, hard))
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not os.WCOREDUMP(status)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("before", "after"), [((resource.RLIM_INFINITY,) * 2, NO_DUMP), ((0, 0), None)])
def test_what_it_starts_leaves_none_either(
    before: tuple[int, int], after: int | None, tmp_path: Path
) -> None:
    if resource.getrlimit(resource.RLIMIT_CORE)[1] not in (resource.RLIM_INFINITY, 0):
        pytest.skip("this machine's own limit is another one")
    show = "import resource, sys; sys.stderr.write(str(resource.getrlimit(resource.RLIMIT_CORE)))"
    start = f"{KEEP}import subprocess, sys; subprocess.run([sys.executable, '-c', {show!r}])"
    _, said = run(start, tmp_path, before)
    # Root may raise a limit of 0 again; others may not, and 0 stays.
    assert said in ([f"({after}, {after})"] if after else ["(0, 0)", f"({NO_DUMP}, {NO_DUMP})"])


@pytest.mark.parametrize("thread", [False, True])
def test_an_unforeseen_error_is_told_without_its_message(thread: bool, tmp_path: Path) -> None:
    fail = f"def fail():\n    name = '{CANARY}'\n    raise ValueError(name)\n"
    call = "import threading; t = threading.Thread(target=fail); t.start(); t.join()" if thread else "fail()"
    (tmp_path / "code.py").write_text(f"{KEEP}\n{fail}{call}\n")
    status, said = run("import runpy; runpy.run_path('code.py')", tmp_path)
    assert os.waitstatus_to_exitcode(status) == (0 if thread else 1)
    assert CANARY not in said
    assert "code.py:4 in fail" in said
    assert "this is a bug: ValueError" in said


def test_a_thread_whose_event_loop_is_stopped_ends_without_a_word(tmp_path: Path) -> None:
    code = (
        "import asyncio, threading\n"
        "async def told(): asyncio.current_task().cancel(); await asyncio.sleep(1)\n"
        "t = threading.Thread(target=lambda: asyncio.run(told())); t.start(); t.join()\n"
    )
    (tmp_path / "code.py").write_text(f"{KEEP}\n{code}")
    status, said = run("import runpy; runpy.run_path('code.py')", tmp_path)
    assert (status, said) == (0, "")


def test_nor_is_that_of_a_command(tmp_path: Path) -> None:
    """Typer has a hook of its own for errors."""
    (tmp_path / "code.py").write_text(
        "import sys\nfrom streamer import cli\n"
        f"@cli.app.command('break')\ndef broken() -> None:\n    raise ValueError('{CANARY}')\n"
        "sys.argv = ['streamer', 'break']\ncli.main()\n"
    )
    status, said = run("import runpy; runpy.run_path('code.py')", tmp_path)
    assert os.waitstatus_to_exitcode(status) == 1
    assert CANARY not in said
    assert said.splitlines()[-2].endswith("code.py:5 in broken")
