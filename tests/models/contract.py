"""The protocols side by side: where each scripted vendor is, how its adapter is opened, and
its words for what all of them can say."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from docker_agent.config.model import Model
from docker_agent.env.chain import Values
from docker_agent.env.chatgpt import TOKEN
from docker_agent.events import EmitDeltas
from docker_agent.messages import JSON, NO_SAMPLING, Usage
from docker_agent.models.anthropic import AnthropicMessages
from docker_agent.models.anthropic_request import MessagesSettings
from docker_agent.models.bearer import Bearer, VariableTickets
from docker_agent.models.bedrock import Bedrock
from docker_agent.models.bedrock_request import SHAPED, ConverseSettings
from docker_agent.models.chatgpt import ChatGpt, ChatGptTickets
from docker_agent.models.dmr import DockerModel, runner_tools
from docker_agent.models.engine import EngineSettings
from docker_agent.models.engine_life import Engine, Lease
from docker_agent.models.errors import HttpError
from docker_agent.models.gemini import Gemini
from docker_agent.models.gemini_config import GeminiSettings
from docker_agent.models.http_port import Http, Response
from docker_agent.models.local import LocalModel
from docker_agent.models.openai_chat import ChatSettings, OpenAIChat
from docker_agent.models.openai_responses import OpenAIResponses, ResponsesSettings
from docker_agent.models.port import Ask, ModelCard
from docker_agent.models.port import Model as Port
from docker_agent.models.port import Reply as Answered
from docker_agent.models.resolve import resolve
from docker_agent.models.scrub import Unshown
from docker_agent.models.vertex import Place, claude_settings, generate_url, on_openapi
from docker_agent.models.websocket import open_socketed
from tests.scripted import anthropic_parts, bedrock_parts, chatgpt_rules, gemini_parts, parts
from tests.scripted.actions import Action, Asked, Send
from tests.scripted.anthropic_render import in_messages_words
from tests.scripted.bedrock_render import in_converse_words
from tests.scripted.render import render
from tests.scripted.responses import RESPONSES
from tests.scripted.steps import Raw, Reply

SECRET = "e30.eyJodHRwczovL2FwaS5vcGVuYWkuY29tL2F1dGgiOnsiY2hhdGdwdF9hY2NvdW50X2lkIjoiYTEifX0.sig"
"""A token that names an account, for those who read it."""
CARD = ModelCard("the-model", "vendor")
WAIT = {"Retry-After": "7"}
SHAPE: JSON = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}

COUNTED = Usage(25, 9, cached=3, reasoning=2)

Open = Callable[[Http, str, str], Port]
"""An adapter for the model of a name, at an address."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol. `words` is the module of its scripts' parts, `end` what ends an answer there.

    `counted` reports 25 tokens in, 3 of them from the cache, and 9 out, 2 of them thought where
    the vendor tells those apart; `usage` is what it comes to.
    `picture`, `failure` and `shape` find these in a request's body; `wired` is how they look.
    `stream` is the whole body of a streamed reply.
    """

    words: Any
    open: Open
    model: str
    length: Reply
    refusal: Reply
    counted: Reply
    limited: Reply
    locked: Reply
    overloaded: Reply
    overloaded_later: Reply
    find: Mapping[str, Callable[[JSON], JSON]]
    wired: Mapping[str, JSON]
    stream: Callable[[Reply], bytes]
    end: Reply = field(default_factory=Reply)
    usage: Usage = COUNTED


def _chat(http: Http, url: str, name: str) -> Port:
    settings = ChatSettings(f"{url}/chat/completions", name, secrets=(SECRET,))
    return OpenAIChat(http, settings, CARD)


def _responses(http: Http, url: str, name: str) -> Port:
    settings = ResponsesSettings(f"{url}/responses", name, secrets=(SECRET,))
    return OpenAIResponses(http, settings, CARD)


def _anthropic(http: Http, url: str, name: str) -> Port:
    settings = MessagesSettings(f"{url}/v1/messages", name, secrets=(SECRET,))
    return AnthropicMessages(http, settings, CARD)


def _gemini(http: Http, url: str, name: str) -> Port:
    path = f"{url}/v1beta/models/{name}:streamGenerateContent?alt=sse"
    settings = GeminiSettings(path, name, headers={"x-goog-api-key": SECRET}, secrets=(SECRET,))
    return Gemini(http, settings, CARD)


def _dmr(http: Http, url: str, name: str) -> Port:
    settings = ChatSettings(
        f"{url}/chat/completions", name, secrets=(SECRET,), merge=True, tools=runner_tools
    )
    return DockerModel(OpenAIChat(http, settings, CARD))


class _Lent(Lease):
    """An engine that runs somewhere, and lives."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def died(self) -> bool:
        return False


class _Elsewhere(Engine):
    """An engine that is a scripted server: our own process is tested in `tests/local`."""

    def __init__(self, name: str, url: str) -> None:
        super().__init__(EngineSettings("", name, 4096, 1, 1, SECRET, 0))
        self._url = url

    @asynccontextmanager
    async def use(self) -> AsyncGenerator[Lease]:
        yield _Lent(self._url.removesuffix("/v1"))


def _local(http: Http, url: str, name: str) -> Port:
    return LocalModel(http, _Elsewhere(name, url), NO_SAMPLING, {})


def _as_bearer(http: Http, minted: list[str]) -> Bearer:
    return Bearer(http, VariableTickets(Values({"TOKEN": SECRET}), "TOKEN"), minted)


def _place(url: str, publisher: str = "google") -> Place:
    return Place("my-project", "us-central1", publisher, url)


def _vertex(http: Http, url: str, name: str) -> Port:
    minted: list[str] = []
    secrets = Unshown(minted=minted)
    settings = GeminiSettings(generate_url(_place(url), name), name, secrets=secrets, vertex=True)
    return Gemini(_as_bearer(http, minted), settings, CARD)


def _vertex_claude(http: Http, url: str, name: str) -> Port:
    resolved = resolve(Model(provider="google", model=name), {})
    settings = claude_settings(resolved, _place(url, "anthropic"), Values({}), 0)
    return AnthropicMessages(_as_bearer(http, resolved.minted), settings, CARD)


def _vertex_garden(http: Http, url: str, name: str) -> Port:
    resolved = resolve(Model(provider="google", model=f"meta/{name}"), {})
    base_url = on_openapi(resolved, _place(url.removesuffix("/v1"), "meta")).base_url
    secrets = Unshown(minted=resolved.minted)
    settings = ChatSettings(f"{base_url}/chat/completions", name, secrets=secrets)
    return OpenAIChat(_as_bearer(http, resolved.minted), settings, CARD)


@dataclass(frozen=True, slots=True)
class _OverSocket:
    """A model whose connections live as long as one question."""

    http: Http
    settings: ResponsesSettings
    card: ModelCard = CARD

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Answered:
        """Ask over a websocket, and nowhere else."""
        async with open_socketed(_NoPost(self.http)) as http:
            return await OpenAIResponses(http, self.settings, CARD).reply(ask, emit)


@dataclass(frozen=True, slots=True)
class _NoPost:
    """A client that must not be needed."""

    http: Http

    def get(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Response]:
        """Nothing asks."""
        return self.http.get(url, headers)

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[Response]:
        """What cannot be asked over a websocket fails."""
        raise HttpError("the connection broke", transient=True)


def _websocket(http: Http, url: str, name: str) -> Port:
    return _OverSocket(http, ResponsesSettings(f"{url}/responses", name, secrets=(SECRET,)))


def _chatgpt(http: Http, url: str, name: str) -> Port:
    minted: list[str] = []
    address = f"{url.removesuffix('/v1')}{chatgpt_rules.PATH}"
    settings = ResponsesSettings(address, name, secrets=Unshown(minted=minted))
    tickets = ChatGptTickets(Values({TOKEN: SECRET}))
    return ChatGpt(Bearer(http, tickets, minted), settings, CARD)


def _bedrock(http: Http, url: str, name: str) -> Port:
    headers = {"Authorization": f"Bearer {SECRET}"}
    path = f"{url}/model/{name}/converse-stream"
    settings = ConverseSettings(path, name, headers, secrets=(SECRET,))
    return Bedrock(http, settings, CARD)


def _locked(fail: Callable[..., Reply], kind: str) -> Reply:
    return fail(401, **{"message": f"wrong key {SECRET}", kind: "UNAUTHENTICATED"})


def _sent(actions: Iterable[Action]) -> bytes:
    return b"".join(action.data for action in actions if isinstance(action, Send))


_ASKED = Asked("m", 0, stream=True, include_usage=True)
_OPENAI_PARTS: Mapping[str, Any] = {
    "words": parts,
    "length": parts.finish("length"),
    "refusal": parts.refuse("No."),
    "counted": parts.usage(25, 9, cached=3, reasoning=2),
    "limited": parts.rate_limited("7"),
    "locked": _locked(parts.fail, "type"),
    "overloaded": parts.fail(503, "overloaded"),
    "overloaded_later": parts.stream_error("overloaded"),
}

PARSERS: dict[str, Protocol] = {
    "chat": Protocol(
        **_OPENAI_PARTS,
        open=_chat,
        model="chat",
        stream=lambda reply: _sent(render(reply, _ASKED)),
        find={
            "picture": lambda body: body["messages"][0]["content"][1],
            "failure": lambda body: body["messages"][-1],
            "shape": lambda body: body["response_format"],
        },
        wired={
            "picture": {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            "failure": {"role": "tool", "tool_call_id": "c1", "content": "it broke"},
            "shape": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": SHAPE, "strict": True},
            },
        },
    ),
    "responses": Protocol(
        **_OPENAI_PARTS,
        open=_responses,
        model="responses",
        stream=lambda reply: _sent(render(reply, _ASKED, RESPONSES)),
        find={
            "picture": lambda body: body["input"][0]["content"][1],
            "failure": lambda body: body["input"][-1],
            "shape": lambda body: body["text"]["format"],
        },
        wired={
            "picture": {
                "type": "input_image",
                "image_url": "data:image/png;base64,AA==",
                "detail": "auto",
            },
            "failure": {"type": "function_call_output", "call_id": "c1", "output": "it broke"},
            "shape": {"type": "json_schema", "name": "n", "schema": SHAPE, "strict": True},
        },
    ),
    "anthropic": Protocol(
        words=parts,
        open=_anthropic,
        stream=lambda reply: _sent(render(in_messages_words(reply, _ASKED), _ASKED)),
        model="claude",
        length=parts.finish("max_tokens"),
        refusal=parts.say("No.") + parts.finish("refusal"),
        counted=anthropic_parts.tokens(22, 9, read=3, thinking=2),
        limited=anthropic_parts.reject(429, "rate_limit_error", headers=WAIT),
        locked=_locked(anthropic_parts.reject, "type"),
        overloaded=anthropic_parts.overloaded(),
        overloaded_later=parts.stream_error("Overloaded", type="overloaded_error"),
        find={
            "picture": lambda body: body["messages"][0]["content"][1]["source"],
            "failure": lambda body: _unmarked(body["messages"][-1]["content"][-1]),
            "shape": lambda body: body["output_config"]["format"],
        },
        wired={
            "picture": {"type": "base64", "media_type": "image/png", "data": "AA=="},
            "failure": {
                "type": "tool_result",
                "tool_use_id": "c1",
                "content": "it broke",
                "is_error": True,
            },
            "shape": {"type": "json_schema", "schema": SHAPE},
        },
    ),
    "gemini": Protocol(
        words=gemini_parts,
        open=_gemini,
        stream=lambda reply: b"".join(s.data for s in reply.steps if isinstance(s, Raw)),
        model="gemini-2.5-flash",
        length=gemini_parts.done("MAX_TOKENS"),
        refusal=gemini_parts.say("No.") + gemini_parts.done("SAFETY"),
        counted=gemini_parts.done(
            promptTokenCount=25,
            candidatesTokenCount=7,
            thoughtsTokenCount=2,
            cachedContentTokenCount=3,
            totalTokenCount=34,
        ),
        limited=gemini_parts.exhausted("7s"),
        locked=_locked(gemini_parts.fail, "status"),
        overloaded=gemini_parts.overloaded(),
        overloaded_later=gemini_parts.error_event(503, "overloaded", "UNAVAILABLE"),
        find={
            "picture": lambda body: body["contents"][0]["parts"][1],
            "failure": lambda body: body["contents"][-1]["parts"][0]["functionResponse"],
            "shape": lambda body: body["generationConfig"],
        },
        wired={
            "picture": {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
            "failure": {"id": "c1", "name": "f", "response": {"error": "it broke"}},
            "shape": {"responseMimeType": "application/json", "responseJsonSchema": SHAPE},
        },
        end=gemini_parts.done(),
    ),
    "bedrock": Protocol(
        words=parts,
        open=_bedrock,
        stream=lambda reply: _sent(render(in_converse_words(reply, _ASKED), _ASKED)),
        model="anthropic.claude",
        length=parts.finish("max_tokens"),
        refusal=parts.say("No.") + parts.finish("guardrail_intervened"),
        counted=bedrock_parts.tokens(22, 9, read=3),
        usage=Usage(25, 9, cached=3),
        limited=bedrock_parts.reject(429, "ThrottlingException", headers=WAIT),
        locked=bedrock_parts.reject(403, "AccessDeniedException", f"wrong key {SECRET}"),
        overloaded=bedrock_parts.overloaded(),
        overloaded_later=bedrock_parts.raised("serviceUnavailableException", "overloaded"),
        find={
            "picture": lambda body: body["messages"][0]["content"][1],
            "failure": lambda body: body["messages"][-1]["content"][-1]["toolResult"],
            "shape": lambda body: body["system"][-1],
        },
        wired={
            "picture": {"image": {"format": "png", "source": {"bytes": "AA=="}}},
            "failure": {"toolUseId": "c1", "content": [{"text": "it broke"}], "status": "error"},
            "shape": {"text": SHAPED + json.dumps(SHAPE, separators=(",", ":"))},
        },
    ),
}


_ENGINE_PARTS: Mapping[str, Any] = {
    "refusal": parts.say("No.") + parts.finish("content_filter"),
    "overloaded": parts.fail(503, "overloaded: loading model", type="unavailable_error"),
    "overloaded_later": parts.raw(
        b'error: {"code":503,"message":"overloaded: no slot","type":"unavailable_error"}\n\n'
    ),
}
"""What llama.cpp says in its own way: it refuses nothing, it loads, and why it ends a stream stands
in a line of its own form."""

PARSERS.update(
    dmr=replace(PARSERS["chat"], **_ENGINE_PARTS, open=_dmr, model="ai/dmr"),
    local=replace(PARSERS["chat"], **_ENGINE_PARTS, open=_local, model="local"),
)

PROTOCOLS: dict[str, Protocol] = {
    **PARSERS,
    "websocket": replace(PARSERS["responses"], open=_websocket),
    "chatgpt": replace(PARSERS["responses"], open=_chatgpt),
    "vertex": replace(PARSERS["gemini"], open=_vertex),
    "vertex-claude": replace(PARSERS["anthropic"], open=_vertex_claude),
    "vertex-garden": replace(PARSERS["chat"], open=_vertex_garden),
}
"""`PARSERS` has one row for each kind of stream; others carry the same ones on other roads."""


def _unmarked(block: dict[str, JSON]) -> dict[str, JSON]:
    return {key: value for key, value in block.items() if key != "cache_control"}
