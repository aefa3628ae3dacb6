"""The only reader of the environment and of `streamer.toml`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from models.errors import printable
from models.precision import ACCEPTED_LOSS, Wanted
from streamer.errors import SettingError

SETTINGS_FILE = "streamer.toml"
PREFIX = "STREAMER_"
SHIPPED_CHECKPOINT = Path(__file__).parent.parent / "models" / "checkpoints" / "clinical-mini"
NO_REDIS = "redis is not an address of the form redis://host:port/0 or rediss://host:port/0"
LONGEST_SHOWN = 120
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Settings(BaseSettings):
    """Every setting, its default and its bounds. `STREAMER_<NAME>` in the environment wins over the file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, toml_file=SETTINGS_FILE, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    bootstrap: str = Field("localhost:9092", description="Kafka brokers, host:port, comma separated")
    redis: SecretStr | None = Field(None, description="redis:// or rediss:// address; none: no cache")
    checkpoint: str = Field(str(SHIPPED_CHECKPOINT), description="checkpoint folder, or a hub name")
    device: Literal["auto", "cuda", "cpu"] = "auto"
    precision: Wanted = Field("auto", description="of the encoder; auto: the fastest that is exact enough")
    accept_loss: float = Field(
        ACCEPTED_LOSS,
        ge=0,
        le=100,
        description="points of F1 that int8 may lose, as measured by `streamer accept`",
    )
    heads: str | None = Field(
        None, description="of the checkpoint to read with, comma separated; none: all but embedding"
    )
    terminologies: str | None = Field(
        None, description="CSV files of codes, comma separated, asked before those that ship"
    )
    phi_thresholds: Path | None = Field(
        None, description="TOML or JSON file: how sure an identifier must be, by category"
    )
    entity_thresholds: Path | None = Field(
        None, description="TOML or JSON file: how sure an entity or a relation must be, by category"
    )
    workers: int = Field(1, ge=1, le=256, description="worker processes of `streamer run`")
    engine_address: str | None = Field(None, description="ipc:// socket that engine and workers share")
    token_budget: int | None = Field(
        None, ge=512, le=1_048_576, description="tokens in one batch; none: what fits the device"
    )

    input_topic: str = "clinical-notes"
    output_topic: str = "clinical-annotations"
    dead_letter_topic: str = "clinical-notes-dlt"
    embedding_topic: str | None = Field(
        None, description="where vectors go, if the head embedding is on; none: into the records"
    )
    group: str = Field("streamer", description="consumer group; part of the transactional ids")
    delivery: Literal["exactly_once", "at_least_once"] = "exactly_once"
    instance_id: str | None = Field(
        None, description="static group membership of this node over restarts; none: for one run of it"
    )
    keep_place: bool = Field(
        True, description="a worker with an instance id that is told to stop keeps its place in the group"
    )
    session_timeout_s: float = Field(10.0, ge=1, le=300)
    stall_s: float = Field(
        600.0, ge=1, description="with work and no note finished for so long, a worker is started anew"
    )
    unready_after_s: float = Field(
        300.0, gt=0, description="age of the oldest note taken in above which a worker is not ready"
    )
    max_unreleased: int = Field(4096, ge=16, le=1_000_000, description="notes a worker holds at most")
    max_note_bytes: int = Field(8_000_000, ge=1_000, le=100_000_000)
    max_record_bytes: int = Field(24_000_000, ge=1_000_000, le=1_000_000_000)

    cache_secret: SecretStr | None = Field(None, description="secret of the cache's keys and values")
    cache_secret_previous: SecretStr | None = Field(None, description="read, never written: for rotation")
    cache_ttl_s: int = Field(30 * 86_400, ge=1)
    cache_timeout_ms: int = Field(50, ge=1, le=10_000)

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    insecure: bool = Field(False, description="allow plaintext Kafka or Redis beyond this machine")

    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(9464, ge=0, le=65535, description="0: any free port")
    state_dir: Path | None = Field(None, description="sockets and metric files of this node")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic that the service needs."""
        named = self.input_topic, self.output_topic, self.dead_letter_topic, self.embedding_topic
        return tuple(name for name in named if name is not None)

    @property
    def redis_url(self) -> str | None:
        return self.redis.get_secret_value() if self.redis else None


def load(**overrides: Any) -> Settings:
    """Settings from `overrides`, then the environment, then `streamer.toml`.

    Raises SettingError in one line that names the setting and how to mend it, never its value.
    """
    try:
        _refuse_unknown_variables(os.environ)
        settings = Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise SettingError(_one_line(error)) from None
    except (ValueError, RecursionError) as error:  # tomllib's: no UTF-8, a number too long, nested too deep
        raise SettingError(
            f"{SETTINGS_FILE} is not valid TOML: {printable(str(error)[:LONGEST_SHOWN])}"
        ) from None
    except OSError as error:
        raise SettingError(
            f"{SETTINGS_FILE} cannot be read ({error.strerror}): mend its permissions"
        ) from None
    _refuse_plaintext(settings)
    return settings


def shown(settings: Settings) -> dict[str, str]:
    """Every setting as text for people; secrets masked."""
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    shown = {name: "" if value is None else str(value) for name, value in values.items()}
    if settings.redis_url:
        shown["redis"] = masked_url(settings.redis_url)
    return shown


def environment(settings: Settings) -> dict[str, str]:
    """The environment that gives a child process these same settings, secrets included."""
    names = [n for n in Settings.model_fields if getattr(settings, n) is not None]
    return {PREFIX + n.upper(): _plain(getattr(settings, n)) for n in names}


def child_environment(settings: Settings) -> dict[str, str]:
    """Our own environment with these settings in place of those that we were started with."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return inherited | environment(settings)


def masked_url(url: str) -> str:
    """The URL with its user and password, if any, replaced by stars."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rsplit("@", 1)[1]))


def _plain(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingError(f"{name} in the environment is not a setting{_nearest(name.upper(), known)}")


def _nearest(name: str, known: set[str]) -> str:
    import difflib  # only on the way out with an error

    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else "; see `streamer config` for the known ones"


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = set(Settings.model_fields)
        return f"{printable(name[:LONGEST_SHOWN])} in {SETTINGS_FILE} is not a setting{_nearest(name, known)}"
    return f"setting {name} (environment {PREFIX}{name.upper()} or {SETTINGS_FILE}): {first['msg']}"


def _refuse_plaintext(settings: Settings) -> None:
    try:
        url = urlsplit(settings.redis_url or "rediss://localhost")
    except ValueError:
        raise SettingError(NO_REDIS) from None
    if settings.insecure:
        return
    hosts = [part.strip().rsplit(":", 1)[0].strip("[]") for part in settings.bootstrap.split(",")]
    if not settings.security_protocol.endswith("SSL") and any(host not in LOOPBACK for host in hosts):
        raise SettingError(
            "bootstrap names a host beyond this machine and Kafka would be plaintext: "
            "set STREAMER_SECURITY_PROTOCOL=SSL or SASL_SSL, or pass --insecure"
        )
    if url.scheme != "rediss" and url.hostname not in LOOPBACK and url.scheme != "unix":
        raise SettingError(
            "redis names a host beyond this machine and would be plaintext: use rediss://, or pass --insecure"
        )
