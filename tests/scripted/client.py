"""A thin HTTP client for tests: it sees every byte, reads step by step, and can hang up."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

TIMEOUT = 20.0
"""Seconds any single read may take."""
JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; header names are lower-case, repeated ones are joined with ", "."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    @property
    def json(self) -> JSON:
        """The body as a JSON object."""
        return json.loads(self.body)

    @property
    def error(self) -> JSON:
        """What stands under `error`."""
        return self.json["error"]

    @property
    def content(self) -> str:
        """Text of the only choice of a completion."""
        return self.json["choices"][0]["message"]["content"]


@dataclass(slots=True)
class Stream:
    """An event stream, read as far as the test wants.

    `raw` is every byte of body so far, `reads` the same by HTTP chunk: one write of the server
    each. `complete`: the body came to its proper end.
    """

    status: int
    headers: dict[str, str]
    _answer: http.client.HTTPResponse
    _socket: socket.socket
    raw: bytes = b""
    reads: list[bytes] = field(default_factory=list[bytes])
    complete: bool = False
    _over: bool = False
    _at: int = 0

    @property
    def done(self) -> bool:
        """`[DONE]` has come."""
        return b"data: [DONE]" in self.raw

    def next(self) -> JSON | None:
        """The next event's object, an `error` too; None when the stream is over.

        Comments and `[DONE]` are passed over.
        """
        while True:
            for data in self._events():
                if data != "[DONE]":
                    return json.loads(data)
            if self._over:
                return None
            self.read()

    def next_text(self) -> str | None:
        """The next piece of content that is not empty; None when the stream is over."""
        while (chunk := self.next()) is not None:
            if text := text_of([chunk]):
                return text
        return None

    def rest(self) -> list[JSON]:
        """All further events."""
        return list(iter(self.next, None))

    def read_to_end(self) -> bytes:
        """All of the body, undecoded."""
        while not self._over:
            self.read()
        return self.raw

    def hang_up(self, *, reset: bool = False) -> None:
        """Leave, politely or with RST. More than once is fine."""
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._over = True
        self._answer.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def _events(self) -> Iterable[str]:
        while (end := self.raw.find(b"\n\n", self._at)) >= 0:
            event = self.raw[self._at : end].decode()
            self._at = end + 2
            lines = event.split("\n")
            if data := [line[6:] for line in lines if line.startswith("data: ")]:
                yield "\n".join(data)

    def read(self) -> None:
        """Take in one write of the server, without looking at it."""
        try:
            data = self._answer.read1(1 << 20)
        except (http.client.IncompleteRead, ConnectionError):
            self._over = True
            return
        if data:
            self.raw += data
            self.reads.append(data)
        else:
            self._over = self.complete = True


@dataclass(frozen=True, slots=True)
class Client:
    """Requests to one address, a new connection each. `unix` is a socket path instead of a port.

    `agent` is the model asked for unless a call names another; `headers` go with every request.
    """

    port: int = 0
    host: str = "127.0.0.1"
    unix: str = ""
    agent: str = "root"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET."""
        return self.request("GET", path, headers=headers)

    def post(
        self, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """POST; bytes go as they are, anything else as JSON."""
        return self.request("POST", path, body, headers)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Any method. The whole answer, whatever its status."""
        connection, answer = self._send(method, path, body, headers)
        try:
            return Response(answer.status, _headers(answer), answer.read())
        finally:
            answer.close()
            connection.close()

    def chat(
        self,
        said: str | list[JSON],
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: object,
    ) -> Response:
        """A completion in one piece; `said` is the user's text, or all messages."""
        body = {"model": model or self.agent, "messages": _messages(said), **fields}
        return self.post("/v1/chat/completions", body, headers)

    def stream(
        self,
        said: str | list[JSON],
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: object,
    ) -> Stream:
        """A completion as a stream; returns when status and headers are there."""
        body = {"model": model or self.agent, "messages": _messages(said), "stream": True, **fields}
        return self.open("POST", "/v1/chat/completions", body, headers)

    def open(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Stream:
        """Any request whose answer is to be read step by step."""
        connection, answer = self._send(method, path, body, headers)
        return Stream(answer.status, _headers(answer), answer, connection)

    def connect(self) -> socket.socket:
        """A bare connection, for requests no client would send."""
        if not self.unix:
            return socket.create_connection((self.host, self.port), TIMEOUT)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT)
        connection.connect(self.unix)
        return connection

    def exchange(self, data: bytes) -> bytes:
        """Bytes in, and all bytes out until the server hangs up; send `Connection: close`."""
        with self.connect() as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))

    def _send(
        self, method: str, path: str, body: object, headers: Mapping[str, str] | None
    ) -> tuple[socket.socket, http.client.HTTPResponse]:
        connection = self.connect()
        every = {"content-type": "application/json", **_lower(self.headers), **_lower(headers)}
        if body is None:
            every.pop("content-type")
        http_connection = http.client.HTTPConnection(self.host, self.port)
        http_connection.sock = connection
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            http_connection.request(method, path, data, every)
            return connection, http_connection.getresponse()
        except BaseException:
            connection.close()
            raise


def text_of(chunks: Iterable[JSON]) -> str:
    """All content of a stream's chunks."""
    return "".join(
        choice["delta"].get("content") or ""
        for chunk in chunks
        for choice in chunk.get("choices", [])
    )


def finish_of(chunks: Iterable[JSON]) -> str | None:
    """The finish reason; fails the test when there are two."""
    found = [
        choice["finish_reason"]
        for chunk in chunks
        for choice in chunk.get("choices", [])
        if choice.get("finish_reason")
    ]
    assert len(found) < 2, found
    return found[0] if found else None


def usage_of(chunks: Iterable[JSON]) -> JSON | None:
    """The last usage that is not null."""
    return next((chunk["usage"] for chunk in list(chunks)[::-1] if chunk.get("usage")), None)


def _headers(answer: http.client.HTTPResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in answer.getheaders():
        name = name.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _lower(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


def _messages(said: str | list[JSON]) -> list[JSON]:
    return [{"role": "user", "content": said}] if isinstance(said, str) else said
