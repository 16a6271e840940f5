"""An agent on loopback that answers as a test says, byte for byte if need be."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from docker_agent.addresses import is_public
from docker_agent.env.chain import Values
from docker_agent.messages import ToolResult
from docker_agent.registry.guard import Allowed
from docker_agent.tools.a2a import A2a, A2aOptions
from docker_agent.tools.port import Draft
from docker_agent.tools.web import open_web
from tests.tools.surroundings import around, context
from tests.tools.web_server import STREAM_HEAD, Act, Answer, Heard, Site, everywhere, site

LIMIT = 20.0
CARD = "/.well-known/agent-card.json"
SKILLS = [
    {"id": "Look-Up", "name": "Look up", "description": "Finds facts."},
    {"id": "look up", "name": "Again", "description": ""},
]
OLD = {"name": "Librarian", "description": "Knows books.", "url": "/rpc", "skills": SKILLS}
WHOLE = {"capabilities": {"streaming": False}}
NEW = {
    "name": "Librarian",
    "supportedInterfaces": [
        {"url": "/grpc", "protocolBinding": "GRPC", "protocolVersion": "1.0"},
        {"url": "/later", "protocolBinding": "JSONRPC", "protocolVersion": "2.0"},
        {"url": "/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0", "tenant": "t7"},
    ],
}
TASK = {"kind": "task", "id": "t1", "contextId": "ctx1"}


@dataclass
class Peer:
    """What each method is answered with: a dict is the result, a list a stream of results, a
    function acts by hand; others are unknown."""

    at: Site
    replies: Mapping[str, Any]
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def answer(self, heard: Heard, writer: asyncio.StreamWriter) -> None:
        """One request."""
        request = json.loads(heard.body)
        self.asked.append(request)
        reply = self.replies.get(request["method"])
        if callable(reply):
            await cast(Act, reply)(heard, writer)
            return
        if isinstance(reply, list):
            results = cast(list[Any], reply)
            writer.write(STREAM_HEAD + b"".join(event(result) for result in results))
        else:
            unknown = {"error": {"code": -32601, "message": "no such method"}}
            said = unknown if reply is None else {"result": reply}
            writer.write(Answer(json.dumps(said), type="application/json").encoded())
        await writer.drain()

    @property
    def methods(self) -> list[str]:
        """The methods it was asked for."""
        return [asked["method"] for asked in self.asked]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages it was sent."""
        return [asked["params"]["message"] for asked in self.asked]


def event(result: Any) -> bytes:  # noqa: ANN401 - JSON
    """One result as an event of a stream."""
    return (
        b"data: " + json.dumps({"jsonrpc": "2.0", "id": "1", "result": result}).encode() + b"\n\n"
    )


def text(said: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A message."""
    return {"kind": "message", "role": "agent", "parts": [{"kind": "text", "text": said}], **more}


def status(state: str, said: str = "", *, final: bool = False) -> dict[str, Any]:
    """News of a task."""
    told = {"state": state, **({"message": text(said)} if said else {})}
    news = {"kind": "status-update", "taskId": "t1", "contextId": "ctx1"}
    return {**news, "status": told, "final": final}


def artifact(said: str, *, append: bool = False) -> dict[str, Any]:
    """A piece of what a task makes."""
    made = {"artifactId": "a1", "parts": [{"kind": "text", "text": said}]}
    return {"kind": "artifact-update", "taskId": "t1", "artifact": made, "append": append}


@asynccontextmanager
async def agent(
    card: Mapping[str, Any],
    replies: Mapping[str, Any],
    pages: Mapping[str, Answer | Act] | None = None,
    *,
    path: str = "",
    public: Allowed | None = None,
    now: Callable[[], float] = time.monotonic,
    **options: Any,  # noqa: ANN401 - as in a file
) -> AsyncGenerator[tuple[A2a, Peer]]:
    """A toolset for the address `path`, and its peer; `a.test` and `b.test` are this machine too.
    `public` says which addresses may be reached; all when there is none."""
    lying = {CARD: Answer(json.dumps(card)), **(pages or {})}
    async with asyncio.timeout(LIMIT), site(lying) as web_site:
        peer = Peer(web_site, replies)
        web_site.pages.setdefault("/rpc", peer.answer)
        wanted = A2aOptions(url=web_site.url + path, **options)
        env = Values({"TOKEN": "s3cret-token"}).get
        async with open_web(
            allow_private_ips=public is None,
            resolve=everywhere("a.test", "b.test"),
            public=public or is_public,
        ) as web:
            toolset = A2a(wanted, web, env, "lib", now)
            try:
                yield toolset, peer
            finally:
                await toolset.close()


async def ask(
    toolset: A2a, said: str = "hi", state: Draft | None = None, skill: int = 0
) -> ToolResult:
    """One call of a tool."""
    name = (await toolset.tools(around())).specs[skill].name
    return await toolset.call(name, {"message": said}, context(state))
