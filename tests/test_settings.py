"""Settings: sources, bounds, one-line refusals, masked secrets."""

from pathlib import Path

import pytest

from streamer import settings
from streamer.errors import SettingError


@pytest.fixture(autouse=True)
def _no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "streamer.toml").write_text('workers = 3\ngroup = "from-file"\n')
    monkeypatch.setenv("STREAMER_WORKERS", "5")
    loaded = settings.load()
    assert (loaded.workers, loaded.group) == (5, "from-file")


def test_a_misspelt_variable_is_refused_and_the_right_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_WORKRS", "5")
    with pytest.raises(SettingError, match="did you mean STREAMER_WORKERS"):
        settings.load()


def test_a_misspelt_name_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "streamer.toml").write_text("workrs = 3\n")
    with pytest.raises(SettingError, match="did you mean workers"):
        settings.load()


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "streamer.toml").write_text("workers = = 3\n")
    with pytest.raises(SettingError, match=r"streamer\.toml is not valid TOML"):
        settings.load()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "streamer.toml is not valid TOML"),
        (b"workers = " + b"[" * 100_000, "streamer.toml is not valid TOML"),
        (b"workers = " + b"9" * 5000, "streamer.toml is not valid TOML"),
        (b'"two\\nlines" = 1', "two?lines in streamer.toml is not a setting"),
        (b'redis = "redis://user:hunter2@[::1"', "redis is not an address"),
        (b'insecure = true\nredis = "redis://user:hunter2@[::1"', "redis is not an address"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_whatever_the_file_holds_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "streamer.toml").write_bytes(content)
    with pytest.raises(SettingError) as caught:
        settings.load()
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    assert "hunter2" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "streamer.toml").write_text("workers = 3\n")
    monkeypatch.setattr(Path, "open", refuses)
    with pytest.raises(SettingError, match=r"streamer\.toml cannot be read \(Permission denied\)"):
        settings.load()


def test_a_wrong_value_is_named_but_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_WORKERS", "hunter2")
    with pytest.raises(SettingError) as caught:
        settings.load()
    assert "STREAMER_WORKERS" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_secrets_are_masked_when_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_REDIS", "redis://user:hunter2@localhost:6379/0")
    monkeypatch.setenv("STREAMER_SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("STREAMER_CACHE_SECRET", "hunter2")
    loaded = settings.load()
    assert "hunter2" not in str(settings.shown(loaded)) + repr(loaded)
    assert settings.shown(loaded)["redis"] == "redis://***@localhost:6379/0"


def test_a_child_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    first = settings.load(redis="redis://u:pw@localhost:1", workers=2, sasl_password="pw", metrics_port=0)
    for name, value in settings.environment(first).items():
        monkeypatch.setenv(name, value)
    assert settings.load() == first


@pytest.mark.parametrize(
    "wrong",
    [
        {"bootstrap": "kafka.example:9092"},
        {"bootstrap": "localhost:9092,kafka.example:9092"},
        {"redis": "redis://cache.example:6379"},
        {"bootstrap": "kafka.example:9092", "security_protocol": "SASL_PLAINTEXT"},
    ],
)
def test_plaintext_beyond_this_machine_is_refused_unless_asked_for(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingError, match="--insecure"):
        settings.load(**wrong)
    assert settings.load(insecure=True, **wrong).insecure


def test_encrypted_connections_may_go_anywhere() -> None:
    loaded = settings.load(
        bootstrap="kafka.example:9093", security_protocol="SSL", redis="rediss://cache.example:6379"
    )
    assert loaded.bootstrap == "kafka.example:9093"
