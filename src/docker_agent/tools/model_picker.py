"""The model_picker toolset: the model of a conversation, chosen among some. Source: runtime.md
§9.19."""

from __future__ import annotations

from typing import Annotated

import msgspec

from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.port import READY, Around, CallContext, Scope, Status, chosen_model

CATEGORY = "runtime"
"""Like `handoff`: it changes who answers, and a script cannot call it."""

_INSTRUCTIONS = """\
## Model Picker

You can choose the model that answers from the next turn on: `change_model`. Take one that fits \
the work at hand: a small one for simple questions, a strong one for hard ones. `revert_model` \
goes back to your own. The models are: """


class ModelPickerOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a `model_picker` entry may say: the models there are to choose from."""

    models: tuple[str, ...]


class Choice(msgspec.Struct, frozen=True):
    """What `change_model` takes."""

    model: Annotated[str, msgspec.Meta(description="One of the models that are listed.")]


class Nothing(msgspec.Struct, frozen=True):
    """What `revert_model` takes."""


_CHOICE = Parameters(Choice)
_NOTHING = Parameters(Nothing)


class ModelPicker:
    """`change_model` and `revert_model`. The choice is the conversation's, and one agent's."""

    scope: Scope = "conversation"
    name = "model_picker"

    def __init__(self, options: ModelPickerOptions) -> None:
        self._models = tuple(dict.fromkeys(options.models))
        model = {**_CHOICE.schema["properties"]["model"], "enum": [*self._models]}
        self._tools = ToolList(
            [
                ToolSpec(
                    "change_model",
                    "Choose the model that answers from the next turn on.",
                    {**_CHOICE.schema, "properties": {"model": model}},
                    read_only=True,
                    title="Change Model",
                    category=CATEGORY,
                    tidy=_CHOICE.tidy,
                ),
                ToolSpec(
                    "revert_model",
                    "Go back to your own model.",
                    _NOTHING.schema,
                    read_only=True,
                    title="Revert Model",
                    category=CATEGORY,
                    tidy=_NOTHING.tidy,
                ),
            ],
            instructions=_INSTRUCTIONS + ", ".join(self._models),
        )

    @property
    def status(self) -> Status:
        return READY

    async def tools(self, around: Around) -> ToolList:
        return self._tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        key = chosen_model(context.agent)
        if name == "revert_model":
            if context.state.get(key):
                context.state.put(key, b"")
            return ToolResult("Your own model answers from the next turn on.")
        model = _CHOICE.read(arguments).model
        if model not in self._models:
            raise ToolError(
                f"the model {model!r} cannot be chosen; allowed are: {', '.join(self._models)}"
            )
        context.state.put(key, model.encode())
        return ToolResult(f"The model {model} answers from the next turn on.")
