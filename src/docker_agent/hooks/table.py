"""Builtin hooks by name: one row each, with the events each is for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from docker_agent.config.expand import Lookup
from docker_agent.hooks.builtins.add_date import add_date
from docker_agent.hooks.builtins.add_environment_info import add_environment_info
from docker_agent.hooks.builtins.add_prompt_files import add_prompt_files
from docker_agent.hooks.port import Hook, HookEvent


class Opening(msgspec.Struct, frozen=True):
    """What hooks may use: where they work, the whole environment of their processes (without
    secrets), how many of those run at once, and variables for the `env` of a hook."""

    working_dir: Path
    environ: Mapping[str, str]
    slots: asyncio.Semaphore
    env: Lookup


class Builtin(msgspec.Struct, frozen=True):
    """A row: the events it may stand under (none named: every one), what it does in a sentence, and
    how it is made from its `args`, which raises `ConfigError` for those it cannot take.

    `quick` ones need no bound on their time.
    """

    events: tuple[HookEvent, ...]
    does: str
    make: Callable[[Opening, tuple[str, ...]], Hook]
    quick: bool = False


BUILTINS: Mapping[str, Builtin] = {
    "add_date": Builtin(
        ("turn_start",),
        "tells the model today's date",
        lambda opening, args: add_date(),
        quick=True,
    ),
    "add_environment_info": Builtin(
        ("session_start",),
        "tells the model its working directory, whether that is a git repository, the operating "
        "system and the processor",
        lambda opening, args: add_environment_info(opening.working_dir),
    ),
    "add_prompt_files": Builtin(
        ("turn_start",),
        "adds files such as AGENTS.md, which `args` names, to the prompt",
        lambda opening, args: add_prompt_files(args, opening.working_dir),
    ),
}
"""Hooks that run like any other."""

REDACTING: Mapping[HookEvent, str] = {
    "pre_tool_use": "arguments",
    "before_llm_call": "messages",
    "tool_response_transform": "results",
}
"""Where `redact_secrets` may stand, and what it keeps free of secrets there. It runs before all
other hooks, wherever a file names it."""
