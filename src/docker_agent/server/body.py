"""A request's body: whole, decoded, and never larger than allowed. Source: chat-server.md §1,
§3."""

from __future__ import annotations

import asyncio
import zlib

from docker_agent.errors import RequestError
from docker_agent.server.exchange import Exchange

BODY_TIMEOUT = 60.0
"""Seconds a client has to send its body."""

_BOM = b"\xef\xbb\xbf"
_WINDOW = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}


class ClientLeft(Exception):
    """The client hung up before its request was complete."""


def check_length(exchange: Exchange) -> None:
    """Refuse by `Content-Length` before anything is read. Raises `RequestError`."""
    length = exchange.headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > exchange.settings.max_request_size:
        raise _too_large(exchange.settings.max_request_size)


async def read_body(exchange: Exchange) -> bytes:
    """The decoded body without a byte order mark. Raises `RequestError` or `ClientLeft`."""
    encoding = exchange.headers.get(b"content-encoding", b"").strip().lower()
    if encoding and encoding != b"identity" and encoding not in _WINDOW:
        raise RequestError(
            "unsupported_encoding",
            f"Content-Encoding '{encoding.decode('latin-1')}' is not supported; "
            "send the body plain, gzip or deflate.",
        )
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            body = await _read(exchange)
    except TimeoutError as exc:
        raise RequestError(
            "invalid_request", f"The request body did not arrive within {BODY_TIMEOUT:.0f} seconds."
        ) from exc
    if encoding in _WINDOW:
        body = _inflate(body, encoding, exchange.settings.max_request_size)
    return body.removeprefix(_BOM)


async def _read(exchange: Exchange) -> bytes:
    limit = exchange.settings.max_request_size
    message = await exchange.receive()
    pieces: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)
        message = await exchange.receive()


def _inflate(body: bytes, encoding: bytes, limit: int) -> bytes:
    window = _WINDOW[encoding]
    if encoding == b"deflate" and not _has_zlib_head(body):
        window = -15
    inflater = zlib.decompressobj(window)
    try:
        data = inflater.decompress(body, limit + 1)
    except zlib.error as exc:
        raise RequestError(
            "invalid_request", f"The body is not valid {encoding.decode()} data."
        ) from exc
    if len(data) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise RequestError("invalid_request", f"The {encoding.decode()} body is cut short.")
    return data


def _has_zlib_head(body: bytes) -> bool:
    """Some clients send raw deflate data; a zlib head is divisible by 31 (RFC 1950)."""
    return len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _too_large(limit: int) -> RequestError:
    return RequestError(
        "request_too_large",
        f"The request body is larger than {limit} bytes; "
        "the server's --max-request-size sets this limit.",
    )
