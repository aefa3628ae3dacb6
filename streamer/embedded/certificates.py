"""Certificates made on the spot, for servers that we start with TLS: an authority, and what it signs.

Kept as PEM, which OpenSSL, Kafka (KIP-651) and Redis read alike. Private keys are readable by us alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOCAL = ("localhost", "127.0.0.1")
ISSUED_BEFORE = timedelta(days=2)
"""Valid from so long ago: clocks differ."""


@dataclass(frozen=True)
class Certificate:
    """`file`: the certificate and its authority's; `key`: its private key; `store`: all of it, for Kafka."""

    file: Path
    key: Path
    store: Path


class Authority:
    """A certificate authority of one's own; `file` is what clients have to trust."""

    def __init__(self, folder: Path, name: str = "Streamer's own authority") -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        public = self._key.public_key()
        usage = _key_usage(certificates=True)
        self._certificate = (
            _dated(timedelta(days=365))
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(public)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, SHA256())
        )
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def issue(
        self, name: str, hosts: Sequence[str] = LOCAL, lasts: timedelta = timedelta(days=90)
    ) -> Certificate:
        """Signed for `hosts` (names or addresses), for a server and a client alike.

        With a negative `lasts` it has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        signed = (
            _dated(lasts)
            .subject_name(_named(name))
            .issuer_name(self._name)
            .public_key(public)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(certificates=False), critical=True)
            .add_extension(both, critical=False)
            .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, SHA256())
        )
        chain = signed.public_bytes(Encoding.PEM) + self.file.read_bytes()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        number = f"{signed.serial_number:x}"[:8]
        files = [self._folder / f"{name}-{number}.{kind}.pem" for kind in ("certificate", "key", "store")]
        for file, content in zip(files, (chain, private, private + chain), strict=True):
            file.touch(mode=0o600)
            file.write_bytes(content)
        return Certificate(*files)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _dated(lasts: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    first = min(now, now + lasts) - ISSUED_BEFORE
    builder = x509.CertificateBuilder().serial_number(x509.random_serial_number())
    return builder.not_valid_before(first).not_valid_after(now + lasts)


def _key_usage(certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=certificates,
        crl_sign=certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
