"""The shell toolset: one command at a time, each in a shell of its own that leaves nothing
behind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, Meaning, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status
from docker_agent.tools.processes import Command, Finished, find_shell, run
from docker_agent.tools.shell_classes import find
from docker_agent.tools.shell_line import Line, Where, meaning_of, placed, tidy_line

DEFAULT_SECONDS = 30
"""How long a command may take when the model does not say (runtime.md §9.2)."""

NO_OUTPUT = "<no output>"

_INSTRUCTIONS = """\
## Shell Tool

`shell` runs a command with {shell}.
- Every call has a fresh shell: variables and `cd` do not last. Use `cwd` to work elsewhere.
- A command is stopped after {seconds} seconds; give a larger `timeout` for slow work.
- There is no terminal and no input: use options that answer questions (`--yes`).
- What a command leaves running in the background is ended with it.
- The answer is output and errors together; a command that failed is told with its exit status."""


class ShellOptions(msgspec.Struct, frozen=True):
    """What a `shell` entry may say. `sudo_askpass` is for people at a terminal and has no effect;
    `safer` refuses destructive commands in every mode."""

    env: Mapping[str, str] = {}
    sudo_askpass: bool = False
    safer: bool = False


class ShellCall(msgspec.Struct, frozen=True):
    """What `shell` takes."""

    cmd: Line
    cwd: Where = "."
    timeout: Annotated[
        int, msgspec.Meta(description="Seconds after which the command is stopped.")
    ] = DEFAULT_SECONDS


class Shell:
    """One tool, `shell`. `environ` is the whole environment of its commands."""

    scope: Scope = "team"
    name = "shell"

    def __init__(
        self, working_dir: Path, environ: Mapping[str, str], *, safer: bool = False
    ) -> None:
        self._working_dir = working_dir
        self._environ = environ
        self._safer = safer
        self._shell = find_shell(environ)
        self._parameters = Parameters(ShellCall)
        spec = ToolSpec(
            "shell",
            "Run a command line in a shell and answer with what it wrote, output and errors in "
            "order.",
            self._parameters.schema,
            title="Shell",
            category="shell",
            open_world=True,
            takes_description=True,
            meaning=self.meaning,
            keeps_time=True,
            tidy=lambda arguments: self._parameters.tidy(tidy_line(arguments)),
        )
        told = _INSTRUCTIONS.format(shell=self._shell, seconds=DEFAULT_SECONDS)
        self._tools = ToolList([spec], instructions=told)

    @property
    def status(self) -> Status:
        return READY

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """Its one tool, for those who judge a command."""
        return self._tools.specs

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    def meaning(self, arguments: Mapping[str, JSON]) -> Meaning:
        """What a call would do, by its command's text (runtime.md §6.5)."""
        try:
            call = self._read(arguments)
        except ToolError:
            return Meaning("unknown")
        return meaning_of(arguments, call.cmd, placed(self._working_dir, call.cwd))

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        call = self._read(arguments)
        if self._safer and (refusal := _refusal(call.cmd)):
            return ToolResult(refusal, is_error=True)
        wanted = call.timeout if call.timeout > 0 else DEFAULT_SECONDS
        seconds = max(0.0, min(wanted, context.remaining()))
        directory = placed(self._working_dir, call.cwd)
        command = Command((self._shell, "-c", call.cmd), directory, self._environ, seconds)
        finished = await run(command, context.progress)
        return ToolResult(_told(finished, seconds), is_error=finished.failed)

    def _read(self, arguments: Mapping[str, JSON]) -> ShellCall:
        arguments = tidy_line(arguments)
        if not str(arguments.get("cmd") or "").strip():
            raise ToolError(
                'argument `cmd` is missing; expected JSON: {"cmd": "ls -la", "cwd": ".", '
                f'"timeout": {DEFAULT_SECONDS}}}'
            )
        return self._parameters.read(arguments)


def _refusal(command: str) -> str:
    found = find(command)
    if found.label != "destructive":
        return ""
    return (
        f"Tool 'shell' was denied: the command looks destructive ({found.shape}; severity "
        f"{found.severity}) and this agent's shell runs with `safer`. "
        "Do not try again; say what you could not do."
    )


def _told(finished: Finished, seconds: float) -> str:
    output = finished.output.rstrip()
    if finished.stopped == "time":
        return f"Command timed out after {round(seconds, 1):g}s\nOutput: {output}"
    if finished.failed:
        return f"Error executing command: {finished.problem}\nOutput: {output}"
    return output if output.strip() else NO_OUTPUT
