"""Builtin hooks by name: one row each, with the event each listens to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from docker_agent.hooks.builtins.add_date import add_date
from docker_agent.hooks.builtins.add_environment_info import add_environment_info
from docker_agent.hooks.builtins.add_prompt_files import add_prompt_files
from docker_agent.hooks.port import Hook, HookEvent

BUILTINS: Mapping[str, tuple[HookEvent, Callable[[Path, tuple[str, ...]], Hook]]] = {
    "add_date": ("turn_start", lambda working_dir, names: add_date()),
    "add_environment_info": (
        "session_start",
        lambda working_dir, names: add_environment_info(working_dir),
    ),
    "add_prompt_files": (
        "turn_start",
        lambda working_dir, names: add_prompt_files(names, working_dir),
    ),
}
"""Each is made from the working directory and the arguments the agent file gives it."""
