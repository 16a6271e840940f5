"""What a runtime gives a toolset, for tests that call one by hand."""

from __future__ import annotations

from collections.abc import Coroutine
from math import inf

from docker_agent.tools.port import Around, CallContext, Draft


async def _unheard(text: str) -> None:
    """Nobody watches the progress."""


def _refuse(work: Coroutine[object, object, None]) -> None:
    work.close()
    raise AssertionError("this tool starts nothing in the background")


def context(state: Draft | None = None, *, agent: str = "root", run: str = "run") -> CallContext:
    """The surroundings of one call."""
    return CallContext(
        run=run,
        agent=agent,
        caller="",
        conversation_id=None,
        headers={},
        state=Draft() if state is None else state,
        call_id="call_1",
        progress=_unheard,
        remaining=lambda: inf,
        spawn=_refuse,
    )


def around(agent: str = "root") -> Around:
    """The surroundings of one listing."""
    return Around(agent, "", None, {}, Draft())
