"""A thousand streams at once, every tenth client gone in the middle. Source: DESIGN.md §5,
clients.md 26, 27."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import aclosing

import pytest

from tests.conftest import Serve
from tests.e2e import table
from tests.e2e.load import (
    PATIENCE,
    allow_many_files,
    clients_of,
    delta_of,
    events,
    many,
    memory_of,
)
from tests.harness import Server, agent_yaml
from tests.requirements import requirement
from tests.scripted.gate import Gate
from tests.scripted.model import Scripted
from tests.scripted.parts import begin, hold, say

STREAMS = 1000
LEAVING = 10
"""Each so many-th client leaves."""
WHOLE = "first second third."


async def crowd(server: Server, gate: Gate, streams: int) -> Counter[str]:
    """All clients at once: each sees the first words, then stays or goes; how they ended."""
    seen = 0
    all_seen = asyncio.Event()
    ended: Counter[str] = Counter()

    async def one(number: int) -> None:
        nonlocal seen
        body = {
            "model": "root",
            "stream": True,
            "messages": [{"role": "user", "content": str(number)}],
        }
        text, done = "", False
        async with session.post(f"{server.url}/chat/completions", json=body) as reply:
            async with aclosing(events(reply)) as every:
                async for event in every:
                    before = text
                    done = event is None
                    text += "" if event is None else delta_of(event)
                    if text and not before:
                        seen += 1
                        if seen == streams:
                            all_seen.set()
                        await all_seen.wait()
                        if number % LEAVING == 0:
                            break
            if number % LEAVING == 0:
                reply.close()
                ended["left"] += 1
                return
        ended["whole" if done and text == WHOLE else f"broken: {text!r}"] += 1

    async with many() as session, asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for number in range(streams):
            group.create_task(one(number))
        await all_seen.wait()
        await asyncio.sleep(0)
        gate.open()
    return ended


@requirement("abuse:streams")
def test_a_thousand_streams_with_every_tenth_client_vanishing(
    serve: Serve, scripted: Scripted, request: pytest.FixtureRequest
) -> None:
    """Those who stay get every byte, those who leave take their model calls with them, and the
    memory comes back."""
    allow_many_files()
    model = scripted.model("crowd")
    server = serve(agent_yaml(scripted.url, "crowd"))
    levels: list[float] = []
    ended: Counter[str] = Counter()
    for _ in range(3):
        gate = Gate()
        model.forget().script(begin() + say("first ") + hold(gate) + say("second ", "third."))
        ended = asyncio.run(crowd(server, gate, STREAMS))
        assert ended == {"left": STREAMS // LEAVING, "whole": STREAMS - STREAMS // LEAVING}
        assert len(model.heard) == STREAMS
        for heard in model.heard:
            assert heard.over.wait(PATIENCE)
        levels.append(memory_of(server).now)
    table.figure(request, "streams at once, three times", STREAMS)
    table.figure(request, "ended", dict(ended))
    table.figure(request, "MiB after each round", [round(level, 1) for level in levels])
    table.figure(request, "peak MiB", round(memory_of(server).peak, 1))
    assert levels[2] < levels[0] * 1.15 + 8, levels
    _clients_leave(server)
    assert "Traceback" not in server.log
    assert server.client().chat("after").status == 200


def _clients_leave(server: Server) -> None:
    """No socket of a client stays; those to the model may wait for the next question."""
    deadline = time.monotonic() + PATIENCE
    while (left := clients_of(server)) > 0:
        assert time.monotonic() < deadline, f"{left} sockets of clients are still open"
        time.sleep(0.05)
