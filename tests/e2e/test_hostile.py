"""What impolite clients and attackers do to a server, while others want to be served. Source:
chat-server.md §1 and §3, clients.md 50 to 53."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Generator
from contextlib import suppress

import pytest

from tests.e2e import table
from tests.e2e.load import PATIENCE, Memory, allow_many_files, clients_of, memory_of
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.model import Scripted

MIB = 1 << 20
CHAT = {"model": "root", "messages": [{"role": "user", "content": "still served"}]}
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3})")

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="module")
def server(scripted: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """One server for all of it: nothing may wear it down."""
    allow_many_files()
    scripted.model("hostile").forget()
    home = tmp_path_factory.mktemp("hostile")
    with Server(agent_yaml(scripted.url, "hostile"), home=home) as running:
        yield running
        assert "Traceback" not in running.log
        assert "internal_error" not in running.log


async def connect(server: Server) -> Pipe:
    """A bare connection."""
    return await asyncio.open_connection("127.0.0.1", server.port)


async def outcome(pipe: Pipe) -> str:
    """The status of the answer, or how the connection ended without one; then hang up."""
    reader, writer = pipe
    try:
        async with asyncio.timeout(PATIENCE):
            told = _STATUS.match(await reader.read(4096))
    except TimeoutError:
        return "silence"
    except ConnectionError:
        return "reset"
    finally:
        writer.close()
    return told[1].decode() if told else "closed"


async def send(server: Server, data: bytes) -> str:
    """Send it all, as far as the server takes it; what came of it."""
    pipe = await connect(server)
    with suppress(ConnectionError):
        pipe[1].write(data)
        await pipe[1].drain()
    return await outcome(pipe)


async def chat(server: Server) -> float:
    """An honest chat; seconds to its whole answer."""
    body = json.dumps(CHAT).encode()
    start = time.monotonic()
    reader, writer = await connect(server)
    length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    writer.write(HEAD + length + body)
    async with asyncio.timeout(PATIENCE):
        reply = await reader.read()
    writer.close()
    assert b"still served" in reply, reply
    return time.monotonic() - start


def chunked(pieces: int, size: int) -> bytes:
    """A body of so many chunks."""
    piece = b"%x\r\n" % size + b"x" * size + b"\r\n"
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + piece * pieces + b"0\r\n\r\n"


def gone(server: Server) -> None:
    """Every connection ends."""
    deadline = time.monotonic() + PATIENCE
    while (left := clients_of(server)) > 0:
        assert time.monotonic() < deadline, f"{left} connections are still open"
        time.sleep(0.05)


@requirement("abuse:slow")
def test_slow_senders_and_thousands_of_idle_connections_hold_nobody_up(
    server: Server, request: pytest.FixtureRequest
) -> None:
    """2,000 connections that say nothing, 200 whose head and 200 whose body comes a byte at a
    time: honest chats are served meanwhile, and whoever never finishes is shown out."""

    async def dribble(start: bytes, rest: bytes) -> str:
        pipe = await connect(server)
        pipe[1].write(start)
        answer = asyncio.create_task(outcome(pipe))
        for byte in rest:
            if answer.done():
                break
            with suppress(ConnectionError):
                pipe[1].write(bytes([byte]))
            await asyncio.wait([answer], timeout=1)
        return await answer

    async def siege() -> tuple[Counter[str], list[float], float]:
        idle = await asyncio.gather(*(connect(server) for _ in range(2000)))
        body = HEAD + b"Content-Length: 5000\r\n\r\n"
        heads = [asyncio.create_task(dribble(HEAD, b"X-Slow: " + b"x" * 500)) for _ in range(200)]
        bodies = [asyncio.create_task(dribble(body, b" " * 500)) for _ in range(200)]
        await asyncio.sleep(0)
        waits = [await chat(server) for _ in range(50)]
        held = memory_of(server).now
        ended = Counter(await asyncio.gather(*heads))
        for slow in bodies:
            slow.cancel()
        await asyncio.gather(*bodies, return_exceptions=True)
        for _, writer in idle:
            writer.close()
        return ended, waits, held

    before = memory_of(server)
    ended, waits, held = asyncio.run(siege())
    gone(server)
    table.figure(request, "slow heads ended", dict(ended))
    table.figure(request, "worst of 50 chats meanwhile, s", round(max(waits), 3))
    table.figure(request, "MiB before, under siege", (round(before.now, 1), round(held, 1)))
    assert ended == {"408": 200}
    assert max(waits) < 30
    assert held - before.now < 64


@requirement("abuse:sizes")
def test_bodies_that_are_too_large_are_refused_before_they_are_kept(
    server: Server, request: pytest.FixtureRequest
) -> None:
    """50 MB declared, 50 MB in chunks, a gigabyte in a megabyte of gzip, also packed twice: 413
    each time, and no more memory than the limit allows each."""
    bomb = gzip.compress(bytes(512 * MIB), 9)
    twice = gzip.compress(gzip.compress(bytes(512 * MIB), 9), 9)
    declared = HEAD + b"Content-Length: %d\r\n\r\n" % (50 * MIB) + bytes(50 * MIB)

    def packed(data: bytes, how: bytes) -> bytes:
        head = HEAD + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (how, len(data))
        return head + data

    kinds = {
        "50 MB declared": declared,
        "50 MB in chunks": chunked(50, MIB),
        "gzip bomb": packed(bomb, b"gzip"),
        "gzip bomb in gzip": packed(twice, b"gzip, gzip"),
    }

    async def throw(data: bytes) -> Counter[str]:
        return Counter(await asyncio.gather(*(send(server, data) for _ in range(10))))

    before = memory_of(server)
    for name, data in kinds.items():
        ended = asyncio.run(throw(data))
        table.figure(request, f"{name}, 10 at once", dict(ended))
        # A client still sending when the server hangs up may lose the answer to a reset.
        assert ended["413"] + ended["reset"] == 10, (name, ended)
    gone(server)
    after = memory_of(server)
    table.figure(
        request, "MiB before, peak, after", tuple(round(m, 1) for m in _levels(before, after))
    )
    assert after.peak - before.peak < 128
    assert after.now - before.now < 48


def _levels(before: Memory, after: Memory) -> tuple[float, float, float]:
    return before.now, after.peak, after.now


@requirement("abuse:broken")
def test_requests_that_break_off_reach_no_model_and_leave_nothing(
    server: Server, scripted: Scripted, request: pytest.FixtureRequest
) -> None:
    """A body that stops midway, a head that stops midway, a connection half closed, headers
    without end, no HTTP at all: no run, no 500, no connection that stays."""
    model = scripted.model("hostile").forget()
    body = json.dumps(CHAT).encode()
    length = b"Content-Length: %d\r\n\r\n" % len(body)

    async def stops(data: bytes) -> str:
        _, writer = await connect(server)
        writer.write(data)
        await writer.drain()
        writer.close()
        return "stopped"

    async def half_closed(data: bytes) -> str:
        pipe = await connect(server)
        pipe[1].write(data)
        pipe[1].write_eof()
        return await outcome(pipe)

    async def all_of_it() -> dict[str, Counter[str]]:
        many, long = b"X-Flood: y\r\n" * 5000, b"X-Long: " + b"y" * (2 * MIB)
        work = {
            "body stops": stops(HEAD + length + body[:-5]),
            "head stops": stops(HEAD[:-10]),
            "half-closed in the body": half_closed(HEAD + length + body[:-5]),
            "half-closed in the head": half_closed(HEAD[:-10]),
            "5,000 headers": send(server, HEAD + many + length + body),
            "a header of 2 MiB": send(server, HEAD + long + b"\r\n" + length + body),
            "no HTTP": send(server, bytes(range(256)) * 8),
            "TLS to a plain port": send(server, b"\x16\x03\x01\x02\x00\x01\x00" + bytes(500)),
        }
        return {name: Counter([await one]) for name, one in work.items()}

    endings: dict[str, Counter[str]] = {}
    for _ in range(25):
        for name, ended in asyncio.run(all_of_it()).items():
            endings.setdefault(name, Counter()).update(ended)
    gone(server)
    for name, ended in endings.items():
        table.figure(request, f"{name}, 25 times", dict(ended))
        assert set(ended) <= {"400", "408", "431", "closed", "reset", "stopped"}, (name, ended)
    assert model.heard == []
    assert asyncio.run(chat(server)) < PATIENCE
