"""The OpenAPI 3.1 document: every route, header, status and error, from what makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import cast

import msgspec

from docker_agent import __version__
from docker_agent.messages import JSON
from docker_agent.server.conversations.ids import HEADERS as CONVERSATION_HEADERS
from docker_agent.server.conversations.ids import MAX_ID, TASK_HEADER
from docker_agent.server.errors import ROWS
from docker_agent.server.openapi_schemas import REF, Schema, schemas
from docker_agent.server.unpack import ENCODINGS

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "string", "pattern": "^[0-9]+$"}

_ID: Schema = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "An agent's name; it may hold slashes",
    "schema": _TEXT,
}
_EVENT: Schema = {
    "type": "object",
    "description": "One event: a chunk, an error object (then nothing but the end), or [DONE]",
    "properties": {
        "data": {
            "anyOf": [
                {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": {
                        "anyOf": [
                            {"$ref": REF.format(name=kind)} for kind in ("Chunk", "ErrorBody")
                        ]
                    },
                },
                {"const": "[DONE]"},
            ]
        }
    },
    "required": ["data"],
}

ALWAYS = {
    "x-request-id": ("The request's own id when it was sane, else a new one", _TEXT),
    "x-content-type-options": ("Always nosniff", {"const": "nosniff"}),
    "access-control-allow-origin": ("For pages of an allowed origin", _TEXT),
    "access-control-expose-headers": ("For pages of an allowed origin", _TEXT),
}
ANSWERED = {
    "x-agent": ("The agent that answers", _TEXT),
    "x-conversation-id": ("The conversation, when the request belongs to one", _TEXT),
    "openai-processing-ms": ("Milliseconds until a JSON reply was ready", _NUMBER),
    "cache-control": ("Streams: no-cache, no-transform", _TEXT),
    "x-accel-buffering": ("Streams: no", _TEXT),
    "x-ratelimit-limit-requests": ("With --rate-limit: requests in a period", _NUMBER),
    "x-ratelimit-remaining-requests": ("With --rate-limit: how many are left now", _NUMBER),
    "x-ratelimit-reset-requests": ("With --rate-limit: until all of them are back", _TEXT),
}
WAITING = {
    "retry-after": ("Seconds to wait", _NUMBER),
    "retry-after-ms": ("Milliseconds to wait", _NUMBER),
}
AGAIN = {"x-should-retry": ("false: tools have run, or it would fail again", {"const": "false"})}
MORE: Mapping[int, Mapping[str, tuple[str, Schema]]] = {
    401: {"www-authenticate": ("Bearer", _TEXT)},
    405: {"allow": ("The methods there are", _TEXT)},
    429: WAITING,
    503: WAITING,
}
"""Headers of an error by its status."""

ANY = (400, 403, 408, 413, 431, 500)
"""What any request may be answered with: it is no HTTP, it comes from a foreign page, it is too
slow or too large, or we have failed."""

RUN = (400, 403, 404, 409, 415, 429, 500, 502, 503, 504)
"""And what a chat may."""


@lru_cache(maxsize=1)
def document() -> bytes:
    """The whole document as JSON."""
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "docker-agent chat server",
                "version": __version__,
                "description": (
                    "Agents behind an OpenAI-compatible Chat Completions API. HEAD works wherever "
                    "GET does; OPTIONS is answered 204 with Allow; any other method is 405."
                ),
            },
            "paths": _paths(),
            "components": {
                "schemas": schemas(),
                "responses": {f"Error{status}": _error(status) for status in _statuses()},
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                    "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
                },
            },
        }
    )


def _paths() -> Mapping[str, JSON]:
    page = {"text/html": _TEXT, "application/json": _ref("About")}
    counts = {"text/plain": _TEXT, "application/openmetrics-text": _TEXT}
    return {
        "/v1/chat/completions": {"post": _chat()},
        "/v1/models": {"get": _get("The agents, as models", _json("ModelList"), key=True)},
        "/v1/models/{id}": {
            "get": _get("One agent", _json("ModelObject"), more=(404,), key=True)
            | {"parameters": [_ID]}
        },
        "/openapi.json": {"get": _get("This document", {"application/json": {"type": "object"}})},
        "/health": {"get": _get("The process is up", _json("Status"))},
        "/ready": {"get": _get("The agents can work", _json("Status"), more=(503,))},
        "/metrics": {"get": _get("Counts since the start, for Prometheus", counts, key=True)},
        "/": {"get": _get("A page to chat with an agent", page)},
    }


def _chat() -> JSON:
    content = {**_json("Completion"), "text/event-stream": _EVENT}
    operation = _operation(
        "Send messages and receive a completion, whole or streamed", content, RUN, ANSWERED
    )
    operation["requestBody"] = {
        "required": True,
        "description": f"May be packed, with Content-Encoding: {', '.join(ENCODINGS)}",
        "content": _content(_json("ChatRequest")),
    }
    operation["parameters"] = [
        *(
            _header(
                name.decode(),
                f"The conversation to go on with, at most {MAX_ID} printable characters; of the "
                "headers for it, the first that is set wins",
                _TEXT,
            )
            for name in CONVERSATION_HEADERS
        ),
        _header(TASK_HEADER.decode(), "A request beside a chat: it touches no conversation", _TEXT),
    ]
    return operation


def _get(
    summary: str, content: Mapping[str, Schema], *, more: Sequence[int] = (), key: bool = False
) -> JSON:
    operation = _operation(summary, content, more, {})
    if not key:
        operation.pop("security")
        operation["responses"].pop("401")
    return operation


def _operation(
    summary: str,
    content: Mapping[str, Schema],
    errors: Sequence[int],
    headers: Mapping[str, tuple[str, Schema]],
) -> dict[str, JSON]:
    every = sorted({*ANY, 401, *errors})
    return {
        "summary": summary,
        "security": cast(JSON, [{"bearer": []}, {"x-api-key": []}, {"api-key": []}, {}]),
        "responses": {
            "200": {
                "description": "OK",
                "headers": _headers({**ALWAYS, **headers}),
                "content": _content(content),
            },
            **{str(status): {"$ref": f"#/components/responses/Error{status}"} for status in every},
        },
    }


def _statuses() -> Sequence[int]:
    return sorted({row.status for row in ROWS.values()})


def _error(status: int) -> Schema:
    """All errors of one status."""
    codes = sorted({row.code or "a field's code" for row in ROWS.values() if row.status == status})
    headers = {**ALWAYS, **MORE.get(status, {}), **AGAIN}
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}",
        "headers": _headers(headers),
        "content": _content(_json("ErrorBody")),
    }


def _headers(found: Mapping[str, tuple[str, Schema]]) -> Schema:
    return {name: {"description": text, "schema": schema} for name, (text, schema) in found.items()}


def _header(name: str, text: str, schema: Schema) -> Schema:
    return {"name": name, "in": "header", "description": text, "schema": schema}


def _content(found: Mapping[str, Schema]) -> Schema:
    return {kind: {"schema": schema} for kind, schema in found.items()}


def _json(name: str) -> Mapping[str, Schema]:
    return {"application/json": _ref(name)}


def _ref(name: str) -> Schema:
    return {"$ref": REF.format(name=name)}
