"""Agents of other files that a file names: read with all that they name themselves, and given
names that are one of a kind in the team.

Source: agent-file.md §5.6, runtime.md §11.7.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import msgspec

from docker_agent.config.agent_file import Agent, AgentFile
from docker_agent.config.references import External, external
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError
from docker_agent.loader.source import Source, external_source

MAX_NESTING = 10
MAX_FILES = 100
"""How deep files may name each other, and how many one team may come from."""

Read = Callable[[Source], Awaitable[AgentFile]]


class Part(msgspec.Struct, frozen=True):
    """One file of a team, its agents named as the team names them. `name` is that of its default
    agent there."""

    file: AgentFile
    source: Source
    name: str


class Named(msgspec.Struct, frozen=True):
    """A reference to another file, and where it stands."""

    external: External
    at: Raw


async def gather(file: AgentFile, source: Source, read: Read) -> tuple[list[Part], tuple[str, ...]]:
    """The files of a team, `file` first, and the names a client may choose: the agents of `file`,
    then those it names directly.

    Raises `ConfigError` at the reference that cannot be followed.
    """
    gathering = _Gathering(read)
    await gathering.follow(file, source, "", ())
    own = [agent.name for agent in file.agents]
    direct = [named.external.name for named in references(file)]
    return gathering.parts, tuple(dict.fromkeys([*own, *direct]))


def references(file: AgentFile) -> Iterator[Named]:
    """The agents of other files that `file` names, in the order in which they are met: agent by
    agent, sub-agents, hand-offs, the forced one."""
    names = {agent.name for agent in file.agents}
    for agent in file.agents:
        for entry, at in _entries(agent):
            if entry not in names and (found := external(entry)):
                yield Named(found, at)


def reachable(file: AgentFile) -> AgentFile:
    """The file with none but its default agent and whoever that one can reach."""
    agents = {agent.name: agent for agent in file.agents}
    kept: dict[str, None] = {}
    waiting = [file.default_agent]
    while waiting:
        name = waiting.pop()
        if name in agents and name not in kept:
            kept[name] = None
            waiting.extend(entry for entry, _ in _entries(agents[name]))
    return msgspec.structs.replace(
        file, agents=tuple(agent for agent in file.agents if agent.name in kept)
    )


class _Gathering:
    """One walk over files."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._files: dict[Source, AgentFile] = {}
        self.parts: list[Part] = []

    async def follow(
        self, file: AgentFile, source: Source, base: str, above: tuple[str, ...]
    ) -> None:
        """Add a file whose default agent is called `base` (empty: everybody keeps their name), then
        all that it names."""
        self.parts.append(Part(_renamed(file, base), source, base or file.default_agent))
        met: dict[str, Named] = {}
        for named in references(file):
            name, reference = named.external.name, named.external.reference
            first = met.setdefault(name, named)
            if first.external.reference != reference:
                raise named.at.error(
                    f"{reference!r} and {first.external.reference!r} would both be called "
                    f"{name!r}; give one another name: 'name:{reference}'"
                )
            if first is named:
                await self._enter(named, source, f"{base}/{name}" if base else name, above)

    async def _enter(self, named: Named, source: Source, name: str, above: tuple[str, ...]) -> None:
        reference = named.external.reference
        if reference in above or len(above) >= MAX_NESTING:
            chain = " → ".join((*above[-3:], reference))
            raise named.at.error(
                f"agents of other files name each other in a circle, or more than {MAX_NESTING} "
                f"deep: {chain}"
            )
        if len(self.parts) >= MAX_FILES:
            raise named.at.error(f"the team comes from more than {MAX_FILES} files")
        try:
            inner = external_source(reference, named_elsewhere=not source.local)
            if inner not in self._files:
                self._files[inner] = await self._read(inner)
        except ConfigError as exc:
            raise named.at.error(str(exc)) from exc
        file = reachable(self._files[inner])
        await self.follow(file, inner, name, (*above, reference))


def _entries(agent: Agent) -> Iterator[tuple[str, Raw]]:
    for key, entries in (("sub_agents", agent.sub_agents), ("handoffs", agent.handoffs)):
        value = agent.source.get(key)
        yield from zip(entries, value.elements() if value else (), strict=True)
    if agent.force_handoff:
        yield agent.force_handoff, agent.source.get("force_handoff") or agent.source


def _renamed(file: AgentFile, base: str) -> AgentFile:
    """The file with its agents, and all it says of agents, called as the team calls them."""
    names = {agent.name for agent in file.agents}

    def called(entry: str) -> str:
        if entry not in names:
            found = external(entry)
            entry = found.name if found else entry
        elif entry == file.default_agent and base:
            return base
        return f"{base}/{entry}" if base else entry

    agents = tuple(
        msgspec.structs.replace(
            agent,
            name=called(agent.name),
            sub_agents=_each(agent.sub_agents, called),
            handoffs=_each(agent.handoffs, called),
            force_handoff=called(agent.force_handoff) if agent.force_handoff else "",
        )
        for agent in file.agents
    )
    return msgspec.structs.replace(file, agents=agents)


def _each(entries: tuple[str, ...], called: Callable[[str], str]) -> tuple[str, ...]:
    """A name once, however often it is said."""
    return tuple(dict.fromkeys(called(entry) for entry in entries))
