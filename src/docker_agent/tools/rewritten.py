"""What an agent file adds around the calls of a toolset: a word on why, results in TOON, the model
that reads them. Source: runtime.md §8.3."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from docker_agent.errors import ConfigError
from docker_agent.messages import JSON, UNREADABLE, ToolList, ToolResult, ToolSpec
from docker_agent.tools import toon
from docker_agent.tools.port import CallContext, Toolset
from docker_agent.tools.select import Changed

DESCRIPTION = "description"
_WHY: Mapping[str, JSON] = {
    "type": "string",
    "description": "In a few words, what this call is for.",
}


class Described(Changed):
    """Lets the model say why it calls, in a parameter that the tools themselves never see. Source:
    agent-file.md §2.3, `add_description_parameter`."""

    def __init__(self, inner: Toolset) -> None:
        self._asked: set[str] = set()
        super().__init__(inner, self._described)

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        if name in self._asked:
            arguments = {key: value for key, value in arguments.items() if key != DESCRIPTION}
        return await super().call(name, arguments, context)

    def _described(self, listing: ToolList) -> ToolList:
        return ToolList(
            [self._with_description(spec) for spec in listing.specs],
            version=listing.version,
            instructions=listing.instructions,
        )

    def _with_description(self, spec: ToolSpec) -> ToolSpec:
        properties = spec.parameters.get("properties", {})
        if not spec.takes_description or DESCRIPTION in properties:
            return spec
        self._asked.add(spec.name)
        parameters = {**spec.parameters, "properties": {**properties, DESCRIPTION: _WHY}}
        return msgspec.structs.replace(spec, parameters=parameters)


class Tooned(Changed):
    """Writes the JSON objects that some tools answer with in TOON; any other answer stays."""

    def __init__(self, inner: Toolset, patterns: Sequence[re.Pattern[str]]) -> None:
        super().__init__(inner, _unchanged)
        self._patterns = tuple(patterns)

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        result = await super().call(name, arguments, context)
        if result.is_error or not any(pattern.search(name) for pattern in self._patterns):
            return result
        return msgspec.structs.replace(result, text=shorter(result.text))


def shorter(text: str) -> str:
    """A JSON object in TOON; any other text as it is."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        value = msgspec.json.decode(text)
        return toon.encode(cast(dict[str, JSON], value)) if isinstance(value, dict) else text
    except UNREADABLE:
        return text


def toon_patterns(text: str) -> list[re.Pattern[str]]:
    """The comma-separated expressions of `toon`. Raises `ConfigError` for what is none."""
    try:
        return [re.compile(each.strip()) for each in text.split(",") if each.strip()]
    except re.error as exc:
        raise ConfigError(f"{text!r} is no list of regular expressions: {exc}") from exc


class Modelled(Changed):
    """Has the next model call after one of its tools made by the model `reference`."""

    def __init__(self, inner: Toolset, reference: str) -> None:
        super().__init__(inner, _unchanged)
        self._reference = reference

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        result = await super().call(name, arguments, context)
        if result.next_model is not None:
            return result
        return msgspec.structs.replace(result, next_model=self._reference)


def _unchanged(listing: ToolList) -> ToolList:
    return listing
