"""Protocols that models are reached by: one row each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from docker_agent.config.expand import expand_shell
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.models import vertex
from docker_agent.models.anthropic import AnthropicMessages
from docker_agent.models.anthropic_federation import Federated
from docker_agent.models.anthropic_settings import messages_settings
from docker_agent.models.bedrock import Bedrock
from docker_agent.models.bedrock_credentials import Credentials, Signed
from docker_agent.models.bedrock_settings import (
    account_of,
    bearer_of,
    converse_settings,
    refuse_unsigned_by_aws,
)
from docker_agent.models.catalogue import Catalogue
from docker_agent.models.chatgpt import ChatGpt, by_subscription, chatgpt_settings, signed_in
from docker_agent.models.dmr import open_docker_model
from docker_agent.models.endpoints import takes_effort
from docker_agent.models.gemini import Gemini, gemini_settings
from docker_agent.models.http import HttpClient, is_proxied
from docker_agent.models.http_port import Http
from docker_agent.models.local import open_local
from docker_agent.models.openai_chat import ChatSettings, OpenAIChat
from docker_agent.models.openai_responses import OpenAIResponses, ResponsesSettings
from docker_agent.models.port import Model, ModelCard
from docker_agent.models.resolve import (
    CHAT,
    RESPONSES,
    Resolved,
    extra_sampling,
    output_field,
    overlaid,
    wants_websocket,
)

BEDROCK = "amazon-bedrock"

SHIPPED = Catalogue()


class Opening(msgspec.Struct, frozen=True):
    """What adapters may use: the one HTTP client, the chain of secrets, the cache directory, and
    what is known of models.

    `replay` says that the client answers from a recording: nothing on this machine is started.
    `trusted`: the operator has the file on disk, so it may name commands and files.
    """

    http: Http
    secrets: Secrets
    cache_dir: Path
    replay: bool = False
    trusted: bool = True
    catalogue: Catalogue = SHIPPED


Open = Callable[[Resolved, Opening], AbstractAsyncContextManager[Model]]


class Reached(msgspec.Struct, frozen=True):
    """Where a model is, with its key in `headers`, and the texts no message may show."""

    url: str
    model: str
    headers: Mapping[str, str]
    secrets: Sequence[str]


def reach(resolved: Resolved, secrets: Secrets, path: str) -> Reached:
    """The address of `path` at the model's host, and what opens it. Raises `ConfigError`."""
    declared = resolved.declared
    if not resolved.base_url:
        raise declared.error("base_url is needed for this provider", "base_url")
    key = secrets.get(resolved.key) if resolved.key else None
    if resolved.key and not key:
        raise ConfigError(f"{resolved.key} environment variable is required")
    key = key or (secrets.get(resolved.optional_key) if resolved.optional_key else None)
    try:
        base_url = expand_shell(resolved.base_url, secrets.get)
        model = expand_shell(resolved.model, secrets.get)
    except ConfigError as exc:
        raise declared.error(str(exc)) from exc
    version = resolved.options.get("api_version")
    query = f"?api-version={version}" if version else ""
    authorization = {"Authorization": f"Bearer {key}"} if key else {}
    return Reached(
        url=f"{base_url.rstrip('/')}/{path}{query}",
        model=model,
        headers=overlaid(authorization, resolved.headers),
        secrets=resolved.unshown(key),
    )


@asynccontextmanager
async def open_chat(resolved: Resolved, opening: Opening) -> AsyncGenerator[Model]:
    """A model behind a Chat Completions endpoint."""
    reached = reach(resolved, opening.secrets, "chat/completions")
    settings = ChatSettings(
        url=reached.url,
        model=reached.model,
        headers=reached.headers,
        secrets=reached.secrets,
        sampling=resolved.sampling,
        output_field=output_field(resolved),
        extra=extra_sampling(resolved.options),
        merge=resolved.merge,
        track_usage=resolved.track_usage,
    )
    yield OpenAIChat(
        opening.http, settings, opening.catalogue.completed(model_card(resolved, reached.model))
    )


@asynccontextmanager
async def open_responses(resolved: Resolved, opening: Opening) -> AsyncGenerator[Model]:
    """A model behind a Responses endpoint."""
    reached = reach(resolved, opening.secrets, "responses")
    settings = ResponsesSettings(
        url=reached.url,
        model=reached.model,
        headers=reached.headers,
        secrets=reached.secrets,
        sampling=resolved.sampling,
        reasons=takes_effort(reached.model),
        track_usage=resolved.track_usage,
    )
    card = opening.catalogue.completed(model_card(resolved, reached.model))
    # Recordings, gateways and proxies carry HTTP; a websocket is for the plain client alone.
    plain = isinstance(opening.http, HttpClient) and not is_proxied(reached.url)
    if plain and wants_websocket(resolved):
        from docker_agent.models.websocket import open_socketed

        async with open_socketed(opening.http) as http:
            yield OpenAIResponses(http, settings, card)
        return
    yield OpenAIResponses(opening.http, settings, card)


def model_card(resolved: Resolved, model: str) -> ModelCard:
    """What the file itself says of a model."""
    size = resolved.options.get("context_size")
    if isinstance(size, str) and size.isdigit():
        size = int(size)
    capabilities = resolved.declared.capabilities
    return ModelCard(
        name=resolved.shown or model,
        provider=resolved.provider,
        context=size if isinstance(size, int) and size > 0 else 0,
        image=capabilities.image if capabilities else None,
        document=capabilities.pdf if capabilities else None,
    )


@asynccontextmanager
async def _open_embedded(resolved: Resolved, opening: Opening) -> AsyncGenerator[Model]:
    if opening.replay:
        settings = ChatSettings("http://localhost/v1/chat/completions", resolved.model)
        yield OpenAIChat(opening.http, settings, model_card(resolved, resolved.model))
        return
    async with open_local(resolved, opening.http, opening.cache_dir) as model:
        yield model


@asynccontextmanager
async def open_anthropic(resolved: Resolved, opening: Opening) -> AsyncGenerator[Model]:
    """A model behind Anthropic's Messages API."""
    known = opening.catalogue.completed(model_card(resolved, resolved.model))
    settings = messages_settings(resolved, opening.secrets, known.output)
    card = opening.catalogue.completed(model_card(resolved, settings.model))
    yield AnthropicMessages(_signed_in(resolved, opening, settings.url), settings, card)


def _signed_in(resolved: Resolved, opening: Opening, url: str) -> Http:
    """The client that signs in as the model's `auth` says."""
    auth = resolved.inherited.auth
    federation = auth.workload_identity_federation if auth else None
    if auth is None or federation is None or opening.replay:
        return opening.http
    token = federation.identity_token
    if token is not None and not token.env and not opening.trusted:
        raise auth.error(
            "in a file that is not on this machine an identity token may come from a variable "
            "alone; use identity_token.env"
        )
    base_url = url.removesuffix("/v1/messages")
    return Federated(opening.http, federation, base_url, opening.secrets, resolved.minted)


@asynccontextmanager
async def open_google(resolved: Resolved, opening: Opening) -> AsyncGenerator[Model]:
    """A model behind Gemini's generateContent, or on Vertex AI."""
    replay, secrets = opening.replay, opening.secrets
    place = vertex.vertex_place(resolved, vertex.replayed_env(secrets) if replay else secrets.get)
    if place is not None and not replay:
        http = vertex.signed(opening.http, resolved, secrets, trusted=opening.trusted)
        opening = msgspec.structs.replace(opening, http=http)
    if place is not None and place.publisher == vertex.ANTHROPIC:
        card = opening.catalogue.completed(vertex.claude_card(model_card(resolved, resolved.model)))
        settings = vertex.claude_settings(resolved, place, secrets, card.output)
        yield AnthropicMessages(opening.http, settings, vertex.as_called(card, settings.model))
    elif place is not None and place.publisher != vertex.GOOGLE:
        async with open_chat(vertex.on_openapi(resolved, place), opening) as model:
            yield model
    else:
        asked = gemini_settings(resolved, secrets, place)
        card = opening.catalogue.completed(model_card(resolved, asked.model))
        yield Gemini(opening.http, asked, card)


@asynccontextmanager
async def open_chatgpt(resolved: Resolved, opening: Opening) -> AsyncGenerator[Model]:
    """A model of a ChatGPT subscription."""
    direct = not (opening.replay or resolved.gated)
    settings = chatgpt_settings(resolved, opening.secrets, direct=direct)
    http = signed_in(opening.http, resolved, opening.secrets) if direct else opening.http
    card = by_subscription(model_card(resolved, settings.model), opening.catalogue)
    yield ChatGpt(http, settings, card)


@asynccontextmanager
async def open_bedrock(resolved: Resolved, opening: Opening) -> AsyncGenerator[Model]:
    """A model behind Amazon Bedrock's Converse. Raises `ConfigError` when its requests must be
    signed and nothing here can."""
    bearer = None if opening.replay else bearer_of(resolved, opening.secrets)
    known = opening.catalogue.completed(model_card(resolved, resolved.model))
    settings = converse_settings(
        resolved, opening.secrets, bearer, cached=known.price_cached is not None
    )
    card = opening.catalogue.completed(model_card(resolved, settings.model))
    if bearer or opening.replay:
        yield Bedrock(opening.http, settings, card)
        return
    refuse_unsigned_by_aws(resolved, opening.secrets)
    account = account_of(resolved, opening.secrets)
    credentials = Credentials(account, resolved.minted)
    yield Bedrock(Signed(opening.http, account, credentials), settings, card)


@asynccontextmanager
async def _open_docker(resolved: Resolved, opening: Opening) -> AsyncGenerator[Model]:
    """A model of Docker Model Runner."""
    async with open_docker_model(
        resolved, opening.http, opening.secrets, replay=opening.replay
    ) as model:
        yield model


PROVIDERS: Mapping[str, Open] = {
    CHAT: open_chat,
    RESPONSES: open_responses,
    "anthropic": open_anthropic,
    "google": open_google,
    "chatgpt": open_chatgpt,
    BEDROCK: open_bedrock,
    "dmr": _open_docker,
    "local": _open_embedded,
}
