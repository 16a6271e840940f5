"""The OpenAI Agents SDK over chat completions."""

from __future__ import annotations

from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from pydantic import BaseModel
from wire import Ask, piece, serve, weather

set_tracing_disabled(True)


class Weather(BaseModel):
    city: str
    degrees: int


def agent_of(ask: Ask, **more: Any) -> Agent[Any]:
    client = AsyncOpenAI(base_url=ask["url"], api_key=ask["key"])
    settings = ModelSettings(
        extra_headers=ask.get("headers"), include_usage=True, max_tokens=ask.get("max_tokens")
    )
    model = OpenAIChatCompletionsModel(ask["model"], client)
    return Agent(name="asker", model=model, model_settings=settings, **more)


def counted(usage: Any) -> list[int]:
    return [usage.input_tokens, usage.output_tokens, usage.total_tokens]


async def whole(ask: Ask, **more: Any) -> Any:
    reply = await Runner.run(agent_of(ask, **more), ask.get("text", "hi"))
    return {"text": reply.final_output, "usage": counted(reply.context_wrapper.usage)}


async def stream(ask: Ask, **more: Any) -> Any:
    reply = Runner.run_streamed(agent_of(ask, **more), ask.get("text", "hi"))
    async for event in reply.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            piece(event.data.delta)
    return {"text": reply.final_output, "usage": counted(reply.context_wrapper.usage)}


async def schema(ask: Ask) -> Any:
    reply = await Runner.run(agent_of(ask, output_type=Weather), ask.get("text", "hi"))
    return reply.final_output.model_dump()


TOOLS = [function_tool(weather)]
serve(
    whole=whole,
    stream=stream,
    tools=lambda ask: whole(ask, tools=TOOLS),
    tools_stream=lambda ask: stream(ask, tools=TOOLS),
    schema=schema,
)
