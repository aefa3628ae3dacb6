"""What the tests of the monitoring files share: every expression they hold, and every series there is."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from prometheus_client.parser import text_string_to_metric_families

from streamer import metrics
from streamer.endpoints import Health

MONITORING = Path(__file__).parent.parent / "monitoring"
COMPARISON = re.compile(r"\s(?:==|!=|>=|<=|>|<)\s*[\d.]+")


class Expression(NamedTuple):
    """`place`: the panel or alert that it stands in. `promql`: without Grafana's variables."""

    place: str
    promql: str


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((MONITORING / "grafana/dashboards/streamer.json").read_text())
    return loaded


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard_expressions(interval: str = "1m") -> list[Expression]:
    return [
        Expression(panel["title"], re.sub(r"\$__(rate_interval|range)", interval, target["expr"]))
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    ]


def alert_expressions() -> list[Expression]:
    return [Expression(rule["alert"], rule["expr"]) for rule in alerts()]


def without_threshold(promql: str) -> str:
    """The value that an alert compares: what there must be data of while all is well."""
    return re.sub(r"^absent\((.*)\)$", r"\1", COMPARISON.sub("", promql))


def read_page(address: str) -> dict[str, float]:
    """Every series of a metrics page by its name and labels."""
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        sample.name + "".join(f"{{{k}={v}}}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def page(node: metrics.Node | None = None) -> dict[str, float]:
    """The page of `node`, or of this process."""
    server = metrics.serve("127.0.0.1", 0, lambda: Health(live=True, ready=True), node)
    try:
        return read_page(f"http://127.0.0.1:{server.port}")
    finally:
        server.close()
