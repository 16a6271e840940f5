"""The think toolset: a scratch pad that shows a model its thoughts so far."""

from __future__ import annotations

from typing import Annotated

import msgspec

from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status

MAX_THOUGHTS = 50
"""Thoughts kept and shown, the newest (runtime.md §9.4)."""

_INSTRUCTIONS = """\
## Think Tool

Use `think` as a scratch pad before you act and after each result that matters:
- name the rules that apply to the request,
- check that nothing you need is missing, and ask for it or look it up if it is,
- check your plan against both, then go on."""


class Thought(msgspec.Struct, frozen=True):
    """What `think` takes."""

    thought: Annotated[str, msgspec.Meta(description="The thought to note down.")]


class Pad(msgspec.Struct, frozen=True):
    """The thoughts of one run, oldest first."""

    run: str
    thoughts: tuple[str, ...] = ()


class Think:
    """One tool, `think`. An agent's thoughts live in the conversation's state, so that no user
    reads another's; each run begins with none."""

    scope: Scope = "conversation"

    def __init__(self, name: str = "think") -> None:
        self.name = name
        self._parameters = Parameters(Thought)
        self._pads = msgspec.json.Decoder(Pad)
        spec = ToolSpec(
            "think",
            "Note down a thought. It changes nothing and fetches nothing: use it to reason "
            "about a hard step before you take it.",
            self._parameters.schema,
            read_only=True,
            harmless=True,
            title="Think",
            category="think",
            tidy=self._parameters.tidy,
        )
        self._tools = ToolList([spec], instructions=_INSTRUCTIONS)

    @property
    def status(self) -> Status:
        return READY

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        thought = self._parameters.read(arguments).thought
        key = f"{self.name}/{context.agent}"
        kept = context.state.get(key)
        earlier = self._pads.decode(kept) if kept else Pad(context.run)
        thoughts = earlier.thoughts if earlier.run == context.run else ()
        pad = Pad(context.run, (*thoughts, thought)[-MAX_THOUGHTS:])
        context.state.put(key, msgspec.json.encode(pad))
        return ToolResult("Thoughts:\n" + "\n".join(pad.thoughts))
