"""Logs hold fixed sentences, numbers and places in the code; nothing that a message or an error may quote."""

from __future__ import annotations

import asyncio
import logging

import pytest

from streamer import logs

CANARY = "canary-4711"


def line(name: str, message: object, *args: object, error: BaseException | None = None) -> str:
    info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, args, info)
    return logs.Formatter("%(levelname)s %(name)s: %(message)s").format(record)


def raised() -> BaseException:
    try:
        raise ValueError(f"cannot read {CANARY}")
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("send: k=%r v=%r", (CANARY, CANARY.encode())),
        ("crashed: %s", (ValueError(CANARY),)),
        ("headers %s", ([(CANARY, b"")],)),
        ("one %s too many", (CANARY, CANARY)),
        ("by name %(note)s", ({"note": CANARY},)),
        (ValueError(CANARY), ()),
    ],
)
def test_messages_of_libraries_lose_what_they_quote(message: object, args: tuple[object, ...]) -> None:
    shown = line("aiokafka.producer", message, *args)
    assert CANARY not in shown
    assert shown.startswith("ERROR aiokafka.producer: ")


def test_numbers_and_classes_of_errors_stay() -> None:
    shown = line("aiokafka.client", "node %d: %r after %.1f s, %s", 3, TimeoutError(CANARY), 2.5, OSError)
    assert shown == "ERROR aiokafka.client: node 3: TimeoutError after 2.5 s, OSError"


def test_an_error_is_its_class_and_place() -> None:
    shown = line("streamer.worker", "it ends", error=raised())
    assert CANARY not in shown
    assert "it ends [ValueError at " in shown
    assert f"{__file__}:" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"message": "Future exception was never retrieved"}, "Future exception was never retrieved"),
        ({"message": f"Exception in callback read({CANARY!r})"}, "Exception in callback read"),
        (
            {"message": f"Task was destroyed but it is pending!\n{CANARY}"},
            "Task was destroyed but it is pending!",
        ),
    ],
)
async def test_what_asyncio_says_of_an_error_is_where_alone(
    about: dict[str, object], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = raised()
    asyncio.get_running_loop().default_exception_handler({**about, "exception": error, "future": error})
    (record,) = caplog.records
    shown = logs.Formatter("%(message)s").format(record)
    assert shown.startswith(f"{said} [ValueError at ")
    assert CANARY not in shown
    assert "\n" not in shown


def test_our_own_sentences_are_shown_as_they_are() -> None:
    assert line("streamer.supervisor", "the %s ended", "engine").endswith("the engine ended")


def test_what_faust_says_in_our_name_is_faust_s() -> None:
    assert CANARY not in line("streamer.intake", "Skipping message %r", CANARY)


def test_what_a_library_says_over_and_over_is_written_seldom_and_counted() -> None:
    now = 100.0
    seldom, formatter = logs.Seldom(lambda: now), logs.Formatter("%(message)s")

    def written(name: str, message: str, *args: object) -> str | None:
        record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, args, None)
        return formatter.format(record) if seldom.filter(record) else None

    refused = "Unable connect to node with id %s: %s"
    assert written("aiokafka", refused, 3, OSError()) == "Unable connect to node with id 3: OSError"
    for _ in range(7):
        now += 1.0
        assert written("aiokafka", refused, 3, OSError()) is None
    assert written("aiokafka", refused, 2, OSError()) == "Unable connect to node with id 2: OSError"
    assert written("streamer.worker", "it ends") == written("streamer.worker", "it ends") == "it ends"
    now += logs.AGAIN_S
    said = written("aiokafka", refused, 3, OSError())
    assert said == "Unable connect to node with id 3: OSError (7 times more before)"
    now += logs.AGAIN_S
    assert written("aiokafka", refused, 3, OSError()) == "Unable connect to node with id 3: OSError"


def test_lines_that_never_repeat_are_not_remembered_for_ever() -> None:
    seldom = logs.Seldom()
    for number in range(3 * logs.MOST):
        record = logging.LogRecord("kafka", logging.ERROR, __file__, 1, "node %d", (number,), None)
        assert seldom.filter(record)
    assert len(seldom._shown) <= logs.MOST


def test_debug_is_off_for_libraries() -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        logs.configure()
        for name in ("aiokafka.producer.producer", "faust.transport", "mode.services", "streamer.intake"):
            assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING
        assert logging.getLogger("streamer.worker").getEffectiveLevel() == logging.INFO
    finally:
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
