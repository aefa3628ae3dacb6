"""dashboard.toml → grafana/dashboards/streamer.json: `python -m monitoring.dashboard`; a test compares."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUT = HERE / "grafana" / "dashboards" / "streamer.json"
DATASOURCE = {"type": "prometheus", "uid": "streamer-prometheus"}
COLUMNS = 24
HEIGHT = {"row": 1, "stat": 4}
GRAFANA_UNITS = ("s", "percentunit", "none")
LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
OPTIONS: dict[str, Any] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"colorMode": "value", "graphMode": "area", "textMode": "value", "reduceOptions": LAST},
    "bargauge": {"displayMode": "basic", "orientation": "horizontal", "reduceOptions": LAST},
    "table": {"showHeader": True, "cellHeight": "sm"},
}
Json = dict[str, Any]


def dashboard() -> Json:
    rows = tomllib.loads((HERE / "dashboard.toml").read_text())["rows"]
    return {
        "uid": "streamer",
        "title": "Streamer: a note's way",
        "description": "Clinical notes in on Kafka, one annotation record a note out. Rows follow a note.",
        "tags": ["streamer"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "templating": {"list": []},
        "annotations": {"list": []},
        "links": [],
        "panels": [{"id": number} | panel for number, panel in enumerate(_placed(rows), start=1)],
    }


def _placed(rows: list[Json]) -> Iterator[Json]:
    """Panels from left to right, a new line where the next one does not fit."""
    top = 0
    for row in rows:
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        yield {"type": "row", "title": row["title"], "collapsed": False, "panels": [], "gridPos": place}
        top, left, height = top + 1, 0, 0
        for given in row["panels"]:
            width, tall = given.get("width", 8), HEIGHT.get(given.get("kind", ""), 7)
            if left + width > COLUMNS:
                top, left, height = top + height, 0, 0
            yield _panel(given) | {"gridPos": {"x": left, "y": top, "w": width, "h": tall}}
            left, height = left + width, max(height, tall)
        top += height


def _panel(given: Json) -> Json:
    kind = given.get("kind", "timeseries")
    unit = given["unit"]
    defaults: Json = {
        "unit": unit if unit in GRAFANA_UNITS else f"suffix: {unit}",
        "thresholds": {"mode": "absolute", "steps": _steps(*given.get("limits", ()))},
        "min": 0,
    }
    if kind == "timeseries":
        defaults["custom"] = {
            "fillOpacity": 25 if given.get("stacked") else 8,
            "showPoints": "never",
            "stacking": {"mode": "normal" if given.get("stacked") else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if "limits" in given else "off"},
        }
    return {
        "type": kind,
        "title": given["title"],
        "description": given["about"],
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": OPTIONS[kind],
        "targets": [_target(kind, *query) for query in zip("ABC", _queries(given), strict=False)],
    }


def _queries(given: Json) -> Iterator[tuple[str, str]]:
    """Legend and PromQL of each query."""
    yield from ((legend, expr.strip()) for legend, expr in given.get("queries", {}).items())
    if "quantiles" in given:
        name, brace, labels = given["quantiles"].partition("{")
        series = f"sum by (le) (rate({name}_bucket{brace}{labels}[$__rate_interval]))"
        yield from (
            (f"p{share:.0%}".rstrip("%"), f"histogram_quantile({share}, {series})")
            for share in (0.5, 0.9, 0.99)
        )


def _target(kind: str, ref: str, query: tuple[str, str]) -> Json:
    now = kind in ("table", "bargauge")
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "legendFormat": query[0],
        "expr": query[1],
        "instant": now,
        "range": not now,
        "format": "table" if kind == "table" else "time_series",
    }


def _steps(amber: float | None = None, red: float | None = None) -> list[Json]:
    if amber is None or red is None:
        return [{"color": "green", "value": None}]
    if red < amber:
        return [{"color": "red", "value": None}, {"color": "green", "value": amber}]
    between = [] if amber == red else [{"color": "orange", "value": amber}]
    return [{"color": "green", "value": None}, *between, {"color": "red", "value": red}]


def text() -> str:
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OUT.write_text(text())
