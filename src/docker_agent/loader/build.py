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
from docker_agent.config.parse import inline_instruction_files, parse
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.hooks.port import Hook, HookEvent, Hooks
from docker_agent.hooks.table import BUILTINS
from docker_agent.loader.answer_file import caching
from docker_agent.loader.compacting import compaction, wished
from docker_agent.loader.entry import as_wished, with_search
from docker_agent.loader.models import Models, with_choices
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.passing import incoming_headers
from docker_agent.loader.source import Source
from docker_agent.loader.unbuilt import refuse_unbuilt
from docker_agent.messages import JSON, Format
from docker_agent.models.http import Http
from docker_agent.models.port import Model
from docker_agent.permissions import Rules, parse_rule, strictest
from docker_agent.runtime.agent import DEFAULT_REPEATS, Agent, Limits, Team
from docker_agent.runtime.summaries import Compaction
from docker_agent.runtime.toolbox import Toolbox
from docker_agent.tools import table as tools
from docker_agent.tools.port import Toolset

log = logging.getLogger(__name__)


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
        self._file = with_choices(file, secrets, overrides)
        self._source = source
        self._overrides = overrides
        self._secrets = secrets
        self._models = Models(self._file, overrides, secrets, http)
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

    def check(self) -> None:
        """What must hold before anything is opened. Raises `ConfigError`."""
        file = self._file
        if self._overrides.agent is not None and file.agent(self._overrides.agent) is None:
            known = ", ".join(agent.name for agent in file.agents)
            raise ConfigError(f"agent '{self._overrides.agent}' not found; there are: {known}")
        refuse_unbuilt(file)
        self._models.check()

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
        model = await self._models.of_agent(agent, stack)
        instruction = self._text(agent, "instruction")
        return Agent(
            name=agent.name,
            model=model,
            description=self._text(agent, "description"),
            instruction=instruction,
            toolbox=Toolbox(with_search([toolset for toolset in opened if toolset is not None])),
            models={
                entry.model: await self._models.beside(entry.model, stack)
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
            caching=caching(
                agent,
                (str(self._file.source.plain()), instruction),
                self._source.directory or self._overrides.working_dir,
                trusted=self._tools.trusted,
            ),
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

    async def _compaction(
        self, agent: declared.Agent, own: Model, stack: AsyncExitStack
    ) -> Compaction | None:
        wish = wished(self._file, agent)
        if wish is None:
            return None
        writer = await self._models.beside(wish.model, stack) if wish.model else None
        return compaction(wish, own, writer)

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
