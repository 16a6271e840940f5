"""A question as Gemini's `contents`: one small pure function per kind of message."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterable, Sequence
from itertools import groupby
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from docker_agent.messages import (
    JSON,
    AssistantMessage,
    AudioPart,
    Content,
    FilePart,
    Format,
    ImagePart,
    Message,
    Part,
    SystemMessage,
    TextPart,
    ToolMessage,
    ToolSpec,
    UserMessage,
)
from docker_agent.models.gemini_schema import gemini_schema
from docker_agent.models.gemini_turn import replayed

ATTACHED = "Attached content of the tool result above:"

UNSIGNED = "skip_thought_signature_validator"
"""What Google gives calls that its model did not make, in place of a signature
(https://ai.google.dev/gemini-api/docs/thought-signatures)."""


def gemini_declarations(specs: Sequence[ToolSpec]) -> bytes:
    """The `functionDeclarations` array: a dialect of `ToolList.wire`."""
    return msgspec.json.encode([_declaration(spec) for spec in specs])


def _declaration(spec: ToolSpec) -> JSON:
    declared: JSON = {
        "name": spec.name,
        "description": spec.description or f"Function {spec.name}",
    }
    parameters = gemini_schema(spec.parameters)
    if parameters is not None:
        declared["parameters"] = parameters
    return declared


def system_instruction(messages: Iterable[Message], *, format: Format | None = None) -> JSON:
    """The `systemInstruction` field, a part per system message; None without any.

    `format` is put into words here for models that cannot be held to it.
    """
    texts = [message.text for message in messages if isinstance(message, SystemMessage)]
    if format is not None:
        texts.append(_in_words(format))
    parts = [{"text": text} for text in texts if text.strip()]
    return {"parts": parts} if parts else None


def _in_words(format: Format) -> str:
    words = "Your final answer must be one JSON value and nothing else: no prose, no code fence."
    if format.schema is None:
        return words
    schema = msgspec.json.encode(format.schema).decode()
    return f"{words} It must be valid by this JSON Schema:\n{schema}"


def gemini_contents(messages: Iterable[Message], *, signed: bool) -> list[JSON]:
    """The `contents` array, without system messages and empty ones.

    Results of one turn's calls stand in one content, pictures among them in the next: the API wants
    as many parts as there were calls. `signed` models refuse a turn whose first call has no
    signature.
    """
    contents: list[JSON] = []
    names: dict[str, str] = {}
    for kind, group in groupby(messages, type):
        if kind is ToolMessage:
            results = [message for message in group if isinstance(message, ToolMessage)]
            contents.append(
                {"role": "user", "parts": [_response(one, names) for one in results]},
            )
            attached = [part for one in results for part in one.parts]
            if attached:
                contents.append(_user((TextPart(ATTACHED), *attached)))
            continue
        for message in group:
            match message:
                case UserMessage(content=content):
                    contents.append(_user(content))
                case AssistantMessage():
                    names.update((call.id, call.name) for call in message.calls)
                    contents.append({"role": "model", "parts": _model_parts(message, signed)})
                case SystemMessage() | ToolMessage():
                    pass
    return [content for content in contents if content["parts"]]


def _model_parts(message: AssistantMessage, signed: bool) -> list[JSON]:
    parts = replayed(message)
    first = next((part for part in parts if "functionCall" in part), None)
    if signed and first is not None:
        first.setdefault("thoughtSignature", UNSIGNED)
    return parts


def _response(message: ToolMessage, names: dict[str, str]) -> JSON:
    response = {
        "id": message.call_id,
        "name": names.get(message.call_id, "unknown"),
        "response": {"error" if message.is_error else "output": message.text},
    }
    return {"functionResponse": response}


def _user(content: Content) -> JSON:
    parts = (TextPart(content),) if isinstance(content, str) else content
    return {"role": "user", "parts": [_part(part) for part in parts if not _is_empty(part)]}


def _is_empty(part: Part) -> bool:
    return isinstance(part, TextPart) and not part.text


def _part(part: Part) -> JSON:
    match part:
        case TextPart(text=text):
            return {"text": text}
        case ImagePart(url=url):
            return _blob(url, "image/png")
        case AudioPart(data=data, format=kind):
            return {"inlineData": {"mimeType": f"audio/{kind}", "data": data}}
        case FilePart(data=str(data), filename=filename):
            return _blob(data, _guessed(filename or "") or "application/pdf")
        case FilePart(file_id=file_id):
            return {"fileData": {"fileUri": file_id or ""}}


def _blob(text: str, otherwise: str) -> JSON:
    """A data URL or an address; bare base64 is of the type `otherwise`."""
    if text.startswith("data:"):
        head, _, data = text[len("data:") :].partition(",")
        kind, *more = head.split(";")
        if "base64" not in more:
            data = base64.b64encode(unquote_to_bytes(data)).decode()
        return {"inlineData": {"mimeType": kind or "text/plain", "data": data}}
    if "://" in text:
        kind = _guessed(urlsplit(text).path)
        file = {"fileUri": text, "mimeType": kind} if kind else {"fileUri": text}
        return {"fileData": file}
    return {"inlineData": {"mimeType": otherwise, "data": text}}


def _guessed(name: str) -> str | None:
    return mimetypes.guess_type(name)[0]
