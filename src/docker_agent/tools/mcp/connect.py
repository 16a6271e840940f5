"""From a program or an address to a session, with what went wrong in words.

Imported with the SDK, when the first server is started.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from mcp import MCPError
from mcp_types import CONNECTION_CLOSED
from pydantic import ValidationError

from docker_agent.tools.life import End, Ended, StartError, first, told
from docker_agent.tools.mcp.options import Program
from docker_agent.tools.mcp.session import Hello, Session, Transport, open_session
from docker_agent.tools.mcp.stdio import open_stdio


@asynccontextmanager
async def connect_program(
    program: Program, working_dir: Path, ended: Ended
) -> AsyncGenerator[Session]:
    """Start a program and say hello. Raises `StartError`."""
    hello = Hello(working_dir)
    async with greeted(lambda note: open_stdio(program, note), hello, ended) as session:
        yield session


@asynccontextmanager
async def greeted(
    transport: Callable[[Ended], Transport], hello: Hello, ended: Ended
) -> AsyncGenerator[Session]:
    """A session over a transport. Whatever keeps it from beginning is a `StartError`."""
    ends: list[End] = []

    def note(end: End) -> None:
        ends.append(end)
        ended(end)

    started = False
    try:
        async with open_session(transport(note), hello, note) as session:
            started = True
            yield session
    except Exception as exc:
        if started:
            raise
        raise _start_error(first(exc), ends) from exc


def _start_error(exc: BaseException, ends: list[End]) -> StartError:
    match exc:
        case StartError():
            return exc
        case MCPError(code=code) if code == CONNECTION_CLOSED and ends:
            return StartError(ends[0].reason, detail=ends[0].detail)
        case MCPError():
            return StartError(f"it refused to begin: {exc.message}")
        case ValidationError():
            return StartError("what answers does not speak MCP")
        case TimeoutError():
            return StartError("it did not answer in time", slow=True)
        case _:
            return StartError(told(exc))
