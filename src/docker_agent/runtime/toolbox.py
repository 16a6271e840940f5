"""The toolsets of one agent as one list: gathered for each turn, merged only when something
changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

import msgspec

from docker_agent.depth import TOO_DEEP, is_too_deep
from docker_agent.errors import ToolError
from docker_agent.messages import NO_TOOLS, ToolList, ToolSpec
from docker_agent.permissions import Rules, SafetyMode, refusal
from docker_agent.tools.port import Around, Draft, Toolset

log = logging.getLogger(__name__)

MANY_TOOLS = 64
"""Tools of one toolset above which a model chooses badly and each request grows dear (runtime.md
§9.9)."""

REMEMBERED_MERGES = 16
"""Merged lists one toolbox keeps, for toolsets that list differently per conversation."""

LOOK_SECONDS = 0.1
"""Between two looks at toolsets that are starting."""


class Merged(msgspec.Struct, frozen=True):
    """Several listings as one: `owner` is the place of each name's toolset, `instructions` the
    prompt texts in order."""

    list: ToolList
    owner: Mapping[str, int]
    instructions: tuple[str, ...] = ()


class Gathered(msgspec.Struct, frozen=True):
    """One turn's tools: the list a model is shown, the toolsets behind it, and their prompt texts.

    Names of the list without an owner are the client's own tools.
    """

    merged: Merged
    toolsets: tuple[Toolset, ...]

    @property
    def list(self) -> ToolList:
        """What the model is shown."""
        return self.merged.list

    def owner(self, name: str) -> Toolset | None:
        """Whose tool `name` is; None for a client's tool or no tool at all."""
        place = self.merged.owner.get(name)
        return None if place is None else self.toolsets[place]

    def beside(self, client_tools: ToolList) -> Gathered:
        """These tools and the client's; on a name clash the agent's own wins (chat-server.md §3),
        but not one that the conversation has brought in."""
        own, theirs = self.merged, client_tools.by_name
        specs, owner = own.list.specs, own.owner
        lost = {name for name in owner.keys() & theirs.keys() if own.list.by_name[name].brought}
        if lost:
            specs = tuple(spec for spec in specs if spec.name not in lost)
            owner = {name: place for name, place in owner.items() if name not in lost}
        more = [spec for spec in client_tools.specs if spec.name not in owner]
        return Gathered(Merged(ToolList([*specs, *more]), owner, own.instructions), self.toolsets)


NOTHING = Gathered(Merged(NO_TOOLS, {}), ())


class Toolbox:
    """Toolsets in the file's order. The first tool of a name wins, whoever else has one
    (agent-file.md §2.9)."""

    __slots__ = ("_failing", "_many", "_merged", "_told", "toolsets")

    def __init__(self, toolsets: Sequence[Toolset] = ()) -> None:
        self.toolsets = tuple(toolsets)
        self._merged: dict[tuple[int, ...], tuple[tuple[ToolList, ...], Merged]] = {}
        self._failing: set[str] = set()
        self._told: set[str] = set()
        self._many: set[str] = set()

    def unready(self) -> dict[str, str]:
        """Toolsets that are starting or failed, with their reasons."""
        states = {toolset.name: toolset.status for toolset in self.toolsets}
        return {
            name: status.reason or status.state
            for name, status in states.items()
            if status.state in ("starting", "failed")
        }

    async def gather(self, around: Around, extra: Toolset | None = None) -> Gathered:
        """The tools there are now, those of `extra` last. A toolset that cannot list is left out
        and named in the log once."""
        toolsets = self.toolsets if extra is None else (*self.toolsets, extra)
        if not toolsets:
            return NOTHING
        listings = await self._listings(toolsets, around)
        key = tuple(map(id, listings))
        remembered = self._merged.get(key)
        if remembered is None:
            if len(self._merged) >= REMEMBERED_MERGES:
                del self._merged[next(iter(self._merged))]
            remembered = self._merged[key] = (listings, self._merge(toolsets, listings))
        return Gathered(remembered[1], toolsets)

    async def refused(self, agent: str, rules: Rules, mode: SafetyMode) -> list[str]:
        """The tools that this mode will refuse, wholly or not, for the log at the start: those of
        toolsets that are ready."""
        ready = [toolset for toolset in self.toolsets if toolset.status.state == "ready"]
        around = Around(agent, "", None, {}, Draft())
        listings = await self._listings(ready, around)
        return [
            spec.name if much == "whole" else f"{spec.name} (but not every call)"
            for listing in listings
            for spec in listing.specs
            if (much := refusal(rules, mode, spec))
        ]

    async def started(self, agent: str) -> None:
        """Wait until no toolset is starting any more."""
        around = Around(agent, "", None, {}, Draft())
        while slow := [each for each in self.toolsets if each.status.state == "starting"]:
            await asyncio.gather(*(each.tools(around) for each in slow), return_exceptions=True)
            await asyncio.sleep(LOOK_SECONDS)

    async def _listings(self, toolsets: Sequence[Toolset], around: Around) -> tuple[ToolList, ...]:
        """What each lists; those that are starting are waited for side by side."""
        if any(toolset.status.state == "starting" for toolset in toolsets):
            return tuple(await asyncio.gather(*(self._listing(each, around) for each in toolsets)))
        return tuple([await self._listing(toolset, around) for toolset in toolsets])

    async def _listing(self, toolset: Toolset, around: Around) -> ToolList:
        try:
            listing = await toolset.tools(around)
        except ToolError as exc:
            if toolset.name not in self._failing:
                self._failing.add(toolset.name)
                log.warning(
                    "toolset %s of agent %s is left out: %s", toolset.name, around.agent, exc
                )
            return NO_TOOLS
        self._failing.discard(toolset.name)
        if len(listing.specs) > MANY_TOOLS and toolset.name not in self._many:
            self._many.add(toolset.name)
            log.warning(
                "toolset %s of agent %s has %d tools; name a few in 'tools:', or defer them",
                toolset.name,
                around.agent,
                len(listing.specs),
            )
        return listing

    def _merge(self, toolsets: Sequence[Toolset], listings: Sequence[ToolList]) -> Merged:
        specs: list[ToolSpec] = []
        owner: dict[str, int] = {}
        every = [(place, spec) for place, each in enumerate(listings) for spec in each.specs]
        for place, spec in sorted(every, key=lambda each: each[1].brought):
            source = toolsets[place].name
            if is_too_deep(spec.parameters):
                left_out = f"is left out: its schema is {TOO_DEEP}"
                self._tell_once(f"tool {spec.name} of {source} {left_out}")
            elif spec.name not in owner:
                owner[spec.name] = place
                specs.append(spec)
            else:
                first = toolsets[owner[spec.name]].name
                self._tell_once(f"tool {spec.name} of {source} is hidden by the one of {first}")
        return Merged(
            ToolList(specs),
            owner,
            tuple(listing.instructions for listing in listings if listing.instructions),
        )

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            log.warning("%s", text)


NO_TOOLBOX = Toolbox()
