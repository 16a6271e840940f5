"""From a client's words to a run's: messages, overrides, the client's own tools. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

import msgspec

from docker_agent.depth import TOO_DEEP, is_too_deep, may_be_too_deep
from docker_agent.errors import RequestError
from docker_agent.messages import (
    AUTO,
    JSON,
    NO_TOOLS,
    UNREADABLE,
    AssistantMessage,
    AudioPart,
    Content,
    FilePart,
    Format,
    ImagePart,
    Message,
    Part,
    Sampling,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolChoice,
    ToolList,
    ToolMessage,
    ToolSpec,
    UserMessage,
    content_text,
)
from docker_agent.runtime.request import Overrides
from docker_agent.server.wire import (
    ChatRequest,
    ResponseFormat,
    WireMessage,
    WireTool,
    WireToolCall,
    invalid,
)

MAX_STOPS = 4
_INT64 = 2**63

T = TypeVar("T")


class _Head(msgspec.Struct):
    type: str | None = None


class _Text(msgspec.Struct):
    text: str


class _Refusal(msgspec.Struct):
    refusal: str


class _ImageUrl(msgspec.Struct):
    url: str
    detail: str | None = None


class _Image(msgspec.Struct):
    image_url: str | _ImageUrl


class _Audio(msgspec.Struct):
    class Data(msgspec.Struct):
        data: str
        format: str

    input_audio: Data


class _File(msgspec.Struct):
    class Data(msgspec.Struct):
        filename: str | None = None
        file_data: str | None = None
        file_id: str | None = None

    file: Data


KNOWN_PARTS: Mapping[type[msgspec.Struct], tuple[str, ...]] = {
    _Text: ("text", "input_text", "output_text"),
    _Refusal: ("refusal",),
    _Image: ("image_url",),
    _Audio: ("input_audio",),
    _File: ("file",),
}
"""The kinds of content parts that are read, with their names; all others pass."""


def messages_of(request: ChatRequest) -> tuple[Message, ...]:
    """The history as our messages. Raises `RequestError` when nobody asks anything."""
    answered = {message.tool_call_id for message in request.messages if message.role == "tool"}
    translated = tuple(
        [_message(message, index, answered) for index, message in enumerate(request.messages)]
    )
    if not any(isinstance(message, UserMessage | ToolMessage) for message in translated):
        raise RequestError(
            "invalid_request",
            "no user message provided",
            param="messages",
            code="missing_required_parameter",
        )
    return translated


def _message(message: WireMessage, index: int, answered: set[str | None]) -> Message:
    content = message.content
    if not isinstance(content, str):
        content = _content(content, f"messages[{index}].content")
    match message.role:
        case "system" | "developer":
            return SystemMessage(content_text(content))
        case "assistant":
            calls = _calls(message.tool_calls or (), answered)
            return AssistantMessage(content_text(content), calls=calls)
        case "tool":
            if not message.tool_call_id:
                param = f"messages[{index}].tool_call_id"
                raise RequestError(
                    "invalid_request",
                    f"Missing required parameter: '{param}'.",
                    param=param,
                    code="missing_required_parameter",
                )
            parts = () if isinstance(content, str) else _beside_text(content)
            return ToolMessage(message.tool_call_id, content_text(content), parts=parts)
        case _:
            return UserMessage(content, message.name)


def _calls(calls: Sequence[WireToolCall], answered: set[str | None]) -> tuple[ToolCall, ...]:
    """Calls are kept when an answer to one of them follows; otherwise nobody waits for them."""
    if not any(call.id in answered for call in calls):
        return ()
    return tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in calls)


def _beside_text(content: tuple[Part, ...]) -> tuple[Part, ...]:
    return tuple(part for part in content if not isinstance(part, TextPart))


def _content(content: list[msgspec.Raw] | None, path: str) -> Content:
    if content is None:
        return ""
    parts = [_part(raw, f"{path}[{index}]") for index, raw in enumerate(content)]
    known = tuple(part for part in parts if part is not None)
    if all(isinstance(part, TextPart) for part in known):
        return content_text(known)
    return known


def _part(raw: msgspec.Raw, path: str) -> Part | None:
    """One content part; None for kinds nobody here knows, which pass."""
    if bytes(raw)[:1] == b'"':
        return TextPart(_read(raw, str, path))
    match _read(raw, _Head, path).type:
        case "text" | "input_text" | "output_text":
            return TextPart(_read(raw, _Text, path).text)
        case "refusal":
            return TextPart(_read(raw, _Refusal, path).refusal)
        case "image_url":
            image = _read(raw, _Image, path).image_url
            return (
                ImagePart(image) if isinstance(image, str) else ImagePart(image.url, image.detail)
            )
        case "input_audio":
            audio = _read(raw, _Audio, path).input_audio
            return AudioPart(audio.data, audio.format)
        case "file":
            file = _read(raw, _File, path).file
            return FilePart(file.filename, file.file_data, file.file_id)
        case _:
            return None


def _read(raw: msgspec.Raw, kind: type[T], path: str) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as exc:
        raise invalid(str(exc), path) from exc
    except UNREADABLE as exc:
        raise invalid("The text is not UTF-8", path) from exc


def overrides_of(request: ChatRequest) -> Overrides:
    """What the client asks of the model. Raises `RequestError` for what cannot be given."""
    _refuse_what_cannot_be(request)
    limits = (
        _whole("max_completion_tokens", request.max_completion_tokens),
        _whole("max_tokens", request.max_tokens),
    )
    sampling = Sampling(
        temperature=request.temperature,
        top_p=request.top_p,
        max_tokens=limits[0] or limits[1],
        stop=_stop(request.stop),
        seed=_whole("seed", request.seed),
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
        reasoning_effort=request.reasoning_effort,
        verbosity=request.verbosity,
        parallel_tool_calls=request.parallel_tool_calls,
        logit_bias=request.logit_bias,
        user=request.user,
        safety_identifier=request.safety_identifier,
        prompt_cache_key=request.prompt_cache_key,
        service_tier=request.service_tier,
    )
    return Overrides(sampling, _format(request.response_format), _choice(request.tool_choice))


def _refuse_what_cannot_be(request: ChatRequest) -> None:
    if request.n is not None and request.n != 1:
        raise _unsupported("n", "only one choice (n = 1) can be made")
    if request.logprobs:
        raise _unsupported("logprobs", "log probabilities are not available")
    if request.top_logprobs is not None:
        raise _unsupported("top_logprobs", "log probabilities are not available")


def _whole(name: str, value: float | None) -> int | None:
    if value is None:
        return None
    if value != value // 1:
        raise invalid(f"Expected `int`, got `{value}`", name)
    if not -_INT64 <= value < _INT64:
        raise _unsupported(name, "the number does not fit into 64 bits")
    return int(value)


def _unsupported(param: str, why: str) -> RequestError:
    return RequestError(
        "invalid_request",
        f"Invalid value for '{param}': {why}.",
        param=param,
        code="unsupported_value",
    )


def _stop(stop: str | list[str] | None) -> tuple[str, ...] | None:
    if stop is None:
        return None
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    if len(stops) > MAX_STOPS or not all(stops):
        raise _unsupported("stop", f"a string or up to {MAX_STOPS} non-empty strings are taken")
    return stops or None


def _format(format: ResponseFormat | None) -> Format | None:
    if format is None or format.type == "text":
        return None
    if format.type == "json_object":
        return Format("json_object")
    schema = format.json_schema
    if schema is None:
        raise RequestError(
            "invalid_request",
            "Missing required parameter: 'response_format.json_schema'.",
            param="response_format.json_schema",
            code="missing_required_parameter",
        )
    _check_encodable(schema.schema, "response_format.json_schema.schema")
    return Format("json_schema", schema.name, schema.schema, schema.description, schema.strict)


def _choice(choice: JSON) -> ToolChoice:
    match choice:
        case None | "auto":
            return AUTO
        case "none":
            return ToolChoice("none")
        case "required":
            return ToolChoice("required")
        case {"type": "function", "function": {"name": str(name)}}:
            return ToolChoice("function", name)
        case {"type": "allowed_tools", "allowed_tools": {"mode": "required"}}:
            return ToolChoice("required")
        case {"type": "allowed_tools"}:
            return AUTO
        case _:
            raise RequestError(
                "invalid_request",
                "Invalid value for 'tool_choice': 'auto', 'none', 'required' or a named function "
                "is taken.",
                param="tool_choice",
                code="invalid_value",
            )


def client_tools_of(request: ChatRequest) -> ToolList:
    """The functions the client offers; other kinds of tools are not ours to offer."""
    if not request.tools:
        return NO_TOOLS
    specs = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(request.tools)]
    return ToolList([spec for spec in specs if spec is not None])


def _tool(tool: WireTool, path: str) -> ToolSpec | None:
    if tool.type not in (None, "function"):
        return None
    function = tool.function or {}
    name = function.get("name")
    if not isinstance(name, str) or not name:
        param = f"{path}.function.name"
        raise RequestError(
            "invalid_request",
            f"Missing required parameter: '{param}'.",
            param=param,
            code="missing_required_parameter",
        )
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        param = f"{path}.function.parameters"
        raise RequestError(
            "invalid_request",
            f"Invalid value for '{param}': a JSON Schema object is taken.",
            param=param,
            code="invalid_value",
        )
    schema = cast(dict[str, JSON], parameters or {})
    _check_encodable(schema, f"{path}.function.parameters")
    description = function.get("description")
    return ToolSpec(name, description if isinstance(description, str) else "", schema)


def _check_encodable(value: JSON, param: str) -> None:
    """Some JSON can be read but not written again: numbers past 64 bits, very deep nesting."""
    why = ""
    try:
        text = msgspec.json.encode(value)
    except OverflowError:
        why = "it holds a number of more than 64 bits"
    except RecursionError:
        why = f"it is {TOO_DEEP}"
    else:
        if may_be_too_deep(text) and is_too_deep(value):
            why = f"it is {TOO_DEEP}"
    if why:
        raise RequestError(
            "invalid_request",
            f"Invalid value for '{param}': {why}.",
            param=param,
            code="invalid_value",
        )
