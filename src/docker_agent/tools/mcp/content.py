"""What an MCP server sends, as a model and its provider can take it: tools and results. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from docker_agent.messages import (
    JSON,
    FilePart,
    ImagePart,
    Part,
    ToolResult,
    ToolSpec,
)
from docker_agent.tools.mcp.limits import MAX_DESCRIPTION, MAX_MEDIA
from docker_agent.tools.port import MAX_NAME, usable_name

if TYPE_CHECKING:
    import mcp_types as types

CATEGORY = "mcp"


def exposed_names(prefix: str, names: Sequence[str]) -> dict[str, str]:
    """The names that models see to the server's own: with the toolset's name before them, other
    characters replaced by `_`, shortened, and told apart by a number where two became one.

    Source: runtime.md §5.1, §10.4.
    """
    found: dict[str, str] = {}
    for name in names:
        wanted = usable_name(f"{prefix}_{name}" if prefix else name)[:MAX_NAME] or "_"
        exposed, number = wanted, 2
        while exposed in found:
            ending = f"_{number}"
            exposed = wanted[: MAX_NAME - len(ending)] + ending
            number += 1
        found[exposed] = name
    return found


def spec_of(tool: types.Tool, name: str) -> ToolSpec:
    """A tool of a server under the name that models see."""
    hints = tool.annotations
    read_only = bool(hints and hints.read_only_hint)
    return ToolSpec(
        name,
        (tool.description or tool.title or "")[:MAX_DESCRIPTION],
        parameters_of(tool.input_schema),
        read_only=read_only,
        destructive=bool(hints and hints.destructive_hint) and not read_only,
        open_world=bool(hints and hints.open_world_hint),
        title=tool.title or (hints.title if hints else None),
        output_schema=tool.output_schema,
        category=CATEGORY,
        keeps_time=True,
        tidy=arguments_of,
    )


def parameters_of(schema: Mapping[str, JSON]) -> dict[str, JSON]:
    """A schema whose top is an object with properties, as every provider wants it.

    Source: runtime.md §8.5.
    """
    whole = {key: value for key, value in schema.items() if key != "$schema"}
    properties = whole.get("properties")
    whole["type"] = "object"
    whole["properties"] = properties if isinstance(properties, dict) else {}
    if "required" in whole and not isinstance(whole["required"], list):
        del whole["required"]
    return whole


def arguments_of(arguments: Mapping[str, JSON]) -> dict[str, JSON]:
    """Arguments without those that are null: to a server that is not the same as absent."""
    return {name: value for name, value in arguments.items() if value is not None}


def result_of(result: types.CallToolResult) -> ToolResult:
    """A result as text for the model, with pictures and documents beside it.

    Source: runtime.md §10.6.
    """
    texts: list[str] = []
    parts: list[Part] = []
    for block in result.content:
        match block.type:
            case "text":
                texts.append(block.text)
            case "image":
                _attach(texts, parts, "image", block.data, block.mime_type)
            case "audio":
                _attach(texts, parts, "audio", block.data, block.mime_type)
            case "resource_link":
                texts.append(f"[{block.title or block.name}]({block.uri})")
            case "resource":
                _resource(texts, parts, block.resource)
    structured = result.structured_content
    if not texts and not parts and structured is not None:
        texts.append(json.dumps(structured, ensure_ascii=False))
    text = "\n".join(texts)
    if not text and not parts:
        text = "no output"
    return ToolResult(
        text, is_error=bool(result.is_error), parts=tuple(parts), structured=structured
    )


def _resource(
    texts: list[str],
    parts: list[Part],
    resource: types.TextResourceContents | types.BlobResourceContents,
) -> None:
    text = cast(str | None, getattr(resource, "text", None))
    if text is not None:
        texts.append(text)
        return
    uri = str(resource.uri)
    name = PurePosixPath(unquote(urlsplit(uri).path)).name or "resource"
    mime = resource.mime_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
    _attach(texts, parts, name, cast(str, getattr(resource, "blob", "")), mime)


def _attach(texts: list[str], parts: list[Part], name: str, data: str, mime: str) -> None:
    """Put a picture or document beside the text; what is none, or too large, is named in it."""
    mime = mime.partition(";")[0].strip().lower()
    try:
        size = len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        texts.append(f"({name}, {mime}: left out, it is not valid base64)")
        return
    if size > MAX_MEDIA:
        texts.append(
            f"({name}, {mime}: left out, {size} bytes are too many; at most {MAX_MEDIA} can be "
            "shown and it cannot be scaled down here, so ask for a smaller one)"
        )
        return
    url = f"data:{mime};base64,{data}"
    if mime.startswith("image/"):
        parts.append(ImagePart(url))
    else:
        parts.append(FilePart(name if "." in name else name + _ending(mime), url))


def _ending(mime: str) -> str:
    """The ending of a file of this kind; the standard library knows few sounds."""
    kind = mime.partition("/")[2].removeprefix("x-")
    return mimetypes.guess_extension(mime) or (f".{kind}" if kind.isalnum() else "")


def same_tools(old: Iterable[types.Tool], new: Iterable[types.Tool]) -> bool:
    """Whether two listings say the same."""
    return [each.model_dump_json() for each in old] == [each.model_dump_json() for each in new]
