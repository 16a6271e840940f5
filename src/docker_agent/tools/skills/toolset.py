"""The tools that read skills. Source: runtime.md §13.3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from xml.sax.saxutils import escape

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status
from docker_agent.tools.skills.skill import Skill

_INSTRUCTIONS = """\
## Skills

Skills are instructions for kinds of work. Before you begin work that one of them is about, read
it with `read_skill`, and follow it."""
_FORKS = """ Skills marked `fork` work for themselves: give them the task with `run_skill`."""


class ReadSkill(msgspec.Struct, frozen=True):
    """What `read_skill` takes."""

    name: Annotated[str, msgspec.Meta(description="The skill's name.")]


class ReadSkillFile(msgspec.Struct, frozen=True):
    """What `read_skill_file` takes."""

    skill_name: Annotated[str, msgspec.Meta(description="The skill's name.")]
    path: Annotated[str, msgspec.Meta(description="The file, as the skill names it.")]


class Skills:
    """`read_skill`, and `read_skill_file` where a skill has files. Its prompt text names all
    skills."""

    scope: Scope = "team"
    name = "skills"

    def __init__(self, skills: Mapping[str, Skill]) -> None:
        self._skills = skills
        self._read_skill = Parameters(ReadSkill)
        self._read_file = Parameters(ReadSkillFile)
        has_files = any(skill.files for skill in skills.values())
        specs = [
            _spec("read_skill", "Read the instructions of a skill.", self._read_skill),
            *(
                [_spec("read_skill_file", "Read a file of a skill.", self._read_file)]
                if has_files
                else []
            ),
        ]
        self._tools = ToolList(specs, instructions=_listing(skills.values()))

    @property
    def status(self) -> Status:
        return READY

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        if name == "read_skill_file":
            wanted = self._read_file.read(arguments)
            return ToolResult(await self._skill(wanted.skill_name).texts.file(wanted.path))
        skill = self._skill(self._read_skill.read(arguments).name)
        body = await skill.texts.body()
        if not skill.files:
            return ToolResult(body)
        files = "\n".join(f"- {path}" for path in skill.files)
        return ToolResult(f"{body}\n\nFiles of this skill, for read_skill_file:\n{files}")

    def _skill(self, name: str) -> Skill:
        if name not in self._skills:
            raise ToolError(f"there is no skill '{name}'; there are: {', '.join(self._skills)}")
        return self._skills[name]


def _spec(name: str, description: str, parameters: Parameters[Any]) -> ToolSpec:
    return ToolSpec(
        name,
        description,
        parameters.schema,
        read_only=True,
        harmless=True,
        category="skills",
        tidy=parameters.tidy,
    )


def _listing(skills: Iterable[Skill]) -> str:
    entries: list[str] = []
    forks = False
    for skill in skills:
        kind = "\n<context>fork</context>" if skill.head.fork else ""
        forks = forks or skill.head.fork
        entries.append(
            f"<skill>\n<name>{escape(skill.name)}</name>\n"
            f"<description>{escape(skill.head.description)}</description>{kind}\n</skill>"
        )
    listed = "\n".join(entries)
    head = _INSTRUCTIONS + (_FORKS if forks else "")
    return f"{head}\n\n<available_skills>\n{listed}\n</available_skills>"
