"""Whether a file fits together: references looked up, shared definitions merged, in the order of
agent-file.md §2.1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from docker_agent.config.agent_file import Agent, AgentFile
from docker_agent.config.convert import MOST_ERRORS, together
from docker_agent.config.model import Model
from docker_agent.config.rag_rules import chat_models, embedding_models, sources_of
from docker_agent.config.references import AUTO, Models, check_agents
from docker_agent.config.rules import file_problems
from docker_agent.config.shared import (
    merge_commands,
    merge_skills,
    merge_toolsets,
    read_commands,
)
from docker_agent.config.skill_rules import read_skills
from docker_agent.config.toolset import Toolset
from docker_agent.config.tree import Placed, Raw


def check(file: AgentFile) -> AgentFile:
    """The file with its shared definitions merged in and its model references resolved.

    Raises `ConfigError`: all that is wrong with single things, or the first reference that leads
    nowhere.
    """
    file = _with_defaults(file)
    problems = list(islice(file_problems(file), MOST_ERRORS))
    if problems:
        raise together(problems)
    models = Models(file.models)
    agents = [_with_models(agent, models) for agent in file.agents]
    for name, model in file.models.items():
        if model.is_alloy:
            models.pool(name, model.source, f"model {name!r}")
        _register_model_references(name, model, models)
    agents = [merge_toolsets(agent, file) for agent in agents]
    for group in file.commands.values():
        read_commands(group)
    agents = [merge_commands(agent, file) for agent in agents]
    groups = {name: read_skills(raw) for name, raw in file.skills.items()}
    agents = [merge_skills(agent, file, groups) for agent in agents]
    for agent in agents:
        _register_agent_references(agent, models)
    _register_rag_references(file, agents, models)
    check_agents(tuple(agents))
    return msgspec.structs.replace(file, agents=tuple(agents), models=models.found)


def _with_defaults(file: AgentFile) -> AgentFile:
    models = {
        name: msgspec.structs.replace(model, parallel_tool_calls=True)
        if model.parallel_tool_calls is None
        else model
        for name, model in file.models.items()
    }
    mcps = {
        name: msgspec.structs.replace(toolset, type="mcp") if not toolset.type else toolset
        for name, toolset in file.mcps.items()
    }
    version = file.version or AgentFile().version
    return msgspec.structs.replace(file, models=models, mcps=mcps, version=version)


def _with_models(agent: Agent, models: Models) -> Agent:
    if agent.harness is not None:
        return agent
    owner = f"agent {agent.name!r}"
    at = agent.source.get("model")
    pool = models.pool(agent.model, at, owner) if at is not None else ()
    if not pool:
        raise agent.error("is missing or empty; every agent needs a model", "model")
    return msgspec.structs.replace(agent, models=pool)


def _register_model_references(name: str, model: Model, models: Models) -> None:
    owner = f"model {name!r}"
    for index, rule in enumerate(model.routing):
        _register(rule, "model", models, f"routing rule {index} of {owner}")
        target = models.found[rule.model]
        if target.routing:
            raise rule.error(f"{rule.model!r} is a router too; a rule names a model", "model")
    for key in ("title_model", "compaction_model"):
        _register(model, key, models, owner)
    for candidate in _elements(model, "first_available"):
        reference = _text(candidate)
        models.one(reference, candidate, owner)
        _check_candidate(models.found[reference], candidate, models)


def _check_candidate(found: Model, at: Raw, models: Models) -> None:
    if found.is_selector:
        raise at.error("a candidate must not be a selector itself")
    for rule in found.routing:
        target = models.found.get(rule.model)
        if target is not None and (target.is_selector or target.routing):
            raise at.error(f"a candidate must not route to {rule.model!r}, which selects or routes")


def _register_agent_references(agent: Agent, models: Models) -> None:
    owner = f"agent {agent.name!r}"
    if agent.fallback is not None:
        for reference in _elements(agent.fallback, "models"):
            models.one(_text(reference), reference, owner)
    for toolset in agent.toolsets:
        _register_toolset_references(toolset, models, owner)
    for hook in agent.hooks.every() if agent.hooks is not None else ():
        if hook.type == "model":
            _register(hook, "model", models, owner)
    for skill in agent.merged_skills.inline:
        if skill.context == "fork":
            _register(skill, "model", models, f"skill {skill.name!r}")


def _register_toolset_references(toolset: Toolset, models: Models, owner: str) -> None:
    _register(toolset, "model", models, owner)
    picked = toolset.options.get("models")
    for reference in picked.elements() if picked is not None else ():
        models.one(_text(reference), reference, owner)


def _register_rag_references(file: AgentFile, agents: Sequence[Agent], models: Models) -> None:
    named = [(f"rag source {name!r}", source) for name, source in file.rag.items()]
    toolsets = [toolset for agent in agents for toolset in agent.toolsets]
    inline = sources_of((*toolsets, *file.toolsets.values()))
    for owner, source in (*named, *(("rag_config", source) for source in inline)):
        for found in (*embedding_models(source), *chat_models(source)):
            if _text(found) != AUTO:
                models.one(_text(found), found, owner)


def _register(placed: Placed, key: str, models: Models, owner: str) -> None:
    at = placed.source.get(key)
    if at is not None and _text(at):
        models.one(_text(at), at, owner)


def _elements(placed: Placed, key: str) -> Iterator[Raw]:
    found = placed.source.get(key)
    return found.elements() if found is not None else iter(())


def _text(raw: Raw) -> str:
    return getattr(raw.node, "text", "")
