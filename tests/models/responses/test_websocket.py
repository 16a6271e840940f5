"""The Responses API over a websocket. Source: agent-file.md §3.7, `transport`."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import anyio
import openai
import pytest

from docker_agent.errors import ModelError
from docker_agent.messages import JSON
from docker_agent.models.gateway import parse_gateway
from docker_agent.models.http import open_http
from docker_agent.models.openai_responses import OpenAIResponses, ResponsesSettings
from docker_agent.models.port import ModelCard
from docker_agent.models.websocket import KEPT_IDLE, MAX_AGE, open_socketed
from tests.conftest import Serve
from tests.loader.loading import answer, loaded
from tests.models.talking import HI, Told
from tests.requirements import requirement
from tests.scripted.client import text_of
from tests.scripted.gate import Gate
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, die, fail, hold, rate_limited, say

pytestmark = pytest.mark.anyio

CARD = ModelCard("the-model", "openai")
OPTIONS: JSON = {"transport": "WebSocket", "api_type": "openai_responses"}


def file(scripted: Scripted, model: Model, **keys: JSON) -> dict[str, Any]:
    """An agent whose model is asked over a websocket."""
    entry = {
        "provider": "openai",
        "model": model.name,
        "base_url": scripted.url,
        "provider_opts": OPTIONS,
    }
    return {"models": {"m": {**entry, **keys}}, "agents": {"root": {"model": "m"}}}


def by_socket(heard: Heard) -> bool:
    """Whether a question came over a websocket."""
    return heard.headers.get("upgrade", "").lower() == "websocket"


@requirement("models:websocket:wire")
async def test_openais_own_client_is_answered(scripted: Scripted, model: Model) -> None:
    """tests/scripted/websocket.py: two questions over one connection, and a refusal."""
    model.script(say("Hel", "lo"), call("f", {"a": 1}, id="c1"), rate_limited("7"))
    ask: Any = {"model": model.name, "input": "hi"}
    kinds: list[list[str]] = []
    client = openai.AsyncOpenAI(base_url=scripted.url, api_key="k")
    async with client, client.responses.connect() as connection:
        for _ in range(3):
            await connection.response.create(**ask)
            kinds.append([])
            async for event in connection:
                kinds[-1].append(event.type)
                if event.type in ("response.completed", "error"):
                    break
    assert kinds[0].count("response.output_text.delta") == 2
    assert "response.function_call_arguments.done" in kinds[1]
    assert kinds[2] == ["error"]
    assert len({heard.connection for heard in model.heard}) == 1


@requirement("models:websocket:reuse")
async def test_a_connection_serves_one_question_after_the_other(
    tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """The next turn finds it open; questions at once have one each."""
    gate = Gate()
    model.script(say("a"), say("b"), hold(gate) + say("c"), hold(gate) + say("d"))
    async with loaded(tmp_path, file(scripted, model)) as team:
        agent = team.agents["root"]
        assert [await answer(agent), await answer(agent)] == ["a", "b"]
        calls = [asyncio.create_task(answer(agent)) for _ in range(2)]
        await gate.await_reached(count=2)
        gate.open()
        assert sorted(await asyncio.gather(*calls)) == ["c", "d"]
    assert all(map(by_socket, model.heard))
    first, second, third, fourth = (heard.connection for heard in model.heard)
    assert first == second
    assert len({first, third, fourth}) == 2


@requirement("models:websocket:reuse")
@pytest.mark.parametrize(
    ("pause", "until", "connections"),
    [
        (KEPT_IDLE - 1, MAX_AGE - KEPT_IDLE, 1),
        (KEPT_IDLE + 1, KEPT_IDLE + 1, 2),
        (KEPT_IDLE - 1, MAX_AGE, 2),
    ],
)
async def test_an_old_connection_is_not_used_again(
    scripted: Scripted, model: Model, pause: float, until: float, connections: int
) -> None:
    """The provider ends a connection after an hour, however busy it is; one that waits too long is
    let go."""
    model.script(say("a"))
    clock = 0.0
    settings = ResponsesSettings(f"{scripted.url}/responses", model.name)
    async with open_http() as http, open_socketed(http, now=lambda: clock) as socketed:
        asked = OpenAIResponses(socketed, settings, CARD)
        await asked.reply(HI, Told().hear)
        while clock < until:
            clock += pause
            await asked.reply(HI, Told().hear)
    assert len({heard.connection for heard in model.heard}) == connections


@requirement("models:websocket:fallback")
async def test_http_is_used_where_no_websocket_opens(
    tmp_path: Path, scripted: Scripted, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §3.7: said once, and not tried again for a while."""
    model.script(say("plain"))
    content = file(scripted, model, token_key="KEY")
    with caplog.at_level(logging.WARNING, "docker_agent"):
        async with loaded(tmp_path, content, {"KEY": "no-sockets"}) as team:
            for _ in range(2):
                assert await answer(team.agents["root"]) == "plain"
    assert not any(map(by_socket, model.heard))
    [said] = [one.getMessage() for one in caplog.records if "websocket" in one.getMessage()]
    assert "refused with HTTP 426" in said and "no-sockets" not in said


@requirement("models:websocket:fallback")
async def test_a_kept_connection_that_was_ended_is_replaced(
    tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """As with HTTP: no event came, so another connection carries the question."""
    model.script(say("a"), die(), say("b"))
    async with loaded(tmp_path, file(scripted, model)) as team:
        agent = team.agents["root"]
        assert [await answer(agent), await answer(agent)] == ["a", "b"]
    assert all(map(by_socket, model.heard))


@requirement("models:websocket:errors")
async def test_a_refusal_is_what_it_is_over_http(
    tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """runtime.md §4.2: kind, time to wait, and no key."""
    locked = fail(401, "wrong key k-secret")
    model.script(rate_limited("7"), locked, say("Hel") + die())
    content = file(scripted, model, token_key="KEY")
    content["agents"]["root"]["fallback"] = {"retries": -1}
    async with loaded(tmp_path, content, {"KEY": "k-secret"}) as team:
        agent = team.agents["root"]
        with pytest.raises(ModelError) as limited:
            await answer(agent)
        with pytest.raises(ModelError, match=r"wrong key \*\*\*"):
            await answer(agent)
        with pytest.raises(ModelError, match="broke before the answer was complete") as cut:
            await answer(agent)
    assert (limited.value.kind, limited.value.retry_after) == ("model_rate_limited", 7.0)
    assert cut.value.emitted
    assert all(map(by_socket, model.heard))


@requirement("models:websocket:errors")
async def test_a_silent_connection_is_not_waited_for_forever(
    scripted: Scripted, model: Model
) -> None:
    """agent-file.md §3.10: the idle limit of a stream; it is not asked again over HTTP."""
    model.script(hold(Gate()))
    settings = ResponsesSettings(f"{scripted.url}/responses", model.name)
    async with open_http() as http, open_socketed(http, idle_timeout=0.1) as socketed:
        with anyio.fail_after(10), pytest.raises(ModelError, match="model stream stalled"):
            await OpenAIResponses(socketed, settings, CARD).reply(HI, Told().hear)
    [heard] = model.heard
    assert await heard.await_cut()


@requirement("models:websocket:fallback")
async def test_a_gateway_is_asked_over_http(
    tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """agent-file.md §3.7: not with a gateway."""
    model.script(say("a"))
    content = file(scripted, model)
    del content["models"]["m"]["base_url"]
    gateway = parse_gateway(scripted.url.removesuffix("/v1"))
    async with loaded(tmp_path, content, {"DOCKER_TOKEN": "t"}, gateway=gateway) as team:
        assert await answer(team.agents["root"]) == "a"
    assert not by_socket(model.heard[0])


@requirement("models:websocket:fallback")
async def test_a_proxy_of_the_environment_is_not_passed_by(
    tmp_path: Path,
    scripted: Scripted,
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """models/http.py: what the environment sends through a proxy goes there, over HTTP."""
    monkeypatch.setenv("http_proxy", scripted.url.removesuffix("/v1"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    model.script(say("by proxy"))
    content = file(scripted, model, base_url="http://api.openai.test/v1")
    async with loaded(tmp_path, content) as team:
        assert await answer(team.agents["root"]) == "by proxy"
    [heard] = model.heard
    assert not by_socket(heard)
    assert heard.path == "http://api.openai.test/v1/responses"
    assert "websocket" not in caplog.text


@requirement("models:websocket:product")
def test_an_agent_answers_over_a_websocket(
    serve: Serve, scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """The whole product: a tool turn, a stream, a client that leaves; a recording is made over
    HTTP."""
    gate = Gate()
    tool = call("think", {"thought": "hm"}, id="c1")
    model.script(tool, say("Hello"), say("Hel") + hold(gate), say("taped"))
    content = file(scripted, model)
    content["agents"]["root"] |= {"instruction": "You answer.", "toolsets": [{"type": "think"}]}
    text = json.dumps({"version": "12", **content}, indent=1)
    server = serve(text)
    assert server.client().chat("hi").content == "Hello"
    with server.client().stream("hi") as stream:
        assert stream.next_text() == "Hel"
        stream.hang_up()
    assert model.heard[2].wait_cut()
    assert all(map(by_socket, model.heard))
    first, second, third = (heard.connection for heard in model.heard)
    assert first == second == third
    tape = tmp_path / "tape.yaml"
    with serve(text, "--record", str(tape)).client().stream("hi") as stream:
        assert text_of(stream.rest()) == "taped"
    assert not by_socket(model.heard[3])
    assert "taped" in tape.read_text()
