"""Tells the model where it works: directory, git or not, system and processor."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread

from docker_agent.hooks.port import Hook, HookInput, Verdict

_SYSTEMS = {"Darwin": "MacOS"}
_PROCESSORS = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}


def add_environment_info(
    working_dir: Path,
    *,
    system: Callable[[], str] = platform.system,
    machine: Callable[[], str] = platform.machine,
) -> Hook:
    """A `session_start` hook: a block with the working directory, whether it lies in a git
    repository, the operating system and the processor.

    Source: agent-file.md §2.3, `add_environment_info`.
    """

    async def tell_environment(given: HookInput) -> Verdict:
        git = await anyio.to_thread.run_sync(in_repository, working_dir, abandon_on_cancel=True)
        processor = machine().lower()
        return Verdict(
            "Your environment:\n"
            f"- Working directory: {working_dir}\n"
            f"- Git repository: {'yes' if git else 'no'}\n"
            f"- Operating system: {_SYSTEMS.get(system(), system())}\n"
            f"- CPU: {_PROCESSORS.get(processor, processor)}"
        )

    return tell_environment


def in_repository(directory: Path) -> bool:
    """Whether the directory or one above it holds `.git`."""
    return any(os.path.lexists(place / ".git") for place in (directory, *directory.parents))
