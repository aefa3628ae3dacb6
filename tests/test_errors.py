"""The error tree: exit codes, retries, and the closed list of dead-letter reasons."""

import inspect

import pytest

from streamer import errors
from streamer.errors import REASONS, NoteError, SettingError, StreamerError, TopicMissing, WorldError


def test_every_error_is_in_the_drawn_tree() -> None:
    drawn = inspect.getdoc(errors) or ""
    for name, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, StreamerError):
            assert name in drawn


def test_a_wrong_setting_exits_with_2_and_a_fault_of_the_world_may_be_retried() -> None:
    assert SettingError("x").exit_code == 2
    assert WorldError("x").retry_can_help
    assert not NoteError("empty").retry_can_help


def test_a_missing_topic_names_the_command_that_makes_it() -> None:
    error = TopicMissing(["a", "b"])
    assert "a, b" in str(error)
    assert "streamer topics create" in str(error)
    assert error.exit_code == 2


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_has_one_fixed_sentence(reason: str) -> None:
    assert str(NoteError(reason)) == REASONS[reason]
    assert REASONS[reason].endswith(".")


def test_an_unknown_reason_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="this is a bug"):
        NoteError("whatever")
