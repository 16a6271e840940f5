"""The OpenAPI 3.1 document, generated from the types that decode and encode."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, cast

import msgspec

from docker_agent import __version__
from docker_agent.messages import JSON
from docker_agent.server.errors import ROWS, ErrorBody
from docker_agent.server.wire import (
    ChatRequest,
    Chunk,
    Completion,
    ModelList,
    ModelObject,
    WireMessage,
)

_REF = "#/components/schemas/{name}"


class Status(msgspec.Struct):
    """What `/health` and `/ready` say when all is well."""

    status: Literal["ok", "ready"]


@lru_cache(maxsize=1)
def document() -> bytes:
    """The whole document as JSON."""
    types = [ChatRequest, Completion, Chunk, ModelList, ModelObject, ErrorBody, Status]
    refs, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    named = dict(zip((kind.__name__ for kind in types), refs, strict=True))
    _describe_parts(schemas)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "docker-agent chat server",
                "version": __version__,
                "description": "Agents behind an OpenAI-compatible Chat Completions API.",
            },
            "paths": _paths(named),
            "components": {
                "schemas": schemas,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _describe_parts(schemas: dict[str, JSON]) -> None:
    """Content parts are read one by one, so the types alone do not say what they are."""
    content = schemas[WireMessage.__name__]["properties"]["content"]
    part = {
        "type": "object",
        "description": "text, image_url, input_audio or file; other kinds are ignored",
        "properties": {"type": {"type": "string"}},
    }
    content["anyOf"] = [
        {"type": "array", "items": part} if choice.get("type") == "array" else choice
        for choice in content["anyOf"]
    ]


def _paths(named: dict[str, dict[str, Any]]) -> dict[str, JSON]:
    completion = _operation(
        "Send messages and receive a completion, whole or streamed",
        {"application/json": named["Completion"], "text/event-stream": named["Chunk"]},
        named,
        (400, 401, 403, 404, 409, 413, 415, 429, 500, 502, 503, 504),
        secured=True,
    )
    completion["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": named["ChatRequest"]}},
    }
    one = _operation(
        "One agent",
        {"application/json": named["ModelObject"]},
        named,
        (401, 403, 404),
        secured=True,
    )
    one["parameters"] = [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    ]
    listed = {"application/json": named["ModelList"]}
    status = {"application/json": named["Status"]}
    whole = {"application/json": {"type": "object"}}
    counts = {"text/plain": {"type": "string"}, "application/openmetrics-text": {"type": "string"}}
    page = {"text/html": {"type": "string"}, "application/json": {"type": "object"}}
    return {
        "/v1/models": {
            "get": _operation("The agents, as models", listed, named, (401, 403), secured=True)
        },
        "/v1/models/{id}": {"get": one},
        "/v1/chat/completions": {"post": completion},
        "/openapi.json": {"get": _operation("This document", whole, named, ())},
        "/metrics": {
            "get": _operation(
                "Counts since the start, for Prometheus", counts, named, (401, 403), secured=True
            )
        },
        "/": {"get": _operation("A page to chat with an agent", page, named, (403,))},
        "/health": {"get": _operation("The process is up", status, named, (403,))},
        "/ready": {"get": _operation("The agents can work", status, named, (403, 503))},
    }


def _operation(
    summary: str,
    content: dict[str, Any],
    named: dict[str, dict[str, Any]],
    errors: tuple[int, ...],
    *,
    secured: bool = False,
) -> dict[str, JSON]:
    responses: dict[str, JSON] = {
        "200": {
            "description": "OK",
            "headers": _HEADERS,
            "content": {kind: {"schema": schema} for kind, schema in content.items()},
        }
    }
    for status in errors:
        codes = sorted(
            {str(row.code or "a field's code") for row in ROWS.values() if row.status == status}
        )
        responses[str(status)] = {
            "description": ", ".join(codes),
            "headers": _HEADERS,
            "content": {"application/json": {"schema": named["ErrorBody"]}},
        }
    operation: dict[str, JSON] = {"summary": summary, "responses": responses}
    if secured:
        operation["security"] = cast(JSON, [{"bearer": []}, {}])
    return operation


_HEADERS: dict[str, JSON] = {
    "x-request-id": {
        "description": "The request's own id when it was sane, else a new one",
        "schema": {"type": "string"},
    }
}
