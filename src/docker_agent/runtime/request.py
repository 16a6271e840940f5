"""What goes into a run and what comes out: plain values, whoever asks."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from docker_agent.errors import Failure
from docker_agent.messages import (
    AUTO,
    EMPTY_CONVERSATION,
    NO_SAMPLING,
    NO_TOOLS,
    NO_USAGE,
    Conversation,
    Finish,
    Format,
    Message,
    Sampling,
    ToolCall,
    ToolChoice,
    ToolList,
    Usage,
)
from docker_agent.permissions import SafetyMode

MAX_TURNS = 100
"""Model calls in one run over all agents, unless the request says otherwise (`--max-turns`)."""


class Overrides(msgspec.Struct, frozen=True):
    """What a client asked of the entry agent's model calls; `choice` holds for the first of them
    only."""

    sampling: Sampling = NO_SAMPLING
    format: Format | None = None
    choice: ToolChoice = AUTO


NO_OVERRIDES = Overrides()


class RunRequest(msgspec.Struct, frozen=True):
    """One run.

    `new` follows what `conversation` holds: a stateless client's whole history, or new user input,
    or the tool messages a paused turn waits for. `caller` is the name behind the key and the
    request's user, `headers` those the agent file names. `deadline` is in the event loop's time.
    `tools_off` gives
    no agent any tool. `keep` asks for digests, because the conversation will be stored. `whole`
    says that the client hears nothing before the outcome, so the last answer may still be mended.
    """

    id: str
    entry: str
    new: tuple[Message, ...]
    conversation: Conversation = EMPTY_CONVERSATION
    conversation_id: str | None = None
    caller: str = ""
    overrides: Overrides = NO_OVERRIDES
    client_tools: ToolList = NO_TOOLS
    tools_off: bool = False
    safety: SafetyMode = "autonomous"
    headers: Mapping[str, str] = {}
    deadline: float | None = None
    max_turns: int = MAX_TURNS
    keep: bool = False
    whole: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """What a run came to.

    `conversation` is the old one and this turn, or the old one unchanged after a failure. `text` is
    all depth-0 text of the run, a blank line between turns. `pending` calls are the client's to
    answer. `acted` says that a tool has run, so the request must not be sent again blindly.
    `failure` is None when the run ended well.
    """

    conversation: Conversation
    text: str
    finish: Finish
    usage: Usage = NO_USAGE
    active: str = ""
    reasoning: str = ""
    pending: tuple[ToolCall, ...] = ()
    acted: bool = False
    failure: Failure | None = None
