"""A hook that is a command: JSON on its stdin, its verdict from exit status and stdout."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import PIPE

import anyio
import msgspec
from anyio.abc import ByteReceiveStream, ByteSendStream, Process

from docker_agent.env.family import MARK, Family, end_family
from docker_agent.hooks.answer import read_answer
from docker_agent.hooks.chat_messages import plain
from docker_agent.hooks.port import Hook, HookFailed, HookInput, Verdict

SHELL = "/bin/sh"

AT_ONCE = 16
"""Hook processes of one team that run at the same time (runtime.md §12.5)."""

MAX_OUTPUT = 4 * 1024 * 1024
"""Bytes a hook may write to stdout: a whole rewritten conversation fits."""

MAX_ERRORS = 64 * 1024
"""Bytes of stderr that are kept; the rest is read and dropped."""

GRACE_SECONDS = 0.25
"""Between SIGTERM and SIGKILL."""

LINGER_SECONDS = 0.5
"""How long output is awaited from processes that outlive the command."""

_PIECE = 64 * 1024


class Command(msgspec.Struct, frozen=True):
    """What to start: shell text with its positional parameters, where, and the whole
    environment."""

    text: str
    args: tuple[str, ...]
    directory: Path
    environ: Mapping[str, str]


def command_hook(command: Command, slots: asyncio.Semaphore) -> Hook:
    """A hook that runs `command`, of which nothing outlives the call, wherever it went; `slots`
    bounds how many run at once."""

    async def run_command(given: HookInput) -> Verdict:
        document = encoded(given)
        async with slots:
            argv = (SHELL, "-c", command.text, "hook", *command.args)
            ended = await finished(argv, command.directory, command.environ, document)
        return read_answer(given, ended.status, ended.output, ended.errors)

    return run_command


def encoded(given: HookInput) -> bytes:
    """What a hook is told, as one JSON object."""
    if not given.messages:
        return msgspec.json.encode(given)
    found = msgspec.to_builtins(msgspec.structs.replace(given, messages=()))
    return msgspec.json.encode({**found, "messages": [plain(one) for one in given.messages]})


class Ended(msgspec.Struct, frozen=True):
    """How a process ended, and what it wrote."""

    status: int
    output: str
    errors: str


async def finished(
    argv: Sequence[str], directory: Path, environ: Mapping[str, str], document: bytes = b""
) -> Ended:
    """Run a program to its end, with `document` on stdin. Raises `HookFailed` when it cannot be
    started or writes too much."""
    family = Family()
    try:
        process = await _start(argv, directory, environ, family)
        exchange = _Exchange(process)
        try:
            await exchange.finish(document)
        finally:
            await end_family(process, family, GRACE_SECONDS)
            await exchange.close()
    finally:
        family.close()
    if exchange.overflowed:
        raise HookFailed(f"wrote more than {MAX_OUTPUT // 1024 // 1024} MiB and was stopped")
    status = process.returncode
    if status is None:
        raise HookFailed("could not be stopped")
    return Ended(status, _text(exchange.output), _text(exchange.errors))


async def _start(
    argv: Sequence[str], directory: Path, environ: Mapping[str, str], family: Family
) -> Process:
    process: Process | None = None
    with anyio.CancelScope(shield=True):
        try:
            process = await anyio.open_process(
                [*argv],
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                cwd=directory,
                env={**environ, MARK: family.token},
                start_new_session=True,
                pass_fds=(family.pipe,),
            )
        except (OSError, ValueError) as exc:
            raise HookFailed(f"could not be started: {exc}") from exc
    assert process is not None
    family.begin(process.pid)
    return process


class _Exchange:
    """What goes into a process and comes out of it, within bounds."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.output = bytearray()
        self.errors = bytearray()
        self.overflowed = False

    async def finish(self, document: bytes) -> None:
        """Until the process ends, and a little longer for output that others hold open."""
        process = self._process
        assert process.stdin and process.stdout and process.stderr
        async with anyio.create_task_group() as group:
            group.start_soon(_send, process.stdin, document)
            group.start_soon(self._receive, process.stdout, group.cancel_scope)
            group.start_soon(_receive_errors, process.stderr, self.errors)
            await process.wait()
            group.cancel_scope.deadline = anyio.current_time() + LINGER_SECONDS

    async def close(self) -> None:
        """Let go of the pipes."""
        process = self._process
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with anyio.CancelScope(shield=True):
                    await pipe.aclose()

    async def _receive(self, pipe: ByteReceiveStream, scope: anyio.CancelScope) -> None:
        while piece := await _piece(pipe):
            self.output += piece
            if len(self.output) > MAX_OUTPUT:
                self.overflowed = True
                scope.cancel()
                return


async def _send(pipe: ByteSendStream, document: bytes) -> None:
    """The document, then the end; a hook need not read it."""
    try:
        await pipe.send(document)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        pass
    finally:
        with anyio.CancelScope(shield=True):
            await pipe.aclose()


async def _receive_errors(pipe: ByteReceiveStream, kept: bytearray) -> None:
    while piece := await _piece(pipe):
        kept += piece[: max(0, MAX_ERRORS - len(kept))]


async def _piece(pipe: ByteReceiveStream) -> bytes:
    """What came next; nothing at the end."""
    try:
        return await pipe.receive(_PIECE)
    except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
        return b""


def _text(data: bytearray) -> str:
    """As UTF-8; what is none, and NUL, becomes U+FFFD."""
    return data.decode("utf-8", "replace").replace("\0", "\ufffd")
