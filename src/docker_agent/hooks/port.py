"""What a hook is: it looks at one moment of a run, and may add words to the prompt or stop what
was about to happen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal

import msgspec

HookEvent = Literal["session_start", "turn_start"]
"""The moments at which hooks run: once per run, and before each model call."""


class HookInput(msgspec.Struct, frozen=True):
    """What a hook is told."""

    event: HookEvent
    agent: str
    working_dir: str
    run: str


class Verdict(msgspec.Struct, frozen=True):
    """What a hook says: `context` is added to the prompt of this run or call; `block` stops it,
    with a reason."""

    context: str = ""
    block: str | None = None


NO_VERDICT = Verdict()

Hook = Callable[[HookInput], Awaitable[Verdict]]


class Hooks:
    """The hooks of one agent, by event."""

    __slots__ = ("_by_event",)

    def __init__(self, by_event: Mapping[HookEvent, Sequence[Hook]] | None = None) -> None:
        self._by_event = dict(by_event or {})

    def has(self, event: HookEvent) -> bool:
        """Whether anything would run; a caller need not build an input for nothing."""
        return bool(self._by_event.get(event))

    async def fire(self, event: HookEvent, given: HookInput) -> Verdict:
        """Run the hooks of `event` in order; their contexts are joined with one newline, the
        first block wins."""
        contexts: list[str] = []
        for hook in self._by_event.get(event, ()):
            verdict = await hook(given)
            if verdict.block is not None:
                return verdict
            if verdict.context:
                contexts.append(verdict.context)
        return Verdict("\n".join(contexts)) if contexts else NO_VERDICT


NO_HOOKS = Hooks()
