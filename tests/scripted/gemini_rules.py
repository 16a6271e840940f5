"""What Gemini's API refuses: a scripted model that takes everything would hide mistakes.

Rules of https://ai.google.dev/api/generate-content and of its documented refusals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.scripted.gemini_parts import fail
from tests.scripted.steps import Reply

Fields = Mapping[str, Any]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


BODY = _names("contents systemInstruction tools toolConfig generationConfig safetySettings")
PART = _names(
    "text inlineData fileData functionCall functionResponse thought thoughtSignature executableCode"
    " codeExecutionResult toolCall toolResponse"
)
CONFIG = _names(
    "maxOutputTokens temperature topP topK frequencyPenalty presencePenalty stopSequences seed"
    " responseMimeType responseJsonSchema thinkingConfig"
)
SCHEMA = _names(
    "type format title description nullable enum maxItems minItems properties required"
    " minProperties maxProperties minLength maxLength pattern default anyOf items minimum"
    " maximum"
)
TYPES = {"string", "number", "integer", "boolean", "array", "object"}


def objection(
    body: Fields, headers: Mapping[str, str], model: str, *, vertex: bool = False
) -> Reply | None:
    """The refusal of a request, on Vertex AI or not; None when there is nothing to object to."""
    key, token = headers.get("x-goog-api-key"), headers.get("authorization", "")
    if vertex and (key or not token.startswith("Bearer ")):
        text = "API keys are not supported by this API. Expected OAuth2 access token."
        return fail(401, text, "UNAUTHENTICATED")
    if vertex and "includeServerSideToolInvocations" in body.get("toolConfig", {}):
        return fail(400, "Invalid JSON payload received. Unknown name at 'tool_config'")
    if not vertex and not key:
        return fail(403, "Method doesn't allow unregistered callers.", "PERMISSION_DENIED")
    first = next(_faults(body, third="gemini-3" in model), None)
    return fail(400, first) if first else None


def _faults(body: Fields, *, third: bool) -> Iterator[str]:
    yield from _unknown(body, BODY, "")
    yield from _unknown(body.get("generationConfig", {}), CONFIG, "generation_config.")
    contents: list[Fields] = body.get("contents", [])
    if not contents:
        yield "contents is not specified"
    for content in contents:
        if content.get("role") not in ("user", "model"):
            yield "Please use a valid role: user, model."
        if not content.get("parts"):
            yield "contents.parts must not be empty."
        for part in content["parts"]:
            yield from _unknown(part, PART, "contents.parts.")
    yield from _pairing(contents)
    if third:
        yield from _signatures(contents)
    yield from _tools(body, third=third)


def _unknown(given: Fields, known: frozenset[str], where: str) -> Iterator[str]:
    for name in given:
        if name not in known:
            yield f"Invalid JSON payload received. Unknown name {name!r} at '{where}{name}'"


def _named(content: Fields, kind: str) -> list[Fields]:
    return [part[kind] for part in content["parts"] if kind in part]


def _pairing(contents: list[Fields]) -> Iterator[str]:
    for place, content in enumerate(contents):
        calls, answers = _named(content, "functionCall"), _named(content, "functionResponse")
        after: Fields = contents[place + 1] if place + 1 < len(contents) else {"parts": []}
        if calls:
            names = [call["name"] for call in calls]
            answered = [one["name"] for one in _named(after, "functionResponse")]
            if names != answered:
                yield (
                    "Please ensure that the number of function response parts is equal to the "
                    "number of function call parts of the function call turn."
                )
            before = contents[place - 1]["role"] if place else ""
            if before != "user":
                yield "Please ensure that function call turn comes immediately after a user turn."
        if answers and len(answers) != len(content["parts"]):
            yield "a turn of function responses holds nothing else"


def _signatures(contents: list[Fields]) -> Iterator[str]:
    for content in contents:
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first is not None and not first.get("thoughtSignature"):
            yield "Function call is missing a thought_signature in functionCall parts."


def _tools(body: Fields, *, third: bool) -> Iterator[str]:
    tools: list[Fields] = body.get("tools", [])
    declared = [one for tool in tools for one in tool.get("functionDeclarations", [])]
    for function in declared:
        if not re.fullmatch(r"[A-Za-z_][\w.:-]{0,127}", function["name"]):
            yield "Invalid function name."
        if "parameters" in function:
            yield from _schema(function["parameters"])
    built_in = [tool for tool in tools if "functionDeclarations" not in tool]
    combined = body.get("toolConfig", {}).get("includeServerSideToolInvocations") is True
    if declared and built_in and not (third and combined):
        yield "Tool use with function calling is unsupported"
    asked = body.get("generationConfig", {}).get("responseMimeType") == "application/json"
    if declared and asked and not third:
        yield "Function calling with a response mime type: 'application/json' is unsupported"


def _schema(schema: Fields) -> Iterator[str]:
    yield from _unknown(schema, SCHEMA, "parameters.")
    kind = str(schema.get("type")).lower()
    if "anyOf" not in schema and kind not in TYPES:
        yield f"Invalid value at 'parameters.type': {kind!r}"
    if "enum" in schema:
        if kind != "string":
            yield "enum: only allowed for STRING type"
        if not all(isinstance(value, str) and value for value in schema["enum"]):
            yield "Invalid value at 'parameters.enum' (TYPE_STRING)"
    if kind == "array":
        if "items" not in schema:
            yield "items: missing field."
        else:
            yield from _schema(schema["items"])
    properties: Fields = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in properties:
            yield f"required: property is not defined: {name}"
    for one in (*properties.values(), *schema.get("anyOf", [])):
        yield from _schema(one)
