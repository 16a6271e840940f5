"""Commands that run after a file was written, for a limited time; they leave nothing behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from docker_agent.errors import ConfigError, ToolError
from docker_agent.tools.filesystem.options import PostEdit
from docker_agent.tools.processes import Command, run

COMMAND_SECONDS = 30.0
"""How long one command may take."""

MAX_OUTPUT = 16 * 1024
"""Characters of a failed command's output that the model sees."""


class PostEdits:
    """The commands of one agent file entry. Raises `ConfigError` for a blank pattern or command."""

    def __init__(
        self,
        commands: Sequence[PostEdit],
        working_dir: Path,
        environ: Mapping[str, str],
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
        argv, environ = ("/bin/sh", "-c", cmd), {**self._environ, "file": file}
        try:
            ended = await run(Command(argv, self._working_dir, environ, self._seconds), _unheard)
        except ToolError as exc:
            return str(exc)
        if not ended.failed:
            return None
        late = f"it was stopped after {self._seconds:g} seconds"
        problem = late if ended.stopped == "time" else ended.problem
        output = ended.output[:MAX_OUTPUT].strip()
        return f"{problem}\nOutput: {output}" if output else problem


async def _unheard(text: str) -> None:
    """Nobody watches."""
