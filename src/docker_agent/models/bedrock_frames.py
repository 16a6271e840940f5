"""The event streams of AWS, without I/O: bytes in, events out as JSON.

A frame is a prelude (its length, that of its headers, a checksum of both), headers, a payload, and
a checksum of all that. Wire: https://smithy.io/2.0/aws/amazon-eventstream.html.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from zlib import crc32

import msgspec

from docker_agent.sse import MAX_EVENT, EventTooLarge

CONTENT_TYPE = "application/vnd.amazon.eventstream"
DAMAGED = b""
"""What stands for a frame whose checksums or headers are wrong; nothing after it is read."""

MAX_HEADS = 64
"""Kinds of headers one stream's reader remembers; a vendor has about ten."""

_PRELUDE = struct.Struct(">III")
_CHECKSUM = struct.Struct(">I")
_SHORT = struct.Struct(">H")
_LEAST = _PRELUDE.size + _CHECKSUM.size
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type; those of 6 (bytes) and 7 (text) tell their own length."""
_BYTES, _TEXT = 6, 7

_Header = tuple[bytes, int, bytes]
_Around = tuple[bytes, bytes]


class _Malformed(Exception):
    """A frame's headers are none."""


class FrameReader:
    """Cuts a byte stream, fed in pieces of any size, into events: JSON objects of one key, the
    event's name.

    An exception the service raises is the event `exception`, with its `type` and `body`.
    """

    __slots__ = ("_broken", "_heads", "_needed", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = _PRELUDE.size
        self._broken = False
        self._heads: dict[bytes, _Around] = {}

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that `piece` completed, in order; `DAMAGED` after the last that is whole.

        Raises `EventTooLarge` for a frame of more than `MAX_EVENT` bytes, after what came before it
        was returned.
        """
        if self._broken:
            return []
        data = piece
        if self._rest:
            self._rest += piece
            if len(self._rest) < self._needed:
                return []
            data = bytes(self._rest)
        events: list[bytes] = []
        start, size = 0, len(data)
        while size - start >= _PRELUDE.size:
            total, headers, check = _PRELUDE.unpack_from(data, start)
            if crc32(data[start : start + 8]) != check or total < headers + _LEAST:
                return self._damaged(events)
            if total > MAX_EVENT:
                if not events:
                    raise EventTooLarge
                break
            end = start + total
            if end > size:
                break
            event = self._event(data[start:end], headers)
            if event is None:
                return self._damaged(events)
            events.append(event)
            start = end
        self._keep(data, start)
        return events

    def finish(self) -> list[bytes]:
        """Nothing: half a frame is none."""
        return []

    def _damaged(self, events: list[bytes]) -> list[bytes]:
        self._broken = True
        return [*events, DAMAGED]

    def _keep(self, data: bytes, start: int) -> None:
        self._rest = bytearray(data[start:])
        self._needed = _PRELUDE.size
        if len(self._rest) >= _PRELUDE.size:
            total = _PRELUDE.unpack_from(data, start)[0]
            self._needed = total if total <= MAX_EVENT else _PRELUDE.size

    def _event(self, frame: bytes, headers: int) -> bytes | None:
        if crc32(frame[:-4]) != _CHECKSUM.unpack_from(frame, len(frame) - 4)[0]:
            return None
        end = _PRELUDE.size + headers
        head = frame[_PRELUDE.size : end]
        around = self._heads.get(head)
        if around is None:
            try:
                around = _around(head)
            except (_Malformed, UnicodeDecodeError):
                return None
            if len(self._heads) < MAX_HEADS:
                self._heads[head] = around
        before, after = around
        return before + (frame[end:-4] or b"{}") + after


def _around(head: bytes) -> _Around:
    """What stands before and after the payload in the event of a frame with these headers."""
    named = {name.decode(): value.decode() for name, kind, value in _headers(head) if kind == _TEXT}
    match named.get(":message-type", "event"):
        case "event":
            return b"{%s:" % _text(named.get(":event-type", "")), b"}"
        case "exception":
            return _raised(named.get(":exception-type", ""))
        case _:
            before, after = _raised(named.get(":error-code", ""))
            told = msgspec.json.encode({"message": named.get(":error-message", "")})
            return before + told + b',"payload":', after


def _raised(kind: str) -> _Around:
    return b'{"exception":{"type":%s,"body":' % _text(kind), b"}}"


def _text(text: str) -> bytes:
    return msgspec.json.encode(text)


def _headers(head: bytes) -> Iterator[_Header]:
    """Name, type and value of each header. Raises `_Malformed`."""
    at = 0
    try:
        while at < len(head):
            name = head[at + 1 : at + 1 + head[at]]
            at += 1 + head[at]
            kind = head[at]
            at += 1
            if kind in (_BYTES, _TEXT):
                size = _SHORT.unpack_from(head, at)[0]
                at += 2
            else:
                size = _SIZES[kind]
            value = head[at : at + size]
            at += size
            if at > len(head):
                raise _Malformed
            yield name, kind, value
    except (IndexError, KeyError, struct.error) as exc:
        raise _Malformed from exc


def frame(head: bytes, payload: bytes) -> bytes:
    """A frame of these headers and this payload."""
    lengths = struct.pack(">II", _LEAST + len(head) + len(payload), len(head))
    whole = lengths + _CHECKSUM.pack(crc32(lengths)) + head + payload
    return whole + _CHECKSUM.pack(crc32(whole))


def head_of(headers: dict[str, str]) -> bytes:
    """Headers that are texts, as a frame has them."""
    return b"".join(_wired((n.encode(), _TEXT, v.encode())) for n, v in headers.items())


def _wired(header: _Header) -> bytes:
    name, kind, value = header
    size = _SHORT.pack(len(value)) if kind in (_BYTES, _TEXT) else b""
    return b"%c%s%c%s%s" % (len(name), name, kind, size, value)


def frame_end(body: bytes, start: int) -> int:
    """Where the frame that begins at `start` ends; the body's end when that is none."""
    if len(body) - start < _LEAST:
        return len(body)
    total = _PRELUDE.unpack_from(body, start)[0]
    return start + total if _LEAST <= total <= len(body) - start else len(body)


def rewritten(body: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A stream with `change` made to its texts, each frame whole again; what is no frame is changed
    as it is."""
    done = bytearray()
    start = 0
    while start < len(body):
        end = frame_end(body, start)
        done += _rewritten(body[start:end], change)
        start = end
    return bytes(done)


def _rewritten(one: bytes, change: Callable[[bytes], bytes]) -> bytes:
    if len(one) < _LEAST or change(one) == one:
        return change(one)
    total, size, _ = _PRELUDE.unpack_from(one, 0)
    if total != len(one) or size > total - _LEAST:
        return change(one)
    end = _PRELUDE.size + size
    try:
        headers = [
            (name, kind, change(value) if kind == _TEXT else value)
            for name, kind, value in _headers(one[_PRELUDE.size : end])
        ]
    except _Malformed:
        return change(one)
    return frame(b"".join(map(_wired, headers)), change(one[end:-4]))
