"""How the service, and the look at what it stands on, connect to Redis."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from streamer.errors import SettingError
from streamer.settings import NO_REDIS


def connector(url: str, timeout: float) -> Callable[[float], redis.Redis]:
    """One connection, no retries, no handshake of its own: every fault shows at once, and only once.

    Raises SettingError for what is no address.
    """
    options: dict[str, Any] = {
        "protocol": 2,
        "single_connection_client": True,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": timeout,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "driver_info": None,
    }
    if url.startswith("rediss://"):
        options |= {"ssl_check_hostname": True, "ssl_min_version": ssl.TLSVersion.TLSv1_2}
    try:
        redis.Redis.from_url(url, **(options | {"single_connection_client": False})).close()
    except ValueError:
        raise SettingError(NO_REDIS) from None
    return lambda patience: redis.Redis.from_url(url, socket_connect_timeout=patience, **options)
