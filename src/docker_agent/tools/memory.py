"""The memory toolset: what an agent wants to remember about each of its callers, in SQLite."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from docker_agent.errors import ConfigError, ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.memory_changes import Changes, Memories, Stored
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status

if TYPE_CHECKING:
    from docker_agent.tools.memory_store import Memory, MemoryStore

MAX_LENGTH = 32 * 1024
"""Characters of one memory."""

_INSTRUCTIONS = """\
## Memory Tools

You can remember things about the person you speak with from one conversation to the next:
- before you answer, look with `search_memories` or `get_memories` for what you know already,
- keep lasting facts and wishes with `add_memory`, without asking and without mentioning it,
- when a fact changed, `update_memory` rather than add a second one; `delete_memory` what is wrong,
- categories that help: preference, fact, project, decision, person,
- never store passwords, keys or other secrets."""

_DESCRIPTIONS: Mapping[str, str] = {
    "add_memory": "Remember something about this person for later conversations.",
    "get_memories": "All that is remembered about this person.",
    "search_memories": "What is remembered about this person that holds certain words.",
    "update_memory": "Put a newer statement in place of a memory.",
    "delete_memory": "Forget a memory.",
}

_ID = Annotated[str, msgspec.Meta(description="The id of the memory.")]
_CATEGORY = Annotated[str, msgspec.Meta(description="A word to file it under.")]
_MEMORY = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=MAX_LENGTH, description="What to remember."),
]


class MemoryOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a `memory` entry of an agent file may say; an empty `path` is the agent file's own
    database among our data."""

    path: str = ""


def memory_path(path: str, base: Path, also: Path | None = None) -> Path:
    """The file that `path` means, seen from `base`; inside of it, or inside of `also`.

    Raises `ConfigError` for a path that leads elsewhere, symbolic links followed.
    """
    found = (base / path).resolve()
    for allowed in (base, also):
        if allowed is not None and found.is_relative_to(allowed.resolve()):
            if found.is_dir():
                raise ConfigError(f"{path!r} is a directory; name a file in it")
            return found
    raise ConfigError(f"{path!r} leads out of {base}; keep it inside of that")


class Addition(msgspec.Struct, frozen=True):
    """What `add_memory` takes."""

    memory: _MEMORY
    category: _CATEGORY | None = None


class Search(msgspec.Struct, frozen=True):
    """What `search_memories` takes."""

    query: (
        Annotated[str, msgspec.Meta(description="Words that must all be in a memory.")] | None
    ) = None
    category: Annotated[str, msgspec.Meta(description="Only memories of this category.")] | None = (
        None
    )


class Change(msgspec.Struct, frozen=True):
    """What `update_memory` takes."""

    id: _ID
    memory: _MEMORY
    category: _CATEGORY | None = None


class Deletion(msgspec.Struct, frozen=True):
    """What `delete_memory` takes."""

    id: _ID


class Nothing(msgspec.Struct, frozen=True):
    """What `get_memories` takes."""


Handler = Callable[[Any, Memories], Awaitable[str]]


class MemoryTools:
    """Five tools over one store. A caller reaches their own memories alone: those of the key and
    the `user` of the request (runtime.md §1.3). What a run changes is kept when it ends well."""

    name = "memory"
    scope: Scope = "caller"
    status: Status = READY

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._changes: dict[str, Changes] = {}
        self._handlers: Mapping[str, tuple[Parameters[Any], Handler]] = {
            "add_memory": (Parameters(Addition), self._add),
            "get_memories": (Parameters(Nothing), self._all),
            "search_memories": (Parameters(Search), self._search),
            "update_memory": (Parameters(Change), self._update),
            "delete_memory": (Parameters(Deletion), self._delete),
        }
        self._tools = ToolList(
            [
                ToolSpec(
                    name,
                    _DESCRIPTIONS[name],
                    parameters.schema,
                    read_only=name in ("get_memories", "search_memories"),
                    title=name.replace("_", " ").capitalize(),
                    category="memory",
                    tidy=parameters.tidy,
                )
                for name, (parameters, _) in self._handlers.items()
            ],
            instructions=_INSTRUCTIONS,
        )

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        parameters, handler = self._handlers[name]
        return ToolResult(await handler(parameters.read(arguments), self._memories(context)))

    def _memories(self, context: CallContext) -> Memories:
        """The caller's memories as this run sees them. `owner` is this run's alone as long as it
        lasts; without one there is no end to wait for."""
        owner = context.owner
        if not owner:
            return Stored(self._store, context.caller)
        if owner not in self._changes:
            changes = self._changes[owner] = Changes(self._store, context.caller)

            async def ended(well: bool) -> None:
                self._changes.pop(owner, None)
                if well:
                    await changes.keep()

            context.at_end(ended)
        return self._changes[owner]

    async def _add(self, wanted: Addition, memories: Memories) -> str:
        added = await memories.add(wanted.memory, wanted.category or "")
        return f"Memory added successfully with ID: {added}"

    async def _all(self, wanted: Nothing, memories: Memories) -> str:
        return _listed(await memories.all())

    async def _search(self, wanted: Search, memories: Memories) -> str:
        words = (wanted.query or "").casefold().split()
        category = (wanted.category or "").casefold()
        return _listed(
            [
                found
                for found in await memories.all()
                if all(word in found.memory.casefold() for word in words)
                and (not category or found.category.casefold() == category)
            ]
        )

    async def _update(self, wanted: Change, memories: Memories) -> str:
        if not await memories.update(wanted.id, wanted.memory, wanted.category):
            raise _unknown(wanted.id)
        return f"Memory with ID {wanted.id} updated successfully"

    async def _delete(self, wanted: Deletion, memories: Memories) -> str:
        if not await memories.delete(wanted.id):
            raise _unknown(wanted.id)
        return f"Memory with ID {wanted.id} deleted successfully"


def _listed(memories: list[Memory]) -> str:
    return msgspec.json.encode(memories).decode()


def _unknown(id: str) -> ToolError:
    return ToolError(f"there is no memory with the ID {id}; get_memories lists those there are")
