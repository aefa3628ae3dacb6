"""What a TLS handshake that failed means, in words, with what mends it; OpenSSL's own words help nobody."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Literal

EXPIRED, NOT_YET = 10, 9
UNTRUSTED = (2, 18, 19, 20, 21)
WRONG_HOST = (62, 64)
"""X509_V_ERR_… of OpenSSL: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/"""
NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
OLD_TLS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE")
NO_CLIENT = (
    "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "TLSV1_ALERT_UNKNOWN_CA",
)

Server = Literal["kafka", "redis"]
_TRUST = {
    "kafka": "set STREAMER_SSL_CAFILE to the file of the authority that signed it",
    "redis": "add ?ssl_ca_certs=FILE of the authority that signed it to STREAMER_REDIS",
}
SETTING = {"kafka": "STREAMER_BOOTSTRAP", "redis": "STREAMER_REDIS"}
"""Where a server's address is set."""
_CLIENT = {
    "kafka": "set STREAMER_SSL_CERTFILE and STREAMER_SSL_KEYFILE to one that its authority signed",
    "redis": "add ?ssl_certfile=FILE&ssl_keyfile=FILE to STREAMER_REDIS",
}


@dataclass(frozen=True)
class Fault:
    """What is wrong with the server at an address, and what to do about it."""

    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what}: {self.mend}"


def fault(error: ssl.SSLError, address: str, server: Server = "kafka") -> Fault:
    """`address`: of the server, as a person would write it; `server`: whose settings are at fault."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error.verify_code, address, server)
    reason = error.reason or ""
    if reason in NO_TLS:
        return Fault(
            f"{address} does not speak TLS",
            "name its address for TLS, or choose another security protocol"
            if server == "kafka"
            else "name its address for TLS",
        )
    if reason in OLD_TLS:
        return Fault(f"{address} has no TLS 1.2 or newer", "allow TLSv1.2 and TLSv1.3 there")
    if reason in NO_CLIENT:
        return Fault(f"{address} does not accept our certificate, or wants one", _CLIENT[server])
    return Fault(f"the TLS handshake with {address} failed ({reason or type(error).__name__})", "see its log")


def _certificate(code: int, address: str, server: Server) -> Fault:
    if code == EXPIRED:
        return Fault(f"the certificate of {address} has expired", "renew it there")
    if code == NOT_YET:
        return Fault(
            f"the certificate of {address} is not valid yet",
            "set the clocks, or wait until it is",
        )
    if code in WRONG_HOST:
        return Fault(
            f"the certificate of {address} is for another host",
            f"write the host in {SETTING[server]} as the certificate has it, or issue it for this one",
        )
    if code in UNTRUSTED:
        return Fault(f"the certificate of {address} is signed by nobody that is trusted here", _TRUST[server])
    return Fault(f"the certificate of {address} cannot be verified (OpenSSL's code {code})", _TRUST[server])
