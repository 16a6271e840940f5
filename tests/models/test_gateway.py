"""The models gateway: its address, whom it trusts, what it hears. Source: agent-file.md §3.12."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from docker_agent.errors import ConfigError, ModelError
from docker_agent.loader.overrides import Overrides
from docker_agent.messages import UserMessage
from docker_agent.models.gateway import parse_gateway
from docker_agent.models.port import Ask
from tests.conftest import Serve
from tests.loader.loading import answer, complaint, loaded
from tests.models.talking import Told
from tests.requirements import requirement
from tests.scripted.anthropic import scripted_claude
from tests.scripted.gemini import gemini_server
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import fail

pytestmark = pytest.mark.anyio

TOKEN = {"DOCKER_TOKEN": "docker-token"}


@requirement("models:gateway:address")
@pytest.mark.parametrize(
    ("address", "url", "query", "trusted"),
    [
        (" https://ai.docker.com/proxy/ ", "https://ai.docker.com/proxy", "", True),
        ("https://docker.com", "https://docker.com", "", True),
        ("http://ai.docker.com", "http://ai.docker.com", "", False),
        ("https://notdocker.com", "https://notdocker.com", "", False),
        ("https://docker.com.evil.test", "https://docker.com.evil.test", "", False),
        ("https://docker.com@evil.test/", "https://docker.com@evil.test", "", False),
        ("http://localhost:90?a=1&b", "http://localhost:90", "a=1&b", True),
        ("https://[::1]:90/x//", "https://[::1]:90/x/", "", True),
        ("http://127.0.0.1", "http://127.0.0.1", "", True),
        ("http://10.0.0.1", "http://10.0.0.1", "", False),
    ],
)
def test_only_docker_and_this_machine_are_trusted(
    address: str, url: str, query: str, trusted: bool
) -> None:
    """agent-file.md §3.12: trusted Docker URL; one trailing slash removed."""
    found = parse_gateway(address)
    assert (found.url, found.query, found.trusted) == (url, query, trusted)


@requirement("models:gateway:address")
@pytest.mark.parametrize("address", ["gateway", "ftp://x.test", "http://", "http://[::1", "x:y"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """One sentence, before anything is opened."""
    with pytest.raises(ConfigError, match="is no http"):
        parse_gateway(address)


def wishes(address: str) -> dict[str, Any]:
    """The override."""
    return {"gateway": parse_gateway(address, "the-installation")}


@requirement("models:gateway:request")
@pytest.mark.parametrize(
    ("name", "path"), [("gpt-4o", "/v1/chat/completions"), ("gpt-5", "/v1/responses")]
)
async def test_a_model_of_openai_goes_through_the_gateway(
    name: str, path: str, scripted: Scripted, tmp_path: Path
) -> None:
    """agent-file.md §3.12: path, headers, the gateway's own parameters; no provider's key."""
    model = scripted.model(f"{name}-gateway")
    content: dict[str, Any] = {
        "models": {"mine": {"provider": "openai", "model": model.name}},
        "agents": {"root": {"model": "mine"}},
    }
    root = scripted.url.removesuffix("/v1")
    env = {**TOKEN, "OPENAI_API_KEY": "sk-secret"}
    async with loaded(tmp_path, content, env, **wishes(f"{root}/?team=a")) as team:
        ask = Ask((UserMessage("hi"),), session="talk-1")
        await team.agents["root"].model.reply(ask, Told().hear)
    heard = model.heard[-1]
    assert heard.path == path
    assert f"POST {path}?team=a" in scripted.visits
    headers = {key: value for key, value in heard.headers.items() if key.startswith("x-cagent")}
    assert headers.pop("x-cagent-runtime-version")
    assert headers.pop("x-cagent-os") and headers.pop("x-cagent-arch")
    assert headers == {
        "x-cagent-forward": "https://api.openai.com/v1",
        "x-cagent-provider": "openai",
        "x-cagent-model": model.name,
        "x-cagent-model-name": "mine",
        "x-cagent-lang": "python",
        "x-cagent-runtime": "cagent",
        "x-cagent-id": "the-installation",
        "x-cagent-session-id": "talk-1",
    }
    assert heard.headers["authorization"] == "Bearer docker-token"
    assert "sk-secret" not in str(heard.headers)


@requirement("models:gateway:request")
async def test_claude_and_gemini_go_through_the_gateway(tmp_path: Path) -> None:
    """agent-file.md §3.12: Anthropic's header too; the model's own base_url is forwarded."""
    env = {**TOKEN, "ANTHROPIC_API_KEY": "sk-ant", "GOOGLE_API_KEY": "google-key"}
    with scripted_claude() as claude, gemini_server() as gemini:
        content: dict[str, Any] = {
            "models": {
                "c": {"provider": "anthropic", "model": "c", "base_url": "https://mine.test"},
            },
            "agents": {"root": {"model": "c"}},
        }
        async with loaded(tmp_path, content, env, **wishes(claude.url)) as team:
            await answer(team.agents["root"])
        heard = claude.model("c").heard[-1]
        assert heard.headers["x-cagent-forward"] == "https://mine.test"
        assert heard.headers["x-api-key"] == "docker-token"
        assert heard.headers["authorization"] == "Bearer docker-token"
        own = {"http_headers": {"x-goog-api-key": "for-the-gateway"}}
        third = {"provider": "google", "model": "gemini-3-x", "provider_opts": own}
        content = {"models": {"g": third}, "agents": {"root": {"model": "g"}}}
        async with loaded(tmp_path, content, env, **wishes(gemini.url)) as team:
            await answer(team.agents["root"])
        heard = gemini.model("gemini-3-x").heard[-1]
        assert heard.headers["x-cagent-forward"] == "https://generativelanguage.googleapis.com/"
        assert heard.headers["authorization"] == "Bearer docker-token"
        assert heard.headers["x-goog-api-key"] == "for-the-gateway"


@requirement("models:gateway:trust")
async def test_a_trusted_gateway_needs_the_token_and_no_other_gets_it(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """agent-file.md §3.12, E37: missing at load is an error."""
    content = {"agents": {"root": {"model": f"openai/{model.name}"}}}
    with pytest.raises(ConfigError, match="sign in to Docker Desktop first"):
        async with loaded(tmp_path, content, {}, **wishes(scripted.url)):
            pass
    async with loaded(tmp_path, content, TOKEN, **wishes("http://10.1.2.3:1/")) as team:
        assert team.agents["root"].model.card.name == model.name


@requirement("models:gateway:trust")
async def test_the_token_is_in_no_message(scripted: Scripted, model: Model, tmp_path: Path) -> None:
    """runtime.md §4.3: a provider's own words, never a key."""
    content = {"agents": {"root": {"model": f"openai/{model.name}"}}}
    model.script(fail(400, "bad token docker-token"))
    root = scripted.url.removesuffix("/v1")
    async with loaded(tmp_path, content, TOKEN, **wishes(root)) as team:
        with pytest.raises(Exception, match=r"bad token \*\*\*") as failed:
            await answer(team.agents["root"])
    assert "docker-token" not in str(failed.value)


@requirement("models:gateway:trust")
async def test_a_token_that_was_renewed_is_in_no_message_either(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """agent-file.md §3.12: looked up for every request."""
    content = {"agents": {"root": {"model": f"openai/{model.name}"}}}
    env = dict(TOKEN)
    async with loaded(tmp_path, content, env, **wishes(scripted.url.removesuffix("/v1"))) as team:
        env["DOCKER_TOKEN"] = "renewed-token"
        model.script(fail(401, "no such token: renewed-token"))
        with pytest.raises(ModelError, match=r"no such token: \*\*\*$"):
            await answer(team.agents["root"])
    assert model.heard[-1].headers["authorization"] == "Bearer renewed-token"


@requirement("models:gateway:request")
async def test_an_address_with_variables_is_forwarded_whole(
    scripted: Scripted, tmp_path: Path
) -> None:
    """agent-file.md §3.1: names in model and base_url are read before the gateway is asked."""
    model = scripted.model("gateway-expanded")
    content: dict[str, Any] = {
        "models": {"m": {"provider": "cloudflare-workers-ai", "model": "gateway-${SIZE}"}},
        "agents": {"root": {"model": "m"}},
    }
    env = {**TOKEN, "CLOUDFLARE_ACCOUNT_ID": "acc", "SIZE": "expanded"}
    async with loaded(tmp_path, content, env, **wishes(scripted.url.removesuffix("/v1"))) as team:
        await answer(team.agents["root"])
    headers = model.heard[-1].headers
    assert headers["x-cagent-model"] == "gateway-expanded"
    forward = "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1"
    assert headers["x-cagent-forward"] == forward


@requirement("models:gateway:bypass")
async def test_a_model_that_bypasses_needs_its_own_key(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """agent-file.md §3.12: direct, with own credentials, which the preflight then requires."""
    content: dict[str, Any] = {
        "models": {
            "direct": {
                "provider": "openai",
                "model": "gpt-4o",
                "bypass_models_gateway": True,
                "routing": [{"model": "other", "examples": ["hi"]}],
            },
            "other": {"provider": "mistral", "model": model.name},
        },
        "agents": {"root": {"model": "direct"}},
    }
    gateway = wishes("http://10.1.2.3:1/")
    with pytest.raises(ConfigError, match=r"MISTRAL_API_KEY .*\n.*OPENAI_API_KEY"):
        async with loaded(tmp_path, content, {}, **gateway):
            pass
    content["models"]["other"]["base_url"] = scripted.url
    async with loaded(tmp_path, content, {"OPENAI_API_KEY": "k"}, **gateway) as team:
        assert await answer(team.agents["root"]) == "hi"
    assert "x-cagent-forward" not in model.heard[-1].headers


@requirement("models:gateway:choice")
async def test_with_a_gateway_auto_is_anthropic_and_the_first_is_available(tmp_path: Path) -> None:
    """agent-file.md §3.3, 2 and §3.4: with a gateway: the first."""
    for content, chosen in (
        ({"agents": {"root": {"model": "auto"}}}, ("anthropic", "claude-sonnet-4-6")),
        (
            {
                "models": {"m": {"first_available": ["xai/grok", "openai/gpt-4o"]}},
                "agents": {"root": {"model": "m"}},
            },
            ("xai", "grok"),
        ),
    ):
        async with loaded(tmp_path, content, {}, **wishes("http://10.0.0.1")) as team:
            found = team.agents["root"].model.card
            assert (found.provider, found.name) == chosen
    assert not Overrides(tmp_path, tmp_path, tmp_path).keyless


@requirement("models:gateway:choice")
async def test_auth_and_a_gateway_exclude_each_other(tmp_path: Path) -> None:
    """agent-file.md §3.12: `auth` + gateway is an error."""
    federation = {
        "federation_rule_id": "fdrl_1",
        "organization_id": "o",
        "identity_token": {"env": "T"},
    }
    auth = {
        "type": "workload_identity_federation",
        "workload_identity_federation": federation,
    }
    content: dict[str, Any] = {
        "models": {"m": {"provider": "anthropic", "model": "c", "auth": auth}},
        "agents": {"root": {"model": "m"}},
    }
    with pytest.raises(ConfigError, match="cannot go through a models gateway"):
        async with loaded(tmp_path, content, {"T": "t"}, **wishes("http://10.0.0.1")):
            pass


@requirement("seed:models-gateway", "chat:1:models-gateway", "models:gateway:sources")
def test_the_flag_goes_before_variables_before_the_users_own_file(
    scripted: Scripted, model: Model, serve: Serve, tmp_path: Path
) -> None:
    """agent-file.md §3.12: where the gateway's address comes from."""
    root = scripted.url.removesuffix("/v1")
    other = "http://10.9.9.9:1"
    config = tmp_path / "config"
    config.mkdir()
    file = f'agents:\n  root:\n    model: "openai/{model.name}"\n'
    flags = ("--config-dir", str(config))
    places: list[tuple[str, str, dict[str, str], tuple[str, ...]]] = [
        ("file", f"models_gateway: {root}/\nlater: 1\n", {}, ()),
        ("variable", f"models_gateway: {other}\n", {"CAGENT_MODELS_GATEWAY": root}, ()),
        ("flag", "broken: [", {"CAGENT_MODELS_GATEWAY": other}, ("--models-gateway", root)),
    ]
    for place, text, env, more in places:
        (config / "config.yaml").write_text(text)
        server = serve(file, *flags, *more, env={**TOKEN, **env})
        assert server.client().chat("hello").content == "hello", place
        assert ("the file is ignored" in server.log) == (place == "flag")
    ids = {heard.headers["x-cagent-id"] for heard in model.heard}
    assert len(model.heard) == 3 and len(ids) == 1
    uuid.UUID(ids.pop())


@requirement("models:gateway:sources")
async def test_the_users_own_file_names_a_default_model_and_providers(tmp_path: Path) -> None:
    """agent-file.md §7.2: default_model, providers; the agent file wins on a name."""
    from docker_agent.config.user_file import read_user_file

    (tmp_path / "config.yaml").write_text(
        "default_model: {provider: ours, model: big}\n"
        "providers:\n"
        "  ours: {api_type: openai_chatcompletions, base_url: 'http://ours.test/v1'}\n"
        "  broken: {api_type: nonsense}\n"
    )
    user = read_user_file(tmp_path)
    assert user.default_model == "ours/big"
    assert set(user.providers) == {"ours"}
    more: dict[str, Any] = {"default_model": user.default_model, "providers": user.providers}
    async with loaded(tmp_path, {"agents": {"root": {"model": "auto"}}}, {}, **more) as team:
        assert team.agents["root"].model.card.name == "big"
    assert "no model is available" in await complaint(
        tmp_path, {"agents": {"root": {"model": "auto"}}}, {}
    )
