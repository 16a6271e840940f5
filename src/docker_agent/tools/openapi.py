"""The openapi toolset: each operation of an OpenAPI document as a tool."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import cast
from urllib.parse import quote

import msgspec

from docker_agent.config.expand import Lookup
from docker_agent.config.marks import Count
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.openapi_document import PLACEHOLDER, Document, Operation, Slot
from docker_agent.tools.openapi_fetch import Fetching
from docker_agent.tools.port import Around, CallContext, Scope, Status
from docker_agent.tools.web import DEFAULT_TIMEOUT, Request, Web, merged
from docker_agent.tools.web_answer import answered
from docker_agent.tools.web_arguments import (
    as_text,
    checked,
    in_path,
    query_string,
    tidied,
    with_query,
)
from docker_agent.tools.web_documents import Documents, host_of, shown
from docker_agent.tools.web_headers import Templates

MANY_NAMES = 64
"""Operations that the prompt text names."""

_READING = ("GET", "HEAD", "OPTIONS")
_WRITING = ("POST", "PUT", "PATCH")
_COOKIE_SAFE = "!#$&'()*+-./:<=>?@[]^_`{|}~"
_BREAKS = re.compile(r"[\r\n\0]")


class OpenApiOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an `openapi` entry of an agent file may say; `timeout` in seconds (0: 30), `url` and
    `headers` are templates."""

    url: str
    headers: Mapping[str, str] = {}
    timeout: Count = DEFAULT_TIMEOUT
    allow_private_ips: bool = False


class OpenApi:
    """The operations of one document. It is fetched with the same headers as the operations are
    called with."""

    def __init__(
        self,
        options: OpenApiOptions,
        web: Web,
        env: Lookup,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._web = web
        self._timeout = options.timeout or DEFAULT_TIMEOUT
        self._url = Templates({"url": options.url}, env)
        self._headers = Templates(options.headers, env)
        fetching = Fetching(web, self._listing, self._timeout)
        self._documents = Documents("document", fetching.fetch, now)
        self._address = shown(options.url)
        self.name = f"openapi {host_of(options.url)}"
        varies = self._url.incoming or self._headers.incoming
        self.scope: Scope = "run" if varies else "team"

    @property
    def status(self) -> Status:
        return self._documents.status

    def start(self) -> None:
        """Begin to fetch the document, when it is the same for all."""
        if self.scope == "team":
            self._documents.start(*self._place({}))

    async def close(self) -> None:
        """Stop fetching."""
        await self._documents.close()

    async def tools(self, around: Around) -> ToolList:
        place = self._place(around.headers)
        return (await self._documents.get(*place, patient=around.patient)).tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        url, headers = self._place(context.headers)
        loaded = await self._documents.get(url, headers)
        operation = loaded.operations.get(name)
        if operation is None:
            return ToolResult(f"the API has no operation {name} any more", is_error=True)
        request = written(operation, loaded.document.base, arguments)
        headers = merged(request.headers, headers)
        request = msgspec.structs.replace(request, headers=headers, timeout=self._timeout)
        return answered(await self._web.send(request))

    def _place(self, incoming: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        return self._url.expanded(incoming)["url"], self._headers.expanded(incoming)

    def _listing(self, document: Document) -> ToolList:
        specs = [
            ToolSpec(
                operation.name,
                operation.description,
                operation.schema,
                read_only=operation.method in _READING,
                destructive=operation.method == "DELETE",
                open_world=True,
                category="openapi",
                tidy=partial(tidied, operation.schema),
            )
            for operation in document.operations
        ]
        instructions = f"## API Tools\n\nThese tools call the API described at {self._address}: "
        instructions += ", ".join(spec.name for spec in specs[:MANY_NAMES])
        return ToolList(specs, instructions=instructions if specs else "")


@asynccontextmanager
async def open_api_document(
    options: OpenApiOptions, web: Web, env: Lookup
) -> AsyncGenerator[OpenApi]:
    """The toolset, which begins to fetch its document at once."""
    toolset = OpenApi(options, web, env)
    toolset.start()
    try:
        yield toolset
    finally:
        await toolset.close()


def written(operation: Operation, base: str, arguments: Mapping[str, JSON]) -> Request:
    """The request of one call, without the headers of the agent file.

    Raises `ToolError` for arguments that do not fit. Source: runtime.md §9.9.
    """
    values = checked(operation.schema, arguments)
    given = [(operation.slots[name], value) for name, value in values.items()]
    parts = {
        slot.name: in_path(slot.name, _joined(value))
        for slot, value in given
        if slot.place == "path"
    }
    path = PLACEHOLDER.sub(lambda match: parts.get(match[1], ""), operation.path)
    query = query_string(pair for slot, value in given for pair in _query(slot, value))
    headers = {
        slot.name: _BREAKS.sub(" ", _joined(value))
        for slot, value in given
        if slot.place == "header"
    }
    cookies = [
        f"{quote(slot.name, safe='')}={quote(_joined(value), safe=_COOKIE_SAFE)}"
        for slot, value in given
        if slot.place == "cookie"
    ]
    if cookies:
        headers["Cookie"] = "; ".join(cookies)
    plain = {"Accept": "application/json, text/*;q=0.9, */*;q=0.5"}
    body = _body(operation, given)
    if body is not None:
        plain["Content-Type"] = "application/json"
    url = with_query(base + path, query)
    return Request(url, operation.method, headers=headers, plain=plain, body=body)


def _body(operation: Operation, given: list[tuple[Slot, JSON]]) -> bytes | None:
    """The JSON of a request; None for an operation that takes none, or needs none."""
    for slot, value in given:
        if slot.place == "whole body":
            return msgspec.json.encode(value)
    body: JSON = {slot.name: value for slot, value in given if slot.place == "body"}
    expected = any(slot.place == "body" for slot in operation.slots.values())
    if body or (expected and operation.method in _WRITING):
        return msgspec.json.encode(body)
    return None


def _query(slot: Slot, value: JSON) -> Iterator[tuple[str, str]]:
    if slot.place != "query":
        return
    if slot.deep and isinstance(value, dict):
        for key, each in cast(dict[str, JSON], value).items():
            yield f"{slot.name}[{key}]", as_text(each)
    elif slot.explode and isinstance(value, list):
        for each in cast(list[JSON], value):
            yield slot.name, as_text(each)
    else:
        yield slot.name, _joined(value)


def _joined(value: JSON) -> str:
    """A value as text, a list with commas."""
    if isinstance(value, list):
        return ",".join(as_text(each) for each in cast(list[JSON], value))
    return as_text(value)
