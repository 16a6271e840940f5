"""The a2a toolset: an agent elsewhere, each of its skills as a tool. Source: runtime.md §9.10."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec

from docker_agent.config.expand import Lookup
from docker_agent.config.marks import Count
from docker_agent.errors import ToolError
from docker_agent.messages import JSON, ToolList, ToolResult, ToolSpec
from docker_agent.tools.a2a_call import GOODBYE_SECONDS, Call
from docker_agent.tools.a2a_card import Card, places_of, read_card
from docker_agent.tools.a2a_past import Past
from docker_agent.tools.a2a_wire import FAILED, INPUT_REQUIRED, NO_RESPONSE, Answer, Refused
from docker_agent.tools.arguments import Parameters
from docker_agent.tools.port import MAX_NAME, Around, CallContext, Scope, Status
from docker_agent.tools.web import DEFAULT_TIMEOUT, MAX_BODY, Request, Web, stays_there
from docker_agent.tools.web_documents import Documents, host_of, shown
from docker_agent.tools.web_headers import Templates, hiding

log = logging.getLogger(__name__)

CALL_SECONDS = 120
"""How long a call may take where the file says nothing (runtime.md §3.8)."""

MAX_SKILLS = 256
MAX_DESCRIPTION = 2000
MAX_TITLE = 200
"""Skills of one agent that become tools, and characters of what it or one of them says of itself,
and of its name."""

_NOT_HERE = (404, 405, 410)
"""Statuses of a place where no card lies."""

_WHERE = "a 'url' that ends in .json is taken for the address of the card itself"

_STALE = frozenset({-32001, -32004, -32600, -32602})
"""What agents answer that know nothing of a task or context any more."""

_OTHER = re.compile(r"[^a-z0-9_]+")

_ASKS_BACK = (
    "[The agent needs more input (input-required): answer it with the next call of {name}.]"
)

_INSTRUCTIONS = """\
## The agent {name}

{description}

It sees nothing of this conversation but the messages that you send it, and remembers those."""


class A2aHeaders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an `a2a` entry may say under `remote`."""

    headers: Mapping[str, str] = {}


class A2aOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an `a2a` entry of an agent file may say; `timeout` in seconds (0: 30 for the card, 120
    for a call), `url` and `headers` are templates. Of equal headers those of `remote` lose."""

    url: str
    headers: Mapping[str, str] = {}
    remote: A2aHeaders = A2aHeaders()
    timeout: Count = 0
    allow_private_ips: bool = False


class Say(msgspec.Struct, frozen=True):
    """What every skill takes."""

    message: Annotated[
        str,
        msgspec.Meta(
            min_length=1, description="What to say to the agent, with everything it needs."
        ),
    ]


_SAY = Parameters(Say)


class Found(msgspec.Struct, frozen=True):
    """A card as tools: the same object until it changed. `familiar` says that it leads no further
    than where it lay, so that the file's headers may go along."""

    card: Card
    tools: ToolList
    familiar: bool
    data: bytes


class A2a:
    """The skills of one agent. Where a conversation with it stands is kept with our own."""

    def __init__(
        self,
        options: A2aOptions,
        web: Web,
        env: Lookup,
        name: str = "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._web = web
        self._prefix = name or "a2a"
        self._card_seconds = options.timeout or DEFAULT_TIMEOUT
        self._call_seconds = options.timeout or CALL_SECONDS
        self._url = Templates({"url": options.url}, env)
        self._headers = Templates({**options.remote.headers, **options.headers}, env)
        self._cards = Documents("agent card of", self._fetch, now)
        self._goodbyes: set[asyncio.Task[None]] = set()
        self.name = f"a2a {name or host_of(options.url)}"
        varies = self._url.incoming or self._headers.incoming
        self.scope: Scope = "run" if varies else "team"

    @property
    def status(self) -> Status:
        return self._cards.status

    def start(self) -> None:
        """Begin to fetch the card, when it is the same for all."""
        if self.scope == "team":
            self._cards.start(*self._place({}))

    async def close(self) -> None:
        """Stop fetching, and give agents a moment to hear that their tasks are left."""
        await self._cards.close()
        if self._goodbyes:
            _, late = await asyncio.wait(self._goodbyes, timeout=GOODBYE_SECONDS)
            for task in late:
                task.cancel()

    async def tools(self, around: Around) -> ToolList:
        place = self._place(around.headers)
        return (await self._cards.get(*place, patient=around.patient)).tools

    async def call(self, name: str, arguments: dict[str, JSON], context: CallContext) -> ToolResult:
        message = _SAY.read(arguments).message
        url, headers = self._place(context.headers)
        found = await self._cards.get(url, headers)
        if name not in found.tools.by_name:
            return ToolResult(f"the agent has no skill {name} any more", is_error=True)
        past = Past(context.state, url, context.agent, name)
        hide = hiding(headers)

        async def progress(text: str) -> None:
            await context.progress(hide(text))

        sent = headers if found.familiar else {}
        call = Call(self._web, found.card, sent, progress, self._leave)
        seconds = min(self._call_seconds, context.remaining())
        try:
            answer = await call.say(message, past.going, seconds)
        except ToolError as exc:
            raise ToolError(hide(f"{exc}{_advice(exc, past, found, headers)}")) from exc
        past.keep(answer)
        return _told(answer, hide(answer.text), name)

    async def _fetch(self, kept: Found | None, url: str, headers: Mapping[str, str]) -> Found:
        status = 0
        for place in places_of(url):
            plain = {"Accept": "application/json"}
            reply = await self._web.send(
                Request(place, headers=headers, plain=plain, timeout=self._card_seconds)
            )
            if reply.cut:
                raise ToolError(f"it has more than {MAX_BODY} bytes")
            if reply.status == 200:
                if kept is not None and kept.data == reply.body:
                    return kept
                return self._found(reply.body, url, reply.url, headers)
            status = status or reply.status
            if reply.status not in _NOT_HERE:
                break
        hint = f"; {_WHERE}" if status in _NOT_HERE else ""
        raise ToolError(f"the answer is HTTP {status}{hint}")

    def _found(self, data: bytes, url: str, at: str, headers: Mapping[str, str]) -> Found:
        card = read_card(data, at)
        familiar = stays_there(url, card.url)
        if headers and not familiar:
            log.warning(
                "%s: its card leads to %s, where headers are not sent", self.name, shown(card.url)
            )
        return Found(card, self._listing(card), familiar, data)

    def _leave(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)

    def _place(self, incoming: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        return self._url.expanded(incoming)["url"], self._headers.expanded(incoming)

    def _listing(self, card: Card) -> ToolList:
        described, called = card.description[:MAX_DESCRIPTION], card.name[:MAX_TITLE]
        if len(card.skills) > MAX_SKILLS:
            log.warning(
                "%s: only %d of its %d skills are tools", self.name, MAX_SKILLS, len(card.skills)
            )
        skills = [
            (skill.id or skill.name, f"{skill.name}: {skill.description}".strip(": "))
            for skill in card.skills[:MAX_SKILLS]
        ] or [(called, described)]
        names = _names(self._prefix, [skill for skill, _ in skills])
        specs = [
            ToolSpec(
                name,
                text[:MAX_DESCRIPTION] or f"Ask the agent {called}.",
                _SAY.schema,
                open_world=True,
                category="a2a",
                keeps_time=True,
                tidy=_SAY.tidy,
            )
            for name, (_, text) in zip(names, skills, strict=True)
        ]
        told = _INSTRUCTIONS.format(name=called or self._prefix, description=described)
        return ToolList(specs, instructions=told)


@asynccontextmanager
async def open_agent(
    options: A2aOptions, web: Web, env: Lookup, name: str = ""
) -> AsyncGenerator[A2a]:
    """The toolset, which begins to fetch its card at once."""
    toolset = A2a(options, web, env, name)
    toolset.start()
    try:
        yield toolset
    finally:
        await toolset.close()


def _told(answer: Answer, text: str, name: str) -> ToolResult:
    """What a model reads of an answer."""
    if answer.state in FAILED:
        told = f"The agent's task {FAILED[answer.state]}"
        return ToolResult(f"{told}: {text}" if text else f"{told}.", is_error=True)
    if answer.state == INPUT_REQUIRED:
        return ToolResult(f"{text}\n\n{_ASKS_BACK.format(name=name)}".strip())
    return ToolResult(text or NO_RESPONSE)


def _advice(exc: ToolError, past: Past, found: Found, headers: Mapping[str, str]) -> str:
    """What may help after an error; what an agent knows nothing of is forgotten here too."""
    if not isinstance(exc, Refused):
        return ""
    if exc.code in _STALE and past.forget():
        return "; where the conversation with it stood is forgotten, the next call begins anew"
    if exc.code not in (401, 403):
        return ""
    if headers and not found.familiar:
        return f"; its card leads to {shown(found.card.url)}, where no headers are sent"
    return "; the operator can let the toolset sign in with 'headers'"


def _names(prefix: str, skills: list[str]) -> Iterator[str]:
    """A name for each skill, in `[a-z0-9_]`, none of them twice."""
    used: set[str] = set()
    for skill in skills:
        own = _OTHER.sub("_", f"{prefix}_{skill}".lower()).strip("_")[:MAX_NAME] or "a2a"
        name, number = own, 2
        while name in used:
            ending = f"_{number}"
            name, number = own[: MAX_NAME - len(ending)] + ending, number + 1
        used.add(name)
        yield name
