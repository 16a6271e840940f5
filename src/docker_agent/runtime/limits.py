"""When a run has gone on long enough: pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from docker_agent.messages import UNREADABLE, ToolCall

POLLING_TOOLS = frozenset(
    {"view_background_agent", "list_background_agents", "view_background_job"}
)
"""Tools a model may call again and again while it waits (runtime.md §3.6)."""


def stop_notice(limit: int) -> str:
    """What an agent says at its iteration limit. Source: runtime.md §3.5, exact."""
    return f"Execution stopped after reaching the configured max_iterations limit ({limit})."


def turns_notice(limit: int) -> str:
    """What an agent says when the run's `--max-turns` are spent."""
    return f"Execution stopped after reaching the limit of {limit} model calls in one request."


class Repeats:
    """Counts identical batches of tool calls in a row; a limit of 0 is none."""

    __slots__ = ("_count", "_last", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._last = ""
        self._count = 0

    def see(self, calls: Sequence[ToolCall]) -> str | None:
        """Take note of one batch; returns the message that ends the run, or None to go on."""
        if all(call.name in POLLING_TOOLS for call in calls):
            return None
        signature = _signature(calls)
        self._count = self._count + 1 if signature == self._last else 1
        self._last = signature
        if not self._limit or self._count < self._limit:
            return None
        name = calls[0].name
        return f"Agent terminated: detected {self._count} consecutive identical calls to {name}."


def _signature(calls: Sequence[ToolCall]) -> str:
    return "\0".join(f"{call.name}\0{_sorted_json(call.arguments)}" for call in calls)


def _sorted_json(text: str) -> str:
    try:
        return msgspec.json.encode(msgspec.json.decode(text), order="sorted").decode()
    except UNREADABLE:
        return text
