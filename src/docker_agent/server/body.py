"""A request's body: whole, decoded, and never larger than allowed. Source: chat-server.md §1,
§3."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from docker_agent.errors import RequestError
from docker_agent.server.exchange import Exchange
from docker_agent.server.unpack import ENCODINGS, MAX_ENCODINGS, NotPacked, TooLarge

_BOM = b"\xef\xbb\xbf"


class ClientLeft(Exception):
    """The client hung up before its request was complete."""


def check_length(exchange: Exchange) -> None:
    """Refuse by `Content-Length` before anything is read. Raises `RequestError`."""
    length = exchange.headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > exchange.settings.max_request_size:
        raise _too_large(exchange.settings.max_request_size)


async def read_body(exchange: Exchange) -> bytes:
    """The decoded body without a byte order mark. Raises `RequestError` or `ClientLeft`."""
    patience = exchange.settings.waits.body
    encodings = _encodings(exchange.header(b"content-encoding"))
    try:
        if exchange.whole:
            body = exchange.take_body()
            if len(body) > exchange.settings.max_request_size:
                raise _too_large(exchange.settings.max_request_size)
        else:
            async with asyncio.timeout(patience):
                body = await _read(exchange)
    except TimeoutError as exc:
        raise RequestError(
            "request_timeout", f"The request body did not arrive within {patience:g} seconds."
        ) from exc
    if encodings and body:
        limit = exchange.settings.max_request_size
        body = await asyncio.to_thread(_unpacked, body, encodings, limit)
    return body.removeprefix(_BOM)


def _encodings(header: str) -> list[str]:
    """The encodings in the order in which they were laid on, the last one outside."""
    if not header:
        return []
    names = [name.strip().lower() for name in header.split(",")]
    found = [name for name in names if name not in ("", "identity")]
    unknown = [name for name in found if name not in ENCODINGS]
    if unknown or len(found) > MAX_ENCODINGS:
        raise RequestError(
            "unsupported_encoding",
            f"Content-Encoding '{header}' is not supported; send the body plain, or as one of "
            f"{', '.join(ENCODINGS)}.",
        )
    return found


def _unpacked(body: bytes, encodings: Sequence[str], limit: int) -> bytes:
    for name in reversed(encodings):
        try:
            body = ENCODINGS[name](body, limit)
        except NotPacked as exc:
            raise RequestError(
                "invalid_request",
                f"The body is not valid {name} data: {exc}.",
                code="invalid_encoding",
            ) from exc
        except TooLarge as exc:
            raise _too_large(limit) from exc
    return body


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


def _too_large(limit: int) -> RequestError:
    return RequestError(
        "request_too_large",
        f"The request body is larger than {limit} bytes; "
        "the server's --max-request-size sets this limit.",
    )
