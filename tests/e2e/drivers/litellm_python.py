"""LiteLLM, with our server as an OpenAI-compatible provider."""

from __future__ import annotations

import json
import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from pydantic import BaseModel
from wire import Ask, piece, serve, weather

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather in a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]


class Weather(BaseModel):
    city: str
    degrees: int


def question(ask: Ask) -> dict[str, Any]:
    more = {"max_tokens": ask["max_tokens"]} if "max_tokens" in ask else {}
    return {
        "model": f"openai/{ask['model']}",
        "api_base": ask["url"],
        "api_key": ask["key"],
        "extra_headers": ask.get("headers"),
        "messages": [{"role": "user", "content": ask.get("text", "hi")}],
        **more,
    }


def counted(usage: Any) -> list[int] | None:
    return usage and [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]


def models(ask: Ask) -> Any:
    return litellm.get_valid_models(
        check_provider_endpoint=True,
        custom_llm_provider="openai",
        api_base=ask["url"].removesuffix("/v1"),
        api_key=ask["key"],
    )


def whole(ask: Ask) -> Any:
    reply = litellm.completion(**question(ask))
    return {"text": reply.choices[0].message.content, "usage": counted(reply.usage)}


async def stream(ask: Ask) -> Any:
    text, usage = "", None
    chunks = await litellm.acompletion(
        **question(ask), stream=True, stream_options={"include_usage": True}
    )
    async for chunk in chunks:
        for choice in chunk.choices:
            text += piece(choice.delta.content)
        usage = getattr(chunk, "usage", None) or usage
    return {"text": text, "usage": counted(usage)}


def tools(ask: Ask, *, streamed: bool = False) -> Any:
    asked = question(ask)
    history = asked.pop("messages")
    while True:
        reply = litellm.completion(**asked, messages=history, tools=TOOLS, stream=streamed)
        if streamed:
            chunks = []
            for chunk in reply:
                piece(chunk.choices[0].delta.content)
                chunks.append(chunk)
            reply = litellm.stream_chunk_builder(chunks, messages=history)
        message = reply.choices[0].message
        if not message.tool_calls:
            return {"text": message.content}
        history.append(message.model_dump())
        history += [
            {
                "role": "tool",
                "tool_call_id": call.id,
                "content": weather(**json.loads(call.function.arguments)),
            }
            for call in message.tool_calls
        ]


def schema(ask: Ask) -> Any:
    reply = litellm.completion(**question(ask), response_format=Weather)
    return Weather.model_validate_json(reply.choices[0].message.content).model_dump()


serve(
    models=models,
    whole=whole,
    stream=stream,
    tools=tools,
    tools_stream=lambda ask: tools(ask, streamed=True),
    schema=schema,
)
