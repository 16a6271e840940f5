"""The frames of AWS's event streams: cut anywhere, damaged anywhere, too large, of every header."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_agent.models.bedrock_frames import DAMAGED, FrameReader, frame_end, rewritten
from docker_agent.sse import MAX_EVENT, EventTooLarge
from tests.requirements import requirement
from tests.scripted.bedrock_parts import error_frame, event_frame, framed, raised
from tests.scripted.steps import Raw, Reply

EVENTS = [
    event_frame("messageStart", {"role": "assistant"}),
    event_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "é😀"}}),
    event_frame("metadata", {}),
]


def frame_of(reply: Reply) -> bytes:
    """The bytes of one scripted frame."""
    (step,) = reply.steps
    assert isinstance(step, Raw)
    return step.data


def read(pieces: Sequence[bytes]) -> list[bytes]:
    """All events of a stream that comes in these reads."""
    reader = FrameReader()
    return [event for piece in pieces for event in reader.feed(piece)] + reader.finish()


def sized(total: int) -> bytes:
    """The beginning of a frame that says it is so large."""
    start = struct.pack(">II", total, 0)
    return start + struct.pack(">I", crc32(start))


@requirement("models:bedrock:frames")
@given(st.lists(st.binary(max_size=40).map(bytes.hex), max_size=4), st.data())
def test_a_stream_is_the_same_however_it_is_cut(texts: list[str], data: st.DataObject) -> None:
    """DESIGN.md §5: events do not depend on reads."""
    frames = [event_frame("contentBlockDelta", {"delta": {"text": text}}) for text in texts]
    stream = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    events = read(pieces)
    assert events == read([bytes([one]) for one in stream])
    told = [json.loads(event)["contentBlockDelta"]["delta"]["text"] for event in events]
    assert told == texts


@requirement("models:bedrock:frames")
def test_no_flipped_bit_goes_unnoticed() -> None:
    """Checksums: the frames before the damage are told, it is told, and nothing after it."""
    stream = b"".join(EVENTS)
    whole = read([stream])
    first, second = len(EVENTS[0]), len(EVENTS[0] + EVENTS[1])
    for place in range(first, second):
        for bit in range(8):
            hurt = bytearray(stream)
            hurt[place] ^= 1 << bit
            assert read([bytes(hurt)]) == [whole[0], DAMAGED], (place, bit)


@requirement("models:bedrock:frames")
def test_after_damage_nothing_is_read() -> None:
    """No guess where the next frame might begin."""
    reader = FrameReader()
    assert reader.feed(b"data: {no frame at all}\n\n") == [DAMAGED]
    assert reader.feed(EVENTS[0]) == []


@requirement("models:bedrock:frames")
def test_a_frame_has_a_limit_that_is_told_by_its_first_bytes() -> None:
    """STYLE.md: limits on every size; what came before it is told first."""
    reader = FrameReader()
    assert reader.feed(EVENTS[0] + sized(MAX_EVENT + 1)) != []
    with pytest.raises(EventTooLarge):
        reader.feed(b"x")
    with pytest.raises(EventTooLarge):
        FrameReader().feed(sized(0xFFFF_FFFF))
    assert FrameReader().feed(sized(MAX_EVENT)) == []
    assert FrameReader().feed(sized(15)) == [DAMAGED]


@requirement("models:bedrock:frames")
def test_a_large_frame_in_small_pieces_is_put_together_once() -> None:
    """A frame of 4 MiB in 8,192 reads: bytes are not copied again with each."""
    large = event_frame("contentBlockDelta", {"delta": {"text": "x" * (4 << 20)}})
    pieces = [large[at : at + 512] for at in range(0, len(large), 512)]
    (event,) = read(pieces)
    assert len(event) > 4 << 20


@requirement("models:bedrock:frames")
def test_headers_of_every_type_are_passed_over() -> None:
    """The wire knows ten types of values; we need texts alone."""
    extra = b"".join(
        struct.pack(">B1sB", 1, b"h", kind) + value
        for kind, value in (
            (0, b""), (1, b""), (2, b"1"), (3, b"12"), (4, b"1234"), (5, b"12345678"),
            (6, b"\0\x02ab"), (8, b"12345678"), (9, b"1234567890123456"),
        )
    )  # fmt: skip
    name = struct.pack(">B11sBH8s", 11, b":event-type", 7, 8, b"metadata")
    assert read([with_head(extra + name)]) == [b'{"metadata":{}}']
    for wrong in (
        b"\x01",
        b"\x01h\x0a",
        b"\x01h\x07\0\x09ab",
        b"\x01h\x07\0",
        b"\x01\xff\x07\0\x01\xff",
    ):
        assert read([with_head(wrong)]) == [DAMAGED], wrong


def with_head(head: bytes) -> bytes:
    """A frame of these header bytes and no payload."""
    start = struct.pack(">II", 16 + len(head), len(head))
    start += struct.pack(">I", crc32(start)) + head
    return start + struct.pack(">I", crc32(start))


@requirement("models:bedrock:frames")
def test_exceptions_and_errors_are_one_kind_of_event() -> None:
    """`:exception-type` with a body, `:error-code` and `:error-message` without."""
    stream = frame_of(raised("throttlingException", "slow")) + frame_of(error_frame("E", "broke"))
    first, second = (json.loads(event)["exception"] for event in read([stream]))
    assert first == {"type": "throttlingException", "body": {"message": "slow"}}
    assert second == {"type": "E", "body": {"message": "broke"}, "payload": {}}


@requirement("models:bedrock:frames")
def test_a_rewritten_stream_is_whole_again() -> None:
    """Recordings: what is taken out of a text changes its frame's lengths and checksums."""
    secret = b"k-secret"
    told = event_frame("contentBlockDelta", {"delta": {"text": "k-secret!"}})
    wrong = frame_of(error_frame("E", "no k-secret here"))
    stream = EVENTS[0] + told + wrong + EVENTS[2] + b"k-secret that is no frame"
    done = rewritten(stream, lambda text: text.replace(secret, b"***"))
    assert secret not in done
    events = read([done])
    assert events[-1] == DAMAGED
    assert json.loads(events[1])["contentBlockDelta"]["delta"] == {"text": "***!"}
    assert json.loads(events[2])["exception"]["body"] == {"message": "no *** here"}
    assert events[3] == read([EVENTS[2]])[0]
    assert rewritten(stream, bytes) == stream


@requirement("models:bedrock:frames")
def test_where_a_frame_ends_is_told_by_its_length() -> None:
    """Replay gives a frame a read."""
    stream = EVENTS[0] + EVENTS[1]
    first = frame_end(stream, 0)
    assert (first, frame_end(stream, first)) == (len(EVENTS[0]), len(stream))
    assert frame_end(b"short", 0) == 5
    assert frame_end(framed({}, b"{}")[:-1], 0) == 17
