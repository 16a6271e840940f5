"""The models of document sources: found as chat models are, asked where the file says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from docker_agent.env.chain import Values
from docker_agent.errors import ConfigError
from docker_agent.loader.look import look
from docker_agent.loader.overrides import Overrides
from docker_agent.loader.source import find_source
from docker_agent.messages import JSON
from docker_agent.models.gateway import parse_gateway
from docker_agent.runtime.agent import Team
from docker_agent.tools.port import Toolset
from tests.loader.loading import loaded, write
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import say
from tests.tools.rag.shelf import asked, put, until

pytestmark = pytest.mark.anyio


def declared(
    reference: str, model: Mapping[str, JSON] | None = None, **top: JSON
) -> dict[str, JSON]:
    """A file whose one source asks `reference` for vectors; `model` declares it."""
    strategy: dict[str, JSON] = {
        "type": "chunked-embeddings",
        "embedding_model": reference,
        "threshold": 0.1,
    }
    toolset: dict[str, JSON] = {"type": "rag", "ref": "kb"}
    return {
        "agents": {"root": {"model": "ollama/x", "toolsets": [toolset]}},
        "models": {} if model is None else {reference: dict(model)},
        "rag": {"kb": {"docs": ["docs"], "strategies": [strategy]}},
        **top,
    }


def toolset_of(team: Team) -> Toolset:
    """The toolset of the one agent."""
    (toolset,) = team.agents["root"].toolbox.toolsets
    return toolset


async def found(team: Team) -> list[dict[str, Any]]:
    """What the source answers, once it is indexed."""
    toolset = toolset_of(team)
    await until(lambda: toolset.status.state != "starting")
    return await asked(toolset, "a kitten")


@requirement("rag:embeddings:reached")
@pytest.mark.parametrize("way", ["named", "inline", "google", "dmr", "first", "selector"])
async def test_a_model_is_reached_as_chat_models_are(
    scripted: Scripted, model: Model, tmp_path: Path, way: str
) -> None:
    """agent-file.md §2.7.2 and §3: provider, address, key; Gemini by its OpenAI side."""
    put(tmp_path, {"docs/a.md": "the cat sleeps"})
    url, name = scripted.url, model.name
    env = {"KEY": "key-1", "GOOGLE_API_KEY": "key-1"}
    candidates: dict[str, JSON] = {
        "none": {"provider": "mistral", "model": "x"},
        "made": {"provider": "openai", "model": name, "base_url": url, "token_key": "KEY"},
        "pick": {"first_available": ["none", "made"]},
    }
    providers: dict[str, JSON] = {"mine": {"base_url": url, "token_key": "KEY"}}
    openai = {"provider": "openai", "model": name, "base_url": url, "token_key": "KEY"}
    content, path, key = {
        "named": (declared("made", openai), "/v1/embeddings", "Bearer key-1"),
        "inline": (declared(f"mine/{name}", providers=providers), "/v1/embeddings", "Bearer key-1"),
        "google": (
            declared("made", {"provider": "google", "model": name, "base_url": url[:-3]}),
            "/v1beta/openai/embeddings",
            "Bearer key-1",
        ),
        "dmr": (
            declared("made", {"provider": "dmr", "model": name, "base_url": url}),
            "/v1/embeddings",
            None,
        ),
        "first": (declared("made", openai), "/v1/embeddings", "Bearer key-1"),
        "selector": (
            {**declared("pick"), "models": candidates},
            "/v1/embeddings",
            "Bearer key-1",
        ),
    }[way]
    async with loaded(tmp_path, content, env) as team:
        assert [each["source_path"] for each in await found(team)] == ["docs/a.md"]
    assert {heard.path for heard in model.heard} == {path}
    assert model.heard[0].headers.get("authorization") == key


@requirement("rag:semantic")
@requirement("rag:reranking")
async def test_models_that_describe_and_judge_are_those_of_the_file(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """agent-file.md §2.11: `chat_model` and `reranking.model`; `rerank_prompt` of the model."""
    put(tmp_path, {"docs/a.md": "0x17", "docs/b.md": "0x42"})
    teller = scripted.model(f"{model.name}-teller").script(say("a kitten"))
    judge = scripted.model(f"{model.name}-judge").script(say('{"scores": [0.1, 0.9]}'))
    provider: dict[str, JSON] = {
        "base_url": scripted.url,
        "api_type": "openai_chatcompletions",
    }
    content = declared("vectors", providers={"mine": provider})
    content["models"] = {
        name: {"provider": "mine", "model": each, "provider_opts": {"rerank_prompt": "Judge."}}
        for name, each in (("vectors", model.name), ("tell", teller.name), ("judge", judge.name))
    }
    strategy: dict[str, JSON] = {
        "type": "semantic-embeddings",
        "embedding_model": "vectors",
        "chat_model": "tell",
    }
    results: dict[str, JSON] = {"reranking": {"model": "judge", "criteria": "Any."}}
    content["rag"] = {"kb": {"docs": ["docs"], "strategies": [strategy], "results": results}}
    async with loaded(tmp_path, content) as team:
        assert len(await found(team)) == 1
    assert {text for heard in model.heard for text in heard.body["input"]} == {"a kitten"}
    assert len(teller.heard) == 2
    (heard,) = judge.heard
    assert heard.messages[0]["content"] == "Judge."
    schema = heard.body["response_format"]["json_schema"]
    assert schema["strict"] is True and schema["schema"]["required"] == ["scores"]


@requirement("rag:embeddings:reached")
async def test_a_gateway_stands_in_front_of_it(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """agent-file.md §3.12: the gateway has the key, and is told whose model is meant."""
    put(tmp_path, {"docs/a.md": "the cat sleeps"})
    gateway = parse_gateway(scripted.url.removesuffix("/v1"))
    env = {"DOCKER_TOKEN": "token-1"}
    content = declared(f"openai/{model.name}")
    async with loaded(tmp_path, content, env, gateway=gateway) as team:
        assert len(await found(team)) == 1
    headers = model.heard[0].headers
    assert headers["authorization"] == "Bearer token-1"
    assert headers["x-cagent-forward"] == "https://api.openai.com/v1"
    assert headers["x-cagent-model"] == model.name


@requirement("rag:embeddings:reached")
async def test_auto_takes_what_is_there(scripted: Scripted, tmp_path: Path) -> None:
    """agent-file.md §2.11: OpenAI's with a key, else Docker Model Runner's."""
    put(tmp_path, {"docs/a.md": "the cat sleeps"})
    runner = scripted.url.removesuffix("/v1")
    async with loaded(tmp_path, declared("auto"), {"MODEL_RUNNER_HOST": runner}) as team:
        assert len(await found(team)) == 1
    made = scripted.model("ai/embeddinggemma")
    assert {heard.path for heard in made.heard} == {"/engines/v1/embeddings"}
    gateway = parse_gateway(runner)
    env = {"OPENAI_API_KEY": "k", "DOCKER_TOKEN": "t"}
    async with loaded(tmp_path, declared("auto"), env, gateway=gateway) as team:
        assert len(await found(team)) == 1
    assert (
        scripted.model("text-embedding-3-small").heard[0].headers["x-cagent-provider"] == "openai"
    )


@requirement("rag:embeddings:reached")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            declared("openai/text-embedding-3-small"),
            "OPENAI_API_KEY environment variable is required",
        ),
        (declared("anthropic/claude"), "'anthropic' is not asked for embeddings; use one that"),
        (declared("nobody/x"), "unknown provider type 'nobody'"),
        (
            declared("both", {"model": "ollama/a, ollama/b"}),
            "is several models, which make vectors that do not fit together",
        ),
    ],
)
async def test_a_model_that_makes_no_vectors_stops_the_start(
    tmp_path: Path, content: dict[str, JSON], said: str
) -> None:
    """agent-file.md §8: the key, the line, what would be right."""
    with pytest.raises(ConfigError) as refused:
        async with loaded(tmp_path, content):
            pass
    assert said in str(refused.value)
    assert "agent.yaml:1" in str(refused.value)


@requirement("rag:embeddings:reached")
async def test_a_file_from_elsewhere_sends_no_key_away(tmp_path: Path) -> None:
    """chat-server.md §6: not by a model that makes vectors either."""
    thief = {"provider": "openai", "model": "x", "base_url": "https://thief.example/v1"}
    content = declared("made", thief)
    with pytest.raises(ConfigError, match=r"would send OPENAI_API_KEY to thief\.example"):
        async with loaded(tmp_path, content, {"OPENAI_API_KEY": "k"}, local=False):
            pass


@requirement("rag:check")
async def test_check_looks_at_a_source_without_touching_anything(tmp_path: Path) -> None:
    """`docker-agent check`: its tool, its models, what is wrong; nothing is made."""
    put(tmp_path, {"docs/a.md": "x"})
    path = write(tmp_path, declared("openai/text-embedding-3-small"))
    overrides = Overrides(tmp_path, tmp_path / "cache", tmp_path / "data")
    seen = await look(find_source(str(path)), overrides, Values({}))
    assert (seen.problems, seen.missing) == ((), ("OPENAI_API_KEY",))
    assert [toolset.tools for toolset in seen.agents[0].toolsets] == [("kb",)]
    assert [model.name for model in seen.models_beside] == ["openai/text-embedding-3-small"]
    assert not (tmp_path / "data").exists()
    wrong: dict[str, JSON] = {"type": "bm25", "database": "/elsewhere.db"}
    source: dict[str, JSON] = {"kb": {"docs": ["docs"], "strategies": [wrong]}}
    path = write(tmp_path, {**declared("ollama/x"), "rag": source})
    seen = await look(find_source(str(path)), overrides, Values({}))
    assert "leads out of" in seen.problems[0]


@requirement("rag:skills")
async def test_a_skill_that_works_for_itself_may_have_a_source(tmp_path: Path) -> None:
    """runtime.md §8.1: definitions are merged by `ref`, in shared toolsets too."""
    put(tmp_path, {"docs/a.md": "the cat sleeps"})
    skill: dict[str, JSON] = {
        "name": "look-up",
        "description": "Looks it up.",
        "context": "fork",
        "instructions": "Look.",
        "toolsets": ["books"],
    }
    source: dict[str, JSON] = {"docs": ["docs"], "strategies": [{"type": "bm25"}]}
    content: dict[str, JSON] = {
        "agents": {"root": {"model": "ollama/x", "skills": [skill]}},
        "rag": {"kb": source},
        "toolsets": {"books": {"type": "rag", "ref": "kb"}},
    }
    async with loaded(tmp_path, content) as team:
        fork = team.agents["root"].forks["look-up"]
        (toolset,) = fork.toolbox.toolsets
        await until(lambda: toolset.status.state == "ready")
        assert len(await asked(toolset, "cat sleeps")) == 1
