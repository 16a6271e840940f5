"""An agent's skills: found where its file says, as tools to read them and forks to run them.
Source: runtime.md §13."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from docker_agent.config.agent_file import Agent, AgentFile
from docker_agent.config.skill_rules import LOCAL
from docker_agent.config.skills import InlineSkill
from docker_agent.config.toolset import Toolset as Entry
from docker_agent.errors import ToolError
from docker_agent.loader.entry import with_search
from docker_agent.messages import ToolList
from docker_agent.models.port import Model
from docker_agent.permissions import Glob, Rules, SafetyMode, decide
from docker_agent.runtime.agent import Fork
from docker_agent.runtime.toolbox import Toolbox
from docker_agent.tools.environment import scrubbed
from docker_agent.tools.opening import Opening
from docker_agent.tools.port import Toolset
from docker_agent.tools.select import Changed
from docker_agent.tools.skills.skill import Head, Skill, Written

log = logging.getLogger(__name__)

COMMAND_SECONDS = 30.0
"""How long a command in a skill's text may take."""

OpenEntry = Callable[[Entry], Awaitable[Toolset | None]]
OpenModel = Callable[[str], Awaitable[Model]]


class SkillOpening:
    """How the skills of one agent are opened.

    `rules` and `mode` judge the commands that stand in skills' texts, which run only when
    `commands` says so; `personal` lets the operator's own folders count.
    """

    def __init__(
        self,
        file: AgentFile,
        tools: Opening,
        rules: Rules,
        mode: SafetyMode,
        *,
        personal: bool,
        commands: bool,
    ) -> None:
        self._file = file
        self._tools = tools
        self._rules = rules
        self._mode: SafetyMode = mode
        self._personal = personal
        self._commands = commands

    async def find(self, agent: Agent, stack: AsyncExitStack) -> dict[str, Skill]:
        """The skills of an agent by name; what cannot be had is a warning."""
        wanted = agent.merged_skills
        found: dict[str, Skill] = {}
        for source in wanted.sources:
            found.update(await self._source(source, stack))
        if wanted.names:
            for name in wanted.names:
                if name not in found:
                    log.warning("agents.%s.skills: there is no skill %r", agent.name, name)
            found = {name: skill for name, skill in found.items() if name in wanted.names}
        for inline in wanted.inline:
            found[inline.name] = Skill(_head(inline), Written(inline.instructions))
        return found

    async def _source(self, source: str, stack: AsyncExitStack) -> dict[str, Skill]:
        if source == LOCAL:
            from docker_agent.tools.skills.local import find_skills

            return find_skills(
                self._tools.working_dir, os.environ, self._run_line, personal=self._personal
            )
        from docker_agent.tools.skills.remote import Shelf, fetch_skills
        from docker_agent.tools.web import open_web

        web = await stack.enter_async_context(open_web(allow_private_ips=self._tools.trusted))
        folder = (self._tools.cache_dir or self._tools.working_dir) / "skills"
        try:
            return await fetch_skills(source, Shelf(web, folder))
        except ToolError as exc:
            log.warning("skills of %s are left out: %s", source, exc)
            return {}

    async def _run_line(self, command: str) -> str | None:
        """The output of a command in a skill; None when a call of `shell` would be refused."""
        from docker_agent.tools.processes import Command, find_shell, run
        from docker_agent.tools.shell import Shell

        environ = scrubbed(os.environ, self._tools.withheld)
        (spec,) = Shell(self._tools.working_dir, environ).specs
        may = self._commands and decide(self._rules, self._mode, spec, {"cmd": command}).allowed
        if not may:
            log.warning("a skill's command is not run: %s", command[:200])
            return None
        argv = (find_shell(environ), "-c", command)
        try:
            finished = await run(
                Command(argv, self._tools.working_dir, environ, COMMAND_SECONDS), _unheard
            )
        except ToolError as exc:
            return str(exc)
        return finished.output

    async def forks(
        self,
        agent: Agent,
        skills: Mapping[str, Skill],
        inherited: Sequence[Toolset],
        open_entry: OpenEntry,
        open_model: OpenModel,
    ) -> dict[str, Fork]:
        """The skills that work for themselves, with all they may use."""
        forks: dict[str, Fork] = {}
        for name, skill in skills.items():
            if skill.head.fork:
                own = [_filtered(each, skill.head.allowed_tools) for each in inherited]
                more = [await open_entry(self._file.toolsets[each]) for each in self._extra(skill)]
                beside = [toolset for toolset in more if toolset is not None]
                forks[name] = Fork(
                    skill.texts.body,
                    Toolbox(with_search([*own, *beside])),
                    await self._model(agent, skill, open_model),
                )
        return forks

    def _extra(self, skill: Skill) -> list[str]:
        unknown = [name for name in skill.head.toolsets if name not in self._file.toolsets]
        for name in unknown:
            log.warning("skill %s: there is no toolset %r in the agent file", skill.name, name)
        return [name for name in skill.head.toolsets if name not in unknown]

    async def _model(self, agent: Agent, skill: Skill, open_model: OpenModel) -> Model | None:
        name = skill.head.model
        if not name:
            return None
        if name not in self._file.models:
            log.warning(
                "skill %s: the agent file has no model %r; that of %s works", skill.name, name,
                agent.name,
            )  # fmt: skip
            return None
        return await open_model(name)


def _head(inline: InlineSkill) -> Head:
    return Head(
        inline.name,
        " ".join(inline.description.split()),
        inline.context == "fork",
        inline.model,
        inline.allowed_tools,
        inline.toolsets,
    )


def _filtered(toolset: Toolset, allowed: Sequence[str]) -> Toolset:
    """The toolset with those of its tools that fit one of the patterns; none given: all."""
    if not allowed:
        return toolset
    globs = [Glob(pattern) for pattern in allowed]

    def keep(listing: ToolList) -> ToolList:
        specs = [spec for spec in listing.specs if any(glob.matches(spec.name) for glob in globs)]
        instructions = listing.instructions if specs else ""
        return ToolList(specs, version=listing.version, instructions=instructions)

    return Changed(toolset, keep)


async def _unheard(text: str) -> None:
    """Nobody watches."""
