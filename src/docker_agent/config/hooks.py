"""What an agent file declares about hooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from docker_agent.config.marks import ONE_OR_MANY
from docker_agent.config.tree import Placed


class Hook(Placed, frozen=True, kw_only=True):
    """One hook; `timeout` in seconds, 0 or less means the default of 60."""

    type: Literal["command", "builtin", "model"]
    name: str = ""
    command: str = ""
    args: tuple[str, ...] = ()
    timeout: int = 0
    env: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    working_dir: str = ""
    on_error: Literal["", "warn", "ignore", "block"] = ""
    model: str = ""
    prompt: str = ""
    schema: str = ""


class Matcher(Placed, frozen=True, kw_only=True):
    """Hooks for the tools whose whole name fits `matcher`; empty or `*` fits all."""

    matcher: str = ""
    hooks: Annotated[tuple[Hook, ...], ONE_OR_MANY] = ()
    preempt_yolo: bool = False


MatcherList = Annotated[tuple[Matcher, ...], ONE_OR_MANY]
HookList = Annotated[tuple[Hook, ...], ONE_OR_MANY]


class Hooks(Placed, frozen=True, kw_only=True):
    """An agent's hooks by event."""

    pre_tool_use: MatcherList = ()
    post_tool_use: MatcherList = ()
    permission_request: MatcherList = ()
    tool_response_transform: MatcherList = ()
    session_start: HookList = ()
    user_prompt_submit: HookList = ()
    user_steering_messages_submit: HookList = ()
    user_followup_submit: HookList = ()
    turn_start: HookList = ()
    turn_end: HookList = ()
    before_llm_call: HookList = ()
    after_llm_call: HookList = ()
    session_end: HookList = ()
    pre_compact: HookList = ()
    subagent_stop: HookList = ()
    on_user_input: HookList = ()
    stop: HookList = ()
    notification: HookList = ()
    on_error: HookList = ()
    on_max_iterations: HookList = ()
    on_agent_switch: HookList = ()
    on_session_resume: HookList = ()
    on_tool_approval_decision: HookList = ()
    before_compaction: HookList = ()
    after_compaction: HookList = ()
    worktree_create: HookList = ()

    def every(self) -> Iterator[Hook]:
        """All hooks of all events."""
        for event in self.__struct_fields__:
            for entry in getattr(self, event) if event != "source" else ():
                if isinstance(entry, Matcher):
                    yield from entry.hooks
                elif isinstance(entry, Hook):
                    yield entry
