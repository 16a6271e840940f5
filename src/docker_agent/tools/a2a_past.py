"""Where conversations with agents elsewhere stand, kept with the turns of our own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from docker_agent.tools.a2a_wire import INPUT_REQUIRED, Answer, Going
from docker_agent.tools.port import Draft

MAX_WAITING = 16
"""Tasks of one agent that wait for an answer of ours; then the oldest is forgotten."""


class _Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """The context that was last spoken in, and the waiting tasks by the tool that asked."""

    context: str = ""
    waiting: Mapping[str, Going] = {}


class Past:
    """What one of our agents has said to one elsewhere, as seen by one tool. It is state of the
    turn: a turn that fails has said nothing."""

    def __init__(self, state: Draft, url: str, agent: str, tool: str) -> None:
        """`url` is where the agent is, `agent` the name of ours."""
        self._state = state
        self._key = f"a2a/{hashlib.sha256(url.encode()).hexdigest()[:16]}/{agent}"
        self._tool = tool

    @property
    def going(self) -> Going:
        """What the next message goes on with: a task that has asked back, else the context."""
        kept = self._kept()
        return kept.waiting.get(self._tool) or Going(kept.context)

    def keep(self, answer: Answer) -> None:
        """Go on from here. Calls beside this one may have kept something meanwhile."""
        kept = self._kept()
        waiting = {tool: going for tool, going in kept.waiting.items() if tool != self._tool}
        if answer.state == INPUT_REQUIRED and answer.task:
            waiting[self._tool] = Going(answer.context, answer.task)
        newest = dict([*waiting.items()][-MAX_WAITING:])
        self._put(_Kept(answer.context or kept.context, newest))

    def forget(self) -> bool:
        """Begin anew; false when there was nothing to go on with."""
        kept = self._kept()
        if self.going == Going():
            return False
        waiting = {tool: going for tool, going in kept.waiting.items() if tool != self._tool}
        self._put(_Kept(waiting=waiting))
        return True

    def _kept(self) -> _Kept:
        data = self._state.get(self._key)
        return msgspec.json.decode(data, type=_Kept) if data else _Kept()

    def _put(self, kept: _Kept) -> None:
        self._state.put(self._key, msgspec.json.encode(kept))
