"""Recordings as the Go program writes them (go-vcr, version 2): more keys than we need, headers
gone, bodies as one text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

ROOTS = {
    "chat": "https://api.openai.com/v1/chat/completions",
    "responses": "https://api.openai.com/v1/responses",
    "anthropic": "https://api.anthropic.com/v1/messages",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
    ":streamGenerateContent?alt=sse",
}


def interaction(number: int, url: str, asked: object, body: str, *, code: int = 200) -> str:
    """One entry, in block style, its body as a quoted text."""
    host = url.split("/")[2]
    return (
        f"    - id: {number}\n"
        "      request:\n"
        "        proto: HTTP/1.1\n        proto_major: 1\n        proto_minor: 1\n"
        "        content_length: 0\n        transfer_encoding: []\n        trailer: {}\n"
        f'        host: {host}\n        remote_addr: ""\n        request_uri: ""\n'
        f"        body: {json.dumps(json.dumps(asked))}\n"
        "        form:\n            alt:\n                - sse\n"
        "        headers: {}\n"
        f"        url: {url}\n        method: POST\n"
        "      response:\n"
        "        proto: HTTP/2.0\n        proto_major: 2\n        proto_minor: 0\n"
        "        transfer_encoding: []\n        trailer: {}\n        content_length: -1\n"
        "        uncompressed: true\n"
        f"        body: {json.dumps(body)}\n"
        f"        headers: {{}}\n        status: {code} OK\n        code: {code}\n"
        "        duration: 655.942ms\n"
    )


def cassette(entries: Sequence[str]) -> str:
    """A whole recording."""
    return "---\nversion: 2\ninteractions:\n" + "".join(entries)


def events(*values: object, named: bool = False, end: str = "\n\n") -> str:
    """An event stream; `named` events carry their type as Anthropic's and Responses' do."""
    lines: list[str] = []
    for value in values:
        text = value if isinstance(value, str) else json.dumps(value)
        name = f"event: {value['type']}\n" if named and isinstance(value, dict) else ""
        lines.append(f"{name}data: {text}{end}")
    return "".join(lines)


def chat_text(*pieces: str) -> str:
    """An answer of Chat Completions."""
    chunks: list[object] = [
        {
            "id": "c",
            "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "delta": {"content": p}}],
        }
        for p in pieces
    ]
    end: dict[str, Any] = {
        "id": "c",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    }
    count: dict[str, Any] = {
        "id": "c",
        "choices": [],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }
    return events(*chunks, end, count, "[DONE]")


def chat_call(name: str, arguments: str) -> str:
    """A tool call of Chat Completions."""
    function = {"name": name, "arguments": arguments}
    delta = {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}
    end: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    return events({"choices": [{"index": 0, "delta": delta}]}, end, "[DONE]")


def responses_text(*pieces: str) -> str:
    """An answer of Responses."""
    item: dict[str, Any] = {"id": "m", "type": "message", "role": "assistant", "content": []}
    whole: dict[str, Any] = {
        "id": "r",
        "status": "completed",
        "model": "gpt-5-mini-2025-08-07",
        "output": [],
    }
    whole["usage"] = {"input_tokens": 7, "output_tokens": 3}
    return events(
        {"type": "response.created", "response": {"id": "r", "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        *(
            {"type": "response.output_text.delta", "output_index": 0, "item_id": "m", "delta": p}
            for p in pieces
        ),
        {"type": "response.completed", "response": whole},
        named=True,
    )


def anthropic_text(*pieces: str) -> str:
    """An answer of Messages."""
    head: dict[str, Any] = {
        "id": "msg",
        "model": "claude-sonnet-4-5-20250929",
        "usage": {"input_tokens": 7},
    }
    block = {"type": "text", "text": ""}
    return events(
        {"type": "message_start", "message": head},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": piece},
            }
            for piece in pieces
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 3},
        },
        {"type": "message_stop"},
        named=True,
    )


def gemini_text(*pieces: str) -> str:
    """An answer of Gemini, its lines ended as Google ends them."""
    return events(
        *(
            {"candidates": [{"content": {"parts": [{"text": piece}], "role": "model"}}]}
            for piece in pieces
        ),
        {
            "candidates": [{"content": {"role": "model"}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3},
            "modelVersion": "gemini-2.5-flash",
        },
        end="\r\n\r\n",
    )


TEXTS = {
    "chat": chat_text,
    "responses": responses_text,
    "anthropic": anthropic_text,
    "gemini": gemini_text,
}


def user_asks(protocol: str, text: str) -> object:
    """A question's body as the Go program sends it."""
    match protocol:
        case "responses":
            return {"model": "gpt-5-mini", "input": [{"role": "user", "content": text}]}
        case "gemini":
            return {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        case "anthropic":
            content = [{"type": "text", "text": text}]
            return {
                "model": "claude-sonnet-4-5",
                "messages": [{"role": "user", "content": content}],
            }
        case _:
            return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
