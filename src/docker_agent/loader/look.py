"""A look at an agent file without starting anything: who is in the team, what is missing, what will
be refused."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterable
from contextlib import AsyncExitStack, contextmanager

import msgspec

from docker_agent.config.agent_file import Agent
from docker_agent.config.expand import needless_template_warning
from docker_agent.config.references import AUTO
from docker_agent.config.toolset import Toolset as DeclaredToolset
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError, ToolError
from docker_agent.loader.build import FROM_ELSEWHERE
from docker_agent.loader.choose import (
    auto_model,
    first_available,
    known_providers,
    missing_variables,
)
from docker_agent.loader.clouds import lacks, refuse_wrong_place
from docker_agent.loader.externals import Part, gather
from docker_agent.loader.hooks import builtin_problems
from docker_agent.loader.models import in_use
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.pieces import team_rules, tools_opening
from docker_agent.loader.rag import embedding_references
from docker_agent.loader.reading import Seen, read_source
from docker_agent.loader.rehearsal import refused_at_start
from docker_agent.loader.source import Source
from docker_agent.loader.unbuilt import refuse_unbuilt
from docker_agent.log import LOGGER_NAME
from docker_agent.models.resolve import resolve, unknown_provider
from docker_agent.models.weights import KNOWN, locate
from docker_agent.permissions import Rules, SafetyMode, refusal, strictest
from docker_agent.registry.elsewhere import open_elsewhere
from docker_agent.tools import table as tools
from docker_agent.tools.background import Still
from docker_agent.tools.port import Around, Draft
from docker_agent.tools.select import select

log = logging.getLogger(__name__)

QUIET = frozenset(
    ("api", "fetch", "filesystem", "rag", "script", "session_context", "shell", "think", "todo")
) | {
    *("background_agents", "background_jobs", "mcp_catalog", "model_picker", "open_url", "plan"),
    *("session_plan", "tasks", "user_prompt"),
}
"""Toolsets whose opening starts, reaches and writes nothing: their tools are known here."""


class ModelLook(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model of an agent: the name its file gives it, what that comes to, the variables that
    are not set, why this machine has none for a choice among several, and why no machine has."""

    name: str
    provider: str = ""
    model: str = ""
    missing: tuple[str, ...] = ()
    unavailable: str = ""
    problem: str = ""


class ToolsetLook(msgspec.Struct, frozen=True):
    """One toolset: its tools, None when they are known only while it runs, and those of them that
    the safety mode or a rule will refuse whatever their arguments, or for some of them."""

    type: str
    name: str
    tools: tuple[str, ...] | None
    refused: tuple[str, ...] = ()
    refused_in_part: tuple[str, ...] = ()


class AgentLook(msgspec.Struct, frozen=True):
    """One agent, and the safety mode it runs in."""

    name: str
    description: str
    safety: SafetyMode
    models: tuple[ModelLook, ...] = ()
    fallbacks: tuple[ModelLook, ...] = ()
    toolsets: tuple[ToolsetLook, ...] = ()
    sub_agents: tuple[str, ...] = ()
    handoffs: tuple[str, ...] = ()
    force_handoff: str = ""


class Look(msgspec.Struct, frozen=True):
    """What a file says, and what is wrong with it: `problems` stop any server, `missing` variables
    and `unavailable` choices one on this machine, `warnings` none. `models_beside` are what rules,
    summaries, toolsets, hooks and skills ask beside the agents' own models."""

    file: str
    version: str = ""
    default: str = ""
    agents: tuple[AgentLook, ...] = ()
    models_beside: tuple[ModelLook, ...] = ()
    missing: tuple[str, ...] = ()
    unavailable: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether a server would start on a machine that has all variables."""
        return not self.problems

    @property
    def starts_here(self) -> bool:
        """Whether a server would start on this machine, as it is now."""
        return self.ok and not (self.missing or self.unavailable)


async def look(source: Source, overrides: Overrides, secrets: Secrets) -> Look:
    """Look at the file behind `source`, and at those that it names; whatever is wrong with them is
    in the answer."""
    problems: list[str] = []
    agents: list[AgentLook] = []
    beside: list[ModelLook] = []
    with _heard_warnings() as warnings:
        try:
            parts, listed = await _read(source, overrides, secrets)
        except ConfigError as exc:
            return Look(source.name, problems=exc.problems, warnings=tuple(warnings))
        if overrides.agent is not None and overrides.agent not in listed:
            problems.append(f"agent '{overrides.agent}' not found; there are: {', '.join(listed)}")
        for part in parts:
            looking = _Looking(part, overrides, secrets)
            agents += [await looking.agent(agent) for agent in part.file.agents]
            beside += looking.models_beside()
            problems += looking.problems
    every = [model for agent in agents for model in (*agent.models, *agent.fallbacks)] + beside
    return Look(
        file=source.name,
        version=parts[0].file.version,
        default=parts[0].name,
        agents=tuple(agents),
        models_beside=tuple(beside),
        missing=tuple(sorted({name for model in every for name in model.missing})),
        unavailable=_once(model.unavailable for model in every),
        warnings=_once(warnings),
        problems=_once((*(model.problem for model in every), *problems)),
    )


async def _read(
    source: Source, overrides: Overrides, secrets: Secrets
) -> tuple[list[Part], tuple[str, ...]]:
    seen = Seen()
    async with open_elsewhere(overrides.data_dir, os.environ, secrets.get) as elsewhere:
        file = await read_source(source, elsewhere, seen)
        return await gather(file, source, lambda inner: read_source(inner, elsewhere, seen))


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


class _Warnings(logging.Handler):
    """Keeps what the log would say."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


@contextmanager
def _heard_warnings() -> Generator[list[str]]:
    """Warnings of our log, while the block runs."""
    handler, logger = _Warnings(), logging.getLogger(LOGGER_NAME)
    logger.addHandler(handler)
    try:
        yield handler.heard
    finally:
        logger.removeHandler(handler)


class _Looking:
    """One look at one file; `problems` grow on the way."""

    def __init__(self, part: Part, overrides: Overrides, secrets: Secrets) -> None:
        providers = {**overrides.providers, **part.file.providers}
        self._file = msgspec.structs.replace(part.file, providers=providers)
        self._overrides = overrides
        self._secrets = secrets
        self._opening = msgspec.structs.replace(
            tools_opening(part.file, part.source, overrides, secrets), background=Still()
        )
        self._known = known_providers(self._file)
        self.problems: list[str] = []
        self._rules = self._read_rules()
        self._check_unbuilt()
        self.problems += refused_at_start(self._file, self._opening, overrides, secrets)

    async def agent(self, agent: Agent) -> AgentLook:
        """One agent."""
        elsewhere = None if self._opening.trusted else FROM_ELSEWHERE
        asked = (self._overrides.safety, agent.safety, self._file.runtime.safety)
        mode = strictest(*asked, elsewhere)
        for field in ("description", "instruction"):
            if warning := needless_template_warning(str(getattr(agent, field))):
                log.warning("agents.%s.%s: %s", agent.name, field, warning)
        self.problems += [str(problem) for problem in builtin_problems(agent)]
        return AgentLook(
            name=agent.name,
            description=agent.description,
            safety=mode,
            models=tuple(self._model(name) for name in agent.models),
            fallbacks=tuple(
                self._model(name) for name in (agent.fallback.models if agent.fallback else ())
            ),
            toolsets=tuple(
                [
                    await self._toolset(agent, each, mode, f"agents.{agent.name}.toolsets[{place}]")
                    for place, each in enumerate(agent.toolsets)
                ]
            ),
            sub_agents=agent.sub_agents,
            handoffs=agent.handoffs,
            force_handoff=agent.force_handoff,
        )

    def models_beside(self) -> list[ModelLook]:
        """What the file uses beside the models of its agents."""
        shown = {name for agent in self._file.agents for name in agent.models}
        shown.update(
            name for agent in self._file.agents if agent.fallback for name in agent.fallback.models
        )
        used = (*in_use(self._file), *filter(AUTO.__ne__, embedding_references(self._file)))
        return [self._model(name) for name in dict.fromkeys(used) if name not in shown]

    def _check_unbuilt(self) -> None:
        try:
            refuse_unbuilt(self._file)
        except ConfigError as exc:
            self.problems.append(str(exc))

    def _read_rules(self) -> Rules:
        try:
            return team_rules(self._file, trusted=self._opening.trusted)
        except ConfigError as exc:
            self.problems.append(str(exc))
            return Rules()

    def _model(self, name: str) -> ModelLook:
        """What a model comes to here. A selector or `auto` without any key says so as missing: it
        is the machine that lacks it, not the file."""
        try:
            declared = self._file.models.get(name)
            if declared is None and name == AUTO:
                found = auto_model(
                    self._secrets,
                    self._has_weights,
                    default=self._overrides.default_model,
                    keyless=self._overrides.keyless,
                )
                return ModelLook(name, found.provider, found.model)
            if declared is not None and declared.is_selector:
                chosen = first_available(
                    self._file, name, self._secrets, keyless=self._overrides.keyless
                )
                return msgspec.structs.replace(self._model(chosen), name=name)
        except ConfigError as exc:
            return ModelLook(name, unavailable=str(exc))
        assert declared is not None
        direct = self._overrides.gateway is None or declared.bypass_models_gateway
        missing = tuple(missing_variables(self._file, name, self._secrets)) if direct else ()
        found = ModelLook(name, declared.provider, declared.model, missing)
        try:
            resolved = resolve(declared, self._file.providers)
            if declared.provider not in self._known or resolved.protocol not in self._known:
                raise unknown_provider(declared, resolved.provider, [*self._known])
            refuse_wrong_place(resolved, direct=direct)
        except ConfigError as exc:
            return msgspec.structs.replace(found, problem=str(exc))
        if direct and not missing and (lack := lacks(resolved, self._secrets)):
            return msgspec.structs.replace(found, unavailable=lack)
        local = resolved.protocol == "local" and resolved.model in KNOWN
        if local and not self._has_weights(resolved.model):
            told = f"local/{resolved.model}: run docker-agent models pull {resolved.model}"
            return msgspec.structs.replace(found, unavailable=told)
        return found

    def _has_weights(self, name: str) -> bool:
        return locate(name, self._overrides.cache_dir) is not None

    async def _toolset(
        self, agent: Agent, entry: DeclaredToolset, mode: SafetyMode, place: str
    ) -> ToolsetLook:
        name = entry.name or entry.type
        if entry.type not in QUIET:
            return ToolsetLook(entry.type, name, None)
        around = Around(agent.name, "", None, {}, Draft())
        try:
            async with AsyncExitStack() as stack:
                named = msgspec.structs.replace(
                    self._opening, name=entry.name, sub_agents=agent.sub_agents
                )
                opening = tools.TOOLSETS[entry.type](entry.options, named)
                toolset = select(
                    await stack.enter_async_context(opening),
                    tools=entry.tools,
                    readonly=entry.readonly or agent.readonly,
                )
                specs = (await toolset.tools(around)).specs
        except (ConfigError, ToolError) as exc:
            self.problems.append(str(exc))
            return ToolsetLook(entry.type, name, None)
        much = {spec.name: refusal(self._rules, mode, spec) for spec in specs}
        whole, part = (
            tuple(each for each, found in much.items() if found == kind)
            for kind in ("whole", "part")
        )
        return ToolsetLook(entry.type, name, tuple(much), whole, part)
