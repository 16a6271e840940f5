"""Asking a scripted Claude through the adapter, and what the caller got."""

from __future__ import annotations

import anyio
import msgspec

from docker_agent.messages import ToolList, ToolSpec, UserMessage
from docker_agent.models.anthropic import AnthropicMessages
from docker_agent.models.anthropic_request import MessagesSettings
from docker_agent.models.http import open_http
from docker_agent.models.http_port import Http
from docker_agent.models.port import Ask, ModelCard
from tests.models.talking import Told
from tests.scripted.anthropic import Claude
from tests.scripted.heard import Model

HI = Ask((UserMessage("hi"),))
TOOLS = ToolList(
    [
        ToolSpec("f", "Does f.", {"type": "object", "properties": {"a": {"type": "integer"}}}),
        ToolSpec("g", "", {}),
    ]
)
TOOL_ASK = Ask(HI.messages, TOOLS)
CARD = ModelCard("the-model", "anthropic")


async def told(
    claude: Claude, model: Model, ask: Ask = HI, *, into: Told | None = None, **more: object
) -> Told:
    """One call; `more` are fields of `MessagesSettings`. With `into`, what came before an error is
    kept there."""
    async with open_http() as http:
        settings = msgspec.structs.replace(
            MessagesSettings(f"{claude.url}/v1/messages", model.name), **more
        )
        return await tell(http, settings, ask, into or Told())


async def tell(
    http: Http, settings: MessagesSettings, ask: Ask, into: Told, card: ModelCard = CARD
) -> Told:
    """One call over any HTTP client."""
    with anyio.fail_after(10):
        into.answer = await AnthropicMessages(http, settings, card).reply(ask, into.hear)
    return into
