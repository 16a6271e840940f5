"""Texts as vectors: the `/embeddings` of OpenAI, and of everyone who speaks it.

Wire: https://platform.openai.com/docs/api-reference/embeddings. Read generously: servers differ.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
import random
import sys
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from docker_agent.errors import ModelError
from docker_agent.messages import JSON, UNREADABLE, Usage
from docker_agent.models.errors import HttpError
from docker_agent.models.failures import refused
from docker_agent.models.fallback import DEFAULT_RETRIES, MAX_RETRY_AFTER, backoff
from docker_agent.models.http_port import Http
from docker_agent.models.streamed import short_body

ANSWER_TIMEOUT = 120.0
"""Seconds that one request may take."""

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of one answer."""

_SHORTENED = "text-embedding-3"
"""The models of OpenAI that make shorter vectors when asked to; others refuse to be asked."""


class EmbeddingSettings(msgspec.Struct, frozen=True):
    """How one model of a provider is reached. `url` ends in `/embeddings`; `headers` hold the key;
    `secrets` are the texts no message may show."""

    url: str
    provider: str
    model: str
    headers: Mapping[str, str] = {}
    secrets: Sequence[str] = ()


class Embedded(msgspec.Struct, frozen=True):
    """The vectors of some texts, in their order, and what they cost."""

    vectors: tuple[array[float], ...]
    usage: Usage


class _Vector(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class _Tokens(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Vector]
    usage: _Tokens | None = None


_decode = msgspec.json.Decoder(_Answer).decode


class Embeddings:
    """A model that makes vectors of texts. `name` is what its `provider` calls it."""

    def __init__(
        self,
        http: Http,
        settings: EmbeddingSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = settings.model
        self.provider = settings.provider
        self._http = http
        self._settings = settings
        self._headers = {"Content-Type": "application/json", **settings.headers}
        self._sleep = sleep

    async def embed(self, texts: Sequence[str], dimensions: int = 0) -> Embedded:
        """The vectors of texts, none of which is empty; `dimensions` is how long they shall be (0:
        as long as the model makes them), where it can choose.

        Tried again like every model call. Raises `ModelError`.
        """
        body = self._body(texts, dimensions)
        for retry in range(DEFAULT_RETRIES + 1):
            try:
                return await self._once(body, len(texts))
            except ModelError as exc:
                pause = _pause(exc, retry)
                if retry == DEFAULT_RETRIES or pause is None:
                    raise
            await self._sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _body(self, texts: Sequence[str], dimensions: int) -> bytes:
        body: dict[str, JSON] = {
            "model": self._settings.model,
            "input": list(texts),
            "encoding_format": "float",
        }
        if dimensions and _SHORTENED in self._settings.model:
            body["dimensions"] = dimensions
        return msgspec.json.encode(body)

    async def _once(self, body: bytes, count: int) -> Embedded:
        settings = self._settings
        try:
            async with (
                asyncio.timeout(ANSWER_TIMEOUT),
                self._http.post(settings.url, self._headers, body) as response,
            ):
                if response.status >= 300:
                    short = await short_body(response)
                    raise refused(
                        self.name, response.status, response.headers, short, settings.secrets
                    )
                whole = bytearray()
                while piece := await response.read():
                    whole += piece
                    if len(whole) > MAX_ANSWER:
                        raise self._broken("its answer is too large")
        except HttpError as exc:
            text = f"model {self.name} failed: {exc}"
            raise ModelError("model_error", text, transient=exc.transient) from exc
        except TimeoutError as exc:
            raise self._broken(f"no answer within {ANSWER_TIMEOUT:.0f} seconds") from exc
        return self._read(bytes(whole), count)

    def _read(self, whole: bytes, count: int) -> Embedded:
        try:
            answer = _decode(whole)
            vectors = [_numbers(each.embedding) for each in _in_order(answer.data)]
        except (*UNREADABLE, binascii.Error, ValueError) as exc:
            raise self._broken("its answer holds no vectors") from exc
        if len(vectors) != count:
            raise self._broken(f"it made {len(vectors)} vectors of {count} texts")
        if not all(vector and len(vector) == len(vectors[0]) for vector in vectors):
            raise self._broken("its vectors differ in length")
        if not all(math.isfinite(sum(vector)) for vector in vectors):
            raise self._broken("its vectors hold what is no number")
        tokens = answer.usage or _Tokens()
        return Embedded(
            tuple(vectors), Usage(prompt=tokens.prompt_tokens or tokens.total_tokens or 0)
        )

    def _broken(self, what: str) -> ModelError:
        return ModelError("model_error", f"model {self.name} failed: {what}")


def _in_order(data: list[_Vector]) -> list[_Vector]:
    """By their index; as they came where some have none."""
    if all(each.index is not None for each in data):
        return sorted(data, key=lambda each: each.index or 0)
    return data


def _numbers(written: list[float] | str) -> array[float]:
    """A vector as a list, or as base64 of 32-bit numbers, lowest byte first."""
    if not isinstance(written, str):
        return array("f", written)
    numbers = array("f", base64.b64decode(written, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _pause(error: ModelError, retry: int) -> float | None:
    """Seconds to wait before another try; None when that is no use."""
    if error.kind == "model_rate_limited":
        wait = 1.0 if error.retry_after is None else error.retry_after
        return wait if wait <= MAX_RETRY_AFTER else None
    if not error.transient:
        return None
    return max(backoff(retry, random.uniform(-1, 1)), min(error.retry_after or 0, MAX_RETRY_AFTER))
