"""Protocols that models are reached by: one row each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from docker_agent.config.expand import expand_shell
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError
from docker_agent.models.http import Http
from docker_agent.models.local import open_local
from docker_agent.models.openai_chat import ChatSettings, OpenAIChat
from docker_agent.models.port import Model, ModelCard
from docker_agent.models.resolve import CHAT, EXTRA_SAMPLING, Resolved, output_field, overlaid


class Opening(msgspec.Struct, frozen=True):
    """What adapters may use: the one HTTP client, the chain of secrets, the cache directory."""

    http: Http
    secrets: Secrets
    cache_dir: Path


Open = Callable[[Resolved, Opening], AbstractAsyncContextManager[Model]]

NOT_YET = ("openai_responses", "anthropic", "google", "amazon-bedrock", "dmr", "chatgpt")
"""Protocols of agent files that this program does not speak yet; such a model stops the start."""


@asynccontextmanager
async def open_chat(resolved: Resolved, opening: Opening) -> AsyncGenerator[Model]:
    """A model behind a Chat Completions endpoint."""
    declared, secrets = resolved.declared, opening.secrets
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
    settings = ChatSettings(
        url=f"{base_url.rstrip('/')}/chat/completions{query}",
        model=model,
        headers=overlaid(authorization, resolved.headers),
        secrets=(key,) if key else (),
        sampling=resolved.sampling,
        output_field=output_field(resolved),
        extra={name: resolved.options[name] for name in EXTRA_SAMPLING if name in resolved.options},
        merge=resolved.merge,
        track_usage=resolved.track_usage,
    )
    yield OpenAIChat(opening.http, settings, model_card(resolved, model))


def model_card(resolved: Resolved, model: str) -> ModelCard:
    """What the file itself says of a model."""
    size = resolved.options.get("context_size")
    if isinstance(size, str) and size.isdigit():
        size = int(size)
    capabilities = resolved.declared.capabilities
    return ModelCard(
        name=model,
        provider=resolved.provider,
        context=size if isinstance(size, int) and size > 0 else 0,
        image=capabilities.image if capabilities else None,
        document=capabilities.pdf if capabilities else None,
    )


@asynccontextmanager
async def _open_embedded(resolved: Resolved, opening: Opening) -> AsyncGenerator[Model]:
    async with open_local(resolved, opening.http, opening.cache_dir) as model:
        yield model


PROVIDERS: Mapping[str, Open] = {CHAT: open_chat, "local": _open_embedded}
