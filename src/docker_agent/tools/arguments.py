"""From the arguments a model wrote to a typed value, and the JSON schema that asked for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Generic, TypeVar, cast

import msgspec
from msgspec import inspect

from docker_agent.errors import ToolError
from docker_agent.messages import JSON

Shape = TypeVar("Shape", bound=msgspec.Struct)

_ZEROS: Mapping[type[inspect.Type], JSON] = {
    inspect.StrType: "",
    inspect.IntType: 0,
    inspect.FloatType: 0.0,
    inspect.BoolType: False,
}


class Parameters(Generic[Shape]):
    """What a tool takes, from a frozen Struct whose fields carry `msgspec.Meta(description=…)`.

    `schema` is a JSON Schema of type object without references. Recursive Structs are not for
    this.
    """

    def __init__(self, shape: type[Shape]) -> None:
        self._shape = shape
        self._fields = {
            field.encode_name: (field, info)
            for field, info in zip(
                msgspec.structs.fields(shape), _struct_type(shape).fields, strict=True
            )
        }
        self.schema: Mapping[str, JSON] = schema(shape)

    def read(self, arguments: Mapping[str, JSON]) -> Shape:
        """The arguments as the Struct; unknown keys are ignored.

        Slips that models make are repaired first: a list written as JSON text, one value where a
        list belongs, null for a value that has a default or is a plain number, text or boolean.
        Raises `ToolError` that names the argument and shows its line of the schema.
        Source: runtime.md §5.4.
        """
        values: dict[str, JSON] = {}
        for key, (field, info) in self._fields.items():
            given = arguments.get(key)
            if given is None and not info.required:
                continue
            if key in arguments:
                given = _repaired(given, info.type)
                try:
                    values[field.name] = msgspec.convert(given, field.type, strict=False)
                except (msgspec.ValidationError, RecursionError) as exc:
                    raise ToolError(f"argument `{key}`: {exc}; {self._line(key)}") from exc
            else:
                raise ToolError(f"argument `{key}` is missing; {self._line(key)}")
        return self._shape(**values)

    def tidy(self, arguments: Mapping[str, JSON]) -> Mapping[str, JSON]:
        """The arguments with the slips repaired that `read` repairs, for those who judge a call
        before it runs. What cannot be repaired stays as it is, and so do unknown keys."""
        tidied = dict(arguments)
        for key, (field, info) in self._fields.items():
            if key not in tidied:
                continue
            if tidied[key] is None and not info.required:
                del tidied[key]
                continue
            tidied[key] = _repaired(tidied[key], info.type)
            with suppress(msgspec.ValidationError, RecursionError):
                read = msgspec.convert(tidied[key], field.type, strict=False)
                if isinstance(read, bool | int | float):
                    tidied[key] = read
        return tidied

    def _line(self, key: str) -> str:
        wanted = json.dumps(self.schema["properties"][key], ensure_ascii=False)
        need = "required" if key in self.schema["required"] else "optional"
        return f'expected ({need}): "{key}": {wanted}'


def schema(shape: type[msgspec.Struct]) -> Mapping[str, JSON]:
    """The JSON Schema of a Struct as models like it: `type`, `properties`, `required`, everything
    in place, no titles, no alternatives with null."""
    (written,), named = msgspec.json.schema_components([shape], ref_template="{name}")
    whole = _inlined(written, named)
    return {
        "type": "object",
        "properties": whole.get("properties", {}),
        "required": whole.get("required", []),
    }


def _struct_type(shape: type[msgspec.Struct]) -> inspect.StructType:
    found = inspect.type_info(shape)
    assert isinstance(found, inspect.StructType)
    return found


def _inlined(node: JSON, named: Mapping[str, JSON]) -> JSON:
    match node:
        case {"$ref": str(name), **rest}:
            return {**_inlined(named[name], named), **rest}
        case {"anyOf": [*choices], **rest} if {"type": "null"} in choices:
            others = [choice for choice in choices if choice != {"type": "null"}]
            kept = others[0] if len(others) == 1 else {"anyOf": others}
            rest = {key: value for key, value in rest.items() if value is not None}
            return _inlined({**kept, **rest}, named)
        case {"properties": properties, **rest}:
            rest.pop("title", None)
            inlined = {
                key: _inlined(value, named)
                for key, value in cast(dict[str, JSON], properties).items()
            }
            return {**rest, "properties": inlined}
        case dict():
            return {
                key: _inlined(value, named) for key, value in cast(dict[str, JSON], node).items()
            }
        case list() | tuple():
            return [_inlined(value, named) for value in cast(Sequence[JSON], node)]
        case _:
            return node


def _repaired(value: JSON, wanted: inspect.Type) -> JSON:
    wanted = _bare(wanted)
    if isinstance(wanted, inspect.UnionType) and value is not None:
        others = [each for each in wanted.types if not isinstance(each, inspect.NoneType)]
        wanted = _bare(others[0]) if len(others) == 1 else wanted
    if value is None:
        return _ZEROS.get(type(wanted))
    for kind, repair in _REPAIRS:
        if isinstance(wanted, kind):
            return repair(value, wanted)
    return value


def _bare(wanted: inspect.Type) -> inspect.Type:
    return wanted.type if isinstance(wanted, inspect.Metadata) else wanted


def _repaired_list(value: JSON, wanted: inspect.Type) -> JSON:
    assert isinstance(wanted, inspect.ListType | inspect.VarTupleType)
    item = _bare(wanted.item_type)
    if isinstance(value, str):
        value = _from_text(value, "[{" if isinstance(item, inspect.StructType) else "[")
    if not isinstance(value, list):
        value = [value]
    return [_repaired(entry, item) for entry in cast(list[JSON], value)]


def _repaired_object(value: JSON, wanted: inspect.Type) -> JSON:
    assert isinstance(wanted, inspect.StructType)
    if isinstance(value, str):
        value = _from_text(value, "{")
    if not isinstance(value, dict):
        return value
    fields = {field.encode_name: field for field in wanted.fields}
    return {
        key: _repaired(entry, fields[key].type) if key in fields else entry
        for key, entry in cast(dict[str, JSON], value).items()
        if entry is not None or key not in fields or fields[key].required
    }


def _from_text(text: str, openings: str) -> JSON:
    """What JSON text says that begins with one of `openings`, else the text itself."""
    if not text.lstrip().startswith(tuple(openings)):
        return text
    try:
        return from_json(text)
    except (ValueError, RecursionError):
        return text


def from_json(text: str) -> JSON:
    """What JSON text says that a model wrote inside of JSON; line breaks that should have been
    escaped are let pass. Raises `ValueError` for what is none, half a surrogate pair among it, and
    `RecursionError`."""
    value: JSON = json.loads(text, strict=False)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()
    return value


_Repair = Callable[[JSON, inspect.Type], JSON]
_REPAIRS: tuple[tuple[type[inspect.Type], _Repair], ...] = (
    (inspect.ListType, _repaired_list),
    (inspect.VarTupleType, _repaired_list),
    (inspect.StructType, _repaired_object),
)
