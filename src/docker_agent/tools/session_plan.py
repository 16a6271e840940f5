"""The session_plan toolset: one plan for a conversation, kept with its turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status

MAX_LENGTH = 50_000
"""Characters of a plan: it is kept with every turn of the conversation."""

READY_TO_SHOW = (
    "The plan is ready for review. Show it in your reply, ask whether you shall go on, and stop: "
    "the user answers with the next message."
)

_INSTRUCTIONS = """\
## Session Plan Tools

Before larger work, agree on a plan with the user:
- `write_session_plan` keeps the whole plan of this conversation, in the place of the one before,
- `read_session_plan` shows it again,
- `exit_plan_mode` when it is complete: then show it, ask, and wait for the answer."""

_KEY = "session_plan"


class Plan(msgspec.Struct, frozen=True):
    """What `write_session_plan` takes."""

    content: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=MAX_LENGTH, description="The whole plan, as Markdown."
        ),
    ]


class Nothing(msgspec.Struct, frozen=True):
    """What the other two take."""


_ROWS: Mapping[str, tuple[str, str, Parameters[Any]]] = {
    "write_session_plan": (
        "Write Session Plan",
        "Keep a plan for this conversation, in the place of the one before.",
        Parameters(Plan),
    ),
    "read_session_plan": ("Read Session Plan", "Show this plan.", Parameters(Nothing)),
    "exit_plan_mode": (
        "Exit Plan Mode",
        "Say that the plan is complete and waits for the user's word.",
        Parameters(Nothing),
    ),
}


class SessionPlan:
    """Three tools. The plan is that of a conversation, whichever of its agents wrote it; it is
    state of the turn, so a turn that fails has written none."""

    name = "session_plan"
    scope: Scope = "conversation"
    status: Status = READY

    def __init__(self) -> None:
        specs = [
            ToolSpec(
                name,
                description,
                parameters.schema,
                read_only=name != "write_session_plan",
                harmless=True,
                title=title,
                category="session_plan",
                tidy=parameters.tidy,
            )
            for name, (title, description, parameters) in _ROWS.items()
        ]
        self._tools = ToolList(specs, instructions=_INSTRUCTIONS)

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        wanted = _ROWS[name][2].read(arguments)
        if isinstance(wanted, Plan):
            if not wanted.content.strip():
                raise ToolError("argument `content` is empty; write the whole plan")
            context.state.put(_KEY, wanted.content.encode("utf-8", "replace"))
            return ToolResult(f"Plan written ({len(wanted.content)} characters).")
        plan = context.state.get(_KEY)
        if plan is None:
            raise ToolError("there is no plan yet; write one with write_session_plan")
        return ToolResult(plan.decode() if name == "read_session_plan" else READY_TO_SHOW)
