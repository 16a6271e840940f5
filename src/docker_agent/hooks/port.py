"""What a hook is: it looks at one moment of a run, and may add words, rewrite, decide or stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, Protocol

import msgspec

from docker_agent.hooks.large import shortened
from docker_agent.hooks.redaction import NO_REDACTION, Redaction
from docker_agent.messages import JSON, NO_USAGE, Message, Usage

HookEvent = Literal[
    "session_start",
    "user_prompt_submit",
    "turn_start",
    "before_llm_call",
    "after_llm_call",
    "pre_tool_use",
    "permission_request",
    "on_tool_approval_decision",
    "tool_response_transform",
    "post_tool_use",
    "turn_end",
    "stop",
    "on_agent_switch",
    "subagent_stop",
    "pre_compact",
    "before_compaction",
    "after_compaction",
    "on_max_iterations",
    "on_user_input",
    "on_error",
    "notification",
    "session_end",
    "user_steering_messages_submit",
    "user_followup_submit",
    "on_session_resume",
    "worktree_create",
]
"""The moments that agent files may name; the last four never come in a server."""

Permission = Literal["allow", "ask", "deny"]


class HookInput(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a hook is told; its JSON has the names of runtime.md §12.3 and leaves out what is empty.

    `run` is the request's id, `session` the conversation's or else the run's own, `user` the
    request's `user`. `tool_input` is None when the model's arguments could not be read.
    """

    event: HookEvent = msgspec.field(name="hook_event_name")
    agent: str = msgspec.field(name="agent_name")
    working_dir: str = msgspec.field(name="cwd")
    run: str = msgspec.field(name="request_id")
    session: str = msgspec.field(name="session_id", default="")
    parent_session: str = msgspec.field(name="parent_session_id", default="")
    conversation: str = msgspec.field(name="conversation_id", default="")
    user: str = ""
    model: str = msgspec.field(name="model_id", default="")
    safety_policy: str = ""
    iteration: int = 0
    last_user_message: str = ""
    tool_category: str = ""
    tool_name: str = ""
    tool_use_id: str = ""
    tool_input: Mapping[str, JSON] | None = None
    tool_response: str = ""
    tool_error: bool = False
    messages: tuple[Message, ...] = ()
    source: str = ""
    reason: str = ""
    prompt: str = ""
    stop_response: str = ""
    notification_level: str = ""
    notification_message: str = ""
    from_agent: str = ""
    to_agent: str = ""
    agent_switch_kind: str = ""
    from_agent_models: tuple[str, ...] = ()
    previous_max_iterations: int = 0
    new_max_iterations: int = 0
    approval_decision: str = ""
    approval_source: str = ""
    usage: Usage | None = None
    cost: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    context_limit: int = 0
    compaction_reason: str = ""
    summary: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """What a hook says, or the hooks of one event together.

    `context` is added to the prompt; `block` stops what was about to happen, with a reason.
    `decision` and `reason` speak of one tool call, `arguments` are merged into it. `messages`,
    `response` and `summary` replace what the event is about. `message` is for the log, `usage` what
    a hook that asked a model has spent.
    """

    context: str = ""
    block: str | None = None
    decision: Permission | None = None
    reason: str = ""
    arguments: Mapping[str, JSON] | None = None
    messages: tuple[Message, ...] | None = None
    response: str | None = None
    summary: str = ""
    metadata: Mapping[str, JSON] | None = None
    message: str = ""
    usage: Usage = NO_USAGE

    @property
    def refusal(self) -> str | None:
        """Why a call must not run; None when nobody objects. `ask` objects, since nobody can be
        asked."""
        if self.block is not None:
            return self.block
        match self.decision:
            case "deny":
                return self.reason or "no reason was given"
            case "ask":
                return self.reason or "it wants a confirmation, and nobody can be asked here"
            case _:
                return None


NO_VERDICT = Verdict()

Hook = Callable[[HookInput], Awaitable[Verdict]]


class HookFailed(Exception):
    """A hook could not do its work: the text says how. `quiet` when it said so itself with an exit
    status that means nothing here; `usage` is what a model was paid for it."""

    def __init__(self, problem: str, *, quiet: bool = False, usage: Usage = NO_USAGE) -> None:
        super().__init__(problem)
        self.quiet = quiet
        self.usage = usage


class Hooks(Protocol):
    """The hooks of one agent."""

    @property
    def redaction(self) -> Redaction:
        """What keeps secrets from models, tools and readers of results."""
        ...

    def has(self, event: HookEvent, tool: str = "") -> bool:
        """Whether anything would run; cheap, so that nobody builds an input for nothing."""
        ...

    async def fire(self, event: HookEvent, given: HookInput) -> Verdict:
        """Run the hooks of `event` and return what they say together. Raises only cancellation:
        what fails is a verdict, or a line in the log."""
        ...


class _NoHooks:
    redaction = NO_REDACTION

    def has(self, event: HookEvent, tool: str = "") -> bool:
        return False

    async def fire(self, event: HookEvent, given: HookInput) -> Verdict:
        return NO_VERDICT


NO_HOOKS: Hooks = _NoHooks()


class Results(Protocol):
    """What becomes of tool results that are too large for a model. An owner is a conversation, or a
    run that belongs to none."""

    def directory(self, owner: str) -> str:
        """Where the owner's results lie as files; empty when they never do."""
        ...

    async def fit(self, owner: str, text: str, reader: str) -> str:
        """The result as a model may be shown it; `reader` is the tool with which it can read files,
        empty when it has none."""
        ...

    async def touch(self, owner: str) -> None:
        """The owner goes on."""
        ...

    async def forget(self, owner: str) -> None:
        """The owner is over."""
        ...


class _CutResults:
    """Nothing is kept: head and end of a result are all there is."""

    def directory(self, owner: str) -> str:
        return ""

    async def fit(self, owner: str, text: str, reader: str) -> str:
        return shortened(text)

    async def touch(self, owner: str) -> None:
        return None

    async def forget(self, owner: str) -> None:
        return None


CUT_RESULTS: Results = _CutResults()
