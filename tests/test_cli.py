"""The command line: the commands scripts depend on, and how it says what went wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.cli import app

COMMANDS = [
    "demo", "stack", "run", "engine", "worker", "annotate", "send", "tail", "topics", "train", "evaluate",
    "accept", "config", "pretrain", "search", "merge", "dlq", "doctor", "chaos",
]  # fmt: skip


def streamer(*args: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    clean = {name: value for name, value in os.environ.items() if not name.startswith("STREAMER_")}
    root = str(Path(__file__).parent.parent)
    return subprocess.run(
        [sys.executable, "-m", "streamer", *args],
        env=clean | {"PYTHONPATH": root} | environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_contract_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_a_misspelt_setting_is_one_line_and_exit_2(tmp_path: Path) -> None:
    result = streamer("config", cwd=tmp_path, STREAMER_WORKRS="2")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "did you mean STREAMER_WORKERS" in result.stderr


def test_an_unknown_command_is_exit_2(tmp_path: Path) -> None:
    assert streamer("anotate", cwd=tmp_path).returncode == 2


def test_config_masks_secrets(tmp_path: Path) -> None:
    result = streamer("config", cwd=tmp_path, STREAMER_SASL_PASSWORD="hunter2", STREAMER_WORKERS="3")
    assert result.returncode == 0
    assert "hunter2" not in result.stdout
    assert "STREAMER_WORKERS" in result.stdout


def test_a_missing_checkpoint_is_one_line_and_exit_2(tmp_path: Path) -> None:
    result = streamer("annotate", "--checkpoint", str(tmp_path / "none"), cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


def test_a_file_that_is_not_there_is_one_line_and_exit_2(tmp_path: Path) -> None:
    result = streamer("annotate", "missing.jsonl", cwd=tmp_path)
    assert result.returncode == 2
    assert "missing.jsonl" in result.stderr


@pytest.mark.parametrize("command", [("run",), ("engine",), ("annotate",)])
def test_int8_that_nobody_accepted_is_one_line_and_exit_2(command: tuple[str, ...], tmp_path: Path) -> None:
    from tests.checkpoints import streamer_folder

    environment = {
        "STREAMER_CHECKPOINT": str(streamer_folder(tmp_path / "tiny")),
        "STREAMER_ENGINE_ADDRESS": f"ipc://{tmp_path}/e.sock",
        "XDG_CACHE_HOME": str(tmp_path),
    }
    result = streamer(*command, "--precision", "int8", cwd=tmp_path, **environment)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "streamer accept --sample" in result.stderr


def test_an_unknown_precision_is_one_line_and_exit_2(tmp_path: Path) -> None:
    result = streamer("annotate", "--precision", "int4", cwd=tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "STREAMER_PRECISION" in result.stderr


def test_annotate_without_arguments_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamer import annotating

    files: list[object] = []

    def run(given: object, settings: object, show_text: bool) -> int:
        files.append(given)
        return 0

    monkeypatch.setattr(annotating, "run", run)
    assert CliRunner().invoke(app, ["annotate"]).exit_code == 0
    assert files == [[]]
