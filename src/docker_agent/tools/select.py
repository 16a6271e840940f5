"""What every toolset entry may ask for: only some tools, only reading ones, another prompt text."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.port import Around, CallContext, Scope, Status, Toolset, usable_name

log = logging.getLogger(__name__)

ORIGINAL_INSTRUCTIONS = "{ORIGINAL_INSTRUCTIONS}"
REMEMBERED_LISTINGS = 16
"""Changed listings one wrapper keeps, for toolsets that list differently per conversation."""


def select(
    toolset: Toolset,
    *,
    tools: Sequence[str] | None = None,
    readonly: bool = False,
    instruction: str | None = None,
) -> Toolset:
    """The toolset as its entry in the agent file wants it.

    `tools` keeps the named tools (none named: all); a name may leave out the toolset's own prefix.
    `readonly` keeps tools with the read-only hint. `instruction` replaces the prompt text, its
    first `{ORIGINAL_INSTRUCTIONS}` becomes the toolset's own. Source: runtime.md §8.3.
    """
    if tools:
        toolset = Changed(toolset, NamedOnly(toolset.name, tools))
    if readonly:
        toolset = Changed(toolset, read_only)
    if instruction is not None:
        text = instruction
        toolset = Changed(toolset, lambda listing: instructed(listing, text))
    return toolset


class Changed:
    """A toolset whose listing went through `change`: the same listing gives the same changed one,
    the very object."""

    def __init__(self, inner: Toolset, change: Callable[[ToolList], ToolList]) -> None:
        self._inner = inner
        self._change = change
        self._changed: dict[int, tuple[ToolList, ToolList]] = {}

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def scope(self) -> Scope:
        return self._inner.scope

    @property
    def status(self) -> Status:
        return self._inner.status

    async def tools(self, around: Around) -> ToolList:
        listing = await self._inner.tools(around)
        remembered = self._changed.get(id(listing))
        if remembered is None:
            if len(self._changed) >= REMEMBERED_LISTINGS:
                del self._changed[next(iter(self._changed))]
            remembered = self._changed[id(listing)] = (listing, self._change(listing))
        return remembered[1]

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        return await self._inner.call(name, arguments, context)


class NamedOnly:
    """Keeps the tools of `names`; a name that no tool has is told to the log once."""

    def __init__(self, toolset: str, names: Sequence[str]) -> None:
        self._toolset = toolset
        self._names = tuple(dict.fromkeys(names))
        self._told: set[str] = set()

    def __call__(self, listing: ToolList) -> ToolList:
        wanted = {exposed for name in self._names for exposed in self._spellings(name)}
        for name in self._names:
            unknown = listing.by_name.keys().isdisjoint(self._spellings(name))
            if unknown and listing and name not in self._told:
                self._told.add(name)
                log.warning(
                    "toolset %s has no tool '%s' (in `tools:`); it has: %s",
                    self._toolset,
                    name,
                    ", ".join(listing.by_name),
                )
        return _kept(listing, lambda spec: spec.name in wanted)

    def _spellings(self, name: str) -> tuple[str, ...]:
        prefixed = f"{self._toolset}_{name}"
        return name, prefixed, usable_name(name), usable_name(prefixed)


def read_only(listing: ToolList) -> ToolList:
    """The tools that say of themselves that they only read."""
    return _kept(listing, lambda spec: spec.read_only)


def instructed(listing: ToolList, text: str) -> ToolList:
    """The same tools with `text` as their prompt text."""
    text = text.replace(ORIGINAL_INSTRUCTIONS, listing.instructions, 1)
    return ToolList(listing.specs, version=listing.version, instructions=text)


def _kept(listing: ToolList, keep: Callable[[ToolSpec], bool]) -> ToolList:
    specs = [spec for spec in listing.specs if keep(spec)]
    if len(specs) == len(listing.specs):
        return listing
    instructions = listing.instructions if specs else ""
    return ToolList(specs, version=listing.version, instructions=instructions)
