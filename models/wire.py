"""What engine and workers say to each other over their socket.

A message is one msgpack header and, for some, raw little-endian arrays. Version 3:

    worker → engine   Hello · Read + [lengths i4, ids i4, features u1] · Explain + [those, questions i4] · Cancel · Ping
    engine → worker   Welcome · Answered + [status u1, counts i4, spans i4, confidence f4, assertion f4, classes f4,
                      pair counts i4, pairs i4, pair confidence f4] · Explained + [scores f8, baselines f8, weights f4]
                      · Refused · Pong

A worker says Hello first, and again after Refused(number=0): the engine does not know it, because it was
started anew or had given it up. Whatever was not answered is then asked again, under the same numbers.
So is, a little later, what was Refused without being `final`: the engine had no room for it.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.answers import STATUSES, Answers
from models.errors import UNREADABLE
from models.explaining.questions import COLUMNS, Weighed
from models.explanation import Method
from models.precision import Precision
from models.requests import Passage
from models.types import Lane

Message = TypeVar("Message")
VERSION = 3
PING_SECONDS = 0.25
FORGET_SECONDS = 30.0
"""A worker that says nothing for so long is given up, as is one whose answer finds nobody; its requests are
dropped."""
MOST_TOKENS = 1 << 27
"""In one request."""
MOST_LABELS = 1 << 16
"""Of all classes heads together."""


class Hello(msgspec.Struct, frozen=True, tag=True):
    version: int
    fingerprint: str


class Read(msgspec.Struct, frozen=True, tag=True):
    number: int
    lane: Lane


class Explain(msgspec.Struct, frozen=True, tag=True):
    """Why a record says what it says; see `models.explaining.questions.Asked`."""

    number: int
    method: Method


class Cancel(msgspec.Struct, frozen=True, tag=True):
    number: int


class Ping(msgspec.Struct, frozen=True, tag=True):
    pass


class Welcome(msgspec.Struct, frozen=True, tag=True):
    """`instance` names this run of the engine; `fingerprint` is the checkpoint's plain one.

    `room`: how much (see `weight`) the worker may ask for at once in each lane, or one request of any size.
    """

    version: int
    fingerprint: str
    instance: str
    precision: Precision = "fp32"
    room: int = 0


class Answered(msgspec.Struct, frozen=True, tag=True):
    """`axes`: columns of the assertion array; `labels`: of each classes head."""

    number: int
    axes: int
    labels: tuple[int, ...]
    queue_ms: float
    inference_ms: float


class Explained(msgspec.Struct, frozen=True, tag=True):
    number: int


class Refused(msgspec.Struct, frozen=True, tag=True):
    """`reason` is one of our own sentences. `final`: asking again does not help."""

    number: int
    reason: str
    final: bool = True


class Pong(msgspec.Struct, frozen=True, tag=True):
    """`room`: as in `Welcome`, as it is now."""

    instance: str
    room: int = 0


ToEngine = Hello | Read | Explain | Cancel | Ping
ToWorker = Welcome | Answered | Explained | Refused | Pong
_to_engine: Callable[[bytes], ToEngine] = msgspec.msgpack.Decoder(ToEngine).decode
_to_worker: Callable[[bytes], ToWorker] = msgspec.msgpack.Decoder(ToWorker).decode
encode = msgspec.msgpack.Encoder().encode


class Malformed(ValueError):
    """A message that does not hold what its header says; the text is our own sentence."""


def to_engine(header: bytes) -> ToEngine:
    """What a worker says. Raises `Malformed`."""
    return _message(_to_engine, header)


def to_worker(header: bytes) -> ToWorker:
    """What the engine says. Raises `Malformed`."""
    return _message(_to_worker, header)


def _message(decode: Callable[[bytes], Message], header: bytes) -> Message:
    try:
        return decode(header)
    except UNREADABLE:
        raise Malformed("not a message of this protocol") from None


def weight(passages: Sequence[Passage]) -> int:
    """What a request takes of a worker's room: its tokens, [CLS] and [SEP] of every passage, and one."""
    return sum(len(ids) + 2 for ids, _ in passages) + 1


def pack_passages(passages: Sequence[Passage]) -> list[bytes]:
    lengths = np.array([len(ids) for ids, _ in passages], "<i4")
    ids = np.concatenate([np.zeros(0, np.int32), *(ids for ids, _ in passages)]).astype("<i4", copy=False)
    features = np.concatenate([np.zeros(0, np.uint8), *(features for _, features in passages)])
    return [lengths.tobytes(), ids.tobytes(), features.tobytes()]


def unpack_passages(frames: Sequence[bytes], vocabulary: int, features: int) -> list[Passage]:
    """Raises `Malformed` for arrays that do not fit each other, the vocabulary or the feature table."""
    if len(frames) != 3:
        raise Malformed("a request has three arrays: lengths, ids, features")
    lengths, ids, masks = _i4(frames[0]), _i4(frames[1]), _u1(frames[2])
    bounds = list(accumulate(lengths.tolist(), initial=0))
    if min(lengths.tolist(), default=0) < 0 or not bounds[-1] == len(ids) == len(masks):
        raise Malformed("the lengths do not add up to the tokens")
    if len(ids) > MOST_TOKENS:
        raise Malformed(f"more than {MOST_TOKENS} tokens in a request")
    if len(ids) and ids.view("<u4").max() >= vocabulary:  # what is below 0 is a large number so
        raise Malformed("a token is not in the vocabulary")
    if features and len(masks) and masks.max() >= features:
        raise Malformed("a feature mask is not in the table")
    return [(ids[a:b], masks[a:b]) for a, b in pairwise(bounds)]


def pack_answers(number: int, result: Answers) -> list[bytes]:
    header = Answered(number, result.assertion.shape[1], result.labels, result.queue_ms, result.inference_ms)
    arrays = (
        result.status,
        result.counts.astype("<i4", copy=False),
        result.spans.astype("<i4", copy=False),
        result.confidence.astype("<f4", copy=False),
        result.assertion.astype("<f4", copy=False),
        (result.classes[result.status == 0] if result.labels else result.classes).astype("<f4", copy=False),
        result.pair_counts.astype("<i4", copy=False),
        result.pairs.astype("<i4", copy=False),
        result.pair_confidence.astype("<f4", copy=False),
    )
    return [encode(header), *(array.tobytes() for array in arrays)]


def unpack_answers(header: Answered, frames: Sequence[bytes]) -> Answers:
    """Raises `Malformed` for arrays that do not fit each other or the header."""
    if len(frames) != 9:
        raise Malformed("answers have nine arrays")
    status, counts, pair_counts = _u1(frames[0]), _i4(frames[1]), _i4(frames[6])
    spans, confidence, assertion, classes = _i4(frames[2]), _f4(frames[3]), _f4(frames[4]), _f4(frames[5])
    pairs, pair_confidence = _i4(frames[7]), _f4(frames[8])
    if not len(status) == len(counts) == len(pair_counts) or status.max(initial=0) >= len(STATUSES):
        raise Malformed("what is said of the passages does not add up")
    if min(counts.min(initial=0), pair_counts.min(initial=0), header.axes, *header.labels, 0) < 0:
        raise Malformed("a number of something is below 0")
    found, related, columns = int(counts.sum()), int(pair_counts.sum()), sum(header.labels)
    rows = np.flatnonzero(status == 0)
    wanted = found * 3, found, found * header.axes, len(rows) * columns, related * 3, related
    arrays = spans, confidence, assertion, classes, pairs, pair_confidence
    if columns > MOST_LABELS or wanted != tuple(map(len, arrays)):
        raise Malformed("the answers are not as many as their header and counts say")
    whole = np.zeros((len(status), columns), np.float32)
    whole[rows] = classes.reshape(len(rows), columns)
    return Answers(
        status,
        counts,
        spans.reshape(-1, 3),
        confidence,
        assertion.reshape(found, header.axes),
        whole,
        header.labels,
        pair_counts,
        pairs.reshape(-1, 3),
        pair_confidence,
        header.queue_ms,
        header.inference_ms,
    )


def pack_questions(passages: Sequence[Passage], questions: NDArray[np.int32]) -> list[bytes]:
    return [*pack_passages(passages), questions.astype("<i4", copy=False).tobytes()]


def unpack_questions(
    frames: Sequence[bytes], vocabulary: int, features: int
) -> tuple[list[Passage], NDArray[np.int32]]:
    """Passages and questions int32 [m, `COLUMNS`]. Raises `Malformed` as `unpack_passages`."""
    if len(frames) != 4:
        raise Malformed("questions have four arrays: lengths, ids, features, questions")
    questions = _i4(frames[3])
    if len(questions) % COLUMNS:
        raise Malformed(f"a question is not of {COLUMNS} numbers")
    return unpack_passages(frames[:3], vocabulary, features), questions.reshape(-1, COLUMNS)


def pack_weighed(number: int, weighed: Weighed) -> list[bytes]:
    arrays = (
        weighed.scores.astype("<f8", copy=False),
        weighed.baselines.astype("<f8", copy=False),
        weighed.weights.astype("<f4", copy=False),
    )
    return [encode(Explained(number)), *(array.tobytes() for array in arrays)]


def unpack_weighed(frames: Sequence[bytes]) -> Weighed:
    """Raises `Malformed`."""
    if len(frames) != 3 or len(frames[0]) != len(frames[1]):
        raise Malformed(
            "an explanation has three arrays, of which two are as long: scores, baselines, weights"
        )
    scores, baselines = (np.frombuffer(_whole(frame, 8), "<f8") for frame in frames[:2])
    return Weighed(scores, baselines, _f4(frames[2]))


def _i4(frame: bytes) -> NDArray[np.int32]:
    return np.frombuffer(_whole(frame, 4), "<i4")


def _f4(frame: bytes) -> NDArray[np.float32]:
    return np.frombuffer(_whole(frame, 4), "<f4")


def _u1(frame: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(frame, "u1")


def _whole(frame: bytes, size: int) -> bytes:
    if len(frame) % size:
        raise Malformed("an array ends within a number")
    return frame
