"""What the provider of a declared model hears: its key, its address, its headers, its options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError
from docker_agent.models.endpoints import ENDPOINTS, required_variables
from docker_agent.models.http import open_http
from docker_agent.models.port import Ask, ModelCard
from docker_agent.models.resolve import Resolved
from docker_agent.models.table import Opening, open_chat
from tests.models.talking import HI, TOOLS, Told
from tests.models.test_resolve import BASE, CUSTOM, resolved
from tests.requirements import requirement
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted

pytestmark = pytest.mark.anyio

EVERY_KEY = {endpoint.key: f"key-of-{name}" for name, endpoint in ENDPOINTS.items() if endpoint.key}


async def heard_by(
    found: Resolved, model: Model, env: Mapping[str, str], ask: Ask = HI
) -> tuple[Heard, ModelCard]:
    """What the provider hears of one question."""
    async with open_http() as http:
        opening = Opening(http, Values(env), Path())
        async with open_chat(found, opening) as live:
            await live.reply(ask, Told().hear)
            return model.heard[-1], live.card


@requirement("models:resolve:endpoints")
@pytest.mark.parametrize("name", ENDPOINTS)
async def test_every_row_is_reached_with_its_own_key(
    name: str, scripted: Scripted, model: Model
) -> None:
    """agent-file.md §3.2.1: bearer key of the row's variable, the row's headers, usage asked."""
    endpoint = ENDPOINTS[name]
    found = resolved({"provider": name, "model": model.name, "base_url": scripted.url})
    heard, _ = await heard_by(found, model, {**EVERY_KEY, "OPENAI_API_KEY": "key-of-openai"})
    sent = f"Bearer key-of-{name}" if endpoint.key else None
    shared = [other for other, row in ENDPOINTS.items() if row.key == endpoint.key]
    assert heard.headers.get("authorization") in (
        [None] if sent is None else [f"Bearer key-of-{other}" for other in shared]
    )
    assert heard.path == "/v1/chat/completions"
    assert heard.body["stream_options"] == {"include_usage": True}
    for header, value in endpoint.headers.items():
        assert heard.headers[header.lower()] == value


@requirement("models:resolve:address")
async def test_variables_in_an_address_are_filled_in(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.1 step 3: `${NAME}` in model and base_url, an error when unset."""
    assert required_variables()["cloudflare-ai-gateway"] == (
        "CLOUDFLARE_API_TOKEN",
        "CLOUDFLARE_ACCOUNT_ID",
        "CLOUDFLARE_GATEWAY_ID",
    )
    address = scripted.url + "/${ACCOUNT}/ai/"
    found = resolved(
        {"provider": "mine", "model": "${NAME}"}, {"mine": {**CUSTOM, "base_url": address}}
    )
    heard, card = await heard_by(found, model, {"ACCOUNT": "acc", "NAME": model.name})
    assert (heard.path, card.name) == ("/v1/acc/ai/chat/completions", model.name)
    with pytest.raises(ConfigError, match="ACCOUNT"):
        await heard_by(found, model, {"NAME": model.name})


@requirement("models:resolve:address")
async def test_azure_is_told_which_version_is_meant(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.2.1: `provider_opts.api_version` is a query parameter, the key a bearer."""
    options = {"api_version": "2025-01-01"}
    found = resolved(
        {
            "provider": "azure",
            "model": model.name,
            "base_url": f"{scripted.url}/{model.name}",
            "provider_opts": options,
        }
    )
    heard, _ = await heard_by(found, model, {"AZURE_API_KEY": "k"})
    wanted = f"POST /v1/{model.name}/chat/completions?api-version=2025-01-01"
    assert wanted in scripted.visits
    assert heard.headers["authorization"] == "Bearer k"
    with pytest.raises(ConfigError, match="base_url is needed"):
        await heard_by(resolved({"provider": "azure", "model": "x"}), model, {})


@requirement("models:resolve:key")
async def test_a_key_that_is_needed_and_not_set_is_an_error(model: Model) -> None:
    """agent-file.md §3.2.1: empty counts as missing."""
    found = resolved({"provider": "openai", "model": "x", "base_url": BASE, "token_key": "MINE"})
    for env in ({}, {"MINE": ""}):
        with pytest.raises(ConfigError, match="MINE environment variable is required"):
            await heard_by(found, model, env)


@requirement("models:resolve:key")
async def test_no_key_leaves_for_those_who_need_none(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.2.1: ours sends ollama none, and custom definitions only their own."""
    ollama = resolved({"provider": "ollama", "model": model.name, "base_url": scripted.url})
    custom = resolved(
        {"provider": "mine", "model": model.name}, {"mine": {**CUSTOM, "base_url": scripted.url}}
    )
    for found in (ollama, custom):
        heard, _ = await heard_by(found, model, {"OPENAI_API_KEY": "k"})
        assert "authorization" not in heard.headers


@requirement("models:resolve:headers")
async def test_headers_of_the_file_go_with_every_request(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.2.1: names without case, line breaks taken out, texts only."""
    headers = {
        "X-Team": "a\r\nb",
        "copilot-integration-id": "mine",
        "authorization": "Basic x",
        "X-Number": 5,
    }
    found = resolved(
        {
            "provider": "github-copilot",
            "model": model.name,
            "base_url": scripted.url,
            "provider_opts": {"http_headers": headers},
        }
    )
    assert len(found.headers) == 3
    heard, _ = await heard_by(found, model, {"GITHUB_TOKEN": "k"})
    assert heard.headers["x-team"] == "ab"
    assert heard.headers["copilot-integration-id"] == "mine"
    assert heard.headers["authorization"] == "Basic x"
    assert "x-number" not in heard.headers


@requirement("models:resolve:body")
async def test_options_of_the_file_reach_the_body(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.2.3 and §3.7: extra sampling as it is; named models call in parallel."""
    found = resolved(
        {
            "provider": "openai",
            "model": model.name,
            "base_url": scripted.url,
            "max_tokens": 9,
            "track_usage": False,
            "provider_opts": {
                "top_k": 3,
                "repetition_penalty": 1.1,
                "seed": 4,
                "context_size": "99",
            },
            "capabilities": {"image": True},
        }
    )
    heard, card = await heard_by(found, model, {}, Ask(HI.messages, TOOLS))
    assert (heard.body["top_k"], heard.body["repetition_penalty"], heard.body["seed"]) == (
        3,
        1.1,
        4,
    )
    assert (heard.body["max_tokens"], heard.body["parallel_tool_calls"]) == (9, True)
    assert not {"stream_options", "context_size", "api_type"} & heard.body.keys()
    assert (card.context, card.image, card.document) == (99, True, False)


@requirement("models:resolve:body")
async def test_sampling_that_is_no_number_is_passed_over(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.7: wrong-typed values are ignored."""
    wrong = {"top_k": 1.5, "repetition_penalty": "1.1", "min_p": True, "typical_p": None}
    given = {"provider": "ollama", "model": model.name, "base_url": scripted.url}
    found = resolved({**given, "provider_opts": {**wrong, "seed": "4"}})
    heard, _ = await heard_by(found, model, {})
    assert not {*wrong, "seed"} & heard.body.keys()
