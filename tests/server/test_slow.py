"""Clients that are slow, silent or endless before there is a request. Source: runtime.md §18.1."""

from __future__ import annotations

import asyncio
import contextlib
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
from docker_agent.server.record import Watcher
from docker_agent.server.serve import serve
from docker_agent.server.settings import (
    DEFAULT_REQUEST_TIMEOUT,
    DEFAULT_WAITS,
    ServerSettings,
    Waits,
)
from tests.conftest import Lane
from tests.requirements import requirement
from tests.runtime.players import Actor, Play

pytestmark = pytest.mark.anyio


MORE_THAN_BUFFERS_HOLD = 32 * 1024 * 1024
"""Bytes of an answer that fit into no buffer of two kernels and a transport."""


@asynccontextmanager
async def serving(
    waits: Waits = DEFAULT_WAITS,
    play: Play = "hi",
    longest: float = DEFAULT_REQUEST_TIMEOUT,
    watcher: Watcher = lambda ended: None,
) -> AsyncGenerator[int]:
    """A server in this process whose patience is short; its port."""
    bound = bind(Listen("127.0.0.1", 0))
    port: int = bound.getsockname()[1]
    team = Team({"root": Agent("root", Actor(play))}, "root", ("root",))
    listening = asyncio.Event()
    settings = ServerSettings(waits=waits, request_timeout=longest)
    app = build_app(OneTeam(team), settings, watchers=[watcher])
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


def asking(*, stream: bool) -> bytes:
    """A chat request."""
    messages = [{"role": "user", "content": "hi"}]
    body = json.dumps({"messages": messages, "stream": stream}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def not_reading(port: int, said: bytes) -> AsyncGenerator[socket.socket]:
    """A client that says something, and then takes nothing."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, said)
        yield client


async def all_of(client: socket.socket) -> bytes:
    """What the client gets when it reads after all, until the server has cut it off."""
    loop = asyncio.get_running_loop()
    got = bytearray()
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(30):
            while piece := await loop.sock_recv(client, 1024 * 1024):
                got += piece
    return bytes(got)


@requirement("server:slow-readers")
async def test_the_end_of_a_stream_is_not_held_for_ever_for_a_client_that_reads_no_more() -> None:
    """DESIGN.md §5, §8: the last write waits no longer than a request may take, then the client is
    cut off."""
    over = asyncio.Event()
    play = "x" * MORE_THAN_BUFFERS_HOLD
    async with (
        serving(play=play, longest=0.5, watcher=lambda ended: over.set()) as port,
        not_reading(port, asking(stream=True)) as client,
    ):
        await asyncio.wait_for(over.wait(), 30)
        got = await all_of(client)
    assert got.startswith(b"HTTP/1.1 200")
    assert b"[DONE]" not in got
    assert len(got) < MORE_THAN_BUFFERS_HOLD


@requirement("server:slow-readers")
async def test_a_whole_answer_that_nobody_takes_is_dropped() -> None:
    """DESIGN.md §8: limits on every time; the answer is over for us, its bytes are not."""
    over = asyncio.Event()
    play = "x" * MORE_THAN_BUFFERS_HOLD
    async with (
        serving(Waits(idle=0.3), play, watcher=lambda ended: over.set()) as port,
        not_reading(port, asking(stream=False)) as client,
    ):
        await asyncio.wait_for(over.wait(), 30)
        later = await said(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert later.startswith(b"HTTP/1.1 200")
        got = await all_of(client)
    assert got.startswith(b"HTTP/1.1 200")
    assert len(got) < MORE_THAN_BUFFERS_HOLD


@requirement("server:slow-readers")
async def test_a_connection_is_kept_while_it_is_used_and_closed_when_it_is_not() -> None:
    """chat-server.md §1: connections are kept for the next request, for a while."""
    ask = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with serving(Waits(idle=0.3)) as port:
        answers = await said(port, ask, ask)
    assert answers.count(b"HTTP/1.1 200") == 2


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
