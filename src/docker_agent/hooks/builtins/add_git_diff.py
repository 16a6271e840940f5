"""Tells the model what changed since the last commit: which files how much, or every line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from docker_agent.errors import ConfigError
from docker_agent.hooks.git import told_by_git
from docker_agent.hooks.port import Hook, HookInput, Verdict


def add_git_diff(
    args: Sequence[str], working_dir: Path, environ: Mapping[str, str], slots: asyncio.Semaphore
) -> Hook:
    """A hook with `git diff`, at most 4096 bytes of it; the argument `full` shows lines.

    Raises `ConfigError` for any other argument. Source: runtime.md §12.6.
    """
    if tuple(args) not in ((), ("full",)):
        raise ConfigError("add_git_diff takes the argument 'full' or none")
    shape = () if args else ("--stat",)

    async def tell_diff(given: HookInput) -> Verdict:
        words = ("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color", *shape)
        safe = (*words, "--ignore-submodules=all")
        return await told_by_git("Git diff:", safe, working_dir, environ, slots)

    return tell_diff
