"""The embedded model: weights on this machine behind an engine of our own, asked like any chat
model.

Small models need a little help: their calls are read out of text, a forced call is asked for as
JSON, and after a tool's answer the weakest are offered no tools, since they would only call again.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from docker_agent.errors import ConfigError, ModelError
from docker_agent.events import Delta, EmitDeltas, TextDelta
from docker_agent.messages import (
    AUTO,
    JSON,
    NO_TOOLS,
    Message,
    Sampling,
    SystemMessage,
    ToolMessage,
    ToolSpec,
)
from docker_agent.models import weights
from docker_agent.models.engine import CPUINFO, EngineSettings, cpu_problem
from docker_agent.models.engine_life import Engine, open_engine
from docker_agent.models.http_port import Http
from docker_agent.models.openai_chat import ChatSettings, OpenAIChat
from docker_agent.models.port import Ask, ModelCard, Reply
from docker_agent.models.resolve import Resolved, extra_sampling
from docker_agent.models.text_calls import forced_call, forced_format

log = logging.getLogger(__name__)

CONTEXT_SIZE = 4096
"""Tokens of one request and its answer, unless the file says otherwise."""

SLOTS = 4
"""Requests that are answered at a time, unless the file says otherwise; more wait in the engine."""

_CALLS_AGAIN = ("smollm2", "qwen2.5-coder-0.5b")
"""Models that answer a tool's result with the same call again. Source: parts.md A4."""

_GGUF = b"GGUF"
_FORCED = (
    "Answer only with a JSON object that calls one of these functions:"
    ' {"name": the function, "arguments": its arguments}.'
)


class LocalOptions(msgspec.Struct, frozen=True):
    """How the engine runs. `context_size` is in tokens for each of `slots` requests at a time;
    `threads` None: all cores but one."""

    context_size: int = CONTEXT_SIZE
    slots: int = SLOTS
    threads: int | None = None


def options_of(provider_opts: Mapping[str, JSON]) -> LocalOptions:
    """The engine's options among a model's `provider_opts`; a value that is no positive number is
    passed over with a warning. Source: agent-file.md §3.7."""
    chosen: dict[str, int] = {}
    for name in LocalOptions.__struct_fields__:
        value = provider_opts.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            chosen[name] = value
        elif value is not None:
            log.warning("provider_opts.%s: %r is no positive number; ignored", name, value)
    return LocalOptions(**chosen)


def find_weights(name: str, cache_dir: Path) -> Path:
    """The GGUF file of `name`: a known model, or (beginning with `/`) a path.

    Raises `ConfigError` saying how to get it when it is not there.
    """
    if not name.startswith("/"):
        if found := weights.locate(name, cache_dir):
            return found
        raise ConfigError(
            f"the weights of local/{name} are not on this machine;"
            f" run: docker-agent models pull {name}"
        )
    path = Path(name)
    try:
        with path.open("rb") as file:
            magic = file.read(len(_GGUF))
    except OSError as exc:
        raise ConfigError(f"local/{name}: {exc.strerror or exc}") from exc
    if magic != _GGUF:
        raise ConfigError(f"local/{name}: this is no GGUF file")
    return path


def check_local(
    name: str,
    cache_dir: Path,
    *,
    find_module: Callable[[str], object] = importlib.util.find_spec,
    cpuinfo: Path = CPUINFO,
    machine: str | None = None,
) -> None:
    """Raise `ConfigError` when the embedded model `name` cannot run here, and say what would help.

    Called before a port opens: the engine, the CPU, the weights; nothing is loaded.
    """
    if find_module("xllamacpp") is None:
        raise ConfigError(
            f"local/{name} needs the embedded engine, which is not installed;"
            " run: pip install 'docker-agent[local]'"
        )
    if problem := cpu_problem(cpuinfo, machine):
        raise ConfigError(f"local/{name}: {problem}; use another model")
    find_weights(name, cache_dir)


@asynccontextmanager
async def open_local(
    resolved: Resolved,
    http: Http,
    cache_dir: Path,
    *,
    environment: Mapping[str, str] = os.environ,
) -> AsyncGenerator[LocalModel]:
    """The embedded model of a file, in a process of its own that is gone when the context is left.

    It loads in the background; the first question waits for it. Raises `ConfigError` as
    `check_local` does.
    """
    name = resolved.model
    await asyncio.to_thread(check_local, name, cache_dir)
    path = find_weights(name, cache_dir)
    settings = engine_settings(name, path, options_of(resolved.options))
    async with open_engine(settings, environment=environment) as engine:
        yield LocalModel(http, engine, resolved.sampling, _extra(resolved.options))


def _extra(options: Mapping[str, JSON]) -> dict[str, JSON]:
    """Further sampling options, in the engine's words."""
    said = {"repetition_penalty": "repeat_penalty"}
    return {said.get(name, name): value for name, value in extra_sampling(options).items()}


def engine_settings(name: str, path: Path, options: LocalOptions) -> EngineSettings:
    """What an engine for `name` is told; its key is new each time."""
    return EngineSettings(
        path=str(path),
        alias=path.stem if name.startswith("/") else name,
        context=options.context_size,
        slots=options.slots,
        threads=options.threads or max(1, (os.cpu_count() or 1) - 1),
        key=secrets.token_urlsafe(32),
        parent=os.getpid(),
    )


class LocalModel:
    """A `Model` behind our own engine. Several may share one engine, each with its sampling."""

    def __init__(
        self, http: Http, engine: Engine, sampling: Sampling, extra: Mapping[str, JSON]
    ) -> None:
        self._http = http
        self._engine = engine
        self._sampling = sampling
        self._extra = extra
        self.card = ModelCard(
            engine.settings.alias,
            "local",
            context=engine.settings.context,
            image=False,
            document=False,
            price_in=0.0,
            price_out=0.0,
        )

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        async with self._engine.use() as lease:
            chat = self._chat(lease.address)
            try:
                if specs := _forced_tools(ask):
                    return await _force(chat, ask, specs, emit)
                return await chat.reply(suited(ask, self.card.name), emit)
            except ModelError as exc:
                if not exc.transient or not await lease.died():
                    raise
                # For good: what crashed an engine once would only crash the next one.
                crashed = f"model {self.card.name} failed: its engine crashed"
                raise ModelError(exc.kind, crashed, emitted=exc.emitted) from exc

    def _chat(self, address: str) -> OpenAIChat:
        key = self._engine.settings.key
        settings = ChatSettings(
            f"{address}/v1/chat/completions",
            self.card.name,
            headers={"Authorization": f"Bearer {key}"},
            secrets=(key,),
            sampling=self._sampling,
            extra=self._extra,
            merge=True,
            text_calls="full",
        )
        return OpenAIChat(self._http, settings, self.card)


def suited(ask: Ask, model: str) -> Ask:
    """The question without tools that must not or should not be called."""
    after_result = bool(ask.messages) and isinstance(ask.messages[-1], ToolMessage)
    if ask.choice.mode == "none" or (after_result and model in _CALLS_AGAIN):
        return msgspec.structs.replace(ask, tools=NO_TOOLS, choice=AUTO)
    return ask


def _forced_tools(ask: Ask) -> tuple[ToolSpec, ...]:
    """The tools of which one must be called; none when the model is free."""
    match ask.choice.mode:
        case "required":
            return ask.tools.specs
        case "function":
            return tuple(spec for spec in ask.tools.specs if spec.name == ask.choice.name)
        case "auto" | "none":
            return ()


async def _force(chat: OpenAIChat, ask: Ask, specs: Sequence[ToolSpec], emit: EmitDeltas) -> Reply:
    """Ask for a call as JSON under a schema, since a small model calls nothing on demand."""
    emitted = False

    async def emit_thoughts(deltas: tuple[Delta, ...]) -> None:
        nonlocal emitted
        if thoughts := tuple(delta for delta in deltas if not isinstance(delta, TextDelta)):
            emitted = True
            await emit(thoughts)

    forced = msgspec.structs.replace(
        ask,
        messages=_told(ask.messages, specs),
        tools=NO_TOOLS,
        choice=AUTO,
        format=forced_format(specs),
    )
    try:
        reply = await chat.reply(forced, emit_thoughts)
    except ModelError as exc:
        exc.emitted = emitted
        raise
    call = forced_call(reply.message.text, {spec.name for spec in specs})
    if call is None:
        await emit((TextDelta(reply.message.text),))
        return reply
    call = msgspec.structs.replace(call, id=f"call_{secrets.token_hex(12)}")
    message = msgspec.structs.replace(reply.message, text="", calls=(call,))
    return msgspec.structs.replace(reply, message=message, finish="tool_calls")


def _told(messages: Sequence[Message], specs: Sequence[ToolSpec]) -> tuple[Message, ...]:
    """The messages with the functions described after the instructions: the schema guides the
    model's pen, but it does not read it."""
    described = [
        msgspec.json.encode(
            {"name": spec.name, "description": spec.description, "parameters": spec.parameters}
        ).decode()
        for spec in specs
    ]
    place = 0
    while place < len(messages) and isinstance(messages[place], SystemMessage):
        place += 1
    told = SystemMessage("\n".join((_FORCED, *described)))
    return (*messages[:place], told, *messages[place:])
