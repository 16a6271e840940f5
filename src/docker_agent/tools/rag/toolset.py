"""The rag toolset: one tool that searches a source of documents. Source: runtime.md §14.4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.port import Around, CallContext, Scope, Status

if TYPE_CHECKING:
    from docker_agent.tools.rag.library import Library
    from docker_agent.tools.rag.store import Hit

MAX_TEXT = 40_000
"""Characters of all results of one question."""

MAX_QUERY = 8_000
"""Characters of a question."""

_DIGITS = 4
"""Digits of a similarity that say something."""


class Look(msgspec.Struct, frozen=True):
    """What the tool takes."""

    query: Annotated[
        str,
        msgspec.Meta(
            description="What to look for: a question, or the words that the passage should hold."
        ),
    ]


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """One result as a model reads it. `chunk_index` counts the pieces of a file from 0."""

    source_path: str
    content: str
    similarity: float | msgspec.UnsetType = msgspec.UNSET
    chunk_index: int | msgspec.UnsetType = msgspec.UNSET
    score: float | msgspec.UnsetType = msgspec.UNSET


class Told(msgspec.Struct, frozen=True):
    """How the tool is shown to models: its name, what it is for, and the prompt text with it."""

    name: str
    description: str
    instructions: str


class Rag:
    """The search of one library, which several toolsets may share."""

    scope: Scope = "team"

    def __init__(self, library: Library, told: Told, *, scored: bool) -> None:
        """`scored`: results tell their score."""
        self.name = library.name
        self._library = library
        self._scored = scored
        self._parameters = Parameters(Look)
        spec = ToolSpec(
            told.name,
            told.description,
            self._parameters.schema,
            read_only=True,
            title=told.name.replace("_", " ").capitalize(),
            category="rag",
            tidy=self._parameters.tidy,
        )
        self._tools = ToolList([spec], instructions=told.instructions)

    @property
    def status(self) -> Status:
        return self._library.status

    async def tools(self, around: Around) -> ToolList:
        """The tool, also while the documents are still being indexed: its answer says so then."""
        if around.patient:
            await self._library.settle()
        if self.status.state == "failed":
            raise ToolError(self.status.reason)
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        query = self._parameters.read(arguments).query.strip()
        if not query:
            raise ToolError("the query is empty")
        if len(query) > MAX_QUERY:
            raise ToolError(f"the query is longer than {MAX_QUERY} characters")
        found = await self._library.search(query)
        return ToolResult(written(found.hits, scored=self._scored), usage=found.usage)


def written(hits: Sequence[Hit], *, scored: bool) -> str:
    """Results as a JSON array, best first, cut where all their texts together are too long."""
    shown: list[Shown] = []
    left = MAX_TEXT
    for hit in hits:
        if left <= 0:
            break
        content = hit.content
        if len(content) > left:
            content = f"{content[:left]}\n[{len(content) - left} more characters are left out]"
        left -= len(hit.content)
        score = round(hit.score, _DIGITS) if scored else msgspec.UNSET
        shown.append(Shown(hit.shown, content, round(hit.similarity, _DIGITS), hit.place, score))
    return msgspec.json.encode(shown).decode()
