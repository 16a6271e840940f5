"""LangChain's ChatOpenAI."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from wire import SCHEMA, Ask, piece, serve, weather

TOOL = tool(weather)


def model_of(ask: Ask) -> ChatOpenAI:
    return ChatOpenAI(
        model=ask["model"],
        base_url=ask["url"],
        api_key=ask["key"],
        default_headers=ask.get("headers"),
        max_tokens=ask.get("max_tokens"),
        stream_usage=True,
    )


def counted(usage: Any) -> list[int] | None:
    return usage and [usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]]


def whole(ask: Ask) -> Any:
    reply = model_of(ask).invoke(ask.get("text", "hi"))
    return {"text": reply.text, "usage": counted(reply.usage_metadata)}


async def stream(ask: Ask) -> Any:
    gathered: AIMessageChunk | None = None
    async for chunk in model_of(ask).astream(ask.get("text", "hi")):
        piece(chunk.text)
        gathered = chunk if gathered is None else gathered + chunk
    assert gathered is not None
    return {"text": gathered.text, "usage": counted(gathered.usage_metadata)}


def tools(ask: Ask) -> Any:
    model = model_of(ask).bind_tools([TOOL])
    history: list[Any] = [HumanMessage(ask["text"])]
    while True:
        reply = model.invoke(history)
        if not reply.tool_calls:
            return {"text": reply.text}
        history.append(reply)
        history += [
            ToolMessage(TOOL.invoke(call["args"]), tool_call_id=call["id"])
            for call in reply.tool_calls
        ]


def tools_stream(ask: Ask) -> Any:
    model = model_of(ask).bind_tools([TOOL])
    history: list[Any] = [HumanMessage(ask["text"])]
    while True:
        gathered: Any = None
        for chunk in model.stream(history):
            piece(chunk.text)
            gathered = chunk if gathered is None else gathered + chunk
        if not gathered.tool_calls:
            return {"text": gathered.text}
        history.append(gathered)
        history += [
            ToolMessage(TOOL.invoke(call["args"]), tool_call_id=call["id"])
            for call in gathered.tool_calls
        ]


def schema(ask: Ask) -> Any:
    model = model_of(ask).with_structured_output(SCHEMA, method="json_schema")
    return model.invoke(ask.get("text", "hi"))


serve(whole=whole, stream=stream, tools=tools, tools_stream=tools_stream, schema=schema)
