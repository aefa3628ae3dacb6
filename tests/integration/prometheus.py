"""The real Prometheus, with our scrape file and our alerts, looking at nodes every second or oftener."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from streamer.ports import HOST, Port
from tests.monitored import MONITORING

BINARY = shutil.which("prometheus")
MILLISECONDS = {"s": 1_000, "m": 60_000, "h": 3_600_000}


class Prometheus:
    """`faster`: by this factor all `for:` and all windows of the alerts are shorter than they ship.

    Thresholds are not: an alert for a note that waits a minute fires after a minute.
    """

    def __init__(self, folder: Path, faster: int = 1) -> None:
        self._folder = folder
        self._port = Port()
        self._address = f"{HOST}:{self._port.number}"
        config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
        every = "1s" if faster == 1 else "500ms"
        config["global"] = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), every)
        for file in config["rule_files"]:
            (folder / file).write_text(shortened((MONITORING / file).read_text(), faster))
        # Only nodes: names of containers are not known here.
        config["scrape_configs"] = [job for job in config["scrape_configs"] if "file_sd_configs" in job]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (folder / "nodes").mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, target: str, job: str = "streamer-node") -> None:
        """From now on too. `target`: host:port of a metrics page."""
        found = [{"targets": [target], "labels": {"job": job}}]
        file = self._folder / "nodes" / f"{job}.yml"
        file.with_suffix(".new").write_text(yaml.safe_dump(found))
        file.with_suffix(".new").rename(file)

    def forget(self, job: str) -> None:
        """That job's targets were taken off the list."""
        (self._folder / "nodes" / f"{job}.yml").unlink()

    def query(self, promql: str) -> list[tuple[dict[str, str], float]]:
        """The labels and value of every series that the expression gives now."""
        answer = self._get("query", query=promql)["data"]
        if answer["resultType"] == "scalar":
            return [({}, float(answer["result"][1]))]
        return [(series["metric"], float(series["value"][1])) for series in answer["result"]]

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules")["data"]["groups"] for rule in group["rules"]]

    def firing(self) -> set[str]:
        """Names of the alerts that fire now, for whatever node."""
        alerts = self._get("alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def wait_for(self, promql: str, patience_s: float = 120) -> None:
        """Returns when the expression gives a series."""
        until = time.monotonic() + patience_s
        while not self.query(promql):
            assert time.monotonic() < until, f"nothing within {patience_s} s: {promql}"
            time.sleep(0.25)

    def __enter__(self) -> Self:
        assert BINARY is not None
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    BINARY,
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={self._address}",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)
        self._port.release()

    def _wait_until_ready(self, patience_s: float = 60) -> None:
        assert self._process is not None
        until = time.monotonic() + patience_s
        while not self._ready():
            assert self._process.poll() is None, (self._folder / "prometheus.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _get(self, what: str, **asked: str) -> Any:
        url = f"http://{self._address}/api/v1/{what}?{urllib.parse.urlencode(asked)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.loads(answer.read())


def shortened(rules: str, factor: int) -> str:
    """The text of a rule file whose `for:` and windows are divided by `factor`."""

    def divided(found: re.Match[str]) -> str:
        return f"{found[1]}{int(found[2]) * MILLISECONDS[found[3]] // factor}ms"

    return re.sub(r"(\bfor: |\[)(\d+)([smh])\b", divided, rules)
