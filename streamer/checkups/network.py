"""The way to a server: its name, its port, and the certificate that it shows."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streamer import tls
from streamer.checkups.finding import Finding, bad, good

PATIENCE_S = 5.0
SOON_DAYS = 30
DAY_S = 86_400


def way(server: tls.Server, host: str, port: int, context: ssl.SSLContext | None) -> list[Finding]:
    """Name, port and, with a `context`, TLS; no more than up to the first that is bad."""
    at = f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return [bad(server, f"{host} has no address", f"getent hosts {host}; check {tls.SETTING[server]}")]
    addresses = ", ".join(dict.fromkeys(str(one[4][0]) for one in found))
    named = [] if addresses == host else [good(server, f"{host} is {addresses}")]
    try:
        with socket.create_connection((host, port), PATIENCE_S) as plain:
            if context is None:
                return [*named, good(server, f"{at} answers")]
            with context.wrap_socket(plain, server_hostname=host) as talk:
                return [*named, *_certificate(server, at, talk.getpeercert() or {}, talk.version())]
    except ssl.SSLError as error:
        fault = tls.fault(error, at, server)
        return [*named, bad(server, fault.what, fault.mend)]
    except OSError:
        mend = f"start it, or check {tls.SETTING[server]} and the network (nc -vz {host} {port})"
        return [*named, bad(server, f"nobody answers at {at}", mend)]


def _certificate(server: tls.Server, at: str, shown: Mapping[str, Any], version: str | None) -> list[Finding]:
    spoken = good(server, f"{at} speaks {version}, and its certificate is trusted and for that host")
    ends = ssl.cert_time_to_seconds(str(shown["notAfter"]))
    return [spoken, _lasts(server, f"the certificate of {at}", ends, "renew it there")]


def own_certificate(server: tls.Server, file: Path) -> Finding:
    """How long a client's certificate of ours is good for."""
    from cryptography import x509  # needed only here

    try:
        ends = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError):
        return bad(server, f"{file} is no certificate that can be read", "check the ssl_… settings")
    return _lasts(server, f"our own certificate {file}", ends, "renew it, and restart the workers")


def _lasts(server: tls.Server, whose: str, ends: float, mend: str) -> Finding:
    days = (ends - time.time()) / DAY_S
    day = datetime.fromtimestamp(ends, UTC).date()
    if days < 0:
        return bad(server, f"{whose} has expired on {day}", mend)
    if days < SOON_DAYS:
        return bad(server, f"{whose} expires on {day}, in {days:.0f} days", mend)
    return good(server, f"{whose} is valid until {day}")
