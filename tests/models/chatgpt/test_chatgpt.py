"""Models of a ChatGPT subscription: what is asked, who is signed in. Source: agent-file.md §3.2.1
and §6.1, row 6."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import openai
import pytest

from docker_agent.env.chain import standard_chain
from docker_agent.env.chatgpt import FILE, ChatGptSignIn
from docker_agent.env.directories import Directories
from docker_agent.errors import ConfigError, ModelError
from docker_agent.messages import (
    JSON,
    AssistantMessage,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from docker_agent.models.gateway import parse_gateway
from docker_agent.models.port import Ask
from docker_agent.runtime.agent import Agent
from tests.conftest import Serve
from tests.loader.loading import answer, card, complaint, loaded, models
from tests.models.talking import TOOLS, Told
from tests.requirements import requirement
from tests.scripted.chatgpt_rules import PATH
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import fail, say, think

pytestmark = pytest.mark.anyio

VARIABLE = "CHATGPT_OAUTH_TOKEN"


def token(account: str = "account-1", number: int = 1, left: float = 3600) -> str:
    """A token as OpenAI gives them, but for its signature."""
    claims = {
        "exp": time.time() + left,
        "jti": number,
        "https://api.openai.com/auth": {"chatgpt_account_id": account},
    }
    parts = (json.dumps({"alg": "none"}), json.dumps(claims))
    coded = [base64.urlsafe_b64encode(one.encode()).decode().rstrip("=") for one in parts]
    return ".".join((*coded, "signature"))


def file(scripted: Scripted, model: str, **keys: JSON) -> dict[str, Any]:
    """An agent by a subscription."""
    base_url = scripted.url.removesuffix("/v1") + PATH.removesuffix("/responses")
    entry = {"provider": "chatgpt", "model": model, "base_url": base_url, **keys}
    return {"models": {"m": entry}, "agents": {"root": {"model": "m"}}}


async def asked(agent: Agent, *messages: Message, tools: bool = False) -> Told:
    """One question."""
    told = Told()
    ask = Ask(messages, TOOLS) if tools else Ask(messages)
    with anyio.fail_after(10):
        told.answer = await agent.model.reply(ask, told.hear)
    return told


@requirement("models:chatgpt:wire")
def test_openais_own_client_is_answered(scripted: Scripted, model: Model) -> None:
    """tests/scripted/chatgpt_rules.py: with the headers and the body that the backend takes, and
    refused without."""
    model.script(say("Hi"))
    base_url = scripted.url.removesuffix("/v1") + PATH.removesuffix("/responses")
    headers = {
        "chatgpt-account-id": "a",
        "originator": "x",
        "session_id": "s",
        "OpenAI-Beta": "responses=experimental",
    }
    with openai.OpenAI(
        base_url=base_url, api_key="t", max_retries=0, _strict_response_validation=True
    ) as client:
        ask = client.responses
        with ask.stream(
            model=model.name,
            input=[{"role": "user", "content": "hi"}],
            instructions="Be.",
            store=False,
            extra_headers=headers,
        ) as stream:
            assert stream.get_final_response().output_text == "Hi"
        with pytest.raises(openai.BadRequestError, match="missing header"):
            ask.create(model=model.name, input="hi")


@requirement("models:chatgpt:request")
async def test_a_question_is_what_the_backend_takes(
    tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """System text as instructions, no sampling, nothing stored; calls and their results stay."""
    served = scripted.model(f"gpt-5-{model.name}").script(think("hm") + say("Ahoy"))
    options: JSON = {"api_type": "openai_chatcompletions", "http_headers": {"originator": "mine"}}
    sampling: dict[str, JSON] = {"temperature": 0.5, "top_p": 0.5, "max_tokens": 99}
    content = file(scripted, served.name, **sampling, thinking_budget="low", provider_opts=options)
    async with loaded(tmp_path, content, {VARIABLE: token()}) as team:
        told = await asked(
            team.agents["root"],
            SystemMessage("You are a pirate."),
            SystemMessage("Be brief."),
            UserMessage("hi"),
            AssistantMessage(calls=(ToolCall("c1", "f", "{}"),)),
            ToolMessage("c1", "done"),
            tools=True,
        )
    assert (told.text, told.reasoning) == ("Ahoy", "hm")
    [heard] = served.heard
    body = heard.body
    assert body["instructions"] == "You are a pirate.\n\nBe brief."
    assert [item["type"] for item in body["input"]] == [
        "message",
        "function_call",
        "function_call_output",
    ]
    assert body["reasoning"] == {"summary": "auto", "effort": "low"}
    assert (body["store"], body["stream"]) == (False, True)
    assert not {"temperature", "top_p", "max_output_tokens", "user"} & body.keys()
    headers = heard.headers
    assert (headers["chatgpt-account-id"], headers["originator"]) == ("account-1", "mine")
    assert headers["openai-beta"] == "responses=experimental"


@requirement("models:chatgpt:request")
async def test_a_question_without_system_text_has_instructions_too(
    tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """agent-file.md §3.2.1: a default sentence; one session for the whole conversation."""
    model.script(say("a"), say("b"))
    async with loaded(tmp_path, file(scripted, model.name), {VARIABLE: token()}) as team:
        agent = team.agents["root"]
        assert agent.model.card.provider == "chatgpt"
        await answer(agent)
        await answer(agent)
    first, second = model.heard
    assert first.body["instructions"]
    assert first.headers["session_id"] == second.headers["session_id"]


@requirement("models:chatgpt:sign-in")
async def test_a_refused_token_is_looked_up_again_once(
    tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """Another program may have renewed it; the question goes out again with the new one."""
    model.script(
        say("one"),
        fail(401, "expired"),
        say("two"),
        lambda heard: fail(401, heard.headers["authorization"]),
    )
    env = {VARIABLE: token(number=1)}
    async with loaded(tmp_path, file(scripted, model.name), env) as team:
        agent = team.agents["root"]
        assert await answer(agent) == "one"
        env[VARIABLE] = token("account-2", 2)
        assert await answer(agent) == "two"
        with pytest.raises(ModelError, match=r"Bearer \*\*\*") as failed:
            await answer(agent)
    assert env[VARIABLE] not in str(failed.value)
    accounts = [heard.headers["chatgpt-account-id"][-1] for heard in model.heard]
    assert accounts == ["1", "1", "2", "2"]


@requirement("models:chatgpt:sign-in")
async def test_who_is_not_signed_in_is_told_how(
    tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """agent-file.md §6.4: at the start; a token that has ended, with the first question."""
    said = await complaint(tmp_path, models(root="chatgpt/gpt-5.6"))
    assert "CHATGPT_OAUTH_TOKEN  for agent root" in said
    assert FILE in said
    said = await complaint(tmp_path, file(scripted, model.name))
    assert "CHATGPT_OAUTH_TOKEN environment variable is required" in said and FILE in said
    ended = {VARIABLE: token(left=-5)}
    async with loaded(tmp_path, file(scripted, model.name), ended) as team:
        with pytest.raises(ModelError, match="has ended; sign in again"):
            await answer(team.agents["root"])
    assert model.heard == []


SIGN_INS: Mapping[str, tuple[object, str | None, str]] = {
    "holds": ({"access_token": "t", "expires_at": "2999-01-01T00:00:00.123456789Z"}, "t", ""),
    "nobody knows": ({"access_token": "t", "expires_at": "0001-01-01T00:00:00Z"}, "t", ""),
    "no moment": ({"access_token": "t", "expires_at": "soon"}, "t", ""),
    "ended": (
        {
            "access_token": "t",
            "expires_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        },
        None,
        "ended at",
    ),
    "empty": ({}, None, ""),
    "no object": ([], None, "cannot be read"),
}


@requirement("file:6.1:chatgpt")
@pytest.mark.parametrize(("kept", "found", "says"), SIGN_INS.values(), ids=SIGN_INS.keys())
def test_a_kept_sign_in_is_a_variable_while_it_holds(
    tmp_path: Path,
    kept: object,
    found: str | None,
    says: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """agent-file.md §6.1, row 6: after the process and the `.env`; said once when it is no use."""
    directories = Directories(tmp_path, tmp_path, tmp_path)
    (tmp_path / FILE).write_text(json.dumps(kept))

    def chain(environ: Mapping[str, str]) -> str | None:
        return standard_chain(environ, [], tmp_path, directories, tmp_path / "x").get(VARIABLE)

    assert chain({}) == found
    assert chain({VARIABLE: "mine"}) == "mine"
    assert ChatGptSignIn(tmp_path / FILE).get("OTHER") is None
    assert ChatGptSignIn(tmp_path / "nothing").get(VARIABLE) is None
    caplog.clear()
    source = ChatGptSignIn(tmp_path / FILE)
    assert [source.get(VARIABLE) for _ in range(2)] == [found, found]
    assert [says in record.getMessage() for record in caplog.records] == [True] * bool(says)


@requirement("models:chatgpt:choice")
async def test_a_sign_in_is_chosen_where_the_environment_decides(tmp_path: Path) -> None:
    """agent-file.md §3.3, row 3, and §3.4; a definition may stand before it."""
    env = {VARIABLE: "k", "GOOGLE_API_KEY": "k"}
    assert await card(tmp_path, models(root="auto"), env) == ("chatgpt", "gpt-5.6")
    choice: JSON = {"first_available": ["chatgpt/x", "google/y"]}
    file = {"models": {"m": choice}, **models(root="m")}
    assert await card(tmp_path, file, env) == ("chatgpt", "x")
    assert await card(tmp_path, file, {"GOOGLE_API_KEY": "k"}) == ("google", "y")
    named = {
        "providers": {"mine": {"provider": "chatgpt", "token_key": "MINE"}},
        **models(root="mine/z"),
    }
    assert await card(tmp_path, named, {"MINE": "k"}) == ("chatgpt", "z")


@requirement("models:chatgpt:elsewhere")
async def test_the_token_goes_to_no_other_address(
    tmp_path: Path, scripted: Scripted, model: Model
) -> None:
    """chat-server.md §6: not for a file from elsewhere, and not through a gateway."""
    content = models(root="m")
    entry = {"provider": "chatgpt", "model": "x", "base_url": "https://evil.test"}
    path = {"models": {"m": entry}, **content}
    with pytest.raises(ConfigError, match=r"would send CHATGPT_OAUTH_TOKEN to evil\.test"):
        async with loaded(tmp_path, path, {VARIABLE: token()}, local=False):
            pass
    model.script(say("by gateway"))
    through = {
        "models": {"m": {"provider": "chatgpt", "model": model.name}},
        "agents": {"root": {"model": "m"}},
    }
    gateway = parse_gateway(scripted.url.removesuffix("/v1"))
    env = {VARIABLE: token(), "DOCKER_TOKEN": "docker"}
    async with loaded(tmp_path, through, env, gateway=gateway) as team:
        assert await answer(team.agents["root"]) == "by gateway"
    [heard] = model.heard
    assert heard.headers["authorization"] == "Bearer docker"
    assert heard.headers["x-cagent-forward"] == "https://chatgpt.com/backend-api/codex"


@requirement("models:chatgpt:product")
def test_an_agent_answers_by_the_sign_in_of_another_program(
    serve: Serve, scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """The whole product: the file in the configuration directory, and no token in its record."""
    model.script(say("Hello"))
    (tmp_path / FILE).write_text(json.dumps({"access_token": token()}))
    cassette = tmp_path / "talk.yaml"
    content = json.dumps({"version": "12", **file(scripted, model.name)}, indent=1)
    flags = ("--config-dir", str(tmp_path), "--record", str(cassette), "--debug")
    server = serve(content, *flags)
    assert server.client().chat("hi", user="someone", temperature=0.1).content == "Hello"
    secret = model.heard[0].headers["authorization"].removeprefix("Bearer ")
    assert secret not in cassette.read_text() and secret not in server.log
    replayed = serve(content, "--fake", str(cassette))
    assert replayed.client().chat("hi").content == "Hello"
