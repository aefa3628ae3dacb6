"""TLS and SASL come from the settings alone; what is wrong with them is one line, without a secret."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from streamer import brokers, settings
from streamer.errors import SettingError
from streamer.intake import faust_app
from streamer.worklist import Worklist

USER = {"sasl_username": "annotator", "sasl_password": "open-sesame"}


def test_plaintext_has_neither_tls_nor_user() -> None:
    options = brokers.client_options(settings.load(bootstrap="localhost:1, localhost:2"))
    assert options == {
        "bootstrap_servers": ["localhost:1", "localhost:2"],
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }


def test_tls_is_modern_and_verifies_the_host() -> None:
    context = brokers.ssl_context(settings.load(security_protocol="SSL"))
    assert context is not None
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_user_goes_with_the_mechanism_of_the_settings() -> None:
    options = brokers.client_options(settings.load(security_protocol="SASL_SSL", **USER))
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert options["sasl_plain_password"] == "open-sesame"
    assert options["ssl_context"] is not None


@pytest.mark.parametrize("missing", sorted(USER))
def test_sasl_without_a_user_says_which_settings_are_missing(missing: str) -> None:
    rest = {name: value for name, value in USER.items() if name != missing}
    with pytest.raises(SettingError, match="STREAMER_SASL_USERNAME and STREAMER_SASL_PASSWORD") as raised:
        brokers.client_options(settings.load(security_protocol="SASL_SSL", **rest))
    assert "open-sesame" not in str(raised.value)


def test_an_unreadable_certificate_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    for path in (broken, tmp_path / "absent.pem"):
        with pytest.raises(SettingError, match="check ssl_cafile, ssl_certfile, ssl_keyfile"):
            brokers.ssl_context(settings.load(security_protocol="SSL", ssl_cafile=path))


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL", "SASL_PLAINTEXT"])
async def test_faust_gets_the_same_credentials(protocol: str) -> None:
    from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

    chosen = settings.load(security_protocol=protocol, insecure=True, **USER)

    async def nobody(incoming: object) -> object:
        raise AssertionError

    worklist = Worklist(nobody, lambda _: pytest.fail("nothing is assigned"), lambda _: None, 10)  # type: ignore[arg-type]
    app = faust_app(chosen, worklist, lambda _: None)
    auth = dict(credentials_to_aiokafka_auth(app.conf.broker_credentials))
    expected = brokers.client_options(chosen)
    assert auth["security_protocol"] == protocol
    assert (auth["ssl_context"] is None) == (expected["ssl_context"] is None)
    assert auth.get("sasl_plain_password") == expected.get("sasl_plain_password")
    assert auth.get("sasl_mechanism") == expected.get("sasl_mechanism")


@pytest.mark.parametrize(
    ("bootstrap", "found"),
    [
        ("kafka:9093", [("kafka", 9093)]),
        ("a, b:1 ,10.0.0.1:2", [("a", 9092), ("b", 1), ("10.0.0.1", 2)]),
        ("[::1]:9092,[fe80::1]", [("::1", 9092), ("fe80::1", 9092)]),
    ],
)
def test_addresses_are_hosts_with_ports(bootstrap: str, found: list[tuple[str, int]]) -> None:
    assert brokers.addresses(settings.load(bootstrap=bootstrap, insecure=True)) == found


@pytest.mark.parametrize(
    "bootstrap", ["", "kafka:", "kafka:x", "a,,b", "http://kafka:1", "user:pw@kafka:1", "::1"]
)
def test_what_is_no_address_is_one_line_without_it(bootstrap: str) -> None:
    with pytest.raises(SettingError, match="STREAMER_BOOTSTRAP is no address") as refusal:
        brokers.client_options(settings.load(bootstrap=bootstrap, insecure=True))
    assert "pw" not in str(refusal.value)
