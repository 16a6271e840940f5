"""Several language servers of one agent behind one set of tools: the file that a call names says
who is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.lsp.languages import FileTypes
from docker_agent.tools.lsp.tools import BY_NAME
from docker_agent.tools.port import (
    READY,
    Around,
    CallContext,
    Scope,
    Status,
    Toolset,
    listing_for,
)

_WORST = ("failed", "degraded", "starting")

OF_ALL = frozenset(
    ("lsp_workspace", "lsp_workspace_symbols", "lsp_diagnostics", "lsp_code_actions")
)
"""What every server that knows the file has something to say to."""


class Several:
    """The `lsp` toolsets of one agent, as its file wants each, with the files that each knows. The
    first one that knows a file and has a tool answers its calls."""

    name = "lsp"
    scope: Scope = "team"

    def __init__(self, members: Sequence[tuple[Toolset, FileTypes]]) -> None:
        self.members = tuple(members)
        self._listed: tuple[tuple[ToolList, ...], ToolList] | None = None

    @property
    def status(self) -> Status:
        """That of the worst."""
        found = [(member.status, member.name) for member, _ in self.members]
        for state in _WORST:
            for status, name in found:
                if status.state == state:
                    return Status(status.state, f"{name}: {status.reason}")
        return READY

    async def tools(self, around: Around) -> ToolList:
        """The tools of all, each once; those of servers that are not there are left out."""
        found = await self._listings(around)
        listings = tuple(listing for listing in found if not isinstance(listing, ToolError))
        if not listings:
            problems = "; ".join(
                f"{member.name}: {problem}"
                for (member, _), problem in zip(self.members, found, strict=True)
            )
            raise ToolError(problems)
        if self._listed is None or not _same(self._listed[0], listings):
            version = 0 if self._listed is None else self._listed[1].version + 1
            self._listed = (listings, _joined(listings, version))
        return self._listed[1]

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        members = await self._for(name, arguments, context)
        if len(members) == 1:
            return await members[0].call(name, arguments, context)
        problems: list[str] = []
        said: list[str] = []
        for member in members:
            try:
                result = await member.call(name, arguments, context)
            except ToolError as exc:
                problems.append(f"{member.name}: {exc}")
                continue
            if name not in OF_ALL or arguments.get("apply"):
                return result
            said.append(f"{member.name}:\n{result.text}")
        if not said:
            raise ToolError("; ".join(problems))
        return ToolResult("\n\n".join((*said, *problems)))

    async def _for(
        self, name: str, arguments: dict[str, JSON], context: CallContext
    ) -> list[Toolset]:
        """Who is asked: all whom it concerns, or the first of them. Raises `ToolError` when it
        concerns nobody."""
        around = listing_for(context)
        file = arguments.get("file")
        knowing = [
            (member, listing)
            for (member, types), listing in zip(
                self.members, await self._listings(around), strict=True
            )
            if not isinstance(file, str) or types.has(file)
        ]
        able = [
            member
            for member, listing in knowing
            if isinstance(listing, ToolList) and name in listing.by_name
        ]
        if able:
            return able if name in OF_ALL else able[:1]
        if not knowing:
            known = "; ".join(f"{member.name}: {types}" for member, types in self.members)
            raise ToolError(f"no language server knows {file}; there are {known}")
        names = ", ".join(member.name for member, _ in knowing)
        raise ToolError(f"{names} cannot do {name}, or is not there now")

    async def _listings(self, around: Around) -> list[ToolList | ToolError]:
        async def listing(member: Toolset) -> ToolList | ToolError:
            try:
                return await member.tools(around)
            except ToolError as exc:
                return exc

        return await asyncio.gather(*(listing(member) for member, _ in self.members))


def _same(some: Sequence[ToolList], others: Sequence[ToolList]) -> bool:
    return len(some) == len(others) and all(
        one is other for one, other in zip(some, others, strict=True)
    )


def _joined(listings: Sequence[ToolList], version: int) -> ToolList:
    """The tools of all in the order of the table, and what is said of them."""
    specs: dict[str, ToolSpec] = {}
    for listing in listings:
        for spec in listing.specs:
            specs.setdefault(spec.name, spec)
    order = list(BY_NAME)
    texts = dict.fromkeys(listing.instructions for listing in listings if listing.instructions)
    return ToolList(
        sorted(specs.values(), key=lambda spec: order.index(spec.name)),
        version=version,
        instructions="\n\n".join(texts),
    )
