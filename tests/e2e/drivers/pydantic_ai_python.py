"""Pydantic AI, whose agent loop is the client."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.messages import PartDeltaEvent, TextPartDelta
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from wire import Ask, piece, serve, weather


class Weather(BaseModel):
    city: str
    degrees: int


def agent_of(ask: Ask, **more: Any) -> Agent[None, Any]:
    settings: dict[str, Any] = {"extra_headers": ask.get("headers") or {}}
    if "max_tokens" in ask:
        settings["max_tokens"] = ask["max_tokens"]
    provider = OpenAIProvider(base_url=ask["url"], api_key=ask["key"])
    model = OpenAIChatModel(ask["model"], provider=provider)
    return Agent(model, model_settings=settings, **more)


def counted(usage: Any) -> list[int]:
    return [usage.input_tokens, usage.output_tokens, usage.total_tokens]


async def whole(ask: Ask) -> Any:
    reply = await agent_of(ask).run(ask.get("text", "hi"))
    return {"text": reply.output, "usage": counted(reply.usage)}


async def stream(ask: Ask) -> Any:
    text = ""
    async with agent_of(ask).run_stream(ask.get("text", "hi")) as reply:
        async for part in reply.stream_text(delta=True, debounce_by=None):
            text += piece(part)
    return {"text": text, "usage": counted(reply.usage)}


async def tools(ask: Ask) -> Any:
    reply = await agent_of(ask, tools=[weather]).run(ask["text"])
    return {"text": reply.output}


async def tools_stream(ask: Ask) -> Any:
    """A whole run, its text told as it comes: what `run_stream` gives ends at the first text."""

    async def told(_: Any, events: Any) -> None:
        async for event in events:
            if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                piece(event.delta.content_delta)

    agent = agent_of(ask, tools=[weather])
    reply = await agent.run(ask["text"], event_stream_handler=told)
    return {"text": reply.output}


async def schema(ask: Ask) -> Any:
    reply = await agent_of(ask, output_type=NativeOutput(Weather)).run(ask.get("text", "hi"))
    return reply.output.model_dump()


serve(
    whole=whole,
    stream=stream,
    tools=tools,
    tools_stream=tools_stream,
    schema=schema,
)
