"""Run one command to its end: nothing of what it started outlives the call."""

from __future__ import annotations

import codecs
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from typing import Literal

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

_SIGNALS = {known.value: known.name for known in signal.Signals}

CAPPED = (
    "/bin/sh",
    "-c",
    "{ ulimit -c 0; ulimit -f 8388608; ulimit -u 8192 || ulimit -p 8192; "
    'echo 500 > /proc/self/oom_score_adj; } 2>/dev/null; exec "$@"',
    "sh",
)
"""What a command starts behind: no core files, files of 4 GiB, 8,192 processes of its user; and
when memory runs out, the system ends it before us."""

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"})


class Command(msgspec.Struct, frozen=True):
    """What to start: `argv`, where, with which whole environment, for how many `seconds`."""

    argv: tuple[str, ...]
    directory: Path
    environ: Mapping[str, str]
    seconds: float


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
            return f"signal: {_SIGNALS.get(-self.status, -self.status)}"
        return f"exit status {self.status}"


def find_shell(environ: Mapping[str, str]) -> str:
    """The operator's own `$SHELL` when it speaks the usual language, else `/bin/sh`."""
    shell = Path(environ.get("SHELL", ""))
    usable = shell.is_absolute() and shell.name in _SHELLS and os.access(shell, os.X_OK)
    return str(shell) if usable else "/bin/sh"


async def run(command: Command, progress: Progress) -> Finished:
    """Run a command without input; `progress` is given its output piece by piece.

    When it ends, takes too long, writes too much or is cancelled, whatever it started gets SIGTERM
    and, `KILL_SECONDS` later (`CANCEL_SECONDS` when cancelled), SIGKILL. Raises `ToolError` when it
    cannot be started.
    """
    ours, theirs = os.pipe()
    output = _Output(ours, progress)
    family = Family()
    try:
        try:
            process = await _start(command, theirs, family)
        finally:
            os.close(theirs)
        patience = CANCEL_SECONDS
        try:
            with anyio.move_on_after(command.seconds) as limit:
                await _watch(process, output)
            patience = KILL_SECONDS
        finally:
            await end_family(process, family, patience)
        if limit.cancelled_caught or output.full:
            with anyio.move_on_after(LINGER_SECONDS):
                await output.collect(quietly=True)
    finally:
        os.close(ours)
        family.close()
    stopped = "output" if output.full else "time" if limit.cancelled_caught else ""
    status = -signal.SIGKILL if process.returncode is None else process.returncode
    return Finished(output.text(), status, stopped)


async def _start(command: Command, output: int, family: Family) -> Process:
    if not await anyio.Path(command.directory).is_dir():
        raise ToolError(f"the working directory {command.directory} does not exist")
    process: Process | None = None
    with anyio.CancelScope(shield=True):
        try:
            process = await anyio.open_process(
                (*CAPPED, *command.argv),
                stdin=DEVNULL,
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


class _Output:
    """What came out of a pipe so far, at most `MAX_OUTPUT` bytes."""

    def __init__(self, pipe: int, progress: Progress) -> None:
        self._pipe = pipe
        self._progress = progress
        self._bytes = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.full = False

    async def collect(self, *, quietly: bool = False) -> None:
        """Read until nobody can write any more, or it is too much."""
        while not self.full:
            await anyio.wait_readable(self._pipe)
            chunk = os.read(self._pipe, _READ_BYTES)
            if not chunk:
                return
            room = MAX_OUTPUT - len(self._bytes)
            self.full = len(chunk) > room
            self._bytes += chunk[:room]
            text = self._decoder.decode(chunk[:room])
            if text and not quietly:
                await self._progress(text)

    def text(self) -> str:
        """All of it as text; what is no UTF-8, and NUL, becomes U+FFFD."""
        return self._bytes.decode("utf-8", "replace").replace("\0", "\ufffd")


async def _watch(process: Process, output: _Output) -> None:
    """Until the command ends, and a little longer for output that others hold open."""
    async with anyio.create_task_group() as group:

        async def collect() -> None:
            await output.collect()
            if output.full:
                group.cancel_scope.cancel()

        group.start_soon(collect)
        await process.wait()
        group.cancel_scope.deadline = anyio.current_time() + LINGER_SECONDS
