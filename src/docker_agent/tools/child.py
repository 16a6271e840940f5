"""A server as a child process that is spoken with over its stdin and stdout: started, watched,
ended with all it has started."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import anyio
import msgspec
from anyio.abc import ByteReceiveStream, ByteSendStream, Process

from docker_agent.env.family import MARK, Family
from docker_agent.env.processes import reap_adopted
from docker_agent.tools.life import End, Ended, StartError

log = logging.getLogger(__name__)

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


class Program(msgspec.Struct, frozen=True):
    """What to start: `argv`, where, with which whole environment. `hint` is said when the command
    is not there."""

    argv: tuple[str, ...]
    directory: Path
    environ: Mapping[str, str]
    hint: str = "install it, or give its path"


@asynccontextmanager
async def open_child(program: Program, ended: Ended) -> AsyncGenerator[Child]:
    """Start the program. Whoever speaks with it calls `Child.end` before the context is left.
    `ended` hears when it ends by itself.

    Raises `StartError` when it cannot be started. Source: runtime.md §10.2.
    """
    family = Family()
    try:
        yield Child(await _start(program, family), family, program.argv[0], ended)
    finally:
        family.close()


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


class Child:
    """One running server."""

    def __init__(self, process: Process, family: Family, command: str, ended: Ended) -> None:
        self._process = process
        self._family = family
        self._ended = ended
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._flawed = ""
        self._closing = False
        self.command = command

    @property
    def stdin(self) -> ByteSendStream:
        """What it reads."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> ByteReceiveStream:
        """What it writes."""
        assert self._process.stdout is not None
        return self._process.stdout

    def give_up(self, reason: str) -> None:
        """End it for what it did: `reason` is how it ended, which is told at once."""
        self._flawed = reason
        self._family.signal(signal.SIGKILL, everywhere=False)
        if not self._closing:
            self._ended(End(reason, detail=self.stderr))

    async def listen(self) -> None:
        """Keep the last lines of stderr; all go to the log in detail."""
        stderr = self._process.stderr
        assert stderr is not None
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            async for line in Lines(stderr, STDERR_LINE):
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    self._stderr.append(text)
                    log.debug("%s: %s", self.command, text)

    async def end(self) -> None:
        """Close its stdin; then SIGTERM, then SIGKILL to its whole family."""
        self._closing = True
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

    async def tell_end(self) -> None:
        """Its stdout has ended: tell how it did."""
        await self._exited(_STATUS_SECONDS)
        if self._closing:
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


class Lines:
    """The lines of a stream, without their ends; of one longer than `limit` bytes its beginning,
    once, with `overlong` set."""

    def __init__(self, stream: ByteReceiveStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = 0
        self._skipping = False
        self.overlong = False

    def __aiter__(self) -> Lines:
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
