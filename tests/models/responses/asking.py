"""Asking a scripted model through the Responses adapter."""

from __future__ import annotations

import anyio
import msgspec

from docker_agent.messages import Opaque
from docker_agent.models.http import open_http
from docker_agent.models.http_port import Http
from docker_agent.models.openai_responses import OpenAIResponses, ResponsesSettings
from docker_agent.models.openai_responses_messages import Thought, origin_of
from docker_agent.models.port import Ask, ModelCard
from tests.models.talking import CARD, HI, Told
from tests.scripted.heard import Model
from tests.scripted.model import Scripted

ORIGIN = origin_of("", "m")
"""Of a model without address, `m`."""


async def told(
    scripted: Scripted, model: Model, ask: Ask = HI, *, into: Told | None = None, **more: object
) -> Told:
    """One call; `more` are fields of `ResponsesSettings`. With `into`, what came before an error is
    kept there."""
    settings = ResponsesSettings(f"{scripted.url}/responses", model.name)
    async with open_http() as http:
        return await tell(http, msgspec.structs.replace(settings, **more), ask, into or Told())


async def tell(
    http: Http, settings: ResponsesSettings, ask: Ask, into: Told, card: ModelCard = CARD
) -> Told:
    """One call over any HTTP client."""
    with anyio.fail_after(10):
        into.answer = await OpenAIResponses(http, settings, card).reply(ask, into.hear)
    return into


def thought(
    blob: str, *summary: str, text: int = 0, calls: int = 0, origin: str = ORIGIN
) -> Opaque:
    """A kept reasoning item of id `rs_<blob>`."""
    return Thought(origin, f"rs_{blob}", blob, summary, text, calls).opaque()
