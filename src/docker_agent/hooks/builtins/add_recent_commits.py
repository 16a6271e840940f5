"""Tells the model the titles of the newest commits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from docker_agent.errors import ConfigError
from docker_agent.hooks.git import told_by_git
from docker_agent.hooks.port import Hook, HookInput, Verdict

DEFAULT_COMMITS = 10
"""How many, when the agent file does not say (runtime.md §12.6)."""


def add_recent_commits(
    args: Sequence[str], working_dir: Path, environ: Mapping[str, str], slots: asyncio.Semaphore
) -> Hook:
    """A hook with one line for each of the newest commits; the argument says how many.

    Raises `ConfigError` when that is no number above 0. Source: runtime.md §12.6.
    """
    count = args[0] if args else str(DEFAULT_COMMITS)
    if len(args) > 1 or not count.isdecimal() or int(count) < 1:
        raise ConfigError("add_recent_commits takes one number above 0, or nothing")

    async def tell_commits(given: HookInput) -> Verdict:
        words = ("log", f"--max-count={int(count)}", "--oneline", "--no-decorate", "--no-color")
        return await told_by_git("Recent commits:", words, working_dir, environ, slots)

    return tell_commits
