"""Clients that are slow, silent or endless before there is a request. Source: runtime.md §18.1."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from docker_agent.cli.listen import Listen, bind
from docker_agent.runtime.agent import Agent, OneTeam, Team
from docker_agent.server.app import build_app
from docker_agent.server.serve import serve
from docker_agent.server.settings import ServerSettings, Waits
from tests.conftest import Lane
from tests.requirements import requirement
from tests.runtime.players import Actor

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def serving(waits: Waits) -> AsyncGenerator[int]:
    """A server in this process whose patience is short; its port."""
    bound = bind(Listen("127.0.0.1", 0))
    port: int = bound.getsockname()[1]
    team = Team({"root": Agent("root", Actor("hi"))}, "root", ("root",))
    listening = asyncio.Event()
    app = build_app(OneTeam(team), ServerSettings(waits=waits))
    task = asyncio.create_task(serve(app, bound, ready=listening.set, waits=waits))
    await asyncio.wait_for(listening.wait(), 10)
    try:
        yield port
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 10)


async def said(port: int, *pieces: bytes) -> bytes:
    """Send the pieces, and return all that comes until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


def error_of(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"x-request-id: req_" in head
    assert b"connection: close" in head.lower()
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return int(head.split()[1]), error["code"]


@requirement("server:slow-heads")
async def test_a_head_that_does_not_come_is_told_so_and_a_silent_connection_is_closed() -> None:
    """runtime.md §18.1: header read timeout; also on a connection that was used before."""
    async with serving(Waits(head=0.3)) as port:
        assert await said(port) == b""
        late = (408, "request_timeout")
        assert error_of(await said(port, b"GET /health HTTP/1.1\r\nHost: loc")) == late
        again = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        answer = await said(port, again, b"GET /hea")
        assert answer.startswith(b"HTTP/1.1 200")
        assert error_of(b"HTTP/1.1 408" + answer.rpartition(b"HTTP/1.1 408")[2]) == late


@requirement("server:slow-bodies")
async def test_a_body_that_does_not_come_is_told_so() -> None:
    """chat-server.md §4: a slow sender does not hold a connection for ever."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    async with serving(Waits(body=0.3)) as port:
        assert error_of(await said(port, head, b"{")) == (408, "request_timeout")


@requirement("server:slow-bodies")
async def test_a_client_that_goes_on_sending_after_its_answer_is_cut_off() -> None:
    """A body nobody reads any more is thrown away, for a while."""
    head = b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"
    async with serving(Waits(discard=0.3)) as port:
        assert (await said(port, head, b"{")).startswith(b"HTTP/1.1 404")


@requirement("server:slow-heads")
@pytest.mark.parametrize("endless", [b"X-Flood: 1\r\n", b"a"])
def test_an_endless_head_is_a_431(lane: Lane, endless: bytes) -> None:
    """chat-server.md §4: one error shape, those of the protocol included."""
    with lane.client.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        try:
            for _ in range(40):
                connection.sendall(endless * (8192 // len(endless)))
        except OSError:
            pass
        try:
            answer = connection.recv(1 << 16)
        except ConnectionResetError:
            answer = b""
    # What we sent after the answer may have reset the connection before it was read.
    assert not answer or error_of(answer) == (431, "headers_too_large")
    assert lane.client.get("/health").status == 200


@requirement("server:slow-heads")
def test_many_headers_are_a_431(lane: Lane) -> None:
    """A flood that fits into one read is refused too."""
    fields = b"".join(b"X-F%d: 1\r\n" % number for number in range(501))
    for end in (b"", b"\r\n"):
        asked = b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + fields + end
        assert error_of(lane.client.exchange(asked)) == (431, "headers_too_large")


@requirement("server:slow-heads")
@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_in_the_one_shape(lane: Lane, garbage: bytes) -> None:
    """chat-server.md §2: every non-2xx body, those of the framework included."""
    assert error_of(lane.client.exchange(garbage)) == (400, "invalid_http")


@requirement("server:slow-heads")
def test_a_connection_goes_on_after_an_upgrade_nobody_takes(lane: Lane) -> None:
    """Java's client asks for HTTP/2 with every request; the body and the next request are read."""
    body = b'{"model": "%s", "messages": [{"role": "user", "content": "hi"}]}' % lane.agent.encode()
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        b"Connection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    with lane.client.connect() as connection:
        for _ in range(2):
            connection.sendall(head + body)
            assert _answer(connection).startswith(b"HTTP/1.1 200")


def _answer(connection: socket.socket) -> bytes:
    answer = b""
    while b"]" not in answer.partition(b"\r\n\r\n")[2]:
        piece = connection.recv(1 << 16)
        assert piece, "the server hung up"
        answer += piece
    return answer
