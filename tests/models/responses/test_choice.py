"""Which of OpenAI's two APIs a model is asked by, and how it is reached there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON
from docker_agent.models.endpoints import ENDPOINTS
from docker_agent.models.http import open_http
from docker_agent.models.port import Ask, ModelCard
from docker_agent.models.resolve import Resolved
from docker_agent.models.table import PROVIDERS, Opening
from tests.models.talking import HI, TOOLS, Told
from tests.models.test_resolve import resolved
from tests.requirements import requirement
from tests.scripted.heard import Heard, Model
from tests.scripted.model import Scripted

pytestmark = pytest.mark.anyio

BASE = "http://base.test/v1"
CHAT, RESPONSES = "openai_chatcompletions", "openai_responses"


async def heard_by(
    found: Resolved, model: Model, env: Mapping[str, str], ask: Ask = HI
) -> tuple[Heard, ModelCard]:
    """What the provider hears of one question, over the protocol that was chosen."""
    async with open_http() as http:
        opening = Opening(http, Values(env), Path())
        async with PROVIDERS[found.protocol](found, opening) as live:
            await live.reply(ask, Told().hear)
            return model.heard[-1], live.card


CHOICES: list[tuple[dict[str, JSON], dict[str, JSON], str]] = [
    *(
        ({"provider": "openai", "model": name}, {}, RESPONSES)
        for name in (
            "gpt-4.1",
            "gpt-4.1-mini",
            "GPT-5",
            "gpt-5.6",
            "gpt-5-chat-latest",
            "codex-mini",
            "o1",
            "o3-mini",
            "o4-mini",
            "my-codex-1",
            "openai/gpt-5",
        )
    ),
    *(
        ({"provider": "openai", "model": name}, {}, CHAT)
        for name in ("gpt-4o", "gpt-4", "chatgpt-4o-latest", "gpt-oss-20b", "x-o3", "mycodex")
    ),
    ({"provider": "openai", "model": "gpt-5", "base_url": BASE}, {}, RESPONSES),
    ({"provider": "github-copilot", "model": "gpt-5"}, {}, RESPONSES),
    ({"provider": "github-copilot", "model": "claude-sonnet-4"}, {}, CHAT),
    ({"provider": "opencode-zen", "model": "gpt-5-codex"}, {}, RESPONSES),
    ({"provider": "openrouter", "model": "openai/gpt-5"}, {}, CHAT),
    ({"provider": "azure", "model": "gpt-5", "base_url": BASE}, {}, CHAT),
    ({"provider": "opencode-go", "model": "gpt-5"}, {}, CHAT),
    (
        {"provider": "openai", "model": "gpt-5", "provider_opts": {"api_type": CHAT}},
        {},
        CHAT,
    ),
    (
        {"provider": "groq", "model": "llama", "provider_opts": {"api_type": RESPONSES}},
        {},
        RESPONSES,
    ),
    ({"provider": "mine", "model": "gpt-5"}, {"mine": {"base_url": BASE}}, RESPONSES),
    ({"provider": "mine", "model": "llama"}, {"mine": {"base_url": BASE}}, CHAT),
    (
        {"provider": "mine", "model": "openai/o3"},
        {"mine": {"provider": "openrouter"}},
        RESPONSES,
    ),
    (
        {"provider": "mine", "model": "gpt-5"},
        {"mine": {"base_url": BASE, "api_type": CHAT}},
        CHAT,
    ),
    (
        {"provider": "mine", "model": "llama"},
        {"mine": {"base_url": BASE, "api_type": RESPONSES}},
        RESPONSES,
    ),
    (
        {"provider": "mine", "model": "gpt-5", "provider_opts": {"api_type": CHAT}},
        {"mine": {"base_url": BASE, "api_type": RESPONSES}},
        CHAT,
    ),
    ({"provider": "mine", "model": "gpt-5"}, {"mine": {"provider": "anthropic"}}, "anthropic"),
]


@requirement("models:responses:choice")
@pytest.mark.parametrize(("model", "providers", "protocol"), CHOICES)
def test_the_api_is_chosen_by_the_models_name(
    model: dict[str, JSON], providers: dict[str, JSON], protocol: str
) -> None:
    """agent-file.md §3.1: at OpenAI, GitHub Copilot, OpenCode Zen and in definitions; what the
    file says outright wins."""
    assert resolved(model, providers).protocol == protocol


@requirement("models:responses:choice")
def test_both_apis_are_spoken() -> None:
    """agent-file.md §3.1 step 5: known types."""
    assert {CHAT, RESPONSES} <= set(PROVIDERS)


@requirement("models:responses:reached")
@pytest.mark.parametrize("name", [name for name, row in ENDPOINTS.items() if row.responses])
async def test_a_model_of_that_name_is_reached_there(
    name: str, scripted: Scripted, model: Model
) -> None:
    """agent-file.md §3.2.1: the row's key and headers, on the other address."""
    endpoint = ENDPOINTS[name]
    live = scripted.model(f"gpt-5-{model.name}")
    found = resolved({"provider": name, "model": live.name, "base_url": scripted.url})
    assert endpoint.key is not None
    heard, card = await heard_by(found, live, {endpoint.key: "k"})
    assert heard.path == "/v1/responses"
    assert heard.headers["authorization"] == "Bearer k"
    assert heard.headers["content-type"] == "application/json"
    for header, value in endpoint.headers.items():
        assert heard.headers[header.lower()] == value
    assert heard.body["reasoning"]["summary"] == "detailed"
    assert (card.name, card.provider) == (live.name, name)


@requirement("models:responses:reached")
async def test_the_files_settings_reach_the_body(scripted: Scripted, model: Model) -> None:
    """agent-file.md §3.2.3, §3.7 and §3.9: effort, cap, headers, version; no extra sampling."""
    live = scripted.model(f"o3-{model.name}")
    options = {
        "api_type": RESPONSES,
        "api_version": "2025-04-01",
        "http_headers": {"X-Team": "a"},
        "top_k": 3,
        "seed": 4,
        "context_size": 5120,
    }
    settings = {"max_tokens": 9000, "temperature": 0.5, "frequency_penalty": 1.0}
    found = resolved(
        {
            "provider": "azure",
            "model": live.name,
            "base_url": f"{scripted.url}/{live.name}/",
            "provider_opts": options,
            **settings,
        }
    )
    heard, card = await heard_by(found, live, {"AZURE_API_KEY": "k"}, Ask(HI.messages, TOOLS))
    assert f"POST /v1/{live.name}/responses?api-version=2025-04-01" in scripted.visits
    body = heard.body
    assert (body["max_output_tokens"], body["temperature"]) == (4096, 0.5)
    assert body["reasoning"] == {"summary": "detailed", "effort": "medium"}
    assert body["parallel_tool_calls"] is True
    assert not {"top_k", "seed", "frequency_penalty", "stream_options"} & body.keys()
    assert heard.headers["x-team"] == "a"
    assert card.context == 5120


@requirement("models:responses:reached")
async def test_a_key_that_is_needed_and_not_set_is_an_error(model: Model) -> None:
    """agent-file.md §3.2.1: as for Chat Completions; so is an address that is missing."""
    keyless = resolved({"provider": "openai", "model": "gpt-5", "token_key": "MINE"})
    with pytest.raises(ConfigError, match="MINE environment variable is required"):
        await heard_by(keyless, model, {})
    nowhere = resolved(
        {"provider": "azure", "model": "gpt-5", "provider_opts": {"api_type": RESPONSES}}
    )
    with pytest.raises(ConfigError, match="base_url is needed"):
        await heard_by(nowhere, model, {})
