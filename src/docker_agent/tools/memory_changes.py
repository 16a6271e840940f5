"""What one run changes in its caller's memories: seen by that run at once, kept when it ends well,
and forgotten with it otherwise. Source: DESIGN.md §1, a failed turn advances no state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from docker_agent.tools.memory_store import Memory, MemoryStore


class Memories(Protocol):
    """The memories of one caller."""

    async def all(self) -> list[Memory]:
        """All there are, oldest first."""
        ...

    async def add(self, memory: str, category: str) -> str:
        """Add one; its id."""
        ...

    async def update(self, id: str, memory: str, category: str | None) -> bool:
        """Put other words in its place; without a category it keeps its own. False: unknown."""
        ...

    async def delete(self, id: str) -> bool:
        """Forget one. False: unknown."""
        ...


class Stored:
    """Memories that change at once: nobody waits for the end of a run."""

    def __init__(self, store: MemoryStore, scope: str) -> None:
        self._store = store
        self._scope = scope

    async def all(self) -> list[Memory]:
        return await self._store.all(self._scope)

    async def add(self, memory: str, category: str) -> str:
        return await self._store.add(self._scope, memory, category)

    async def update(self, id: str, memory: str, category: str | None) -> bool:
        return await self._store.update(self._scope, id, memory, category)

    async def delete(self, id: str) -> bool:
        return await self._store.delete(self._scope, id)


class Changes:
    """Memories as one run sees them: those that are stored, with what it has changed so far."""

    def __init__(self, store: MemoryStore, scope: str) -> None:
        self._store = store
        self._scope = scope
        self._added: dict[str, Memory] = {}
        self._changed: dict[str, tuple[str, str | None]] = {}
        self._deleted: set[str] = set()

    async def all(self) -> list[Memory]:
        stored = [self._seen(one) for one in await self._store.all(self._scope)]
        return [one for one in stored if one.id not in self._deleted] + [*self._added.values()]

    async def add(self, memory: str, category: str) -> str:
        new = self._store.new(memory, category)
        while new.id in self._added:
            new = msgspec.structs.replace(new, id=str(int(new.id) + 1))
        self._added[new.id] = new
        return new.id

    async def update(self, id: str, memory: str, category: str | None) -> bool:
        if id in self._added:
            old = self._added[id]
            kept = old.category if category is None else category
            self._added[id] = msgspec.structs.replace(old, memory=memory, category=kept)
        elif not await self._has(id):
            return False
        else:
            earlier = self._changed.get(id, ("", None))[1]
            self._changed[id] = memory, earlier if category is None else category
        return True

    async def delete(self, id: str) -> bool:
        if id in self._added:
            del self._added[id]
        elif not await self._has(id):
            return False
        else:
            self._deleted.add(id)
        return True

    async def keep(self) -> None:
        """Store all of it. Raises `ToolError` when the database cannot be used."""
        for id in self._deleted:
            await self._store.delete(self._scope, id)
        for id, (memory, category) in self._changed.items():
            if id not in self._deleted:
                await self._store.update(self._scope, id, memory, category)
        for one in self._added.values():
            await self._store.put(self._scope, one)

    def _seen(self, one: Memory) -> Memory:
        if one.id not in self._changed:
            return one
        memory, category = self._changed[one.id]
        kept = one.category if category is None else category
        return msgspec.structs.replace(one, memory=memory, category=kept)

    async def _has(self, id: str) -> bool:
        return id not in self._deleted and any(
            one.id == id for one in await self._store.all(self._scope)
        )
