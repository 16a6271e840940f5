"""Tells the model which files changed since the last commit, and on which branch it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from docker_agent.hooks.git import told_by_git
from docker_agent.hooks.port import Hook, HookInput, Verdict


def add_git_status(working_dir: Path, environ: Mapping[str, str], slots: asyncio.Semaphore) -> Hook:
    """A hook with `git status`, at most 4096 bytes of it. Source: runtime.md §12.6."""

    async def tell_status(given: HookInput) -> Verdict:
        words = ("status", "--short", "--branch", "--ignore-submodules=all")
        return await told_by_git("Git status:", words, working_dir, environ, slots)

    return tell_status
