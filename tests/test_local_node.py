"""A node started from Python: what happens when it cannot start, and how its page is read."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from streamer import local_node, settings
from streamer.errors import WorldError
from streamer.ports import Port

PAGE = b'# HELP a text\na_total 2.0\nb{x="1"} 1.5\nb{x="2"} 2.5\nbc 9\n'


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_metric_is_summed_over_its_labels(port: int) -> None:
    assert local_node.metric(port, "b") == 4.0
    assert local_node.metric(port, "a_total") == 2.0
    assert local_node.metric(port, "missing") == 0.0
    assert local_node.total(PAGE.decode().splitlines(), "b", 'x="2"') == 2.5


def test_a_node_that_cannot_start_says_so_and_shows_its_log(capfd: pytest.CaptureFixture[str]) -> None:
    with Port() as nobody, Port() as page:
        chosen = settings.load(bootstrap=f"127.0.0.1:{nobody.number}", metrics_port=page.number)
        with pytest.raises(WorldError, match="stopped at its start"), local_node.running(chosen):
            pytest.fail("it cannot be ready")
    assert "streamer:" in capfd.readouterr().err
