"""What travels between a client and us, as types: requests read generously, replies exactly
OpenAI's.

Source: chat-server.md §3 and §4. The OpenAPI document is generated from these Structs.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from docker_agent.errors import RequestError
from docker_agent.messages import UNREADABLE

JSON = Any


class WireFunction(msgspec.Struct):
    """The function of a tool call."""

    name: str
    arguments: str = ""


class WireToolCall(msgspec.Struct):
    """A tool call in an assistant message of the history."""

    id: str
    function: WireFunction
    type: str | None = None


class WireMessage(msgspec.Struct):
    """One message of the history. `content` is text or parts; parts are read one by one."""

    role: str
    content: str | list[msgspec.Raw] | None = None
    name: str | None = None
    tool_calls: list[WireToolCall] | None = None
    tool_call_id: str | None = None


class StreamOptions(msgspec.Struct):
    """What a client wants of a stream."""

    include_usage: bool | None = None


class JsonSchemaFormat(msgspec.Struct):
    """The schema of a `json_schema` response format."""

    name: str
    schema: dict[str, JSON] | None = None
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct):
    """The shape the answer must have."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


class WireTool(msgspec.Struct):
    """A tool of the client's own; only functions are read."""

    type: str | None = None
    function: dict[str, JSON] | None = None


Positive = Annotated[int, msgspec.Meta(gt=0)] | Annotated[float, msgspec.Meta(gt=0)]
"""A count; `100.0` is a whole number too, in JSON Schema and for some clients."""


class ChatRequest(msgspec.Struct):
    """The body of `POST /v1/chat/completions`; unknown keys are ignored, null equals absent."""

    messages: list[WireMessage]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    stop: str | list[str] | None = None
    seed: int | float | None = None
    frequency_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    n: int | float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: list[WireTool] | None = None
    tool_choice: JSON = None


class PromptDetails(msgspec.Struct):
    """What is known of the prompt's tokens."""

    cached_tokens: int = 0


class CompletionDetails(msgspec.Struct):
    """What is known of the answer's tokens."""

    reasoning_tokens: int = 0


class WireUsage(msgspec.Struct):
    """Tokens of all model calls of the run, sub-agents included."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class CalledFunction(msgspec.Struct):
    """The function a client must call."""

    name: str
    arguments: str


class CalledTool(msgspec.Struct, kw_only=True):
    """A call for the client's own tool."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class CompletionMessage(msgspec.Struct, kw_only=True):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET
    tool_calls: list[CalledTool] | msgspec.UnsetType = msgspec.UNSET


WireFinish = Literal["stop", "length", "tool_calls", "content_filter"]


class CompletionChoice(msgspec.Struct, kw_only=True):
    """The one choice there is."""

    index: int = 0
    message: CompletionMessage
    logprobs: None = None
    finish_reason: WireFinish


class Completion(msgspec.Struct, kw_only=True):
    """The JSON reply."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: WireUsage
    service_tier: str = "default"
    metadata: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class CalledPiece(msgspec.Struct, kw_only=True):
    """A call for the client's own tool, in a stream."""

    index: int
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class ChunkDelta(msgspec.Struct):
    """What a chunk adds; keys that add nothing are left out."""

    role: Literal["assistant"] | msgspec.UnsetType = msgspec.UNSET
    content: str | msgspec.UnsetType | None = msgspec.UNSET
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET
    tool_calls: list[CalledPiece] | msgspec.UnsetType = msgspec.UNSET


class ChunkChoice(msgspec.Struct, kw_only=True):
    """The one choice of a chunk."""

    index: int = 0
    delta: ChunkDelta
    finish_reason: WireFinish | None = None


class StatusData(msgspec.Struct):
    """What goes on, and whether that has ended."""

    description: str
    done: bool


class StatusEvent(msgspec.Struct, kw_only=True):
    """Tool activity beside an empty delta (`--tool-events status`)."""

    type: Literal["status"] = "status"
    data: StatusData


class Chunk(msgspec.Struct, kw_only=True):
    """One event of a stream. `usage` is null until the last chunk, when usage was asked for."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: WireUsage | msgspec.UnsetType | None = msgspec.UNSET
    event: StatusEvent | msgspec.UnsetType = msgspec.UNSET


class ModelObject(msgspec.Struct, kw_only=True):
    """An agent, as a model."""

    id: str
    object: Literal["model"] = "model"
    owned_by: Literal["docker-agent"] = "docker-agent"
    created: int
    name: str
    description: str


class ModelList(msgspec.Struct, kw_only=True):
    """All agents a client may choose."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


_decode_request = msgspec.json.Decoder(ChatRequest).decode


def decode_request(body: bytes) -> ChatRequest:
    """A chat request, its types and ranges checked. Raises `RequestError` naming the JSON path."""
    try:
        return _decode_request(body)
    except msgspec.ValidationError as exc:
        raise invalid(str(exc)) from exc
    except msgspec.DecodeError as exc:
        raise RequestError(
            "invalid_request", f"The request body is not valid JSON: {exc}", code="invalid_json"
        ) from exc
    except UNREADABLE as exc:
        why = "nested too deeply" if isinstance(exc, RecursionError) else "not UTF-8"
        raise RequestError(
            "invalid_request", f"The request body is {why}.", code="invalid_json"
        ) from exc


def invalid(said: str, prefix: str = "") -> RequestError:
    """A type or range error as msgspec words it (`Expected … - at `$.path``), for a client."""
    words, _, path = said.partition(" - at `")
    param = prefix + path.rstrip("`").removeprefix("$").removeprefix("." if not prefix else "")
    where = f" at '{param}'" if param else ""
    if "missing required field" in words:
        name = words.rpartition("`")[0].rpartition("`")[2]
        param = f"{param}.{name}" if param else name
        return RequestError(
            "invalid_request",
            f"Missing required parameter: '{param}'.",
            param=param,
            code="missing_required_parameter",
        )
    return RequestError(
        "invalid_request", f"{words}{where}.", param=param or None, code="invalid_value"
    )
