"""The JSON Schema of agent files, made from the declared Structs: what an editor completes and
checks.

It accepts what the loader accepts of the current version, and knows less: references, circles and
what keys mean to each other are the loader's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from docker_agent.config.agent_file import Agent, AgentFile
from docker_agent.config.marks import BY_NAME, DERIVED, DURATION, ONE_OR_MANY, REST, Word
from docker_agent.config.meanings import MEANINGS
from docker_agent.config.model import ADAPTIVE, EFFORTS, thinking_word
from docker_agent.config.skills import InlineSkill
from docker_agent.config.toolset import Toolset
from docker_agent.config.toolset_rules import KEYS, NAMED_TYPES, REQUIRED, TYPES
from docker_agent.config.tree import Placed, Raw
from docker_agent.config.versions import VERSIONS

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"
TITLE = "Agent file of docker-agent"

_TEXT: Schema = {"type": ["string", "number", "boolean"]}
"""A text may be written as a bare number or word of YAML."""
_DURATION: Schema = {
    "type": ["string", "number"],
    "description": "A time such as 30s, 5m or 1h30m; a bare number is seconds.",
}
_BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}


def agent_file_schema() -> Schema:
    """The whole schema, as JSON data."""
    return _Writing().whole()


class _Writing:
    """One schema; `_definitions` are the Structs met so far."""

    def __init__(self) -> None:
        self._definitions: dict[str, Schema] = {}

    def whole(self) -> Schema:
        root = self._object(AgentFile)
        root["properties"]["version"] = {
            "enum": [*VERSIONS, *map(int, VERSIONS)],
            "description": MEANINGS["AgentFile"]["version"],
        }
        return {"$schema": DIALECT, "title": TITLE, **root, "definitions": self._definitions}

    def _reference(self, shape: type[msgspec.Struct]) -> Schema:
        if shape.__name__ not in self._definitions:
            self._definitions[shape.__name__] = {}
            written = self._toolset() if shape is Toolset else self._object(shape)
            self._definitions[shape.__name__] = written
        return {"$ref": f"#/definitions/{shape.__name__}"}

    def _object(self, shape: type[msgspec.Struct]) -> Schema:
        properties: dict[str, Schema] = {}
        required: list[str] = []
        free = False
        for field in msgspec.structs.fields(shape):
            marks = get_args(field.type)[1:] if get_origin(field.type) is Annotated else ()
            if REST in marks:
                free = True
            elif DERIVED not in marks and not (
                issubclass(shape, Placed) and field.name == "source"
            ):
                name = field.encode_name
                found = self._special(shape, name) or self._hint(field.type)
                properties[name] = self._told(shape, name, found)
                if field.required:
                    required.append(name)
        told = (shape.__doc__ or "").partition("\n\n")[0]
        written: Schema = {
            "type": "object",
            "description": " ".join(told.split()),
            "properties": properties,
        }
        if required:
            written["required"] = required
        return written if free else {**written, "additionalProperties": False}

    @staticmethod
    def _told(shape: type[msgspec.Struct], name: str, found: Schema) -> Schema:
        told = MEANINGS.get(shape.__name__, {}).get(name)
        if not told:
            return found
        if "$ref" in found:
            return {"allOf": [found], "description": told}
        return {**found, "description": told}

    def _special(self, shape: type[msgspec.Struct], name: str) -> Schema | None:
        """Keys that are read by hand, because they have several forms."""
        text_or_command = {"anyOf": [_TEXT, {"type": "object"}]}
        commands: Schema = {
            "type": ["object", "array"],
            "additionalProperties": text_or_command,
            "items": {"type": "object", "additionalProperties": text_or_command},
        }
        match shape, name:
            case (_, "skills") if shape is Agent:
                return self._skills()
            case (_, "skills") if shape is AgentFile:
                return {"type": "object", "additionalProperties": self._skills()}
            case (_, "commands") if shape is Agent:
                return commands
            case (_, "commands") if shape is AgentFile:
                return {"type": "object", "additionalProperties": commands}
            case (_, "mcps"):
                return {"type": "object", "additionalProperties": self._mcp()}
            case _:
                return None

    def _skills(self) -> Schema:
        one: Schema = {"anyOf": [_TEXT, self._reference(InlineSkill)]}
        return {"anyOf": [{"type": "boolean"}, {"type": "array", "items": one}]}

    def _mcp(self) -> Schema:
        """An entry of `mcps`, whose `type` need not be said."""
        self._reference(Toolset)
        whole = self._toolset()
        properties = {**whole["properties"], "type": {"const": "mcp"}}
        keys = [*self._shared(), "name", *(key for key in KEYS if "mcp" in KEYS[key].types)]
        kept = {key: properties[key] for key in keys}
        return {"type": "object", "properties": kept, "additionalProperties": False}

    def _shared(self) -> list[str]:
        fields = msgspec.structs.fields(Toolset)
        return [field.name for field in fields if field.name not in ("source", "name", "options")]

    def _toolset(self) -> Schema:
        """Any toolset: which keys it may have depends on its `type`."""
        written = self._object(Toolset)
        properties = written["properties"]
        properties["type"] = {**properties["type"], "enum": sorted(TYPES)}
        del properties["type"]["type"]
        for key, known in KEYS.items():
            properties[key] = self._told(Toolset, key, self._hint(known.hint))
        shared = self._shared()
        written["required"] = ["type"]
        written["additionalProperties"] = False
        written["allOf"] = [
            {
                "if": {"properties": {"type": {"const": kind}}, "required": ["type"]},
                "then": {
                    "propertyNames": {"enum": self._keys_of(kind, shared)},
                    **({"required": [REQUIRED[kind]]} if kind in REQUIRED else {}),
                },
            }
            for kind in sorted(TYPES)
        ]
        return written

    @staticmethod
    def _keys_of(kind: str, shared: list[str]) -> list[str]:
        named = ["name"] if kind in NAMED_TYPES else []
        return [*shared, *named, *(key for key, known in KEYS.items() if kind in known.types)]

    def _hint(self, hint: Any) -> Schema:  # noqa: ANN401 - any hint a field may have
        origin = get_origin(hint)
        if origin is Annotated:
            return self._annotated(*get_args(hint))
        if origin in (Union, UnionType):
            members = [each for each in get_args(hint) if each is not type(None)]
            written = [self._hint(each) for each in members]
            return written[0] if len(written) == 1 else {"anyOf": written}
        if origin is tuple:
            return {"type": "array", "items": self._hint(get_args(hint)[0])}
        if origin is Literal:
            return {"enum": [word for word in get_args(hint) if word != ""]}
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self._hint(get_args(hint)[1])}
        if hint is Raw:
            return {}
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            return self._reference(hint)
        return _SCALARS[hint]

    def _annotated(self, hint: Any, *marks: object) -> Schema:  # noqa: ANN401 - as `_hint`
        if BY_NAME in marks:
            return {"type": "object", "additionalProperties": self._hint(get_args(hint)[0])}
        written = dict(_DURATION) if DURATION in marks else self._hint(hint)
        if ONE_OR_MANY in marks:
            written = {"anyOf": [written, written["items"]]}
        for mark in marks:
            if isinstance(mark, Word) and mark.read is thinking_word:
                written = {"type": "string", "examples": [*EFFORTS, *ADAPTIVE]}
            elif isinstance(mark, msgspec.Meta) and DURATION not in marks:
                bounds = {key: getattr(mark, name) for name, key in _BOUNDS.items()}
                written = {
                    **written,
                    **{key: bound for key, bound in bounds.items() if bound is not None},
                }
        return written


_SCALARS: Mapping[Any, Schema] = {
    str: _TEXT,
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
}
