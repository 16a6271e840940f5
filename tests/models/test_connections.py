"""Connections of the HTTP client: kept, resent, given up, slowed down, many at once."""

from __future__ import annotations

import asyncio
import json

import anyio
import pytest

from docker_agent.models.errors import HttpError
from docker_agent.models.http import open_http
from tests.models.peer import Line, always, answer, peer
from tests.models.test_http import CHUNKED, HEAD, fetch, read_all
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import huge

pytestmark = pytest.mark.anyio

MANY = 150


@requirement("models:http:reuse")
async def test_requests_one_after_another_share_a_connection() -> None:
    """DESIGN.md §5: no connection per request."""
    async with peer(always(answer())) as server, open_http() as http:
        for _ in range(5):
            assert await fetch(http, server.url) == (200, b"ok")
        assert await fetch(http, server.url + "/other") == (200, b"ok")
        assert len(server.lines) == 1


@requirement("models:http:reuse")
async def test_a_chunked_answer_read_to_its_end_leaves_the_connection_usable() -> None:
    """DESIGN.md §5: streams are answers too."""
    async with peer(always(CHUNKED + b"1\r\nx\r\n0\r\n\r\n")) as server, open_http() as http:
        for _ in range(3):
            assert await fetch(http, server.url) == (200, b"x")
        assert len(server.lines) == 1


@requirement("models:http:reuse")
async def test_connections_of_a_burst_are_let_go_when_nobody_comes_after_it() -> None:
    """DESIGN.md §5: a thousand streams must not leave a thousand sockets behind for good."""
    burst = 20
    gone: list[Line] = []
    everybody, all_gone = anyio.Event(), anyio.Event()
    asked = 0

    async def talk(line: Line) -> None:
        nonlocal asked
        await line.request()
        asked += 1
        if asked == burst:
            everybody.set()
        await everybody.wait()
        await line.send(answer())
        await line.left()
        gone.append(line)
        if len(gone) == burst:
            all_gone.set()

    async with peer(talk) as server, open_http(kept_idle=0.2) as http:
        async with anyio.create_task_group() as group:
            for _ in range(burst):
                group.start_soon(fetch, http, server.url)
        with anyio.fail_after(30):
            await all_gone.wait()


@requirement("models:http:reuse")
@pytest.mark.parametrize(
    "given",
    [
        answer(b"ok", "Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        answer(b"ok") + b"and more than it said",
    ],
    ids=["it says so", "HTTP/1.0", "it goes on"],
)
async def test_a_connection_that_cannot_go_on_is_not_used_again(given: bytes) -> None:
    """DESIGN.md §5: the client closes it, even when the peer does not."""

    async def talk(line: Line) -> None:
        await line.request()
        await line.send(given)
        await line.left()

    async with peer(talk) as server, open_http() as http:
        for _ in range(2):
            assert await fetch(http, server.url) == (200, b"ok")
        assert len(server.lines) == 2


@requirement("models:http:reuse")
async def test_hosts_do_not_share_connections() -> None:
    """DESIGN.md §5: a kept connection belongs to its scheme, host and port."""
    async with (
        peer(always(answer(b"a"))) as one,
        peer(always(answer(b"b"))) as two,
        open_http() as http,
    ):
        for _ in range(2):
            assert await fetch(http, one.url) == (200, b"a")
            assert await fetch(http, two.url) == (200, b"b")
        assert (len(one.lines), len(two.lines)) == (1, 1)


@requirement("models:http:stale")
async def test_a_kept_connection_that_the_peer_has_closed_is_not_used() -> None:
    """DESIGN.md §5: the next request does not notice."""

    async def talk(line: Line) -> None:
        await line.request()
        await line.send(answer())

    async with peer(talk) as server, open_http() as http:
        for _ in range(3):
            assert await fetch(http, server.url) == (200, b"ok")
        assert len(server.lines) == 3


@requirement("models:http:stale")
@pytest.mark.parametrize("reset", [False, True])
async def test_a_request_that_met_a_closing_connection_goes_out_again(reset: bool) -> None:
    """DESIGN.md §5: no byte of an answer came on a kept connection, so it was not read."""
    heard: list[bytes] = []

    async def talk(line: Line) -> None:
        heard.append((await line.request()).body)
        await line.send(answer())
        if line.number == 0:
            heard.append((await line.request()).body)
            if reset:
                line.reset()
        else:
            await line.left()

    async with peer(talk) as server, open_http() as http:
        assert await fetch(http, server.url, b"1") == (200, b"ok")
        assert await fetch(http, server.url, b"2") == (200, b"ok")
        assert len(server.lines) == 2
    assert heard == [b"1", b"2", b"2"]


@requirement("models:http:stale")
async def test_a_request_goes_out_again_once_at_most() -> None:
    """DESIGN.md §5: a new connection that breaks is the caller's to judge."""
    requests = 0

    async def talk(line: Line) -> None:
        nonlocal requests
        await line.request()
        requests += 1
        if line.number == 0:
            await line.send(answer())
            await line.request()
            requests += 1

    async with peer(talk) as server, open_http() as http:
        await fetch(http, server.url)
        with pytest.raises(HttpError) as failed:
            await fetch(http, server.url)
        assert (failed.value.transient, requests, len(server.lines)) == (True, 3, 2)


@requirement("models:http:stale")
@pytest.mark.parametrize("said", [b"H", HEAD, b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_request_whose_answer_began_never_goes_out_again(said: bytes) -> None:
    """DESIGN.md §8: the peer has read it, and may have acted."""
    requests = 0

    async def talk(line: Line) -> None:
        nonlocal requests
        await line.request()
        await line.send(answer())
        await line.request()
        requests += 1
        await line.send(said)

    async with peer(talk) as server, open_http() as http:
        await fetch(http, server.url)
        with pytest.raises(HttpError):
            await fetch(http, server.url)
        assert (requests, len(server.lines)) == (1, 1)


@requirement("models:http:cancel")
@pytest.mark.parametrize("said", [b"", HEAD, CHUNKED + b"5\r\nhello\r\n"])
async def test_a_cancelled_request_closes_its_connection_at_once(said: bytes) -> None:
    """models/port.py: cancellation closes the provider's connection before it propagates."""
    said_all = anyio.Event()
    left = anyio.Event()

    async def talk(line: Line) -> None:
        await line.request()
        await line.send(said)
        said_all.set()
        await line.left()
        left.set()

    async with peer(talk) as server, open_http() as http:
        task = asyncio.create_task(fetch(http, server.url))
        with anyio.fail_after(10):
            await said_all.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await left.wait()


@requirement("models:http:cancel")
async def test_leaving_before_the_end_closes_the_connection() -> None:
    """models/http.py, Http: what was not read to its end cannot carry another request."""
    left = anyio.Event()

    async def talk(line: Line) -> None:
        await line.request()
        await line.send(CHUNKED + b"5\r\nhello\r\n")
        await line.left()
        left.set()

    async with peer(talk) as server, open_http() as http:
        with anyio.fail_after(10):
            async with http.post(server.url, {}, b"") as response:
                assert await response.read() == b"hello"
            await left.wait()


@requirement("models:http:cancel")
async def test_closing_the_client_closes_every_connection() -> None:
    """models/http.py: nothing outlives the client."""
    kept: list[Line] = []

    async def talk(line: Line) -> None:
        kept.append(line)
        await line.request()
        await line.send(answer())
        await line.left()
        kept.remove(line)

    async with peer(talk) as server:
        async with open_http() as http:
            await asyncio.gather(fetch(http, server.url), fetch(http, server.url))
            assert len(kept) == 2
        with anyio.fail_after(10):
            while kept:
                await anyio.lowlevel.checkpoint()


@requirement("design:5:back-pressure")
async def test_a_slow_reader_stops_the_reading_of_the_socket(
    scripted: Scripted, model: Model
) -> None:
    """DESIGN.md §5: memory per stream stays bounded, and nothing is lost when it goes on."""
    size = 20 << 20
    model.script(huge(size))
    body = json.dumps({"model": model.name, "stream": True}).encode()
    async with open_http() as http:
        with anyio.fail_after(20):
            async with http.post(f"{scripted.url}/chat/completions", {}, body) as response:
                heard = await model.await_heard()
                assert await heard.await_stalled()
                assert heard.written < size / 2
                taken = len(await response.read())
                assert taken < 1 << 20
                while piece := await response.read():
                    taken += len(piece)
        assert await heard.await_finished()
        assert taken == heard.written


@requirement("design:5:many-streams")
async def test_many_requests_are_under_way_at_once() -> None:
    """DESIGN.md §5: as many connections as requests; all are kept for the next ones."""
    waiting = 0
    all_here = anyio.Event()

    async def talk(line: Line) -> None:
        nonlocal waiting
        while True:
            request = await line.request()
            waiting += 1
            if waiting == MANY:
                all_here.set()
            await all_here.wait()
            await line.send(answer(request.body))

    async with peer(talk) as server, open_http() as http:
        for _ in range(2):
            asked = [b"%d" % number for number in range(MANY)]
            answers = await asyncio.gather(*(fetch(http, server.url, body) for body in asked))
            assert answers == [(200, body) for body in asked]
        assert len(server.lines) == MANY


@requirement("models:http:reuse")
async def test_bodies_larger_than_any_buffer_go_out_whole() -> None:
    """DESIGN.md §5: a long history is one request."""
    size = 8 << 20

    async def talk(line: Line) -> None:
        request = await line.request()
        await line.send(answer(b"%d" % len(request.body)))

    async with peer(talk) as server, open_http() as http:
        assert await fetch(http, server.url, b"x" * size) == (200, b"%d" % size)


@requirement("models:http:reuse")
async def test_an_answer_may_come_before_the_request_is_read() -> None:
    """DESIGN.md §5: 413 while a large body still goes out is heard, not a broken connection."""

    async def talk(line: Line) -> None:
        await line.reader.readuntil(b"\r\n\r\n")
        await line.send(answer(b"too large", status="413 Too Large"))
        await line.left()

    async with peer(talk) as server, open_http() as http:
        with anyio.fail_after(10):
            async with http.post(server.url, {}, b"x" * (8 << 20)) as response:
                assert (response.status, await read_all(response)) == (413, b"too large")
