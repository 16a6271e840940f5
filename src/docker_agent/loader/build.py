"""From a parsed agent file to a live team: every part opened once, introduced to each other
here."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

import msgspec

from docker_agent.config import agent_file as declared
from docker_agent.config.expand import expand_template, needless_template_warning
from docker_agent.config.shared import filled_in
from docker_agent.config.toolset import Toolset as Entry
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.hooks import table as hooks
from docker_agent.hooks.command import AT_ONCE
from docker_agent.hooks.large_results import open_large_results
from docker_agent.hooks.port import Hooks, Results
from docker_agent.loader.answer_file import caching
from docker_agent.loader.compacting import choices_of, compaction, wished
from docker_agent.loader.entry import as_wished, together, with_search
from docker_agent.loader.externals import Part, gather
from docker_agent.loader.hook_ports import asking, classified, no_web, posting
from docker_agent.loader.hooks import agent_hooks, posts
from docker_agent.loader.hooks import models_of as hook_models
from docker_agent.loader.models import Models, with_choices
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.passing import incoming_headers
from docker_agent.loader.pieces import team_rules, tools_opening
from docker_agent.loader.preflight import Missing, refuse_missing
from docker_agent.loader.rag import lent
from docker_agent.loader.reading import Seen, read_source
from docker_agent.loader.refusals import tell_refusals
from docker_agent.loader.skills import SkillOpening
from docker_agent.loader.source import Source
from docker_agent.loader.trust import Told, Words, refuse_leaks
from docker_agent.loader.unbuilt import refuse_unbuilt
from docker_agent.messages import JSON, Format
from docker_agent.models.http_port import Http
from docker_agent.models.port import Model
from docker_agent.permissions import Rules, SafetyMode, strictest
from docker_agent.registry.elsewhere import open_elsewhere
from docker_agent.runtime.agent import DEFAULT_REPEATS, Agent, Fork, Limits, Team
from docker_agent.runtime.code_mode import CodeMode
from docker_agent.runtime.summaries import Compaction
from docker_agent.runtime.toolbox import Toolbox
from docker_agent.tools import table as tools
from docker_agent.tools.background import Background
from docker_agent.tools.environment import scrubbed
from docker_agent.tools.javascript import run_script
from docker_agent.tools.jobs import Jobs
from docker_agent.tools.port import Toolset
from docker_agent.tools.skills.toolset import Skills
from docker_agent.tools.web import open_web

log = logging.getLogger(__name__)

FROM_ELSEWHERE: SafetyMode = "restricted"
"""The mode for files from a registry or URL, unless `--safety` says another (chat-server.md §6)."""


@asynccontextmanager
async def open_team(
    source: Source,
    overrides: Overrides,
    secrets: Secrets,
    http: Http,
    seen: Seen | None = None,
    results: Results | None = None,
    jobs: Jobs | None = None,
) -> AsyncGenerator[Team]:
    """The team of a source, closed with the context; `seen` remembers what was read, `results`
    keeps what is too large for a model, `jobs` what runs beside (the team's own when None). Raises
    `ConfigError` before anything runs."""
    seen = seen or Seen()
    jobs = jobs or Jobs()
    seen.begin()
    async with open_elsewhere(overrides.data_dir, os.environ, secrets.get) as elsewhere:
        file = await read_source(source, elsewhere, seen)
        parts, listed = await gather(
            file, source, lambda inner: read_source(inner, elsewhere, seen)
        )
    _check_agent_flag(overrides.agent, listed)
    chosen = [
        msgspec.structs.replace(part, file=await with_choices(part.file, secrets, overrides, http))
        for part in parts
    ]
    builders = [_Builder(part, overrides, secrets, http, jobs) for part in chosen]
    refuse_missing([builder.check() for builder in builders])
    async with AsyncExitStack() as stack:
        main, *others = builders
        rules = main.rules()
        found = await main.agents(stack, None)
        for builder in others:
            found += await builder.agents(stack, builder.rules_beside(rules))
        agents = {agent.name: agent for agent in found}
        await tell_refusals(agents.values(), rules, overrides.safety, main.background.spawn)
        yield Team(
            agents=agents,
            default=parts[0].name,
            listed=listed,
            rules=rules,
            loaded=int(time.time()),
            working_dir=str(overrides.working_dir),
            headers=_headers(parts),
            results=results or await stack.enter_async_context(open_large_results()),
        )


def _headers(parts: Sequence[Part]) -> frozenset[str]:
    return frozenset[str]().union(*(incoming_headers(part.file) for part in parts))


def _check_agent_flag(agent: str | None, listed: Sequence[str]) -> None:
    if agent is not None and agent not in listed:
        raise ConfigError(f"agent '{agent}' not found; there are: {', '.join(listed)}")


class _Builder:
    """One loading of one file."""

    def __init__(
        self, part: Part, overrides: Overrides, secrets: Secrets, http: Http, jobs: Jobs
    ) -> None:
        file, source = part.file, part.source
        self._file = file
        self._overrides = overrides
        self._secrets = secrets
        self._models = Models(self._file, overrides, secrets, http, trusted=source.local)
        self._trusted = source.local or overrides.safety_explicit
        told = secrets if self._trusted else Told(secrets, source.name)
        self._tools = tools_opening(file, source, overrides, told, jobs)
        self._words = (
            secrets if self._trusted else Words(secrets, self._tools.withheld, source.name)
        )
        self._hook_opening = hooks.Opening(
            overrides.working_dir,
            scrubbed(os.environ, self._tools.withheld),
            asyncio.Semaphore(AT_ONCE),
            secrets.get,
            classified,
            no_web,
        )

    def check(self) -> Missing:
        """The variables that its models need and nobody has. Raises `ConfigError` for anything
        else that must hold before anything is opened."""
        file = self._file
        refuse_unbuilt(file)
        if not self._trusted:
            refuse_leaks(file, self._secrets)
        return self._models.check()

    async def agents(self, stack: AsyncExitStack, rules: Rules | None) -> list[Agent]:
        """The live agents; what they opened is closed with `stack`. `rules` are those of
        `Agent.rules`."""
        agents = [await self._agent(agent, rules, stack) for agent in self._file.agents]
        stack.push_async_callback(self.background.close)
        await self.background.settle()
        return agents

    @property
    def background(self) -> Background:
        """What its toolsets keep alive."""
        return self._tools.background

    def rules(self) -> Rules:
        """The file's permissions, as far as they count."""
        return team_rules(self._file, trusted=self._trusted)

    def rules_beside(self, team: Rules) -> Rules | None:
        """The rules of the team's own file, and what this file forbids beside; None when it forbids
        nothing."""
        own = self.rules()
        if not own.ask and not own.deny:
            return None
        return Rules(team.allow, (*team.ask, *own.ask), (*team.deny, *own.deny))

    async def _agent(
        self, agent: declared.Agent, rules: Rules | None, stack: AsyncExitStack
    ) -> Agent:
        opened = [await self._opened(agent, entry, stack) for entry in agent.toolsets]
        toolsets = together(opened, agent.toolsets)
        toolsets, forks = await self._skills(agent, toolsets, rules, stack)
        model = await self._models.of_agent(agent, stack)
        instruction = self._text(agent, "instruction")
        return Agent(
            name=agent.name,
            model=model,
            description=self._text(agent, "description"),
            instruction=instruction,
            toolbox=Toolbox(with_search(toolsets)),
            code_mode=self._code_mode(agent),
            forks=forks,
            models={
                entry.model: await self._models.beside(entry.model, stack)
                for entry in agent.toolsets
                if entry.model
            },
            choices={name: await self._models.beside(name, stack) for name in choices_of(agent)},
            hooks=await self._hooks(agent, stack),
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
                self._tools.config_dir or self._overrides.working_dir,
                trusted=self._tools.trusted,
            ),
            safety=self._safety(agent),
            rules=rules,
            sub_agents=agent.sub_agents,
            handoffs=agent.handoffs,
            force_handoff=agent.force_handoff or None,
        )

    async def _skills(
        self,
        agent: declared.Agent,
        toolsets: list[Toolset],
        rules: Rules | None,
        stack: AsyncExitStack,
    ) -> tuple[list[Toolset], dict[str, Fork]]:
        """Its toolsets with the one that reads its skills, and those of them that work for
        themselves."""
        if not agent.merged_skills:
            return toolsets, {}
        opening = SkillOpening(
            self._file,
            self._tools,
            rules or self.rules(),
            strictest(self._overrides.safety, self._safety(agent)),
            personal=self._overrides.at_home,
            commands=agent.hooks is None,
        )
        skills = await opening.find(agent, stack)
        if not skills:
            return toolsets, {}
        forks = await opening.forks(
            agent,
            skills,
            toolsets,
            lambda entry: self._opened(agent, entry, stack),
            lambda name: self._models.beside(name, stack),
        )
        return [*toolsets, Skills(skills)], forks

    def _safety(self, agent: declared.Agent) -> SafetyMode | None:
        """The mode the file asks for, and what holds for every file from elsewhere; None when
        there is nothing to say."""
        elsewhere = None if self._trusted else FROM_ELSEWHERE
        modes = (agent.safety, self._file.runtime.safety, elsewhere)
        return strictest(*modes) if any(modes) else None

    async def _hooks(self, agent: declared.Agent, stack: AsyncExitStack) -> Hooks:
        asked = {
            name: asking(await self._models.beside(name, stack)) for name in hook_models(agent)
        }
        web = open_web() if posts(agent) else None
        opening = msgspec.structs.replace(
            self._hook_opening,
            models=asked,
            post=posting(await stack.enter_async_context(web)) if web else no_web,
        )
        return agent_hooks(agent, opening, self._overrides.hooks, trusted=self._tools.trusted)

    def _code_mode(self, agent: declared.Agent) -> CodeMode | None:
        wished = agent.code_mode_tools or self._overrides.code_mode
        return CodeMode(run_script) if wished else None

    def _text(self, agent: declared.Agent, field: str) -> str:
        text = str(getattr(agent, field))
        if warning := needless_template_warning(text):
            log.warning("agents.%s.%s: %s", agent.name, field, warning)
        return expand_template(text, self._words.get)

    async def _compaction(
        self, agent: declared.Agent, own: Model, stack: AsyncExitStack
    ) -> Compaction | None:
        wish = wished(self._file, agent)
        if wish is None:
            return None
        writer = await self._models.beside(wish.model, stack) if wish.model else None
        return compaction(wish, own, writer)

    async def _opened(self, agent: declared.Agent, entry: Entry, stack: AsyncExitStack) -> Toolset:
        entry = filled_in(agent, entry, self._file)
        models = await lent(entry, self._file, self._models, stack)
        opening = msgspec.structs.replace(
            self._tools,
            name=entry.name,
            sub_agents=agent.sub_agents,
            lent=models,
            folders=tuple(each.options for each in agent.toolsets if each.type == "filesystem"),
        )
        toolset = await stack.enter_async_context(
            tools.TOOLSETS[entry.type](entry.options, opening)
        )
        instruction = expand_template(entry.instruction, self._words.get)
        return as_wished(toolset, entry, agent, instruction or None)


def _format(output: declared.StructuredOutput | None) -> Format | None:
    if output is None:
        return None
    schema = cast(Mapping[str, JSON], output.schema.plain())
    return Format(
        "json_schema", output.name, schema, output.description or None, output.strict or None
    )
