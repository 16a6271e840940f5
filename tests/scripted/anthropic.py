"""A scripted server of Anthropic's Messages API: the machinery of `model.py`, other words."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AbstractContextManager
from typing import Any

from tests.scripted.actions import Asked
from tests.scripted.anthropic_parts import reject
from tests.scripted.anthropic_render import in_messages_words
from tests.scripted.heard import Heard
from tests.scripted.model import (
    Scripted,
    _Connection,  # pyright: ignore[reportPrivateUsage] - the same impolite socket
)
from tests.scripted.parts import answer
from tests.scripted.render import render
from tests.scripted.serving import running
from tests.scripted.steps import Reply

PATH = "/v1/messages"
_VERTEX = re.compile(
    r"/v1/projects/my-project/locations/[a-z0-9-]+/publishers/anthropic"
    r"/models/([^/:]+):(rawPredict|streamRawPredict)"
)
VERTEX_VERSION = "vertex-2023-10-16"


class Claude(Scripted):
    """The running server. `sizes` are the tokens that `count_tokens` says of a model's questions;
    a model without one gets an error."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.sizes: dict[str, int] = {}

    @property
    def url(self) -> str:
        """What belongs into `base_url`."""
        return f"http://127.0.0.1:{self.port}"


def scripted_claude() -> AbstractContextManager[Claude]:
    """A server on a free port, until the block is left."""
    return running("claude", Claude, _MessagesConnection)


class _MessagesConnection(_Connection):
    def __init__(
        self,
        claude: Claude,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
    ) -> None:
        super().__init__(claude, reader, writer, number)
        self._claude = claude

    async def _exchange(self, line: str) -> None:
        headers: dict[str, str] = {}
        while field := await self._line():
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        raw = await self._body(headers)
        method, target, _ = line.split(" ", 2)
        self._claude.visits.append(f"{method} {target}")
        path = target.partition("?")[0]
        body: dict[str, Any] = json.loads(raw) if raw else {}
        if (found := _VERTEX.fullmatch(path)) and method == "POST":
            text = _wrong_on_vertex(found, body, headers)
            if text:
                fault = reject(400, "invalid_request_error", text)
                await self._reply(render(fault, Asked("", 0, stream=False, include_usage=True)))
                return
            counting = found[1] == "count-tokens"
            path = f"{PATH}/count_tokens" if counting else PATH
            body = body if counting else {**body, "model": found[1]}
        model = str(body.get("model", ""))
        asked = Asked(model, 0, stream=body.get("stream") is True, include_usage=True)
        if (method, path) == ("POST", f"{PATH}/count_tokens"):
            await self._reply(render(self._size(model), asked))
        elif (method, path) == ("POST", PATH) and "max_tokens" in body:
            heard = Heard(body, headers, raw, target, self._number, 0)
            reply = self._claude.model(model).answer(heard)
            asked = Asked(model, heard.number, asked.stream, include_usage=True)
            await self._reply(render(in_messages_words(reply, asked), asked), heard)
        else:
            text = f"no {method} {path} here, or no max_tokens"
            await self._reply(render(reject(404, "not_found_error", text), asked))

    def _size(self, model: str) -> Reply:
        if model not in self._claude.sizes:
            return reject(400, message="scripted: nothing to count")
        return answer(200, json.dumps({"input_tokens": self._claude.sizes[model]}).encode())


def _wrong_on_vertex(found: re.Match[str], body: dict[str, Any], headers: dict[str, str]) -> str:
    """What Google Cloud's front for Claude refuses; empty when there is nothing."""
    if not headers.get("authorization", "").startswith("Bearer ") or "x-api-key" in headers:
        return "a token of Google Cloud is needed, and nothing else"
    if body.get("anthropic_version") != VERTEX_VERSION:
        return "anthropic_version: Field required"
    counting, streamed = found[1] == "count-tokens", found[2] == "streamRawPredict"
    if ("model" in body) != counting:
        return "model: Extra inputs are not permitted"
    return "" if counting or streamed == (body.get("stream") is True) else "stream: wrong method"
