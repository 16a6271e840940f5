"""Run one command to its end: nothing of what it started outlives the call."""

from __future__ import annotations

import codecs
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from typing import Literal, Protocol

import anyio
import msgspec
from anyio.abc import Process

from docker_agent.env.family import MARK, Family, end_family
from docker_agent.errors import ToolError
from docker_agent.tools.port import Progress

KILL_SECONDS = 3.0
"""Between SIGTERM and SIGKILL for a command that took too long (runtime.md §9.2)."""

CANCEL_SECONDS = 1.0
"""The same when nobody waits for the command any more: all is gone within two seconds then."""

LINGER_SECONDS = 0.5
"""How long output is awaited from processes that outlive the command."""

MAX_OUTPUT = 10_000_000
"""Bytes of output after which a command is stopped (runtime.md §5.7)."""

_READ_BYTES = 65_536

SIGNALS = {known.value: known.name for known in signal.Signals}

_CAPS = (
    "{ ulimit -c 0; ulimit -f 8388608; ulimit -u 8192 || ulimit -p 8192; "
    "echo 500 > /proc/self/oom_score_adj; } 2>/dev/null; "
)
CAPPED = ("/bin/sh", "-c", _CAPS + 'exec "$@"', "sh")
"""What a command starts behind: no core files, files of 4 GiB, 8,192 processes of its user; and
when memory runs out, the system ends it before us."""

_TETHERED = (
    "/bin/sh",
    "-c",
    _CAPS + '( exec 3<&0; ( read -r _ <&3; kill -9 0 ) >/dev/null 2>&1 & ); exec "$@" </dev/null',
    "sh",
)
"""The same, with somebody beside it who reads from a pipe of ours and ends the whole group when it
closes: also when this server is killed and can end nothing itself."""

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"})


class Command(msgspec.Struct, frozen=True):
    """What to start: `argv`, where, with which whole environment, for how many `seconds`. A
    `tethered` one ends with this server, however that ends."""

    argv: tuple[str, ...]
    directory: Path
    environ: Mapping[str, str]
    seconds: float
    tethered: bool = False


class Finished(msgspec.Struct, frozen=True):
    """How a command ended. `output` is stdout and stderr in order of arrival; `status` the exit
    status, negative for a signal. `stopped` says why we ended it; empty: it ended by itself."""

    output: str
    status: int
    stopped: Literal["", "time", "output"] = ""

    @property
    def failed(self) -> bool:
        """Whether it was stopped or said of itself that it failed."""
        return bool(self.stopped or self.status)

    @property
    def problem(self) -> str:
        """How it failed: `exit status 2`, `signal: SIGKILL`, or that it wrote too much."""
        if self.stopped == "output":
            return f"it wrote more than {MAX_OUTPUT // 1_000_000} MB and was stopped"
        if self.status < 0:
            return f"signal: {SIGNALS.get(-self.status, -self.status)}"
        return f"exit status {self.status}"


def find_shell(environ: Mapping[str, str]) -> str:
    """The operator's own `$SHELL` when it speaks the usual language, else `/bin/sh`."""
    shell = Path(environ.get("SHELL", ""))
    usable = shell.is_absolute() and shell.name in _SHELLS and os.access(shell, os.X_OK)
    return str(shell) if usable else "/bin/sh"


class Output(Protocol):
    """Where the output of a command goes."""

    @property
    def full(self) -> bool:
        """Whether there is too much of it, so that the command must end."""
        ...

    async def take(self, chunk: bytes, *, late: bool = False) -> None:
        """The next piece of it; `late` ones came after the command was ended."""
        ...


async def run(command: Command, progress: Progress) -> Finished:
    """Run a command without input; `progress` is given its output piece by piece.

    When it ends, takes too long, writes too much or is cancelled, whatever it started gets SIGTERM
    and, `KILL_SECONDS` later (`CANCEL_SECONDS` when cancelled), SIGKILL. Raises `ToolError` when it
    cannot be started.
    """
    output = _Kept(progress)
    status, late = await follow(command, output)
    stopped = "output" if output.full else "time" if late else ""
    return Finished(output.text(), status, stopped)


async def follow(
    command: Command, output: Output, started: Callable[[], None] | None = None
) -> tuple[int, bool]:
    """Run a command to its end as `run` does, its output going to `output`; its exit status, and
    whether it took too long. `started` is told once it runs."""
    ours, theirs = os.pipe()
    family = Family()
    try:
        try:
            process = await _start(command, theirs, family)
        finally:
            os.close(theirs)
        patience = CANCEL_SECONDS
        try:
            if started is not None:
                started()
            with anyio.move_on_after(command.seconds) as limit:
                await _watch(process, ours, output)
            patience = KILL_SECONDS
        finally:
            await end_family(process, family, patience)
        if limit.cancelled_caught or output.full:
            with anyio.move_on_after(LINGER_SECONDS):
                await _collect(ours, output, late=True)
    finally:
        os.close(ours)
        family.close()
    status = -signal.SIGKILL if process.returncode is None else process.returncode
    return status, limit.cancelled_caught


async def _start(command: Command, output: int, family: Family) -> Process:
    if not await anyio.Path(command.directory).is_dir():
        raise ToolError(f"the working directory {command.directory} does not exist")
    process: Process | None = None
    with anyio.CancelScope(shield=True):
        try:
            process = await anyio.open_process(
                (*(_TETHERED if command.tethered else CAPPED), *command.argv),
                stdin=family.tied() if command.tethered else DEVNULL,
                stdout=output,
                stderr=STDOUT,
                cwd=command.directory,
                env={**command.environ, MARK: family.token},
                start_new_session=True,
                pass_fds=(family.pipe,),
            )
        except OSError as exc:
            raise ToolError(f"the command could not be started: {exc.strerror}") from exc
        except ValueError as exc:
            raise ToolError(f"the command holds what no process can be given: {exc}") from exc
    assert process is not None
    family.begin(process.pid)
    return process


class _Kept:
    """What came out of a command so far, at most `MAX_OUTPUT` bytes."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bytes = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.full = False

    async def take(self, chunk: bytes, *, late: bool = False) -> None:
        room = MAX_OUTPUT - len(self._bytes)
        self.full = len(chunk) > room
        self._bytes += chunk[:room]
        text = self._decoder.decode(chunk[:room])
        if text and not late:
            await self._progress(text)

    def text(self) -> str:
        """All of it as text."""
        return output_text(self._bytes)


def output_text(output: bytes | bytearray) -> str:
    """Output as text; what is no UTF-8, and NUL, becomes U+FFFD."""
    return output.decode("utf-8", "replace").replace("\0", "\ufffd")


async def _collect(pipe: int, output: Output, *, late: bool = False) -> None:
    """Read until nobody can write any more, or it is too much."""
    while not output.full:
        await anyio.wait_readable(pipe)
        chunk = os.read(pipe, _READ_BYTES)
        if not chunk:
            return
        await output.take(chunk, late=late)


async def _watch(process: Process, pipe: int, output: Output) -> None:
    """Until the command ends, and a little longer for output that others hold open."""
    async with anyio.create_task_group() as group:

        async def collect() -> None:
            await _collect(pipe, output)
            if output.full:
                group.cancel_scope.cancel()

        group.start_soon(collect)
        await process.wait()
        group.cancel_scope.deadline = anyio.current_time() + LINGER_SECONDS
