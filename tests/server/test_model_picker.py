"""The model of a conversation, chosen among those that the file lists. Source: runtime.md §9.19."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker_agent.errors import ConfigError
from tests.conftest import Serve
from tests.harness import Server, agent_yaml, run_command
from tests.loader.loading import loaded
from tests.requirements import requirement
from tests.scripted.heard import Model
from tests.scripted.model import Scripted
from tests.scripted.parts import call, fail, say

CHANGE = call("change_model", {"model": "strong"})


@pytest.fixture
def strong(scripted: Scripted, model: Model) -> Model:
    """The model that may be chosen."""
    return scripted.model(f"{model.name}-strong").script(say("strong here"))


@pytest.fixture
def server(serve: Serve, scripted: Scripted, model: Model, strong: Model) -> Server:
    """An agent that may choose, whose conversations are kept."""
    file = agent_yaml(
        scripted.url,
        {
            "root": {
                "model": model.name,
                "toolsets": [{"type": "model_picker", "models": ["strong", "root"]}],
            }
        },
        models={"strong": {"model": strong.name}},
    )
    return serve(file, "--conversations-max", "9", "--safety", "restricted")


def ask(server: Server, who: str, text: str = "hi") -> str:
    """What one conversation is answered next."""
    return server.client().chat(text, headers={"x-conversation-id": who}).content


@requirement("model-picker:change")
def test_a_conversation_keeps_the_model_it_has_chosen(
    server: Server, model: Model, strong: Model
) -> None:
    """§9.19 R: from the next turn on, in later requests too, and in this conversation alone."""
    model.script(CHANGE, say("own here"))
    assert ask(server, "ann") == "strong here"
    told = strong.heard[0].messages[-1]
    assert told["content"] == "The model strong answers from the next turn on."
    assert ask(server, "ann", "again") == "strong here"
    assert ask(server, "bob") == "own here"
    assert ask(server, "ann", "once more") == "strong here"
    assert (len(model.heard), len(strong.heard)) == (2, 3)


@requirement("model-picker:revert")
def test_a_conversation_goes_back(server: Server, model: Model, strong: Model) -> None:
    """§9.19: revert_model."""
    model.script(CHANGE, say("own here"))
    strong.script(say("strong here"), call("revert_model"), say("never"))
    assert ask(server, "ann") == "strong here"
    assert ask(server, "ann", "go back") == "own here"
    assert ask(server, "ann", "and now?") == "own here"


@requirement("model-picker:failed-turn")
def test_a_failed_turn_chooses_nothing(server: Server, model: Model, strong: Model) -> None:
    """DESIGN.md §8: state becomes true after success."""
    model.script(say("one"), CHANGE, say("own here"))
    strong.script(fail(400, "no"))
    assert ask(server, "ann") == "one"
    answer = server.client().chat("choose", headers={"x-conversation-id": "ann"})
    assert answer.status >= 400
    assert ask(server, "ann", "again") == "own here"


@requirement("model-picker:stateless")
def test_without_a_conversation_the_choice_ends_with_the_request(
    server: Server, model: Model, strong: Model
) -> None:
    """runtime.md §1.3: no id, so the state dies with the request."""
    model.script(CHANGE, say("own here"))
    assert server.client().chat("hi").content == "strong here"
    assert server.client().chat("hi").content == "own here"


@requirement("model-picker:listed")
def test_only_listed_models_can_be_chosen(server: Server, model: Model, strong: Model) -> None:
    """§9.19: an unknown model is an error that lists the allowed ones."""
    model.script(call("change_model", {"model": "openai/gpt-9"}), say("own here"))
    assert ask(server, "ann") == "own here"
    told = model.heard[-1].messages[-1]["content"]
    assert told == (
        "Error calling tool: the model 'openai/gpt-9' cannot be chosen; allowed are: strong, root"
    )
    [tool] = [t for t in model.heard[0].body["tools"] if t["function"]["name"] == "change_model"]
    assert tool["function"]["parameters"]["properties"]["model"]["enum"] == ["strong", "root"]
    assert strong.heard == []


@requirement("model-picker:loaded")
@pytest.mark.anyio
async def test_a_model_that_cannot_be_had_stops_the_start(tmp_path: Path) -> None:
    """agent-file.md §2.7.2 and §6.4: its key is looked for before the server listens."""
    picker = {"type": "model_picker", "models": ["openai/gpt-5.6"]}
    content = {"agents": {"root": {"model": "ollama/x", "toolsets": [picker]}}}
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        async with loaded(tmp_path, content):
            pass
    async with loaded(tmp_path, content, {"OPENAI_API_KEY": "k"}) as team:
        assert list(team.agents["root"].choices) == ["openai/gpt-5.6"]


@requirement("open-url:nothing")
def test_open_url_is_accepted_and_offers_nothing(
    serve: Serve, scripted: Scripted, model: Model, tmp_path: Path
) -> None:
    """runtime.md §9.18 R: not exposed; one warning at the start says why."""
    entry = {"type": "open_url", "url": "https://example.com/help", "name": "help"}
    file = agent_yaml(scripted.url, {"root": {"model": model.name, "toolsets": [entry]}})
    server = serve(file)
    assert server.client().chat("hi").content == "hi"
    assert "tools" not in model.heard[0].body
    told = "open_url has no tool here: a server has no browser to show https://example.com/help in"
    assert server.log.count(told) == 1
    (tmp_path / "agent.yaml").write_text(file)
    done = run_command("check", "agent.yaml", home=tmp_path)
    assert done.returncode == 0 and told in done.stdout + done.stderr
