"""curl, as anybody would type it."""

from __future__ import annotations

import json
from typing import Any

from commands import run
from wire import Ask, serve


def curl(ask: Ask, path: str, *more: str) -> str:
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "60"]
    command += ["--header", f"Authorization: Bearer {ask['key']}"]
    for name, value in (ask.get("headers") or {}).items():
        command += ["--header", f"{name}: {value}"]
    return run([*command, *more, f"{ask['url']}{path}"])


def chat(ask: Ask, *more: str, **fields: Any) -> str:
    body = {
        "model": ask["model"],
        "messages": [{"role": "user", "content": ask.get("text", "hi")}],
        **fields,
    }
    if "max_tokens" in ask:
        body["max_tokens"] = ask["max_tokens"]
    content = ("--header", "Content-Type: application/json", "--data", json.dumps(body))
    return curl(ask, "/chat/completions", *content, *more)


def counted(usage: dict[str, int]) -> list[int]:
    return [usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]]


def whole(ask: Ask) -> Any:
    reply = json.loads(chat(ask))
    return {
        "text": reply["choices"][0]["message"]["content"],
        "usage": counted(reply["usage"]),
    }


def stream(ask: Ask) -> Any:
    said = chat(ask, "--no-buffer", stream=True, stream_options={"include_usage": True})
    events = [line.removeprefix("data: ") for line in said.split("\n\n") if line]
    assert events.pop() == "[DONE]", said
    chunks = [json.loads(event) for event in events]
    assert all("error" not in chunk for chunk in chunks), said
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return {
        "text": "".join(delta.get("content") or "" for delta in deltas),
        "usage": counted(chunks[-1]["usage"]),
    }


def models(ask: Ask) -> Any:
    return [model["id"] for model in json.loads(curl(ask, "/models"))["data"]]


serve(models=models, whole=whole, stream=stream)
