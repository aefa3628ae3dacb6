"""A TLS handshake that fails is told in words that name the server and what mends it."""

from __future__ import annotations

import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from streamer import brokers, settings, tls
from streamer.embedded.certificates import Authority, Certificate

Prepare = Callable[[ssl.SSLContext], None]


@contextmanager
def server(certificate: Certificate | None, prepare: Prepare = lambda _: None) -> Iterator[int]:
    """Shakes hands with whoever comes, then says one byte; without a certificate it says it in plain."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate:
        context.load_cert_chain(certificate.file, certificate.key)
        prepare(context)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                if certificate is None:
                    connection.sendall(b"HELLO-I-AM-PLAIN")
                    connection.recv(1)
                    continue
                with context.wrap_socket(connection, server_side=True) as talk:
                    talk.sendall(b"1")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@contextmanager
def talking(port: int, trusted: Path | None) -> Iterator[ssl.SSLSocket]:
    """Past the handshake, with our settings; it raises otherwise."""
    context = brokers.ssl_context(settings.load(security_protocol="SSL", ssl_cafile=trusted))
    assert context
    plain = socket.create_connection(("127.0.0.1", port))
    with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as talk:
        yield talk


def verdict(port: int, trusted: Path | None) -> str:
    """What is said of a server by a client with our settings."""
    with pytest.raises(ssl.SSLError) as raised, talking(port, trusted) as talk:
        talk.recv(1)
    return str(tls.fault(raised.value, "kafka:9093"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_a_good_certificate_is_taken_with_tls_of_today(authority: Authority) -> None:
    with server(authority.issue("kafka")) as port, talking(port, authority.file) as talk:
        assert talk.version() == "TLSv1.3"
        assert talk.recv(1) == b"1"


def test_an_expired_certificate(authority: Authority) -> None:
    with server(authority.issue("kafka", lasts=-timedelta(hours=1))) as port:
        assert verdict(port, authority.file) == "the certificate of kafka:9093 has expired: renew it there"


@pytest.mark.parametrize("host", ["kafka.elsewhere.example", "127.0.0.2"])
def test_a_certificate_of_another_host(authority: Authority, host: str) -> None:
    with server(authority.issue("kafka", hosts=[host])) as port:
        assert "is for another host: write the host in STREAMER_BOOTSTRAP" in verdict(port, authority.file)


def test_an_authority_that_is_not_ours(authority: Authority, tmp_path: Path) -> None:
    with server(authority.issue("kafka")) as port:
        for trusted in (Authority(tmp_path).file, None):
            said = verdict(port, trusted)
            assert "signed by nobody that is trusted here: set STREAMER_SSL_CAFILE" in said


def test_a_server_without_tls(authority: Authority) -> None:
    with server(None) as port:
        assert verdict(port, authority.file).startswith("kafka:9093 does not speak TLS: ")


def test_tls_older_than_1_2_is_refused(authority: Authority) -> None:
    def old(context: ssl.SSLContext) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT:@SECLEVEL=0")

    with server(authority.issue("kafka"), old) as port:
        said = verdict(port, authority.file)
    assert said == "kafka:9093 has no TLS 1.2 or newer: allow TLSv1.2 and TLSv1.3 there"


def test_a_server_that_wants_our_certificate(authority: Authority) -> None:
    def strict(context: ssl.SSLContext) -> None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.file)

    with server(authority.issue("kafka"), strict) as port:
        said = verdict(port, authority.file)
    assert said.startswith("kafka:9093 does not accept our certificate, or wants one: set STREAMER_SSL_CERT")


def test_redis_has_settings_of_its_own() -> None:
    error = ssl.SSLCertVerificationError(1, "text")
    error.verify_code = 19
    assert "add ?ssl_ca_certs=FILE" in str(tls.fault(error, "cache:6379", "redis"))
    error.verify_code = 99
    assert "OpenSSL's code 99" in str(tls.fault(error, "cache:6379", "redis"))
