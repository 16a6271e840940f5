"""The user_prompt toolset: nobody can be asked in the middle of a request, so the model is told to
ask in its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status

DECLINED = (
    '{"action":"decline"}\n'
    "Nobody can be asked while you work: ask the question in your reply and stop."
)


class Question(msgspec.Struct, frozen=True):
    """What `user_prompt` takes."""

    message: Annotated[str, msgspec.Meta(description="The question.")]
    title: Annotated[str | None, msgspec.Meta(description="A heading for it.")] = None
    schema: Annotated[
        Mapping[str, JSON] | None,
        msgspec.Meta(description="A JSON Schema of the answer that is hoped for."),
    ] = None


class UserPrompt:
    """One tool, `user_prompt`, which always declines."""

    scope: Scope = "run"
    name = "user_prompt"

    def __init__(self) -> None:
        parameters = Parameters(Question)
        spec = ToolSpec(
            "user_prompt",
            "Ask the user a question. In a chat the question belongs in your reply instead.",
            parameters.schema,
            read_only=True,
            title="User Prompt",
            category="user_prompt",
            tidy=parameters.tidy,
        )
        self._tools = ToolList(
            [spec],
            instructions="## User Prompt Tool\n\n"
            "When you need to know something from the user, ask it in your reply and stop.",
        )

    @property
    def status(self) -> Status:
        return READY

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        return ToolResult(DECLINED, is_error=True)
