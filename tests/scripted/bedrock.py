"""A scripted server of Bedrock's runtime: the machinery of `model.py`, other words.

It refuses what the service refuses (`bedrock_rules`), and checks signatures (`signature`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import unquote

from tests.scripted.actions import Action, Asked, Head
from tests.scripted.bedrock_parts import reject
from tests.scripted.bedrock_render import STREAM_TYPE, in_converse_words
from tests.scripted.bedrock_rules import complaint
from tests.scripted.heard import Heard
from tests.scripted.model import (
    Scripted,
    _Connection,  # pyright: ignore[reportPrivateUsage] - the same impolite socket
)
from tests.scripted.render import render
from tests.scripted.serving import running
from tests.scripted.signature import fault_of

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
BEARER = "bedrock-api-key-example"


class BedrockServer(Scripted):
    """The running server. `keys` are secret and session token by access key, `bearers` the tokens
    it takes."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.keys: dict[str, tuple[str, str]] = {KEY: (SECRET, "")}
        self.bearers = {BEARER}

    @property
    def url(self) -> str:
        """What belongs into `endpoint_url`."""
        return f"http://127.0.0.1:{self.port}"


def scripted_bedrock() -> AbstractContextManager[BedrockServer]:
    """A server on a free port, until the block is left."""
    return running("bedrock", BedrockServer, _ConverseConnection)


class _ConverseConnection(_Connection):
    def __init__(
        self,
        bedrock: BedrockServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
    ) -> None:
        super().__init__(bedrock, reader, writer, number)
        self._bedrock = bedrock

    async def _exchange(self, line: str) -> None:
        headers: dict[str, str] = {}
        while field := await self._line():
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        raw = await self._body(headers)
        method, target, _ = line.split(" ", 2)
        self._bedrock.visits.append(f"{method} {target}")
        _, _, model, end = (*target.split("/"), "", "", "")[:4]
        model = unquote(model)
        asked = Asked(model, 0, stream=end == "converse-stream", include_usage=True)
        fault = self._fault(method, target, headers, raw)
        if fault:
            said = f"The security token included in the request is invalid: {headers}"
            await self._reply(render(reject(403, f"{fault}Exception", said), asked))
            return
        if method != "POST" or end not in ("converse", "converse-stream"):
            await self._reply(render(reject(404, "UnknownOperationException"), asked))
            return
        body: dict[str, Any] = json.loads(raw)
        if wrong := complaint(model, body):
            await self._reply(render(reject(400, message=wrong), asked))
            return
        heard = Heard(body, headers, raw, target, self._number, 0)
        reply = self._bedrock.model(model).answer(heard)
        asked = Asked(model, heard.number, asked.stream, include_usage=True)
        await self._reply(_typed(render(in_converse_words(reply, asked), asked)), heard)

    def _fault(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> str:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind == "Bearer":
            return "" if token in self._bedrock.bearers else "AccessDenied"
        return fault_of(method, target, headers, raw, self._bedrock.keys, "bedrock")


def _typed(actions: Iterator[Action]) -> Iterator[Action]:
    """The actions with the type that streams of this API have."""
    for action in actions:
        if isinstance(action, Head) and action.chunked:
            rest = (pair for pair in action.headers if pair[0] != "Content-Type")
            yield Head(action.status, (STREAM_TYPE, *rest), chunked=True)
        else:
            yield action
