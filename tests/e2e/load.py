"""Many clients at once, and what they cost the server: figures from its own process."""

from __future__ import annotations

import json
import resource
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.harness import Server

FILES = 16_384
"""Sockets that both ends of a test may have open; the server inherits the limit."""
PATIENCE = 120.0
"""Seconds any one thing may take on a busy machine before a test gives up."""


def allow_many_files() -> None:
    """Raise the soft limit of this process, and so of the servers it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process in MiB, now and at its worst."""

    now: float
    peak: float


def memory_of(server: Server) -> Memory:
    """What the kernel says."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return Memory(*(int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")))


def clients_of(server: Server) -> int:
    """How many connections the kernel still has open at the server's port."""
    port, established, closing = f":{server.port:04X}", "01", "08"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(port) and row[3] in (established, closing) for row in rows)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a chat ended, seen by its client: `text` so far, the status, and whether `[DONE]` came
    after no error. `cut`: nobody knows how it ended, for the connection did before."""

    status: int
    text: str
    done: bool
    error: str = ""
    cut: bool = False


def many() -> aiohttp.ClientSession:
    """A session for any number of connections at once."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=PATIENCE),
    )


async def chat(
    session: aiohttp.ClientSession,
    server: Server,
    text: str,
    headers: Mapping[str, str] | None = None,
) -> Ended:
    """One streamed chat, to its end, whatever that is."""
    body = {"model": "root", "stream": True, "messages": [{"role": "user", "content": text}]}
    said = error = ""
    done = False
    url = f"{server.url}/chat/completions"
    try:
        async with session.post(url, json=body, headers=headers) as reply:
            if reply.status != 200:
                told = await reply.json()
                return Ended(reply.status, "", False, told["error"]["code"])
            async with aclosing(events(reply)) as every:
                async for event in every:
                    if event is None:
                        done = not error
                    elif "error" in event:
                        error = event["error"]["code"]
                    else:
                        said += delta_of(event)
            return Ended(200, said, done, error or "no end", cut=not done and not error)
    except aiohttp.ClientError as exc:
        return Ended(0, said, done, type(exc).__name__, cut=True)


async def leave(
    session: aiohttp.ClientSession,
    server: Server,
    text: str,
    headers: Mapping[str, str] | None = None,
) -> Ended:
    """A streamed chat whose client is gone after the first event."""
    body = {"model": "root", "stream": True, "messages": [{"role": "user", "content": text}]}
    url = f"{server.url}/chat/completions"
    try:
        async with session.post(url, json=body, headers=headers) as reply:
            if reply.status != 200:
                told = await reply.json()
                return Ended(reply.status, "", False, told["error"]["code"])
            await reply.content.readline()
            reply.close()
            return Ended(200, "", False, "left", cut=True)
    except aiohttp.ClientError as exc:
        return Ended(0, "", False, type(exc).__name__, cut=True)


async def events(reply: aiohttp.ClientResponse) -> AsyncGenerator[dict[str, Any] | None]:
    """The events of a stream; None for `[DONE]`."""
    async for line in reply.content:
        if line.startswith(b"data: "):
            data = line.removeprefix(b"data: ").strip()
            yield None if data == b"[DONE]" else json.loads(data)


def delta_of(event: dict[str, Any]) -> str:
    """The text a chunk adds."""
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])
