"""Compressed bodies of HTTP answers, unpacked no further than wanted. Pure."""

from __future__ import annotations

import zlib
from typing import Protocol

ACCEPTED = "gzip, deflate"
"""What requests say they take."""

_GZIP_OR_ZLIB = 47
_RAW_DEFLATE = -15
_ZLIB_METHOD = 8


class _Unpacking(Protocol):
    """What `zlib.decompressobj` makes."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class Unpacker:
    """Takes a body in pieces. A piece unpacks to no more than is asked for, so that a small body
    that stands for an enormous one costs nothing.

    Raises `ValueError` for a coding nobody asked for, or a body that is broken.
    """

    def __init__(self, coding: str) -> None:
        coding = coding.strip().lower()
        if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise ValueError(f"the answer is packed as '{coding}', which is not understood")
        self._packed = coding not in ("", "identity")
        self._unpack: _Unpacking | None = None

    def feed(self, piece: bytes, room: int) -> bytes:
        """What `piece` brings, at most `room` bytes of it; when it was cut the rest is lost."""
        if not self._packed:
            return piece[:room]
        found = bytearray()
        while piece and len(found) < room:
            if self._unpack is None:
                zlib_follows = piece[0] == 0x1F or piece[0] & 0x0F == _ZLIB_METHOD
                self._unpack = zlib.decompressobj(_GZIP_OR_ZLIB if zlib_follows else _RAW_DEFLATE)
            try:
                found += self._unpack.decompress(piece, room - len(found))
            except zlib.error as exc:
                raise ValueError("the packed answer is broken") from exc
            piece = b""
            if self._unpack.eof:
                piece, self._unpack = self._unpack.unused_data, None
        return bytes(found)
