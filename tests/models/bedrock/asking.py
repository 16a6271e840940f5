"""Asking a scripted model of Bedrock through the adapter, and what the caller got."""

from __future__ import annotations

from urllib.parse import quote

import anyio
import msgspec

from docker_agent.models.bedrock import Bedrock
from docker_agent.models.bedrock_request import ConverseSettings
from docker_agent.models.http import open_http
from docker_agent.models.http_port import Http
from docker_agent.models.port import Ask, ModelCard
from tests.models.talking import HI, Told
from tests.scripted.bedrock import BEARER, BedrockServer
from tests.scripted.heard import Model

CARD = ModelCard("the-model", "amazon-bedrock")
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def settings_for(bedrock: BedrockServer, model: Model, **more: object) -> ConverseSettings:
    """How `model` is reached with a bearer token; `more` are fields of `ConverseSettings`."""
    url = f"{bedrock.url}/model/{quote(model.name, safe='')}/converse-stream"
    headers = {"Authorization": f"Bearer {BEARER}"}
    settings = ConverseSettings(url, model.name, headers, (BEARER,))
    return msgspec.structs.replace(settings, **more)


async def told(
    bedrock: BedrockServer,
    model: Model,
    ask: Ask = HI,
    *,
    into: Told | None = None,
    **more: object,
) -> Told:
    """One call. With `into`, what came before an error is kept there."""
    async with open_http() as http:
        return await tell(http, settings_for(bedrock, model, **more), ask, into or Told())


async def tell(http: Http, settings: ConverseSettings, ask: Ask, into: Told) -> Told:
    """One call over any HTTP client."""
    with anyio.fail_after(10):
        into.answer = await Bedrock(http, settings, CARD).reply(ask, into.hear)
    return into
