"""Dashboard, alerts and runbook agree with each other and with the metrics that exist."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.types import LANES
from monitoring import dashboard as generator
from streamer import metrics, settings
from streamer.errors import REASONS
from tests.integration.prometheus import shortened
from tests.monitored import (
    MONITORING,
    Expression,
    alert_expressions,
    alerts,
    dashboard,
    dashboard_expressions,
    page,
    without_threshold,
)

RUNBOOK = (MONITORING / "runbook.md").read_text()
EXPRESSIONS = dashboard_expressions() + alert_expressions()
ELSEWHERE = {"up", "ALERTS"}
LABELS: dict[str, set[str]] = {
    "stage": set(metrics.STAGES),
    "lane": set(LANES),
    "reason": set(REASONS),
    "outcome": {"hit", "miss"},
    "kind": {*metrics.CACHE_FAULTS, *metrics.PUBLISH_FAULTS},
}
NUMBERS = {"a": "1", "an": "1", "half an": "0.5", "two": "2", "five": "5", "ten": "10"}
TIME = re.compile(r"\b(half an|an?|two|five|ten|\d+) (second|minute|hour)s?\b")
WAY = ["Intake", "Decode", "Passages", "Cache", "Engine", "Assemble", "Release", "Dead letters"]
promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool here: Debian's package is called prometheus"
)


def named(expressions: list[Expression]) -> dict[str, set[str]]:
    """Metric → the places that use it."""
    found: dict[str, set[str]] = {}
    for place, promql in expressions:
        for name in re.findall(r"\b(?:streamer_\w+|up|ALERTS)\b(?=\s*[{\[),]|\s|$)", promql):
            found.setdefault(name, set()).add(place)
    return found


@pytest.fixture(scope="module")
def existing(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Every metric of a node and of its processes, by the name of its series."""
    metrics.describe("1", "f", ["DISEASE"])
    both = page() | page(metrics.Node(tmp_path_factory.mktemp("node")))
    return {name.partition("{")[0] for name in both}


def test_every_metric_that_is_asked_for_exists(existing: set[str]) -> None:
    unknown = {
        name: places for name, places in named(EXPRESSIONS).items() if name not in existing | ELSEWHERE
    }
    assert not unknown


def test_every_metric_that_exists_is_shown(existing: set[str]) -> None:
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in named(dashboard_expressions())}
    hidden = {re.sub(r"_(bucket|sum|count)$", "", name) for name in existing} - shown
    assert hidden <= {"streamer_batch_windows"}, "no panel shows these"


def test_label_values_that_are_asked_for_exist() -> None:
    for place, promql in EXPRESSIONS:
        for label, values in re.findall(r'(\w+)(?:=|!=|=~)"([^"]+)"', promql):
            known = LABELS.get(label)
            assert known is None or set(values.split("|")) <= known, (place, label, values)


# --- the dashboard -------------------------------------------------------------------------------


def test_the_dashboard_is_what_its_source_says() -> None:
    assert generator.OUT.read_text() == generator.text(), "run: python -m monitoring.dashboard"


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = dashboard()
    assert board["schemaVersion"] == 39
    assert board["uid"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    provisioned = yaml.safe_load((MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text())
    uids = {source["uid"] for source in provisioned["datasources"]}
    for panel in (panel for panel in board["panels"] if panel["type"] != "row"):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        assert {panel["datasource"]["uid"], *(t["datasource"]["uid"] for t in panel["targets"])} <= uids
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert all(target["legendFormat"] for target in panel["targets"])


def test_rows_follow_the_way_of_a_note() -> None:
    rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
    assert [row for row in rows if row in WAY] == WAY


def test_panels_do_not_lie_over_each_other() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    for one, other in itertools.combinations(places, 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    assert all(place["x"] + place["w"] <= 24 for place in places)


# --- alerts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_means_and_what_to_do(rule: dict[str, dict[str, str]]) -> None:
    notes = rule["annotations"]
    assert notes["summary"]
    assert notes["description"].endswith(".")
    path, _, anchor = notes["runbook_url"].partition("#")
    assert (MONITORING.parent / path).is_file()
    section = re.search(rf"^## ({anchor})$(.*?)(?=^## |\Z)", RUNBOOK, re.I | re.M | re.S)
    assert section is not None, anchor
    assert section[1] == rule["alert"]
    assert re.findall(r"^\*\*(\w+)\*\*", section[2], re.M) == ["Means", "See", "Do", "Mended"]
    assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_the_times_and_numbers_that_an_alert_speaks_of_are_those_of_its_expression(
    rule: dict[str, Any],
) -> None:
    windows = re.findall(r"\[(\w+)\]", rule["expr"])
    lasts = [rule["for"]] if "for" in rule else []
    compared = [f"{number}s" for number in re.findall(r"> (\d+)$", rule["expr"], re.M)]
    allowed = {seconds(time) for time in (*windows, *lasts, *compared)}
    for text in (rule["annotations"]["summary"], rule["annotations"]["description"], means(rule["alert"])):
        for number, unit in TIME.findall(text):
            assert seconds(f"{NUMBERS.get(number, number)}{unit[0]}") in allowed, text


def means(alert: str) -> str:
    """What the runbook says that it means."""
    found = re.search(rf"^## {alert}$.*?\*\*Means\*\*(.*?)\*\*See\*\*", RUNBOOK, re.M | re.S)
    assert found is not None
    return " ".join(found[1].split())


def seconds(time: str) -> float:
    return float(time[:-1]) * {"s": 1, "m": 60, "h": 3600}[time[-1]]


def test_every_alert_is_seen_firing_and_seen_silent() -> None:
    cases = yaml.safe_load((MONITORING / "alerts_test.yml").read_text())["tests"]
    checks = [check for case in cases for check in case["alert_rule_test"]]
    names = {rule["alert"] for rule in alerts()}
    assert {check["alertname"] for check in checks if check.get("exp_alerts")} == names
    assert {check["alertname"] for check in checks if not check.get("exp_alerts")} == names


def test_the_runbook_names_only_what_exists(existing: set[str]) -> None:
    assert set(re.findall(r"\bstreamer_\w+", RUNBOOK)) <= existing
    fields = {f"STREAMER_{name.upper()}" for name in settings.Settings.model_fields}
    assert set(re.findall(r"\bSTREAMER_\w+", RUNBOOK)) <= fields
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", RUNBOOK, re.M)}
    assert set(re.findall(r"\]\(#(\w+)\)", RUNBOOK)) <= headings
    assert headings == {rule["alert"].lower() for rule in alerts()}
    titles = {panel["title"] for panel in dashboard()["panels"]}
    assert set(re.findall(r"[Pp]anel\s+\*(.+?)\*", RUNBOOK)) <= titles


def test_a_threshold_can_be_taken_off_an_alert() -> None:
    assert without_threshold("absent(a) == 1") == "a"
    assert without_threshold('sum(rate(a{b!="c"}[5m])) / d > 0.01\nand on (e) f == 0') == (
        'sum(rate(a{b!="c"}[5m])) / d\nand on (e) f'
    )


def test_rules_that_are_run_faster_differ_in_their_times_alone() -> None:
    text = (MONITORING / "alerts.yml").read_text()
    fast = shortened(text, 60)
    assert len(re.findall(r"\d+ms\b", fast)) == len(re.findall(r"(?:for: |\[)\d", text))
    assert "for: 60000ms" in fast  # an hour
    assert re.sub(r"\d+ms", "", fast) == re.sub(r"(for: |\[)\d+[smh]\b", r"\1", text)


# --- what Prometheus says ------------------------------------------------------------------------


def test_prometheus_asks_where_the_service_answers() -> None:
    jobs = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    port = settings.Settings.model_fields["metrics_port"].default
    assert {job["job_name"] for job in jobs} == {"streamer-node", "streamer-engine", "streamer-worker"}
    for job in jobs:
        for found in job.get("dns_sd_configs", ()):
            assert found["port"] == port
    nodes = yaml.safe_load((MONITORING / "nodes/local.yml").read_text())
    assert nodes == [{"targets": [f"127.0.0.1:{port}"]}]


@promtool
@pytest.mark.parametrize(
    "command",
    [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "--lint-fatal", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ],
    ids=lambda command: " ".join(command),
)
def test_promtool_agrees(command: list[str]) -> None:
    done = subprocess.run(["promtool", *command], cwd=MONITORING, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_promtool_reads_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.promql}
        for number, expression in enumerate(dashboard_expressions())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
