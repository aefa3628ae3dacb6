"""Faust's consumer, taught to hand over runs of records instead of single messages, and to leave committing.

Faust keeps membership, assignment and life cycle. Its own acknowledgements are not used: an offset is
committed together with the answers that it stands for (`streamer.release`), never by Faust.
This rests on private parts of faust-streaming 0.15.3, which is pinned; tests/integration holds the promise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import faust
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from faust.events import Event
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import ConsumerMessage
from faust.types.auth import SASLMechanism
from yarl import URL

from streamer import brokers, header_names
from streamer.release import Partition
from streamer.settings import Settings
from streamer.topics import Headers, Incoming
from streamer.watchdog import Starved
from streamer.worklist import Run, Worklist

FETCH_S = 1.0
FULL_S = 0.005
LOOK_S = 5.0
"""Between two looks at whether there is more on the brokers, and how long one may take."""
DRAIN_S = 4.5
COMMIT_LIMIT_S = 5.0
DAY_S = 86_400.0


class _Thread(AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust is untyped
    def _create_worker_consumer(self, transport: Any) -> Any:
        header_names.read_any()
        consumer = super()._create_worker_consumer(transport)
        # Notes of a transaction that their producer aborted are no notes. Faust ties this to its own
        # transactions, which are not used.
        consumer._isolation_level = "read_committed"
        return consumer

    async def positions(self) -> dict[Any, int]:
        """Where it is known, of every partition: the offset after all that was fetched, notes or not."""
        found: dict[Any, int] = await self.call_thread(self._positions)
        return found

    async def ends(self) -> dict[Any, int]:
        """Of every assigned partition, the offset after the last note that may be read."""
        found: dict[Any, int] = await self.call_thread(self._ends)
        return found

    async def _ends(self) -> dict[Any, int]:
        consumer = self._ensure_consumer()
        return dict(await consumer.end_offsets(consumer.assignment()))

    async def _positions(self) -> dict[Any, int]:
        subscription = self._ensure_consumer()._subscription.subscription
        if subscription is None or subscription.assignment is None:
            return {}
        assignment = subscription.assignment
        states = {own: assignment.state_value(own) for own in assignment.tps}
        return {own: state.position for own, state in states.items() if state.has_valid_position}

    def give_up_name(self) -> None:
        self._ensure_consumer()._coordinator._group_instance_id = None

    def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
        """Faust would print a traceback; the error itself reaches the app."""


class Intake(Consumer):  # type: ignore[misc]  # Faust is untyped
    """The app that owns it has a `worklist`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._seeking = asyncio.Lock()
        self._placed: int | None = None
        """The generation in which the position is known to be the committed one, and nothing was skipped."""
        self._handed: dict[Any, int] = {}
        """The offset after all that the worklist was told of."""
        self.turned_at = self._looked_at = self.loop.time()
        self.starved = Starved()

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's fetch loop: run after run, until the fetcher or the consumer is stopped."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                self.turned_at = self.loop.time()
                await self._next_runs()
                if self.app.worklist.full or not self.flow_active:
                    self.starved.forget()
                while self.app.worklist.full and self.flow_active and not fetcher.should_stop:
                    self.turned_at = self.loop.time()
                    await asyncio.sleep(FULL_S)
        except (*self.consumer_stopped_errors, asyncio.CancelledError):
            if not self.transport.app.should_stop:
                raise

    async def _next_runs(self) -> None:
        generation = self.app.consumer_generation_id
        if self.flow_active and self._placed != generation:
            await self._find_place(generation)
            return
        records, _ = await self._wait_next_records(FETCH_S)
        await self._look_for_more()
        if not records:
            await self._pass_over(generation)
            return
        if not self.flow_active or self._placed != generation or not self._current(generation):
            self._placed = None  # these records are dropped: go back to where they are read again
            return
        for partition, fetched in records.items():
            incoming = [_incoming(record) for record in fetched]
            self._hand_over(partition, incoming[-1].offset + 1, generation, incoming)

    async def _look_for_more(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < LOOK_S:
            return await asyncio.sleep(0)
        self._looked_at = now
        try:
            ends = await asyncio.wait_for(self._thread.ends(), LOOK_S)
            positions = await asyncio.wait_for(self._thread.positions(), LOOK_S)
        except (KafkaError, TimeoutError):
            self.starved.forget()
        else:
            self.starved.look(now, positions, ends)

    async def _pass_over(self, generation: int) -> None:
        """Offsets at which there is no note count as done, lest an idle partition seem to lag for ever.

        Ends of transactions have offsets, and so do records of aborted ones. What was fetched before them is
        on the channel already, and stays before them there.
        """
        positions = await self._thread.positions()
        if not self.flow_active or self._placed != generation or not self._current(generation):
            return
        for partition, position in positions.items():
            if position > self._handed.get(partition, 0):
                self._hand_over(partition, position, generation)

    def _current(self, generation: int) -> bool:
        return bool(generation == self.app.consumer_generation_id)

    async def _find_place(self, generation: int) -> None:
        try:
            await self.perform_seek()
        except Exception:
            if self.flow_active and self._current(generation):
                raise
        else:
            await asyncio.sleep(0)

    def _hand_over(
        self, partition: Any, after: int, generation: int, incoming: Sequence[Incoming] = ()
    ) -> None:
        """One event per run on the channel of the agent: its cost is per run, not per note."""
        self._handed[partition] = after
        place = Partition(*partition)
        message = ConsumerMessage(
            place.topic,
            place.partition,
            incoming[0].offset if incoming else after,
            0.0,
            0,
            [],
            None,
            None,
            None,
            tp=partition,
            generation_id=generation,
        )
        event = Event(self.app, None, Run(place, generation, incoming, after), None, message)
        for channel in self.app.topics._tp_index[partition]:
            channel.queue.force_put_nowait(event)

    async def perform_seek(self) -> None:
        """Fence predecessors, then go to the committed offsets: in this order they are final."""
        async with self._seeking:
            generation = self.app.consumer_generation_id
            self._placed = None
            assigned = self.assignment()
            await self.app.worklist.fence(assigned, generation)
            if assigned:
                await super().perform_seek()
            if self._current(generation):
                self._placed = generation

    async def seek_to_committed(self) -> Mapping[Any, int]:
        committed: Mapping[Any, int] = await super().seek_to_committed()
        self._handed = {partition: offset for partition, offset in committed.items() if offset}
        # aiokafka leaves the position alone where nothing, or offset 0, is committed.
        untouched = [TopicPartition(*partition) for partition, offset in committed.items() if not offset]
        if untouched:
            await self._thread.seek_to_beginning(*untouched)
        return committed

    async def wait_empty(self) -> None:
        """Called by Faust when partitions are revoked and at the end; takes a few seconds at most."""
        await self.app.worklist.drain(DRAIN_S)

    async def _commit(self, offsets: Mapping[Any, int]) -> bool:
        return True

    async def verify_all_partitions_active(self) -> None:
        """Faust would look for streams that stopped, and die of a partition whose place is still being found:
        in a rebalance on a busy machine. `Worker` has a watchdog of its own."""

    def leave(self) -> None:
        """At the end the group is told: aiokafka would keep the place of a member with an instance id."""
        self._thread.give_up_name()

    async def commit_offset(self, partition: Partition, offset: int) -> None:
        """For at-least-once delivery; raises if the brokers did not take it in time."""
        await asyncio.wait_for(self._thread.commit({partition: offset}), COMMIT_LIMIT_S)


def _incoming(record: Any) -> Incoming:
    headers: Headers = tuple(record.headers)
    timestamp = -1 if record.timestamp is None else record.timestamp
    return Incoming(
        record.topic, record.partition, record.offset, timestamp, record.key, record.value, headers
    )


# --- the Faust app that owns it ------------------------------------------------------------------


class App(faust.App):  # type: ignore[misc]  # Faust is untyped
    """Membership, assignment and life cycle; what it takes in goes to its worklist."""

    worklist: Worklist

    async def on_first_start(self) -> None:
        """Faust would make folders for tables, which are not used."""

    def _on_rebalance_when_stopped(self) -> None:
        """Faust would close the consumer on the wrong event loop; the thread that owns it does so itself."""


def faust_app(settings: Settings, worklist: Worklist, fail: Callable[[BaseException], None]) -> App:
    """An app whose one agent hands every run to `worklist`; `fail` hears of what it raises."""
    app = App(
        settings.group,
        broker=[URL(f"kafka://{host.strip()}") for host in settings.bootstrap.split(",")],
        broker_credentials=_credentials(settings),
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=min(3.0, settings.session_timeout_s / 3),
        broker_request_timeout=max(40.0, settings.session_timeout_s + 5),
        broker_max_poll_interval=DAY_S,  # back-pressure may pause fetching for long
        broker_max_poll_records=512,
        broker_commit_interval=1.0,
        consumer_group_instance_id=settings.instance_id,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=4096,
        stream_wait_empty=True,
        stream_publish_on_commit=False,
        producer_threaded=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,
        autodiscover=False,
    )
    app.worklist = worklist
    app.transport.Consumer = Intake
    topic = app.topic(settings.input_topic, key_serializer="raw", value_serializer="raw", acks=False)

    @app.agent(topic, name="notes")  # type: ignore[untyped-decorator]
    async def notes(runs: Any) -> None:
        async for run in runs.noack():
            try:
                worklist.take(run)
            except Exception as error:  # Faust would restart the agent and forget the run
                fail(error)

    return app


def _credentials(settings: Settings) -> Any:
    context = brokers.ssl_context(settings)
    if settings.security_protocol.startswith("SASL"):
        options = brokers.client_options(settings)
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=SASLMechanism(settings.sasl_mechanism),
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context=context)
