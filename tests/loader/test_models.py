"""Models of a file that are made of its other models. Source: agent-file.md §3.10, §3.11."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from docker_agent.messages import JSON, UserMessage
from docker_agent.models.port import Ask
from docker_agent.runtime.agent import Agent
from tests.loader.loading import complaint, loaded
from tests.models.talking import Told
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted

pytestmark = pytest.mark.anyio


def behind(scripted: Scripted, name: str, **more: JSON) -> dict[str, JSON]:
    """A model of the scripted server."""
    return {"provider": "ollama", "model": name, "base_url": scripted.url, **more}


async def said(agent: Agent, text: str) -> str:
    """Which model answered."""
    return (await agent.model.reply(Ask((UserMessage(text),)), Told().hear)).model


@requirement("loader:routing")
async def test_a_router_of_a_file_asks_its_targets(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """agent-file.md §3.11: names or provider/model; the router's max_tokens stays its own."""
    named, alloyed = scripted.model(f"{model.name}-named"), scripted.model(f"{model.name}-alloy")
    rules = [
        {"model": "coder", "examples": ["fix the bug"]},
        {"model": "mixed", "examples": ["tell a joke"]},
    ]
    content: dict[str, Any] = {
        "models": {
            "router": behind(scripted, model.name, max_tokens=5, routing=rules),
            "coder": behind(scripted, named.name),
            "part": behind(scripted, alloyed.name),
            "mixed": {"model": "part, part"},
        },
        "agents": {"root": {"model": "router"}},
    }
    async with loaded(tmp_path, content) as team:
        root = team.agents["root"]
        assert await said(root, "Please fix my bug") == named.name
        assert await said(root, "a joke!") == alloyed.name
        assert await said(root, "good morning") == model.name
    assert [heard.body.get("max_tokens") for heard in named.heard + model.heard] == [None, 5]


@requirement("loader:routing")
async def test_the_preflight_knows_the_keys_of_targets(tmp_path: Path) -> None:
    """agent-file.md §6.4: direct routing targets contribute."""
    rule = {"model": "mistral/m", "examples": ["x"]}
    content: dict[str, Any] = {
        "models": {"r": {"provider": "openai", "model": "m", "routing": [rule]}},
        "agents": {"root": {"model": "r"}},
    }
    text = await complaint(tmp_path, content)
    assert "MISTRAL_API_KEY" in text and "OPENAI_API_KEY" in text


@requirement("loader:toolset-model")
async def test_models_that_toolsets_name_are_opened(
    scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """runtime.md §8.3 `model`: any reference; one nobody knows stops the start."""
    content: dict[str, Any] = {
        "models": {"small": behind(scripted, model.name), "main": behind(scripted, "main")},
        "agents": {
            "root": {"model": "main", "toolsets": [{"type": "think", "model": "small"}]},
            "other": {"model": "main", "toolsets": [{"type": "todo", "model": "ollama/x"}]},
        },
    }
    async with loaded(tmp_path, content) as team:
        opened = {**team.agents["root"].models, **team.agents["other"].models}
        assert {name: one.card.name for name, one in opened.items()} == {
            "small": model.name,
            "ollama/x": "x",
        }
    content["agents"]["root"]["toolsets"][0]["model"] = "nobody/x"
    assert "unknown provider type 'nobody'" in await complaint(tmp_path, content)


@requirement("loader:caps")
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"max_tokens": 100_000}, "this is no context size"),
        (
            {"max_tokens": 8192, "provider_opts": {"context_size": "8192"}},
            "all of the context_size",
        ),
        ({"max_tokens": 200_000, "provider_opts": {"context_size": 400_000}}, ""),
        ({"max_tokens": 99_999}, ""),
        ({"provider_opts": {"http_headers": {"X-A": 5}}}, "http_headers.X-A is no text"),
    ],
)
async def test_settings_that_look_wrong_are_warned_of(
    keys: dict[str, JSON], said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """agent-file.md §3.6 and §3.2.1: a warning at load, with its place."""
    model = {"provider": "ollama", "model": "m", **keys}
    async with loaded(tmp_path, {"models": {"m": model}, "agents": {"root": {"model": "m"}}}):
        pass
    warnings = [record.getMessage() for record in caplog.records if "models.m" in record.message]
    assert len(warnings) == int(bool(said))
    assert said in "".join(warnings)
