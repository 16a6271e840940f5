"""Deferred tools: hidden from the model until it looks for them, so that a long list costs nothing
before it is needed.

What one conversation has activated is its own state. Source: runtime.md §9.21.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, NO_TOOLS, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.port import (
    READY,
    Around,
    CallContext,
    Draft,
    Scope,
    Status,
    Toolset,
    listing_for,
)

MAX_FOUND = 50
"""Tools that one search shows."""

REMEMBERED_LISTINGS = 64
"""Listings one hidden toolset keeps: one for each set of activated tools that is in use."""

_NAMES = msgspec.json.Decoder(tuple[str, ...])
_WORD = re.compile(r"[A-Za-z0-9]+")


class Hidden:
    """A toolset whose tools, all or those of `names`, show only once they are activated."""

    def __init__(self, inner: Toolset, names: Sequence[str] | None = None) -> None:
        self._inner = inner
        self._names = None if names is None else frozenset(names)
        self._shown: dict[tuple[int, frozenset[str]], tuple[ToolList, ToolList]] = {}

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
        active = activated(around.state, around.agent).intersection(listing.by_name)
        key = (id(listing), active)
        if key not in self._shown:
            if len(self._shown) >= REMEMBERED_LISTINGS:
                del self._shown[next(iter(self._shown))]
            self._shown[key] = (listing, self._showing(listing, active))
        return self._shown[key][1]

    async def hidden(self, around: Around) -> list[ToolSpec]:
        """All that can be activated, active or not."""
        listing = await self._inner.tools(around)
        return [spec for spec in listing.specs if self._hides(spec)]

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        return await self._inner.call(name, arguments, context)

    def _hides(self, spec: ToolSpec) -> bool:
        names = self._names
        return (
            names is None
            or spec.name in names
            or spec.name.removeprefix(f"{self._inner.name}_") in names
        )

    def _showing(self, listing: ToolList, active: frozenset[str]) -> ToolList:
        specs = [spec for spec in listing.specs if spec.name in active or not self._hides(spec)]
        if not specs:
            return NO_TOOLS
        return ToolList(specs, version=listing.version, instructions=listing.instructions)


def activated(state: Draft, agent: str) -> frozenset[str]:
    """The tools that an agent has activated in this conversation."""
    kept = state.get(_key(agent))
    return frozenset(_NAMES.decode(kept)) if kept else frozenset()


def _key(agent: str) -> str:
    return f"deferred/{agent}"


class SearchCall(msgspec.Struct, frozen=True):
    """What `search_tool` takes."""

    query: Annotated[str, msgspec.Meta(description="Words to look for in names and descriptions.")]


class AddCall(msgspec.Struct, frozen=True):
    """What `add_tool` takes."""

    name: Annotated[str, msgspec.Meta(description="The tool's name, as `search_tool` shows it.")]


class Deferred:
    """The tools `search_tool` and `add_tool` over what the toolsets of one agent hide."""

    name = "deferred"
    scope: Scope = "conversation"
    status: Status = READY

    def __init__(self, toolsets: Sequence[Hidden]) -> None:
        self._toolsets = tuple(toolsets)
        self._search = Parameters(SearchCall)
        self._add = Parameters(AddCall)
        names = ", ".join(dict.fromkeys(toolset.name for toolset in toolsets))
        self._tools = ToolList(
            [
                _spec(
                    "search_tool",
                    "Look for further tools by words; answers with names and descriptions.",
                    self._search,
                ),
                _spec("add_tool", "Make one of the further tools usable.", self._add),
            ],
            instructions=(
                "## Further tools\n\nThere are more tools than you see, of: "
                f"{names}. When none of yours fits the task, look with `search_tool`, then make "
                "the one you need usable with `add_tool`; you can call it from your next turn on."
            ),
        )

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        specs = await self._hidden(context)
        if name == "search_tool":
            return _found(specs, self._search.read(arguments).query)
        return _activate(specs, self._add.read(arguments).name, context)

    async def _hidden(self, context: CallContext) -> dict[str, ToolSpec]:
        around = listing_for(context)
        specs: dict[str, ToolSpec] = {}
        problems: list[str] = []
        for toolset in self._toolsets:
            try:
                for spec in await toolset.hidden(around):
                    specs.setdefault(spec.name, spec)
            except ToolError as exc:
                problems.append(f"{toolset.name}: {exc}")
        if problems and not specs:
            raise ToolError(f"the further tools cannot be listed now: {'; '.join(problems)}")
        return specs


def _spec(name: str, description: str, parameters: Parameters[Any]) -> ToolSpec:
    return ToolSpec(
        name,
        description,
        parameters.schema,
        read_only=True,
        harmless=True,
        category="deferred",
        tidy=parameters.tidy,
    )


def _found(specs: dict[str, ToolSpec], query: str) -> ToolResult:
    words = [word.lower() for word in _WORD.findall(query)]
    ranked = sorted(
        ((_score(spec, words), spec) for spec in specs.values()),
        key=lambda pair: -pair[0],
    )
    best = [spec for score, spec in ranked if score > 0 or not words][:MAX_FOUND]
    if not best:
        return ToolResult(f"No deferred tools found matching '{query}'.", is_error=True)
    shown = [{"name": spec.name, "description": spec.description} for spec in best]
    return ToolResult(f"Found {len(best)} deferred tool(s):\n{msgspec.json.encode(shown).decode()}")


def _score(spec: ToolSpec, words: Sequence[str]) -> int:
    """How well a tool fits: words in its name count more."""
    name, text = spec.name.lower(), spec.description.lower()
    return sum(3 * (word in name) + (word in text) for word in words)


def _activate(specs: dict[str, ToolSpec], name: str, context: CallContext) -> ToolResult:
    spec = specs.get(name)
    if spec is None:
        return ToolResult(
            f"There is no deferred tool '{name}'. Look for one with `search_tool`.", is_error=True
        )
    active = activated(context.state, context.agent)
    if name in active:
        return ToolResult(f"Tool '{name}' is already active.")
    kept = sorted({*active, name})
    context.state.put(_key(context.agent), msgspec.json.encode(kept))
    return ToolResult(
        f"Tool '{name}' is activated; you can call it from your next turn on.\n\n{spec.description}"
    )
