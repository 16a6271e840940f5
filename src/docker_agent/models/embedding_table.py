"""How the models are reached that make vectors: those of OpenAI's protocol, of Gemini, and of
Docker Model Runner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from docker_agent.config.expand import expand_shell
from docker_agent.errors import ConfigError, ModelError
from docker_agent.models.dmr_find import Found, find, given_address
from docker_agent.models.embeddings import Embedded, Embeddings, EmbeddingSettings
from docker_agent.models.gemini import gemini_settings
from docker_agent.models.resolve import CHAT, RESPONSES, Resolved
from docker_agent.models.table import Opening, reach

_ADVICE = (
    "use one that does, such as openai/text-embedding-3-small, ollama/nomic-embed-text or "
    "dmr/ai/embeddinggemma"
)


class Embedder(Protocol):
    """Makes vectors of texts. `name` is what its `provider` calls the model."""

    name: str
    provider: str

    async def embed(self, texts: Sequence[str], dimensions: int = 0) -> Embedded:
        """See `Embeddings.embed`."""
        ...


def embedder_of(resolved: Resolved, opening: Opening) -> Embedder:
    """The model, which reaches nothing before it is asked. Raises `ConfigError`."""
    make = EMBEDDERS.get(resolved.protocol)
    if make is None:
        raise resolved.declared.error(
            f"makes no vectors here: '{resolved.protocol}' is not asked for embeddings; {_ADVICE}"
        )
    return make(resolved, opening)


def _openai(resolved: Resolved, opening: Opening) -> Embedder:
    reached = reach(resolved, opening.secrets, "embeddings")
    settings = EmbeddingSettings(
        reached.url, resolved.provider, reached.model, reached.headers, reached.secrets
    )
    return Embeddings(opening.http, settings)


def _google(resolved: Resolved, opening: Opening) -> Embedder:
    """By the part of Gemini's API that speaks as OpenAI does."""
    found = gemini_settings(resolved, opening.secrets)
    headers = {name: value for name, value in found.headers.items() if name != _GOOGLES_KEY}
    if key := found.headers.get(_GOOGLES_KEY):
        headers["Authorization"] = f"Bearer {key}"
    base_url = found.url.partition("/models/")[0].partition("/tunedModels/")[0]
    url = f"{base_url}/openai/embeddings"
    return Embeddings(
        opening.http, EmbeddingSettings(url, resolved.provider, found.model, headers, found.secrets)
    )


_GOOGLES_KEY = "x-goog-api-key"


class DockerEmbeddings:
    """A model of Docker Model Runner, which is looked for when it is asked first: finding it may
    mean to fetch it."""

    def __init__(self, resolved: Resolved, opening: Opening) -> None:
        self._resolved = resolved
        self.provider = resolved.provider
        self._opening = opening
        self._finding = asyncio.Lock()
        self._found: Embeddings | None = None
        try:
            self.name = expand_shell(resolved.model, opening.secrets.get)
            base_url = expand_shell(resolved.base_url, opening.secrets.get)
            self._address = given_address(base_url, opening.secrets)
        except ConfigError as exc:
            raise resolved.declared.error(str(exc)) from exc

    async def embed(self, texts: Sequence[str], dimensions: int = 0) -> Embedded:
        async with self._finding:
            if self._found is None:
                self._found = await self._find()
        return await self._found.embed(texts, dimensions)

    async def _find(self) -> Embeddings:
        http, address = self._opening.http, self._address
        if self._opening.replay:
            address = address or "http://localhost/engines/v1/"
        try:
            found = Found(address) if address else await find(self.name, http)
        except ConfigError as exc:
            raise ModelError("model_error", f"model {self.name} failed: {exc}") from exc
        url = f"{found.base_url}embeddings"
        return Embeddings(
            http, EmbeddingSettings(url, self.provider, self.name, self._resolved.headers)
        )


EMBEDDERS: Mapping[str, Callable[[Resolved, Opening], Embedder]] = {
    CHAT: _openai,
    RESPONSES: _openai,
    "google": _google,
    "dmr": DockerEmbeddings,
}
"""By the protocol of the model's provider."""
