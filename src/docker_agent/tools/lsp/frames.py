"""The base protocol of language servers, without I/O: bytes in, messages out, and back."""

from __future__ import annotations

import re

from docker_agent.tools.lsp.limits import MAX_HEADER, MAX_MESSAGE

_LENGTH = re.compile(rb"(?:^|\n)content-length:[ \t]*(\d{1,20})[ \t]*\r?\n", re.IGNORECASE)
_END = re.compile(rb"\r?\n\r?\n")


class Malformed(Exception):
    """What came is no message, and what follows cannot be told apart any more."""


def framed(body: bytes) -> bytes:
    """A message as it is sent."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class Frames:
    """Cuts what a server writes into the bodies of messages. Lines that somebody printed before a
    header are left out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._length = -1

    def feed(self, chunk: bytes) -> list[bytes]:
        """The bodies that are whole now. Raises `Malformed`, also for a body that is too long."""
        self._buffer += chunk
        found: list[bytes] = []
        while self._has_header() and len(self._buffer) >= self._length:
            found.append(bytes(self._buffer[: self._length]))
            del self._buffer[: self._length]
            self._length = -1
        return found

    def _has_header(self) -> bool:
        """Whether a body is being read; its length is known then."""
        if self._length >= 0:
            return True
        head = bytes(self._buffer[:MAX_HEADER])
        length = _LENGTH.search(head)
        end = _END.search(head, length.end() - 2) if length else None
        if length is None or end is None:
            if len(head) >= MAX_HEADER:
                raise Malformed("it wrote what is no message of a language server")
            return False
        if int(length[1]) > MAX_MESSAGE:
            raise Malformed(f"it sent a message of more than {MAX_MESSAGE} bytes")
        self._length = int(length[1])
        del self._buffer[: end.end()]
        return True
