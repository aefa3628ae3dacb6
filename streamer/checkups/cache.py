"""Redis: the way there, and whether it is set up as a cache that forgets."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.connection import parse_url

from streamer.checkups import network
from streamer.checkups.finding import Finding, bad, good, of_error, unknown
from streamer.errors import SettingError
from streamer.redis_client import connector
from streamer.settings import Settings

PATIENCE_S = 5.0
OLDEST = (6, 2)
APART_S = 5.0


def look(settings: Settings) -> list[Finding]:
    """Everything about the cache, as far as one can come; one line where there is none."""
    url = settings.redis_url
    if url is None:
        return [unknown("redis", "the cache", "STREAMER_REDIS is not set: every passage is read anew")]
    try:
        connect = connector(url, PATIENCE_S)
        findings = _way(url)
    except SettingError as error:
        return [of_error("redis", error)]
    if settings.cache_secret is None:
        mend = "set STREAMER_CACHE_SECRET, the same on every node: openssl rand -hex 32"
        findings.append(bad("redis", "the cache has no secret", mend))
    if any(one.state == "bad" and "secret" not in one.what for one in findings):
        return findings
    client = connect(PATIENCE_S)
    try:
        return findings + _served(client)
    except (redis.RedisError, OSError) as error:
        return [*findings, _refusal(error)]
    finally:
        with suppress(Exception):
            client.close()


def _way(url: str) -> list[Finding]:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return []
    try:
        context = _context(url) if parts.scheme == "rediss" else None
    except OSError:
        return [bad("redis", "a certificate file cannot be read", "check the ssl_… parts of STREAMER_REDIS")]
    found = network.way("redis", parts.hostname or "localhost", parts.port or 6379, context)
    return found if context else [*found, unknown("redis", "TLS", "the address is not rediss://")]


def _context(url: str) -> ssl.SSLContext:
    """As redis-py would make it from the address, with our bounds."""
    said: Mapping[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    context = ssl.create_default_context(cafile=said.get("ssl_ca_certs"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if said.get("ssl_certfile"):
        context.load_cert_chain(said["ssl_certfile"], said.get("ssl_keyfile"))
    return context


def _refusal(error: Exception) -> Finding:
    if isinstance(error, redis.exceptions.NoPermissionError):
        return unknown("redis", "its settings", "this user may not ask for them (+info +config|get +time)")
    if isinstance(error, redis.AuthenticationError):
        return bad("redis", "Redis refused the user", "check user and password in STREAMER_REDIS")
    return bad("redis", f"Redis did not answer ({type(error).__name__})", "see its log")


def _served(client: redis.Redis) -> list[Finding]:
    client.ping()
    findings = [good("redis", "Redis lets us in")]
    info: Mapping[str, Any] = client.info()
    save = ""
    with suppress(redis.ResponseError):  # many hosts of Redis do not say
        save = str(client.config_get("save").get("save", ""))
    findings += settings_of(info, save)
    seconds, _ = client.time()
    apart = float(seconds) - time.time()
    if abs(apart) > APART_S:
        findings.append(
            bad("redis", f"its clock and ours are {abs(apart):.0f} s apart", "timedatectl set-ntp true")
        )
    else:
        findings.append(good("redis", "its clock and ours agree"))
    return findings


def settings_of(info: Mapping[str, Any], save: str) -> list[Finding]:
    """`info`: what INFO answers; `save`: when it writes its memory to disk, empty for never."""
    version = str(info.get("redis_version", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    findings = []
    if numbers < OLDEST:
        findings.append(bad("redis", f"version {version} is too old", "install Redis 6.2 or newer"))
    else:
        findings.append(good("redis", f"version {version}"))
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if limit == 0:
        mend = "redis-cli CONFIG SET maxmemory 1gb"
        findings.append(bad("redis", "its memory has no limit: the kernel may end it", mend))
    else:
        findings.append(good("redis", f"{used / 2**20:.0f} of {limit / 2**20:.0f} MB of memory are used"))
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        mend = "redis-cli CONFIG SET maxmemory-policy allkeys-lru"
        findings.append(bad("redis", "when it is full it refuses instead of forgetting (noeviction)", mend))
    else:
        findings.append(good("redis", f"when it is full it forgets ({policy})"))
    if info.get("aof_enabled") or save:
        mend = 'redis-cli CONFIG SET appendonly no; redis-cli CONFIG SET save ""'
        findings.append(bad("redis", "it keeps the cache on disk, longer than keys live", mend))
    else:
        findings.append(good("redis", "it keeps nothing on disk"))
    return findings
