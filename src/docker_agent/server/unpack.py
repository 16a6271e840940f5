"""Compressed request bodies: unpacked piece by piece, never past a limit. Source: chat-server.md
§3.

A small body can unpack to gigabytes, and a zstd frame can ask for gigabytes before it does. So each
step is asked for no more than what is still allowed, and large zstd windows are refused.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Protocol

MAX_ENCODINGS = 2
"""How many encodings may lie over each other; nobody needs more."""

_GZIP, _ZLIB, _RAW = 31, 15, -15

ZSTD_WINDOW_LOG = 23
"""Windows up to 8 MiB, which every decoder must take (RFC 9659)."""


class _Brotli(Protocol):
    def process(self, data: bytes, /, *, output_buffer_limit: int) -> bytes: ...
    def is_finished(self) -> bool: ...


class _Zstd(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class NotPacked(Exception):
    """The body is not what its encoding says; the text tells why."""


class TooLarge(Exception):
    """There is more than the limit allows."""


Unpack = Callable[[bytes, int], bytes]
"""Takes the packed bytes and a limit. Raises `NotPacked` or `TooLarge`."""


def unpack_gzip(body: bytes, limit: int) -> bytes:
    """One or more gzip members."""
    out: list[bytes] = []
    while body:
        data, body = _inflated(body, _GZIP, limit)
        limit -= len(data)
        out.append(data)
    if not out:
        raise NotPacked("it is empty")
    return b"".join(out)


def unpack_deflate(body: bytes, limit: int) -> bytes:
    """zlib data, or raw deflate data as some clients send it."""
    return _inflated(body, _ZLIB if _has_zlib_head(body) else _RAW, limit)[0]


def _inflated(body: bytes, window: int, limit: int) -> tuple[bytes, bytes]:
    """One stream unpacked, and what follows it."""
    inflater = zlib.decompressobj(window)
    try:
        data = inflater.decompress(body, limit + 1)
    except zlib.error as exc:
        raise NotPacked(str(exc)) from exc
    if len(data) > limit:
        raise TooLarge
    if not inflater.eof:
        raise NotPacked("it is cut short")
    return data, inflater.unused_data


def _has_zlib_head(body: bytes) -> bool:
    """A zlib head is divisible by 31 (RFC 1950)."""
    return len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def unpack_brotli(body: bytes, limit: int) -> bytes:
    """A brotli stream."""
    brotli = import_module("brotli")
    decoder: _Brotli = brotli.Decompressor()
    out: list[bytes] = []
    size = 0
    try:
        piece = decoder.process(body, output_buffer_limit=limit + 1)
        while piece:
            size += len(piece)
            if size > limit:
                raise TooLarge
            out.append(piece)
            piece = decoder.process(b"", output_buffer_limit=limit + 1 - size)
    except brotli.error as exc:
        raise NotPacked("it is no brotli stream") from exc
    if not decoder.is_finished():
        raise NotPacked("it is cut short")
    return b"".join(out)


def unpack_zstd(body: bytes, limit: int) -> bytes:
    """One or more zstd frames."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    options = {int(zstd.DecompressionParameter.window_log_max): ZSTD_WINDOW_LOG}
    out: list[bytes] = []
    size = 0
    while body:
        decoder: _Zstd = zstd.ZstdDecompressor(options=options)
        try:
            size += _frame(decoder, body, limit - size, out)
        except zstd.ZstdError as exc:
            raise NotPacked(str(exc)) from exc
        body = decoder.unused_data
    if not out:
        raise NotPacked("it is empty")
    return b"".join(out)


def _frame(decoder: _Zstd, body: bytes, limit: int, out: list[bytes]) -> int:
    """One frame's bytes join `out`; how many they are."""
    size = 0
    while True:
        piece = decoder.decompress(body, limit + 1 - size)
        size += len(piece)
        if size > limit:
            raise TooLarge
        out.append(piece)
        if decoder.eof:
            return size
        if decoder.needs_input:
            raise NotPacked("it is cut short")
        body = b""


ENCODINGS: Mapping[str, Unpack] = {
    "gzip": unpack_gzip,
    "x-gzip": unpack_gzip,
    "deflate": unpack_deflate,
    "br": unpack_brotli,
    "zstd": unpack_zstd,
}
"""What `Content-Encoding` may name, beside `identity`."""
