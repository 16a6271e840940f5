"""The script toolset: commands an agent file names, as tools whose arguments are environment
variables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from os.path import expanduser
from pathlib import Path

import msgspec

from docker_agent.config.convert import together
from docker_agent.config.expand import Lookup, expand_literal, expand_shell
from docker_agent.config.toolset import ScriptTool
from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status
from docker_agent.tools.processes import Command, find_shell, run
from docker_agent.tools.script_options import ScriptOptions, argument_schemas, script_problems
from docker_agent.tools.web_arguments import tidied

SCRIPT_SECONDS = 120.0
"""How long one script may take (runtime.md §9.3)."""

MAX_NAME = 64
"""Characters of a tool's name that providers accept."""


class Prepared(msgspec.Struct, frozen=True):
    """One tool, ready to run: `env` is its own, expanded."""

    spec: ToolSpec
    cmd: str
    arguments: Mapping[str, Mapping[str, JSON]]
    required: frozenset[str]
    env: Mapping[str, str]
    directory: Path


class Script:
    """One tool for each entry, by name. `environ` is what all of them get.

    Raises `ConfigError` with file and line for entries that cannot work.
    """

    scope: Scope = "team"
    name = "script"

    def __init__(
        self,
        options: ScriptOptions,
        working_dir: Path,
        environ: Mapping[str, str],
        env: Lookup,
        seconds: float = SCRIPT_SECONDS,
    ) -> None:
        self._environ = environ
        self._seconds = seconds
        self._shell = find_shell(environ)
        self._prepared: dict[str, Prepared] = {}
        problems: list[ConfigError] = []
        for declared, tool in sorted(options.shell.items()):
            name = re.sub(r"[^A-Za-z0-9_-]", "_", declared)[:MAX_NAME]
            wrong = [*script_problems(tool, [*environ])]
            if not name or name in self._prepared:
                wrong.append(tool.error(f"{declared!r} cannot be the name of another tool"))
            problems += wrong
            if not wrong:
                self._prepared[name] = _prepared(name, tool, working_dir, env)
        if problems:
            raise together(problems)
        self._tools = ToolList([each.spec for each in self._prepared.values()])

    @property
    def status(self) -> Status:
        return READY

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        tool = self._prepared[name]
        environ = {key: each for key, each in self._environ.items() if key not in tool.arguments}
        environ.update(tool.env)
        environ.update(_values(tool, _as_read(tool.spec.parameters, arguments)))
        seconds = max(0.0, min(self._seconds, context.remaining()))
        command = Command((self._shell, "-c", tool.cmd), tool.directory, environ, seconds)
        finished = await run(command, context.progress)
        output = finished.output.rstrip()
        if not finished.failed:
            return ToolResult(output)
        problem = finished.problem
        if finished.stopped == "time":
            problem = f"it was stopped after {round(seconds, 1):g}s"
        return ToolResult(
            f"Error executing command '{tool.cmd}': {problem}\nOutput: {output}", is_error=True
        )


def _prepared(name: str, tool: ScriptTool, working_dir: Path, env: Lookup) -> Prepared:
    arguments = argument_schemas(tool)
    required = tool.required or ()
    schema = {"type": "object", "properties": arguments, "required": [*dict.fromkeys(required)]}
    spec = ToolSpec(
        name,
        tool.description or f"Execute shell command: {tool.cmd}",
        schema,
        open_world=True,
        category="script",
        takes_description=True,
        keeps_time=True,
        tidy=partial(_as_read, schema),
    )
    directory = expanduser(expand_shell(tool.working_dir, env, "empty"))  # noqa: PTH111 - no home
    own = {key: expand_literal(value, env) for key, value in tool.env.items()}
    return Prepared(
        spec, tool.cmd, arguments, frozenset(required), own, working_dir / (directory or ".")
    )


def _as_read(schema: Mapping[str, JSON], arguments: Mapping[str, JSON]) -> dict[str, JSON]:
    """The arguments with a model's slips repaired; null is absent."""
    return tidied(schema, {key: each for key, each in arguments.items() if each is not None})


def _values(tool: Prepared, arguments: Mapping[str, JSON]) -> dict[str, str]:
    """The declared arguments as texts. Raises `ToolError` that shows the argument's line of the
    schema."""
    found: dict[str, str] = {}
    for name, schema in tool.arguments.items():
        value = arguments.get(name)
        if value is None:
            if name in tool.required:
                raise _wrong(tool, name, "is missing")
            continue
        fits = _FITS.get(str(schema["type"]))
        if fits is not None and not fits(value):
            raise _wrong(tool, name, f"is of another type ({value!r})")
        if "enum" in schema and value not in schema["enum"]:
            raise _wrong(tool, name, f"is none of the values there are ({value!r})")
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if "\0" in text:
            raise ToolError(f"argument `{name}` holds a NUL character, which cannot be passed on")
        found[name] = text
    return found


def _wrong(tool: Prepared, name: str, problem: str) -> ToolError:
    need = "required" if name in tool.required else "optional"
    line = json.dumps(tool.arguments[name], ensure_ascii=False)
    return ToolError(f'argument `{name}` {problem}; expected ({need}): "{name}": {line}')


_WHOLE = re.compile(r"\s*[-+]?[0-9]+\s*")
_NUMBER = re.compile(r"\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\s*")


def _is_whole(value: JSON) -> bool:
    match value:
        case bool():
            return False
        case str():
            return _WHOLE.fullmatch(value) is not None
        case float():
            return value.is_integer()
        case _:
            return isinstance(value, int)


def _is_number(value: JSON) -> bool:
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


_FITS: Mapping[str, Callable[[JSON], bool]] = {
    "integer": _is_whole,
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool) or value in ("true", "false"),
}
