"""The official OpenAI SDK, strict about every reply."""

from __future__ import annotations

import json
from typing import Any

from openai import OpenAI
from openai.types.chat import ChatCompletion
from pydantic import BaseModel
from wire import Ask, piece, serve, weather

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather in a city",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
]


class Weather(BaseModel):
    city: str
    degrees: int


def client_of(ask: Ask) -> OpenAI:
    return OpenAI(
        base_url=ask["url"],
        api_key=ask["key"],
        default_headers=ask.get("headers"),
        _strict_response_validation=True,
    )


def question(ask: Ask) -> dict[str, Any]:
    more = {"max_tokens": ask["max_tokens"]} if "max_tokens" in ask else {}
    return {
        "model": ask["model"],
        "messages": [{"role": "user", "content": ask.get("text", "hi")}],
        **more,
    }


def counted(usage: Any) -> list[int] | None:
    return usage and [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]


def models(ask: Ask) -> Any:
    with client_of(ask) as client:
        listed = [model.id for model in client.models.list()]
        assert client.models.retrieve(listed[0]).id == listed[0]
    return listed


def whole(ask: Ask) -> Any:
    with client_of(ask) as client:
        raw = client.chat.completions.with_raw_response.create(**question(ask))
    reply = raw.parse()
    ChatCompletion.model_validate(json.loads(raw.text), strict=True)
    return {"text": reply.choices[0].message.content, "usage": counted(reply.usage)}


def stream(ask: Ask) -> Any:
    text, usage = "", None
    with client_of(ask) as client:
        chunks = client.chat.completions.create(
            **question(ask), stream=True, stream_options={"include_usage": True}
        )
        for chunk in chunks:
            for choice in chunk.choices:
                text += piece(choice.delta.content)
            usage = chunk.usage or usage
    return {"text": text, "usage": counted(usage)}


def tools(ask: Ask, *, streamed: bool = False) -> Any:
    asked = question(ask)
    history = asked.pop("messages")
    with client_of(ask) as client:
        while True:
            if streamed:
                with client.chat.completions.stream(
                    **asked, messages=history, tools=TOOLS
                ) as events:
                    for event in events:
                        if event.type == "content.delta":
                            piece(event.delta)
                    reply = events.get_final_completion()
            else:
                reply = client.chat.completions.create(**asked, messages=history, tools=TOOLS)
            message = reply.choices[0].message
            if not message.tool_calls:
                return {"text": message.content}
            history.append(message.model_dump(exclude_none=True))
            history += [
                {
                    "role": "tool",
                    "tool_call_id": call.id,
                    "content": weather(**json.loads(call.function.arguments)),
                }
                for call in message.tool_calls
            ]


def schema(ask: Ask) -> Any:
    with client_of(ask) as client:
        reply = client.chat.completions.parse(**question(ask), response_format=Weather)
    return reply.choices[0].message.parsed.model_dump()


serve(
    models=models,
    whole=whole,
    stream=stream,
    tools=tools,
    tools_stream=lambda ask: tools(ask, streamed=True),
    schema=schema,
)
