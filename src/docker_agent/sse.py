"""Server-sent events, without I/O: bytes in, data payloads out."""

from __future__ import annotations

EVENT_STREAM = "text/event-stream"
"""The media type."""

MAX_EVENT = 16 * 1024 * 1024
"""Bytes of one unfinished event; a peer that sends more is not speaking this protocol."""

_ERROR = b"error:"
_BOM = b"\xef\xbb\xbf"


class EventTooLarge(Exception):
    """An event went past `MAX_EVENT` bytes without ending."""


class EventReader:
    """Cuts a byte stream, fed in pieces of any size, into the data of its events.

    Source: the event stream format of the HTML standard; `event`, `id` and `retry` are passed over,
    and so are comments. An `error` line, in which llama.cpp says why a stream ends, becomes the
    payload that others send: an object with an `error`.
    """

    __slots__ = ("_rest", "_started")

    def __init__(self) -> None:
        self._rest = b""
        self._started = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The payloads of the events that `piece` completed, in order."""
        rest = self._rest + piece if self._rest else piece
        if not self._started:
            if len(rest) < len(_BOM) and _BOM.startswith(rest):
                self._rest = rest
                return []
            self._started = True
            rest = rest.removeprefix(_BOM)
        if b"\r" in rest:
            return self._feed_with_returns(rest)
        *blocks, self._rest = rest.split(b"\n\n")
        if len(self._rest) > MAX_EVENT:
            raise EventTooLarge
        return _payloads(blocks)

    def finish(self) -> list[bytes]:
        """The payload of a last event that no blank line ended: some servers close right after
        it."""
        rest, self._rest = self._rest, b""
        return _payloads([rest.replace(b"\r\n", b"\n").replace(b"\r", b"\n").strip(b"\n")])

    def _feed_with_returns(self, rest: bytes) -> list[bytes]:
        """CR LF and CR end lines too; a CR that ends the piece may be half of a CR LF and waits
        for the next one."""
        held = b""
        if rest.endswith(b"\r"):
            rest, held = rest[:-1], b"\r"
        rest = rest.replace(b"\r\n", b"\n")
        if b"\r" in rest:
            rest = rest.replace(b"\r", b"\n")
        *blocks, rest = rest.split(b"\n\n")
        self._rest = rest + held
        if len(self._rest) > MAX_EVENT:
            raise EventTooLarge
        return _payloads(blocks)


def _payloads(blocks: list[bytes]) -> list[bytes]:
    payloads: list[bytes] = []
    for block in blocks:
        if block.startswith(b"data: ") and b"\n" not in block:
            payloads.append(block[6:])
        elif block:
            lines = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if _is_data(line)]
            if lines:
                payloads.append(b"\n".join(lines))
            elif block.startswith(_ERROR):
                payloads.append(b'{"error":%b}' % block.removeprefix(_ERROR))
    return payloads


def _is_data(line: bytes) -> bool:
    return line.startswith(b"data:") or line == b"data"
