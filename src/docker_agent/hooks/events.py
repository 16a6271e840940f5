"""The events of agent files: when each comes in a server, and what hooks can do there."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from docker_agent.hooks.port import HookEvent


class EventRow(msgspec.Struct, frozen=True):
    """When an event comes, and what its hooks can do; `never` comes in no server."""

    when: str
    can: str = ""
    never: bool = False


_WORDS = "add words to the prompt of the run"
_NEVER = EventRow("never in a server", never=True)

EVENTS: Mapping[HookEvent, EventRow] = {
    "session_start": EventRow("an agent begins in a run", f"{_WORDS}, stop the run"),
    "user_prompt_submit": EventRow("the user has said something", f"{_WORDS}, stop the run"),
    "turn_start": EventRow(
        "before each model call", "add words to the prompt of the call, stop the run"
    ),
    "before_llm_call": EventRow(
        "the messages of a model call are complete", "replace them, stop the run"
    ),
    "after_llm_call": EventRow("a model has answered"),
    "pre_tool_use": EventRow(
        "before a tool call, after the `deny` rules", "refuse, allow or change the call"
    ),
    "permission_request": EventRow(
        "the safety mode would ask about a call", "allow or refuse the call"
    ),
    "on_tool_approval_decision": EventRow("it is decided whether a call runs"),
    "tool_response_transform": EventRow(
        "a tool has answered, before anyone sees it", "rewrite or withhold the result"
    ),
    "post_tool_use": EventRow(
        "the result is known", "add words to the next prompt, stop the run and its other calls"
    ),
    "turn_end": EventRow(
        "a turn is over, with a `reason`: `normal`, `continue`, `force_handoff`, `error`, "
        "`canceled`, `hook_blocked` or `loop_detected`"
    ),
    "stop": EventRow("an agent asks for nothing more"),
    "on_agent_switch": EventRow(
        "another agent goes on, begins a task or is done with it: `handoff`, `force_handoff`, "
        "`transfer_task`, `transfer_task_return`"
    ),
    "subagent_stop": EventRow("a sub-agent is done; told to the agent that asked it"),
    "pre_compact": EventRow(
        "history is about to become a summary", "add words for whoever writes it, stop it"
    ),
    "before_compaction": EventRow(
        "the same, right after", "leave the history as it is, or give the summary"
    ),
    "after_compaction": EventRow("history has become a summary"),
    "on_max_iterations": EventRow("an agent may not ask its model again in this run"),
    "on_user_input": EventRow(
        "a run waits for its user, with a `reason`: `answered`, `client_tools` or `max_iterations`"
    ),
    "on_error": EventRow("a run has failed"),
    "notification": EventRow("a run has failed, or met its limit"),
    "session_end": EventRow(
        "the run is over, with a `reason`: `stream_ended`, `error` or `canceled`"
    ),
    "user_steering_messages_submit": _NEVER,
    "user_followup_submit": _NEVER,
    "on_session_resume": _NEVER,
    "worktree_create": _NEVER,
}
