"""Keys and values of the cache: what a stranger who reads Redis sees says nothing of any note.

Keys are HMAC-SHA256 under a secret (a plain hash of a short passage could be guessed); values are
AES-256-GCM with their key as authenticated data, so that a value moved to another key is not opened.
Key derivation: HKDF, RFC 5869. A key of its own for every value keeps random nonces far from the
2³² uses after which NIST SP 800-38D no longer vouches for them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import urlsafe_b64encode

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from models.types import Findings
from streamer.errors import SettingError

NONCE_BYTES = 12
MIN_SECRET_CHARACTERS = 16
FORMAT = b"1"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Findings).decode


class Sealer:
    """One secret and one fingerprint: `key` names a passage, `seal` and `open` its findings.

    `epoch` names the secret without saying anything of it.
    """

    def __init__(self, secret: str, fingerprint: str) -> None:
        if len(secret) < MIN_SECRET_CHARACTERS:
            raise SettingError(
                f"cache_secret has fewer than {MIN_SECRET_CHARACTERS} characters: "
                "make one with `openssl rand -hex 32` and set STREAMER_CACHE_SECRET on every node"
            )
        self._name_key = _derived(secret, b"names", 32)
        self._value_key = _derived(secret, b"values", 32)
        self.epoch = _derived(secret, b"epoch", 4).hex()
        self._domain = hmac.new(self._name_key, FORMAT + fingerprint.encode(), hashlib.sha256).digest()

    def __repr__(self) -> str:
        return f"Sealer(epoch={self.epoch})"

    def key(self, text: str) -> bytes:
        """The same for the same text, secret and fingerprint; text may hold anything, lone surrogates too."""
        digest = hmac.digest(self._domain, text.encode("utf-8", "surrogatepass"), "sha256")
        return b"streamer:" + self.epoch.encode() + b":" + urlsafe_b64encode(digest)[:-1]

    def seal(self, key: bytes, findings: Findings) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher(key).encrypt(nonce, _encode(findings), key)

    def open(self, key: bytes, value: bytes) -> Findings | None:
        """None when `value` is not what `seal` gave for this very key."""
        try:
            return _decode(self._cipher(key).decrypt(value[:NONCE_BYTES], value[NONCE_BYTES:], key))
        except (InvalidTag, ValueError, msgspec.MsgspecError):
            return None

    def _cipher(self, key: bytes) -> AESGCM:
        return AESGCM(hmac.digest(self._value_key, key, "sha256"))


def _derived(secret: str, purpose: bytes, length: int) -> bytes:
    info = b"streamer cache " + FORMAT + b" " + purpose
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret.encode())
