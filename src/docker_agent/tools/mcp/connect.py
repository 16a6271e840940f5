"""From a program or an address to a session, with what went wrong in words.

Imported with the SDK, when the first server is started.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import msgspec
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED
from pydantic import ValidationError

from docker_agent.addresses import is_public
from docker_agent.tools.child import Program
from docker_agent.tools.life import End, Ended, StartError, leaves, told
from docker_agent.tools.mcp.http import (
    Allowed,
    Refused,
    Resolve,
    Seen,
    Way,
    open_sse,
    open_streamable,
)
from docker_agent.tools.mcp.limits import REQUEST_TIMEOUT
from docker_agent.tools.mcp.oauth import NEEDS_LOGIN
from docker_agent.tools.mcp.options import Address, TransportKind
from docker_agent.tools.mcp.session import Hello, Session, Transport, open_session
from docker_agent.tools.mcp.stdio import open_stdio

TRANSPORTS: Mapping[TransportKind, Sequence[Callable[[Way], Transport]]] = {
    "auto": (open_streamable, open_sse),
    "streamable": (open_streamable,),
    "sse": (open_sse,),
}

NOT_SPOKEN = (400, 404, 405)
"""Answers of a server that speaks another transport (runtime.md §10.1)."""


@asynccontextmanager
async def connect_program(
    program: Program, working_dir: Path, ended: Ended
) -> AsyncGenerator[Session]:
    """Start a program and say hello. Raises `StartError`."""
    hello = Hello(working_dir)
    async with greeted(lambda note: open_stdio(program, note), hello, ended) as session:
        yield session


class Remote(msgspec.Struct, frozen=True):
    """A remote server: the addresses to try, and who signs in to it."""

    addresses: tuple[Address, ...]
    auth: httpx2.Auth | None = None
    resolve: Resolve | None = None
    public: Allowed = is_public


@asynccontextmanager
async def connect_remote(
    remote: Remote, working_dir: Path | None, ended: Ended
) -> AsyncGenerator[Session]:
    """Say hello to a remote server, over the first transport it speaks; it may know the working
    directory, if there is one to be told. Raises `StartError`.

    Source: runtime.md §10.1.
    """
    ways = [
        (open_transport, Way(address, Seen(), remote.auth, remote.resolve, remote.public))
        for address in remote.addresses
        for open_transport in TRANSPORTS[address.kind]
    ]
    async with AsyncExitStack() as stack:
        yield await _first_that_speaks(ways, working_dir, ended, stack)


async def _first_that_speaks(
    ways: Sequence[tuple[Callable[[Way], Transport], Way]],
    working_dir: Path | None,
    ended: Ended,
    stack: AsyncExitStack,
) -> Session:
    problem: StartError | None = None
    for open_transport, way in ways:
        hello = Hello(working_dir, REQUEST_TIMEOUT, way.seen.forgotten)
        reached = greeted(_opener(open_transport, way), hello, ended, way.seen)
        try:
            return await stack.enter_async_context(reached)
        except StartError as exc:
            problem = problem or exc
            if way.seen.status not in NOT_SPOKEN:
                break
    assert problem is not None
    raise problem


def _opener(open_transport: Callable[[Way], Transport], way: Way) -> Callable[[Ended], Transport]:
    return lambda note: open_transport(way)


@asynccontextmanager
async def greeted(
    transport: Callable[[Ended], Transport], hello: Hello, ended: Ended, seen: Seen | None = None
) -> AsyncGenerator[Session]:
    """A session over a transport. Whatever keeps it from beginning is a `StartError`."""
    ends: list[End] = []
    started = False

    def note(end: End) -> None:
        ends.append(end)
        if started:
            ended(end)

    try:
        async with open_session(transport(note), hello, note) as session:
            started = True
            yield session
    except Exception as exc:
        if started:
            raise
        raise _start_error(exc, ends, seen or Seen()) from exc


def _start_error(exc: Exception, ends: list[End], seen: Seen) -> StartError:
    found = leaves(exc)
    for kind in (StartError, Refused, httpx2.HTTPError, ValidationError, MCPError):
        cause = next((each for each in found if isinstance(each, kind)), None)
        if cause is not None:
            break
    else:
        cause = found[0]
    if seen.status == 401 and not isinstance(cause, StartError):
        return StartError(NEEDS_LOGIN, lasting=True)
    match cause:
        case StartError():
            return cause
        case Refused():
            return StartError(str(cause), slow=True)
        case httpx2.HTTPStatusError() as failed:
            return StartError(f"it answered with HTTP {failed.response.status_code}")
        case httpx2.ConnectError() if "certificate" in str(cause).lower():
            return StartError("its certificate does not do", slow=True)
        case httpx2.ConnectError():
            return StartError("it cannot be reached")
        case httpx2.HTTPError():
            return StartError(f"the connection failed ({type(cause).__name__})")
        case MCPError(code=code) if code == CONNECTION_CLOSED and ends:
            return StartError(ends[0].reason, detail=ends[0].detail)
        case MCPError() if seen.status >= 400:
            return StartError(f"it answered with HTTP {seen.status}: {cause.message}")
        case MCPError():
            return StartError(f"it refused to begin: {cause.message}")
        case ValidationError():
            return StartError("what answers does not speak MCP")
        case TimeoutError():
            return StartError("it did not answer in time", slow=True)
        case _:
            return StartError(told(cause))
