"""What a `script` entry of an agent file may say, and what is wrong with it: pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from docker_agent.config.toolset import ScriptTool
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON
from docker_agent.tools.environment import refuse_unusable_name


class ScriptOptions(msgspec.Struct, frozen=True):
    """`shell` holds one tool for each name; `env` is for all of them."""

    shell: Mapping[str, ScriptTool] = {}
    env: Mapping[str, str] = {}


_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)|([A-Za-z_][A-Za-z0-9_]*))")
_ENV_TEMPLATE = re.compile(r"\$\{\s*env\.([A-Za-z_][A-Za-z0-9_]*)")
_SET_BY_ITSELF = re.compile(
    r"(?:^|[\s;&|(])([A-Za-z_][A-Za-z0-9_]*)\+?=|\bfor\s+([A-Za-z_][A-Za-z0-9_]*)|\bread\s+([^;&|\n]*)"
)
_SET_BY_SHELLS = frozenset(
    (
        *("HOME", "PATH", "PWD", "OLDPWD", "IFS", "PPID", "SHELL", "USER", "UID", "EUID"),
        *("HOSTNAME", "RANDOM", "SECONDS", "LINENO", "OPTARG", "OPTIND", "BASH_VERSION"),
    )
)


def argument_schemas(tool: ScriptTool) -> dict[str, dict[str, JSON]]:
    """The JSON Schema of each argument; a `type` that is not given is `string`.

    Raises `ConfigError` for what is no mapping.
    """
    found: dict[str, dict[str, JSON]] = {}
    for name, raw in tool.args.items() if tool.args is not None else ():
        if not raw.is_null and raw.kind != "a mapping":
            raise raw.error(f"is {raw.kind}; a mapping such as {{type: string}} is expected")
        declared: dict[str, JSON] = {} if raw.is_null else raw.plain()
        found[name] = {"type": "string", **declared}
    return found


def script_problems(tool: ScriptTool, known: Sequence[str]) -> Iterator[ConfigError]:
    """Everything wrong with one tool; `known` are variables that its process has anyway."""
    if not tool.cmd.strip():
        yield tool.error("must not be blank", "cmd")
    if tool.args is not None and tool.args.kind != "a mapping":
        yield tool.error(f"is {tool.args.kind}; a mapping is expected", "args")
        return
    arguments = dict(tool.args.items()) if tool.args is not None else {}
    for name, raw in (*arguments.items(), *_env(tool)):
        try:
            refuse_unusable_name(name, raw)
        except ConfigError as exc:
            yield exc
    for name in tool.env.keys() & arguments.keys():
        yield tool.error(f"{name!r} is in 'args' too; it can only come from one of them", "env")
    for name in tool.required or ():
        if name not in arguments:
            yield tool.error(f"{name!r} is none of 'args'", "required")
    yield from _reference_problems(tool, {*arguments, *tool.env, *known})


def _env(tool: ScriptTool) -> Iterator[tuple[str, Raw]]:
    declared = tool.source.get("env")
    if declared is not None:
        yield from declared.items()


def _reference_problems(tool: ScriptTool, known: set[str]) -> Iterator[ConfigError]:
    """Variables of `cmd` that nobody sets: most likely slips of the pen."""
    for match in _ENV_TEMPLATE.finditer(tool.cmd):
        name = match[1]
        yield tool.error(
            f"${{env.{name}}} is not replaced in a command; add `env: {{{name}: "
            f'"${{env.{name}}}"}}` and write ${name}',
            "cmd",
        )
    own = {
        name
        for match in _SET_BY_ITSELF.finditer(tool.cmd)
        for name in (match[1] or match[2] or match[3] or "").split()
    }
    told: set[str] = set()
    for name in references(_ENV_TEMPLATE.sub("", tool.cmd)):
        if name not in known and name not in own and name not in _SET_BY_SHELLS | told:
            told.add(name)
            yield tool.error(
                f"${name} is none of 'args' or 'env', and the environment has no such variable "
                "for tools",
                "cmd",
            )


def references(cmd: str) -> Iterator[str]:
    """The variables a command line asks for: not those after a backslash or in single quotes."""
    at, quoted = 0, False
    while at < len(cmd):
        char = cmd[at]
        if char == "\\":
            at += 2
        elif char == "'" and not quoted:
            end = cmd.find("'", at + 1)
            at = len(cmd) if end < 0 else end + 1
        else:
            quoted ^= char == '"'
            found = _REFERENCE.match(cmd, at)
            if found is not None:
                yield found[1] or found[2]
            at = found.end() if found is not None else at + 1
