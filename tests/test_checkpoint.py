import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.checkpoint import DEFAULT, open_checkpoint
from models.manifest import READING_CODE, sha256_of
from models.precision import PRECISIONS
from tests.checkpoints import refusal, streamer_folder


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return streamer_folder(tmp_path_factory.mktemp("ours"))


def test_our_layout_opens_with_all_it_says(ours: Path) -> None:
    checkpoint = open_checkpoint(ours)

    assert (checkpoint.name, checkpoint.version, checkpoint.layout) == ("tiny", "1", "streamer")
    assert checkpoint.encoder.hidden_size == 64
    assert checkpoint.layers == (("entities", ("PROBLEM", "DRUG")),)
    assert checkpoint.window == 34
    assert len(checkpoint.fingerprint) == 16
    assert checkpoint.fingerprint == open_checkpoint(ours).fingerprint


def test_the_fingerprint_changes_with_the_weights_and_with_the_reading_code(
    tmp_path: Path, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_checkpoint(ours).fingerprint
    assert open_checkpoint(streamer_folder(tmp_path / "other", seed=1)).fingerprint != first
    monkeypatch.setattr("models.manifest.READING_CODE", ("windows.py",))
    assert open_checkpoint(ours).fingerprint != first


def test_every_file_that_can_change_an_answer_is_part_of_the_fingerprint() -> None:
    """A new file in models/ must be put on one side or the other."""
    folder = DEFAULT.parent.parent
    does_not_matter = {
        "__init__.py",
        "acceptance.py",
        "annotator.py",
        "calibration.py",
        "client.py",
        "credit.py",
        "errors.py",
        "kept.py",
        "lanes.py",
        "link.py",
        "observer.py",
        "precision.py",
        "probe.py",
        "server.py",
    }
    matters = {path for pattern in READING_CODE for path in folder.glob(pattern)}
    every = {path for path in folder.iterdir() if path.is_file()} | set((folder / "heads").glob("*.py"))
    assert {path.name for path in every - matters} == does_not_matter
    assert all(any(folder.glob(pattern)) for pattern in READING_CODE)


def test_every_module_that_reading_imports_is_part_of_the_fingerprint() -> None:
    """From what reads, through all that it imports, wherever in models/ it lies."""
    package = DEFAULT.parent.parent
    matters = {path for pattern in READING_CODE for path in package.glob(pattern)}
    does_not_matter = {package / name for name in ("errors.py", "lanes.py", "observer.py", "precision.py")}
    seen: set[Path] = set()
    waiting = [package / f"{name}.py" for name in ("engine", "forward", "reader", "assemble", "passages")]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += imported(path, package)
    assert {str(path.relative_to(package)) for path in seen - matters - does_not_matter} == set()
    assert any(path.parent.name == "heads" for path in seen)


def imported(path: Path, package: Path) -> list[Path]:
    """Files of our package that a file imports, wherever in it, and those it names to import later."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    found = []
    for name in names:
        first, *rest = name.split(".")
        at = package.joinpath(*rest)
        if first == "models" and rest:
            found += [file for file in (at.with_suffix(".py"), at / "__init__.py") if file.is_file()]
    return found


def test_each_precision_has_a_fingerprint_of_its_own_and_fp32_the_plain_one(ours: Path) -> None:
    checkpoint = open_checkpoint(ours)
    own = {precision: checkpoint.in_precision(precision) for precision in PRECISIONS}
    assert own["fp32"].pipeline == checkpoint.pipeline
    assert len({each.pipeline.fingerprint for each in own.values()}) == len(PRECISIONS)
    assert all(len(each.fingerprint) == 16 for each in own.values())
    assert own["int8"].pipeline == open_checkpoint(ours).in_precision("int8").pipeline


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_flipped_bit_anywhere_is_refused_with_both_hashes(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "flipped"
    if not folder.exists():
        streamer_folder(folder)
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    sound = path.read_bytes()
    at = data.draw(st.integers(0, len(sound) - 1))
    damaged = bytearray(sound)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    try:
        if path.name == "manifest.json":
            try:
                same = json.loads(damaged) == json.loads(sound)  # white space
            except ValueError:
                same = False
            if not same:
                refusal(folder)
        else:
            message = refusal(folder)
            assert json.loads((folder / "manifest.json").read_bytes())["files"][path.name] in message
            assert sha256_of(path) in message
    finally:
        path.write_bytes(sound)


def test_a_truncated_or_missing_file_is_refused_with_the_expected_hash(tmp_path: Path) -> None:
    folder = streamer_folder(tmp_path)
    weights = folder / "weights.safetensors"
    expected = sha256_of(weights)
    weights.write_bytes(weights.read_bytes()[:-100])
    message = refusal(folder)
    assert expected in message
    assert sha256_of(weights) in message
    weights.unlink()
    assert f"weights.safetensors is missing (expected SHA-256 {expected})" in refusal(folder)


def test_a_changed_manifest_is_refused(tmp_path: Path) -> None:
    path = streamer_folder(tmp_path) / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"window": 33}))
    assert "damaged: SHA-256 expected" in refusal(tmp_path)
    path.write_text(json.dumps({"format": "streamer-checkpoint"}))
    assert "manifest.json" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"heads": [{}]}, "name"),
        ({"heads": [{"name": "a", "kind": "entities"}]}, "kind entities does not say its categories"),
        (
            {"heads": [{"name": "a", "kind": "entities", "categories": ["B"], "alike": [["B", "C"]]}]},
            "alike names C",
        ),
        ({"heads": [{"name": "a", "kind": "text_classes", "labels": [1], "independent": True}]}, "labels"),
        ({"window": 2, "overlap": 0}, "window and overlap"),
        ({"overlap": 32}, "window and overlap"),
        ({"name": "two\nlines"}, "name"),
        ({"files": {"../elsewhere": "0" * 64}}, "files"),
        ({"files": {"a" * 300: "0" * 64}}, "files"),
    ],
)
def test_a_manifest_that_says_what_cannot_be_is_refused(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = streamer_folder(tmp_path) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert said in refusal(tmp_path)


@pytest.mark.parametrize("name", ["manifest.json", "config.json"])
def test_json_nested_without_end_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b'{"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert name in refusal(tmp_path)


def test_a_newer_format_asks_for_an_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.manifest.FORMAT_VERSION", 2)
    streamer_folder(tmp_path / "new")
    monkeypatch.undo()
    assert "newer than this program" in refusal(tmp_path / "new")
    (tmp_path / "new" / "manifest.json").write_text('{"formatVersion": 2, "heads": "of another shape"}')
    assert "newer than this program" in refusal(tmp_path / "new")


def test_a_folder_that_is_none_or_holds_nothing_is_refused(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "absent")
    assert "no checkpoint" in refusal(tmp_path)


def test_opening_a_checkpoint_does_not_import_torch(ours: Path) -> None:
    code = f"import sys; from models.checkpoint import open_checkpoint; open_checkpoint({str(ours)!r}); "
    code += "import models.reader, models.client; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_shipped_checkpoint_is_the_default() -> None:
    assert DEFAULT.name == "clinical-mini"
