"""What git says of the working directory, for the prompt: little, and without running anything
that a repository brings along."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from docker_agent.hooks.command import finished
from docker_agent.hooks.port import NO_VERDICT, HookFailed, Verdict

MAX_OUTPUT = 4096
"""Bytes of git's output that a prompt gets (runtime.md §5.7)."""

CUT = "\n[… cut]"

_QUIET = (
    "git",
    "--no-pager",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "diff.external=",
)


async def told_by_git(
    title: str,
    words: tuple[str, ...],
    directory: Path,
    environ: Mapping[str, str],
    slots: asyncio.Semaphore,
) -> Verdict:
    """`git words` under a title; nothing outside a repository, or without git."""
    quiet = {**environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        async with slots:
            ended = await finished((*_QUIET, *words), directory, quiet)
    except HookFailed:
        return NO_VERDICT
    text = ended.output.rstrip()
    if ended.status or not text:
        return NO_VERDICT
    data = text.encode()
    if len(data) > MAX_OUTPUT:
        text = data[:MAX_OUTPUT].decode("utf-8", "ignore") + CUT
    return Verdict(f"{title}\n{text}")
