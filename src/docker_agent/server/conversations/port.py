"""What a conversation store is: a lease on one conversation, and one `put` after a run
succeeded."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from docker_agent.messages import Conversation


class Key(msgspec.Struct, frozen=True):
    """Whose conversation: the caller's name or key digest (empty: no key), the entry agent, and
    the client's id."""

    caller: str
    agent: str
    id: str


class Lease(Protocol):
    """The right to continue one conversation, held by one request at a time."""

    @property
    def conversation(self) -> Conversation | None:
        """The conversation as it stood when the lease began; None for a new one."""
        ...

    async def put(self, conversation: Conversation) -> None:
        """Replace it. Raises `RequestError` of kind `conversation_busy` when the lease was lost
        meanwhile; nothing is kept then."""
        ...


class Conversations(Protocol):
    """A store of conversations, bounded in number and by idle time."""

    def lease(self, key: Key) -> AbstractAsyncContextManager[Lease]:
        """Take the conversation of `key`. Raises `RequestError` of kind `conversation_busy` at
        once while another holds it."""
        ...

    async def holds(self, key: Key) -> bool:
        """Whether the conversation of `key` is kept now, or a request is at work on it; true when
        the store cannot tell."""
        ...

    async def count(self) -> int:
        """How many are kept now; -1 when the store cannot tell."""
        ...
