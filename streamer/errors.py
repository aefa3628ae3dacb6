"""Everything that can go wrong, in one tree.

    StreamerError
    ├── SettingError      a wrong call or setting: exit 2, one line, what · where · how to mend
    │   ├── TopicMissing  refused at the start, with the command that makes the topic
    │   └── NotAllowed    refused at the start, with the command that grants the permission
    ├── WorldError        broker, engine, disk: retried, or the process stops without committing
    └── NoteError         the note can never succeed: a dead letter with one of the closed `REASONS`

Messages are our own fixed sentences. They never hold a note's text, key or names, nor a foreign error's text.
"""

from __future__ import annotations

REASONS: dict[str, str] = {
    "empty": "The message has no bytes.",
    "not-utf8": "The bytes are not valid UTF-8.",
    "json-invalid": "The message is not valid JSON.",
    "schema-invalid": "A field of the note is missing, misplaced or of a wrong type.",
    "unknown-format": "No known format reads this content type.",
    "no-text": "The note has no text to read.",
    "too-large": "The note is larger than the configured limit.",
    "model-non-finite": "The encoder answered with a value that is not finite.",
    "device-out-of-memory": "A single passage does not fit into the device's memory.",
    "output-too-large": "The annotation record is larger than the broker accepts.",
}
"""The closed list of dead-letter reasons, each with its one sentence."""


class StreamerError(Exception):
    """Root of every error this service raises on purpose."""

    retry_can_help = False
    exit_code = 1


class SettingError(StreamerError):
    """A wrong call or setting; the message says what, where and how to mend it."""

    exit_code = 2


class TopicMissing(SettingError):
    """A topic that the service needs does not exist."""

    def __init__(self, topics: list[str]) -> None:
        names = ", ".join(topics)
        super().__init__(f"missing topic: {names}. Make it with: streamer topics create")


class NotAllowed(SettingError):
    """The brokers know the user, and do not let it do what the service does."""


class WorldError(StreamerError):
    """A fault of the world around the notes; a retry can help, a dead letter never does."""

    retry_can_help = True


class NoteError(StreamerError):
    """A fault of the note itself; `reason` is one of `REASONS`."""

    def __init__(self, reason: str, stage: str = "decode") -> None:
        if reason not in REASONS:
            raise AssertionError(f"this is a bug: unknown dead-letter reason {reason}")
        super().__init__(REASONS[reason])
        self.reason = reason
        self.stage = stage
