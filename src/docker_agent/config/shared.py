"""Shared definitions of a file merged into the agents that use them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from docker_agent.config.agent_file import Agent, AgentFile, Command
from docker_agent.config.convert import did_you_mean
from docker_agent.config.skill_rules import read_skills
from docker_agent.config.skills import Skills
from docker_agent.config.toolset import Toolset
from docker_agent.config.tree import NOWHERE, Raw, Scalar, Table
from docker_agent.errors import ConfigError

_DOCKER = "docker:"
_INHERITED_BY_MCP = (
    *("ref", "command", "remote", "args", "version", "config"),
    *("allow_private_ips", "working_dir", "env"),
)
_SHARED_BY_MCP = ("name", "instruction", "tools", "defer")


def merge_toolsets(agent: Agent, file: AgentFile) -> Agent:
    """Its own toolsets, then those of `use_toolsets`, all `mcps` and `rag` references filled in.

    Raises `ConfigError` for a name that is not defined. Source: agent-file.md §2.1, steps 4 to 6.
    """
    for name, at in listed(agent, "use_toolsets", agent.use_toolsets):
        if name not in file.toolsets:
            raise missing(agent, at, "toolset", name, file.toolsets)
    toolsets = (*agent.toolsets, *(file.toolsets[name] for name in agent.use_toolsets))
    return msgspec.structs.replace(
        agent, toolsets=tuple(filled_in(agent, toolset, file) for toolset in toolsets)
    )


def merge_commands(agent: Agent, file: AgentFile) -> Agent:
    """Its own commands, then those of the groups it uses; the first of a name wins."""
    merged = read_commands(agent.commands)
    for name, at in listed(agent, "use_commands", agent.use_commands):
        if name not in file.commands:
            raise missing(agent, at, "command group", name, file.commands)
        merged = {**read_commands(file.commands[name]), **merged}
    return msgspec.structs.replace(agent, merged_commands=merged)


def merge_skills(agent: Agent, file: AgentFile, groups: Mapping[str, Skills]) -> Agent:
    """Its own skills and those of the groups it uses; of inline skills its own win."""
    merged = read_skills(agent.skills)
    for name, at in listed(agent, "use_skills", agent.use_skills):
        if name not in groups:
            raise missing(agent, at, "skill group", name, groups)
        merged = merged.joined(groups[name])
    for skill in merged.inline:
        for name, at in listed(skill, "toolsets", skill.toolsets):
            if name not in file.toolsets:
                raise missing(agent, at, "toolset", name, file.toolsets)
    return msgspec.structs.replace(agent, merged_skills=merged)


def read_commands(raw: Raw | None) -> dict[str, Command]:
    """Commands from a mapping or a list of mappings; anything else holds none.

    Raises `ConfigError` for a value that is neither a text nor a mapping with something in it.
    Source: agent-file.md §2.6.
    """
    if raw is None:
        return {}
    holders = [raw, *raw.elements()]
    return {
        name: _command(name, value)
        for holder in holders
        for name, value in holder.items()
        if not value.is_null
    }


def listed(
    placed: Agent | msgspec.Struct, key: str, names: tuple[str, ...]
) -> Iterator[tuple[str, Raw]]:
    """The names under `key` with the place of each."""
    source = getattr(placed, "source", NOWHERE)
    value = source.get(key)
    return zip(names, value.elements() if value is not None else (), strict=True)


def missing(
    agent: Agent, at: Raw, what: str, name: str, known: Mapping[str, object]
) -> ConfigError:
    """`agent 'root' references non-existent toolset 'shel'; did you mean 'shell'?`"""
    return at.error(
        f"agent {agent.name!r} references non-existent {what} {name!r}{did_you_mean(name, known)}"
    )


def filled_in(agent: Agent, toolset: Toolset, file: AgentFile) -> Toolset:
    """The toolset with what its `ref` names in the place of the `ref`. Raises `ConfigError`."""
    ref = toolset.options.get("ref")
    if toolset.type == "python" or ref is None or not isinstance(ref.node, Scalar):
        return toolset
    name = ref.node.text
    if toolset.type == "rag":
        if name not in file.rag:
            raise missing(agent, ref, "rag source", name, file.rag)
        return _with_rag(toolset, name, file)
    if name.startswith(_DOCKER):
        return toolset
    if name not in file.mcps:
        raise missing(agent, ref, "MCP server", name, file.mcps)
    return _with_mcp(toolset, file.mcps[name])


def _with_mcp(toolset: Toolset, definition: Toolset) -> Toolset:
    options = toolset.options.without("ref")
    inherited = definition.options.only(_INHERITED_BY_MCP)
    env, inherited_env = options.get("env"), inherited.get("env")
    options = options.with_defaults(inherited)
    if env is not None and inherited_env is not None:
        options = options.with_value("env", env.with_defaults(inherited_env).node)
    return msgspec.structs.replace(toolset, options=options, **_gaps(toolset, definition))


def _with_rag(toolset: Toolset, name: str, file: AgentFile) -> Toolset:
    definition = file.rag[name]
    gaps = _gaps(toolset, definition)
    gaps["name"] = toolset.name or definition.name or name
    options = toolset.options
    if options.get("rag_config") is None:
        options = options.with_value("rag_config", definition.source.node)
    return msgspec.structs.replace(toolset, options=options, **gaps)


def _gaps(toolset: Toolset, definition: msgspec.Struct) -> dict[str, object]:
    return {
        key: getattr(definition, key) for key in _SHARED_BY_MCP if toolset.source.get(key) is None
    }


def _command(name: str, value: Raw) -> Command:
    if isinstance(value.node, Scalar):
        return Command(instruction=value.node.text)
    if not isinstance(value.node, Table):
        raise value.error(f"command {name!r} is {value.kind}; a text or a mapping is expected")
    texts = {
        key: found.node.text
        for key in ("instruction", "description", "agent", "url")
        if (found := value.get(key)) is not None and isinstance(found.node, Scalar)
    }
    if not any(texts.values()):
        raise value.error(
            f"command {name!r} is empty; it needs an instruction, description, agent or url"
        )
    if set(texts) == {"description"}:
        texts["instruction"] = texts["description"]
    return Command(**texts)
