"""An MCP server as a child process: messages over its stdin and stdout, its stderr for the log.

Imported with the SDK, when the first server is started.
"""

from __future__ import annotations

import contextlib
import logging
import signal
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from subprocess import PIPE

import anyio
import mcp_types
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from docker_agent.env.family import MARK, Family
from docker_agent.env.processes import reap_adopted
from docker_agent.tools.life import End, Ended, StartError
from docker_agent.tools.mcp.limits import MAX_MESSAGE
from docker_agent.tools.mcp.options import Program

log = logging.getLogger(__name__)

Streams = tuple[
    MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]
]
"""What the SDK speaks through."""

GRACE_SECONDS = 0.4
"""For a server to end by itself once its stdin is closed."""

TERM_SECONDS = 0.8
"""Between SIGTERM and SIGKILL: all of it together stays below 2 s."""

STDERR_LINES = 20
STDERR_LINE = 500
"""The last lines of stderr that the log of a failure shows, and the characters of each."""

_STATUS_SECONDS = 0.3
"""For the exit status to arrive after the end of stdout."""

_POLL_SECONDS = 0.01


@asynccontextmanager
async def open_stdio(program: Program, ended: Ended) -> AsyncGenerator[Streams]:
    """Start the program and speak with it. It and all that it has started end with the context,
    within 2 seconds. `ended` hears when it ends before.

    Raises `StartError` when it cannot be started. Source: runtime.md §10.2.
    """
    family = Family()
    try:
        async with _running(program, family, ended) as streams:
            yield streams
    finally:
        family.close()


@asynccontextmanager
async def _running(program: Program, family: Family, ended: Ended) -> AsyncGenerator[Streams]:
    process = await _start(program, family)
    child = _Child(process, family, program.argv[0], ended)
    to_us, inbox = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outbox, from_us = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(child.read, to_us)
            group.start_soon(child.write, from_us)
            group.start_soon(child.listen)
            try:
                yield inbox, outbox
            finally:
                child.closing = True
                with anyio.CancelScope(shield=True):
                    outbox.close()
                    await child.end()
                group.cancel_scope.cancel()
    finally:
        for stream in (to_us, inbox, outbox, from_us):
            stream.close()


async def _start(program: Program, family: Family) -> Process:
    if not await anyio.Path(program.directory).is_dir():
        raise StartError(f"the working directory {program.directory} does not exist", lasting=True)
    with anyio.CancelScope(shield=True):
        try:
            process = await anyio.open_process(
                program.argv,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                cwd=program.directory,
                env={**program.environ, MARK: family.token},
                start_new_session=True,
                pass_fds=(family.pipe,),
            )
            family.begin(process.pid)
            return process
        except FileNotFoundError as exc:
            raise StartError(
                f"the command '{program.argv[0]}' was not found; {program.hint}", lasting=True
            ) from exc
        except OSError as exc:
            reason = f"the command '{program.argv[0]}' could not be started: {exc.strerror}"
            raise StartError(reason, lasting=isinstance(exc, PermissionError)) from exc
        except ValueError as exc:
            raise StartError(
                f"its command holds what no process can be given: {exc}", lasting=True
            ) from exc
    raise AssertionError("unreachable")


class _Child:
    """One running server."""

    def __init__(self, process: Process, family: Family, command: str, ended: Ended) -> None:
        self._process = process
        self._family = family
        self._command = command
        self._ended = ended
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._flawed = ""
        self.closing = False

    async def read(self, inbox: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        """Pass on each line of stdout as a message; what is none is left out."""
        stdout = self._process.stdout
        assert stdout is not None
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            async with inbox:
                lines = _Lines(stdout, MAX_MESSAGE)
                async for line in lines:
                    if lines.overlong:
                        self._flawed = f"it sent a message of more than {MAX_MESSAGE} bytes"
                        break
                    if message := _message(line):
                        await inbox.send(message)
                await self._tell_end()
        if self._flawed:
            self._family.signal(signal.SIGKILL, everywhere=False)

    async def write(self, outbox: MemoryObjectReceiveStream[SessionMessage]) -> None:
        """Write what is to be sent."""
        stdin = self._process.stdin
        assert stdin is not None
        broken = (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError)
        with contextlib.suppress(*broken):
            async with outbox:
                async for each in outbox:
                    text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await stdin.send(text.encode() + b"\n")

    async def listen(self) -> None:
        """Keep the last lines of stderr; all go to the log in detail."""
        stderr = self._process.stderr
        assert stderr is not None
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            async for line in _Lines(stderr, STDERR_LINE):
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    self._stderr.append(text)
                    log.debug("%s: %s", self._command, text)

    async def end(self) -> None:
        """Close its stdin; then SIGTERM, then SIGKILL to its whole family."""
        process = self._process
        assert process.stdin is not None
        with (
            anyio.move_on_after(GRACE_SECONDS),
            contextlib.suppress(OSError, anyio.BrokenResourceError),
        ):
            await process.stdin.aclose()
        await self._exited(GRACE_SECONDS)
        if await self._signal(signal.SIGTERM):
            await self._all_gone(TERM_SECONDS)
            await self._signal(signal.SIGKILL)
        await self._exited(_STATUS_SECONDS)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError, anyio.BrokenResourceError):
                    await stream.aclose()
        _let_go(process)

    async def _tell_end(self) -> None:
        await self._exited(_STATUS_SECONDS)
        if self.closing:
            return
        status = self._process.returncode
        reason = self._flawed or _how(status)
        self._ended(End(reason, clean=status == 0 and not self._flawed, detail=self.stderr))

    @property
    def stderr(self) -> str:
        """Its last words."""
        return "\n".join(f"  {line}" for line in self._stderr)

    async def _exited(self, seconds: float) -> None:
        # Not `wait()`, which also waits for pipes that a grandchild may hold open.
        with anyio.move_on_after(seconds):
            while self._process.returncode is None:  # noqa: ASYNC110 - nothing tells it alone
                await anyio.sleep(_POLL_SECONDS)

    async def _all_gone(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while await self._signal(0):
                reap_adopted(self._process)
                await anyio.sleep(_POLL_SECONDS)

    async def _signal(self, number: int) -> bool:
        return await anyio.to_thread.run_sync(self._family.signal, number)


def _let_go(process: Process) -> None:
    """Close pipes that a survivor, or unread output, would keep open: nothing public reaches
    them."""
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    close = getattr(transport, "close", None)
    if callable(close):
        with contextlib.suppress(PermissionError):
            close()


def _how(status: int | None) -> str:
    if status is None:
        return "it closed its output"
    if status < 0:
        name = signal.Signals(-status).name if -status in {*signal.Signals} else str(-status)
        return f"it was ended by {name}"
    return f"it ended with exit status {status}"


def _message(line: bytes) -> SessionMessage | None:
    """The message of a line; None for what is none, such as a greeting somebody printed."""
    if not line.strip():
        return None
    try:
        return SessionMessage(mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        log.debug("not a message: %r", line[:STDERR_LINE])
        return None


class _Lines:
    """The lines of a stream, without their ends; of one longer than `limit` bytes its beginning,
    once, with `overlong` set."""

    def __init__(self, stream: ByteReceiveStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = 0
        self._skipping = False
        self.overlong = False

    def __aiter__(self) -> _Lines:
        return self

    async def __anext__(self) -> bytes:
        while (line := self._next()) is None:
            try:
                self._buffer += await self._stream.receive()
            except anyio.EndOfStream:
                if not self._buffer:
                    raise StopAsyncIteration from None
                self._buffer += b"\n"
        return line

    def _next(self) -> bytes | None:
        """A line that is here; None when there is none yet."""
        while (end := self._buffer.find(b"\n", self._scanned)) >= 0:
            line = bytes(self._buffer[: min(end, self._limit)])
            self.overlong = end > self._limit
            del self._buffer[: end + 1]
            self._scanned = 0
            if not self._skipping:
                return line
            self._skipping = False
        if self._skipping:
            self._buffer.clear()
        self._scanned = len(self._buffer)
        if self._scanned <= self._limit:
            return None
        line = bytes(self._buffer[: self._limit])
        self.overlong = self._skipping = True
        self._buffer.clear()
        self._scanned = 0
        return line
