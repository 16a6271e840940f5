"""Commands that run after a file was written: in their own process group, for a limited time,
without the server's secrets."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from subprocess import DEVNULL, STDOUT

import anyio
from anyio.abc import Process

from docker_agent.errors import ConfigError
from docker_agent.tools.environment import scrubbed
from docker_agent.tools.filesystem.options import PostEdit

COMMAND_SECONDS = 30.0
"""How long one command may take."""

LINGER_SECONDS = 0.5
"""How long output is awaited from processes that outlive the command."""

END_SECONDS = 3.0
"""How long a killed command is awaited."""

MAX_OUTPUT = 16 * 1024
"""Bytes of a failed command's output that the model sees."""


class PostEdits:
    """The commands of one agent file entry. Raises `ConfigError` for a blank pattern or command."""

    def __init__(
        self,
        commands: Sequence[PostEdit],
        working_dir: Path,
        environ: Mapping[str, str] | None = None,
        seconds: float = COMMAND_SECONDS,
    ) -> None:
        for number, command in enumerate(commands):
            if not command.path.strip() or not command.cmd.strip():
                raise ConfigError(f"filesystem: post_edit[{number}]: path and cmd must be given")
        self._commands = tuple(commands)
        self._working_dir = working_dir
        self._environ = environ
        self._seconds = seconds

    async def run(self, file: str) -> str | None:
        """Run what fits the file's base name, in order; None when all went well, else what the
        model should hear."""
        for command in self._commands:
            if fnmatch(Path(file).name, command.path):
                problem = await self._run_one(command.cmd, file)
                if problem is not None:
                    return f"the post_edit command '{command.cmd}' failed: {problem}"
        return None

    async def _run_one(self, cmd: str, file: str) -> str | None:
        output = bytearray()
        ours, theirs = os.pipe()
        try:
            try:
                process = await self._start(cmd, file, theirs)
            finally:
                os.close(theirs)
            try:
                with anyio.move_on_after(self._seconds) as limit:
                    await _watch(process, ours, output)
            finally:
                await _end(process)
        except OSError as exc:
            return f"it could not be started: {exc.strerror}"
        finally:
            os.close(ours)
        if limit.cancelled_caught:
            return _told(f"it was stopped after {self._seconds:g} seconds", output)
        return _told(f"exit status {process.returncode}", output) if process.returncode else None

    async def _start(self, cmd: str, file: str, output: int) -> Process:
        environ = scrubbed(os.environ if self._environ is None else self._environ)
        return await anyio.open_process(
            ["/bin/sh", "-c", cmd],
            stdin=DEVNULL,
            stdout=output,
            stderr=STDOUT,
            cwd=self._working_dir,
            env={**environ, "file": file},
            start_new_session=True,
        )


async def _watch(process: Process, pipe: int, output: bytearray) -> None:
    """Wait for the process, and a little longer for output that others hold open."""
    async with anyio.create_task_group() as group:
        group.start_soon(_collect, pipe, output)
        await process.wait()
        group.cancel_scope.deadline = anyio.current_time() + LINGER_SECONDS


async def _collect(pipe: int, output: bytearray) -> None:
    while True:
        await anyio.wait_readable(pipe)
        chunk = os.read(pipe, MAX_OUTPUT)
        if not chunk:
            return
        output += chunk[: MAX_OUTPUT - len(output)]


async def _end(process: Process) -> None:
    """Kill the group if the command is still there."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(END_SECONDS):
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _told(problem: str, output: bytearray) -> str:
    text = output.decode("utf-8", "replace").strip()
    return f"{problem}\nOutput: {text}" if text else problem
