"""From a parsed agent file to a live team: every part opened once, introduced to each other
here."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

import msgspec

from docker_agent.config import agent_file as declared
from docker_agent.config.agent_file import AgentFile
from docker_agent.config.expand import expand_template, needless_template_warning
from docker_agent.config.model import Model as DeclaredModel
from docker_agent.config.parse import inline_instruction_files, parse
from docker_agent.config.references import expand
from docker_agent.env.chain import Secrets, StandIns
from docker_agent.errors import ConfigError
from docker_agent.hooks.port import Hook, HookEvent, Hooks
from docker_agent.hooks.table import BUILTINS
from docker_agent.loader.choose import (
    auto_model,
    first_available,
    known_providers,
    missing_variables,
    variables_of,
)
from docker_agent.loader.compacting import compaction, side_models, wished
from docker_agent.loader.entry import as_wished, with_search
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.passing import incoming_headers
from docker_agent.loader.source import Source
from docker_agent.loader.unbuilt import refuse_unbuilt
from docker_agent.messages import JSON, Format
from docker_agent.models import table as models
from docker_agent.models.fallback import DEFAULT_COOLDOWN, DEFAULT_RETRIES, Alloy, Fallback
from docker_agent.models.http import Http
from docker_agent.models.port import Model
from docker_agent.models.resolve import resolve, unknown_provider
from docker_agent.models.weights import locate
from docker_agent.permissions import Rules, parse_rule, strictest
from docker_agent.runtime.agent import DEFAULT_REPEATS, Agent, Limits, Team
from docker_agent.runtime.summaries import Compaction
from docker_agent.runtime.toolbox import Toolbox
from docker_agent.tools import table as tools
from docker_agent.tools.port import Toolset

log = logging.getLogger(__name__)

AUTO = "auto"


def read_agent_file(source: Source) -> AgentFile:
    """The file behind a source, parsed and checked. Raises `ConfigError`."""
    file = parse(source.read(), source.name, source.directory)
    if not file.agents:
        raise ConfigError(f"{source.name}: no agents are defined; add at least one under 'agents:'")
    return inline_instruction_files(file, source.directory)


@asynccontextmanager
async def open_team(
    source: Source, overrides: Overrides, secrets: Secrets, http: Http
) -> AsyncGenerator[Team]:
    """The team of a source, closed with the context. Raises `ConfigError` before anything runs."""
    file = read_agent_file(source)
    builder = _Builder(file, source, overrides, secrets, http)
    builder.check()
    async with AsyncExitStack() as stack:
        yield await builder.team(stack)


class _Builder:
    """One loading of one file."""

    def __init__(
        self, file: AgentFile, source: Source, overrides: Overrides, secrets: Secrets, http: Http
    ) -> None:
        self._file = self._chosen(file, secrets, overrides)
        self._source = source
        self._overrides = overrides
        self._secrets = secrets
        self._models = models.Opening(
            http,
            StandIns(secrets, _needed(self._file)) if overrides.replay else secrets,
            overrides.cache_dir,
            replay=overrides.replay,
        )
        trusted = source.local or overrides.safety_explicit
        self._tools = tools.Opening(
            overrides.working_dir,
            secrets,
            trusted,
            overrides.withheld | _key_names(file),
            data_dir=overrides.data_dir,
            config_dir=source.directory,
            source=str(source.path or source.name),
            cache_dir=overrides.cache_dir,
        )
        self._opened: dict[str, Model] = {}

    @staticmethod
    def _chosen(file: AgentFile, secrets: Secrets, overrides: Overrides) -> AgentFile:
        """The file with `auto` and every selector in use replaced by the model they come to."""
        chosen: dict[str, DeclaredModel] = dict(file.models)
        names = [name for agent in file.agents for name in agent.models]
        names += [name for agent in file.agents if agent.fallback for name in agent.fallback.models]
        names += side_models(file)
        if AUTO in names and AUTO not in chosen:
            chosen[AUTO] = auto_model(
                secrets,
                lambda name: locate(name, overrides.cache_dir) is not None,
                keyless=overrides.replay,
            )
        for name in names:
            if name in file.models and file.models[name].is_selector:
                choice = first_available(file, name, secrets, keyless=overrides.replay)
                chosen[name] = file.models[choice]
        return msgspec.structs.replace(file, models=chosen)

    def check(self) -> None:
        """What must hold before anything is opened. Raises `ConfigError`."""
        file = self._file
        if self._overrides.agent is not None and file.agent(self._overrides.agent) is None:
            known = ", ".join(agent.name for agent in file.agents)
            raise ConfigError(f"agent '{self._overrides.agent}' not found; there are: {known}")
        refuse_unbuilt(file)
        missing: set[str] = set()
        for agent in file.agents:
            fallbacks = agent.fallback.models if agent.fallback else ()
            for name in (*agent.models, *fallbacks):
                model = file.models[name]
                if model.provider not in known_providers(file):
                    self._refuse_provider(model)
                if name in agent.models and not self._overrides.replay:
                    missing.update(missing_variables(file, name, self._secrets))
        if missing:
            raise ConfigError(_missing_text(sorted(missing)))

    def _refuse_provider(self, model: DeclaredModel) -> None:
        if model.provider in models.NOT_YET:
            raise model.error(f"provider '{model.provider}' is not supported yet", "provider")
        raise unknown_provider(model, model.provider, [*known_providers(self._file)])

    async def team(self, stack: AsyncExitStack) -> Team:
        """The live team; what it opened is closed with `stack`."""
        file = self._file
        agents = {agent.name: await self._agent(agent, stack) for agent in file.agents}
        stack.push_async_callback(self._tools.background.close)
        await self._tools.background.settle()
        rules = self._rules()
        await self._tell_refusals(agents, rules)
        return Team(
            agents=agents,
            default=file.default_agent,
            listed=tuple(agents),
            rules=rules,
            loaded=int(time.time()),
            working_dir=str(self._overrides.working_dir),
            headers=incoming_headers(file),
        )

    def _rules(self) -> Rules:
        permissions = self._file.permissions
        rules = Rules(
            allow=tuple(parse_rule(pattern) for pattern in permissions.allow),
            ask=tuple(parse_rule(pattern) for pattern in permissions.ask),
            deny=tuple(parse_rule(pattern) for pattern in permissions.deny),
        )
        if rules.allow and not self._tools.trusted:
            log.warning(
                "allow rules of a file that is not on this machine count only with --safety"
            )
            return msgspec.structs.replace(rules, allow=())
        return rules

    async def _agent(self, agent: declared.Agent, stack: AsyncExitStack) -> Agent:
        opened = [await self._toolset(agent, index, stack) for index in range(len(agent.toolsets))]
        model = await self._agent_model(agent, stack)
        return Agent(
            name=agent.name,
            model=model,
            description=self._text(agent, "description"),
            instruction=self._text(agent, "instruction"),
            toolbox=Toolbox(with_search([toolset for toolset in opened if toolset is not None])),
            models={
                entry.model: await self._side_model(entry.model, stack)
                for entry in agent.toolsets
                if entry.model
            },
            hooks=self._hooks(agent),
            limits=Limits(
                max_iterations=agent.max_iterations,
                repeats=agent.max_consecutive_tool_calls or DEFAULT_REPEATS,
                history_items=agent.num_history_items,
                old_tool_tokens=max(0, agent.max_old_tool_call_tokens),
                result_tokens=max(0, agent.max_tool_result_tokens),
            ),
            format=_format(agent.structured_output),
            compaction=await self._compaction(agent, model, stack),
            safety=strictest(agent.safety, self._file.runtime.safety)
            if agent.safety or self._file.runtime.safety
            else None,
            sub_agents=agent.sub_agents,
            handoffs=agent.handoffs,
            force_handoff=agent.force_handoff or None,
        )

    def _text(self, agent: declared.Agent, field: str) -> str:
        text = str(getattr(agent, field))
        if warning := needless_template_warning(text):
            log.warning("agents.%s.%s: %s", agent.name, field, warning)
        return expand_template(text, self._secrets.get)

    async def _agent_model(self, agent: declared.Agent, stack: AsyncExitStack) -> Model:
        pool = [await self._model(name, stack) for name in agent.models]
        primary = pool[0] if len(pool) == 1 else Alloy(pool)
        fallback = agent.fallback
        more = [await self._model(name, stack) for name in (fallback.models if fallback else ())]
        retries = (fallback.retries if fallback else 0) or DEFAULT_RETRIES
        cooldown = (fallback.cooldown if fallback else 0.0) or DEFAULT_COOLDOWN
        return Fallback([primary, *more], retries=max(0, retries), cooldown=cooldown)

    async def _compaction(
        self, agent: declared.Agent, own: Model, stack: AsyncExitStack
    ) -> Compaction | None:
        wish = wished(self._file, agent)
        if wish is None:
            return None
        writer = await self._side_model(wish.model, stack) if wish.model else None
        return compaction(wish, own, writer)

    async def _side_model(self, reference: str, stack: AsyncExitStack) -> Model:
        pool = [await self._model(name, stack) for name in expand(self._file.models, reference)]
        return Fallback([pool[0] if len(pool) == 1 else Alloy(pool)])

    async def _model(self, name: str, stack: AsyncExitStack) -> Model:
        if name not in self._opened:
            model = self._file.models[name]
            resolved = resolve(model, self._file.providers)
            if resolved.protocol in models.NOT_YET:
                raise model.error(f"'{resolved.protocol}' is not supported yet")
            if resolved.protocol not in models.PROVIDERS:
                raise unknown_provider(model, resolved.protocol, [*known_providers(self._file)])
            opening = models.PROVIDERS[resolved.protocol](resolved, self._models)
            self._opened[name] = await stack.enter_async_context(opening)
        return self._opened[name]

    async def _toolset(
        self, agent: declared.Agent, index: int, stack: AsyncExitStack
    ) -> Toolset | None:
        entry = agent.toolsets[index]
        if entry.type in tools.NOT_YET:
            log.warning(
                "agents.%s.toolsets[%d]: '%s' is not supported yet; the agent runs without it",
                agent.name,
                index,
                entry.type,
            )
            return None
        opening = msgspec.structs.replace(self._tools, name=entry.name)
        toolset = await stack.enter_async_context(
            tools.TOOLSETS[entry.type](entry.options, opening)
        )
        instruction = expand_template(entry.instruction, self._secrets.get)
        return as_wished(toolset, entry, agent, instruction or None)

    def _hooks(self, agent: declared.Agent) -> Hooks:
        wanted: list[tuple[str, tuple[str, ...]]] = []
        if agent.add_environment_info:
            wanted.append(("add_environment_info", ()))
        if agent.add_date:
            wanted.append(("add_date", ()))
        if agent.add_prompt_files:
            wanted.append(("add_prompt_files", agent.add_prompt_files))
        by_event: dict[HookEvent, list[Hook]] = {}
        for name, arguments in wanted:
            event, make = BUILTINS[name]
            by_event.setdefault(event, []).append(make(self._overrides.working_dir, arguments))
        return Hooks(by_event)

    async def _tell_refusals(self, agents: Mapping[str, Agent], rules: Rules) -> None:
        for agent in agents.values():
            await self._tell_refused(agent, rules)
            if any(toolset.status.state == "starting" for toolset in agent.toolbox.toolsets):
                self._tools.background.spawn(self._tell_later(agent, rules))

    async def _tell_later(self, agent: Agent, rules: Rules) -> None:
        """Once more, when the tools of slow toolsets are known."""
        await agent.toolbox.started(agent.name)
        await self._tell_refused(agent, rules)

    async def _tell_refused(self, agent: Agent, rules: Rules) -> None:
        used = strictest(self._overrides.safety, agent.safety)
        refused = await agent.toolbox.refused(agent.name, rules, used)
        if refused:
            log.warning(
                "agent %s runs in safety mode '%s', which refuses: %s",
                agent.name,
                used,
                ", ".join(refused),
            )
        else:
            log.info("agent %s runs in safety mode '%s'", agent.name, used)


def _needed(file: AgentFile) -> frozenset[str]:
    """The variables that any model of the file needs."""
    return frozenset(name for model in file.models for name in variables_of(file, model))


def _key_names(file: AgentFile) -> frozenset[str]:
    """The variables in which the file says that keys lie."""
    declared = (*file.models.values(), *file.providers.values())
    return frozenset(one.token_key for one in declared if one.token_key)


def _format(output: declared.StructuredOutput | None) -> Format | None:
    if output is None:
        return None
    schema = cast(Mapping[str, JSON], output.schema.plain())
    return Format(
        "json_schema", output.name, schema, output.description or None, output.strict or None
    )


def _missing_text(names: list[str]) -> str:
    listed = "\n".join(f"  {name}" for name in names)
    return (
        f"these environment variables are needed and not set:\n{listed}\n"
        "Set them in the shell (export NAME=...), in a file given with --env-from-file, "
        "or in 'pass'; or use the embedded model, which needs no key: model: local/smollm2"
    )
