"""Builtin hooks by name: one row each, with the events each is for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from docker_agent.config.expand import Lookup
from docker_agent.hooks.builtins.add_date import add_date
from docker_agent.hooks.builtins.add_directory_listing import add_directory_listing
from docker_agent.hooks.builtins.add_environment_info import add_environment_info
from docker_agent.hooks.builtins.add_git_diff import add_git_diff
from docker_agent.hooks.builtins.add_git_status import add_git_status
from docker_agent.hooks.builtins.add_prompt_files import add_prompt_files
from docker_agent.hooks.builtins.add_recent_commits import add_recent_commits
from docker_agent.hooks.builtins.http_post import Post, http_post
from docker_agent.hooks.builtins.max_iterations import max_iterations
from docker_agent.hooks.builtins.safer_shell import Classify, safer_shell
from docker_agent.hooks.model import AskModel
from docker_agent.hooks.port import Hook, HookEvent


class Opening(msgspec.Struct, frozen=True):
    """What hooks may use: where they work, the whole environment of their processes (without
    secrets), how many of those run at once, and variables for the `env` of a hook.

    Lent by other rooms: `classify` labels shell commands, `post` sends to the web, `models` answer
    by the names that hooks give them.
    """

    working_dir: Path
    environ: Mapping[str, str]
    slots: asyncio.Semaphore
    env: Lookup
    classify: Classify
    post: Post
    models: Mapping[str, AskModel] = {}


class Builtin(msgspec.Struct, frozen=True):
    """A row: the events it may stand under (none named: every one), what it does in a sentence, and
    how it is made from its `args`, which raises `ConfigError` for those it cannot take.

    `quick` ones need no bound on their time.
    """

    events: tuple[HookEvent, ...]
    does: str
    make: Callable[[Opening, tuple[str, ...]], Hook]
    quick: bool = False


_PROMPT: tuple[HookEvent, ...] = ("session_start", "turn_start")

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
    "add_git_status": Builtin(
        _PROMPT,
        "adds `git status`, at most 4096 bytes of it",
        lambda opening, args: add_git_status(opening.working_dir, opening.environ, opening.slots),
    ),
    "add_git_diff": Builtin(
        _PROMPT,
        "adds how much changed in which file since the last commit; every line with the argument "
        "`full`, at most 4096 bytes",
        lambda opening, args: add_git_diff(
            args, opening.working_dir, opening.environ, opening.slots
        ),
    ),
    "add_recent_commits": Builtin(
        _PROMPT,
        "adds the titles of the newest commits; the argument says how many (10)",
        lambda opening, args: add_recent_commits(
            args, opening.working_dir, opening.environ, opening.slots
        ),
    ),
    "add_directory_listing": Builtin(
        _PROMPT,
        "adds the names in the working directory, at most 100",
        lambda opening, args: add_directory_listing(opening.working_dir),
    ),
    "max_iterations": Builtin(
        ("before_llm_call",),
        "stops the run when the model was asked as often as its argument says",
        lambda opening, args: max_iterations(args),
        quick=True,
    ),
    "safer_shell": Builtin(
        ("pre_tool_use",),
        "refuses shell commands that look destructive; with the argument `strict` also what it "
        "does not know, with `unsafe` none. Without one the safety mode decides",
        lambda opening, args: safer_shell(args, opening.classify),
        quick=True,
    ),
    "http_post": Builtin(
        (),
        "sends what it is told to the address in its first argument, or the template in its "
        "second; private addresses are refused",
        lambda opening, args: http_post(args, opening.post),
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
