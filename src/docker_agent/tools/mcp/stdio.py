"""An MCP server as a child process: messages over its stdin and stdout.

Imported with the SDK, when the first server is started.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import mcp_types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from docker_agent.tools.child import STDERR_LINE, Child, Lines, Program, open_child
from docker_agent.tools.life import Ended
from docker_agent.tools.mcp.limits import MAX_MESSAGE

log = logging.getLogger(__name__)

Streams = tuple[
    MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]
]
"""What the SDK speaks through."""

_BROKEN = (anyio.ClosedResourceError, anyio.BrokenResourceError)


@asynccontextmanager
async def open_stdio(program: Program, ended: Ended) -> AsyncGenerator[Streams]:
    """Start the program and speak with it. It and all that it has started end with the context,
    within 2 seconds. `ended` hears when it ends before.

    Raises `StartError` when it cannot be started. Source: runtime.md §10.2.
    """
    async with open_child(program, ended) as child, _speaking(child) as streams:
        yield streams


@asynccontextmanager
async def _speaking(child: Child) -> AsyncGenerator[Streams]:
    to_us, inbox = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outbox, from_us = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_read, child, to_us)
            group.start_soon(_write, child, from_us)
            group.start_soon(child.listen)
            try:
                yield inbox, outbox
            finally:
                with anyio.CancelScope(shield=True):
                    outbox.close()
                    await child.end()
                group.cancel_scope.cancel()
    finally:
        for stream in (to_us, inbox, outbox, from_us):
            stream.close()


async def _read(child: Child, inbox: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
    """Pass on each line of stdout as a message; what is none is left out."""
    with contextlib.suppress(*_BROKEN):
        async with inbox:
            lines = Lines(child.stdout, MAX_MESSAGE)
            async for line in lines:
                if lines.overlong:
                    child.give_up(f"it sent a message of more than {MAX_MESSAGE} bytes")
                    break
                if message := _message(line):
                    await inbox.send(message)
            await child.tell_end()


async def _write(child: Child, outbox: MemoryObjectReceiveStream[SessionMessage]) -> None:
    """Write what is to be sent."""
    with contextlib.suppress(*_BROKEN, OSError):
        async with outbox:
            async for each in outbox:
                text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                await child.stdin.send(text.encode() + b"\n")


def _message(line: bytes) -> SessionMessage | None:
    """The message of a line; None for what is none, such as a greeting somebody printed."""
    if not line.strip():
        return None
    try:
        return SessionMessage(mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        log.debug("not a message: %r", line[:STDERR_LINE])
        return None
