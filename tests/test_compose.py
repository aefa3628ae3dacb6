"""The containers: no container engine is needed to see that what they name is there."""

from __future__ import annotations

import fnmatch
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from streamer import cli, settings

ROOT = Path(__file__).parent.parent
SOURCE = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(SOURCE)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("streamer:")}
DOCKERFILE = (ROOT / "streamer" / "Dockerfile").read_text().replace("\\\n", " ")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

CONDITIONS = ["service_started", "service_healthy", "service_completed_successfully"]
TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
# The part of the Compose Specification that is used here; a name that is not in it is a mistake.
SCHEMA = {
    "type": "object",
    "required": ["name", "services", "volumes"],
    "additionalProperties": False,
    "patternProperties": {"^x-": {}},
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "volumes": {"type": "object", "additionalProperties": {"type": ["object", "null"]}},
        "services": {"type": "object", "additionalProperties": {"$ref": "#/$defs/service"}},
    },
    "$defs": {
        "service": {
            "type": "object",
            "required": ["image", "restart"],
            "additionalProperties": False,
            "properties": {
                "image": {"type": "string"},
                "build": {
                    "type": "object",
                    "required": ["context", "dockerfile"],
                    "additionalProperties": False,
                    "properties": {"context": {"type": "string"}, "dockerfile": {"type": "string"}},
                },
                "command": TEXTS,
                "environment": {"type": "object", "additionalProperties": {"type": "string"}},
                "ports": TEXTS,
                "volumes": TEXTS,
                "tmpfs": TEXTS,
                "cap_drop": TEXTS,
                "security_opt": TEXTS,
                "init": {"type": "boolean"},
                "read_only": {"type": "boolean"},
                "ulimits": {"type": "object", "additionalProperties": {"type": "integer"}},
                "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
                "stop_grace_period": {"$ref": "#/$defs/duration"},
                "deploy": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"replicas": {"type": "integer", "minimum": 1}},
                },
                "healthcheck": {
                    "type": "object",
                    "required": ["test"],
                    "additionalProperties": False,
                    "properties": {
                        "test": TEXTS | {"items": {"type": "string"}, "minItems": 2},
                        "interval": {"$ref": "#/$defs/duration"},
                        "timeout": {"$ref": "#/$defs/duration"},
                        "start_period": {"$ref": "#/$defs/duration"},
                        "retries": {"type": "integer", "minimum": 1},
                    },
                },
                "depends_on": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "required": ["condition"],
                        "additionalProperties": False,
                        "properties": {"condition": {"enum": CONDITIONS}},
                    },
                },
            },
        },
        "duration": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"},
    },
}


def filled(value: str) -> str:
    """As Compose would give it to the container, each variable with some long secret."""
    return re.sub(r"\$\{(\w+):\?[^}]*\}", "0123456789abcdef0123456789abcdef", value).replace("$$", "$")


def is_ours(arguments: list[str]) -> bool:
    """Whether `streamer ARGUMENTS` is a call that its command line takes."""
    return CliRunner().invoke(cli.app, [*arguments, "--help"]).exit_code == 0


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name}\s+(.*)$", DOCKERFILE, re.M)


# --- docker-compose.yml --------------------------------------------------------------------------


def test_it_is_a_compose_file() -> None:
    jsonschema.validate(COMPOSE, SCHEMA)
    assert {"kafka", "redis", "streamer-topics", "streamer-engine", "streamer-worker"} <= SERVICES.keys()
    assert {"prometheus", "grafana"} <= SERVICES.keys()


def test_a_misspelt_key_would_be_seen() -> None:
    wrong = COMPOSE | {"services": {"a": {"image": "a:1.0", "restart": "no", "enviroment": {}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_named_with_its_version(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert image
    assert re.fullmatch(r"v?\d+\.\d+\.\d+(-[\w.]+)?", tag), tag
    if name in OURS:
        assert tag == VERSION


@pytest.mark.parametrize("name", OURS)
def test_a_command_is_one_of_ours(name: str) -> None:
    assert is_ours(OURS[name]["command"])


@pytest.mark.parametrize("wrong", [["wroker"], ["worker", "--partitions", "6"], ["topics", "make"]])
def test_a_command_that_is_none_of_ours_would_be_seen(wrong: list[str]) -> None:
    assert not is_ours(wrong)


def test_the_commands_in_its_head_are_ours() -> None:
    said = re.findall(r"streamer-topics (.*)$", SOURCE.partition("name:")[0], re.M)
    assert len(said) == 2
    for line in said:
        assert is_ours(shlex.split(line))


@pytest.mark.parametrize("name", OURS)
def test_its_environment_is_made_of_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in OURS[name]["environment"].items():
        assert variable.startswith("STREAMER_")
        monkeypatch.setenv(variable, filled(value))
    settings.load()


@pytest.mark.parametrize("name", SERVICES)
def test_what_it_mounts_is_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        source, target, *mode = volume.split(":")
        assert target.startswith("/")
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert mode == ["ro"]
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


def test_no_secret_stands_in_it() -> None:
    asked = set()
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            asked |= set(re.findall(r"\$\{(\w+):\?", value))
            if re.search("PASSWORD|SECRET|TOKEN", name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name
    example = dict(
        line.split("=") for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line
    )
    assert example.keys() == asked
    assert not any(example.values())
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines(), "a filled-in .env could be committed"


def test_whoever_is_waited_for_can_be_seen_to_be_ready() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name]
            if wait["condition"] == "service_completed_successfully":
                assert SERVICES[name]["restart"] == "no"
    assert all("healthcheck" in s for s in SERVICES.values() if s["restart"] != "no")


def test_engine_and_workers_meet_at_the_socket() -> None:
    engine, worker = SERVICES["streamer-engine"], SERVICES["streamer-worker"]
    address = engine["environment"]["STREAMER_ENGINE_ADDRESS"]
    assert address == worker["environment"]["STREAMER_ENGINE_ADDRESS"]
    folder = str(Path(address.removeprefix("ipc://")).parent)
    assert f"engine-socket:{folder}" in engine["volumes"]
    assert f"engine-socket:{folder}" in worker["volumes"]
    assert f"0700 {folder}" in DOCKERFILE, "the volume takes its owner from the image"
    assert engine["healthcheck"]["test"][-1] == address.removeprefix("ipc://")


def test_our_containers_may_do_little() -> None:
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["ulimits"]["core"] == 0


def test_kafka_is_reached_where_it_says() -> None:
    kafka = SERVICES["kafka"]["environment"]
    advertised = dict(a.split("://") for a in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert SERVICES["streamer-worker"]["environment"]["STREAMER_BOOTSTRAP"] == advertised["INSIDE"]
    assert f"{advertised['OUTSIDE']}:9092" in SERVICES["kafka"]["ports"]
    listeners = {listener.split("://")[0] for listener in kafka["KAFKA_LISTENERS"].split(",")}
    mapped = {pair.split(":")[0] for pair in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")}
    assert advertised.keys() | {"CONTROLLER"} == listeners == mapped


def test_prometheus_finds_the_containers() -> None:
    jobs = yaml.safe_load((ROOT / "monitoring" / "prometheus.yml").read_text())["scrape_configs"]
    for found in (config for job in jobs for config in job.get("dns_sd_configs", ())):
        for name in found["names"]:
            environment = SERVICES[name]["environment"]
            assert environment["STREAMER_METRICS_PORT"] == str(found["port"])
            assert environment["STREAMER_METRICS_HOST"] == "0.0.0.0"
    python = SERVICES["streamer-worker"]["healthcheck"]["test"]
    assert python[:3] == ["CMD", "python", "-c"]
    compile(python[3], "healthcheck", "exec")
    assert ":9464/healthz" in python[3]


def test_grafana_is_given_its_dashboard_and_data_source() -> None:
    grafana = SERVICES["grafana"]
    mounted = {v.split(":")[1]: ROOT / v.split(":")[0] for v in grafana["volumes"] if v.startswith(".")}
    provisioning = mounted["/etc/grafana/provisioning"]
    provider = yaml.safe_load((provisioning / "dashboards" / "streamer.yml").read_text())["providers"][0]
    assert list(mounted[provider["options"]["path"]].glob("*.json"))
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    assert source["url"].strip("${}") in grafana["environment"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounted[str(home.parent)] / home.name).is_file()


# --- streamer/Dockerfile -------------------------------------------------------------------------


def test_the_image_is_built_from_files_that_are_there() -> None:
    build = SERVICES["streamer-topics"]["build"]
    assert (ROOT / build["context"] / build["dockerfile"]).is_file()
    rules = [r for r in (ROOT / ".dockerignore").read_text().splitlines() if r and not r.startswith("#")]
    sent = [rule[1:] for rule in rules if rule.startswith("!")]
    assert rules[0] == "*"
    for line in instructions("COPY"):
        if not line.startswith("--from="):
            for source in shlex.split(line)[:-1]:
                assert (ROOT / source).exists(), source
                assert any(fnmatch.fnmatch(source, rule) for rule in sent), f"{source} is not sent"
    assert all((ROOT / path).exists() for path in sent)


def test_the_image_names_its_versions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in instructions("FROM"):
        found = re.fullmatch(r"python:(\d+\.\d+)\.\d+-slim-\w+( AS build)?", line)
        assert found, line
        assert found[1] in ("3.11", "3.12"), project["requires-python"]
    assert re.search(r"uv==\d+\.\d+\.\d+", DOCKERFILE)
    assert DOCKERFILE.count("uv sync --frozen --no-dev") == 2


def test_the_image_runs_our_command_as_nobody_in_particular() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    user = instructions("USER")[-1]
    assert user.isdigit()
    assert int(user) >= 1000
    assert f"--uid {user}" in DOCKERFILE
    assert DOCKERFILE.rindex("USER ") < DOCKERFILE.rindex("ENTRYPOINT ")
    assert [yaml.safe_load(line) for line in instructions("ENTRYPOINT")] == [["streamer"]]
    assert "streamer" in project["scripts"]
    assert is_ours(yaml.safe_load(instructions("CMD")[-1]))
    port = settings.Settings.model_fields["metrics_port"].default
    assert instructions("EXPOSE") == [str(port)]
    for word in ("ADD ", "sudo", "chmod 777", "curl", "SECRET", "PASSWORD"):
        assert word not in DOCKERFILE
