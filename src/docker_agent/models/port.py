"""What a model is to the rest of the house: one call in, deltas on the way, one whole reply out."""

from __future__ import annotations

from typing import Protocol

import msgspec

from docker_agent.events import EmitDeltas
from docker_agent.messages import (
    AUTO,
    NO_SAMPLING,
    NO_TOOLS,
    NO_USAGE,
    AssistantMessage,
    Finish,
    Format,
    Message,
    Sampling,
    ToolChoice,
    ToolList,
    Usage,
)


class ModelCard(msgspec.Struct, frozen=True):
    """What is known of a model. `context` and `output` are tokens, 0 when unknown; prices are
    dollars per million tokens.

    `image` and `document` say what its input may hold beside text; None: not known, the provider
    decides. `price_cached` and `price_cache_write` are of prompts read from and written to the
    provider's cache.
    """

    name: str
    provider: str
    context: int = 0
    output: int = 0
    image: bool | None = None
    document: bool | None = None
    price_in: float | None = None
    price_out: float | None = None
    price_cached: float | None = None
    price_cache_write: float | None = None


class Ask(msgspec.Struct, frozen=True):
    """One question to a model. `messages` are whole, in order, system messages first.

    `deadline` is in the event loop's time (`loop.time()`): nobody waits for a retry past it.
    `session` tells conversations apart.
    """

    messages: tuple[Message, ...]
    tools: ToolList = NO_TOOLS
    choice: ToolChoice = AUTO
    sampling: Sampling = NO_SAMPLING
    format: Format | None = None
    deadline: float | None = None
    session: str = ""


class Reply(msgspec.Struct, frozen=True):
    """A whole answer: what the deltas added up to, why it ended, what it cost, and which model
    really spoke."""

    message: AssistantMessage
    finish: Finish = "stop"
    usage: Usage = NO_USAGE
    model: str = ""


class Model(Protocol):
    """Anything that answers: a provider's model, or one made of others (fallback, alloy,
    routing)."""

    @property
    def card(self) -> ModelCard:
        """What is known of it."""
        ...

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        """Ask for the next assistant message.

        Emits what one read of the provider's socket brought as one tuple of deltas, in order, then
        returns the whole reply. Raises `ModelError`; its `kind`, `transient` and `emitted` say
        whether the call may be tried again. Cancellation closes the provider's connection before it
        propagates.
        """
        ...
