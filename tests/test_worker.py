"""What a worker says of a start that was refused; the rest of its life is shown on real servers."""

from __future__ import annotations

import pytest

from streamer import brokers, settings
from streamer.errors import NotAllowed, SettingError, TopicMissing
from streamer.settings import Settings
from streamer.topics import Incoming, Outgoing
from streamer.worker import Worker
from tests.monitored import page


async def annotate(incoming: Incoming) -> Outgoing:
    raise AssertionError("no note comes")


@pytest.mark.parametrize(
    ("error", "kind"),
    [(TopicMissing(["annotations"]), "topic-missing"), (NotAllowed("grant it"), "not-authorised")],
    ids=["a topic is gone", "a permission is gone"],
)
async def test_a_refused_start_counts_as_a_refusal_so_that_its_alert_lasts(
    error: SettingError, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(chosen: Settings) -> None:
        raise error

    monkeypatch.setattr(brokers, "check", refuse)
    name = f"streamer_publish_errors_total{{kind={kind}}}"
    before = page()[name]
    with pytest.raises(type(error)):
        await Worker(settings.load(), annotate).run()
    assert page()[name] == before + 1
