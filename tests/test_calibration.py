"""Which precision a start chooses. The child that measures is a script here; once it is the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models import calibration, kept
from models.acceptance import record, save
from models.calibration import ISA, Measured, choose
from models.checkpoint import Checkpoint
from models.errors import CheckpointError
from models.precision import Precision
from tests.checkpoints import tiny

PROBE = """
import json, os, signal, sys
says = lambda **what: print(json.dumps(what), flush=True)
isa = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
folder, device, *names = sys.argv[1:]
open(CALLS, "a").write(f"{isa}:{','.join(names)}\\n")
speeds = {}
for name in names:
    says(tries=name)
    if name in DEADLY and isa in DEADLY[name]:
        os.kill(os.getpid(), DEADLY[name][isa])
    if name in FAILING:
        says(fails=name, why=FAILING[name])
    else:
        speeds[name] = SPEEDS[name]
says(device="cpu", readers=2, speeds=speeds)
"""
SPEEDS: dict[Precision, float] = {"fp32": 1200.0, "bf16": 1900.0, "int8": 3100.0}
ILL, KILL = 4, 9
EVERYWHERE = dict.fromkeys(calibration.LADDER, ILL)


class Machine:
    """A device as the child would find it; `calls` are the children that there were."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch
        self.is_like()

    def is_like(
        self,
        speeds: dict[Precision, float] = SPEEDS,
        deadly: dict[str, dict[str, int]] | None = None,
        failing: dict[str, str] | None = None,
    ) -> None:
        calls = self._folder / "calls"
        given = {"CALLS": str(calls), "SPEEDS": speeds, "DEADLY": deadly or {}, "FAILING": failing or {}}
        code = "".join(f"{name} = {value!r}\n" for name, value in given.items()) + PROBE
        self._monkeypatch.setattr(calibration, "COMMAND", (sys.executable, "-I", "-S", "-c", code))

    @property
    def calls(self) -> list[str]:
        file = self._folder / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(ISA, raising=False)
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return tiny(tmp_path / "tiny")


def accept(checkpoint: Checkpoint, loss: float) -> None:
    save(checkpoint, record(checkpoint, "int8", loss, "gold", notes=10, entities=100))


def test_auto_takes_the_fastest_of_those_that_need_no_acceptance(
    machine: Machine, checkpoint: Checkpoint
) -> None:
    chosen = choose(checkpoint, "cpu")
    assert chosen.precision == "bf16"
    assert chosen.said == "reads in bf16 on cpu, 2 readers: 1.9 k tokens/s against fp32 1.2 k"
    assert machine.calls == [":fp32,bf16"]


def test_auto_takes_int8_where_it_is_accepted_and_fastest(machine: Machine, checkpoint: Checkpoint) -> None:
    accept(checkpoint, 0.07)
    assert choose(checkpoint, "cpu").precision == "int8"
    accept(checkpoint, 0.11)
    assert choose(checkpoint, "cpu").precision == "bf16"
    assert choose(checkpoint, "cpu", limit=0.2).precision == "int8"


@pytest.mark.parametrize(("bf16", "chosen"), [(1259.0, "fp32"), (1261.0, "bf16"), (900.0, "fp32")])
def test_what_is_as_fast_but_less_exact_is_not_chosen(
    machine: Machine, checkpoint: Checkpoint, bf16: float, chosen: str
) -> None:
    machine.is_like({"fp32": 1200.0, "bf16": bf16})
    assert choose(checkpoint, "cpu").precision == chosen


def test_a_restart_chooses_the_same_without_measuring(machine: Machine, checkpoint: Checkpoint) -> None:
    first = choose(checkpoint, "cpu")
    machine.is_like({"fp32": 9000.0, "bf16": 1.0})
    assert choose(checkpoint, "cpu") == first
    assert len(machine.calls) == 1


def test_another_checkpoint_or_a_damaged_file_is_measured_anew(
    machine: Machine, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    choose(checkpoint, "cpu")
    choose(tiny(tmp_path / "other", seed=1), "cpu")
    assert len(machine.calls) == 2
    folder = kept.folder("calibration")
    assert folder is not None
    for file in folder.iterdir():
        file.write_text("{")
    choose(checkpoint, "cpu")
    assert len(machine.calls) == 3


def test_instructions_that_kill_are_done_without_before_torch_is_there(
    machine: Machine, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual machine that advertises AMX and lacks it."""
    machine.is_like(deadly={"bf16": {"": ILL}})
    chosen = choose(checkpoint, "cpu")
    assert machine.calls == [":fp32,bf16", "AVX512_CORE_BF16:fp32,bf16"]
    assert chosen.environment == {ISA: "AVX512_CORE_BF16"}
    assert "oneDNN is held to AVX512_CORE_BF16" in chosen.said
    assert choose(checkpoint, "cpu") == chosen  # a restart knows it still
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert chosen.prepare() == "bf16"
    assert os.environ[ISA] == "AVX512_CORE_BF16"


def test_what_dies_everywhere_is_left_out_with_its_reason(machine: Machine, checkpoint: Checkpoint) -> None:
    machine.is_like(deadly={"bf16": EVERYWHERE})
    chosen = choose(checkpoint, "cpu")
    assert (chosen.precision, chosen.environment) == ("fp32", {})
    assert chosen.said.endswith("; bf16 left out: it dies of SIGILL")
    assert machine.calls[-1] == ":fp32"
    assert len(machine.calls) == len(calibration.LADDER) + 1


def test_one_that_is_killed_from_outside_is_not_tried_with_fewer_instructions(
    machine: Machine, checkpoint: Checkpoint
) -> None:
    machine.is_like(deadly={"bf16": {"": KILL}})
    assert choose(checkpoint, "cpu").said.endswith("; bf16 left out: it dies of SIGKILL")
    assert machine.calls == [":fp32,bf16", ":fp32"]


def test_a_child_that_hangs_is_given_up(
    machine: Machine, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.is_like(deadly={"bf16": {"": 19}})  # SIGSTOP
    monkeypatch.setattr(calibration, "PATIENCE_S", 1.0)
    assert choose(checkpoint, "cpu").said.endswith("; bf16 left out: it hangs")


def test_one_that_fails_is_left_out_with_its_reason(machine: Machine, checkpoint: Checkpoint) -> None:
    machine.is_like(failing={"bf16": "answers model-non-finite"})
    chosen = choose(checkpoint, "cpu")
    assert chosen.said.endswith("; bf16 left out: answers model-non-finite")
    assert chosen.precision == "fp32"


def test_fp32_is_not_measured_when_it_is_asked_for(machine: Machine, checkpoint: Checkpoint) -> None:
    assert choose(checkpoint, "cpu", "fp32").precision == "fp32"
    assert machine.calls == []


def test_one_that_is_asked_for_is_tried_alone_and_taken_whatever_its_speed(
    machine: Machine, checkpoint: Checkpoint
) -> None:
    machine.is_like({"bf16": 1.0}, deadly={"bf16": {"": ILL}})
    chosen = choose(checkpoint, "cpu", "bf16")
    assert (chosen.precision, chosen.environment) == ("bf16", {ISA: "AVX512_CORE_BF16"})
    assert {call.partition(":")[2] for call in machine.calls} == {"bf16"}


def refusal(*arguments: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        choose(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_that_cannot_run_here_is_refused_when_it_is_asked_for(
    machine: Machine, checkpoint: Checkpoint
) -> None:
    machine.is_like(deadly={"bf16": EVERYWHERE})
    assert "bf16 cannot run on this device: it dies of SIGILL" in refusal(checkpoint, "cpu", "bf16")


def test_int8_is_refused_unless_it_is_accepted(machine: Machine, checkpoint: Checkpoint) -> None:
    assert "streamer accept --sample" in refusal(checkpoint, "cpu", "int8")
    accept(checkpoint, 0.3)
    assert "--accept-loss 0.3" in refusal(checkpoint, "cpu", "int8")
    assert choose(checkpoint, "cpu", "int8", 0.3).precision == "int8"
    accept(checkpoint, -0.2)
    assert choose(checkpoint, "cpu", "int8").precision == "int8"


def test_where_nothing_can_be_kept_a_start_measures_again(
    machine: Machine, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert choose(checkpoint, "cpu").precision == choose(checkpoint, "cpu").precision == "bf16"
    assert len(machine.calls) == 2


def test_the_real_child_measures_what_the_engine_does(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    measured: Measured = calibration._measure(checkpoint, "cpu", ["fp32"])
    assert measured.speeds["fp32"] > 0
    assert (measured.left_out, measured.isa, measured.device) == ({}, "", "cpu")
    assert measured.readers >= 1


def test_a_checkpoint_that_the_real_child_cannot_load_leaves_its_error_to_the_engine(
    checkpoint: Checkpoint, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    checkpoint.weights[0].write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(checkpoint.folder / "cache"))
    chosen = choose(checkpoint, "cpu")
    assert chosen.precision == "fp32"
    assert "left out" in chosen.said


@pytest.mark.parametrize(
    "module", ["models.server", "models.calibration", "streamer.annotating", "streamer.accepting"]
)
def test_whoever_chooses_has_not_imported_torch_yet(module: str) -> None:
    """oneDNN reads what it may use only once."""
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
