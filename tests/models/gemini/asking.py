"""Asking a scripted model through the Gemini adapter, and what the caller got."""

from __future__ import annotations

import anyio
import msgspec

from docker_agent.messages import ToolList, ToolSpec, UserMessage
from docker_agent.models.gemini import Gemini
from docker_agent.models.gemini_config import GeminiSettings
from docker_agent.models.http import open_http
from docker_agent.models.http_port import Http
from docker_agent.models.port import Ask, ModelCard
from tests.models.talking import Told
from tests.scripted.gemini import GeminiServer
from tests.scripted.heard import Model

HI = Ask((UserMessage("hi"),))
TOOLS = ToolList(
    [
        ToolSpec("f", "Does f.", {"type": "object", "properties": {"a": {"type": "integer"}}}),
        ToolSpec("g", "", {}),
    ]
)
TOOL_ASK = Ask(HI.messages, TOOLS)
CARD = ModelCard("the-model", "google")


def settings_for(server: GeminiServer, model: Model, **more: object) -> GeminiSettings:
    """How to reach a scripted model; `more` are fields of `GeminiSettings`."""
    plain = GeminiSettings(
        url=f"{server.url}/v1beta/models/{model.name}:streamGenerateContent?alt=sse",
        model=model.name,
        headers={"x-goog-api-key": "k"},
        secrets=("k-secret",),
    )
    return msgspec.structs.replace(plain, **more)


async def told(
    server: GeminiServer, model: Model, ask: Ask = HI, *, into: Told | None = None, **more: object
) -> Told:
    """One call. With `into`, what came before an error is kept there."""
    async with open_http() as http:
        return await tell(http, settings_for(server, model, **more), ask, into or Told())


async def tell(http: Http, settings: GeminiSettings, ask: Ask, into: Told) -> Told:
    """One call over any HTTP client."""
    with anyio.fail_after(10):
        into.answer = await Gemini(http, settings, CARD).reply(ask, into.hear)
    return into
