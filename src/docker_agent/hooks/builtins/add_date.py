"""Tells the model today's date before each of its calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from docker_agent.hooks.port import Hook, HookInput, Verdict


def add_date(now: Callable[[], datetime] = datetime.now) -> Hook:
    """A `turn_start` hook: one line with the date in local time, `YYYY-MM-DD`.

    Source: agent-file.md §2.3, `add_date`.
    """

    async def tell_date(given: HookInput) -> Verdict:
        return Verdict(f"Today's date: {now():%Y-%m-%d}")

    return tell_date
