"""Docker Model Runner: models of this machine behind an OpenAI-like address that must be found.

Source: agent-file.md §3.8.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import msgspec

from docker_agent.config.expand import expand_shell
from docker_agent.env.chain import Secrets
from docker_agent.errors import ConfigError, ModelError
from docker_agent.events import EmitDeltas
from docker_agent.messages import JSON, ToolSpec
from docker_agent.models.dmr_find import Found, find, given_address
from docker_agent.models.dmr_options import Options, options_of
from docker_agent.models.errors import HttpError
from docker_agent.models.http_port import Http
from docker_agent.models.json_schema import normalized
from docker_agent.models.openai_chat import ChatSettings, OpenAIChat
from docker_agent.models.port import Ask, Model, ModelCard, Reply
from docker_agent.models.resolve import Resolved, extra_sampling
from docker_agent.models.streamed import short_body

log = logging.getLogger(__name__)

CONFIGURE_TIMEOUT = 10.0
"""Seconds a runner has to take in how a model is to be run."""

_UNREACHED = ("refused", "unreachable", "was not found", "connect in time")
_START = (
    "Docker Model Runner does not answer; start Docker, and enable it: "
    "docker desktop enable model-runner"
)


@asynccontextmanager
async def open_docker_model(
    resolved: Resolved, http: Http, secrets: Secrets, *, replay: bool
) -> AsyncGenerator[Model]:
    """A model of Docker Model Runner, found, fetched and set up. Raises `ConfigError`.

    With `replay` nothing is looked for: its answers come from a recording.
    """
    options = options_of(resolved)
    try:
        name = expand_shell(resolved.model, secrets.get)
        base_url = given_address(expand_shell(resolved.base_url, secrets.get), secrets)
    except ConfigError as exc:
        raise resolved.declared.error(str(exc)) from exc
    if base_url is not None or replay:
        found = Found(base_url or "http://localhost/engines/v1/")
    else:
        found = await find(name, http)
    if not replay:
        await _configure(found, options, name, http)
    card = ModelCard(
        name,
        "dmr",
        context=options.context_size,
        image=bool(options.image),
        document=bool(options.pdf),
    )
    settings = ChatSettings(
        url=f"{found.base_url}chat/completions",
        model=name,
        headers=resolved.headers,
        secrets=resolved.unshown(None),
        sampling=resolved.sampling,
        extra={**extra_sampling(resolved.options), **options.extra(found.engine)},
        merge=True,
        track_usage=resolved.track_usage,
        tools=runner_tools,
    )
    yield DockerModel(OpenAIChat(http, settings, card))


async def _configure(found: Found, options: Options, model: str, http: Http) -> None:
    """Tell the runner how the model is to be run; one that does not listen runs it as it likes."""
    url = f"{found.base_url.removesuffix('v1/')}_configure"
    body = msgspec.json.encode(options.configuration(model, found.engine))
    headers = {"Content-Type": "application/json"}
    try:
        async with asyncio.timeout(CONFIGURE_TIMEOUT), http.post(url, headers, body) as response:
            said = await short_body(response)
            if response.status >= 300:
                log.debug("_configure: HTTP %d: %s", response.status, said[:200])
    except (TimeoutError, HttpError) as exc:
        log.debug("_configure: %s", exc)


def runner_tools(specs: Sequence[ToolSpec]) -> bytes:
    """The `tools` array as the runner's engines take it: a dialect of `ToolList.wire`."""
    return msgspec.json.encode([_tool(spec) for spec in specs])


def _tool(spec: ToolSpec) -> JSON:
    parameters = normalized(spec.parameters)
    parameters.pop("additionalProperties", None)
    function = {
        "name": spec.name,
        "description": spec.description or f"Function {spec.name}",
        "parameters": parameters,
    }
    return {"type": "function", "function": function}


class DockerModel:
    """A model whose failures say what to do about the runner."""

    def __init__(self, model: OpenAIChat) -> None:
        self._model = model
        self.card = model.card

    async def reply(self, ask: Ask, emit: EmitDeltas) -> Reply:
        try:
            return await self._model.reply(ask, emit)
        except ModelError as exc:
            advice = self._advice(str(exc))
            if exc.emitted or not advice:
                raise
            raise ModelError(
                exc.kind,
                f"{exc}. {advice}",
                transient=exc.transient,
                retry_after=exc.retry_after,
            ) from exc

    def _advice(self, said: str) -> str:
        if "(HTTP 404)" in said:
            return f"Fetch the model: docker model pull {self.card.name}"
        return _START if any(words in said for words in _UNREACHED) else ""
